"""The ledger in Azure Table Storage: one table, a partition for each subscription.

Rows of a VM, by row key:

    vm!{group}!{name}                   its record
    flag!{group}!{name}                 the same, there exactly while it is flagged: what is flagged is found
                                        without reading the fleet
    parked!{group}!{name}               the same, there exactly while a notice of it was given up
    transition!{group}!{name}!{stamp}   its life; the stamp of `seen_at` makes the latest come first
    episode!{group}!{name}!{stamp}
    entry!{group}!{name}!{stamp}!{rank} the log of its actions; the stamp is that of `at`

and one row for all, in a partition of its own, `cap`: when the latest deallocations were sent.

Partition `sweeps` has what the latest sweep of each subscription came to, and `places` where the removal of what is old
goes on in it; the row keys are subscriptions.

Partition `prices` has what was fetched from Azure's price list, by currency, region and size: `EUR!westeurope!…`.

`!` is in no name and sorts before all that is, so rows come in the order of (group, name). Each row holds its
value as JSON in `body`; the other columns are for filters and for people. All of one change is one entity-group
transaction, which Azure does as a whole or not at all.
"""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate, batched
from typing import TYPE_CHECKING, Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableEntity, TransactionOperation, UpdateMode
from azure.data.tables.aio import TableServiceClient

from shared.adapters import cursor, last_listed
from shared.domain.actions import Entry, What
from shared.domain.budget import next_sweep
from shared.domain.cap import drawn_by
from shared.domain.fleet import fingerprint_of
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.malformed import shown
from shared.domain.money import Offer
from shared.domain.records import Episode, Record, Transition
from shared.domain.states import PowerState
from shared.exchange import error_code
from shared.ports import (
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
    PortError,
    Query,
    Refused,
    Stored,
    Tally,
)
from shared.storage import ask, storage_transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

TABLE = "ledger"
SCHEMA = 1
"""Column `schema`: how `body` is to be read. Fields may be added to it; a change of what is there needs a 2."""

DRAWS = 20
"""How often a draw from the cap is tried against others; one always wins, so the rest gets through."""

_CAP = ("cap", "deallocations")
"""Partition and row key of the draws."""

_INDEXES: Mapping[str, Callable[[Record], bool]] = {
    "flag": lambda record: record.flag is not None,
    "parked": lambda record: record.parked,
}
"""The further rows that hold the record, each there exactly while this is true of it."""
PRICES = "prices"
"""The partition of prices; those of VMs are named after subscriptions, which are GUIDs."""

_SWEEPS = "sweeps"
"""The partition of what sweeps came to, a row for each subscription."""

_PLANS = "plans"
"""The partition of the sweeps that events ask for, a row for each subscription."""

_KNOWN_COLUMNS = ("fingerprint", "due_at", "power_state")
"""What a sweep reads of each VM's row."""

_PLACES = "places"
"""The partition of where the removal of what is old goes on: after which row key, a row for each subscription."""

_LIFE = ("entry", "episode", "transition")
"""The kinds of rows that a VM's life is in, in the order of their keys."""

_PART = re.compile(r"(?P<kind>\w+)!.+!.+!(?P<stamp>[0-9]{18})(![0-9]+)?")
"""A row key of one of them."""

_MOST_OPERATIONS = 100
_MOST_BYTES = 1_000_000
"""Azure does at most 100 operations in one transaction, and takes 4 MiB; a quarter of that is soon sent again."""

_MOST_ROWS = 1000
"""Azure answers a query with at most so many rows at once."""
_REPLACE = {"mode": UpdateMode.REPLACE}
_ABSENT = {"ResourceNotFound", "EntityNotFound"}
_NOT_AS_READ = {*_ABSENT, "EntityAlreadyExists", "ConditionNotMet", "UpdateConditionNotSatisfied"}

