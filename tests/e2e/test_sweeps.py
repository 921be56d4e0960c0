"""Sweeps through the real worker library, storage and the simulated Azure: no event ever comes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
import pytest

from local.azure.faults import Fault
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from local.parts import ROOT, plain_environment
from shared.adapters.tables import open_ledger
from shared.ports import Change
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import episode, new_vm, record, transition
from tests.e2e.town import App, settings_for
from tests.eventually import eventually

LOCKED, NOWHERE = (f"00000000-0000-4000-8000-00000000000{number}" for number in (2, 3))


@pytest.fixture(scope="module")
async def azure() -> AsyncIterator[SimulatedAzure]:
    """An Azure that tells no one of anything; one subscription cannot be read, another is not there."""
    subscriptions = (DEFAULT_SUBSCRIPTION, LOCKED)
    async with SimulatedAzure(operation_seconds=0.2, subscriptions=subscriptions, page_size=3) as cloud:
        locked = Fault(kind="403", times=sys.maxsize, path=f"/subscriptions/{LOCKED}/.*")
        cloud.arm.faults.in_store.append(locked)
        yield cloud


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    """The function app, which sweeps three subscriptions every two seconds, with a grace of two seconds."""
    settings = settings_for(storage, azure) | {
        "STOPGAP_SUBSCRIPTIONS": f"{DEFAULT_SUBSCRIPTION},{LOCKED},{NOWHERE}",
        "STOPGAP_SWEEP_SCHEDULE": "*/2 * * * * *",
    }
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        yield App(host, http)


async def health(app: App) -> dict[str, Any]:
    status, body = await app.get("/api/health")
    assert status == 200
    return cast("dict[str, Any]", body)


async def swept_since(app: App, subscription: str, at: datetime) -> dict[str, Any]:
    """What the first sweep came to that began after a time."""

    async def look() -> dict[str, Any]:
        sweep: dict[str, Any] = (await health(app))["sweeps"][subscription] or {}
        return sweep if sweep and datetime.fromisoformat(sweep["began_at"]) > at else {}

    return await eventually(look, within=60)


async def test_vms_that_no_event_named_are_known(app: App, azure: SimulatedAzure) -> None:
    ids = {
        azure.add_vm(DEFAULT_SUBSCRIPTION, f"rg-{number % 2}", f"Known-{number}", state=state): state
        for number, state in enumerate(["running", "stopped", "deallocated"] * 3)
    }
    for mode in ("Uniform", "Flexible"):
        for vm_id in azure.add_scale_set(DEFAULT_SUBSCRIPTION, "rg-0", f"Set-{mode}", mode=mode, instances=4):
            ids[vm_id] = "running"
    for vm_id, state in ids.items():
        assert (await app.seen(vm_id, state))["since_source"] == "observed"
    assert (await swept_since(app, DEFAULT_SUBSCRIPTION, datetime.now(UTC)))["vms"] == len(ids)


async def test_a_guest_shutdown_is_flagged_without_any_event(app: App, azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-shut", "shut", os_type="Windows")
    await app.seen(vm_id, "running")
    await azure.guest_shutdown(vm_id)

    flagged = await app.flagged(vm_id)

    assert (flagged["power_state"], flagged["billed"], flagged["cause"]) == ("stopped", True, None)
    assert flagged["os_type"] == "Windows"
    assert [part["after"] for part in flagged["transitions"]] == ["stopped", "running"]
    told = [event["type"] for event in azure.topic_events if event["subject"] == vm_id.lower()]
    assert told == ["Stopgap.Vm.LeftStopped"]

    await azure.deallocate(vm_id)
    cleared = await app.seen(vm_id, "deallocated")
    assert (cleared["flag"], cleared["episodes"][0]["ended_as"]) == (None, "deallocated")


async def test_a_vm_that_is_gone_is_closed(app: App, azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-gone", "gone", state="stopped")
    await app.flagged(vm_id)
    await azure.delete(vm_id)
    gone = await app.seen(vm_id, "deleted")
    assert (gone["flag"], gone["episodes"][0]["ended_as"]) == (None, "deleted")


async def test_a_tag_of_the_owner_is_read_from_the_list(app: App, azure: SimulatedAzure) -> None:
    exempt = azure.add_vm(
        DEFAULT_SUBSCRIPTION, "rg-tags", "exempt", state="stopped", tags={"Stopgap:Exempt": "kept warm"}
    )
    await app.flagged(azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-tags", "plain", state="stopped"))
    found = await app.seen(exempt, "stopped")
    assert (found["flag"], found["exemption"]["reason"]) == (None, "kept warm")


async def test_an_unchanged_fleet_costs_azure_its_pages(app: App, azure: SimulatedAzure) -> None:
    await swept_since(app, DEFAULT_SUBSCRIPTION, datetime.now(UTC))
    began = len(azure.arm.requests)
    await swept_since(app, DEFAULT_SUBSCRIPTION, datetime.now(UTC))
    asked = {request.operation for request in azure.arm.requests[began:] if request.status == 200}
    assert asked == {"listStatus", "listAll", "scaleSet.listAll", "scaleSet.list"}


async def test_what_is_not_covered_is_said_in_health(app: App) -> None:
    async def told() -> list[str]:
        lines: list[str] = (await health(app))["remarks"]
        refused = [line for line in lines if line.startswith((LOCKED, NOWHERE)) and "HTTP" in line]
        return refused if len(refused) == 2 else []

    locked, nowhere = await eventually(told)
    assert locked.startswith(f"{LOCKED}: no sweep was complete yet: not covered: ARM, GET /subscriptions/")
    assert "who asks needs Microsoft.Compute/virtualMachines/read" in locked
    assert "HTTP 404 SubscriptionNotFound" in nowhere
    body = await health(app)
    for subscription in (LOCKED, NOWHERE):
        sweep = body["sweeps"][subscription]
        assert (sweep["complete"], sweep["covered_at"], sweep["vms"], sweep["fault_count"]) == (
            False,
            None,
            0,
            1,
        )
    assert body["sweeps"][DEFAULT_SUBSCRIPTION]["complete"]
    assert body["counts"]["swept"] >= 1
    assert body["counts"]["put_off"] >= 1
    assert body["poison"]["sweeps-poison"] == 0


async def test_the_summary_counts_what_is_known(app: App, azure: SimulatedAzure) -> None:
    await swept_since(app, DEFAULT_SUBSCRIPTION, datetime.now(UTC))
    status, body = await app.get("/api/summary")
    assert (status, body["whole"]) == (200, True)
    swept, locked, nowhere = body["subscriptions"]
    assert [each["subscription"] for each in (swept, locked, nowhere)] == [
        DEFAULT_SUBSCRIPTION,
        LOCKED,
        NOWHERE,
    ]
    for refused, fault in ((locked, "HTTP 403"), (nowhere, "HTTP 404 SubscriptionNotFound")):
        assert (refused["vms"], refused["sweep"]["complete"], refused["sweep"]["covered_at"]) == (
            0,
            False,
            None,
        )
        assert fault in refused["sweep"]["faults"][0]
    assert swept["vms"] == body["vms"] == len(azure.vms)
    assert body["flagged"] >= 4
    assert body["power_states"]["stopped"] >= body["flagged"]
    assert sum(body["power_states"].values()) == body["vms"] + body["power_states"]["deleted"]
    assert (await app.get("/api/summary"))[1] == body, "for a minute"


async def test_a_night_of_retention(azure: SimulatedAzure, storage: str) -> None:
    vm = new_vm(subscription=LOCKED)
    now = datetime.now(UTC)
    ledger = open_ledger(storage, None, NOBODY)
    stored = None
    for days in (500, 401, 399, 1):
        at = now - timedelta(days=days)
        change = Change(record(vm), transition(vm, at), (episode(vm, at, ended_at=at),))
        stored = await ledger.save(change, stored)

    # What its timer would call at night.
    script = "import asyncio; from functions.retention import retention as timer; "
    script += "asyncio.run(timer._function.get_user_function()(None))"
    environment = {**plain_environment(), **settings_for(storage, azure), "STOPGAP_SUBSCRIPTIONS": LOCKED}
    night = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=environment, cwd=ROOT)
    assert await night.wait() == 0

    history = await ledger.history(vm, 10)
    assert [(now - part.seen_at).days for part in history.transitions] == [1, 399]
    assert [(now - part.seen_at).days for part in history.episodes] == [1, 399]
    assert await ledger.latest(vm) == stored
    await ledger.close()
