"""The figures of all VMs together, against what the simulated Azure knows to be so."""

import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import aiohttp
import pytest

from local.azure.model import VmOptions
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from tests.e2e.town import App, power_off_event, settings_for
from tests.eventually import eventually

HOURS = {"shop-1": 30.0, "shop-2": 3.0, "bank-1": 100.0, "spot-1": 5.0, "closed-1": 50.0, "own-1": 8.0}
OPTIONS: Mapping[str, VmOptions] = {
    "shop-1": {"size": "Standard_E8s_v5", "location": "northeurope"},
    "shop-2": {"size": "Standard_D2s_v5", "location": "westeurope", "os_type": "Windows"},
    "bank-1": {"size": "Standard_D4s_v5", "location": "westeurope"},
    "spot-1": {"size": "Standard_D4s_v5", "location": "westeurope", "priority": "Spot"},
    # So dear that a cent is soon avoided.
    "closed-1": {"size": "Standard_NC16as_T4_v3", "location": "eastus"},
    "own-1": {
        "size": "Standard_D2s_v5",
        "location": "westeurope",
        "os_type": "Windows",
        "license_type": "Windows_Server",
    },
}


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    """The function app, which may deallocate, and sweeps every two seconds."""
    settings = settings_for(storage, azure) | {
        "STOPGAP_ALLOW_DEALLOCATE": "true",
        "STOPGAP_SWEEP_SCHEDULE": "*/2 * * * * *",
    }
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        yield App(host, http)


@pytest.fixture(scope="module")
async def fleet(app: App, azure: SimulatedAzure) -> dict[str, str]:
    """The ids of the fleet by name, Stopped for so many hours, as events told; one more runs."""
    ids = dict[str, str]()
    for name, hours in HOURS.items():
        since = datetime.now(UTC) - timedelta(hours=hours)
        ids[name] = azure.add_vm(
            DEFAULT_SUBSCRIPTION, "rg-figures", name, state="stopped", since=since, **OPTIONS[name]
        )
        await app.post([power_off_event(ids[name], at=since)])
    azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-figures", "running", **OPTIONS["bank-1"])
    return ids


def price(azure: SimulatedAzure, name: str, bound: Literal["lower", "upper"]) -> float:
    """What Azure lists for an hour of a VM."""
    options = OPTIONS[name]
    licensed = options.get("os_type") == "Windows" and "license_type" not in options
    os: Literal["Linux", "Windows"] = "Windows" if licensed and bound == "upper" else "Linux"
    return azure.list_price(options["size"], options["location"], os, "USD")


def stopped(azure: SimulatedAzure, fleet: Mapping[str, str]) -> set[str]:
    """The VMs that Azure knows to be Stopped and has a list price for."""
    return {name for name, vm in fleet.items() if azure.vms[vm.lower()].condition.power == "stopped"} - {
        "spot-1"
    }


async def cost(app: App, number: int) -> dict[str, Any]:
    """What the summary says of money, once it has so many VMs Stopped."""

    async def look() -> dict[str, Any]:
        _, summary = await app.get("/api/summary")
        told: dict[str, Any] = summary["cost"]
        return told if told["stopped"] == number and not told["hourly"]["unpriced"] > 1 else {}

    return await eventually(look, within=60)


async def test_rate_and_waste_are_the_truth(app: App, azure: SimulatedAzure, fleet: dict[str, str]) -> None:
    told = await cost(app, len(fleet))
    names = stopped(azure, fleet)
    assert len(names) == 5
    for bound in ("lower", "upper"):
        hourly = {name: price(azure, name, bound) for name in names}
        assert told["hourly"][bound] == pytest.approx(sum(hourly.values()), abs=1e-4)
        assert told["monthly"][bound] == pytest.approx(sum(hourly.values()) * 730, abs=0.01)
        # Since they were powered off, up to some time during this test.
        wasted = sum(hourly[name] * HOURS[name] for name in names)
        assert wasted - 0.01 <= told["wasted"]["total"][bound] <= wasted + sum(hourly.values()) * 0.05
        assert sum(day["wasted"][bound] for day in told["days"]) == pytest.approx(
            told["wasted"]["total"][bound], abs=0.01 * len(told["days"])
        )
    assert told["hourly"]["unpriced"] == 1
    assert told["wasted"]["total"]["unpriced"] == pytest.approx(HOURS["spot-1"], abs=0.05)
    assert sum(day["hours"] for day in told["days"]) == pytest.approx(sum(HOURS.values()), abs=0.3)
    assert told["avoided"]["total"] == {"lower": 0.0, "upper": 0.0, "unpriced": 0.0}
    assert (told["whole"], told["deallocated"]) == (True, 0)


