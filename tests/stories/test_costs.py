"""What VMs left Stopped cost, as a page tells it: never an error, never long in coming."""

import asyncio
import logging
from copy import replace
from datetime import timedelta

import pytest

from shared import costs as costs_module
from shared.adapters.memory import MemoryPrices
from shared.costs import Costs
from shared.domain.malformed import Malformed
from shared.domain.money import Amount, Rates
from shared.domain.observations import Model
from shared.domain.records import Record
from shared.domain.states import PowerState
from shared.ports import Prices, Refused, Unavailable
from tests.contracts.fleet import NOON, episode, minutes, new_vm, record

SMALL, LARGE = ("westeurope", "Standard_D2s_v5"), ("northeurope", "Standard_E8s_v5")
AWAY = Unavailable("price list: HTTP 503")


def stopped(
    where: tuple[str, str] = SMALL,
    *,
    power: PowerState = PowerState.STOPPED,
    os_type: str = "Linux",
    priority: str | None = None,
) -> Record:
    location, size = where
    model = Model(location=location, size=size, os_type=os_type, priority=priority)
    return replace(record(new_vm(), power), model=model, appeared_at=minutes(-60))


def costs_by(prices: Prices) -> Costs:
    return Costs(prices=lambda: prices, currency="EUR", now=lambda: NOON)


@pytest.fixture
def prices() -> MemoryPrices:
    return MemoryPrices({SMALL: Rates("EUR", 0.1, 0.2), LARGE: Rates("EUR", 0.5)})


async def test_a_page_asks_once_for_each_size_and_region(prices: MemoryPrices) -> None:
    small = [stopped(os_type=os_type) for os_type in ("Linux", "Windows", "Linux")]
    large = [stopped(LARGE) for _ in range(50)]
    told = await costs_by(prices).of([*small, *large, stopped(power=PowerState.RUNNING)])

    assert prices.asked == {SMALL: 1, LARGE: 1}
    assert set(told) == {each.vm for each in small + large}
    assert told[small[0].vm].so_far == Amount("EUR", 0.1, 0.1)
    assert told[small[1].vm].so_far == Amount("EUR", 0.1, 0.2)
    assert told[large[0].vm].hourly == Amount("EUR", 0.5, 0.5)


async def test_the_price_list_is_only_opened_for_a_vm_that_is_stopped() -> None:
    def unwanted() -> Prices:
        raise AssertionError("opened the price list")

    costs = Costs(prices=unwanted, currency="EUR", now=lambda: NOON)
    running = stopped(power=PowerState.RUNNING)
    assert await costs.of([]) == await costs.of([running]) == {}
    assert await costs.of_life(running, ()) == (None, [])
    spot = stopped(priority="Spot")
    assert (await costs.of([spot]))[spot.vm].hourly == Amount("EUR")


async def test_a_size_that_is_not_listed_has_a_cost_that_is_not_known(prices: MemoryPrices) -> None:
    vm = stopped(("westeurope", "Standard_New"))
    (cost,) = (await costs_by(prices).of([vm])).values()
    assert (cost.hourly, cost.so_far, cost.monthly) == (Amount("EUR"),) * 3


@pytest.mark.parametrize("fault", [AWAY, Refused("price list: HTTP 403"), Malformed("price list: no JSON")])
async def test_a_price_that_is_not_to_be_had_is_left_out_and_said_once(
    prices: MemoryPrices, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    prices.listed[LARGE] = fault
    costs, small, large = costs_by(prices), stopped(), stopped(LARGE)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert set(await costs.of([small, large])) == {small.vm}
            assert await costs.of_life(large, (episode(large.vm, NOON),)) == (None, [None])
    assert [entry.getMessage() for entry in caplog.records] == [f"1 of 2 prices not to be had: {fault}"]

    prices.listed[LARGE] = Rates("EUR", 0.5)
    assert set(await costs.of([small, large])) == {small.vm, large.vm}
    prices.listed[LARGE] = fault
    await costs.of([large])
    assert len(caplog.records) == 2


async def test_what_comes_late_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(costs_module, "WITHIN", 0.01)

    class Stuck(MemoryPrices):
        async def rates(self, location: str, size: str) -> Rates | None:
            if (location, size) == LARGE:
                await asyncio.Event().wait()
            return await super().rates(location, size)

    small, large = stopped(), stopped(LARGE)
    told = await costs_by(Stuck({SMALL: Rates("EUR", 0.1)})).of([small, large])
    assert set(told) == {small.vm}
    assert "price of 'Standard_E8s_v5' in 'northeurope': not within 0.01 s" in caplog.text


async def test_a_fault_of_ours_is_no_missing_price(prices: MemoryPrices) -> None:
    prices.listed[SMALL] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await costs_by(prices).of([stopped()])


async def test_a_life_has_the_cost_of_each_episode(prices: MemoryPrices) -> None:
    vm = stopped()
    episodes = (episode(vm.vm, minutes(-60)), episode(vm.vm, minutes(-300), minutes(-180)))
    cost, spent = await costs_by(prices).of_life(vm, episodes)
    assert cost
    assert cost.so_far == Amount("EUR", 0.1, 0.1)
    assert spent == [None, Amount("EUR", 0.2, 0.2)]

    freed = stopped(power=PowerState.DEALLOCATED)
    assert await costs_by(prices).of_life(freed, episodes) == (None, spent)


async def test_the_cost_grows_with_time(prices: MemoryPrices) -> None:
    vm, now = stopped(), NOON
    costs = Costs(prices=lambda: prices, currency="EUR", now=lambda: now)
    first = (await costs.of([vm]))[vm.vm]
    now += timedelta(hours=1)
    second = (await costs.of([vm]))[vm.vm]
    assert (first.so_far.lower, second.so_far.lower) == (0.1, 0.2)
    assert first.hourly == second.hourly
