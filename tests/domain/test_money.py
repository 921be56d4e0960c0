"""Which rows of Azure's price list count, and what a VM left Stopped costs."""

import json
from copy import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.malformed import Malformed
from shared.domain.money import (
    Amount,
    Offer,
    Rates,
    Tariff,
    amount_view,
    bounds,
    cost_of,
    cost_view,
    episode_cost,
    listed,
    read_page,
    read_rates,
)
from shared.domain.observations import Model
from shared.domain.records import Episode, Record
from shared.domain.states import PowerState
from tests import strategies
from tests.contracts.fleet import NOON, episode, minutes, new_vm, record
from tests.domain.test_mutilated import HARMS, mutilated

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
RECORDED: dict[str, Any] = json.loads((SAMPLES / "retail-prices-response.recorded.json").read_text("utf-8"))
OFFER = Offer.of("USD", "westeurope", "Standard_D2s_v3")

LINUX: dict[str, object] = RECORDED["Items"][3] | {
    "productName": "Virtual Machines DSv3 Series",
    "retailPrice": 0.12,
}
WINDOWS: dict[str, object] = RECORDED["Items"][3]


def read(*rows: object, offer: Offer = OFFER, now: datetime = NOON) -> Rates | None:
    return read_rates(rows, offer, now)


class TestRows:
    def test_the_recorded_reply_has_the_price_with_windows_alone(self) -> None:
        rows, following = read_page(RECORDED)
        assert (len(rows), following) == (5, None)
        assert read(*rows) == Rates("USD", None, 0.212)

    def test_linux_and_windows_are_told_apart_in_any_order(self) -> None:
        assert read(LINUX, WINDOWS) == read(WINDOWS, LINUX) == Rates("USD", 0.12, 0.212)

    @pytest.mark.parametrize(
        ("product", "rates"),
        [
            ("Virtual Machines Dsv7-series Linux", Rates("USD", 0.12)),
            ("Virtual Machines Dsv7-series Windows", Rates("USD", None, 0.12)),
            ("DCsv3 Series Linux", Rates("USD", 0.12)),
            ("Virtual Machines ECasv6 series", Rates("USD", 0.12)),
            ("Virtual Machines DSv3 Series WINDOWS ", Rates("USD", None, 0.12)),
        ],
    )
    def test_the_names_of_products_in_all_their_spellings(self, product: str, rates: Rates) -> None:
        assert read(LINUX | {"productName": product}) == rates

    @pytest.mark.parametrize(
        "change",
        [
            {"skuName": "D2s v3 Spot"},
            {"meterName": "D2s v3 Spot"},
            {"skuName": "D2s v3 Low Priority", "meterName": "D2s v3 Low Priority"},
            {"meterName": "D2s v3 low priority"},
            {"type": "Reservation", "reservationTerm": "1 Year"},
            {"reservationTerm": "3 Years"},
            {"type": "DevTestConsumption"},
            {"serviceName": "Virtual Machines Licenses"},
            {"serviceName": "Cloud Services"},
            {"productName": "DSv3 Series Cloud Services"},
            {"productName": "Dsv3 Series CloudServices"},
            {"productName": "DSv3 Series Dedicated Host"},
            {"currencyCode": "EUR"},
            {"armRegionName": "northeurope"},
            {"armSkuName": "Standard_D2_v3"},
            {"unitOfMeasure": "1/Month"},
            {"unitOfMeasure": "100 Hours"},
            {"tierMinimumUnits": 100.0},
            {"retailPrice": 0},
            {"retailPrice": -0.12},
            {"retailPrice": "0.12"},
            {"retailPrice": True},
            {"retailPrice": None},
            {"retailPrice": float("nan")},
            {"retailPrice": float("inf")},
            {"retailPrice": 10**400},
            {"effectiveStartDate": (NOON + timedelta(seconds=1)).isoformat()},
            {"effectiveStartDate": "soon"},
            {"effectiveStartDate": None},
            {"effectiveEndDate": (NOON - timedelta(days=1)).isoformat()},
            {"effectiveEndDate": "later"},
        ],
    )
    def test_a_row_of_something_else_does_not_count(self, change: dict[str, object]) -> None:
        assert read(LINUX | change) is None
        assert read(LINUX | change, WINDOWS, LINUX) == Rates("USD", 0.12, 0.212)

    @pytest.mark.parametrize("field", [name for name in LINUX if name not in
        {"unitPrice", "location", "meterId", "productId", "skuId", "serviceId", "serviceFamily", "isPrimaryMeterRegion",
         "tierMinimumUnits"}])  # fmt: skip
    def test_a_row_that_lacks_a_field_does_not_count(self, field: str) -> None:
        assert read({name: value for name, value in LINUX.items() if name != field}) is None

    @pytest.mark.parametrize("row", [None, [], "row", 7, {}])
    def test_what_is_no_row_does_not_count(self, row: object) -> None:
        assert read(row, LINUX) == Rates("USD", 0.12)

    def test_size_and_region_are_compared_in_any_letter_case(self) -> None:
        assert read(LINUX, offer=Offer.of("usd", "West Europe", "STANDARD_d2S_V3")) == Rates("USD", 0.12)

    def test_of_several_in_force_the_latest_is_the_price(self) -> None:
        rows = [
            LINUX | {"effectiveStartDate": f"{year}-01-01T00:00:00Z", "retailPrice": price}
            for year, price in ((2024, 0.2), (2026, 0.3), (2025, 0.4), (2027, 0.5))
        ]
        assert read(*rows) == read(*reversed(rows)) == Rates("USD", 0.3)
        assert read(*rows, now=NOON + timedelta(days=365)) == Rates("USD", 0.5)

    def test_of_two_that_began_together_it_is_the_lower_in_any_order(self) -> None:
        rows = [LINUX, LINUX | {"retailPrice": 0.11}, LINUX | {"retailPrice": 0.13}]
        assert read(*rows) == read(*reversed(rows)) == Rates("USD", 0.11)

    def test_a_time_without_a_zone_is_utc(self) -> None:
        assert read(LINUX | {"effectiveStartDate": "2026-11-21T12:00:00"}) == Rates("USD", 0.12)
        assert read(LINUX | {"effectiveStartDate": "2026-11-21T12:00:01"}) is None


