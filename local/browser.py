"""Chromium as a part, driven by Playwright: for the browser tests and for pictures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import getuid

from playwright.async_api import Browser, async_playwright

from local.parts import ROOT, CannotStart

_FIND = ROOT / "local" / "chromium.sh"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium. Raises `CannotStart` where there is none and none can be installed."""
    process = await asyncio.create_subprocess_exec(
        _FIND, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    found, said = await process.communicate()
    if process.returncode:
        raise CannotStart(said.decode().strip())
    # Chromium has no sandbox for root.
    arguments = ["--no-sandbox"] if getuid() == 0 else []
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=found.decode().strip().splitlines()[-1], args=arguments
        )
        try:
            yield running
        finally:
            await running.close()
