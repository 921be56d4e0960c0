"""What a user sees happen to a VM, a story a test."""

import asyncio
import random
from datetime import timedelta

import pytest

from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.policy import Mode, Policy
from shared.domain.signals import Event
from shared.domain.states import PowerState
from shared.ports import Change, Conflict, Look, PortError, Refused, Stored, Throttled, Unavailable
from shared.watch import Outcome
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

GRACE = timedelta(minutes=15)


async def test_a_vm_powered_off_is_flagged_after_grace_and_its_owner_told_once() -> None:
    world = World()
    world.put("stopped")
    await world.tell()
    await world.wait(GRACE - timedelta(seconds=1))
    assert (await world.record()).flag is None
    await world.wait(timedelta(seconds=1))
    assert (await world.record()).flag
    await world.wait(timedelta(days=2))
    assert world.told() == ["left_stopped"]
    assert world.vms.looks[WEB] == 2, "one look for the event, one at the end of the grace"


async def test_a_vm_started_within_the_grace_is_not_flagged() -> None:
    world = World()
    world.put("stopped")
    await world.tell()
    await world.wait(timedelta(minutes=10))
    world.put("running")
    await world.tell("start/action")
    await world.wait(timedelta(hours=1))
    assert (await world.record()).flag is None
    assert world.told() == []
    history = await world.ledger.history(WEB, 10)
    assert [episode.ended_at for episode in history.episodes] == [NOON + timedelta(minutes=10)]


async def test_a_start_whose_event_is_lost_is_seen_at_the_end_of_the_grace() -> None:
    world = World()
    world.put("stopped")
    await world.tell()
    world.put("running")
    await world.wait(GRACE)
    assert (await world.record()).power_state is PowerState.RUNNING
    assert world.told() == []


async def test_a_deallocation_ends_the_flag_and_takes_the_notice_back() -> None:
    world = World()
    world.put("stopped")
    await world.tell()
    await world.wait(GRACE)
    world.put("deallocated")
    await world.tell("deallocate/action")
    assert (await world.record()).flag is None
    assert world.told() == ["left_stopped", "flag_cleared"]
    (episode,) = (await world.ledger.history(WEB, 10)).episodes
    assert episode.ended_as is PowerState.DEALLOCATED


async def test_the_brief_stopped_of_a_start_is_looked_through() -> None:
    world = World()
    world.put("stopped", provisioning="updating")
    await world.tell("start/action")
    world.put("running")
    await world.wait(timedelta(seconds=15))
    assert (await world.record()).power_state is PowerState.RUNNING
    assert (await world.ledger.history(WEB, 10)).episodes == ()


async def test_an_exemption_that_was_entered_ends_on_time_though_nothing_happens_to_the_vm() -> None:
    world = World()
    world.put("running")
    await world.watch.observe(WEB)
    await world.requests.exempt(WEB, Exemption(NOON + timedelta(hours=1), "for the launch", "ann"), "ann")
    await world.wait(timedelta(minutes=59))
    assert (await world.record()).exemption
    await world.wait(timedelta(minutes=1))
    assert (await world.record()).exemption is None
    assert await world.log() == [("exempted", "ann"), ("exemption_ended", None)]


async def test_observe_tells_no_one() -> None:
    world = World(policy=Policy(mode=Mode.OBSERVE))
    world.put("stopped")
    await world.tell()
    await world.wait(timedelta(days=1))
    assert (await world.record()).flag
    assert world.told() == []


