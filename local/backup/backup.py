"""The command line: `python -m local backup`."""

import argparse
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from local.backup import running
from local.backup.files import Header, made
from local.backup.kinds import kind_of
from local.backup.running import Progress
from local.backup.table import Table, opened
from local.replay.ways import storage_name
from shared.settings import Storage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.epilog = f"example:\n  python -m local backup ledger-2027-01-31.jsonl.gz\n\n{running.EXIT_CODES}"
    running.add_arguments(parser, "where to write it; such a file must not be there")


def run(args: argparse.Namespace) -> int:
    """Write the backup and say what is in it; the exit code."""

    async def work(storage: Storage, progress: Progress) -> None:
        async with opened(storage) as table:
            found = await backup(table, args.file, storage_name(storage), progress)
        size = args.file.stat().st_size
        print(
            f"{found.total():,} rows of {storage_name(storage)} are in {args.file}, {size:,} bytes:", end=""
        )
        print(running.counts(found))

    return running.run(args, work, "no file was written")


async def backup(table: Table, path: Path, account: str, progress: Progress = lambda _: None) -> Counter[str]:
    """Write all rows of a table into a file; how many of each kind.

    Args:
        table: The ledger's.
        path: The file's; it is there at the end, or not at all.
        account: Where the table is, in words.
        progress: Is told how far it is.

    Raises:
        Unusable: The file is there already, or cannot be written.
        PortError: Storage does not answer.
    """
    found = Counter[str]()
    with made(path, Header.of(table.name, account, datetime.now(UTC))) as writer:
        async for rows in table.pages():
            for each in rows:
                writer.add(each.row)
                found[kind_of(each.row)] += 1
            progress(writer.rows)
        writer.end(datetime.now(UTC))
    return found