async def test_what_is_deallocated_is_avoided(app: App, azure: SimulatedAzure, fleet: dict[str, str]) -> None:
    vm = fleet["closed-1"]
    status, _ = await app.ask(vm, "deallocate")
    assert status == 202
    await app.seen(vm, "deallocated")
    told = await cost(app, len(fleet) - 1)
    names = stopped(azure, fleet)
    assert "closed-1" not in names
    assert told["hourly"]["lower"] == pytest.approx(
        sum(price(azure, name, "lower") for name in names), abs=1e-4
    )
    assert told["deallocated"] == 1
    # What it had wasted by then stays wasted.
    assert told["wasted"]["total"]["lower"] >= price(azure, "closed-1", "lower") * HOURS["closed-1"]
    ended_at = datetime.fromisoformat((await app.vm(vm))["episodes"][0]["ended_at"])

    async def look() -> dict[str, Any]:
        _, summary = await app.get("/api/summary")
        avoided: dict[str, Any] = summary["cost"]["avoided"]["total"]
        return avoided if avoided["lower"] > 0 else {}

    avoided = await eventually(look, within=60)
    most = (datetime.now(UTC) - ended_at) / timedelta(hours=1) * price(azure, "closed-1", "lower")
    assert 0 < avoided["lower"] <= most + 0.01


async def test_the_download_has_each_episode(app: App, azure: SimulatedAzure, fleet: dict[str, str]) -> None:
    await cost(app, len(fleet) - 1)
    async with app.http.get("/api/episodes.csv") as answer:
        text = await answer.text()
        assert answer.content_type == "text/csv"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="stopgap-episodes-')
    lines = {line["name"]: line for line in csv.DictReader(io.StringIO(text))}
    assert set(lines) == set(fleet)
    for name in stopped(azure, fleet):
        line = lines[name]
        assert float(line["hours"]) == pytest.approx(HOURS[name], abs=0.1)
        wanted = price(azure, name, "upper") * float(line["hours"])
        assert float(line["cost_upper"]) == pytest.approx(wanted, abs=0.01)
        assert (line["ended_at"], line["currency"], line["size"]) == ("", "USD", OPTIONS[name]["size"])
    assert (lines["spot-1"]["cost_lower"], lines["spot-1"]["cost_upper"]) == ("", "")
    closed = lines["closed-1"]
    assert (closed["ended_as"], closed["by_stopgap"]) == ("deallocated", "true")


@pytest.mark.parametrize(
    "query", ["since=never", "limit=3", "since=2027-01-01&until=2026-01-01", "subscription=x"]
)
async def test_what_cannot_be_read_is_refused(app: App, query: str) -> None:
    async with app.http.get(f"/api/episodes.csv?{query}") as answer:
        assert (answer.status, answer.content_type) == (400, "application/problem+json")
        assert (await answer.json(content_type=None))["detail"]


async def test_a_search_by_name(app: App, fleet: dict[str, str]) -> None:
    async def names(query: str) -> list[str]:
        _, body = await app.get(f"/api/vms?{query}")
        return [vm["name"] for vm in body["vms"]]

    assert fleet
    assert await names("name=SHOP") == ["shop-1", "shop-2"]
    assert await names("name=rg-fig&power_state=running") == ["running"]
    assert await names("name=nobody") == []
    for query in ("name=", f"name={'x' * 91}"):
        status, body = await app.get(f"/api/vms?{query}")
        assert status == 400
        assert body["detail"].startswith("name: expected 1 to 90 characters")