type Columns = dict[str, str | int | datetime]
type Operation = tuple[TransactionOperation, Columns, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """When the latest deallocations were sent: as many as the cap, or those of the last hour if these are more."""

    at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class _Planned:
    """When the next sweep that events ask for is due."""

    due_at: datetime


def open_ledger(
    connection_string: str | None, uri: str | None, credential: "AsyncTokenCredential"
) -> "TableLedger":
    """The ledger in the storage account that `table_service` reaches, with its arguments."""
    return TableLedger(table_service(connection_string, uri, credential))


def table_service(
    connection_string: str | None, uri: str | None, credential: "AsyncTokenCredential"
) -> TableServiceClient:
    """A client of the tables in a storage account that leaves retries to us.

    It is the account that a connection string names, else the one at a URI. Makes no connection yet. Raises
    `ValueError` for a connection string or URI that is none.
    """
    options: dict[str, Any] = {"transport": storage_transport(connection_string, "table"), "retry_total": 0}
    if connection_string:
        return TableServiceClient.from_connection_string(connection_string, **options)
    return TableServiceClient(uri or "", credential=credential, **options)


class TableLedger:
    """Ports `Ledger` and `PriceCache`: a read is one request, and so is a save."""

    def __init__(self, service: TableServiceClient) -> None:
        """Take over a client that leaves retries to us."""
        self._service = service
        self._table = service.get_table_client(TABLE)

    async def latest(self, vm: VmId) -> Stored | None:
        """One point read."""
        row = await self._ask(f"read of {vm}", partial(self._read, vm.subscription, _key("vm", vm)))
        return Stored(_value(row, Record), str(row.metadata["etag"])) if row else None

    async def save(self, change: Change, previous: Stored | None) -> Stored:
        """One transaction."""
        what = f"save of {change.record.vm}"
        etag = await self._ask(what, partial(self._write, what, _operations(change, previous)))
        return Stored(change.record, etag)

    async def page(self, query: Query) -> Page:
        """One query a subscription, or one for each 1,000 rows."""
        last = last_listed(query)
        subscriptions = query.subscriptions[query.subscriptions.index(last.subscription) if last else 0 :]
        kind = "flag" if query.flagged else "parked" if query.parked else "vm"
        columns: dict[str, object] = {}
        if query.flagged is False:
            columns["flagged"] = False
        if query.flagged and query.parked:
            columns["parked"] = True
        if query.power_state:
            columns["power_state"] = query.power_state.value
        found = list[Record]()
        for subscription in subscriptions:
            after = _key(kind, last) if last and last.subscription == subscription else f"{kind}!"
            # One more than asked for tells whether there is a next page.
            limit = query.limit + 1 - len(found)
            rows = await self._find(subscription, after, _end(f"{kind}!"), columns, limit)
            found += [_value(row, Record) for row in rows]
            if len(found) > query.limit:
                listed = found[: query.limit]
                return Page(tuple(listed), cursor(listed[-1].vm))
        return Page(tuple(found), None)

    async def instances(self, scale_set: ScaleSetId) -> list[VmId]:
        """One query, or one for each 1,000 instances."""
        first = f"vm!{scale_set.resource_group}!{scale_set.name}~"
        rows = await self._find(scale_set.subscription, first, _end(first), {}, sys.maxsize)
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
        rows = await self._find(
            subscription, "vm!", _end("vm!"), {}, sys.maxsize, select=("RowKey", *_KNOWN_COLUMNS)
        )
        known = dict[VmId, Known]()
        for row in rows:
            match str(row["RowKey"]).split("!"):
                case [_, group, name]:
                    known[VmId(subscription, group, name)] = _known(row)
        return known

    async def tally(self, subscription: str, most: int) -> Tally:
        """One query for each 1,000 VMs, of two columns."""
        # One more than is counted tells whether there are more.
        columns = ("power_state", "flagged")
        rows = await self._find(subscription, "vm!", _end("vm!"), {}, most + 1, select=columns)
        counted = rows[:most]
        return Tally(
            Counter(PowerState(str(row.get("power_state"))) for row in counted),
            sum(row.get("flagged") is True for row in counted),
            whole=len(counted) == len(rows),
        )

    async def save_all(self, changes: Sequence[tuple[Change, Stored | None]]) -> list[PortError | None]:
        """A transaction for as many as fit into one; where Azure does not take it, the one that it names apart."""
        kept = list[PortError | None]()
        for some in _batches([_operations(*each) for each in changes]):
            kept += await self._save_some(some)
        return kept

    async def _save_some(
        self, works: Sequence[list[Operation]], *, again: bool = False
    ) -> list[PortError | None]:
        """What kept each of some changes from being saved, given as what is to be written of each.

        Azure does all of a transaction or nothing, and names the first operation that it does not take: that change
        goes alone, the others once more together; and if that fails `again`, each of them alone.
        """
        steps = [step for work in works for step in work]
        (partition, key), more = (steps[0][1][name] for name in ("PartitionKey", "RowKey")), len(works) - 1
        whose = f"{partition} {key}" + (f" and {more} more" if more else "")
        try:
            await self._ask(f"save of {whose}", partial(self._write, whose, steps))
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
            row = await self._ask(what, partial(self._read, _PLANS, subscription))
            planned_at = _value(row, _Planned).due_at if row else None
            due_at = next_sweep(planned_at, now, apart)
            if due_at == planned_at:
                return due_at, False
            etag = str(row.metadata["etag"]) if row else None
            plan = _conditional(_columns(_PLANS, subscription, _Planned(due_at)), etag)
            try:
                await self._ask(what, partial(self._write, what, [plan]))
            except Conflict:
                continue
            return due_at, True
        raise Busy(f"table {TABLE}, {what}: overtaken by others {DRAWS} times")

    async def keep_coverage(self, coverage: Coverage) -> None:
        """One upsert."""
        row = _columns(_SWEEPS, coverage.subscription, coverage)
        keep = partial(self._table.upsert_entity, row, mode=UpdateMode.REPLACE)
        await self._ask(f"save of the sweep of {coverage.subscription}", keep)

    async def coverage(self, subscriptions: Sequence[str]) -> dict[str, Coverage]:
        """One query, from the first to the last of them."""
        if not subscriptions:
            return {}
        first, last = min(subscriptions)[:-1], _end(max(subscriptions))
        found = dict[str, Coverage]()
        for row in await self._find(_SWEEPS, first, last, {}, sys.maxsize):
            # One that is damaged counts for none: the next sweep writes it anew.
            with suppress(Damaged):
                found[str(row["RowKey"])] = _value(row, Coverage)
        return {each: found[each] for each in subscriptions if each in found}

    async def forget(self, subscription: str, before: datetime, most: int) -> Forgotten:
        """One query for each 1,000 rows, of their keys, which have their time; a transaction for each 100 that go.

        And a read and a write of where it goes on.
        """
        row = await self._ask(
            f"read of the place in {subscription}", partial(self._read, _PLACES, subscription)
        )
        place = str(row.get("after") or "") if row else ""
        seen = removed = 0
        for kind in _LIFE:
            first, end = f"{kind}!", _end(f"{kind}!")
            while seen < most and place < end:
                limit = min(most - seen, _MOST_ROWS)
                rows = await self._find(
                    subscription, max(place, first), end, {}, limit, select=("RowKey", "ended_at")
                )
                removed += await self._remove(subscription, before, rows)
                seen += len(rows)
                place = str(rows[-1]["RowKey"]) if len(rows) == limit else end
        finished = place >= end
        columns: Columns = {
            "PartitionKey": _PLACES,
            "RowKey": subscription,
            "after": "" if finished else place,
        }
        keep = partial(self._table.upsert_entity, columns, mode=UpdateMode.REPLACE)
        await self._ask(f"save of the place in {subscription}", keep)
        return Forgotten(seen, removed, finished)

    async def _remove(self, subscription: str, before: datetime, rows: Sequence[TableEntity]) -> int:
        """Remove the rows that are old; how many."""
        old = [str(row["RowKey"]) for row in rows if await self._is_old(subscription, row, before)]
        for some in batched(old, _MOST_OPERATIONS, strict=False):
            works = [[_removal(subscription, key)] for key in some]
            for fault in await self._save_some(works):
                if fault and not isinstance(fault, Conflict):
                    raise fault
        return len(old)

    async def _is_old(self, subscription: str, row: TableEntity, before: datetime) -> bool:
        """Whether a row of a VM's life is from before a time. One that we cannot have written is left alone."""
        key = str(row["RowKey"])
        named = _PART.fullmatch(key)
        if named is None or named["stamp"] <= _stamp(before):
            return False
        if named["kind"] != "episode":
            return True
        ended_at = row.get("ended_at")
        if not isinstance(ended_at, datetime):
            # It lasts, or an older version wrote it, without the column.
            whole = await self._ask(f"read of {key}", partial(self._read, subscription, key))
            ended_at = _ended_at(whole)
        return ended_at is not None and ended_at < before

    async def draw(self, now: datetime, most: int) -> datetime | None:
        """A point read and a conditional write, both again if somebody else draws at the same time.

        If the write's answer is lost, it is drawn twice: rather one too few than one too many.
        """
        what = "draw from the cap"
        for _ in range(DRAWS):
            row, drawn = await self._drawn()
            kept, free_at = drawn_by(drawn, now, most)
            if free_at:
                return free_at
            etag = str(row.metadata["etag"]) if row else None
            draw = _conditional(_columns(*_CAP, _Drawn(kept)), etag)
            try:
                await self._ask(what, partial(self._write, what, [draw]))
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
        row = await self._ask(f"read of the price of {offer}", partial(self._read, PRICES, _price_key(offer)))
        return _value(row, Fetched) if row else None

    async def keep_price(self, offer: Offer, fetched: Fetched) -> None:
        """One upsert. Of two instances that fetched at the same time the later stands; both have the same."""
        row = _columns(PRICES, _price_key(offer), fetched) | {"fetched_at": fetched.at}
        keep = partial(self._table.upsert_entity, row, mode=UpdateMode.REPLACE)
        await self._ask(f"save of the price of {offer}", keep)

    async def close(self) -> None:
        """End the connections; the ledger cannot be used afterwards."""
        await self._service.close()

    async def _life(self, vm: VmId, kind: str, limit: int) -> list[TableEntity]:
        first = f"{_key(kind, vm)}!"
        return await self._find(vm.subscription, first, _end(first), {}, limit)

    async def _find(
        self,
        subscription: str,
        after: str,
        end: str,
        columns: Mapping[str, object],
        limit: int,
        select: Sequence[str] | None = None,
    ) -> list[TableEntity]:
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
            results_per_page=min(limit, _MOST_ROWS),
            select=list(select) if select else None,
        ).by_page()
        rows = list[TableEntity]()
        while len(rows) < limit:
            page = await self._ask(f"query of {subscription}", lambda: anext(pages, None))
            if page is None:
                break
            rows += [row async for row in page]
        return rows[:limit]

    async def _read(self, partition: str, key: str) -> TableEntity | None:
        try:
            return await self._table.get_entity(partition, key)
        except ResourceNotFoundError as error:
            if error_code(error) in _ABSENT:
                return None
            raise

    async def _write(self, what: str, operations: list[Operation]) -> str:
        """Submit a transaction; the new ETag of its first row, empty if it was removed.

        It may be sent again when its answer is lost. Had the first been done, the second comes too late for its
        condition: a `Conflict` with ourselves, and right, as whoever gets it reads again and finds the work done.
        """
        try:
            done = await self._table.submit_transaction(operations)
        except HttpResponseError as error:
            if error_code(error) in _NOT_AS_READ or error.status_code == 412:
                raise Conflict(f"table {TABLE}, {what}: not as it was read ({error_code(error)})") from error
            raise
        return str(done[0].get("etag", ""))

    async def _drawn(self) -> tuple[TableEntity | None, tuple[datetime, ...]]:
        row = await self._ask("read of the cap", partial(self._read, *_CAP))
        return row, _value(row, _Drawn).at if row else ()

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


