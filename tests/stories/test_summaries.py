"""The summary: what is counted, and how often."""

import asyncio
from datetime import timedelta

import pytest

from shared import summaries
from shared.adapters.memory import MemoryLedger
from shared.domain.states import PowerState
from shared.ports import Change, Tally, Unavailable
from tests.contracts.fleet import NOON, new_vm, record
from tests.stories.books import summaries_of
from tests.stories.world import SUBSCRIPTION, WEB, World

OTHER, EMPTY = (f"00000000-0000-4000-8000-00000000000{number}" for number in (2, 3))
SECOND = timedelta(seconds=1)


class Counted(MemoryLedger):
    """Counts what it is asked to count."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []

    async def tally(self, subscription: str, most: int) -> Tally:
        self.asked.append((subscription, most))
        return await super().tally(subscription, most)


async def a_ledger() -> Counted:
    ledger = Counted()
    for subscription, count in ((SUBSCRIPTION, 5), (OTHER, 3)):
        for number in range(count):
            vm = new_vm(f"web-{number}", subscription=subscription)
            state = PowerState.STOPPED if number == 1 else PowerState.RUNNING
            await ledger.save(Change(record(vm, state, flagged=number == 1)), None)
    return ledger


async def test_all_subscriptions_together_and_each_by_itself() -> None:
    ledger = await a_ledger()
    summary = await summaries_of(ledger, (SUBSCRIPTION, OTHER, EMPTY), lambda: NOON).latest()
    assert summary.power_states == {PowerState.RUNNING: 6, PowerState.STOPPED: 2}
    assert (summary.flagged, summary.whole, summary.at) == (2, True, NOON)
    tally = summary.tallies[OTHER]
    assert tally
    assert tally.power_states == {PowerState.RUNNING: 2, PowerState.STOPPED: 1}
    assert summary.tallies[EMPTY] == Tally({}, 0, whole=True)
    assert summary.sweeps == {}


async def test_it_is_made_every_ten_seconds_however_many_ask() -> None:
    ledger, now = await a_ledger(), NOON
    made = summaries_of(ledger, (SUBSCRIPTION, OTHER), lambda: now)
    first = await asyncio.gather(*(made.latest() for _ in range(10)))
    assert len(ledger.asked) == 2
    now += timedelta(seconds=10)
    assert await made.latest() is first[0]
    now += SECOND
    assert (await made.latest()).at == now
    now -= timedelta(hours=1)
    assert (await made.latest()).at == now, "by a clock that jumped back it is not kept for an hour"
    assert len(ledger.asked) == 6


async def test_so_many_vms_are_counted_and_what_is_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await a_ledger()
    for most, counted in ((5, [5, None]), (6, [5, 1]), (4, [4, None]), (8, [5, 3])):
        monkeypatch.setattr(summaries, "MOST", most)
        ledger.asked.clear()
        summary = await summaries_of(ledger, (SUBSCRIPTION, OTHER), lambda: NOON).latest()
        found = [tally and sum(tally.power_states.values()) for tally in summary.tallies.values()]
        assert found == counted
        assert summary.whole is (most == 8)
        assert sum(summary.power_states.values()) == most


async def test_a_large_fleet_that_no_sweep_saw_is_counted_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "COUNTED", 4)
    summary = await summaries_of(await a_ledger(), (SUBSCRIPTION, OTHER), lambda: NOON).latest()
    assert [tally and tally.whole for tally in summary.tallies.values()] == [False, True]
    assert not summary.whole


async def test_a_large_fleet_is_counted_by_its_latest_complete_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "COUNTED", 2)
    world = World()
    for number, state in enumerate(["stopped", "running", "running", "running"]):
        world.put(state, vm=new_vm(f"web-{number}", subscription=SUBSCRIPTION))
    await world.sweep()
    world.now += timedelta(minutes=15)
    world.vms.page_faults[1] = Unavailable("ARM: no answer")
    await world.sweep()

    summary = await summaries_of(world.ledger, (SUBSCRIPTION,), lambda: world.now).latest()

    tally = summary.tallies[SUBSCRIPTION]
    assert tally
    assert (tally.power_states, tally.at) == ({PowerState.STOPPED: 1, PowerState.RUNNING: 3}, NOON)
    assert summary.whole


async def test_a_failure_is_no_empty_answer_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await a_ledger()
    made = summaries_of(ledger, (SUBSCRIPTION, OTHER), lambda: NOON)

    async def fail(_: str, __: int) -> Tally:
        await asyncio.sleep(0)
        raise Unavailable("table ledger: no answer")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "tally", fail)
        with pytest.raises(Unavailable):
            await made.latest()
    assert (await made.latest()).whole


async def test_it_tells_of_the_latest_sweeps() -> None:
    world = World()
    world.put("stopped", vm=WEB)
    await world.sweep()
    summary = await summaries_of(world.ledger, (SUBSCRIPTION, OTHER), lambda: world.now).latest()
    assert list(summary.sweeps) == [SUBSCRIPTION]
    assert summary.sweeps[SUBSCRIPTION].covered_at == NOON
