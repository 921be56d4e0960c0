"""What both commands have in common: where the ledger is, how far it has got, and how it can end."""

import argparse
import asyncio
import io
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import monotonic

from rich.console import Console

from local.backup.files import Unusable
from local.backup.restoring import NotEmpty
from local.backup.table import NoTable
from local.host.settings import adopt_settings
from local.parts import ROOT, CannotStart
from shared.ports import PortError
from shared.settings import SettingError, Settings, Storage

EXIT_CODES = """exit code:
  0    done
  1    it failed on the way; what that leaves is said
  2    it could not begin: a file or a setting is wrong or missing; nothing has happened
  130  Ctrl-C; the same as 1"""

type Progress = Callable[[int], None]
"""Is told how many rows have been seen to."""


def add_arguments(parser: argparse.ArgumentParser, file: str) -> None:
    """What `run` reads. `file` says what FILE is."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", type=Path, metavar="FILE", help=file)
    parser.add_argument(
        "--settings",
        metavar="FILE",
        help="settings for variables not yet set (default: local.settings.json, if any), or 'none'",
    )


def run(
    args: argparse.Namespace, work: Callable[[Storage, Progress], Coroutine[None, None, None]], left: str
) -> int:
    """Do a command's work; the exit code.

    Args:
        args: The command's.
        work: What it does.
        left: What a failure on the way leaves, in words.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)  # not every terminal has every letter
    # What the SDKs would log comes as the error that it is.
    logging.disable(logging.CRITICAL)
    console = Console(stderr=True)
    status, began_at = console.status("reading"), monotonic()

    def progress(rows: int) -> None:
        status.update(f"{rows:,} rows, {rows / max(monotonic() - began_at, 0.001):,.0f} a second")

    try:
        adopt_settings(ROOT, args.settings)
        storage = Settings.storage_of(os.environ)
        if console.is_terminal:
            status.start()
        asyncio.run(work(storage, progress))
    except (CannotStart, SettingError, NotEmpty, Unusable, NoTable) as fault:
        status.stop()
        print(fault, file=sys.stderr)
        return 2
    except PortError as fault:
        status.stop()
        print(f"{fault}; {left}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        status.stop()
        print(f"\nended; {left}", file=sys.stderr)
        return 130  # as shells have it
    finally:
        status.stop()
    return 0


def counts(of: dict[str, int]) -> str:
    """Numbers of rows by kind, a line each, the most first."""
    width = max((len(kind) for kind in of), default=0)
    lines = sorted(of.items(), key=lambda each: (-each[1], each[0]))
    return "".join(f"\n  {kind:<{width}}  {count:>12,}" for kind, count in lines)
