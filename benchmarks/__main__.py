"""`python -m benchmarks`: measures, shows what it found, and writes it to `build/bench.json`."""

import argparse
import asyncio
import json
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import burst, cold, detection, events, sweeps
from benchmarks.targets import Figure
from local.parts import ROOT, CannotStart

REPORT = ROOT / "build" / "bench.json"

CHAPTERS: Mapping[str, Callable[[], Awaitable[list[Figure]]]] = {
    "events": events.chapter,
    "sweeps": sweeps.chapter,
    "burst": burst.chapter,
    "cold": cold.chapter,
    "detection": detection.chapter,
}


async def measure(chapters: Sequence[str], console: Console) -> list[Figure]:
    """One chapter after the other."""
    figures = list[Figure]()
    for name in chapters:
        began = time.monotonic()
        with console.status(f"measuring: {name}"):
            figures += await CHAPTERS[name]()
        console.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim")
    return figures


def table(figures: Sequence[Figure]) -> Table:
    """What is shown."""
    shown = Table("", "measured", "promised", "")
    for figure in figures:
        most = "" if figure.target.most is None else f"≤ {figure.target.most:g}"
        style = None if figure.met else "bold red"
        shown.add_row(figure.target.what, figure.shown, most, figure.detail, style=style)
    return shown


def write(figures: Sequence[Figure], path: Path) -> None:
    """The same for machines."""
    rows = [
        {**asdict(figure), "what": figure.target.what, "unit": figure.target.unit, "most": figure.target.most}
        | {"met": figure.met}
        for figure in figures
    ]
    told = {"python": platform.python_version(), "machine": platform.machine(), "figures": rows}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> int:
    """The exit code: 0, 1 if something is not as promised, 2 if it could not be measured."""
    parser = argparse.ArgumentParser(description="Measure what Stopgap costs.")
    parser.add_argument("--only", choices=sorted(CHAPTERS), help="one chapter (default: all)")
    parser.add_argument("--json", type=Path, default=REPORT, metavar="FILE", help="(default: %(default)s)")
    args = parser.parse_args()
    console = Console()
    try:
        figures = asyncio.run(measure([args.only] if args.only else list(CHAPTERS), console))
    except CannotStart as fault:
        print(fault, file=sys.stderr)
        return 2
    console.print(table(figures))
    write(figures, args.json)
    missed = sum(not figure.met for figure in figures)
    console.print(f"{len(figures)} figures, {missed} not as promised; all of them in {args.json}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
