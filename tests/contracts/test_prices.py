"""The port `Prices`: in memory, on the simulated price list, and on one that answers whatever it is told to."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.azure.price_list import rows as listed_rows
from local.azure.server import SimulatedAzure
from shared import exchange
from shared.adapters import prices as module
from shared.adapters.memory import MemoryLedger, MemoryPrices
from shared.adapters.prices import RetailPrices
from shared.domain.malformed import Malformed
from shared.domain.money import Offer, Rates
from shared.ports import Fetched, NotNow, PortError, Prices, Refused, Throttled, Unavailable
from tests.contracts.canned import Answer, Asked, Canned, break_off, canned_service, drop, hang, said
from tests.contracts.fleet import NOON
from tests.domain.test_mutilated import HARMS, mutilated
from tests.eventually import eventually

WHERE = ("westeurope", "Standard_D2s_v5")
OFFER = Offer.of("USD", *WHERE)
OLD = Fetched(Rates("USD", 0.1, 0.2), NOON - timedelta(days=30))


@dataclass
class Shop:
    """Prices by a clock that stands still until it is moved, and where they are kept."""

    endpoint: str
    currency: str = "USD"
    now: datetime = NOON
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    instances: list[RetailPrices] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.prices = self.instance()

    def instance(self) -> RetailPrices:
        """An instance of the app: another knows what is in the ledger and nothing else."""
        self.instances.append(
            RetailPrices(self.ledger, currency=self.currency, endpoint=self.endpoint, clock=lambda: self.now)
        )
        return self.instances[-1]

    async def close(self) -> None:
        for prices in self.instances:
            await prices.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure() as azure:
        yield azure


@pytest.fixture
async def shop(azure: SimulatedAzure) -> AsyncIterator[Shop]:
    shop = Shop(azure.prices_url)
    yield shop
    await shop.close()


@pytest.fixture
async def service() -> AsyncIterator[Canned]:
    async with canned_service() as service:
        yield service


@pytest.fixture
async def canned(service: Canned) -> AsyncIterator[Shop]:
    shop = Shop(service.url)
    yield shop
    await shop.close()


def row(**changes: object) -> dict[str, object]:
    """The row of OFFER's Linux price."""
    found = next(
        row
        for row in listed_rows()
        if (row["armSkuName"], row["armRegionName"], row["type"]) == (WHERE[1], WHERE[0], "Consumption")
    )
    plain = {
        "productName": "Virtual Machines Dsv5 Series",
        "skuName": "D2s v5",
        "meterName": "D2s v5",
        "effectiveStartDate": "2024-03-01T00:00:00Z",
        "retailPrice": 0.115,
    }
    return found | plain | changes


def reply(*rows: object, following: object = None) -> Answer:
    return said(200, json.dumps({"Items": rows, "NextPageLink": following, "Count": len(rows)}))


class TestContract:
    @pytest.fixture(params=["memory", "retail"])
    def any_prices(self, request: pytest.FixtureRequest, azure: SimulatedAzure, shop: Shop) -> Prices:
        if request.param == "retail":
            return shop.prices
        linux, windows = azure.list_price(WHERE[1], WHERE[0]), azure.list_price(WHERE[1], WHERE[0], "Windows")
        return MemoryPrices({WHERE: Rates("USD", linux, windows)})

    async def test_rates_are_those_of_the_list(self, any_prices: Prices) -> None:
        assert await any_prices.rates(*WHERE) == Rates("USD", 0.1152, 0.2072)

    async def test_what_is_not_listed_has_none(self, any_prices: Prices) -> None:
        assert await any_prices.rates("westeurope", "Standard_X1") is None
        assert await any_prices.rates("mars", WHERE[1]) is None


