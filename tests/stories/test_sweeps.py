"""What sweeps see to: whatever no event told of: a story a test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import replace
from dataclasses import dataclass
from datetime import timedelta

import pytest

from shared import sweeps
from shared.adapters.memory import MemoryLedger, MemoryVms
from shared.domain.actions import Stage
from shared.domain.fleet import Sighted
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.observations import Observation
from shared.domain.policy import Mode, Policy
from shared.domain.records import Record
from shared.domain.signals import Source
from shared.domain.states import PowerState
from shared.ports import (
    Conflict,
    Coverage,
    Damaged,
    Look,
    PortError,
    Refused,
    Stored,
    Sweep,
    Throttled,
    Unavailable,
)
from shared.sweeps import Sweeps
from shared.watch import Outcome
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

GRACE, SECOND, MINUTE = timedelta(minutes=15), timedelta(seconds=1), timedelta(minutes=1)
QUARTER = timedelta(minutes=15)
ARMED = Policy(mode=Mode.DEALLOCATE, allow_deallocate=True)

type Meanwhile = Callable[[], Awaitable[object]]


class CountedLedger(MemoryLedger):
    """Counts reads of single VMs and saves; some rows can be damaged."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.damaged: set[VmId] = set()

    async def latest(self, vm: VmId) -> Stored | None:
        self.reads += 1
        if vm in self.damaged:
            raise Damaged(f"table ledger, row {vm}: expected a Record")
        return await super().latest(vm)

    @property
    def saves(self) -> int:
        return self._saves


@dataclass
class Overtaken:
    """Lists during which something happens once, after they have been asked for."""

    vms: MemoryVms
    meanwhile: Meanwhile

    async def sight(self, subscription: str) -> AsyncIterator[Sighted]:
        pages = self.vms.sight(subscription)
        first = await anext(pages)
        await self.meanwhile()
        yield first
        async for page in pages:
            yield page


def a_vm(name: str) -> VmId:
    return VmId.of(SUBSCRIPTION, "rg-shop", name)


def counted(world: World) -> CountedLedger:
    """Give the world a ledger that counts."""
    world.ledger = ledger = CountedLedger()
    world.watch = world.instance()
    return ledger


async def overtaken(world: World, meanwhile: Meanwhile) -> Outcome:
    fleet = Overtaken(world.vms, meanwhile)
    return await Sweeps(world.watch, fleet).sweep(Sweep(SUBSCRIPTION, world.now))


async def coverage(world: World) -> Coverage:
    return (await world.ledger.coverage([SUBSCRIPTION]))[SUBSCRIPTION]


def lose_looks(world: World) -> None:
    world.looks.due(world.now + timedelta(days=10))


