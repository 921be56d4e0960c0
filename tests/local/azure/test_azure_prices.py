"""The simulated price list: shapes as recorded, `$filter`, pages, currencies, modes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import pytest

from local.azure.price_list import CURRENCIES, REGIONS, rows
from local.azure.server import SimulatedAzure

D2S = (
    "serviceName eq 'Virtual Machines' and armRegionName eq 'westeurope' and armSkuName eq 'Standard_D2s_v5'"
)
CONSUMPTION = f"{D2S} and priceType eq 'Consumption'"


async def ask(
    http: aiohttp.ClientSession, url: str, query: Mapping[str, str] | None = None, expected: int = 200
) -> dict[str, Any]:
    async with http.get(url, params=query) as response:
        body: dict[str, Any] = await response.json()
    assert response.status == expected, body
    return body


async def all_of(
    azure: SimulatedAzure, http: aiohttp.ClientSession, text: str, **query: str
) -> list[dict[str, Any]]:
    url: str | None = f"{azure.prices_url}/api/retail/prices"
    found, query = list[dict[str, Any]](), {"$filter": text, **query}
    while url:
        body = await ask(http, url, query)
        assert body["Count"] == len(body["Items"])
        found += body["Items"]
        url, query = body["NextPageLink"], {}
    return found


async def test_the_shape_is_the_recorded_one(
    azure: SimulatedAzure, http: aiohttp.ClientSession, sample: Callable[[str], Any]
) -> None:
    recorded = sample("retail-prices-response.recorded.json")
    body = await ask(http, f"{azure.prices_url}/api/retail/prices", {"$filter": CONSUMPTION})
    assert list(body) == list(recorded)
    assert list(body["Items"][0]) == list(recorded["Items"][0])
    assert isinstance(body["NextPageLink"], str)
    assert "serviceName%20eq%20%27Virtual%20Machines%27" in body["NextPageLink"]


async def test_pages_join_to_all_that_a_filter_asks_for(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    found = await all_of(azure, http, CONSUMPTION)
    wanted = [
        row
        for row in rows()
        if (row["armSkuName"], row["armRegionName"], row["type"])
        == ("Standard_D2s_v5", "westeurope", "Consumption")
    ]
    assert found == wanted
    assert len(azure.prices.requests) == 3


async def test_the_list_has_what_makes_the_real_one_hard_to_read(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    found = await all_of(azure, http, D2S)
    kinds = Counter(row["type"] for row in found)
    assert kinds == {"Consumption": 11, "DevTestConsumption": 1, "Reservation": 2}
    assert sum("reservationTerm" in row for row in found) == 2
    assert sum(row["meterName"].endswith((" Spot", " Low Priority")) for row in found) == 4
    assert sum("cloudservices" in row["productName"].lower().replace(" ", "") for row in found) == 1
    assert len({row["effectiveStartDate"] for row in found}) == 3
    assert len({row["meterId"] for row in found}) == len(found)


async def test_the_truth_is_the_row_in_force(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    assert azure.list_price("Standard_D2s_v5", "westeurope") == 0.1152
    assert azure.list_price("Standard_D2s_v5", "westeurope", "Windows") == 0.2072
    text = (
        f"{CONSUMPTION} and productName eq 'Virtual Machines Dsv5 Series Windows' and meterName eq 'D2s v5'"
    )
    prices = {row["retailPrice"] for row in await all_of(azure, http, text, currencyCode="'JPY'")}
    assert azure.list_price("Standard_D2s_v5", "westeurope", "Windows", "JPY") in prices


def test_every_size_has_a_truth_in_every_region_and_currency(azure: SimulatedAzure) -> None:
    sizes = {row["armSkuName"] for row in rows()}
    assert len(sizes) > 50
    for size in sizes:
        for region in REGIONS:
            for currency in CURRENCIES:
                linux, windows = (
                    azure.list_price(size, region, "Linux", currency),
                    azure.list_price(size, region, "Windows", currency),
                )
                assert 0 < linux < windows


@pytest.mark.parametrize("where", [("Standard_X1", "westeurope"), ("Standard_D2s_v5", "mars")])
def test_what_is_not_listed_has_no_truth(azure: SimulatedAzure, where: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="no price of"):
        azure.list_price(*where)


@pytest.mark.parametrize(
    ("version", "finds"), [(None, True), ("2021-10-01", True), ("2023-01-01-preview", False)]
)
async def test_letter_case_matters_in_newer_versions(
    azure: SimulatedAzure, http: aiohttp.ClientSession, version: str | None, finds: bool
) -> None:
    query = {"api-version": version} if version else {}
    other_case = CONSUMPTION.replace("Standard_D2s_v5", "STANDARD_d2S_V5")
    assert bool(await all_of(azure, http, other_case, **query)) == finds
    assert await all_of(azure, http, CONSUMPTION, **query)


@pytest.mark.parametrize("text", ["armSkuName eq 'it''s'", "armSkuName eq ''", "armRegionName eq 'mars'"])
async def test_nothing_found_is_an_empty_list(
    azure: SimulatedAzure, http: aiohttp.ClientSession, text: str
) -> None:
    body = await ask(http, f"{azure.prices_url}/api/retail/prices", {"$filter": text})
    assert (body["Items"], body["NextPageLink"], body["Count"]) == ([], None, 0)


@pytest.mark.parametrize(
    "query",
    [
        {"$filter": "armSkuName eq 'it's'"},
        {"$filter": "armSkuName ne 'x'"},
        {"$filter": "colour eq 'red'"},
        {"$filter": "armSkuName eq 'x' or armSkuName eq 'y'"},
        {"$skip": "-1"},
        {"currencyCode": "'XXX'"},
    ],
)
async def test_what_it_does_not_know_it_refuses(
    azure: SimulatedAzure, http: aiohttp.ClientSession, query: dict[str, str]
) -> None:
    body = await ask(http, f"{azure.prices_url}/api/retail/prices", query, 400)
    assert body["error"]["code"] == "InvalidParameter"


async def test_it_fails_and_hangs_as_told(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    url = f"{azure.url}/_sim/prices"
    async with http.post(f"{url}/mode", json={"mode": "fail"}) as response:
        assert response.status == 200
    await ask(http, f"{azure.prices_url}/api/retail/prices", expected=500)
    await azure.set_prices_mode("hang")
    asking = asyncio.create_task(ask(http, f"{azure.prices_url}/api/retail/prices"))
    done, _ = await asyncio.wait({asking}, timeout=0.1)
    await azure.set_prices_mode("ok")
    assert not done
    assert (await asking)["Items"]
    assert await ask(http, url) == {"mode": "ok", "requests": [{}, {}]}
    await azure.reset()
    assert await ask(http, url) == {"mode": "ok", "requests": []}


async def test_an_unknown_mode_is_named(azure: SimulatedAzure) -> None:
    unknown: Any = "tired"
    with pytest.raises(ValueError, match="'tired'; expected one of ok, fail, hang, slow"):
        await azure.set_prices_mode(unknown)