class TestOnTheSimulatedList:
    @pytest.mark.parametrize("currency", ["USD", "EUR", "JPY"])
    async def test_every_size_and_region_has_its_true_prices(
        self, azure: SimulatedAzure, currency: str
    ) -> None:
        shop = Shop(azure.prices_url, currency)
        places = {(row["armRegionName"], row["armSkuName"]) for row in listed_rows()}
        found = await asyncio.gather(*(shop.prices.rates(*place) for place in places))
        for (region, size), rates in zip(places, found, strict=True):
            linux, windows = (
                azure.list_price(size, region, "Linux", currency),
                azure.list_price(size, region, "Windows", currency),
            )
            assert rates == Rates(currency, linux, windows)
        await shop.close()

    async def test_any_letter_case_and_the_display_name_of_a_region(self, shop: Shop) -> None:
        expected = await shop.prices.rates(*WHERE)
        assert expected
        assert await shop.prices.rates("West Europe", "STANDARD_D2S_V5") == expected

    async def test_a_currency_that_the_list_does_not_have(self, azure: SimulatedAzure) -> None:
        shop = Shop(azure.prices_url, "XXX")
        with pytest.raises(Refused, match="HTTP 400 InvalidParameter The currency XXX is not supported"):
            await shop.prices.rates(*WHERE)
        await shop.close()

    @pytest.mark.parametrize(
        "size", ["it's", "x' or armSkuName eq 'Standard_D2s_v5", "a&b=c", "ü", "\ud800", "%27"]
    )
    async def test_a_name_of_any_kind_is_no_part_of_the_question(
        self, azure: SimulatedAzure, shop: Shop, size: str
    ) -> None:
        assert await shop.prices.rates("westeurope", size) is None
        (asked,) = azure.prices.requests
        assert set(asked) == {"currencyCode", "$filter"}

    async def test_a_list_that_fails_and_comes_back(self, azure: SimulatedAzure, shop: Shop) -> None:
        await azure.set_prices_mode("fail")
        with pytest.raises(
            Unavailable, match=r"price list http.*, 'Standard_D2s_v5' in 'westeurope', USD: HTTP 500"
        ):
            await shop.prices.rates(*WHERE)
        await azure.set_prices_mode("ok")
        shop.now += module.PAUSE
        assert await shop.prices.rates(*WHERE)


class TestAsking:
    async def test_the_question_is_the_documented_one_and_names_nobody(
        self, service: Canned, canned: Shop
    ) -> None:
        service.answer(reply())
        await canned.prices.rates(*WHERE)
        (asked,) = service.requests
        assert (asked.method, asked.path) == ("GET", "/api/retail/prices")
        assert asked.query == {
            "currencyCode": "'USD'",
            "$filter": "serviceName eq 'Virtual Machines' and armRegionName eq 'westeurope' "
            "and armSkuName eq 'Standard_D2s_v5' and priceType eq 'Consumption'",
        }
        assert not {"Authorization", "Cookie"} & set(asked.headers)

    async def test_all_who_ask_at_once_share_one_question(self, service: Canned, canned: Shop) -> None:
        service.answer(reply(row()))
        found = await asyncio.gather(*(canned.prices.rates(*WHERE) for _ in range(500)))
        assert set(found) == {Rates("USD", 0.115)}
        assert len(service.requests) == 1

    async def test_a_failure_is_shared_as_well(self, service: Canned, canned: Shop) -> None:
        service.answer(said(403))
        came = await asyncio.gather(*(canned.prices.rates(*WHERE) for _ in range(50)), return_exceptions=True)
        assert {type(each) for each in came} == {Refused}
        assert len(service.requests) == 1

    async def test_who_stops_waiting_stops_nobody_else(self, azure: SimulatedAzure, shop: Shop) -> None:
        await azure.set_prices_mode("hang")
        patient = asyncio.create_task(shop.prices.rates(*WHERE))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(shop.prices.rates(*WHERE), 0.05)
        await azure.set_prices_mode("ok")
        assert await patient
        assert len(azure.prices.requests) == 3

    async def test_a_question_goes_on_without_those_who_asked(
        self, azure: SimulatedAzure, shop: Shop
    ) -> None:
        await azure.set_prices_mode("hang")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(shop.prices.rates(*WHERE), 0.05)
        await azure.set_prices_mode("ok")
        assert await shop.prices.rates(*WHERE)
        assert len(azure.prices.requests) == 3

    async def test_only_so_many_questions_are_under_way_at_once(
        self, azure: SimulatedAzure, shop: Shop
    ) -> None:
        async def full() -> bool:
            return len(azure.prices.requests) == module.AT_ONCE

        await azure.set_prices_mode("hang")
        asking = [asyncio.create_task(shop.prices.rates("westeurope", f"Standard_X{n}")) for n in range(30)]
        await eventually(full)
        done, _ = await asyncio.wait(asking, timeout=0.05)
        assert (done, len(azure.prices.requests)) == (set(), module.AT_ONCE)
        await azure.set_prices_mode("ok")
        assert await asyncio.gather(*asking) == [None] * 30