class TestWhatNoEventTold:
    async def test_a_guest_shutdown_is_found_and_flagged_after_its_grace(self) -> None:
        world = World()
        world.put("running")
        await world.sweep()
        await world.wait(QUARTER)
        world.put("stopped")
        assert await world.sweep() is Outcome.SWEPT
        found = await world.record()
        assert (found.power_state, found.since, found.since_source) == (
            PowerState.STOPPED,
            NOON + QUARTER,
            Source.OBSERVED,
        )
        await world.wait(GRACE - SECOND)
        assert (await world.record()).flag is None
        await world.wait(SECOND)
        assert (await world.record()).flag
        assert world.told() == ["left_stopped"]

    async def test_without_any_queue_the_sweeps_alone_flag_it(self) -> None:
        world = World()
        world.put("running")
        await world.sweep()
        world.put("stopped")
        for _ in range(3):
            world.now += QUARTER
            await world.sweep()
            lose_looks(world)
        assert (await world.record()).flag
        assert world.told() == ["left_stopped"]
        assert not world.vms.looks, "the lists were enough"

    async def test_a_vm_that_was_never_heard_of_is_known(self) -> None:
        world = World()
        world.put("deallocated")
        await world.sweep()
        record = await world.record()
        assert (record.power_state, record.observed_at) == (PowerState.DEALLOCATED, NOON)

    async def test_an_unchanged_fleet_costs_neither_a_write_nor_a_read_of_a_vm(self) -> None:
        world = World()
        ledger = counted(world)
        for number in range(120):
            world.put("running" if number % 3 else "deallocated", vm=a_vm(f"db-{number}"))
        world.put("stopped")
        await world.sweep()
        await world.wait(GRACE + MINUTE)
        assert world.told() == ["left_stopped"]
        before = ledger.reads, ledger.saves
        await world.sweep()
        assert (ledger.reads, ledger.saves) == before
        assert (await coverage(world)).changed == 0
        assert (await coverage(world)).vms == 121

    async def test_one_that_changed_among_many_costs_one_read_and_one_write(self) -> None:
        world = World()
        ledger = counted(world)
        for number in range(120):
            world.put("running", vm=a_vm(f"web-{number}"))
        await world.sweep()
        reads, saves = ledger.reads, ledger.saves
        world.put("deallocated", vm=a_vm("web-77"))
        world.now += QUARTER
        await world.sweep()
        assert (ledger.reads, ledger.saves) == (reads + 1, saves + 1)
        assert (await coverage(world)).changed == 1

    async def test_looks_that_were_lost_are_made_up_for(self) -> None:
        world = World()
        world.put("stopped")
        await world.tell()
        lose_looks(world)
        await world.wait(QUARTER)
        assert (await world.record()).flag is None
        await world.sweep()
        assert (await world.record()).flag
        assert world.told() == ["left_stopped"]

    async def test_a_notice_that_was_never_confirmed_is_sent_by_a_sweep(self) -> None:
        world = World()
        world.notices.failure = Unavailable("topic: no answer")
        world.put("stopped")
        await world.tell()
        await world.wait(GRACE)
        lose_looks(world)
        world.notices.failure = None
        await world.wait(QUARTER)
        await world.sweep()
        assert world.told() == ["left_stopped"]

    async def test_a_look_that_is_asked_for_twice_is_done_once(self) -> None:
        world = World()
        world.put("stopped")
        await world.tell()
        for _ in range(4):
            await world.sweep()
        await world.wait(timedelta(hours=1))
        assert world.told() == ["left_stopped"]
        assert world.vms.looks[WEB] == 2, "for the event and at the end of the grace"

    async def test_a_deallocation_under_way_is_confirmed(self) -> None:
        world = World(policy=replace(ARMED, warning=MINUTE))
        world.put("stopped")
        await world.tell()
        await world.wait(GRACE + MINUTE)
        assert (await world.record()).deallocation
        assert len(world.vms.deallocations) == 1
        lose_looks(world)
        world.put("deallocated")
        world.now += QUARTER
        await world.sweep()
        record = await world.record()
        assert record.deallocation
        assert record.deallocation.stage is Stage.CONFIRMED
        assert (await world.ledger.history(WEB, 1)).episodes[0].by_stopgap

    async def test_a_vm_deleted_and_made_again_under_its_name_begins_anew(self) -> None:
        world = World()
        world.put("stopped")
        await world.sweep()
        await world.wait(GRACE)
        assert (await world.record()).flag
        world.put("stopped")
        seen = world.vms.vms[WEB]
        assert isinstance(seen, Observation)
        world.vms.vms[WEB] = replace(seen, model=replace(seen.model, uid="uid-2"))
        await world.sweep()
        assert (await world.record()).flag is None
        assert len((await world.ledger.history(WEB, 10)).episodes) == 2


