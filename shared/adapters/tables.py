"""The ledger in Azure Table Storage: one table, a partition for each subscription. `shared/layout.py` has its rows.

All of one change is one entity-group transaction, which Azure does as a whole or not at all.
"""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import accumulate, batched
from typing import TYPE_CHECKING

import msgspec
from azure.core.exceptions import HttpResponseError

from shared import layout
from shared.adapters import cursor, last_listed
from shared.domain.actions import Entry
from shared.domain.budget import next_sweep
from shared.domain.cap import drawn_by
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.malformed import shown
from shared.domain.money import Offer
from shared.domain.records import Episode, Record, Transition
from shared.domain.spending import DaySpent, Past
from shared.domain.states import PowerState
from shared.exchange import error_code
from shared.ports import (
    Arrival,
    Busy,
    Change,
    Conflict,
    Coverage,
    Damaged,
    Fetched,
    Forgotten,
    History,
    Known,
    Page,
    Pasts,
    PortError,
    Query,
    Refused,
    Standing,
    Stored,
    Tally,
)
from shared.rows import ABSENT, MOST_OPERATIONS, MOST_ROWS, Found, Row, Rows, Write
from shared.storage import Account, StorageFault, ask, sdk_client

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables import TableEntity
    from azure.data.tables.aio import TableClient, TableServiceClient

TABLE = "ledger"

SEARCHED = 20_000
"""How many VMs are looked through for a name, for one answer."""

AT_ONCE = 20
"""How many rows are read at once."""

DRAWS = 20
"""How often a draw from the cap is tried against others; one always wins, so the rest gets through."""

_CAP = ("cap", "deallocations")
"""Partition and row key of the draws."""

PRICES = "prices"
"""The partition of prices; those of VMs are named after subscriptions, which are GUIDs."""

_DAYS = "days"
"""The partition of days that were added up."""

_SWEEPS = "sweeps"
"""The partition of what sweeps came to, a row for each subscription."""

_PROBES = "probes"
"""The partition of the probes that arrived, a row for each subscription: the latest."""

_PLANS = "plans"
"""The partition of the sweeps that events ask for, a row for each subscription."""

_PLACES = "places"
"""The partition of where the removal of what is old goes on: after which row key, a row for each subscription."""

_LIFE = ("entry", "episode", "transition")
"""The kinds of rows that a VM's life is in, in the order of their keys."""

_PART = re.compile(r"(?P<kind>\w+)!.+!.+!(?P<stamp>[0-9]{18})(![0-9]+)?")
"""A row key of one of them."""

NOT_AS_READ = {*ABSENT, "EntityAlreadyExists", "ConditionNotMet", "UpdateConditionNotSatisfied"}
"""What Azure says of a condition that does not hold."""


class _KnownRow(msgspec.Struct):
    """What a sweep reads of each VM's row. Whatever is not there as we write it says nothing: a look will tell."""

    RowKey: str
    fingerprint: object = None
    due_at: object = None
    power_state: object = None

    @property
    def known(self) -> Known:
        """What is known of the VM."""
        deleted = self.power_state == PowerState.DELETED
        if not isinstance(self.fingerprint, str):
            return Known("", None, deleted)
        try:
            due_at = None if self.due_at is None else datetime.fromisoformat(str(self.due_at))
        except ValueError:
            return Known("", None, deleted)
        return Known(self.fingerprint, due_at, deleted)


class _Key(msgspec.Struct):
    """The key of a row alone."""

    RowKey: str


class _Body(msgspec.Struct):
    """What is read of rows of which all is wanted."""

    PartitionKey: str
    RowKey: str
    body: object = None

    @property
    def row(self) -> Row:
        """For `_value`."""
        return {"PartitionKey": self.PartitionKey, "RowKey": self.RowKey, "body": self.body}


class _Drawn(msgspec.Struct, frozen=True):
    """When the latest deallocations were sent: as many as the cap, or those of the last hour if these are more."""

    at: tuple[datetime, ...]


class _Planned(msgspec.Struct, frozen=True):
    """When the next sweep that events ask for is due."""

    due_at: datetime


def open_ledger(
    connection_string: str | None,
    uri: str | None,
    credential: "AsyncTokenCredential",
) -> "TableLedger":
    """The ledger in the storage account that a connection string names, else the one at a URI.

    Raises `ValueError` for a connection string or URI that is none.
    """
    account = Account.open("table", connection_string, uri, credential)
    return TableLedger(account, partial(table_service, connection_string, uri, credential))