class TestPages:
    @pytest.mark.parametrize(
        "following", [None, "", "https://prices.azure.com:443/api/retail/prices?$skip=1000"]
    )
    def test_the_next_page(self, following: str | None) -> None:
        assert read_page({"Items": [], "NextPageLink": following}) == ([], following or None)

    def test_no_next_page(self) -> None:
        assert read_page({"Items": []}) == ([], None)

    @pytest.mark.parametrize(
        "body",
        [
            None,
            [],
            "",
            7,
            {},
            {"items": []},
            {"Items": None},
            {"Items": {}},
            {"Items": [], "NextPageLink": 7},
        ],
    )
    def test_anything_else_is_malformed(self, body: object) -> None:
        with pytest.raises(Malformed, match=r"^expected"):
            read_page(body)


REPLY = RECORDED | {
    "Items": [*RECORDED["Items"], LINUX, LINUX | {"skuName": "D2s v3 Spot", "retailPrice": 0.02}]
}


@settings(max_examples=500)
@given(harms=st.lists(HARMS, min_size=1, max_size=3))
def test_a_mutilated_reply_is_malformed_or_has_right_prices_or_none(
    harms: list[tuple[float, str, object]],
) -> None:
    try:
        rows, _ = read_page(mutilated(REPLY, harms))
    except Malformed as fault:
        assert "\n" not in str(fault)
        return
    rates = read(*rows)
    if rates is None:
        return
    # A Spot row whose names were both harmed, or a Windows row whose product was, cannot be told from another's.
    assert {rates.base, rates.windows} <= {None, 0.12, 0.212, 0.02}


SIZED = Model(location="westeurope", size="Standard_D2s_v3", os_type="Linux")
PRICED = Tariff.of(SIZED)
RATES = Rates("USD", 0.12, 0.212)


class TestBounds:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({}, (0.12, 0.12)),
            ({"os_type": "linux"}, (0.12, 0.12)),
            ({"os_type": "Windows"}, (0.12, 0.212)),
            ({"os_type": "Windows", "license_type": "None"}, (0.12, 0.212)),
            ({"os_type": "Windows", "license_type": "Windows_Server"}, (0.12, 0.12)),
            ({"os_type": "Windows", "license_type": "windows_client"}, (0.12, 0.12)),
            ({"license_type": "RHEL_BYOS"}, (0.12, 0.12)),
            ({"os_type": None}, (0.12, 0.212)),
            ({"priority": "Regular"}, (0.12, 0.12)),
            ({"priority": "Spot"}, (None, None)),
            ({"priority": "Low"}, (None, None)),
            ({"priority": "SpotPlus"}, (None, None)),
            ({"dedicated_host": True}, (None, None)),
            ({"capacity_reservation": True}, (0.12, 0.12)),
            ({"location": None}, (None, None)),
            ({"size": None}, (None, None)),
        ],
    )
    def test_each_kind_of_vm(
        self, change: dict[str, Any], expected: tuple[float | None, float | None]
    ) -> None:
        assert bounds(RATES, Tariff.of(replace(SIZED, **change))) == Amount("USD", *expected)

    def test_what_is_not_listed_is_not_known(self) -> None:
        windows = replace(PRICED, os_type="Windows")
        assert bounds(Rates("USD"), PRICED) == Amount("USD")
        assert bounds(Rates("USD", 0.12), windows) == Amount("USD", 0.12)
        assert bounds(Rates("USD", None, 0.212), windows) == Amount("USD", None, 0.212)
        assert bounds(Rates("USD", None, 0.212), PRICED) == Amount("USD")

    def test_only_a_vm_with_a_list_price_is_asked_for(self) -> None:
        assert listed(PRICED) == ("westeurope", "Standard_D2s_v3")
        assert listed(replace(PRICED, priority="Spot")) is None

    @given(
        rates=strategies.rates,
        os_type=st.sampled_from([None, "Linux", "Windows", "?"]),
        licence=st.sampled_from([None, "None", "Windows_Server", "?"]),
        priority=st.sampled_from([None, "Regular", "Spot", "?"]),
    )
    def test_the_lower_bound_is_never_above_the_upper(
        self, rates: Rates, os_type: str | None, licence: str | None, priority: str | None
    ) -> None:
        tariff = replace(PRICED, os_type=os_type, license_type=licence, priority=priority)
        amount = bounds(rates, tariff)
        for bound in (amount.lower, amount.upper):
            assert bound is None or bound in {rates.base, rates.windows}
        if amount.lower is not None and amount.upper is not None:
            assert amount.lower <= amount.upper