class TestWhatTheOwnerAndTheOperatorWant:
    async def test_tags_are_read_from_the_list(self) -> None:
        world = World(policy=replace(ARMED, mode=Mode.NOTIFY))
        tags = {
            "plain": {},
            "exempt": {"Stopgap:Exempt": "true"},
            "patient": {"stopgap:grace": "2h"},
            "quiet": {"stopgap:mode": "observe"},
            "closed": {"stopgap:mode": "deallocate"},
        }
        for name, each in tags.items():
            world.put("stopped", vm=a_vm(name), tags=each)
        await world.sweep()
        world.now += QUARTER
        lose_looks(world)
        await world.sweep()
        records = {name: await world.record(a_vm(name)) for name in tags}
        assert {name for name, each in records.items() if each.flag} == {"plain", "quiet", "closed"}
        told = {record.vm.name for _, record in world.notices.sent}
        assert told == {"plain", "closed"}
        planned = {name for name, each in records.items() if each.flag and each.flag.deallocate_after}
        assert planned == {"closed"}

    async def test_a_tag_that_is_changed_takes_effect(self) -> None:
        world = World()
        world.put("stopped")
        await world.sweep()
        await world.wait(GRACE)
        assert (await world.record()).flag
        world.put("stopped", tags={"stopgap:exempt": "2026-11-30"})
        await world.sweep()
        record = await world.record()
        assert record.flag is None
        assert record.exemption
        world.put("stopped")
        await world.sweep()
        assert (await world.record()).flag
        assert world.told() == ["left_stopped", "flag_cleared", "left_stopped"]

    async def test_tags_of_others_cost_nothing(self) -> None:
        world = World()
        ledger = counted(world)
        world.put("running")
        await world.sweep()
        before = ledger.reads, ledger.saves
        world.put("running", tags={"cost-centre": "7"})
        await world.sweep()
        assert (ledger.reads, ledger.saves) == before

    async def test_another_policy_is_applied_by_the_next_sweep_and_once(self) -> None:
        world = World()
        ledger = counted(world)
        for vm in (WEB, a_vm("web-2")):
            world.put("stopped", vm=vm)
        world.put("running", vm=a_vm("web-3"))
        await world.sweep()
        await world.wait(GRACE)
        world.policy = ARMED
        world.watch = world.instance()
        await world.sweep()
        for vm in (WEB, a_vm("web-2")):
            flag = (await world.record(vm)).flag
            assert flag
            assert flag.deallocate_after == NOON + GRACE + ARMED.warning
        await world.wait(MINUTE)
        before = ledger.reads, ledger.saves
        await world.sweep()
        assert (ledger.reads, ledger.saves) == before

    async def test_another_policy_is_applied_though_the_first_sweep_fails(self) -> None:
        world = World()
        for number in range(5):
            world.put("stopped", vm=a_vm(f"web-{number}"))
        await world.sweep()
        await world.wait(GRACE)
        world.policy = ARMED
        world.watch = world.instance()
        world.vms.page_faults[2] = Unavailable("ARM: no answer")
        assert await world.sweep() is Outcome.PUT_OFF
        world.vms.page_faults.clear()
        await world.wait(MINUTE)
        flags = [(await world.record(a_vm(f"web-{number}"))).flag for number in range(5)]
        assert all(flag and flag.deallocate_after for flag in flags)


