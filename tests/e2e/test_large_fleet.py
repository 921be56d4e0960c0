"""What the first pages of a large fleet cost: 10,000 VMs that a real sweep found, each request to storage counted."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from benchmarks.proxy import StorageProxy
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from tests.e2e.town import App, settings_for
from tests.eventually import eventually

SMALL = "00000000-0000-4000-8000-000000000002"
FLEETS = {DEFAULT_SUBSCRIPTION: 10_000, SMALL: 100}
LEFT = 40
"""How many VMs of each fleet are Stopped."""

PAGES = ("/api/dashboard", "/api/summary", "/api/vms?flagged=true", "/api/vms?limit=50", "/api/episodes.csv")
MOST = 12
"""How many queries a page may cost, whatever the fleet. To read the whole of the large one takes ten by itself."""


@pytest.fixture(scope="module")
async def azure() -> AsyncIterator[SimulatedAzure]:
    """An Azure with a large fleet and a small one, of which as many are Stopped."""
    async with SimulatedAzure(subscriptions=tuple(FLEETS), page_size=1000) as cloud:
        for subscription, count in FLEETS.items():
            for number in range(count):
                state = "stopped" if number < LEFT else "running"
                cloud.add_vm(subscription, "rg-shop", f"vm-{number:05}", state=state)
        yield cloud


@pytest.fixture(scope="module")
async def door(azure: SimulatedAzure) -> AsyncIterator[StorageProxy]:
    """Where each request is counted to a storage account in which both fleets are known."""
    async with Azurite() as storage:
        ports = {"Queue": storage.ports["Queue"], "Table": storage.ports["Table"]}
        async with StorageProxy(ports) as proxy:
            settings = settings_for(storage.connection_string, azure) | {
                "STOPGAP_SUBSCRIPTIONS": ",".join(FLEETS),
                "STOPGAP_SWEEP_SCHEDULE": "*/5 * * * * *",
                "STOPGAP_GRACE": "1s",
            }
            async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
                await eventually(lambda: all_known(App(host, http)), within=100)
            await forget_messages(storage.connection_string)
            yield proxy


async def forget_messages(connection_string: str) -> None:
    """What waits in the queues would be work of the next app, and counted with its pages."""
    for name in ("looks", "sweeps", "deallocations"):
        async with QueueClient.from_connection_string(connection_string, name) as queue:
            with suppress(ResourceNotFoundError):
                await queue.clear_messages()


async def all_known(app: App) -> bool:
    """Whether both fleets were swept, and what is Stopped in them is flagged."""
    _, summary = await app.get("/api/summary")
    vms = {each["subscription"]: each["vms"] for each in summary["subscriptions"]}
    return vms == FLEETS and summary["flagged"] == LEFT * len(FLEETS)


async def cost_of(door: StorageProxy, azure: SimulatedAzure, subscription: str, path: str) -> Counter[str]:
    """The requests to storage of a page that is the first of an app that watches one of the subscriptions."""
    settings = settings_for(door.connection_string, azure) | {"STOPGAP_SUBSCRIPTIONS": subscription}
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        door.counts.clear()
        async with http.get(path) as answer:
            assert answer.status == 200, await answer.text()
            assert "vm-00010" in await answer.text() or "summary" in path
        # The host itself looks for messages all the time.
        return Counter({kind: door.counts[kind] for kind in ("read", "query", "transaction")})


@pytest.mark.parametrize("path", PAGES)
async def test_it_costs_what_is_stopped_and_not_the_fleet(
    door: StorageProxy, azure: SimulatedAzure, path: str
) -> None:
    large = await cost_of(door, azure, DEFAULT_SUBSCRIPTION, path)
    small = await cost_of(door, azure, SMALL, path)
    # Of the small fleet the VMs are counted by their records, for which there is one query.
    assert large["query"] <= small["query"] <= MOST
    assert large["transaction"] == small["transaction"]
    assert large["read"] <= small["read"]


async def test_the_large_fleet_is_counted_by_its_sweep(door: StorageProxy, azure: SimulatedAzure) -> None:
    settings = settings_for(door.connection_string, azure)
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        _, summary = await App(host, http).get("/api/summary")
    (one,) = summary["subscriptions"]
    assert one["power_states"] | {"stopped": 40, "running": 9960} == one["power_states"]
    assert one["counted_at"] == one["sweep"]["covered_at"]
    assert (summary["whole"], summary["cost"]["stopped"]) == (True, 40)
