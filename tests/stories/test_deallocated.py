"""What a user sees of deallocations, a story a test."""

import asyncio
from copy import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.actions import Stage, What
from shared.domain.deallocation import CONFIRM_WITHIN, LEASE
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.observations import Gone, Observation
from shared.domain.policy import Channel, Mode, Policy
from shared.domain.states import PowerState
from shared.ports import Busy, Damaged, PortError, Refused, Throttled, Unavailable
from shared.requests import NoSuchVm, NotDone
from shared.watch import Outcome
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

GRACE, WARNING = timedelta(minutes=15), timedelta(hours=1)
ARMED = Policy(mode=Mode.DEALLOCATE, grace=GRACE, warning=WARNING, allow_deallocate=True)
DUE = NOON + GRACE + WARNING
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


async def left_stopped(policy: Policy = ARMED, **options: Any) -> World:  # noqa: ANN401 - whatever a VM has
    """A VM that was powered off at noon, and flagged after its grace."""
    world = World(policy=policy)
    world.put("stopped", **options)
    await world.tell()
    await world.wait(GRACE)
    return world


async def until(world: World, at: datetime) -> None:
    await world.wait(at - world.now)


async def asked(world: World) -> None:
    """The look that is due asks for the deallocation; nobody has attempted it yet."""
    await until(world, DUE - SECOND)
    world.now = DUE
    (look,) = world.looks.due(world.now)
    await world.watch.look_again(look, 1)
    assert await stage(world) is Stage.ASKED


async def stage(world: World) -> Stage | None:
    closing = (await world.record()).deallocation
    return closing.stage if closing else None


async def refused(world: World) -> str | None:
    record = await world.record()
    flag, closing = record.flag, record.deallocation
    found = (flag.refusal if flag else None) or (closing.refusal if closing else None)
    return found.rule if found else None


async def done(world: World) -> None:
    """Azure does what it was asked."""
    world.put("deallocated")
    await world.wait(MINUTE)


class TestTheWholeWay:
    async def test_flagged_warned_deallocated_and_confirmed(self) -> None:
        world = await left_stopped()
        flag = (await world.record()).flag
        assert flag
        assert flag.deallocate_after == DUE
        ((notice, told_of),) = world.notices.sent
        assert notice.kind == "left_stopped"
        assert told_of.flag
        assert told_of.flag.deallocate_after == DUE, "the notice says when"
        assert "will be deallocated after 2026-11-21 13:15:00 UTC" in told_of.reason

        await until(world, DUE - SECOND)
        assert world.vms.deallocations == []
        await world.wait(SECOND)
        assert world.vms.deallocations == [(DUE, WEB)]
        assert await stage(world) is Stage.ACCEPTED
        assert "accepted by Azure; not seen Deallocated yet" in (await world.record()).reason

        await done(world)
        record = await world.record()
        assert record.deallocation
        assert record.deallocation.stage is Stage.CONFIRMED
        assert record.flag is None
        assert record.reason.endswith("Stopgap did it, in mode deallocate.")
        assert world.told() == ["left_stopped", "flag_cleared", "deallocated"]
        assert await world.log() == [
            (What.DEALLOCATION_ASKED, None),
            (What.DEALLOCATION_BEGUN, None),
            (What.DEALLOCATION_ACCEPTED, None),
            (What.DEALLOCATION_CONFIRMED, None),
        ]
        (episode,) = (await world.ledger.history(WEB, 10)).episodes
        assert (episode.ended_as, episode.by_stopgap) == (PowerState.DEALLOCATED, True)
        await world.wait(timedelta(days=2))
        assert world.told() == ["left_stopped", "flag_cleared", "deallocated"]
        assert len(world.vms.deallocations) == 1

    async def test_people_are_not_told_twice_of_one_deallocation(self) -> None:
        world = World(policy=replace(ARMED, channels=(Channel.TOPIC, Channel.WEBHOOK)))
        world.watch.notices = {Channel.TOPIC: world.notices, Channel.WEBHOOK: world.notices}
        world.put("stopped")
        await world.tell()
        await until(world, DUE)
        await done(world)
        told = {
            channel: [notice.kind for notice, _ in world.notices.sent if notice.channel is channel]
            for channel in (Channel.TOPIC, Channel.WEBHOOK)
        }
        assert told == {
            Channel.TOPIC: ["left_stopped", "flag_cleared", "deallocated"],
            Channel.WEBHOOK: ["left_stopped", "deallocated"],
        }

    async def test_a_vm_started_within_the_warning_is_left_alone(self) -> None:
        world = await left_stopped()
        world.put("running")
        await world.tell("start/action")
        await world.wait(timedelta(days=1))
        assert world.vms.deallocations == []
        assert world.told() == ["left_stopped", "flag_cleared"]

    async def test_a_start_that_no_event_tells_of_is_seen_on_the_fresh_look(self) -> None:
        world = await left_stopped()
        await until(world, DUE - SECOND)
        world.put("running")
        await world.wait(timedelta(days=1))
        assert world.vms.deallocations == []

    async def test_a_start_between_the_look_that_asks_and_the_attempt(self) -> None:
        world = await left_stopped()
        await asked(world)
        world.put("running")
        assert await world.deliver() == [Outcome.NOT_SENT]
        assert world.vms.deallocations == []
        assert (await stage(world), await refused(world)) == (Stage.REFUSED, "not_stopped")
        assert (await world.log())[-1] == (What.DEALLOCATION_REFUSED, None)
        assert world.watch.counts["refused_not_stopped"] == 1

    async def test_word_of_a_start_is_enough_though_azure_still_shows_it_stopped(self) -> None:
        world = await left_stopped()
        await until(world, DUE - SECOND)
        await world.tell("start/action")
        await world.wait(5 * MINUTE)
        assert world.vms.deallocations == []
        assert await refused(world) == "told_of_a_change"
        await world.wait(30 * MINUTE)
        assert len(world.vms.deallocations) == 1, "nothing came of it"


