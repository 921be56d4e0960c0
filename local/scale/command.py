"""The command line: `python -m local scale`, which works out what a fleet needs, and makes docs/scale.md."""

import argparse
import sys
from dataclasses import fields

from local.parts import ROOT
from local.scale.inputs import ASSUMED, Fleet
from local.scale.page import COMMAND, page, tables

PAGE = ROOT / "docs" / "scale.md"


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
        "--write", action="store_true", help="write docs/scale.md, for the fleet that it tells of"
    )
    todo.add_argument(
        "--check", action="store_true", help="write nothing: 0 if docs/scale.md is up to date, else 1"
    )


def run(args: argparse.Namespace) -> int:
    """Print the tables for a fleet; or write the page, or compare. The exit code: 0, or 1 when the page is stale."""
    if args.check:
        if PAGE.exists() and PAGE.read_text("utf-8") == page(Fleet()):
            return 0
        print(f"{PAGE.name} is stale: make it anew with {COMMAND}", file=sys.stderr)
        return 1
    if args.write:
        PAGE.write_text(page(Fleet()), "utf-8")
        return 0
    fleet = Fleet(**{field.name: getattr(args, field.name) for field in fields(Fleet)})
    print(tables(fleet), end="")
    return 0
