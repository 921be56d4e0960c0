"""The app that is measured: as it is put together in Azure, from the environment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared import bootstrap


@asynccontextmanager
async def app() -> AsyncIterator[bootstrap.App]:
    """The app, its connections closed in the end."""
    made = bootstrap.app()
    parts: tuple[Any, ...] = (made.watch.vms, made.ledger, made.looks, made.deallocations, made.watch.sweeps)
    try:
        yield made
    finally:
        for part in parts:
            await part.close()