class TestGone:
    async def test_a_vm_that_is_gone_is_closed_after_azure_said_so_of_it(self) -> None:
        world = World()
        world.put("stopped")
        world.put("running", vm=a_vm("web-2"))
        await world.sweep()
        await world.wait(GRACE)
        del world.vms.vms[WEB]
        await world.sweep()
        record = await world.record()
        assert (record.power_state, record.flag) == (PowerState.DELETED, None)
        (episode,) = (await world.ledger.history(WEB, 10)).episodes
        assert episode.ended_as is PowerState.DELETED
        assert world.told() == ["left_stopped", "flag_cleared"]
        assert (await coverage(world)).gone == 1
        looks = world.vms.looks[WEB]
        await world.sweep()
        assert world.vms.looks[WEB] == looks, "it is not asked for again"
        assert (await coverage(world)).gone == 0

    async def test_a_vm_that_the_lists_leave_out_and_that_is_there_is_not_touched(self) -> None:
        world = World()
        world.put("stopped")
        await world.sweep()
        await world.wait(GRACE)
        before = await world.record()
        looks = world.vms.looks[WEB]
        world.vms.unlisted.add(WEB)
        await world.sweep()
        assert await world.record() == before
        assert world.vms.looks[WEB] == looks + 1
        assert (await coverage(world)).gone == 0

    @pytest.mark.parametrize(
        "fault", [Refused("ARM: 403"), Unavailable("ARM: no answer"), Malformed("expected a VM")]
    )
    async def test_a_vm_that_azure_says_nothing_of_is_not_closed(self, fault: Exception) -> None:
        world = World()
        world.put("stopped")
        await world.sweep()
        before = await world.record()
        world.vms.unlisted.add(WEB)
        world.vms.vms[WEB] = fault
        assert await world.sweep() is Outcome.SWEPT
        assert await world.record() == before
        assert (await coverage(world)).faults == (f"{WEB}: {fault}",)

    async def test_a_notice_of_a_vm_that_is_gone_is_made_up_for(self) -> None:
        world = World()
        world.put("stopped")
        await world.sweep()
        await world.wait(GRACE)
        world.notices.failure = Unavailable("topic: no answer")
        del world.vms.vms[WEB]
        await world.sweep()
        lose_looks(world)
        world.notices.failure = None
        world.now += QUARTER
        await world.sweep()
        assert world.told() == ["left_stopped", "flag_cleared"]

    async def test_a_vm_that_came_back_is_there_again(self) -> None:
        world = World()
        world.put("running")
        await world.sweep()
        seen = world.vms.vms.pop(WEB)
        await world.sweep()
        world.vms.vms[WEB] = seen
        await world.sweep()
        assert (await world.record()).power_state is PowerState.RUNNING

    async def test_of_thousands_that_are_missing_so_many_are_looked_at_in_one_sweep(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweeps, "SINGLY_IN_ONE_SWEEP", 20)
        world = World()
        vms = [a_vm(f"web-{number}") for number in range(50)]
        for vm in vms:
            world.put("running", vm=vm)
        await world.sweep()
        world.vms.vms.clear()
        for left in (30, 10, 0):
            world.now += QUARTER + timedelta(microseconds=17)
            await world.sweep()
            kept = await coverage(world)
            assert (kept.gone, kept.complete) == (20 if left else 10, True)
            told = (f"{left} VMs: too many to be looked at singly",) if left else ()
            assert kept.faults == told
        assert {known.deleted for known in (await world.ledger.known(SUBSCRIPTION)).values()} == {True}

    async def test_those_that_azure_says_nothing_of_take_turns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweeps, "SINGLY_IN_ONE_SWEEP", 20)
        world = World()
        vms = [a_vm(f"web-{number}") for number in range(50)]
        for vm in vms:
            world.put("running", vm=vm)
        await world.sweep()
        for vm in vms:
            world.vms.unlisted.add(vm)
            world.vms.vms[vm] = Refused("ARM: 403")
        for _ in range(20):
            world.now += QUARTER + timedelta(microseconds=17)
            await world.sweep()
        assert set(world.vms.looks) == set(vms)
        assert world.vms.looks.total() == 20 * 20


class TestUnclear:
    async def test_a_vm_without_a_power_state_is_looked_at_singly(self) -> None:
        world = World()
        world.put("running")
        await world.sweep()
        world.put("unknown")
        world.put("stopped", vm=a_vm("web-2"))
        await world.sweep()
        assert world.vms.looks == {WEB: 1}
        record = await world.record()
        assert record.power_state is PowerState.RUNNING, "no word is no news"
        assert record.reading.power_state is PowerState.UNKNOWN
        assert (await world.record(a_vm("web-2"))).power_state is PowerState.STOPPED

    async def test_of_one_that_comes_without_it_in_the_list_alone_the_look_tells(self) -> None:
        world = World()
        world.put("stopped")
        stopped = world.vms.vms[WEB]
        world.put("unknown")

        async def answer_now() -> None:
            await asyncio.sleep(0)
            world.vms.vms[WEB] = stopped

        await overtaken(world, answer_now)
        assert (await world.record()).power_state is PowerState.STOPPED


