"""Waiting that ends early when the host is told to stop."""

import asyncio


async def stops_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; True as soon as ``stop`` is set, False after ``seconds``."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
