"""What is measured of a life, story by story."""

from datetime import timedelta

import pytest

from shared.domain.budget import LOOKS
from shared.domain.ids import VmId
from shared.domain.noticing import MOST_SENDS
from shared.domain.policy import Mode, Policy
from shared.domain.signals import Event
from shared.ports import Unavailable
from tests.measured import taken, total
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

GRACE, HOUR, SECOND = timedelta(minutes=15), timedelta(hours=1), timedelta(seconds=1)
ARMED = Policy(mode=Mode.DEALLOCATE, grace=GRACE, warning=HOUR, allow_deallocate=True)


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    taken()


async def left_stopped(policy: Policy = ARMED) -> World:
    """A VM that was powered off three seconds before noon, and flagged after its grace."""
    world = World(policy=policy)
    world.put("running")
    await world.watch.observe(WEB)
    world.now += GRACE
    world.put("stopped")
    await world.tell(ago=3 * SECOND)
    await world.wait(GRACE)
    return world


async def test_a_vm_that_is_flagged_and_deallocated() -> None:
    world = await left_stopped()
    await world.wait(HOUR)
    world.put("deallocated")
    await world.wait(HOUR)
    told = taken()
    assert total(told, "stopgap.events", source="event", verb="power_off") == 1
    assert total(told, "stopgap.looks", why="signal", found="changed") == 1
    assert total(told, "stopgap.looks", why="deallocation") == 1
    assert total(told, "stopgap.looks") == sum(world.vms.looks.values()) - 1, "an attempt looks twice"
    assert total(told, "stopgap.transitions", kind="powered_off", billing="stays_billed") == 1
    assert total(told, "stopgap.transitions", kind="deallocated", billing="stops") == 1
    assert total(told, "stopgap.transitions") == 3, "it was discovered before"
    assert total(told, "stopgap.flags", kind="left_stopped", change="set") == 1
    assert total(told, "stopgap.flags", kind="left_stopped", change="cleared") == 1
    assert total(told, "stopgap.actions", what="deallocation_confirmed", by="stopgap") == 1
    assert total(told, "stopgap.notices", channel="topic", outcome="sent") == len(world.notices.sent)
    assert total(told, "stopgap.outcomes", outcome="deallocation_sent") == 1


async def test_the_lag_is_from_the_change_to_the_record() -> None:
    await left_stopped()
    (lag,) = [series for series in taken() if series["name"] == "stopgap.lag"]
    assert (lag["source"], lag["count"], lag["sum"]) == ("event", 1, 3)


async def test_a_cause_that_comes_later_is_no_second_transition() -> None:
    world = World()
    world.put("running")
    await world.watch.observe(WEB)
    world.now += GRACE
    world.put("stopped")
    await world.watch.observe(WEB)
    taken()
    await world.tell(ago=SECOND)
    told = taken()
    assert total(told, "stopgap.events") == 1
    assert total(told, "stopgap.transitions") == 0
    assert total(told, "stopgap.lag") == 0


async def test_the_lag_of_what_is_left_to_a_sweep_ends_with_the_sweep() -> None:
    world = World()
    vms = [VmId.of(SUBSCRIPTION, "rg-shop", f"vm-{number}") for number in range(LOOKS + 10)]
    for vm in vms:
        world.put("running", vm=vm)
        await world.watch.observe(vm)
    world.now += GRACE
    taken()
    for vm in vms:
        world.put("stopped", vm=vm)
        await world.tell(vm=vm, ago=SECOND)
    left = total(taken(), "stopgap.outcomes", outcome="left_to_a_sweep")
    assert left == 10
    await world.wait(timedelta(minutes=1))
    told = taken()
    (lag,) = [series for series in told if series["name"] == "stopgap.lag"]
    assert (lag["source"], lag["count"], lag["min"]) == ("event", left, 11)
    assert total(told, "stopgap.looks", why="sweep", found="changed") == left


async def test_a_refusal_is_counted_by_its_rule() -> None:
    await left_stopped(Policy(mode=Mode.DEALLOCATE, grace=GRACE))
    assert total(taken(), "stopgap.refusals", rule="not_allowed") == 1


async def test_what_a_person_asks_for_is_told_from_what_stopgap_does() -> None:
    world = await left_stopped()
    taken()
    await world.requests.snooze(WEB, world.now + HOUR, "ada")
    await world.requests.look(WEB, "ada")
    await world.wait(SECOND)
    told = taken()
    assert total(told, "stopgap.actions", what="snoozed", by="person") == 1
    assert total(told, "stopgap.looks", why="due") == 1


async def test_notices_that_fail_and_are_given_up() -> None:
    world = World(policy=Policy(grace=GRACE))
    world.notices.failure = Unavailable("topic: away")
    world.put("stopped")
    await world.tell()
    await world.wait(timedelta(hours=12))
    assert (await world.record()).parked
    told = taken()
    assert total(told, "stopgap.notices", channel="topic", outcome="failed") == MOST_SENDS
    assert total(told, "stopgap.notices", channel="topic", outcome="parked") == 1
    assert total(told, "stopgap.notices", channel="topic", outcome="sent") == 0


async def test_a_sweep_tells_what_it_covered_and_what_not() -> None:
    world = World()
    gone = VmId.of(SUBSCRIPTION, "rg-shop", "gone")
    for vm in (WEB, gone):
        world.put("running", vm=vm)
        await world.watch.observe(vm)
    del world.vms.vms[gone]
    world.put("stopped", vm=VmId.of(SUBSCRIPTION, "rg-shop", "new"))
    taken()
    await world.watch.ask_sweep(SUBSCRIPTION)
    await world.wait(timedelta(seconds=30))
    told = taken()
    assert {
        found: total(told, "stopgap.sweep.vms", found=found) for found in ("changed", "gone", "unchanged")
    } == {
        "changed": 1,
        "gone": 1,
        "unchanged": 1,
    }
    (duration,) = [series for series in told if series["name"] == "stopgap.sweep.duration"]
    assert (duration["complete"], duration["count"]) == ("true", 1)

    world.vms.page_faults[1] = Unavailable("ARM: away")
    await world.watch.ask_sweep(SUBSCRIPTION)
    await world.wait(timedelta(seconds=40))
    told = taken()
    assert total(told, "stopgap.sweep.faults") == 1
    assert [series["complete"] for series in told if series["name"] == "stopgap.sweep.duration"] == ["false"]


async def test_an_event_that_is_not_about_a_vm() -> None:
    world = World()
    vault = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v"
    await world.watch.event(Event("Microsoft.Resources.ResourceActionSuccess", vault, NOON, {}))
    told = taken()
    assert total(told, "stopgap.events", source="none", verb="none") == 1
    assert total(told, "stopgap.outcomes", outcome="ignored_not_a_vm") == 1