def table_service(
    connection_string: str | None,
    uri: str | None,
    credential: "AsyncTokenCredential",
) -> "TableServiceClient":
    """The SDK's client of the tables in a storage account, see `sdk_client`."""
    from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415 - most instances never need it

    return sdk_client(TableServiceClient, "table", connection_string, uri, credential)


class TableLedger:
    """Ports `Ledger` and `PriceCache`: a read is one request, and so is a save."""

    def __init__(self, account: Account, service: Callable[[], "TableServiceClient"]) -> None:
        """Make no connection yet.

        Args:
            account: Where the table is.
            service: Gives the SDK's client of that account, when it is first needed: for what is rare.
        """
        self._account = account
        self._rows = Rows(account, TABLE)
        self._made_service = service

    @cached_property
    def _service(self) -> "TableServiceClient":
        return self._made_service()

    @cached_property
    def _table(self) -> "TableClient":
        return self._service.get_table_client(TABLE)

    async def latest(self, vm: VmId) -> Stored | None:
        """One point read."""
        found = await self._read(f"read of {vm}", vm.subscription, layout.key_of("vm", vm))
        return Stored(_value(found.row, Record), found.etag) if found else None

    async def save(self, change: Change, previous: Stored | None) -> Stored:
        """One transaction."""
        etag = await self._write(f"save of {change.record.vm}", layout.writes(change, previous))
        return Stored(change.record, etag)

    async def page(self, query: Query) -> Page:
        """One query a subscription, or one for each 1,000 rows."""
        last = last_listed(query)
        subscriptions = query.subscriptions[query.subscriptions.index(last.subscription) if last else 0 :]
        kind = layout.kind_of(query)
        columns: dict[str, object] = {}
        if query.flagged is False:
            columns["flagged"] = False
        if query.flagged and query.parked:
            columns["parked"] = True
        if query.power_state:
            columns["power_state"] = query.power_state.value
        if query.name is not None:
            return await self._named(query, kind, subscriptions, last, columns)
        found = list[Record]()
        for subscription in subscriptions:
            after = layout.key_of(kind, last) if last and last.subscription == subscription else f"{kind}!"
            # One more than asked for tells whether there is a next page.
            limit = query.limit + 1 - len(found)
            rows = await self._find(subscription, after, layout.end_of(f"{kind}!"), columns, limit)
            found += [_value(row, Record) for row in rows]
            if len(found) > query.limit:
                listed = found[: query.limit]
                return Page(tuple(listed), cursor(listed[-1].vm))
        return Page(tuple(found), None)

    async def _named(
        self,
        query: Query,
        kind: str,
        subscriptions: Sequence[str],
        last: VmId | None,
        columns: Mapping[str, object],
    ) -> Page:
        """One query of keys for each 1,000 rows, at most `SEARCHED`, and a point read of each VM that is found."""
        found, searched, place = list[VmId](), 0, last
        ends = [(subscription, layout.end_of(f"{kind}!")) for subscription in subscriptions]
        while ends and searched < SEARCHED and len(found) <= query.limit:
            subscription, end = ends[0]
            after = layout.key_of(kind, place) if place and place.subscription == subscription else f"{kind}!"
            rows = await self._find(subscription, after, end, columns, MOST_ROWS, select=("RowKey",))
            vms = [VmId(subscription, *str(row["RowKey"]).split("!")[1:]) for row in rows]
            found += [vm for vm in vms if query.finds(vm)]
            searched, place = searched + len(rows), vms[-1] if vms else place
            if len(rows) < MOST_ROWS:
                ends.pop(0)
        told = found[: query.limit]
        if len(found) > len(told):
            place = told[-1]
        more = bool(ends) or len(found) > len(told)
        return Page(await self._records(told, kind), cursor(place) if more and place else None)

    async def _records(self, vms: Sequence[VmId], kind: str) -> tuple[Record, ...]:
        """The records of VMs, without those that are not there, as what they are, any more."""
        records = list[Record]()
        for some in batched(vms, AT_ONCE, strict=False):
            reads = (self._read(f"read of {vm}", vm.subscription, layout.key_of(kind, vm)) for vm in some)
            records += [_value(found.row, Record) for found in await asyncio.gather(*reads) if found]
        return tuple(records)

    async def instances(self, scale_set: ScaleSetId) -> list[VmId]:
        """One query, or one for each 1,000 instances."""
        first = f"vm!{scale_set.resource_group}!{scale_set.name}~"
        rows = await self._find(scale_set.subscription, first, layout.end_of(first), {}, sys.maxsize)
        return [VmId(scale_set.subscription, *str(row["RowKey"]).split("!")[1:]) for row in rows]

    async def history(self, vm: VmId, limit: int) -> History:
        """Three queries."""
        transitions = await self._life(vm, "transition", limit)
        episodes = await self._life(vm, "episode", limit)
        entries = await self._life(vm, "entry", limit)
        return History(
            tuple(_value(row, Transition) for row in transitions),
            tuple(_value(row, Episode) for row in episodes),
            tuple(_value(row, Entry) for row in entries),
        )

    async def known(self, subscription: str) -> dict[VmId, Known]:
        """One query for each 1,000 VMs, of a few columns."""
        known, goes_on = dict[VmId, Known](), ""
        while True:
            page = partial(self._rows.page, subscription, "vm!", layout.end_of("vm!"), _KnownRow, goes_on)
            rows, goes_on = await self._ask(f"query of {subscription}", page)
            for row in rows:
                match row.RowKey.split("!"):
                    case [_, group, name]:
                        known[VmId(subscription, group, name)] = row.known
            if not goes_on:
                return known

    async def tally(self, subscription: str, most: int) -> Tally:
        """One query for each 1,000 VMs, of two columns."""
        # One more than is counted tells whether there are more.
        columns = ("power_state", "flagged")
        rows = await self._find(subscription, "vm!", layout.end_of("vm!"), {}, most + 1, select=columns)
        counted = rows[:most]
        return Tally(
            Counter(PowerState(str(row.get("power_state"))) for row in counted),
            sum(row.get("flagged") is True for row in counted),
            whole=len(counted) == len(rows),
        )

    async def standing(self, subscription: str, most: int) -> Standing:
        """Three queries, or one for each 1,000 VMs."""
        stopped, saving, flagged = await asyncio.gather(
            self._all(subscription, "stopped!", layout.end_of("stopped!"), _Body, most),
            self._all(subscription, "saving!", layout.end_of("saving!"), _Body, most),
            self._all(subscription, "flag!", layout.end_of("flag!"), _Key, most),
        )
        return Standing(
            tuple(_value(row.row, Record) for row in stopped[:most]),
            tuple(_value(row.row, Record) for row in saving[:most]),
            len(flagged[:most]),
            whole=max(len(stopped), len(saving), len(flagged)) <= most,
        )

    async def past(self, subscription: str, since: datetime, until: datetime, most: int) -> Pasts:
        """One query, or one for each 1,000 spells."""
        # The later has the smaller stamp; those of `until` itself are left out.
        first, end = (
            layout.end_of(f"past!{layout.stamp(until)}!"),
            layout.end_of(f"past!{layout.stamp(since)}!"),
        )
        rows = await self._all(subscription, first, end, _Body, most)
        return Pasts(tuple(_value(row.row, Past) for row in rows[:most]), whole=len(rows) <= most)

    async def keep_days(self, subscription: str, days: Sequence[DaySpent]) -> None:
        """One upsert for each day."""
        for day in days:
            row = layout.split_body(layout.columns(_DAYS, layout.day_key(subscription, day.day), day))
            await self._put(f"save of {day.day} of {subscription}", row)

    async def days(self, subscription: str, most: int) -> list[DaySpent]:
        """One query."""
        rows = await self._find(_DAYS, f"{subscription}!", layout.end_of(f"{subscription}!"), {}, most)
        return [_value({**row, "body": layout.whole_body(row)}, DaySpent) for row in rows]

    async def _all[Columns: msgspec.Struct](
        self, subscription: str, after: str, end: str, of: type[Columns], most: int
    ) -> list[Columns]:
        """Rows of a partition between two row keys: at least one more than `most`, if there are so many."""
        found, goes_on = list[Columns](), ""
        while True:
            page = partial(self._rows.page, subscription, after, end, of, goes_on)
            rows, goes_on = await self._ask(f"query of {subscription}", page)
            found += rows
            if not goes_on or len(found) > most:
                return found

    async def save_all(self, changes: Sequence[tuple[Change, Stored | None]]) -> list[PortError | None]:
        """A transaction for as many as fit into one; where Azure does not take it, the one that it names apart."""
        kept = list[PortError | None]()
        for some in layout.batches([layout.writes(*each) for each in changes]):
            kept += await self._save_some(some)
        return kept

    async def _save_some(
        self, works: Sequence[list[Write]], *, again: bool = False
    ) -> list[PortError | None]:
        """What kept each of some changes from being saved, given as what is to be written of each.

        Azure does all of a transaction or nothing, and names the first operation that it does not take: that change
        goes alone, the others once more together; and if that fails `again`, each of them alone.
        """
        steps = [step for work in works for step in work]
        row, more = steps[0].row, len(works) - 1
        whose = f"{row['PartitionKey']} {row['RowKey']}" + (f" and {more} more" if more else "")
        try:
            await self._write(f"save of {whose}", steps)
        except (Conflict, Refused) as fault:
            if not _of_one(fault):
                raise
            if len(works) == 1:
                return [fault]
            if again:
                return [kept for work in works for kept in await self._save_some([work])]
            number = _named_by(fault, works)
            alone = await self._save_some([works[number]])
            others = await self._save_some([*works[:number], *works[number + 1 :]], again=True)
            return [*others[:number], *alone, *others[number:]]
        return [None] * len(works)

    async def plan_sweep(self, subscription: str, now: datetime, apart: timedelta) -> tuple[datetime, bool]:
        """A point read, and a conditional write if none was planned; both again if somebody else plans meanwhile."""
        what = f"plan of a sweep of {subscription}"
        for _ in range(DRAWS):
            found = await self._read(what, _PLANS, subscription)
            planned_at = _value(found.row, _Planned).due_at if found else None
            due_at = next_sweep(planned_at, now, apart)
            if due_at == planned_at:
                return due_at, False
            plan = layout.conditional(
                layout.columns(_PLANS, subscription, _Planned(due_at)), found.etag if found else None
            )
            try:
                await self._write(what, [plan])
            except Conflict:
                continue
            return due_at, True
        raise Busy(f"table {TABLE}, {what}: overtaken by others {DRAWS} times")

    async def keep_coverage(self, coverage: Coverage) -> None:
        """One upsert."""
        row = layout.columns(_SWEEPS, coverage.subscription, coverage)
        await self._put(f"save of the sweep of {coverage.subscription}", row)

    async def coverage(self, subscriptions: Sequence[str]) -> dict[str, Coverage]:
        """A point read of one; of several one query, from the first to the last of them."""
        return await self._of_each(_SWEEPS, subscriptions, Coverage)

    async def keep_probe(self, arrival: Arrival) -> bool:
        """A point read, and a conditional write of what is later; both again if somebody else writes meanwhile."""
        probe = arrival.probe
        what = f"save of a probe of {probe.subscription}"
        for _ in range(DRAWS):
            found = await self._read(what, _PROBES, probe.subscription)
            kept = _readable(found.row, Arrival) if found else None
            if not probe.follows(kept.probe if kept else None):
                return False
            row = layout.columns(_PROBES, probe.subscription, arrival)
            try:
                await self._write(what, [layout.conditional(row, found.etag if found else None)])
            except Conflict:
                continue
            return True
        raise Busy(f"table {TABLE}, {what}: overtaken by others {DRAWS} times")

    async def probes(self, subscriptions: Sequence[str]) -> dict[str, Arrival]:
        """As `coverage`."""
        return await self._of_each(_PROBES, subscriptions, Arrival)

    async def _of_each[Value: (Coverage, Arrival)](
        self, partition: str, subscriptions: Sequence[str], of: type[Value]
    ) -> dict[str, Value]:
        """Of a partition with a row for each subscription. One that is damaged is none: it is soon written anew."""
        rows = dict[str, Row]()
        match subscriptions:
            case []:
                return {}
            case [subscription]:
                one = await self._read(f"read of {partition}, {subscription}", partition, subscription)
                rows = {subscription: one.row} if one else {}
            case _:
                first, last = min(subscriptions)[:-1], layout.end_of(max(subscriptions))
                found = await self._find(partition, first, last, {}, sys.maxsize)
                rows = {str(row["RowKey"]): row for row in found}
        values = {each: _readable(rows[each], of) for each in subscriptions if each in rows}
        return {each: value for each, value in values.items() if value}

    async def forget(self, subscription: str, before: datetime, most: int) -> Forgotten:
        """One query for each 1,000 rows, of their keys, which have their time; a transaction for each 100 that go.

        And a read and a write of where it goes on.
        """
        found = await self._read(f"read of the place in {subscription}", _PLACES, subscription)
        place = str(found.row.get("after") or "") if found else ""
        seen = removed = 0
        for kind in _LIFE:
            first, end = f"{kind}!", layout.end_of(f"{kind}!")
            while seen < most and place < end:
                limit = min(most - seen, MOST_ROWS)
                rows = await self._find(
                    subscription, max(place, first), end, {}, limit, select=("RowKey", "ended_at")
                )
                removed += await self._remove(subscription, before, rows)
                seen += len(rows)
                place = str(rows[-1]["RowKey"]) if len(rows) == limit else end
        finished = place >= end and await self._forget_past(subscription, before, most)
        columns: layout.Columns = {
            "PartitionKey": _PLACES,
            "RowKey": subscription,
            "after": "" if finished else place,
        }
        await self._put(f"save of the place in {subscription}", columns)
        return Forgotten(seen, removed, finished)

    async def _forget_past(self, subscription: str, before: datetime, most: int) -> bool:
        """Remove spells that ended before a time, at most so many; whether none is left. Their keys have their time."""
        first = layout.end_of(f"past!{layout.stamp(before)}!")
        rows = await self._all(subscription, first, layout.end_of("past!"), _Key, most - 1)
        for some in batched([row.RowKey for row in rows[:most]], MOST_OPERATIONS, strict=False):
            for fault in await self._save_some([[layout.removal(subscription, key)] for key in some]):
                if fault and not isinstance(fault, Conflict):
                    raise fault
        return len(rows) <= most

    async def _remove(self, subscription: str, before: datetime, rows: Sequence["TableEntity"]) -> int:
        """Remove the rows that are old; how many."""
        old = [str(row["RowKey"]) for row in rows if await self._is_old(subscription, row, before)]
        for some in batched(old, MOST_OPERATIONS, strict=False):
            works = [[layout.removal(subscription, key)] for key in some]
            for fault in await self._save_some(works):
                if fault and not isinstance(fault, Conflict):
                    raise fault
        return len(old)

    async def _is_old(self, subscription: str, row: "TableEntity", before: datetime) -> bool:
        """Whether a row of a VM's life is from before a time. One that we cannot have written is left alone."""
        key = str(row["RowKey"])
        named = _PART.fullmatch(key)
        if named is None or named["stamp"] <= layout.stamp(before):
            return False
        if named["kind"] != "episode":
            return True
        ended_at = row.get("ended_at")
        if not isinstance(ended_at, datetime):
            # It lasts, or an older version wrote it, without the column.
            ended_at = _ended_at(await self._read(f"read of {key}", subscription, key))
        return ended_at is not None and ended_at < before

    async def draw(self, now: datetime, most: int) -> datetime | None:
        """A point read and a conditional write, both again if somebody else draws at the same time.

        If the write's answer is lost, it is drawn twice: rather one too few than one too many.
        """
        what = "draw from the cap"
        for _ in range(DRAWS):
            found, drawn = await self._drawn()
            kept, free_at = drawn_by(drawn, now, most)
            if free_at:
                return free_at
            try:
                draw = layout.conditional(layout.columns(*_CAP, _Drawn(kept)), found.etag if found else None)
                await self._write(what, [draw])
            except Conflict:
                continue
            return None
        raise Busy(f"table {TABLE}, {what}: overtaken by others {DRAWS} times")

    async def free_at(self, now: datetime, most: int) -> datetime | None:
        """A point read."""
        _, drawn = await self._drawn()
        return drawn_by(drawn, now, most)[1]

    async def check(self) -> None:
        """Make the table unless it is there, and read from it: a right that is missing shows."""
        await ask(f"table {TABLE}, make it", partial(self._service.create_table_if_not_exists, TABLE))
        await self._find("check", "a", "b", {}, limit=1)

    async def price(self, offer: Offer) -> Fetched | None:
        """One point read."""
        found = await self._read(f"read of the price of {offer}", PRICES, layout.price_key(offer))
        return _value(found.row, Fetched) if found else None

    async def keep_price(self, offer: Offer, fetched: Fetched) -> None:
        """One upsert. Of two instances that fetched at the same time the later stands; both have the same."""
        row = layout.columns(PRICES, layout.price_key(offer), fetched) | {"fetched_at": fetched.at}
        await self._put(f"save of the price of {offer}", row)

    async def close(self) -> None:
        """End the connections; the ledger cannot be used afterwards."""
        await self._account.close()
        if "_service" in self.__dict__:
            await self._service.close()

    async def _life(self, vm: VmId, kind: str, limit: int) -> list["TableEntity"]:
        first = f"{layout.key_of(kind, vm)}!"
        return await self._find(vm.subscription, first, layout.end_of(first), {}, limit)

    async def _find(
        self,
        subscription: str,
        after: str,
        end: str,
        columns: Mapping[str, object],
        limit: int,
        select: Sequence[str] | None = None,
    ) -> list["TableEntity"]:
        """At most `limit` rows of a partition between two row keys, both excluded, where columns are as given.

        Args:
            subscription: The partition.
            after: The row key before the first.
            end: The row key after the last.
            columns: What the columns of these names have to be.
            limit: How many rows.
            select: The columns that are read; None: all.
        """
        where = "PartitionKey eq @subscription and RowKey gt @after and RowKey lt @end"
        where += "".join(f" and {column} eq @{column}" for column in columns)
        values = {"subscription": subscription, "after": after, "end": end, **columns}
        pages = self._table.query_entities(
            where,
            parameters=values,
            results_per_page=min(limit, MOST_ROWS),
            select=list(select) if select else None,
        ).by_page()
        rows = list["TableEntity"]()
        while len(rows) < limit:
            page = await self._ask(f"query of {subscription}", lambda: anext(pages, None))
            if page is None:
                break
            rows += [row async for row in page]
        return rows[:limit]

    async def _read(self, what: str, partition: str, key: str) -> Found | None:
        return await self._ask(what, partial(self._rows.read, partition, key))

    async def _put(self, what: str, row: layout.Columns) -> None:
        """Write a row of its own, whatever is there."""
        await self._write(what, [Write(row)])

    async def _write(self, what: str, writes: Sequence[Write]) -> str:
        """Submit a transaction; the new ETag of its first row, empty if it was removed.

        It may be sent again when its answer is lost. Had the first been done, the second comes too late for its
        condition: a `Conflict` with ourselves, and right, as whoever gets it reads again and finds the work done.
        """
        try:
            return await self._ask(what, partial(self._rows.write, writes))
        except PortError as fault:
            cause = fault.__cause__
            if isinstance(cause, StorageFault) and (
                cause.error_code in NOT_AS_READ or cause.status_code == 412
            ):
                raise Conflict(f"table {TABLE}, {what}: not as it was read ({cause.error_code})") from cause
            raise

    async def _drawn(self) -> tuple[Found | None, tuple[datetime, ...]]:
        found = await self._read("read of the cap", *_CAP)
        return found, _value(found.row, _Drawn).at if found else ()

    async def _ask[Answer](self, what: str, request: Callable[[], Awaitable[Answer]]) -> Answer:
        return await ask(f"table {TABLE}, {what}", partial(self._send, request))

    async def _send[Answer](self, request: Callable[[], Awaitable[Answer]]) -> Answer:
        """Send a request; when there is no table yet, make it and send the request again."""
        try:
            return await request()
        except HttpResponseError as error:
            if error_code(error) != "TableNotFound":
                raise
        await self._service.create_table_if_not_exists(TABLE)
        return await request()