class TestWhoMayBeDeallocated:
    @pytest.mark.parametrize(
        ("policy", "tags"),
        [
            (replace(ARMED, allow_deallocate=False), {}),
            (replace(ARMED, allow_deallocate=False), {"stopgap:mode": "deallocate"}),
            (replace(ARMED, mode=Mode.NOTIFY), {}),
            (replace(ARMED, mode=Mode.OBSERVE), {}),
            (ARMED, {"stopgap:mode": "notify"}),
            (ARMED, {"stopgap:mode": "observe"}),
            (ARMED, {"stopgap:exempt": "a licence dongle"}),
            (ARMED, {"stopgap:exempt": "2026-99-99"}),
            (ARMED, {"stopgap:grace": "2d"}),
        ],
    )
    async def test_not_without_being_allowed_and_armed(self, policy: Policy, tags: dict[str, str]) -> None:
        world = await left_stopped(policy, tags=tags)
        await world.wait(timedelta(days=1))
        assert world.vms.deallocations == []

    async def test_an_owner_can_arm_a_vm_where_the_operator_allows_it(self) -> None:
        world = await left_stopped(replace(ARMED, mode=Mode.NOTIFY), tags={"stopgap:mode": "Deallocate"})
        await until(world, DUE)
        assert len(world.vms.deallocations) == 1

    async def test_a_grace_that_cannot_be_read_leaves_the_operators(self) -> None:
        world = await left_stopped(tags={"stopgap:grace": "soon"})
        record = await world.record()
        assert record.flag
        assert "tag stopgap:grace: expected a duration" in record.reason

    @pytest.mark.parametrize(
        ("rule", "options"),
        [
            ("ephemeral_os_disk", {"ephemeral_os_disk": True}),
            ("dedicated_host", {"dedicated_host": True}),
            ("capacity_reservation", {"capacity_reservation": True}),
            ("failed_provisioning", {"provisioning": "failed"}),
        ],
    )
    async def test_kinds_that_are_never_deallocated_by_themselves(
        self, rule: str, options: dict[str, Any]
    ) -> None:
        world = await left_stopped(**options)
        await world.wait(timedelta(days=1))
        assert world.vms.deallocations == []
        assert world.told() == ["left_stopped"]
        record = await world.record()
        assert record.flag
        assert record.flag.deallocate_after is None
        assert await refused(world) == rule
        assert "Not deallocated: " in record.reason
        assert (await world.log()) == [(What.DEALLOCATION_REFUSED, None)]

    async def test_a_failed_provisioning_that_runs_is_never_deallocated(self) -> None:
        world = World(policy=ARMED)
        seen = replace(
            _running(world), reading=replace(_running(world).reading, detail="OSProvisioningTimedOut")
        )
        world.vms.vms[WEB] = seen
        await world.tell("write")
        await world.wait(timedelta(days=1))
        record = await world.record()
        assert record.flag
        assert record.flag.kind == "failed_provisioning"
        assert world.vms.deallocations == []

    async def test_an_operation_in_progress_puts_it_off(self) -> None:
        world = await left_stopped()
        await until(world, DUE - SECOND)
        world.put("stopped", provisioning="updating")
        await world.wait(20 * MINUTE)
        assert world.vms.deallocations == []
        world.put("stopped")
        await world.wait(10 * MINUTE)
        assert len(world.vms.deallocations) == 1

    async def test_no_more_within_an_hour_than_the_cap_whichever_instance_sends_them(self) -> None:
        world = World(policy=replace(ARMED, most_per_hour=2))
        vms = [VmId.of(SUBSCRIPTION, "rg-shop", f"vm-{number}") for number in range(5)]
        for vm in vms:
            world.put("stopped", vm=vm)
            await world.watch.observe(vm)
        await until(world, DUE + SECOND)
        assert len(world.vms.deallocations) == 2
        waiting = [vm for vm in vms if vm not in {vm for _, vm in world.vms.deallocations}]
        for vm in waiting:
            stored = await world.ledger.latest(vm)
            assert stored
            assert "waits: STOPGAP_MAX_DEALLOCATIONS_PER_HOUR is 2" in stored.record.reason
        await world.wait(timedelta(hours=1))
        assert len(world.vms.deallocations) == 4
        await world.wait(timedelta(hours=1))
        assert {vm for _, vm in world.vms.deallocations} == set(vms)
        times = sorted(at for at, _ in world.vms.deallocations)
        assert all(
            later - earlier >= timedelta(hours=1) for earlier, later in zip(times, times[2:], strict=False)
        )


