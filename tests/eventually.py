"""Waiting for what happens in another process."""

import asyncio
from collections.abc import Awaitable, Callable

from local.host.process import HostProcess


async def eventually[T](look: Callable[[], Awaitable[T]], within: float = 20.0) -> T:
    """What ``look`` gives once it is true, looking again until then; AssertionError after ``within`` seconds."""
    last = await look()
    try:
        async with asyncio.timeout(within):
            while not last:
                await asyncio.sleep(0.05)
                last = await look()
    except TimeoutError:
        raise AssertionError(f"after {within:g} s there was still only {last!r}") from None
    return last


async def logged(host: HostProcess, text: str) -> list[str]:
    """The lines of the host's log that contain ``text``, once there is one."""

    async def look() -> list[str]:
        return [line for line in host.log.splitlines() if text in line]

    return await eventually(look)