@pytest.mark.parametrize("seed", range(5))
async def test_duplicates_and_disorder_change_nothing_further(seed: int) -> None:
    world = World()
    world.put("stopped")
    told = [("powerOff/action", 0), ("write", 60), ("start/action", 3600), ("deallocate/action", 7200)] * 10
    for operation, ago in told[:4]:
        await world.tell(operation, ago=timedelta(seconds=ago))
    before = await world.record()
    random.Random(seed).shuffle(told)  # noqa: S311 - a shuffle to be repeated
    for operation, ago in told:
        await world.tell(operation, ago=timedelta(seconds=ago))
    assert await world.record() == before
    await world.wait(timedelta(hours=1))
    assert world.told() == ["left_stopped"]
    covered = world.watch.counts[Outcome.COVERED]
    assert covered, "what a look has seen already asks for none"
    assert world.vms.looks[WEB] == 4 + 40 - covered + 1, (
        "however many looks were asked for, one is had when due"
    )


async def test_events_at_once_on_many_instances_end_in_one_record_and_one_notice() -> None:
    world = World()
    world.put("stopped")
    await world.tell()
    world.now += GRACE
    await asyncio.gather(*(world.instance().observe(WEB) for _ in range(30)))
    await world.wait(timedelta(hours=1))
    assert world.told() == ["left_stopped"]
    assert len((await world.ledger.history(WEB, 10)).transitions) == 1


async def test_what_is_not_ours_is_acknowledged_and_counted() -> None:
    world = World()
    assert await world.watch.event(Event("Microsoft.Storage.BlobCreated", "/x", NOON, {})) is Outcome.NOT_A_VM
    other = "/subscriptions/00000000-0000-4000-8000-000000000009"
    vm = f"{other}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
    event = Event(
        "Microsoft.Resources.ResourceWriteSuccess",
        vm,
        NOON,
        {"operationName": "Microsoft.Compute/virtualMachines/write"},
    )
    assert await world.watch.event(event) is Outcome.NOT_WATCHED
    assert world.watch.counts == {Outcome.NOT_A_VM: 1, Outcome.NOT_WATCHED: 1}
    assert not world.vms.looks


async def test_what_is_malformed_fails_by_name() -> None:
    with pytest.raises(Malformed, match="event type"):
        await World().watch.event(Event(None, None, None, None))


async def test_an_event_for_a_vm_that_is_gone_and_was_never_known_leaves_nothing() -> None:
    world = World()
    await world.tell("delete")
    assert await world.ledger.latest(WEB) is None


async def test_an_event_about_a_whole_scale_set_is_a_look_at_each_instance_that_is_known() -> None:
    world = World()
    compute = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-Shop/providers/Microsoft.Compute"
    scale_set = f"{compute}/virtualMachineScaleSets/Farm"
    instances = [VmId.of(SUBSCRIPTION, "rg-shop", f"farm~{number}") for number in range(3)]
    others = [VmId.of(SUBSCRIPTION, "rg-shop", "farm"), VmId.of(SUBSCRIPTION, "rg-shop", "farm2~0")]
    for vm in [*instances, *others]:
        world.put("running", vm=vm)
        await world.watch.observe(vm)
    for vm in instances:
        world.put("stopped", vm=vm)
    event = Event("Microsoft.Resources.ResourceActionSuccess", scale_set, NOON, {})
    assert await world.watch.event(event) is Outcome.SCALE_SET
    assert await world.deliver() == [Outcome.CHANGED] * 3
    assert [world.vms.looks[vm] for vm in [*instances, *others]] == [2, 2, 2, 1, 1]


