from collections.abc import AsyncIterator

import aiohttp
import pytest

from local.pictures.stage import stage


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    """Where the app over its made-up month is."""
    async with stage() as address:
        yield address


@pytest.fixture(scope="module")
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url) as session:
        yield session
