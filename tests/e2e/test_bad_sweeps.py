"""Sweeps that do not come to their end: a subscription that disappears in the middle, a machine that fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from local.azure.interposition import RequestMoment
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from shared.adapters.queues import open_sweeps
from shared.ports import Sweep
from tests.contracts.conftest import NOBODY
from tests.e2e.town import App, settings_for
from tests.eventually import eventually


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    """An Azure of each test's own, which lists three VMs a page."""
    subscriptions = (DEFAULT_SUBSCRIPTION,)
    async with SimulatedAzure(operation_seconds=0, subscriptions=subscriptions, page_size=3) as cloud:
        yield cloud


@pytest.fixture
async def storage() -> AsyncIterator[str]:
    """And storage of each test's own."""
    async with Azurite() as running:
        yield running.connection_string


@dataclass
class Held:
    """Holds up the second page of models, once."""

    azure: SimulatedAzure
    met: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    pages: int = 0

    def __post_init__(self) -> None:
        self.azure.interpose(self)

    async def __call__(self, moment: RequestMoment) -> None:
        self.pages += moment.operation == "listAll" and moment.when == "before"
        if self.pages == 2 and not self.met.is_set():
            self.met.set()
            await self.let_go.wait()


@asynccontextmanager
async def an_app(azure: SimulatedAzure, storage: str) -> AsyncIterator[App]:
    """The function app, by whose clock no sweep is due; a message comes again two seconds after its host died."""
    settings = settings_for(storage, azure)
    async with (
        HostProcess(settings, arguments=["--queue-lease", "2"]) as host,
        aiohttp.ClientSession(host.url) as http,
    ):
        yield App(host, http)


async def ask(storage: str) -> None:
    """Ask for a sweep, as its schedule would."""
    sweeps = open_sweeps(storage, None, NOBODY)
    await sweeps.put(Sweep(DEFAULT_SUBSCRIPTION, datetime.now(UTC)), timedelta())
    await sweeps.close()


async def swept(app: App, since: datetime) -> dict[str, Any]:
    """What health says of the first sweep that began after a time."""

    async def look() -> dict[str, Any]:
        _, body = await app.get("/api/health")
        sweep = body["sweeps"][DEFAULT_SUBSCRIPTION]
        return body if sweep and datetime.fromisoformat(sweep["began_at"]) >= since else {}

    return await eventually(look, within=60)


def fleet(azure: SimulatedAzure, count: int, state: str = "running") -> list[str]:
    return [
        azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-fleet", f"vm-{number}", state=state) for number in range(count)
    ]


async def test_a_sweep_whose_machine_fails_is_run_again_and_ends_right(
    azure: SimulatedAzure, storage: str
) -> None:
    vms, held = fleet(azure, 8, "stopped"), Held(azure)
    async with an_app(azure, storage) as app:
        began = datetime.now(UTC)
        await ask(storage)
        await held.met.wait()
        seen = [vm for vm in vms if await app.vm(vm)]
        assert not seen, "they are saved together, many at a time"
        _, body = await app.get("/api/health")
        assert body["sweeps"][DEFAULT_SUBSCRIPTION] is None, "it has come to nothing yet"
        await app.host.kill()
    held.let_go.set()

    async with an_app(azure, storage) as app:
        body = await swept(app, began)
        sweep = body["sweeps"][DEFAULT_SUBSCRIPTION]
        assert (sweep["complete"], sweep["vms"], sweep["gone"], sweep["fault_count"]) == (True, 8, 0, 0)
        assert sweep["changed"] == 8
        assert body["remarks"] == []
        assert body["poison"]["sweeps-poison"] == 0
        _, summary = await app.get("/api/summary")
        assert (summary["vms"], summary["power_states"]["stopped"]) == (8, 8)
        for vm in vms:
            found = await app.flagged(vm)
            assert len(found["transitions"]) == len(found["episodes"]) == 1
        told = [event["subject"] for event in azure.topic_events]
        assert sorted(told) == sorted(vm.lower() for vm in vms), "each owner once"


async def test_a_subscription_that_disappears_in_mid_sweep_takes_no_vm_along(
    azure: SimulatedAzure, storage: str
) -> None:
    vms = fleet(azure, 8)
    async with an_app(azure, storage) as app:
        began = datetime.now(UTC)
        await ask(storage)
        assert (await swept(app, began))["sweeps"][DEFAULT_SUBSCRIPTION]["complete"]
        for vm in vms:
            await azure.deallocate(vm)

        held, began = Held(azure), datetime.now(UTC)
        await ask(storage)
        await held.met.wait()
        azure.compute.subscriptions.discard(DEFAULT_SUBSCRIPTION)
        held.let_go.set()
        body = await swept(app, began)
        sweep = body["sweeps"][DEFAULT_SUBSCRIPTION]
        assert (sweep["complete"], sweep["vms"], sweep["changed"], sweep["gone"]) == (False, 3, 3, 0)
        (fault,) = sweep["faults"]
        assert "HTTP 404 SubscriptionNotFound" in fault
        assert body["remarks"] == [f"{DEFAULT_SUBSCRIPTION}: 1 not covered by the latest sweep: {fault}"]
        _, summary = await app.get("/api/summary")
        assert summary["subscriptions"][0]["sweep"] == sweep
        assert (summary["vms"], summary["power_states"]["deleted"]) == (8, 0)
        states = sorted([(await app.vm(vm))["power_state"] for vm in vms])
        assert states == ["deallocated"] * 3 + ["running"] * 5

        azure.compute.subscriptions.add(DEFAULT_SUBSCRIPTION)
        began = datetime.now(UTC)
        await ask(storage)
        assert (await swept(app, began))["remarks"] == []
        assert {(await app.vm(vm))["power_state"] for vm in vms} == {"deallocated"}
