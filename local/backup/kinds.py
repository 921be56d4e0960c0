"""What a row of the ledger is, and what a restore makes of it. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from msgspec import Struct

from shared import layout
from shared.domain.deallocation import taken_back
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.records import Episode, Record
from shared.ports import Change, Stored
from shared.rows import Found, Row, Write

RECORD, EPISODE = "vm", "episode"

OF_VMS = (RECORD, "transition", EPISODE, "entry", "past")
"""Kinds of rows that a partition named after a subscription has, but for those that only list records."""

OF_ALL = ("days", "sweeps", "plans", "places", "prices", "cap")
"""Partitions, each of rows of one kind."""

OTHER = "other"
"""Rows that are none of ours; they come along."""


def kind_of(row: Row) -> str:
    """The kind of a row, by its keys."""
    partition, (kind, *names) = row["PartitionKey"], str(row["RowKey"]).split("!")
    if partition in OF_ALL:
        return str(partition)
    return kind if names and (kind in OF_VMS or kind in layout.INDEXES) else OTHER


def lasts(row: Row) -> bool:
    """Whether a row is of an episode that has no end."""
    if kind_of(row) != EPISODE:
        return False
    try:
        # Not by the column `ended_at`, which older versions did not write.
        return msgspec.json.decode(str(row.get("body")), type=Episode).ended_at is None
    except msgspec.MsgspecError:
        return False


NEWER: Mapping[str, Callable[[Row, Row], bool]] = {
    EPISODE: lambda ours, theirs: lasts(theirs) and not lasts(ours),
}
"""Whether a row of a backup is newer than the ledger's of the same key, where that can be; else what is there stays."""


class Kept(Struct, frozen=True):
    """A row of a backup, with what it is."""

    row: Row
    kind: str
    record: Record | None = None
    """Of a row of kind `vm` that can be read: the record as it is restored."""


def kept(row: Row, now: datetime) -> Kept:
    """A row of a backup, as it is to be restored.

    Args:
        row: As it is in the file.
        now: The time.
    """
    kind = kind_of(row)
    record = record_of(row) if kind == RECORD else None
    return Kept(row, kind, taken_back(record, now) if record else None)


def record_of(row: Row) -> Record | None:
    """The record in a row; None where it is damaged, or not of the VM that the keys name."""
    try:
        record = msgspec.json.decode(str(row.get("body")), type=Record)
        names = str(row["RowKey"]).split("!")[1:]
        same = record.vm == VmId.of(row["PartitionKey"], *names) if len(names) == 2 else False
    except (msgspec.MsgspecError, Malformed):
        return None
    return record if same else None


def stands(kept: Kept, there: Found | None) -> Record | None:
    """The record that the ledger has in the end: the one of the later look; None where neither can be read."""
    theirs = record_of(there.row) if there else None
    both = [record for record in (theirs, kept.record) if record]
    return max(both, key=lambda record: record.observed_at, default=None)


def open_episode(record: Record | None) -> tuple[str, str] | None:
    """Partition and row key of the episode that a record is in; None: it is in none."""
    episode = Episode.of(record.vm, record.settled) if record and record.settled else None
    return (episode.vm.subscription, layout.name_of(episode)) if episode else None


def writes(kept: Kept, there: Found | None) -> list[Write]:
    """What is to be written of a row of a backup; empty: what is there stays.

    Each write has its condition: nothing is overwritten but what was read. With a record go the rows that list it. It
    has no fingerprint, so that the next sweep takes it for news, judges the VM again and writes the record anew.

    Args:
        kept: Of the backup.
        there: The ledger's row of the same keys; None: there is none.
    """
    if kept.record is None:
        if there is None:
            return [Write(kept.row, new=True)]
        newer = NEWER.get(kept.kind)
        return [Write(kept.row, etag=there.etag)] if newer and newer(kept.row, there.row) else []
    theirs = record_of(there.row) if there else None
    if theirs and theirs.observed_at >= kept.record.observed_at:
        return []
    steps = layout.writes(Change(kept.record), Stored(theirs, there.etag) if theirs and there else None)
    if there and not theirs:
        # What is there cannot be read; no row lists it.
        steps[0] = Write(steps[0].row, etag=there.etag)
    return [msgspec.structs.replace(step, row=_without_fingerprint(step.row)) for step in steps]


def _without_fingerprint(row: Row) -> Row:
    return {**row, "fingerprint": ""} if "fingerprint" in row else row
