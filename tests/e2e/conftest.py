from collections.abc import AsyncIterator

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from tests.e2e.town import App, settings_for
from tests.schemas import problems


@pytest.fixture(scope="module")
async def storage() -> AsyncIterator[str]:
    """Storage of a module's own: what waits in its queue is for its app alone."""
    async with Azurite() as running:
        yield running.connection_string


@pytest.fixture(scope="module")
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(operation_seconds=0.2, subscriptions=(DEFAULT_SUBSCRIPTION,)) as cloud:
        yield cloud
        assert [problem for event in cloud.topic_events for problem in problems(event)] == []


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    """The function app as a process of its own, with a grace of two seconds. Its tests keep to VMs of their own."""
    async with HostProcess(settings_for(storage, azure)) as host, aiohttp.ClientSession(host.url) as http:
        yield App(host, http)