class TestKeeping:
    async def test_a_price_is_asked_for_once_a_day(self, service: Canned, canned: Shop) -> None:
        service.answer(reply(row()), reply(row(retailPrice=0.2)))
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)
        canned.now += timedelta(hours=23, minutes=59)
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)
        assert await canned.instance().rates(*WHERE) == Rates("USD", 0.115)
        assert len(service.requests) == 1
        canned.now += timedelta(minutes=1)
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.2)
        assert await canned.instance().rates(*WHERE) == Rates("USD", 0.2)
        assert len(service.requests) == 2

    async def test_what_another_instance_fetched_is_good_as_long_as_for_that_one(
        self, service: Canned, canned: Shop
    ) -> None:
        service.answer(reply(row()), reply(row(retailPrice=0.2)))
        await canned.prices.rates(*WHERE)
        other = canned.instance()
        canned.now += timedelta(hours=20)
        await other.rates(*WHERE)
        canned.now += timedelta(hours=4)
        assert await other.rates(*WHERE) == Rates("USD", 0.2)

    async def test_that_there_is_none_is_kept_as_well(self, service: Canned, canned: Shop) -> None:
        service.answer(reply())
        for prices in (canned.prices, canned.prices, canned.instance()):
            assert await prices.rates(*WHERE) is None
        assert len(service.requests) == 1
        assert await canned.ledger.price(OFFER) == Fetched(None, NOON)

    @pytest.mark.parametrize("answer", [said(500), said(403), drop, said(200, "<html>"), said(200, "[]")])
    async def test_an_older_price_is_better_than_none(
        self, service: Canned, canned: Shop, caplog: pytest.LogCaptureFixture, answer: Answer
    ) -> None:
        await canned.ledger.keep_price(OFFER, OLD)
        service.answer(answer)
        for _ in range(3):
            assert await canned.prices.rates(*WHERE) == OLD.rates
            canned.now += module.PAUSE
        (entry,) = caplog.records
        assert entry.getMessage().startswith(
            "prices of 2026-10-22T12:00:00+00:00 and older are used: price list"
        )

        service.answers.clear()
        service.answer(reply(row()), said(500))
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)
        canned.now += module.GOOD_FOR
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)
        assert len(caplog.records) == 2

    async def test_who_can_have_an_older_price_does_not_wait_long_for_a_fresh_one(
        self, azure: SimulatedAzure, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PATIENCE", 0.05)
        await shop.ledger.keep_price(OFFER, OLD)
        await azure.set_prices_mode("hang")
        assert await shop.prices.rates(*WHERE) == OLD.rates
        await azure.set_prices_mode("ok")

        async def fresh() -> bool:
            return await shop.prices.rates(*WHERE) == Rates("USD", 0.1152, 0.2072)

        await eventually(fresh)
        assert len(azure.prices.requests) == 3

    async def test_an_older_price_is_remembered_without_the_ledger(
        self, service: Canned, canned: Shop
    ) -> None:
        service.answer(reply(row()), said(403))
        await canned.prices.rates(*WHERE)
        canned.ledger._prices.clear()
        canned.now += module.GOOD_FOR
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)
        assert len(service.requests) == 2

    async def test_that_there_was_none_is_no_price_to_fall_back_on(
        self, service: Canned, canned: Shop
    ) -> None:
        await canned.ledger.keep_price(OFFER, Fetched(None, OLD.at))
        service.answer(said(403))
        with pytest.raises(Refused):
            await canned.prices.rates(*WHERE)

    @pytest.mark.parametrize(
        ("answer", "minutes"),
        [(said(403), 1), (said(429), 1), (said(429, "", {"Retry-After": "600"}), 10), (said(200, "[]"), 1)],
    )
    async def test_what_failed_is_left_alone_for_a_while(
        self, service: Canned, canned: Shop, answer: Answer, minutes: int
    ) -> None:
        service.answer(answer)
        with pytest.raises((PortError, Malformed)) as first:
            await canned.prices.rates(*WHERE)
        canned.now += timedelta(minutes=minutes, seconds=-1)
        with pytest.raises((PortError, Malformed)) as second:
            await canned.prices.rates(*WHERE)
        assert str(second.value) == str(first.value)
        assert len(service.requests) == 1
        canned.now += timedelta(seconds=1)
        service.answers.clear()
        service.answer(reply(row()))
        assert await canned.prices.rates(*WHERE)
        assert await canned.prices.rates(*WHERE)

    async def test_a_ledger_that_fails_costs_a_question_and_nothing_else(
        self, service: Canned, canned: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Down(MemoryLedger):
            async def price(self, offer: Offer) -> Fetched | None:
                raise Unavailable(f"no ledger for {offer.size}")

            async def keep_price(self, offer: Offer, fetched: Fetched) -> None:
                raise Refused(f"no ledger for {offer.size} of {fetched.at}")

        canned.ledger = Down()
        service.answer(reply(row()))
        prices = canned.instance()
        assert await prices.rates(*WHERE) == await prices.rates(*WHERE) == Rates("USD", 0.115)
        assert len(service.requests) == 1
        assert [entry.levelno for entry in caplog.records] == [logging.WARNING] * 2


class TestPages:
    async def test_they_are_followed_to_the_last(self, service: Canned, canned: Shop) -> None:
        following = f"{service.url}/api/retail/prices?$filter=armSkuName%20eq%20%27a%26b%27&$skip=1"
        windows = row(productName="Virtual Machines Dsv5 Series Windows", retailPrice=0.207)
        service.answer(reply(row(), following=following), reply(windows))
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115, 0.207)
        assert service.requests[1].query == {"$filter": "armSkuName eq 'a&b'", "$skip": "1"}

    async def test_a_page_in_the_middle_is_tried_again(self, service: Canned, canned: Shop) -> None:
        following = f"{service.url}/api/retail/prices?$skip=1"
        service.answer(reply(following=following), drop, said(503), reply(row()))
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)

    @pytest.mark.parametrize(
        "following",
        [
            "https://prices.example.com/api/retail/prices?$skip=1",
            "https://127.0.0.1:{port}/api/retail/prices?$skip=1",
            "http://127.0.0.1:1/api/retail/prices?$skip=1",
            "http://127.0.0.1/api/retail/prices?$skip=1",
            "http://localhost:{port}/api/retail/prices?$skip=1",
            "http://user@127.0.0.1:{port}/api/retail/prices?$skip=1",
            "http://127.0.0.1:{port}@example.com/",
            "http://127.0.0.1:{port}\\@example.com/",
            "http://127.0.0.1:{port}.example.com/",
            "http://127.0.0.1:none/",
            "http://[::1/",
            "/api/retail/prices?$skip=1",
            "//example.com/",
            "file:///etc/passwd",
            "next",
            7,
            ["x"],
        ],
    )
    async def test_one_that_is_elsewhere_is_not_asked_for(
        self, service: Canned, canned: Shop, following: object
    ) -> None:
        port = service.url.rpartition(":")[2]
        link = following.format(port=port) if isinstance(following, str) else following
        service.answer(reply(row(), following=link))
        with pytest.raises(Malformed, match=r"expected (the next page|NextPageLink) to be"):
            await canned.prices.rates(*WHERE)
        assert len(service.requests) == 1

    @pytest.mark.parametrize("odd", ["a b", "ü", "a\r\nHost: x", "\ud800", "#fragment"])
    async def test_odd_characters_stay_in_the_address(self, service: Canned, canned: Shop, odd: str) -> None:
        service.answer(reply(following=f"{service.url}/api/retail/prices?$skip={odd}"), reply(row()))
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)
        assert service.requests[1].path == "/api/retail/prices"
        assert service.requests[1].headers["Host"] == service.url.removeprefix("http://")

    @pytest.mark.parametrize(
        ("endpoint", "link"),
        [
            ("https://prices.azure.com", "https://prices.azure.com:443/api/retail/prices?$skip=100"),
            ("https://prices.azure.com:443", "https://PRICES.azure.com/api/retail/prices?$skip=100"),
        ],
    )
    def test_the_usual_port_may_be_named_or_not(self, endpoint: str, link: str) -> None:
        assert exchange.next_page(endpoint, link) == link

    async def test_pages_without_end_are_malformed(self, service: Canned, canned: Shop) -> None:
        service.answer(reply(row(), following=f"{service.url}/api/retail/prices?$skip=0"))
        with pytest.raises(Malformed, match="expected at most 20 pages"):
            await canned.prices.rates(*WHERE)
        assert len(service.requests) == module.PAGES

    async def test_a_reply_of_ten_thousand_rows(self, service: Canned, canned: Shop) -> None:
        others = [row(armSkuName=f"Standard_D{number}s_v5") for number in range(10, 10_009)]
        service.answer(reply(*others, row()))
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)