def _operations(change: Change, previous: Stored | None) -> list[Operation]:
    """What is written of a change, the condition on the record first."""
    record = change.record
    row = _row(_key("vm", record.vm), record)
    operations = [_conditional(row, previous.version if previous else None)]
    for kind, belongs in _INDEXES.items():
        indexed = _row(_key(kind, record.vm), record)
        if belongs(record):
            operations.append((TransactionOperation.UPSERT, indexed, _REPLACE))
        elif previous and belongs(previous.record):
            operations.append((TransactionOperation.DELETE, indexed, {}))
    parts = (change.transition, *change.episodes, *change.entries)
    operations += [(TransactionOperation.UPSERT, _row(_name(part), part), _REPLACE) for part in parts if part]
    return operations


def _batches(works: Sequence[list[Operation]]) -> Iterator[list[list[Operation]]]:
    """As many changes at a time as one transaction can do."""
    batch, count, size = list[list[Operation]](), 0, 0
    for work in works:
        more = sum(_most_bytes(str(columns["body"])) for _, columns, _ in work)
        if batch and (count + len(work) > _MOST_OPERATIONS or size + more > _MOST_BYTES):
            yield batch
            batch, count, size = [], 0, 0
        batch.append(work)
        count, size = count + len(work), size + more
    if batch:
        yield batch


