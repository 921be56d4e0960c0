"""How the ledger lies in rows: keys, columns, and what one change writes. Pure.

Rows of a VM, by row key:

    vm!{group}!{name}                   its record
    flag!{group}!{name}                 the same, there exactly while it is flagged: what is flagged is found
                                        without reading the fleet
    parked!{group}!{name}               the same, there exactly while a notice of it was given up
    transition!{group}!{name}!{stamp}   its life; the stamp of `seen_at` makes the latest come first
    episode!{group}!{name}!{stamp}
    entry!{group}!{name}!{stamp}!{rank} the log of its actions; the stamp is that of `at`
    stopped!{group}!{name}              its record, there exactly while it is Stopped
    saving!{group}!{name}               the same, there exactly while it is Deallocated because Stopgap did that
    past!{stamp}!{group}!{name}!{stamp}!{what}
                                        an episode that ended, or the time that followed on one that Stopgap ended, by
                                        the stamp of its end: the latest of the whole subscription come first

and one row for all, in a partition of its own, `cap`: when the latest deallocations were sent.

Partition `sweeps` has what the latest sweep of each subscription came to, `probes` the latest probe that arrived, and
`places` where the removal of what is old goes on; the row keys are subscriptions.

Partition `days` has the days that were added up, `{subscription}!{day}`, the latest first.

Partition `prices` has what was fetched from Azure's price list, by currency, region and size: `EUR!westeurope!…`.

`!` is in no name and sorts before all that is, so rows come in the order of (group, name). Each row holds its
value as JSON in `body`; the other columns are for filters and for people.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec

from shared.domain.actions import Entry
from shared.domain.fleet import fingerprint_of
from shared.domain.ids import VmId
from shared.domain.money import Offer, Tariff
from shared.domain.records import Episode, Record, Transition
from shared.domain.spending import Past, pasts
from shared.domain.states import PowerState
from shared.ports import Change, Query, Stored
from shared.rows import MOST_OPERATIONS, Write

SCHEMA = 1
"""Column `schema`: how `body` is to be read. Fields may be added to it; a change of what is there needs a 2."""

INDEXES: Mapping[str, Callable[[Record], bool]] = {
    "flag": lambda record: record.flag is not None,
    "parked": lambda record: record.parked,
    "stopped": lambda record: record.power_state is PowerState.STOPPED,
    "saving": lambda record: record.saving is not None,
}
"""The further rows that hold the record, each there exactly while this is true of it."""

LAST_RANK = 99
"""The greatest rank of an entry that a row key has room for. Of one time, the greatest comes first."""

MOST_TEXT = 30_000
"""Characters in one column: Azure takes 64 KiB, of two bytes each."""

MOST_BYTES = 1_000_000
"""Azure takes 4 MiB in one transaction; a quarter of that is soon sent again."""

type Columns = dict[str, str | int | datetime]


def writes(change: Change, previous: Stored | None) -> list[Write]:
    """What is written of a change, the condition on the record first."""
    record = change.record
    row = row_of(key_of("vm", record.vm), record)
    steps = [conditional(row, previous.version if previous else None)]
    for kind, belongs in INDEXES.items():
        there = belongs(record)
        if there or (previous and belongs(previous.record)):
            steps.append(Write({**row, "RowKey": key_of(kind, record.vm)}, gone=not there))
    parts = (change.transition, *change.episodes, *change.entries)
    steps += [Write(row_of(name_of(part), part)) for part in parts if part]
    # As the VM was then, which is what it cost by.
    tariff = Tariff.of((previous.record if previous else record).model)
    return steps + [
        Write(columns(record.vm.subscription, _past_key(past), past))
        for episode in change.episodes
        for past in pasts(episode, tariff)
    ]


def batches(works: Sequence[list[Write]]) -> Iterator[list[list[Write]]]:
    """As many changes at a time as one transaction can do."""
    batch, count, size = list[list[Write]](), 0, 0
    for work in works:
        more = sum(_most_bytes(str(write.row.get("body", ""))) for write in work)
        if batch and (count + len(work) > MOST_OPERATIONS or size + more > MOST_BYTES):
            yield batch
            batch, count, size = [], 0, 0
        batch.append(work)
        count, size = count + len(work), size + more
    if batch:
        yield batch


def conditional(row: Columns, etag: str | None) -> Write:
    """The write of a row that is still as it was read; None: not there."""
    return Write(row, etag=etag, new=etag is None)


def _most_bytes(body: str) -> int:
    """How many bytes a row's JSON can become as a text in JSON: `"` becomes two, `ü` six.

    What Unicode added later becomes twelve, for which `MOST_BYTES` leaves room.
    """
    return len(body) * (2 if body.isascii() else 6)


def removal(subscription: str, key: str) -> Write:
    """The removal of a row that is there."""
    return Write({"PartitionKey": subscription, "RowKey": key}, gone=True)


def name_of(part: Transition | Episode | Entry) -> str:
    """The row key of a part of a VM's life."""
    match part:
        case Transition():
            return f"{key_of('transition', part.vm)}!{stamp(part.seen_at)}"
        case Episode():
            return f"{key_of('episode', part.vm)}!{stamp(part.seen_at)}"
        case Entry():
            return f"{key_of('entry', part.vm)}!{stamp(part.at)}!{LAST_RANK - part.what.rank:02d}"


