"""The command line: `python -m local restore`."""

import argparse
from datetime import UTC, datetime

from local.backup import running
from local.backup.files import Backup
from local.backup.restoring import Restored, restore
from local.backup.running import Progress
from local.backup.table import opened
from local.replay.ways import storage_name
from shared.settings import Storage

NAMED = 10
"""How many VMs are named in a line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.epilog = (
        "example:\n"
        "  python -m local restore --dry-run ledger-2027-01-31.jsonl.gz\n"
        f"  python -m local restore ledger-2027-01-31.jsonl.gz\n\n{running.EXIT_CODES}"
    )
    running.add_arguments(parser, "a file that `backup` wrote")
    parser.add_argument(
        "--merge",
        action="store_true",
        help="also into a ledger that has rows: what is newer there stays (default: only into an empty one)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")


def run(args: argparse.Namespace) -> int:
    """Put the backup back and say what came of it; the exit code."""

    async def work(storage: Storage, progress: Progress) -> None:
        backup = Backup(args.file)
        made_at = backup.header.made_at.isoformat(timespec="seconds")
        print(f"{args.file}: {backup.rows:,} rows of {backup.header.account}, as of {made_at}")
        async with opened(storage) as table:
            restored = await restore(
                backup,
                table,
                datetime.now(UTC),
                merging=args.merge,
                rehearsing=args.dry_run,
                progress=progress,
            )
        print(report(restored, storage_name(storage), rehearsing=args.dry_run))

    return running.run(args, work, "what was written stays: the same command with --merge writes the rest")


def report(restored: Restored, where: str, *, rehearsing: bool) -> str:
    """What came of it, for people; each paragraph only where there is something to tell."""
    would = "would be " if rehearsing else ""
    written, stayed, listed = restored.written, restored.stayed, restored.listed
    vms = ", ".join(map(str, restored.exempted[:NAMED]))
    more = f" and {len(restored.exempted) - NAMED} more" if len(restored.exempted) > NAMED else ""
    told = {
        f"{written.total():,} rows {would}written to {where}:{running.counts(written)}": True,
        f"{stayed.total():,} rows stay as the ledger has them:{running.counts(stayed)}": stayed,
        f"{listed.total():,} rows that list records {would}made anew with these": listed,
        f"{restored.open_ended:,} episodes {would}left out: they last by the backup, and by no record": (
            restored.open_ended
        ),
        f"{restored.damaged:,} records cannot be read, and {would}written as they are": restored.damaged,
        f"exempt again by hand, as the ledger's newer records do not have it: {vms}{more}": restored.exempted,
    }
    return "\n".join(text for text, is_so in told.items() if is_so)
