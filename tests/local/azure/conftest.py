"""A simulated Azure, the real SDK clients that talk to it, and a webhook that its events go to."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.eventgrid.aio import EventGridPublisherClient
from azure.identity.aio import ClientSecretCredential
from azure.mgmt.compute.aio import ComputeManagementClient

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from tests.local.azure.receiver import Receiver

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.fixture
def sample() -> Callable[[str], Any]:
    def load(name: str) -> Any:  # noqa: ANN401 - JSON of any kind
        return json.loads((SAMPLES / name).read_text(encoding="utf-8"))

    return load


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(operation_seconds=0.02, poll_after_seconds=0, page_size=3) as simulated:
        yield simulated


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    webhook = Receiver()
    app = web.Application()
    app.router.add_post("/hook", webhook.post)
    app.router.add_route("OPTIONS", "/hook", webhook.options)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield webhook
    await runner.cleanup()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Any]]:
    """Makes a compute client for a simulated Azure; without retries unless told otherwise."""
    async with AsyncExitStack() as stack:

        async def client(
            azure: SimulatedAzure, subscription: str = DEFAULT_SUBSCRIPTION
        ) -> ComputeManagementClient:
            credential = await stack.enter_async_context(ClientSecretCredential("tenant", "client", "secret"))
            return await stack.enter_async_context(
                ComputeManagementClient(
                    credential,
                    subscription,
                    base_url=azure.url,
                    authentication_policy=SansIOHTTPPolicy(),
                    polling_interval=0.01,
                    retry_total=0,
                )
            )

        yield client


@pytest.fixture
async def compute(azure: SimulatedAzure, connect: Callable[..., Any]) -> ComputeManagementClient:
    client: ComputeManagementClient = await connect(azure)
    return client


@pytest.fixture
async def publisher(azure: SimulatedAzure) -> AsyncIterator[EventGridPublisherClient]:
    async with EventGridPublisherClient(
        azure.topic_url(), AzureKeyCredential("any"), retry_total=0
    ) as client:
        yield client
