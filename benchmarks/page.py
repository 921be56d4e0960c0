"""`python -m benchmarks.page`: makes the tables of docs/performance.md from docs/performance.json.

That is the report of one whole run, kept in the repository: figures of another machine, or of another day, differ.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import NoReport, Report
from benchmarks.tables import MISS, markdown, number, shown_as
from benchmarks.targets import Figure, Table
from local.parts import ROOT

PAGE = ROOT / "docs" / "performance.md"
KEPT = ROOT / "docs" / "performance.json"
COMMAND = "make performance"
"""Makes the tables anew."""

_MADE = re.compile(r"(?<=<!-- made: )([a-z_]+)( -->\n)(.*?)(?=<!-- /made -->)", re.DOTALL)
_MEASURED, _MISSED = "measured", "missed"


def page(text: str, report: Report) -> str:
    """The page with what stands between its marks made from a report. ValueError for a mark of nothing."""
    return _MADE.sub(lambda found: f"{found[1]}{found[2]}\n{_made(found[1], report)}\n\n", text)


def main(words: Sequence[str] | None = None, *, to: Path = PAGE, kept: Path = KEPT) -> int:
    """The exit code: 0, 1 when the page is stale, 2 when there is no whole report.

    Args:
        words: The command line; None: the program's.
        to: The page.
        kept: The report in the repository.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page", description="Make docs/performance.md."
    )
    parser.add_argument(
        "--keep", type=Path, metavar="REPORT", help="of this whole run, which is kept from now on"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing: 0 if the page is what its report says, else 1"
    )
    args = parser.parse_args(words)
    try:
        report = _whole(args.keep or kept)
    except (NoReport, OSError) as fault:
        print(fault, file=sys.stderr)
        return 2
    text = to.read_text("utf-8")
    made = page(text, report)
    if args.check:
        if made != text:
            print(f"{to.name} is stale: make it anew with `{COMMAND}`", file=sys.stderr)
        return int(made != text)
    if args.keep:
        report.write(kept)
    to.write_text(made, "utf-8")
    return 0


def _whole(path: Path) -> Report:
    report = Report.read(path)
    if report.missing:
        raise NoReport(
            f"{path}: {len(report.missing)} figures are missing, such as {report.missing[0]}: run all"
        )
    return report


def _made(mark: str, report: Report) -> str:
    if mark == _MEASURED:
        return (
            f"Measured on {report.measured_at:%Y-%m-%d} with Python {report.python} on {report.machine}; before it"
            f" began, {report.load:g} processes wanted to run."
        )
    if mark == _MISSED:
        return "\n".join(map(_miss, report.missed)) or "Nothing."
    if mark.upper() not in Table.__members__:
        raise ValueError(f"{PAGE.name}: nothing is called {mark}")
    table = shown_as(Table[mark.upper()], report.figures)
    return markdown(table) if table else "Not measured."


def _miss(figure: Figure) -> str:
    target = figure.target
    return f"- {MISS} {target.what}: {number(figure.value)} {target.unit}, promised ≤ {target.most:g}"


if __name__ == "__main__":
    sys.exit(main())
