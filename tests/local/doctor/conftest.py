"""An installation that is well, to be broken in one way at a time, and a doctor to look at it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.doctor.checks import examine
from local.doctor.findings import Finding
from local.doctor.installation import Asked
from shared import bootstrap
from tests.contracts.canned import Canned, canned_service
from tests.local.azure.receiver import Receiver

type Environment = dict[str, str]
type Examine = Callable[..., Awaitable[list[Finding]]]

SUB = DEFAULT_SUBSCRIPTION


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.exchange.PAUSES", (0.0, 0.0))


@pytest.fixture(scope="session")
async def account() -> AsyncIterator[str]:
    """A storage account that is doctor's alone, as the names of table and queues are fixed."""
    async with Azurite() as running:
        yield running.connection_string


@pytest.fixture
async def tables(account: str) -> AsyncIterator[TableServiceClient]:
    """Its tables, all of which are gone afterwards."""
    async with TableServiceClient.from_connection_string(account) as service:
        yield service
        async for table in service.list_tables():
            await service.delete_table(table.name)


@pytest.fixture
async def queues(account: str) -> AsyncIterator[QueueServiceClient]:
    """Its queues, all of which are gone afterwards."""
    async with QueueServiceClient.from_connection_string(account) as service:
        yield service
        async for queue in service.list_queues():
            await service.delete_queue(queue)


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure() as simulated:
        yield simulated


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Where the host takes events for the function."""
    webhook = Receiver()
    app = web.Application()
    app.router.add_post("/runtime/webhooks/eventgrid", webhook.post)
    app.router.add_post("/elsewhere", webhook.post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/runtime/webhooks/eventgrid"
    yield webhook
    await runner.cleanup()


@pytest.fixture
async def service() -> AsyncIterator[Canned]:
    async with canned_service() as canned:
        yield canned


@pytest.fixture
def environment(account: str, azure: SimulatedAzure) -> Environment:
    return {
        "AzureWebJobsStorage": account,
        "STOPGAP_SUBSCRIPTIONS": SUB,
        "STOPGAP_ARM_ENDPOINT": azure.url,
        "STOPGAP_TOPIC_ENDPOINT": azure.topic_url(),
    }


@pytest.fixture
def look(environment: Environment) -> Examine:
    """What one check finds: `look("events", STOPGAP_MODE="observe")`."""

    async def found(check: str, asked: Asked | None = None, **changes: str) -> list[Finding]:
        lines = await examine(environment | changes, asked or Asked(), now=bootstrap.now)
        return [line.finding for line in lines if line.check == check]

    return found


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    """Verdicts and facts."""
    return [(finding.verdict.value, finding.fact) for finding in findings]