class TestFailures:
    async def test_an_event_that_azure_cannot_answer_fails_so_that_it_is_delivered_again(self) -> None:
        world = World()
        world.vms.vms[WEB] = Unavailable("ARM: no answer")
        with pytest.raises(Unavailable):
            await world.tell()
        world.put("stopped")
        await world.tell(ago=timedelta(minutes=1))
        assert (await world.record()).since == NOON - timedelta(minutes=1)

    async def test_a_look_that_azure_cannot_answer_is_put_off_as_long_as_azure_asks(self) -> None:
        world = World()
        world.put("stopped")
        await world.tell()
        world.now += GRACE
        world.vms.vms[WEB] = Throttled("ARM: 429", timedelta(minutes=20))
        assert await world.deliver() == [Outcome.PUT_OFF]
        world.put("stopped")
        await world.wait(timedelta(minutes=20) - timedelta(seconds=1))
        assert world.told() == []
        await world.wait(timedelta(seconds=1))
        assert world.told() == ["left_stopped"]

    async def test_azure_down_for_a_day_loses_no_look(self) -> None:
        world = World()
        world.put("stopped")
        await world.tell()
        world.vms.vms[WEB] = Unavailable("ARM: no answer")
        await world.wait(timedelta(days=1))
        world.put("stopped")
        await world.wait(timedelta(minutes=2))
        assert world.told() == ["left_stopped"]

    @pytest.mark.parametrize("fault", [Refused("ARM: 403"), Malformed("ARM's answer: expected a VM")])
    async def test_what_somebody_has_to_mend_is_shown_and_not_given_up(
        self, fault: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()
        world.put("stopped")
        await world.tell()
        world.vms.vms[WEB] = fault
        await world.wait(timedelta(days=1))
        assert str(fault) in caplog.text
        world.put("stopped")
        await world.wait(timedelta(minutes=10))
        assert world.told() == ["left_stopped"]

    async def test_a_crash_between_save_and_act_heals_at_the_next_delivery(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        world.put("stopped")

        async def die(_: Look, __: timedelta) -> None:
            await asyncio.sleep(0)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(world.looks, "put", die)
            with pytest.raises(KeyboardInterrupt):
                await world.tell()
        assert (await world.record()).stopped, "saved"
        assert world.looks.next_at is None, "and not acted on"
        world.watch = world.instance()
        await world.tell()
        await world.wait(GRACE)
        assert world.told() == ["left_stopped"]

    async def test_a_redelivered_look_is_not_taken_for_superseded(self) -> None:
        world = World()
        world.put("starting")
        await world.tell("start/action")
        (look,) = world.looks.due(world.now + timedelta(seconds=15))
        world.now += timedelta(seconds=15)
        await world.watch.look_again(look, 1)
        world.looks.due(world.now + timedelta(hours=1))  # what it asked for is lost: it died before that
        assert await world.watch.look_again(look, 2) is Outcome.UNCHANGED
        assert world.looks.next_at, "asked for again"

    async def test_a_redelivered_look_that_is_put_off_is_not_taken_for_superseded_later(self) -> None:
        world = World()
        world.put("starting")
        await world.tell("start/action")
        (look,) = world.looks.due(world.now + timedelta(seconds=15))
        world.now += timedelta(seconds=15)
        await world.watch.look_again(look, 1)
        world.looks.due(world.now + timedelta(hours=1))  # what it asked for is lost: it died before that
        world.vms.vms[WEB] = Throttled("ARM: 429", timedelta(minutes=2))
        assert await world.watch.look_again(look, 2) is Outcome.PUT_OFF
        world.put("running")
        await world.wait(timedelta(minutes=2))
        assert (await world.record()).power_state is PowerState.RUNNING

    async def test_a_notice_that_cannot_be_sent_is_sent_later_and_once(self) -> None:
        world = World()
        world.notices.failure = Unavailable("topic: no answer")
        world.put("stopped")
        await world.tell()
        await world.wait(GRACE + timedelta(minutes=10))
        assert (await world.record()).flag, "a dead topic does not block the ledger"
        world.notices.failure = None
        await world.wait(timedelta(days=1))
        assert world.told() == ["left_stopped"]
        flag = (await world.record()).flag
        assert flag
        assert flag.notified_at

    async def test_a_vm_that_others_save_all_the_time_is_an_error_in_the_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        world.put("stopped")

        async def lose(_: Change, __: Stored | None) -> Stored:
            await asyncio.sleep(0)
            raise Conflict("not as it was read")

        monkeypatch.setattr(world.ledger, "save", lose)
        with pytest.raises(PortError, match="saved by others"):
            await world.tell()