def kind_of(query: Query) -> str:
    """The rows in which what a query asks for is to be found, the fewest."""
    if query.flagged:
        return "flag"
    if query.parked:
        return "parked"
    return "stopped" if query.power_state is PowerState.STOPPED else "vm"


def _past_key(past: Past) -> str:
    vm, spell = past.episode.vm, past.spell
    what = "avoided" if past.avoided else "wasted"
    end = stamp(spell.ended_at or spell.began_at)
    return f"past!{end}!{vm.resource_group}!{vm.name}!{stamp(past.episode.seen_at)}!{what}"


def day_key(subscription: str, day: date) -> str:
    """The row key of a day that was added up: the later comes first."""
    return f"{subscription}!{date.max.toordinal() - day.toordinal():07d}"


def split_body(row: Columns) -> Columns:
    """A row whose `body` may be longer than a column can be: the rest is in `body1`, `body2` and so on."""
    text = str(row["body"])
    parts = {
        f"body{number or ''}": text[start : start + MOST_TEXT]
        for number, start in enumerate(range(0, len(text), MOST_TEXT))
    }
    return row | parts


def whole_body(row: Mapping[str, object]) -> str:
    """The `body` of a row that `split_body` wrote."""
    return "".join(str(row.get(f"body{number or ''}") or "") for number in range(len(row)))


def key_of(kind: str, vm: VmId) -> str:
    """The row key of a VM's record, in one of the kinds of rows that have it."""
    return f"{kind}!{vm.resource_group}!{vm.name}"


def price_key(offer: Offer) -> str:
    """The row key of what was fetched of an offer."""
    return "!".join(_safe(part) for part in (offer.currency, offer.location, offer.size))


def _safe(text: str) -> str:
    """A text as a part of a row key: itself, as Azure's own names are, or the hash of one that a key cannot hold."""
    if re.fullmatch(r"[\w.-]{1,90}", text, re.ASCII):
        return text
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def end_of(prefix: str) -> str:
    """The first text after all those with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def stamp(at: datetime) -> str:
    """Microseconds from then to the end of the calendar: as text, the later comes first."""
    return f"{(datetime.max.replace(tzinfo=UTC) - at) // timedelta(microseconds=1):018d}"


def row_of(key: str, value: Record | Transition | Episode | Entry) -> Columns:
    """The row of a VM's record, or of a part of its life."""
    row = columns(value.vm.subscription, key, value)
    if isinstance(value, Record):
        row["power_state"] = value.power_state.value
        row["flagged"] = value.flag is not None
        row["parked"] = value.parked
        row["observed_at"] = value.observed_at
        row["fingerprint"] = fingerprint_of(value)
        if look_at := value.look_at:
            row["due_at"] = look_at
    if isinstance(value, Episode) and value.ended_at:
        row["ended_at"] = value.ended_at
    return row


def columns(partition: str, key: str, value: object) -> Columns:
    """The columns that every row has."""
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "body": msgspec.json.encode(value).decode(),
        "schema": SCHEMA,
    }