def stopped(since: datetime = NOON) -> Record:
    return replace(record(new_vm(), PowerState.STOPPED), appeared_at=since)


class TestCosts:
    def test_it_grows_from_when_the_vm_was_stopped(self) -> None:
        cost = cost_of(stopped(), Amount("EUR", 0.12345678, 0.2), minutes(90))
        assert cost_view(cost) == {
            "currency": "EUR",
            "hourly": {"lower": 0.1235, "upper": 0.2},
            "monthly": {"lower": 90.12, "upper": 146.0},
            "so_far": {"lower": 0.19, "upper": 0.3},
        }

    @pytest.mark.parametrize("state", sorted(set(PowerState) - {PowerState.STOPPED}))
    def test_a_vm_that_is_not_stopped_has_none(self, state: PowerState) -> None:
        assert cost_of(record(new_vm(), state), Amount("EUR", 1, 2), NOON) is None
        assert cost_view(None) is None

    def test_what_is_not_known_is_null_and_never_zero(self) -> None:
        assert cost_view(cost_of(stopped(), Amount("EUR", None, 0.2), minutes(60))) == {
            "currency": "EUR",
            "hourly": {"lower": None, "upper": 0.2},
            "monthly": {"lower": None, "upper": 146.0},
            "so_far": {"lower": None, "upper": 0.2},
        }

    def test_an_episode_costs_its_hours(self) -> None:
        ended = episode(new_vm(), NOON, minutes(90))
        cost = episode_cost(ended, Amount("EUR", 0.1, None))
        assert amount_view(cost) == {"currency": "EUR", "lower": 0.15, "upper": None}

    def test_an_episode_that_lasts_has_no_cost_yet(self) -> None:
        assert amount_view(episode_cost(episode(new_vm(), NOON), Amount("EUR", 0.1, 0.2))) is None

    @given(
        since=strategies.times,
        now=strategies.times,
        later=st.timedeltas(timedelta(), timedelta(days=4000)),
        lower=strategies.prices,
        more=st.none() | st.floats(0, 1e6),
    )
    def test_it_never_shrinks_is_never_negative_and_unknown_stays_unknown(
        self, since: datetime, now: datetime, later: timedelta, lower: float | None, more: float | None
    ) -> None:
        upper = None if more is None else (lower or 0.1) + more
        first, second = (
            cost_of(stopped(since), Amount("EUR", lower, upper), at) for at in (now, now + later)
        )
        assert first
        assert second
        for name in ("lower", "upper"):
            known = (lower if name == "lower" else upper) is not None
            early, late = getattr(first.so_far, name), getattr(second.so_far, name)
            assert (early is not None) == (late is not None) == known
            if known:
                assert 0 <= early <= late
        shown = json.loads(json.dumps(cost_view(second), allow_nan=False))
        for amount in (shown["hourly"], shown["monthly"], shown["so_far"]):
            if None not in amount.values():
                assert 0 <= amount["lower"] <= amount["upper"]

    @given(life=strategies.episodes, lower=strategies.prices, upper=strategies.prices)
    def test_an_episode_of_any_kind(self, life: Episode, lower: float | None, upper: float | None) -> None:
        end = life.ended_at and max(life.ended_at, life.started_at)
        cost = episode_cost(replace(life, ended_at=end), Amount("EUR", lower, upper))
        assert (cost is None) == (end is None)
        if cost:
            assert (cost.lower is None, cost.upper is None) == (lower is None, upper is None)
            assert all(bound is None or bound >= 0 for bound in (cost.lower, cost.upper))


def test_ten_thousand_rows_are_read() -> None:
    rows = [LINUX | {"armSkuName": f"Standard_D{number}s_v3"} for number in range(10_000)]
    assert read(*rows) == Rates("USD", 0.12)
    assert read(*rows, now=datetime(2000, 1, 1, tzinfo=UTC)) is None