class TestOneAmongMany:
    async def test_the_failure_of_one_neither_stops_nor_hides_the_others(self) -> None:
        world = World()
        ledger = counted(world)
        names = [f"web-{number}" for number in range(130)]
        for name in names:
            world.put("running", vm=a_vm(name))
        await world.sweep()
        for name in names:
            world.put("stopped", vm=a_vm(name))
        ledger.damaged = {a_vm("web-0"), a_vm("web-60")}
        world.vms.vms[a_vm("web-7")] = Refused("ARM: 403")
        world.now += QUARTER

        with pytest.raises(ExceptionGroup, match="2 VMs failed") as caught:
            await world.sweep()

        assert {type(fault) for fault in caught.value.exceptions} == {Damaged}
        kept = await coverage(world)
        assert (kept.vms, kept.changed, kept.fault_count, kept.complete) == (130, 127, 3, True)
        assert {fault.partition(": ")[0] for fault in kept.faults} == {
            str(a_vm(name)) for name in ("web-0", "web-7", "web-60")
        }
        ledger.damaged = set()
        for name in names:
            expected = PowerState.RUNNING if name in {"web-0", "web-7", "web-60"} else PowerState.STOPPED
            assert (await world.record(a_vm(name))).power_state is expected

        world.put("stopped", vm=a_vm("web-7"))
        assert await world.sweep() is Outcome.SWEPT
        assert (await coverage(world)).fault_count == 0
        assert (await world.record(a_vm("web-60"))).power_state is PowerState.STOPPED

    async def test_what_fails_again_fails_no_second_delivery_and_stays_told(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()
        ledger = counted(world)
        world.put("running")
        await world.sweep()
        world.put("stopped")
        ledger.damaged = {WEB}
        with pytest.raises(ExceptionGroup, match="1 VMs failed"):
            await world.sweep()
        assert await world.sweep(attempt=2) is Outcome.SWEPT
        assert (await coverage(world)).fault_count == 1
        assert "left to the next sweep" in caplog.text
        assert str(WEB) in caplog.text, "which VM it was"

    async def test_of_very_many_failures_some_are_kept_in_words_and_all_are_counted(self) -> None:
        world = World()
        for number in range(100):
            world.vms.vms[a_vm(f"web-{number}")] = Refused("ARM: 403")
        await world.sweep()
        kept = await coverage(world)
        assert (len(kept.faults), kept.fault_count) == (sweeps.FAULTS_KEPT, 100)

    async def test_one_that_cannot_be_saved_is_a_failure_of_its_own(self) -> None:
        class Choosy(MemoryLedger):
            async def save_all(self, changes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
                kept = await super().save_all([each for each in changes if each[0].record.vm != WEB])
                return [Refused("too large"), *kept]

        world = World()
        world.ledger = Choosy()
        world.watch = world.instance()
        world.put("stopped")
        world.put("stopped", vm=a_vm("web-2"))
        with pytest.raises(ExceptionGroup, match="1 VMs failed"):
            await world.sweep()
        assert await world.ledger.latest(WEB) is None
        assert (await world.record(a_vm("web-2"))).stopped

    async def test_one_whose_next_look_cannot_be_asked_for_is_saved_and_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        put = world.looks.put

        async def put_but_one(look: Look, delay: timedelta) -> None:
            if look.vm == WEB:
                raise Unavailable("queue looks: no answer")
            await put(look, delay)

        world.put("stopped")
        world.put("stopped", vm=a_vm("web-2"))
        with monkeypatch.context() as patch:
            patch.setattr(world.looks, "put", put_but_one)
            with pytest.raises(ExceptionGroup):
                await world.sweep()
        await world.wait(GRACE)
        assert world.told() == ["left_stopped"]
        await world.sweep()
        assert world.told() == ["left_stopped"] * 2, "the sweep made up for it"


class TestAFailingList:
    async def fleet_of(self, count: int) -> World:
        """So many VMs, known as running, and Stopped since without a word."""
        world = World()
        for number in range(count):
            world.put("running", vm=a_vm(f"web-{number}"))
        await world.sweep()
        world.now += QUARTER
        for number in range(count):
            world.put("stopped", vm=a_vm(f"web-{number}"))
        return world

    async def states(self, world: World) -> list[PowerState]:
        known = await world.ledger.known(SUBSCRIPTION)
        return [(await world.record(vm)).power_state for vm in known]

    @pytest.mark.parametrize(
        "fault",
        [
            Throttled("ARM: 429", timedelta(minutes=3)),
            Unavailable("ARM: 503"),
            Refused("ARM: HTTP 403 AuthorizationFailed"),
            Refused("ARM: HTTP 404 SubscriptionNotFound"),
            Malformed("ARM's answer: expected a list"),
        ],
    )
    @pytest.mark.parametrize("page", [0, 1, 2, 3])
    async def test_nothing_is_closed_and_what_was_seen_is_kept(self, fault: Exception, page: int) -> None:
        world = await self.fleet_of(6)
        world.vms.page_faults[page] = fault
        assert await world.sweep() is Outcome.PUT_OFF
        seen = 2 * page
        stopped = [PowerState.STOPPED] * seen + [PowerState.RUNNING] * (6 - seen)
        assert await self.states(world) == stopped
        kept = await coverage(world)
        assert (kept.vms, kept.changed, kept.gone, kept.complete) == (seen, seen, 0, False)
        assert kept.faults == (f"not covered: {fault}",)
        assert kept.covered_at == NOON, "by the sweep before"
        assert not world.vms.looks

        world.vms.page_faults.clear()
        await world.wait(timedelta(minutes=10))
        assert await self.states(world) == [PowerState.STOPPED] * 6
        kept = await coverage(world)
        assert kept.complete
        assert kept.covered_at == kept.began_at

    @pytest.mark.parametrize(
        ("fault", "delay"),
        [
            (Throttled("ARM: 429", timedelta(seconds=7)), timedelta(seconds=7)),
            (Throttled("ARM: 429", timedelta(hours=1)), timedelta(hours=1)),
            (Throttled("ARM: 429"), MINUTE),
            (Throttled("ARM: 429", timedelta()), MINUTE),
            (Unavailable("ARM: 503", timedelta(minutes=2)), timedelta(minutes=2)),
            (Refused("ARM: 403"), timedelta(minutes=10)),
        ],
    )
    async def test_it_is_put_off_as_long_as_azure_asks(self, fault: Exception, delay: timedelta) -> None:
        world = World()
        world.put("stopped")
        world.vms.page_faults[0] = fault
        await world.sweep()
        assert world.sweeps.next_at == NOON + delay
        world.vms.page_faults.clear()
        await world.wait(delay - SECOND)
        assert await world.ledger.latest(WEB) is None
        await world.wait(SECOND)
        assert (await world.record()).stopped
        assert world.sweeps.next_at is None

    async def test_a_refusal_that_lasts_does_not_pile_up_sweeps(self) -> None:
        world = World()
        world.put("stopped")
        world.vms.page_faults[0] = Refused("ARM: 403")
        for _ in range(4 * 24):
            await world.sweeping.schedule()
            await world.wait(QUARTER)
        asked = world.vms.sweeps[SUBSCRIPTION]
        assert asked <= 3 * 4 * 24
        assert len(world.sweeps.due(world.now + timedelta(days=1))) <= 2

    async def test_one_that_is_put_off_is_needless_once_another_began(self) -> None:
        world = World()
        world.put("stopped")
        world.vms.page_faults[0] = Unavailable("ARM: 503")
        await world.sweep()
        world.vms.page_faults.clear()
        world.now += SECOND
        assert await world.sweep() is Outcome.SWEPT
        world.now += MINUTE
        assert await world.deliver() == [Outcome.SUPERSEDED]
        assert world.vms.sweeps[SUBSCRIPTION] == 2

    async def test_azure_throttling_a_single_look_puts_the_rest_off(self) -> None:
        world = World()
        for number in range(20):
            world.put("running", vm=a_vm(f"web-{number}"))
        await world.sweep()
        for vm in list(world.vms.vms):
            world.vms.unlisted.add(vm)
            world.vms.vms[vm] = Throttled("ARM: 429", timedelta(minutes=5))
        assert await world.sweep() is Outcome.PUT_OFF
        assert world.vms.looks.total() == sweeps.SINGLY_AT_ONCE
        assert world.sweeps.next_at == NOON + timedelta(minutes=5)
        world.vms.vms.clear()
        await world.wait(timedelta(minutes=5))
        assert {known.deleted for known in (await world.ledger.known(SUBSCRIPTION)).values()} == {True}

    async def test_storage_that_fails_in_the_middle_loses_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = await self.fleet_of(6)

        async def fail(_: object) -> list[PortError | None]:
            await asyncio.sleep(0)
            raise Unavailable("table ledger: no answer")

        with monkeypatch.context() as patch:
            patch.setattr(world.ledger, "save_all", fail)
            assert await world.sweep() is Outcome.PUT_OFF
        assert await self.states(world) == [PowerState.RUNNING] * 6
        await world.wait(MINUTE)
        assert await self.states(world) == [PowerState.STOPPED] * 6

    async def test_what_nobody_expects_fails_and_is_delivered_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = await self.fleet_of(2)
        with monkeypatch.context() as patch:
            patch.setattr(world.ledger, "known", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await world.sweep()
        assert await world.sweep() is Outcome.SWEPT


async def a_busy_fleet() -> World:
    """VMs of every kind, some of them with news since they were last seen."""
    world = World()
    for name in ("left", "shut", "started", "gone", "same", "blank"):
        world.put("stopped" if name in {"left", "started", "gone"} else "running", vm=a_vm(name))
    await world.sweep()
    lose_looks(world)
    world.now += QUARTER
    world.put("stopped", vm=a_vm("shut"))
    world.put("running", vm=a_vm("started"))
    world.put("deallocated", vm=a_vm("new"))
    world.put("unknown", vm=a_vm("blank"))
    del world.vms.vms[a_vm("gone")]
    return world


async def all_records(world: World) -> dict[str, Record]:
    return {vm.name: await world.record(vm) for vm in await world.ledger.known(SUBSCRIPTION)}


class TestOthersAtTheSameTime:
    async def test_two_sweeps_at_once_end_as_one(self) -> None:
        alone, world = await a_busy_fleet(), await a_busy_fleet()
        await alone.sweep()
        came = await asyncio.gather(*(world.sweep() for _ in range(5)))
        assert came == [Outcome.SWEPT] * 5
        assert await all_records(world) == await all_records(alone)
        assert world.told() == alone.told() == ["left_stopped"]
        for vm in await world.ledger.known(SUBSCRIPTION):
            assert await world.ledger.history(vm, 100) == await alone.ledger.history(vm, 100)

    async def test_a_sweep_whose_look_is_older_than_the_record_changes_nothing(self) -> None:
        world = World()
        world.put("running")
        await world.sweep()
        world.now += QUARTER
        world.put("stopped")

        async def started() -> None:
            world.now += SECOND
            world.put("running")
            await world.tell("start/action")
            world.put("deallocated")
            await world.tell("deallocate/action")

        assert await overtaken(world, started) is Outcome.SWEPT
        record = await world.record()
        assert record.power_state is PowerState.DEALLOCATED
        assert (await world.ledger.history(WEB, 10)).episodes == ()

    async def test_a_vm_that_an_event_made_known_meanwhile_is_saved_once(self) -> None:
        world = World()
        world.put("stopped")
        await overtaken(world, world.tell)
        assert len((await world.ledger.history(WEB, 10)).transitions) == 1
        assert (await world.record()).since_source is Source.EVENT

    async def test_one_that_loses_the_race_for_a_save_goes_the_way_of_a_single_look(self) -> None:
        world = World()
        for number in range(4):
            world.put("running", vm=a_vm(f"web-{number}"))
        await world.sweep()
        world.now += QUARTER
        for number in range(4):
            world.put("stopped", vm=a_vm(f"web-{number}"))
        save_all, lost = world.ledger.save_all, list[str]()

        async def overtake(changes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            for vm in {change.record.vm for change, _ in changes} & {a_vm("web-1"), a_vm("web-2")}:
                await world.watch.observe(vm)
                lost.append(vm.name)
            kept = await save_all(changes)
            assert sum(isinstance(fault, Conflict) for fault in kept) == len(kept) - kept.count(None)
            return kept

        world.ledger.save_all = overtake  # type: ignore[method-assign]
        await world.sweep()
        assert sorted(lost) == ["web-1", "web-2"]
        assert [(await world.record(a_vm(f"web-{number}"))).power_state for number in range(4)] == [
            PowerState.STOPPED
        ] * 4
        assert (await coverage(world)).changed == 2, "the others had changed already"

    async def test_interrupted_at_any_step_and_run_again_it_ends_right(self) -> None:
        alone = await a_busy_fleet()
        await alone.sweep()
        wanted, told = await all_records(alone), set(alone.told())
        steps, finished = 0, False
        while not finished:
            world = await a_busy_fleet()
            task = asyncio.ensure_future(world.sweep())
            for _ in range(steps):
                await asyncio.sleep(0)
            finished = task.done()
            task.cancel()
            await asyncio.wait([task])
            steps += 1
            world.watch = world.instance()
            await world.sweep()
            found = await all_records(world)
            assert {name: _without_notices(record) for name, record in found.items()} == {
                name: _without_notices(record) for name, record in wanted.items()
            }
            await world.wait(MINUTE)
            world.now += QUARTER
            await world.sweep()
            assert set(world.told()) >= told
            sent = world.notices.sent
            assert len({notice.id for notice, _ in sent}) == len(
                {(notice.kind, at.vm) for notice, at in sent}
            )
        assert steps > 20

    async def test_a_sweep_that_died_halfway_is_shown_by_none(self) -> None:
        world = await a_busy_fleet()
        before = await coverage(world)
        task = asyncio.ensure_future(world.sweep())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await coverage(world) == before


def _without_notices(record: Record) -> Record:
    """A record but for whether a notice was confirmed before the sweep died."""
    flag = record.flag and replace(record.flag, notified_at=None)
    return replace(record, outbox=(), flag=flag, reason="")


class TestTheClock:
    async def test_one_that_jumps_back_changes_nothing_that_is_known(self) -> None:
        world = World()
        world.put("stopped")
        await world.sweep()
        await world.wait(GRACE)
        before = await world.record()
        world.now -= timedelta(hours=1)
        world.put("running")
        world.put("stopped", vm=a_vm("web-2"))
        assert await world.sweep() is Outcome.SWEPT
        assert await world.record() == before
        assert (await world.record(a_vm("web-2"))).observed_at == world.now
        world.now += timedelta(hours=1, seconds=1)
        await world.sweep()
        assert (await world.record()).power_state is PowerState.RUNNING

    async def test_one_that_jumps_back_during_a_sweep(self) -> None:
        world = World()
        world.put("stopped")

        async def jump() -> None:
            await asyncio.sleep(0)
            world.now -= timedelta(hours=1)

        assert await overtaken(world, jump) is Outcome.SWEPT
        assert (await world.record()).stopped
        kept = await coverage(world)
        assert kept.ended_at < kept.began_at
        await world.wait(timedelta(hours=2))
        assert world.told() == ["left_stopped"]

    async def test_one_that_jumps_back_leaves_no_sweep_put_off_for_ever(self) -> None:
        world = World()
        world.put("stopped")
        world.vms.page_faults[0] = Unavailable("ARM: 503")
        await world.sweep()
        world.now -= timedelta(hours=1)
        await world.sweep()
        world.vms.page_faults.clear()
        await world.wait(timedelta(hours=2))
        assert (await world.record()).stopped
        assert world.sweeps.next_at is None


class TestAskingForSweeps:
    async def test_one_message_for_each_subscription(self) -> None:
        world = World()
        others = {f"00000000-0000-4000-8000-00000000000{number}" for number in range(4)}
        world.watch.subscriptions = frozenset(others)
        await world.sweeping.schedule()
        assert sorted(sweep.subscription for sweep in world.sweeps.due(NOON)) == sorted(others)

    async def test_one_that_fails_keeps_no_other_from_being_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        subscriptions = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(4)]
        world.watch.subscriptions = frozenset(subscriptions)
        put = world.sweeps.put

        async def put_but_one(sweep: Sweep, delay: timedelta) -> None:
            if sweep.subscription == subscriptions[1]:
                raise Unavailable("queue sweeps: no answer")
            await put(sweep, delay)

        monkeypatch.setattr(world.sweeps, "put", put_but_one)
        with pytest.raises(ExceptionGroup, match="1 of 4 sweeps could not be asked for"):
            await world.sweeping.schedule()
        asked = [sweep.subscription for sweep in world.sweeps.due(NOON)]
        assert sorted(asked) == [subscriptions[number] for number in (0, 2, 3)]

    async def test_a_subscription_that_is_no_longer_watched_is_left_alone(self) -> None:
        world = World()
        other = "00000000-0000-4000-8000-000000000009"
        assert await world.sweeping.sweep(Sweep(other, NOON)) is Outcome.NOT_WATCHED
        assert world.vms.sweeps == {}

    async def test_what_came_of_a_sweep_is_logged_and_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        world = World()
        world.put("stopped")
        with caplog.at_level("INFO"):
            await world.sweep()
        assert world.watch.counts == {Outcome.SWEPT: 1}
        assert "swept subscription='00000000-0000-4000-8000-000000000001' vms='1' changed='1'" in caplog.text
