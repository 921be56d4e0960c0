"""The command line: `python -m local pictures`, which makes the README's pictures."""

import argparse
import asyncio
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.browser import chromium
from local.parts import ROOT, CannotStart
from local.pictures import terminal
from local.pictures.camera import Camera, Scheme
from local.pictures.stage import stage

DOCS = ROOT / "docs" / "pictures"

_DEMO = "demo"


class _Page(NamedTuple):
    path: str
    last: str
    """A selector of the last element that is seen."""
    scheme: Scheme


_PAGES = {
    "dashboard": _Page("/api/dashboard", "section:has(> #days)", "light"),
    "dashboard-dark": _Page("/api/dashboard", "section:has(> #days)", "dark"),
    "vm": _Page(f"/api/dashboard/{DEFAULT_SUBSCRIPTION}/rg-build/agent-09", ".columns", "light"),
}
"""The pictures of the app's pages, by name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.add_argument(
        "--only", choices=(*_PAGES, _DEMO), action="append", help="this picture, not all; may be repeated"
    )
    parser.add_argument(
        "--into", type=Path, default=DOCS, metavar="DIR", help="where to write them (default: docs/pictures)"
    )


def run(args: argparse.Namespace) -> int:
    """Make the pictures, and say what was written. The exit code: 0; 1 when that cannot be done; 130 after Ctrl-C."""
    try:
        args.into.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        print(
            f"--into {args.into}: expected a directory that can be written: {fault.strerror}", file=sys.stderr
        )
        return 1
    try:
        asyncio.run(_take(args.into, args.only or (*_PAGES, _DEMO)))
    except CannotStart as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ended; nothing is left running", file=sys.stderr)
        return 130
    return 0


async def _take(into: Path, names: Collection[str]) -> None:
    pages = {name: page for name, page in _PAGES.items() if name in names}
    async with chromium() as browser:
        camera = Camera(browser)
        if pages:
            async with stage() as url:
                for name, page in pages.items():
                    _keep(into / f"{name}.png", await camera.take(url + page.path, page.last, page.scheme))
        if _DEMO in names:
            page_of_demo = await terminal.demo("make demo")
            _keep(into / f"{_DEMO}.png", await camera.develop(page_of_demo, terminal.ELEMENT))


def _keep(path: Path, png: bytes) -> None:
    path.write_bytes(png)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB", flush=True)
