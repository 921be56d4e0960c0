"""Events that nobody in Azure sent: what they can do, and what they cannot."""

import logging
from datetime import timedelta

import pytest

from shared.domain.ids import VmId
from shared.domain.policy import Mode, Policy
from shared.domain.signals import Event
from shared.watch import Outcome
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

ALLOWED = Policy(mode=Mode.DEALLOCATE, allow_deallocate=True)


async def test_a_vm_that_runs_is_neither_flagged_nor_deallocated() -> None:
    world = World(policy=ALLOWED)
    world.put("running")
    for _ in range(5):
        await world.tell("powerOff/action", ago=timedelta(hours=5))
        await world.tell("powerOff/action")
    await world.wait(timedelta(days=1))
    stored = await world.ledger.latest(WEB)
    assert stored
    assert (stored.record.power_state, stored.record.flag, stored.record.deallocation) == (
        "running",
        None,
        None,
    )
    assert world.notices.sent == []


async def test_a_time_long_ago_hastens_no_flag_and_no_deallocation() -> None:
    world = World(policy=ALLOWED)
    world.put("stopped")
    await world.tell("powerOff/action", ago=timedelta(days=365))
    await world.wait(ALLOWED.grace - timedelta(seconds=1))
    stored = await world.ledger.latest(WEB)
    assert stored
    assert stored.record.flag is None
    await world.wait(timedelta(seconds=2))
    stored = await world.ledger.latest(WEB)
    assert stored
    assert stored.record.flag
    assert stored.record.flag.deallocate_after
    assert stored.record.flag.deallocate_after >= NOON + ALLOWED.grace + ALLOWED.warning
    # What it can do: be believed of since when, where no look knew better.
    assert stored.record.since == NOON - timedelta(days=365)


async def test_where_a_look_knew_better_it_is_not_believed() -> None:
    world = World(policy=ALLOWED)
    world.put("running")
    await world.tell("start/action")
    world.now += timedelta(hours=1)
    world.put("stopped")
    await world.tell("powerOff/action", ago=timedelta(days=365))
    stored = await world.ledger.latest(WEB)
    assert stored
    assert stored.record.since == world.now


async def test_a_vm_that_is_nowhere_is_on_no_record() -> None:
    world = World()
    ghost = VmId.of(SUBSCRIPTION, "rg-shop", "ghost")
    assert await world.tell(vm=ghost) is Outcome.UNCHANGED
    assert await world.ledger.latest(ghost) is None


async def test_words_of_others_stay_on_their_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="stopgap")
    world = World()
    world.put("stopped")
    bad = "powerOff/action\n2026-11-21 ERROR all is lost\r\x1b[2J\u2028\u202e"
    await world.tell(bad)
    await world.watch.event(Event(bad, bad.replace("/", ""), NOON, {}))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) >= 2
    for line in lines:
        assert line.isprintable(), line
