"""The command line: `python -m local scale`, which works out what a fleet needs, and makes docs/scale.md."""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from local.parts import ROOT
from local.scale.inputs import ASSUMED, Fleet
from local.scale.page import COMMAND, page, running, tables

PAGE = ROOT / "docs" / "scale.md"
OPERATIONS = ROOT / "docs" / "operations.md"
"""The page that has what it costs to run as well."""

BEGIN, END = (
    f"<!-- Made by `{COMMAND}` from local/scale/: change that, not this. -->",
    "<!-- Up to here. -->",
)
"""What stands before and after it there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    for field in fields(Fleet):
        kind = type(field.default)
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            default=field.default,
            metavar="N",
            help=f"{ASSUMED[field.name].replace('%', '%%')} (default: %(default)s)",
        )
    todo = parser.add_mutually_exclusive_group()
    todo.add_argument(
        "--write",
        action="store_true",
        help="write docs/scale.md, and the costs in docs/operations.md, for the fleets that they tell of",
    )
    todo.add_argument("--check", action="store_true", help="write nothing: 0 if both are up to date, else 1")


def run(args: argparse.Namespace) -> int:
    """Print the tables for a fleet; or write the page, or compare. The exit code: 0, or 1 when the page is stale."""
    if args.check:
        stale = [
            path.name
            for path, text in _pages().items()
            if not path.exists() or path.read_text("utf-8") != text
        ]
        for name in stale:
            print(f"{name} is stale: make it anew with {COMMAND}", file=sys.stderr)
        return 1 if stale else 0
    if args.write:
        for path, text in _pages().items():
            path.write_text(text, "utf-8")
        return 0
    fleet = Fleet(**{field.name: getattr(args, field.name) for field in fields(Fleet)})
    print(tables(fleet), end="")
    return 0


def _pages() -> Mapping[Path, str]:
    """What the pages are to say that are made from the arithmetic: the whole of one, a part of the other."""
    before, begin, rest = OPERATIONS.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{OPERATIONS}: expected what is made to stand between {BEGIN!r} and {END!r}")
    return {
        PAGE: page(Fleet()),
        OPERATIONS: f"{before}{BEGIN}\n\n{running()}\n\n{END}{after}",
    }