class TestWarning:
    async def test_who_was_not_told_is_not_deallocated(self) -> None:
        world = World(policy=ARMED)
        world.notices.failure = Unavailable("topic: no answer")
        world.put("stopped")
        await world.tell()
        await world.wait(timedelta(days=1))
        assert world.vms.deallocations == []
        record = await world.record()
        assert record.parked
        assert record.outbox[0].fault == "topic: no answer"
        assert await refused(world) == "not_told"

        world.notices.failure = None
        await world.requests.look(WEB, "ada")
        await world.deliver()
        assert world.told() == ["left_stopped"]
        told_at = world.now
        record = await world.record()
        assert record.flag
        assert record.flag.deallocate_after
        assert record.flag.deallocate_after - told_at >= WARNING, "told late, done late"
        await world.wait(WARNING + MINUTE)
        assert len(world.vms.deallocations) == 1
        assert world.vms.deallocations[0][0] - told_at >= WARNING

    async def test_who_is_told_late_is_deallocated_late(self) -> None:
        world = World(policy=ARMED)
        world.notices.failure = Unavailable("topic: no answer")
        world.put("stopped")
        await world.tell()
        await world.wait(GRACE + timedelta(minutes=40))
        world.notices.failure = None
        while not world.told():
            await world.wait(MINUTE)
        told_at = world.now - MINUTE
        ((_, told_of),) = world.notices.sent
        await world.wait(timedelta(hours=3))
        ((at, _),) = world.vms.deallocations
        assert at - told_at >= WARNING
        assert told_of.flag
        assert told_of.flag.deallocate_after == at, "and was told the right time"

    async def test_a_vm_flagged_before_the_operator_armed_stopgap_is_warned_of_first(self) -> None:
        world = await left_stopped(replace(ARMED, mode=Mode.NOTIFY))
        world.policy = ARMED
        world.watch = world.instance()
        await world.wait(timedelta(hours=5))
        assert world.told() == ["left_stopped"]
        await world.watch.observe(WEB)
        assert world.told() == ["left_stopped", "left_stopped"], "told again, of what is new"
        ids = {notice.id for notice, _ in world.notices.sent}
        assert len(ids) == 2
        at = world.now
        await world.wait(WARNING - SECOND)
        assert world.vms.deallocations == []
        await world.wait(SECOND)
        assert world.vms.deallocations == [(at + WARNING, WEB)]


