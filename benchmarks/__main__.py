"""`python -m benchmarks`: measures, shows what it found, and writes it to `build/bench.json`."""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from rich.console import Console

from benchmarks import burst, cold, detection, events, report, sweeps
from benchmarks.report import Report
from benchmarks.stage import CannotMeasure
from benchmarks.tables import MISS, drawn, number, shown
from benchmarks.targets import Figure
from local.parts import ROOT, CannotStart

REPORT = ROOT / "build" / "bench.json"

type Chapter = Callable[[], Awaitable[list[Figure]]]

CHAPTERS: Mapping[str, tuple[str, Chapter]] = {
    "events": ("what an event costs", events.chapter),
    "sweeps": ("what a sweep costs, of 1,000, 10,000 and 50,000 VMs", sweeps.chapter),
    "burst": ("10,000 events in 5 minutes, by a simulated clock", burst.chapter),
    "cold": ("what a new instance costs until its first event is done", cold.chapter),
    "detection": ("how soon a VM that stopped is on record, and flagged", detection.chapter),
}

ENDED_WELL, MISSED, NOT_MEASURED, INTERRUPTED = 0, 1, 2, 130


async def measure(chapters: Sequence[str], console: Console) -> list[Figure]:
    """One chapter after the other.

    Raises:
        CannotStart, CannotMeasure: One of them did not come to its end.
    """
    figures = list[Figure]()
    for name in chapters:
        began = time.monotonic()
        with console.status(f"measuring: {name}"):
            try:
                figures += await CHAPTERS[name][1]()
            except (
                aiohttp.ClientError,
                OSError,
                TimeoutError,
            ) as fault:  # a part that has died, or does not end
                raise CannotMeasure(f"{name}: {str(fault) or type(fault).__name__}") from fault
        console.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim")
    return figures


def main(words: Sequence[str] | None = None, console: Console | None = None) -> int:
    """The exit code, see the help.

    Args:
        words: The command line; None: the program's.
        console: Where to show what was found; None: on stdout.
    """
    args = _parser().parse_args(words)
    console = console or Console()
    began_at, load = datetime.now(UTC), report.load()
    try:
        figures = asyncio.run(measure([args.only] if args.only else list(CHAPTERS), console))
    except (CannotStart, CannotMeasure) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return NOT_MEASURED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - whatever it is, Python's own exit code would say that something was measured
        traceback.print_exc()
        return NOT_MEASURED
    found = Report.here(began_at, load, figures)
    found.write(args.json)
    show(found, console)
    console.print(f"{len(figures)} figures in {args.json}", soft_wrap=True, highlight=False)
    return MISSED if found.missed else ENDED_WELL


def show(found: Report, console: Console) -> None:
    """The tables, and then what is not as promised."""
    for table in shown(found.figures):
        console.print(drawn(table))
    for figure in found.missed:
        target = figure.target
        told = f"{target.what}: {number(figure.value)} {target.unit}".rstrip()
        console.print(f"{MISS} {told}, promised ≤ {target.most:g}", style="bold red", soft_wrap=True)
    console.print(f"{found.machine}; Python {found.python}; load {found.load:g}", style="dim", soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    chapters = "\n".join(f"  {name:10} {what}" for name, (what, _) in CHAPTERS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what Stopgap costs, as ratios to a floor: the same exchanges, which decide nothing.",
        epilog=f"chapters:\n{chapters}\n\nexit codes:\n"
        f"  {ENDED_WELL}    all is as promised\n"
        f"  {MISSED}    something is not: it is marked {MISS}\n"
        f"  {NOT_MEASURED}    it could not be measured: nothing is written\n"
        f"  {INTERRUPTED}  interrupted\n\nWhat is measured, and how to read a miss: docs/performance.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_chapter, metavar="CHAPTER", help="one chapter (default: all)")
    parser.add_argument("--json", type=Path, default=REPORT, metavar="FILE", help="(default: %(default)s)")
    return parser


def _chapter(name: str) -> str:
    if name not in CHAPTERS:
        raise argparse.ArgumentTypeError(f"there is no chapter {name!r}: expected {', '.join(CHAPTERS)}")
    return name


if __name__ == "__main__":
    sys.exit(main())