def _conditional(row: Columns, etag: str | None) -> Operation:
    """The write of a row that is still as it was read; None: not there."""
    if etag is None:
        return TransactionOperation.CREATE, row, {}
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    return TransactionOperation.UPDATE, row, {**_REPLACE, **condition}


def _most_bytes(body: str) -> int:
    """How many bytes a row's JSON can become as a text in JSON: `"` becomes two, `ü` six."""
    return len(body) * (2 if body.isascii() else 6)


def _of_one(fault: PortError) -> bool:
    """Whether Azure does not take one of a transaction's rows, rather than any request of ours."""
    error = fault.__cause__
    return isinstance(fault, Conflict) or (
        isinstance(error, HttpResponseError) and error.status_code in {400, 413}
    )


def _named_by(fault: PortError, works: Sequence[list[Operation]]) -> int:
    """Which of the changes Azure says that it does not take; the first if it does not say."""
    index = getattr(fault.__cause__, "index", 0)
    ends = accumulate(len(work) for work in works)
    return next((number for number, end in enumerate(ends) if index < end), 0)


def _ended_at(row: TableEntity | None) -> datetime | None:
    """When an episode ended; None when it lasts, or cannot be read."""
    try:
        return _value(row, Episode).ended_at if row else None
    except Damaged:
        return None


