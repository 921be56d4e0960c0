"""Thousands of events at once: Azure is asked within its budget, and nothing is lost."""

import asyncio
import random
from datetime import timedelta

import pytest

from shared.domain.budget import COLLECT, LOOKS, SPACING, spacing
from shared.domain.ids import VmId
from shared.domain.observations import Observation
from shared.domain.states import PowerState
from shared.ports import Look, Throttled, Unavailable
from shared.watch import AFTER_A_SWEEP, Outcome
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def fleet(count: int) -> list[VmId]:
    return [VmId.of(SUBSCRIPTION, "rg-shop", f"vm-{number}") for number in range(count)]


async def states(world: World, vms: list[VmId]) -> dict[VmId, PowerState]:
    """What the ledger knows of each."""
    found = {}
    for vm in vms:
        stored = await world.ledger.latest(vm)
        assert stored
        found[vm] = stored.record.power_state
    return found


def truth(world: World, vms: list[VmId]) -> dict[VmId, PowerState]:
    found = {}
    for vm in vms:
        seen = world.vms.vms[vm]
        assert isinstance(seen, Observation)
        found[vm] = seen.reading.power_state
    return found


async def test_ten_thousand_events_in_twenty_seconds_keep_to_arms_budget_and_every_vm_is_right() -> None:
    world, vms, chance = World(), fleet(2000), random.Random(1)  # noqa: S311 - a burst to be repeated
    world.vms.page_size = 50
    for vm in vms:
        world.put("running", vm=vm)
    events = sorted((chance.uniform(0, 20), chance.choice(vms)) for _ in range(5000))
    for second, vm in events:
        await world.wait(max(NOON + second * SECOND - world.now, timedelta()))
        power = chance.choice(["stopped", "deallocated", "running"])
        world.put(power, vm=vm)
        operation = {
            "stopped": "powerOff/action",
            "deallocated": "deallocate/action",
            "running": "start/action",
        }
        for _ in range(2):
            await world.tell(operation[power], vm=vm)
    await world.wait(2 * MINUTE)
    assert await states(world, [vm for _, vm in events]) == truth(world, [vm for _, vm in events])
    singly = sum(world.vms.looks.values())
    lists = world.vms.sweeps[SUBSCRIPTION] * 2 * (len(vms) // world.vms.page_size)
    assert singly + lists <= 0.1 * 2 * len(events)
    assert world.vms.sweeps[SUBSCRIPTION] <= 3, (
        "soon, after the burst, and for what had to be looked at again"
    )


async def test_a_few_events_are_each_looked_at_at_once() -> None:
    world, vms = World(), fleet(LOOKS)
    for vm in vms:
        world.put("stopped", vm=vm)
        assert await world.tell(vm=vm) is Outcome.CHANGED
    assert world.sweeps.next_at is None


async def test_what_is_too_much_is_left_to_one_sweep_that_comes_soon() -> None:
    world, vms = World(), fleet(LOOKS + 100)
    for vm in vms:
        world.put("running", vm=vm)
        await world.watch.observe(vm)
        world.put("stopped", vm=vm)
    outcomes = [await world.tell(vm=vm) for vm in vms]
    assert outcomes == [Outcome.CHANGED] * LOOKS + [Outcome.LEFT_TO_A_SWEEP] * 100
    assert len(world.sweeps.due(NOON + timedelta(hours=1))) == 1, "however many ask"


async def test_who_is_left_to_a_sweep_is_known_with_cause_and_time_once_it_has_come() -> None:
    world, vms = World(), fleet(LOOKS + 1)
    for vm in vms:
        world.put("running", vm=vm)
        await world.watch.observe(vm)
    world.now += MINUTE
    for vm in vms:
        world.put("stopped", vm=vm)
        await world.tell(vm=vm, ago=5 * SECOND)
    last = await world.ledger.latest(vms[-1])
    assert last
    assert last.record.power_state is PowerState.RUNNING
    await world.wait(COLLECT)
    last = await world.ledger.latest(vms[-1])
    assert last
    assert last.record.stopped
    assert last.record.since == NOON + MINUTE - 5 * SECOND
    assert last.record.cause
    assert last.record.cause.operation.endswith("powerOff/action")


async def test_azure_that_throttles_an_event_loses_none() -> None:
    world = World()
    world.put("running")
    await world.watch.observe(WEB)
    world.vms.vms[WEB] = Throttled("ARM: 429", timedelta(minutes=3))
    assert await world.tell() is Outcome.LEFT_TO_A_SWEEP, "and Event Grid has its answer"
    world.put("stopped")
    looks = world.vms.looks[WEB]
    assert await world.tell() is Outcome.LEFT_TO_A_SWEEP
    assert world.vms.looks[WEB] == looks, "Azure wants to be left alone"
    await world.wait(COLLECT)
    assert (await world.record()).stopped


async def test_a_sweep_that_is_throttled_comes_when_azure_says() -> None:
    world = World()
    world.put("stopped")
    await world.watch.ask_sweep(SUBSCRIPTION)
    world.vms.vms[WEB] = Throttled("ARM: 429", timedelta(minutes=20))
    await world.wait(20 * MINUTE)
    assert await world.ledger.latest(WEB) is None
    world.put("stopped")
    await world.wait(COLLECT)
    assert (await world.record()).stopped


async def test_events_on_many_instances_ask_for_one_sweep() -> None:
    world = World()
    instances = [world.instance() for _ in range(20)]
    for instance in instances:
        await instance.ask_sweep(SUBSCRIPTION)
        await instance.ask_sweep(SUBSCRIPTION)
    assert len(world.sweeps.due(NOON + timedelta(hours=1))) == 1


async def test_a_sweep_that_could_not_be_asked_for_is_asked_for_by_the_next_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.put("running")
    await world.watch.observe(WEB)
    world.vms.vms[WEB] = Throttled("ARM: 429")

    async def fail(*_: object) -> None:
        await asyncio.sleep(0)
        raise Unavailable("queue sweeps: no answer")

    with monkeypatch.context() as patch:
        patch.setattr(world.sweeps, "put", fail)
        with pytest.raises(Unavailable):
            await world.tell()
    assert await world.tell() is Outcome.LEFT_TO_A_SWEEP, "as Event Grid delivers it again"
    assert await world.tell() is Outcome.LEFT_TO_A_SWEEP
    assert len(world.sweeps.due(NOON + timedelta(hours=1))) == 1


async def test_sweeps_that_events_ask_for_are_spaced() -> None:
    world = World()
    for _ in range(120):
        await world.watch.ask_sweep(SUBSCRIPTION)
        await world.wait(SECOND)
    assert (
        120 / SPACING.total_seconds() - 1
        <= world.vms.sweeps[SUBSCRIPTION]
        <= 120 / SPACING.total_seconds() + 1
    )


async def test_sweeps_of_a_large_fleet_are_further_apart() -> None:
    world, vms = World(), fleet(200)
    for vm in vms:
        world.put("running", vm=vm)
    await world.sweep()
    swept = (await world.ledger.coverage([SUBSCRIPTION]))[SUBSCRIPTION]
    assert swept.pages == 101
    begun = world.vms.sweeps[SUBSCRIPTION]
    for _ in range(200):
        await world.watch.ask_sweep(SUBSCRIPTION)
        await world.wait(SECOND)
    apart = spacing(swept.pages, timedelta())
    assert apart > SPACING
    assert (
        world.vms.sweeps[SUBSCRIPTION] - begun == 1 + (200 - COLLECT.total_seconds()) // apart.total_seconds()
    )


async def test_a_look_that_is_left_to_a_distant_sweep_comes_after_it() -> None:
    world, vms = World(), fleet(LOOKS)
    world.put("stopped")
    await world.watch.observe(WEB)
    for vm in vms:
        world.put("stopped", vm=vm)
        await world.tell(vm=vm)
    due_at = NOON + 5 * MINUTE
    world.watch._planned[SUBSCRIPTION] = due_at
    assert await world.watch.look_again(Look(WEB, NOON, anyway=True), 1) is Outcome.LEFT_TO_A_SWEEP
    assert not [look for look in world.looks.due(due_at) if look.vm == WEB]
    assert [look for look in world.looks.due(due_at + AFTER_A_SWEEP) if look.vm == WEB]


async def test_queued_looks_keep_within_the_budget_too_and_none_is_lost() -> None:
    world, vms = World(), fleet(3 * LOOKS)
    for vm in vms:
        world.put("stopped", vm=vm)
        await world.watch.observe(vm)
    await world.wait(timedelta(minutes=15))
    assert sum(world.vms.looks.values()) <= 3 * LOOKS + LOOKS + 2
    await world.wait(2 * AFTER_A_SWEEP)
    flagged = [stored.record.flag for vm in vms if (stored := await world.ledger.latest(vm))]
    assert len(flagged) == len(vms)
    assert all(flagged)
    assert len(world.told()) == len(vms)


async def test_an_azure_that_is_away_is_not_a_budget_that_is_spent() -> None:
    world = World()
    world.vms.vms[WEB] = Unavailable("ARM: no answer")
    with pytest.raises(Unavailable):
        await world.tell()
    assert world.sweeps.next_at is None