def _of_one(fault: PortError) -> bool:
    """Whether Azure does not take one of a transaction's rows, rather than any request of ours."""
    error = fault.__cause__
    return isinstance(fault, Conflict) or (
        isinstance(error, HttpResponseError) and error.status_code in {400, 413}
    )


def _named_by(fault: PortError, works: Sequence[list[Write]]) -> int:
    """Which of the changes Azure says that it does not take; the first if it does not say."""
    index = getattr(fault.__cause__, "index", 0)
    ends = accumulate(len(work) for work in works)
    return next((number for number, end in enumerate(ends) if index < end), 0)


def _ended_at(found: Found | None) -> datetime | None:
    """When an episode ended; None when it lasts, or cannot be read."""
    episode = _readable(found.row, Episode) if found else None
    return episode.ended_at if episode else None


def _readable[Value: (Episode, Coverage, Arrival)](row: Row, of: type[Value]) -> Value | None:
    """What a row holds; None where it is damaged."""
    try:
        return _value(row, of)
    except Damaged:
        return None


def _value[
    Value: (Record, Transition, Episode, Entry, Past, DaySpent, Fetched, Coverage, Arrival, _Drawn, _Planned)
](row: Row, of: type[Value]) -> Value:
    try:
        return msgspec.json.decode(str(row.get("body")), type=of)
    except msgspec.MsgspecError as fault:
        where = " ".join(shown(row.get(name)) for name in ("PartitionKey", "RowKey"))
        raise Damaged(
            f"table {TABLE}, row {where}: expected a {of.__name__.strip('_')} in `body`: {fault}"
        ) from None
