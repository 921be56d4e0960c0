from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from local.azurite import Azurite
from local.host.process import HostProcess

SAMPLE_APP = Path(__file__).parent / "sample_app"


@pytest.fixture(scope="session")
def sample_app() -> Path:
    return SAMPLE_APP


@pytest.fixture(scope="session")
def sample_settings(azurite: Azurite) -> Mapping[str, str]:
    """What the sample app needs; its timer is far from due."""
    return {
        "AzureWebJobsStorage": azurite.connection_string,
        "SAMPLE_QUEUE": "sample",
        "SAMPLE_SCHEDULE": "0 0 0 1 1 *",
    }


@pytest.fixture(scope="session")
async def host(sample_app: Path, sample_settings: Mapping[str, str]) -> AsyncIterator[HostProcess]:
    """The sample app, shared by the tests that need no host of their own."""
    arguments = ["--function-key", "sesame", "--queue-lease", "3", "--verbose"]
    async with HostProcess(sample_settings, app=sample_app, arguments=arguments) as running:
        yield running


@pytest.fixture(scope="session")
async def web(host: HostProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.url) as session:
        yield session