class TestAzureRefuses:
    async def test_three_attempts_at_most_spaced_and_then_told(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [_busy() for _ in range(5)]
        await until(world, DUE + timedelta(days=1))
        times = [at - DUE for at, _ in world.vms.deallocations]
        assert times == [timedelta(), 2 * MINUTE, 12 * MINUTE]
        assert await stage(world) is Stage.FAILED
        assert world.told() == ["left_stopped", "deallocation_failed"]
        record = await world.record()
        assert record.flag, "it is still Stopped, and still billed"
        assert record.deallocation
        assert (record.deallocation.code, record.deallocation.said) == ("Conflict", "another operation runs")
        assert "failed: Conflict: another operation runs" in record.reason
        assert [what for what, _ in await world.log()].count(What.DEALLOCATION_ATTEMPT_FAILED) == 2

    async def test_what_another_attempt_would_meet_as_well_is_not_tried_again(self) -> None:
        world = await left_stopped()
        fault = Refused("ARM, POST …: HTTP 409 ScopeLocked")
        fault.code, fault.said = "ScopeLocked", "the scope is locked"
        world.vms.refusals = [fault]
        await until(world, DUE + timedelta(days=1))
        assert len(world.vms.deallocations) == 1
        assert await stage(world) is Stage.FAILED
        assert "ScopeLocked: the scope is locked" in (await world.record()).reason

    async def test_a_second_attempt_looks_again_first(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [_busy()]
        await until(world, DUE)
        world.put("running")
        await world.wait(timedelta(days=1))
        assert len(world.vms.deallocations) == 1
        assert (await stage(world), await refused(world)) == (Stage.REFUSED, "not_stopped")
        assert "deallocation_failed" not in world.told()

    async def test_throttling_is_obeyed(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [Throttled("ARM: 429", timedelta(minutes=20))]
        await until(world, DUE + 25 * MINUTE)
        assert [at - DUE for at, _ in world.vms.deallocations] == [timedelta(), 20 * MINUTE]
        assert await stage(world) is Stage.ACCEPTED

    async def test_a_person_may_ask_again_after_it_failed(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [_busy() for _ in range(3)]
        await until(world, DUE + timedelta(hours=1))
        await world.requests.deallocate(WEB, "ada")
        await world.deliver()
        await done(world)
        assert await stage(world) is Stage.CONFIRMED
        assert world.told()[-1] == "deallocated"

    async def test_an_answer_that_never_came_is_not_a_refusal(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [Unavailable("ARM, POST …: no answer")]
        await until(world, DUE)
        assert await stage(world) is Stage.BEGUN
        await done(world)
        assert await stage(world) is Stage.CONFIRMED, "Azure took it all the same"
        assert len(world.vms.deallocations) == 1
        assert world.told()[-1] == "deallocated"

    async def test_an_answer_that_never_came_and_a_second_attempt_that_may_not_be_made(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [Unavailable("ARM, POST …: no answer")]
        await until(world, DUE)
        world.put("unknown")
        await until(world, DUE + 10 * MINUTE)
        assert await stage(world) is Stage.UNCONFIRMED, "nobody knows, which is not a refusal"
        world.put("deallocated")
        await world.tell("deallocate/action")
        assert await stage(world) is Stage.CONFIRMED
        assert len(world.vms.deallocations) == 1
        assert world.told()[-1] == "deallocated"

    async def test_an_answer_that_never_came_from_an_azure_that_did_not_take_it(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [Unavailable("ARM, POST …: no answer") for _ in range(3)]
        await until(world, DUE + timedelta(days=1))
        assert len(world.vms.deallocations) == 3
        assert await stage(world) is Stage.UNCONFIRMED
        assert world.told() == ["left_stopped", "deallocation_failed"]


class TestConfirming:
    async def test_a_deadline_that_passes_is_told_and_nothing_more_is_tried(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        world.put("stopped")  # Azure took it, and nothing comes of it
        await until(world, DUE + CONFIRM_WITHIN + 10 * MINUTE)
        assert await stage(world) is Stage.UNCONFIRMED
        assert world.told() == ["left_stopped", "deallocation_failed"]
        assert "not seen deallocated in time" in (await world.record()).reason
        await world.wait(timedelta(days=1))
        assert len(world.vms.deallocations) == 1

    async def test_a_late_confirmation_still_counts(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        world.put("stopped")  # Azure took it, and nothing comes of it
        await until(world, DUE + CONFIRM_WITHIN + 10 * MINUTE)
        world.put("deallocated")
        await world.tell("deallocate/action")
        assert await stage(world) is Stage.CONFIRMED
        assert world.told() == ["left_stopped", "deallocation_failed", "flag_cleared", "deallocated"]

    async def test_a_vm_that_comes_back_to_stopped_is_not_tried_for_ever(self) -> None:
        world = await left_stopped()
        await until(world, DUE + MINUTE)
        world.put("stopped")
        await world.wait(timedelta(days=1))
        assert len(world.vms.deallocations) == 1
        assert await stage(world) is Stage.UNCONFIRMED
        assert await refused(world) == "tried"

    async def test_a_vm_that_is_deleted_meanwhile(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        del world.vms.vms[WEB]
        await world.wait(MINUTE)
        closing = (await world.record()).deallocation
        assert closing
        assert (closing.stage, closing.after) == (Stage.UNCONFIRMED, PowerState.DELETED)

    async def test_a_vm_that_its_owner_deallocates_is_not_counted_as_ours(self) -> None:
        world = await left_stopped()
        world.vms.refusals = [_busy()]
        await until(world, DUE)
        world.put("deallocated")
        await world.tell("deallocate/action")
        await world.wait(timedelta(hours=1))
        assert await stage(world) is Stage.REFUSED
        (episode,) = (await world.ledger.history(WEB, 10)).episodes
        assert not episode.by_stopgap
        assert "deallocated" not in world.told()


class TestOvertaken:
    async def test_a_start_just_before_azure_was_asked_is_told_as_it_was(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        assert await stage(world) is Stage.ACCEPTED
        world.put("deallocated")
        world.now += 40 * SECOND
        await world.deliver()
        assert await stage(world) is Stage.CONFIRMED
        await world.tell("start/action", ago=39.5 * SECOND)
        assert await stage(world) is Stage.OVERTAKEN
        record = await world.record()
        assert "a VM that had just been started was deallocated" in record.reason
        assert world.told()[-2:] == ["deallocated", "deallocation_failed"]
        assert (await world.log())[-1] == (What.DEALLOCATION_OVERTAKEN, None)
        (episode,) = (await world.ledger.history(WEB, 10)).episodes
        assert not episode.by_stopgap, "nothing was saved: it had been started"

    async def test_a_start_afterwards_is_no_ones_fault(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        await done(world)
        world.put("running")
        await world.wait(MINUTE)
        await world.tell("start/action")
        assert await stage(world) is Stage.CONFIRMED

    async def test_an_old_start_delivered_late_changes_nothing(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        await done(world)
        await world.tell("start/action", ago=timedelta(hours=3))
        assert await stage(world) is Stage.CONFIRMED


class TestNeverTwice:
    async def test_ten_deliveries_of_one_message_ask_azure_once(self) -> None:
        world = await left_stopped()
        await asked(world)
        (attempt,) = world.deallocations.due(world.now)
        outcomes = await asyncio.gather(*(world.attempts.make(attempt) for _ in range(10)))
        assert sorted(outcomes) == [Outcome.SENT, *[Outcome.SUPERSEDED] * 9]
        assert len(world.vms.deallocations) == 1
        await done(world)
        assert await world.attempts.make(attempt) is Outcome.SUPERSEDED
        assert len(world.vms.deallocations) == 1

    @pytest.mark.parametrize("dies_in", ["look", "draw", "deallocate", "save"])
    async def test_an_instance_that_dies_on_the_way_is_followed_by_another(
        self, dies_in: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = await left_stopped()
        await asked(world)
        (attempt,) = world.deallocations.due(world.now)
        with monkeypatch.context() as patch:
            _kill(world, dies_in, patch)
            with pytest.raises(KeyboardInterrupt):
                await world.attempts.make(attempt)
        sent = len(world.vms.deallocations)
        assert sent == (1 if dies_in in {"deallocate", "save"} else 0)
        assert await world.attempts.make(attempt) is Outcome.SUPERSEDED, "not while it may still be under way"
        if sent:
            await done(world)
        else:
            await world.wait(2 * LEASE)
            assert len(world.vms.deallocations) == 1, "healed"
            await done(world)
        await world.wait(2 * LEASE)
        assert await stage(world) is Stage.CONFIRMED
        assert len(world.vms.deallocations) == 1
        (episode,) = (await world.ledger.history(WEB, 10)).episodes
        assert episode.by_stopgap, "though it had ended before that was known"

    async def test_a_message_that_was_lost_is_asked_for_again(self) -> None:
        world = await left_stopped()
        await asked(world)
        world.deallocations.due(world.now)
        await world.wait(MINUTE)
        assert len(world.vms.deallocations) == 1

    async def test_azure_that_cannot_be_looked_at_puts_the_attempt_off(self) -> None:
        world = await left_stopped()
        await until(world, DUE - SECOND)
        world.vms.vms[WEB] = Unavailable("ARM: no answer")
        await world.wait(timedelta(hours=1))
        assert world.vms.deallocations == []
        world.put("stopped")
        await world.wait(30 * MINUTE)
        assert len(world.vms.deallocations) == 1

    @pytest.mark.parametrize("fault", [Unavailable, Busy, Refused, Damaged])
    async def test_a_cap_that_cannot_be_drawn_upon_puts_the_attempt_off(
        self, fault: type[PortError], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = await left_stopped()
        await until(world, DUE - SECOND)

        async def fail(*_: object) -> None:
            raise fault("table ledger, draw from the cap")

        with monkeypatch.context() as patch:
            patch.setattr(world.ledger, "draw", fail)
            await world.wait(timedelta(hours=1))
        closing = (await world.record()).deallocation
        assert closing
        assert (closing.stage, closing.attempts) == (Stage.ASKED, 0), "Azure was not asked"
        assert world.vms.deallocations == []
        await world.wait(30 * MINUTE)
        assert len(world.vms.deallocations) == 1

    async def test_an_attempt_whose_looks_take_too_long_is_not_sent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = await left_stopped()
        await asked(world)
        slow_look = world.vms.look

        async def look_slowly(vm: VmId) -> Observation | Gone:
            seen = await slow_look(vm)
            world.now += LEASE
            return seen

        with monkeypatch.context() as patch:
            patch.setattr(world.vms, "look", look_slowly)
            (attempt,) = world.deallocations.due(world.now)
            assert await world.attempts.make(attempt) is Outcome.NOT_SENT
        assert world.vms.deallocations == []

    async def test_a_look_that_grew_old_meanwhile_is_had_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = await left_stopped()
        await asked(world)
        draw = world.ledger.draw

        async def draw_slowly(now: datetime, most: int) -> datetime | None:
            world.now += 10 * SECOND
            world.put("running")
            return await draw(now, most)

        monkeypatch.setattr(world.ledger, "draw", draw_slowly)
        (attempt,) = world.deallocations.due(world.now)
        assert await world.attempts.make(attempt) is Outcome.NOT_SENT
        assert world.vms.deallocations == []


class TestPeople:
    async def test_one_click_in_mode_notify(self) -> None:
        world = await left_stopped(replace(ARMED, mode=Mode.NOTIFY))
        record = await world.requests.deallocate(WEB, "ada")
        assert record.deallocation
        assert record.deallocation.asked_by == "ada"
        again = await world.requests.deallocate(WEB, "grace")
        assert again.deallocation == record.deallocation, "it is under way already"
        await world.deliver()
        await done(world)
        assert len(world.vms.deallocations) == 1
        assert await world.log() == [
            (What.DEALLOCATION_ASKED, "ada"),
            (What.DEALLOCATION_BEGUN, "ada"),
            (What.DEALLOCATION_ACCEPTED, "ada"),
            (What.DEALLOCATION_CONFIRMED, "ada"),
        ]
        assert (await world.record()).reason.endswith("Stopgap did it, as ada asked.")

    @pytest.mark.parametrize(
        ("policy", "power", "tags", "rule"),
        [
            (replace(ARMED, allow_deallocate=False), "stopped", {}, "not_allowed"),
            (replace(ARMED, mode=Mode.OBSERVE), "stopped", {}, "observe"),
            (ARMED, "running", {}, "not_stopped"),
            (ARMED, "deallocated", {}, "not_stopped"),
            (ARMED, "stopping", {}, "not_stopped"),
            (ARMED, "stopped", {"stopgap:exempt": "keep"}, "exempt"),
        ],
    )
    async def test_what_a_person_cannot_have(
        self, policy: Policy, power: str, tags: dict[str, str], rule: str
    ) -> None:
        world = World(policy=policy)
        world.put("stopped", tags=tags)
        await world.tell()
        world.put(power, tags=tags)
        with pytest.raises(NotDone) as raised:
            await world.requests.deallocate(WEB, "ada")
        assert raised.value.refusal.rule == rule
        assert (await world.log())[-1] == (What.DEALLOCATION_REFUSED, "ada")
        assert world.watch.counts[f"refused_{rule}"] == 1
        await world.wait(timedelta(hours=1) - SECOND)
        assert world.vms.deallocations == []

    async def test_a_person_need_not_wait_for_the_grace_nor_the_flag(self) -> None:
        world = World(policy=ARMED)
        world.put("stopped")
        await world.requests.deallocate(WEB, "ada")
        await world.deliver()
        assert len(world.vms.deallocations) == 1

    async def test_a_vm_that_nobody_knows(self) -> None:
        world = World(policy=ARMED)
        elsewhere = VmId.of("00000000-0000-4000-8000-000000000009", "rg", "vm")
        for vm in (WEB, elsewhere):
            with pytest.raises(NoSuchVm):
                await world.requests.deallocate(vm, "ada")
            with pytest.raises(NoSuchVm):
                await world.requests.snooze(vm, NOON + WARNING, "ada")
            with pytest.raises(NoSuchVm):
                await world.requests.exempt(vm, Exemption(None, "x", "ada"), "ada")
            with pytest.raises(NoSuchVm):
                await world.requests.look(vm, "ada")
        assert await world.ledger.latest(WEB) is None

    async def test_a_look_finds_a_vm_that_no_signal_has_named(self) -> None:
        world = World(policy=ARMED)
        world.put("stopped")
        record = await world.requests.look(WEB, "ada")
        assert record.power_state is PowerState.STOPPED
        assert await world.log() == [(What.LOOK_ASKED, "ada")]

    async def test_a_snooze_puts_it_off_and_then_its_owner_is_warned_again(self) -> None:
        world = await left_stopped()
        end = NOON + timedelta(days=1)
        record = await world.requests.snooze(WEB, end, "ada")
        assert record.flag
        assert (record.flag.snoozed_until, record.flag.deallocate_after) == (end, None)
        assert "It is snoozed until 2026-11-22 12:00:00 UTC by ada." in record.reason
        assert await world.requests.snooze(WEB, end, "ada") == record, "the same again changes nothing"
        await until(world, end - SECOND)
        assert world.vms.deallocations == []
        assert world.told() == ["left_stopped"]
        await world.wait(SECOND)
        assert world.told() == ["left_stopped", "left_stopped"]
        await world.wait(WARNING)
        assert world.vms.deallocations == [(end + WARNING, WEB)]
        assert (await world.log())[:3] == [
            (What.SNOOZED, "ada"),
            (What.DEALLOCATION_REFUSED, None),
            (What.SNOOZE_ENDED, None),
        ]

    async def test_a_snooze_can_be_ended(self) -> None:
        world = await left_stopped()
        await world.requests.snooze(WEB, NOON + timedelta(days=1), "ada")
        await world.wait(SECOND)
        await world.requests.snooze(WEB, None, "grace")
        await world.wait(WARNING)
        assert len(world.vms.deallocations) == 1
        assert (await world.log())[:3] == [
            (What.SNOOZED, "ada"),
            (What.DEALLOCATION_REFUSED, None),
            (What.SNOOZE_ENDED, "grace"),
        ]

    async def test_in_mode_notify_a_snooze_is_a_reminder(self) -> None:
        world = await left_stopped(replace(ARMED, mode=Mode.NOTIFY))
        await world.requests.snooze(WEB, NOON + timedelta(days=1), "ada")
        await world.wait(timedelta(days=2))
        assert world.told() == ["left_stopped", "left_stopped"]

    async def test_what_is_not_flagged_cannot_be_snoozed(self) -> None:
        world = World(policy=ARMED)
        world.put("running")
        await world.tell("start/action")
        with pytest.raises(NotDone, match="not flagged"):
            await world.requests.snooze(WEB, NOON + WARNING, "ada")

    async def test_an_exemption_clears_the_flag_until_its_end(self) -> None:
        world = await left_stopped()
        end = NOON + timedelta(days=3)
        record = await world.requests.exempt(WEB, Exemption(end, "month end", "ada"), "ada")
        assert record.flag is None
        assert record.reason.endswith(
            "Not flagged: exempt until 2026-11-24 12:00:00 UTC (month end, entered by ada)."
        )
        assert world.told() == ["left_stopped", "flag_cleared"]
        await until(world, end - SECOND)
        assert world.vms.deallocations == []
        await until(world, end + WARNING)
        assert world.told()[:3] == ["left_stopped", "flag_cleared", "left_stopped"]
        assert len(world.vms.deallocations) == 1

    async def test_an_exemption_can_be_taken_back(self) -> None:
        world = await left_stopped()
        await world.requests.exempt(WEB, Exemption(None, "for good", "ada"), "ada")
        await world.requests.exempt(WEB, None, "grace")
        record = await world.record()
        assert record.exempted is None
        assert [what for what, _ in await world.log()] == [What.EXEMPTED, What.EXEMPTION_ENDED]
        await world.requests.look(WEB, "grace")
        await world.wait(WARNING)
        assert len(world.vms.deallocations) == 1

    @pytest.mark.parametrize("kind", ["exempt", "snooze"])
    async def test_an_exemption_or_snooze_in_time_stops_what_was_asked_for(self, kind: str) -> None:
        world = await left_stopped()
        await asked(world)
        if kind == "exempt":
            await world.requests.exempt(WEB, Exemption(None, "keep", "ada"), "ada")
        else:
            await world.requests.snooze(WEB, DUE + WARNING, "ada")
        assert await stage(world) is Stage.REFUSED
        assert await world.deliver() == [Outcome.SUPERSEDED]
        assert world.vms.deallocations == []

    async def test_too_late_is_said(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        for ask in (
            world.requests.exempt(WEB, Exemption(None, "keep", "ada"), "ada"),
            world.requests.snooze(WEB, DUE + WARNING, "ada"),
        ):
            with pytest.raises(NotDone, match="its deallocation is under way"):
                await ask
        assert (await world.record()).exempted is None


class TestModes:
    @pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.NOTIFY])
    async def test_observe_and_notify_ask_azure_for_nothing(self, mode: Mode) -> None:
        world = await left_stopped(replace(ARMED, mode=mode))
        await world.wait(timedelta(days=2))
        assert world.vms.deallocations == []
        assert world.told() == ([] if mode is Mode.OBSERVE else ["left_stopped"])

    async def test_disarming_stops_what_was_planned(self) -> None:
        world = await left_stopped()
        world.policy = replace(ARMED, allow_deallocate=False)
        world.watch = world.instance()
        await world.wait(timedelta(days=1))
        assert world.vms.deallocations == []
        assert await refused(world) == "not_allowed"


class TestNotices:
    async def test_one_channel_that_is_dead_does_not_hold_up_the_other(self) -> None:
        world = World(policy=replace(ARMED, channels=(Channel.TOPIC, Channel.WEBHOOK)))
        dead = type(world.notices)()
        dead.failure = Refused("webhook of hooks.example.com: HTTP 410")
        world.watch.notices = {Channel.TOPIC: world.notices, Channel.WEBHOOK: dead}
        world.put("stopped")
        await world.tell()
        await world.wait(GRACE)
        assert world.told() == ["left_stopped"]
        await world.wait(timedelta(days=1))
        record = await world.record()
        (parked,) = record.outbox
        assert (parked.channel, parked.parked, parked.fault) == (
            Channel.WEBHOOK,
            True,
            "webhook of hooks.example.com: HTTP 410",
        )
        assert world.told() == ["left_stopped"], "once"
        assert world.vms.deallocations == [], "whom nobody could tell is left alone"
        dead.failure = None
        await world.requests.look(WEB, "ada")
        assert [notice.kind for notice, _ in dead.sent] == ["left_stopped"]
        assert not (await world.record()).parked

    async def test_whom_nobody_could_tell_is_left_alone_for_ever(self) -> None:
        world = World(policy=replace(ARMED, channels=(Channel.TOPIC, Channel.WEBHOOK)))
        dead = type(world.notices)()
        dead.failure = Refused("webhook of hooks.example.com: HTTP 410")
        world.watch.notices = {Channel.TOPIC: world.notices, Channel.WEBHOOK: dead}
        world.put("stopped")
        await world.tell()
        for _ in range(12):
            await world.wait(timedelta(days=7))
            await world.watch.observe(WEB)
        assert world.vms.deallocations == []
        assert (await world.record()).parked

    async def test_a_deallocation_goes_on_when_its_end_cannot_be_told(self) -> None:
        world = await left_stopped()
        await until(world, DUE)
        world.notices.failure = Unavailable("topic: no answer")
        await done(world)
        assert await stage(world) is Stage.CONFIRMED
        world.notices.failure = None
        await world.wait(10 * MINUTE)
        assert world.told() == ["left_stopped", "flag_cleared", "deallocated"]


def _running(world: World) -> Observation:
    world.put("running", provisioning="failed")
    seen = world.vms.vms[WEB]
    assert isinstance(seen, Observation)
    return seen


def _busy() -> PortError:
    fault = Busy("ARM, POST …: HTTP 409 Conflict another operation runs")
    fault.code, fault.said = "Conflict", "another operation runs"
    return fault


def _kill(world: World, where: str, patch: pytest.MonkeyPatch) -> None:
    """Let the instance die in a call of a port: before what it does, but for Azure, which takes what it is asked."""

    async def die(*_: object) -> None:
        await asyncio.sleep(0)
        raise KeyboardInterrupt

    if where == "look":
        patch.setattr(world.vms, "look", die)
    elif where == "draw":
        patch.setattr(world.ledger, "draw", die)
    elif where == "deallocate":
        take = world.vms.deallocate

        async def take_and_die(vm: VmId) -> None:
            await take(vm)
            raise KeyboardInterrupt

        patch.setattr(world.vms, "deallocate", take_and_die)
    else:
        save, saves = world.ledger.save, 0

        async def die_at_the_second(*args: object) -> object:
            nonlocal saves
            saves += 1
            if saves == 2:
                raise KeyboardInterrupt
            return await save(*args)  # type: ignore[arg-type]

        patch.setattr(world.ledger, "save", die_at_the_second)
