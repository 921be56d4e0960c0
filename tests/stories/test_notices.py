"""What those who are told of a VM get to know, and what keeps nobody from being told."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from shared import costs as costs_module
from shared.adapters.memory import MemoryPrices
from shared.domain.malformed import Malformed
from shared.domain.money import Amount, Rates
from shared.domain.observations import Model, Observation
from shared.ports import Unavailable
from tests.stories.world import WEB, World

GRACE = timedelta(minutes=15)
PLACE = ("westeurope", "Standard_D2s_v5")


async def left_stopped(prices: MemoryPrices) -> World:
    """A VM with a size and a region that was powered off at noon, and flagged after its grace."""
    world = World(prices=prices)
    put(world, "stopped")
    await world.tell()
    await world.wait(GRACE)
    return world


def put(world: World, power: str) -> None:
    world.put(power)
    seen = world.vms.vms[WEB]
    assert isinstance(seen, Observation)
    model = Model(uid="uid-1", location=PLACE[0], size=PLACE[1], os_type="Linux")
    world.vms.vms[WEB] = replace(seen, model=model)


async def test_the_owner_is_told_what_it_costs() -> None:
    world = await left_stopped(MemoryPrices({PLACE: Rates("USD", 0.2)}))
    (told,) = world.notices.told
    assert told.cost
    assert told.cost.hourly == Amount("USD", 0.2, 0.2)
    assert told.cost.so_far == Amount("USD", 0.05, 0.05)


async def test_a_vm_that_is_not_stopped_any_more_has_no_cost_and_its_price_is_not_asked_for() -> None:
    world = await left_stopped(MemoryPrices({PLACE: Rates("USD", 0.2)}))
    put(world, "running")
    await world.tell("start/action")
    assert world.told() == ["left_stopped", "flag_cleared"]
    assert world.notices.told[-1].cost is None
    assert world.prices.asked == {PLACE: 1}


@pytest.mark.parametrize(
    "fault",
    [Unavailable("price list: HTTP 503"), Malformed("price list: no JSON"), ZeroDivisionError("a bug")],
)
async def test_a_price_that_is_not_to_be_had_keeps_nobody_from_being_told(
    caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    with caplog.at_level(logging.WARNING):
        world = await left_stopped(MemoryPrices({PLACE: fault}))
    (told,) = world.notices.told
    assert told.cost is None
    assert str(fault) in caplog.text


async def test_a_price_list_that_hangs_holds_a_notice_up_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(costs_module, "WITHIN", 0.01)

    class Stuck(MemoryPrices):
        async def rates(self, location: str, size: str) -> Rates | None:
            await asyncio.Event().wait()
            return await super().rates(location, size)

    world = await left_stopped(Stuck())
    assert [told.cost for told in world.notices.told] == [None]
    assert "not within 0.01 s" in caplog.text