class TestFailing:
    @pytest.mark.parametrize(
        ("status", "error", "requests"),
        [
            (204, Malformed, 1),
            (302, Unavailable, 1),
            (400, Refused, 1),
            (401, Refused, 1),
            (404, Refused, 1),
            (408, Unavailable, 1),
            (429, Throttled, 1),
            (500, Unavailable, 3),
            (503, Unavailable, 3),
        ],
    )
    async def test_every_status(
        self, service: Canned, canned: Shop, status: int, error: type[Exception], requests: int
    ) -> None:
        service.answer(said(status, headers={"Location": service.url}))
        with pytest.raises(
            error, match=f"price list {service.url}, 'Standard_D2s_v5' in 'westeurope'"
        ) as raised:
            await canned.prices.rates(*WHERE)
        assert type(raised.value) is error
        assert "\n" not in str(raised.value)
        assert len(service.requests) == requests

    @pytest.mark.parametrize(
        "answer",
        [
            said(200, "<html>Sign in</html>"),
            said(200, b"\xff\xfe"),
            said(200, "[" * 100_000),
            said(200, '{"Items": {}}'),
        ],
    )
    async def test_an_answer_that_is_no_price_list_is_malformed(
        self, service: Canned, canned: Shop, answer: Answer
    ) -> None:
        service.answer(answer)
        with pytest.raises(Malformed, match=f"^price list {service.url}, .* expected") as raised:
            await canned.prices.rates(*WHERE)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize(
        "answer", [drop, break_off, said(200, b"\xff\xfe", {"Content-Encoding": "gzip"})]
    )
    async def test_an_answer_that_breaks_off_is_no_answer(
        self, service: Canned, canned: Shop, answer: Answer
    ) -> None:
        service.answer(answer)
        with pytest.raises(Unavailable):
            await canned.prices.rates(*WHERE)

    async def test_a_hiccup_is_not_seen(self, service: Canned, canned: Shop) -> None:
        service.answer(drop, said(503), reply(row()))
        assert await canned.prices.rates(*WHERE) == Rates("USD", 0.115)

    async def test_a_list_that_hangs(
        self, service: Canned, canned: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "FETCH_SECONDS", 0.05)
        service.answer(hang)
        with pytest.raises(NotNow, match="no answer: the time was up"):
            await canned.prices.rates(*WHERE)

    async def test_closing_ends_what_is_under_way(self, service: Canned, canned: Shop) -> None:
        async def asked() -> list[Asked]:
            return service.requests

        service.answer(hang)
        asking = asyncio.create_task(canned.prices.rates(*WHERE))
        await eventually(asked)
        await canned.prices.close()
        with pytest.raises(asyncio.CancelledError):
            await asking

    @pytest.mark.parametrize("endpoint", ["http://prices.azure.com", "prices.azure.com"])
    def test_only_loopback_may_be_plain_http(self, endpoint: str) -> None:
        with pytest.raises(ValueError, match="STOPGAP_PRICES_ENDPOINT: expected an https address"):
            Shop(endpoint)


GOOD: dict[str, Any] = {
    "Items": [row(), row(productName="Virtual Machines Dsv5 Series Windows", retailPrice=0.207)],
    "NextPageLink": None,
    "Count": 2,
}


@settings(max_examples=150)
@given(harms=st.lists(HARMS, min_size=1, max_size=3))
async def test_a_mutilated_reply_is_malformed_or_has_right_prices_or_none(
    harms: list[tuple[float, str, object]],
) -> None:
    async with canned_service() as service:
        service.answer(said(200, json.dumps(mutilated(GOOD, harms))))
        shop = Shop(service.url)
        try:
            rates = await shop.prices.rates(*WHERE)
        except Malformed as fault:
            assert "\n" not in str(fault)
        else:
            assert rates is None or {rates.base, rates.windows} <= {None, 0.115, 0.207}
        await shop.close()
