"""The command line: `python -m local states`, which makes docs/states.md."""

import argparse
import sys

from local.parts import ROOT
from local.states.page import COMMAND, page

PAGE = ROOT / "docs" / "states.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.add_argument(
        "--check", action="store_true", help="write nothing: 0 if the page is up to date, else 1"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page, or only compare. The exit code: 0, or 1 when the page is stale, with the remedy on stderr."""
    made = page()
    if not args.check:
        PAGE.write_text(made, "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == made:
        return 0
    print(f"{PAGE.name} is stale: make it anew with {COMMAND}", file=sys.stderr)
    return 1
