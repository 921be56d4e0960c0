"""A backup put back into the ledger's table.

First the records: they tell which stretches of time last. Then all else. What goes wrong in the middle leaves a part of
it in the ledger, each transaction whole: merging the same backup again adds the rest.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct, field

from local.backup.files import Backup
from local.backup.kinds import RECORD, Kept, kept, kind_of, lasts, open_episode, stands, writes
from local.backup.table import Table
from shared import layout
from shared.domain.ids import VmId
from shared.domain.records import Record
from shared.ports import Conflict
from shared.rows import MOST_OPERATIONS, Found, Row, Write

MOST_BYTES = 300_000
"""Of rows in one transaction, which escaped are three times as many at most; Azure takes 4 MiB."""

TRIES = 20
"""How often a transaction is made anew because others write the same rows; one always wins."""

type Works = list[tuple[Kept, list[Write]]]


class NotEmpty(Exception):
    """The ledger has rows, and nobody said that they may be merged; the text is one line."""


class Restored(Struct):
    """What came of it, or would."""

    written: Counter[str] = field(default_factory=Counter)
    """Rows of the backup that were written, by kind."""
    stayed: Counter[str] = field(default_factory=Counter)
    """Rows of the backup in whose place the ledger's stay, by kind."""
    listed: Counter[str] = field(default_factory=Counter)
    """Rows of the backup that only list records: they are made anew with these, by kind."""
    open_ended: int = 0
    """Episodes that last, by the backup, though no record is in them: left out, as nobody knows when they ended."""
    damaged: int = 0
    """Records that cannot be read: they were written as they are."""
    exempted: list[VmId] = field(default_factory=list)
    """VMs that a person exempted by the backup, and that are not by the ledger's newer record."""


async def restore(
    backup: Backup,
    table: Table,
    now: datetime,
    *,
    merging: bool = False,
    rehearsing: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Restored:
    """Put a backup back. Port errors propagate; what was written by then stays.

    Args:
        backup: Whole.
        table: Where it goes.
        now: The time.
        merging: Whether the ledger may have rows: those that are newer stay.
        rehearsing: Only find out what would be written.
        progress: Is told how many of the backup's rows have been seen to.

    Raises:
        NotEmpty: The ledger has rows, and `merging` is not set.
    """
    if not merging and not await table.is_empty():
        raise NotEmpty(
            f"the ledger has rows already, and nothing was written; --merge adds what it lacks (table {table.name})"
        )
    if not rehearsing:
        await table.make()
    run = _Run(table=table, merging=merging, rehearsing=rehearsing)
    seen = 0
    for records in (True, False):
        rows = (kept(row, now) for row in backup if (kind_of(row) == RECORD) is records)
        for some in _chunks(run.wanted(rows)):
            await run.take_in(some)
            seen += len(some)
            progress(seen)
    return run.restored


class _Run(Struct, kw_only=True):
    """One restore as it goes."""

    table: Table
    merging: bool
    rehearsing: bool
    restored: Restored = field(default_factory=Restored)
    lasting: set[tuple[str, str]] = field(default_factory=set)
    """The episodes that records are in, by partition and row key: as many as VMs are Stopped."""

    def wanted(self, rows: Iterable[Kept]) -> Iterator[Kept]:
        """The rows that are restored as such."""
        for each in rows:
            key = (each.row["PartitionKey"], each.row["RowKey"])
            if each.kind in layout.INDEXES:
                self.restored.listed[each.kind] += 1
            elif lasts(each.row) and key not in self.lasting:
                self.restored.open_ended += 1
            else:
                yield each

    async def take_in(
        self, some: Sequence[Kept], there: Mapping[str, Found] | None = None, tries: int = TRIES
    ) -> None:
        """Rows of one partition; once more by what is there then, where others write the same rows.

        Args:
            some: Of the backup.
            there: The ledger's rows of the same keys, by row key; None: nobody has asked yet.
            tries: How often they may still be tried.
        """
        if there is None:
            there = await self._there(some) if self.merging else {}
        works = [(each, writes(each, there.get(each.row["RowKey"]))) for each in some]
        for each, steps in works:
            if not steps:
                self._stays(each, there)
        for transaction in _transactions((each, steps) for each, steps in works if steps):
            rows = [each for each, _ in transaction]
            try:
                if not self.rehearsing:
                    await self.table.write([step for _, steps in transaction for step in steps])
            except Conflict:
                if tries == 1:
                    raise
                await self.take_in(rows, await self._there(rows), tries - 1)
                continue
            for each in rows:
                self._written(each)

    def _written(self, each: Kept) -> None:
        self.restored.written[each.kind] += 1
        self.restored.damaged += each.kind == RECORD and each.record is None
        self._stands(each.record)

    def _stays(self, each: Kept, there: Mapping[str, Found]) -> None:
        self.restored.stayed[each.kind] += 1
        record = stands(each, there.get(each.row["RowKey"])) if each.kind == RECORD else None
        self._stands(record)
        if each.record and each.record.exempted and record and not record.exempted:
            self.restored.exempted.append(each.record.vm)

    def _stands(self, record: Record | None) -> None:
        episode = open_episode(record)
        if episode:
            self.lasting.add(episode)

    async def _there(self, some: Sequence[Kept]) -> dict[str, Found]:
        """The ledger's rows of the same keys."""
        return await self.table.among(some[0].row["PartitionKey"], [each.row["RowKey"] for each in some])


def _chunks(rows: Iterable[Kept]) -> Iterator[list[Kept]]:
    """Rows of one partition at a time, as many as are asked about together."""
    some = list[Kept]()
    for each in rows:
        if some and (len(some) == MOST_OPERATIONS or some[0].row["PartitionKey"] != each.row["PartitionKey"]):
            yield some
            some = []
        some.append(each)
    if some:
        yield some


def _transactions(works: Iterable[tuple[Kept, list[Write]]]) -> Iterator[Works]:
    """As many rows at a time as one transaction can do."""
    some, count, size = list[tuple[Kept, list[Write]]](), 0, 0
    for each, steps in works:
        more = sum(_bytes(step.row) for step in steps)
        if some and (count + len(steps) > MOST_OPERATIONS or size + more > MOST_BYTES):
            yield some
            some, count, size = [], 0, 0
        some.append((each, steps))
        count, size = count + len(steps), size + more
    if some:
        yield some


def _bytes(row: Row) -> int:
    return len(msgspec.json.encode(row))
