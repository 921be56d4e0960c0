"""What the API says VMs left Stopped cost, against the price list of the simulated Azure."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import aiohttp
import pytest

from local.azure.model import VmOptions
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from local.parts import ROOT, plain_environment
from tests.e2e.town import App, power_off_event, settings_for
from tests.eventually import eventually, logged

LONG_AGO = timedelta(hours=10)
SIZE, REGION = "Standard_E8s_v5", "northeurope"
PLACE: VmOptions = {"size": SIZE, "location": REGION}
FLEET: dict[str, VmOptions] = {
    "linux": PLACE,
    "windows": {**PLACE, "os_type": "Windows"},
    "own-licence": {**PLACE, "os_type": "Windows", "license_type": "Windows_Server"},
    "spot": {**PLACE, "priority": "Spot", "eviction_policy": "Deallocate"},
    "unlisted": {"size": "Standard_X1"},
    "elsewhere": {"size": "Standard_D2s_v7", "location": "eastus"},
}


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    """The function app, with costs in euros."""
    settings = settings_for(storage, azure) | {"STOPGAP_CURRENCY": "eur"}
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        yield App(host, http)


@pytest.fixture(scope="module")
async def fleet(app: App, azure: SimulatedAzure) -> dict[str, str]:
    """The ids of the fleet by name, all Stopped for ten hours and known to the app."""
    ids = dict[str, str]()
    for name, options in FLEET.items():
        since = datetime.now(UTC) - LONG_AGO
        ids[name] = azure.add_vm(
            DEFAULT_SUBSCRIPTION, "rg-costs", name, state="stopped", since=since, **options
        )
        await app.post([power_off_event(ids[name], at=since)])
    running = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-costs", "running", **PLACE)
    await app.post([power_off_event(running)])
    return ids


def rate(
    azure: SimulatedAzure, os: Literal["Linux", "Windows"], size: str = SIZE, region: str = REGION
) -> float:
    return azure.list_price(size, region, os, "EUR")


async def test_the_figures_are_those_of_the_price_list(
    app: App, azure: SimulatedAzure, fleet: dict[str, str]
) -> None:
    linux, windows = rate(azure, "Linux"), rate(azure, "Windows")
    dsv7 = rate(azure, "Linux", "Standard_D2s_v7", "eastus")
    truth: dict[str, tuple[float | None, float | None]] = {
        "linux": (linux, linux),
        "windows": (linux, windows),
        "own-licence": (linux, linux),
        "spot": (None, None),
        "unlisted": (None, None),
        "elsewhere": (dsv7, dsv7),
    }
    assert set(truth) == set(fleet)
    azure.prices.requests.clear()

    async def priced() -> dict[str, Any]:
        _, body = await app.get("/api/vms")
        vms = {vm["name"]: vm for vm in body["vms"]}
        return vms if all(vms[name]["cost"] for name in truth) else {}

    vms = await eventually(priced)
    assert vms["running"]["cost"] is None
    for name, bounds in truth.items():
        cost = vms[name]["cost"]
        assert cost["currency"] == "EUR"
        for bound, hourly in zip(("lower", "upper"), bounds, strict=True):
            if hourly is None:
                assert {cost[part][bound] for part in ("hourly", "monthly", "so_far")} == {None}
                continue
            assert cost["hourly"][bound] == round(hourly, 4)
            assert cost["monthly"][bound] == round(hourly * 730, 2)
            # Somewhere between the ten hours at the start of the test and now.
            assert round(hourly * 10, 2) <= cost["so_far"][bound] <= round(hourly * 10.1, 2)


async def test_each_size_and_region_is_asked_for_once(
    app: App, azure: SimulatedAzure, fleet: dict[str, str]
) -> None:
    await app.get("/api/vms")
    asked = [
        query["$filter"].split("armSkuName eq ")[1].split("'")[1]
        for query in azure.prices.requests
        if "$skip" not in query
    ]
    assert sorted(asked) == ["Standard_D2s_v7", SIZE, "Standard_X1"]
    already = len(azure.prices.requests)
    for _ in range(3):
        await app.get("/api/vms?flagged=true")
        await app.vm(fleet["linux"])
    assert len(azure.prices.requests) == already


async def test_an_episode_that_ended_has_its_cost(
    app: App, azure: SimulatedAzure, fleet: dict[str, str]
) -> None:
    vm = azure.add_vm(
        DEFAULT_SUBSCRIPTION,
        "rg-costs",
        "ended",
        state="stopped",
        since=datetime.now(UTC) - LONG_AGO,
        **PLACE,
    )
    await app.post([power_off_event(vm, at=datetime.now(UTC) - LONG_AGO)])
    assert (await app.vm(vm))["episodes"][0]["cost"] is None
    azure.deallocate(vm)
    await azure.settle()
    await app.post([power_off_event(vm)])

    async def ended() -> list[dict[str, Any]]:
        page = await app.vm(vm)
        return page["episodes"] if page["power_state"] == "deallocated" else []

    (episode,) = await eventually(ended)
    page = await app.vm(vm)
    assert page["cost"] is None
    expected = round(rate(azure, "Linux") * episode["hours"], 2)
    assert episode["cost"] == {"currency": "EUR", "lower": expected, "upper": expected}
    assert expected > 0
    assert fleet


@pytest.mark.parametrize("mode", ["fail", "hang"])
async def test_a_price_list_that_is_away_costs_the_figures_and_nothing_else(
    app: App, azure: SimulatedAzure, fleet: dict[str, str], mode: Literal["fail", "hang"]
) -> None:
    size = {"fail": "Standard_B2s", "hang": "Standard_B4ms"}[mode]
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-costs", f"new-{mode}", state="stopped", size=size)
    await app.post([power_off_event(vm)])
    await azure.set_prices_mode(mode)

    status, body = await app.get("/api/vms")

    assert status == 200
    costs = {each["name"]: each["cost"] for each in body["vms"]}
    assert costs[f"new-{mode}"] is None
    assert costs["linux"]["hourly"]["lower"] == round(rate(azure, "Linux"), 4)
    assert (await app.vm(vm))["cost"] is None
    assert await logged(app.host, "prices not to be had: ")
    await azure.set_prices_mode("ok")
    assert await app.flagged(vm)
    assert fleet


COLD_START = """
import sys
from shared import bootstrap
bootstrap.app()
assert "shared.adapters.compute" in sys.modules
assert "shared.adapters.prices" not in sys.modules
bootstrap.app().costs.prices()
assert "shared.adapters.prices" in sys.modules
"""


async def test_an_event_does_not_pay_for_the_price_list(azure: SimulatedAzure) -> None:
    settings = settings_for("UseDevelopmentStorage=true", azure)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COLD_START, cwd=ROOT, env={**plain_environment(), **settings}
    )
    assert await process.wait() == 0