def _removal(subscription: str, key: str) -> Operation:
    return TransactionOperation.DELETE, {"PartitionKey": subscription, "RowKey": key}, {}


def _name(part: Transition | Episode | Entry) -> str:
    """The row key of a part of a VM's life."""
    match part:
        case Transition():
            return f"{_key('transition', part.vm)}!{_stamp(part.seen_at)}"
        case Episode():
            return f"{_key('episode', part.vm)}!{_stamp(part.seen_at)}"
        case Entry():
            return f"{_key('entry', part.vm)}!{_stamp(part.at)}!{len(What) - part.what.rank:02d}"


def _key(kind: str, vm: VmId) -> str:
    return f"{kind}!{vm.resource_group}!{vm.name}"


def _price_key(offer: Offer) -> str:
    return "!".join(_safe(part) for part in (offer.currency, offer.location, offer.size))


def _safe(text: str) -> str:
    """A text as a part of a row key: itself, as Azure's own names are, or the hash of one that a key cannot hold."""
    if re.fullmatch(r"[\w.-]{1,90}", text, re.ASCII):
        return text
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _end(prefix: str) -> str:
    """The first text after all those with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _stamp(at: datetime) -> str:
    """Microseconds from then to the end of the calendar: as text, the later comes first."""
    return f"{(datetime.max.replace(tzinfo=UTC) - at) // timedelta(microseconds=1):018d}"


def _row(key: str, value: Record | Transition | Episode | Entry) -> Columns:
    row = _columns(value.vm.subscription, key, value)
    if isinstance(value, Record):
        row["power_state"] = value.power_state.value
        row["flagged"] = value.flag is not None
        row["parked"] = value.parked
        row["observed_at"] = value.observed_at
        row["fingerprint"] = fingerprint_of(value)
        if value.look_at:
            row["due_at"] = value.look_at
    if isinstance(value, Episode) and value.ended_at:
        row["ended_at"] = value.ended_at
    return row


def _known(row: TableEntity) -> Known:
    """What the columns of a record's row say; of what is not there as we write it, nothing: a look will tell."""
    said, due_at = row.get("fingerprint"), row.get("due_at")
    good = isinstance(said, str) and (due_at is None or isinstance(due_at, datetime))
    deleted = row.get("power_state") == PowerState.DELETED
    return Known(str(said), due_at, deleted) if good else Known("", None, deleted)


def _columns(partition: str, key: str, value: object) -> Columns:
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "body": msgspec.json.encode(value).decode(),
        "schema": SCHEMA,
    }


def _value[Value: (Record, Transition, Episode, Entry, Fetched, Coverage, _Drawn, _Planned)](
    row: TableEntity, of: type[Value]
) -> Value:
    try:
        return msgspec.json.decode(str(row.get("body")), type=of)
    except msgspec.MsgspecError as fault:
        where = f"{shown(row['PartitionKey'])} {shown(row['RowKey'])}"
        raise Damaged(
            f"table {TABLE}, row {where}: expected a {of.__name__.strip('_')} in `body`: {fault}"
        ) from None
