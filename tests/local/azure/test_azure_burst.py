"""Bursts, in simulated and in real time."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.azure.burst import BurstSettings, Planned, plan
from local.azure.clock import Clock
from local.azure.errors import ArmError
from local.azure.events import Event
from local.azure.life import OPERATIONS
from local.azure.model import PowerState
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver

EIGHT = datetime(2026, 9, 1, 8, tzinfo=UTC)
SETTLED = {PowerState.RUNNING, PowerState.STOPPED, PowerState.DEALLOCATED}
ENDS = {
    "start/action": "running",
    "powerOff/action": "stopped",
    "deallocate/action": "deallocated",
    "VirtualMachineStoppedInternally": "stopped",
}
"""What the last word on a VM says of where it has come to."""


@pytest.fixture
async def town() -> AsyncIterator[SimulatedAzure]:
    azure = SimulatedAzure()
    azure.clock.set(EIGHT - timedelta(days=1))
    azure.add_fleet(SUB, 200)
    azure.add_scale_set(SUB, "rg", "farm", instances=20)
    yield azure
    await azure.reset()


def last_words(events: list[Event]) -> dict[str, str]:
    """Where each VM has come to, by the latest event of an end, or of what is told at its beginning only."""
    said = dict[str, tuple[datetime, str]]()
    for event in events:
        operation = str(event.data.get("operationName", "")).partition("virtualMachines/")[2]
        if "resourceInfo" in event.data:
            operation = event.data["resourceInfo"]["properties"].get("annotationName", "")
        if operation in ENDS:
            key = event.subject.lower()
            said[key] = max(said.get(key, (EIGHT, "")), (event.at, ENDS[operation]))
    return {key: word for key, (_, word) in said.items()}


class TestSimulated:
    def test_what_the_events_say_is_true_at_the_end(self, town: SimulatedAzure) -> None:
        before = town.powers()
        burst = town.burst(events=1000, seconds=300, begins_at=EIGHT, duplicates=0.2, disorder=0.3)

        events = burst.play()

        assert burst.next_at is None
        assert burst.refused == 0
        assert len({event.id for event in events}) in range(1000, 1004)
        told = last_words(events)
        assert len(told) > 150
        assert {**before, **told} == town.powers()
        assert all(vm.busy_with is None and vm.condition.is_settled for vm in town.vms.values())

    def test_all_of_it_happens_in_its_time(self, town: SimulatedAzure) -> None:
        burst = town.burst(events=1000, seconds=300, begins_at=EIGHT)

        events = burst.play()

        moments = [moment.at for vm in town.vms.values() for moment in vm.history[1:]]
        assert min(moments) >= EIGHT
        assert max(moments) <= burst.ends_at == EIGHT + timedelta(minutes=5)
        minutes = Counter((at - EIGHT) // timedelta(minutes=1) for at in moments)
        assert min(minutes[minute] for minute in range(5)) > len(moments) / 10
        assert [event.at for event in events] == sorted(event.at for event in events)

    def test_the_truth_goes_with_the_time(self, town: SimulatedAzure) -> None:
        burst, half = town.burst(events=300, seconds=300, begins_at=EIGHT), EIGHT + timedelta(seconds=150)

        first = burst.play(half)

        assert town.clock() == half
        assert all(event.at <= half for event in first)
        assert all(moment.at <= half for vm in town.vms.values() for moment in vm.history)
        under_way = [vm for vm in town.vms.values() if vm.busy_with]
        assert under_way
        for vm in under_way:
            with pytest.raises(ArmError, match="Conflict"):
                town.start(vm.spec.id)
        assert burst.next_at is not None
        assert burst.next_at > half
        assert len(first) + len(burst.play()) >= 300

    def test_duplicates_and_disorder(self, town: SimulatedAzure) -> None:
        fine = town.burst(events=1000, seconds=300, begins_at=EIGHT, seed=1)
        wild = town.burst(
            events=1000,
            seconds=300,
            begins_at=EIGHT + timedelta(hours=1),
            seed=2,
            duplicates=0.5,
            disorder=0.5,
            held_back_seconds=30,
        )

        quiet, loud = fine.play(), wild.play()

        assert len({event.id for event in quiet}) == len(quiet)
        copies = Counter(Counter(event.id for event in loud).values())
        assert set(copies) == {1, 2}
        assert 0.4 < copies[2] / copies.total() < 0.6
        overtaken = sum(after.at < before.at for before, after in pairwise(loud))
        assert overtaken > 200
        assert wild.ends_at < town.clock() <= wild.ends_at + timedelta(seconds=30)

    def test_a_seed_names_a_burst(self, town: SimulatedAzure) -> None:
        def planned(seed: int) -> tuple[Planned, ...]:
            return town.burst(events=100, seconds=60, seed=seed).plan

        assert planned(1) == planned(1)
        assert planned(1) != planned(2)

    def test_only_some_vms(self, town: SimulatedAzure) -> None:
        some = sorted(town.vms)[:3]
        events = town.burst([some[0].upper(), *some[1:]], events=50, seconds=300, begins_at=EIGHT).play()
        assert {event.subject.lower() for event in events} == set(some)

    async def test_an_operation_that_cannot_begin_is_told_of_by_nobody(self, town: SimulatedAzure) -> None:
        [vm_id] = town.add_scale_set(SUB, "rg", "barn")
        burst = town.burst([vm_id], events=1, seconds=60, begins_at=EIGHT)
        operation = town.redeploy(vm_id)

        assert burst.play() == []
        assert burst.refused == len(burst.plan)
        assert operation.status == "InProgress"

    @pytest.mark.parametrize(("events", "seconds"), [(0, 60), (10, 0), (10, -1)])
    def test_a_burst_of_nothing(self, town: SimulatedAzure, events: int, seconds: float) -> None:
        with pytest.raises(ValueError, match="expected more than 0 of both"):
            town.burst(events=events, seconds=seconds)

    async def test_nothing_can_happen(self, town: SimulatedAzure) -> None:
        vm_id = next(iter(town.vms))
        town.redeploy(vm_id)
        for vms in ([], [vm_id]):
            with pytest.raises(
                ValueError, match="a burst needs VMs that are running, stopped or deallocated"
            ):
                town.burst(vms, events=1, seconds=60)
        with pytest.raises(ArmError, match="ResourceNotFound"):
            town.burst([f"{vm_id}-2"], events=1, seconds=60)


class TestReal:
    async def test_it_goes_to_whoever_has_subscribed(self, azure: SimulatedAzure, receiver: Receiver) -> None:
        await azure.subscribe(receiver.url)
        azure.add_fleet(SUB, 10)
        before = azure.powers()

        burst = azure.burst(events=60, seconds=0.2, duplicates=0.3, disorder=0.3, held_back_seconds=0.1)
        await burst.run()
        await azure.settle()

        assert burst.next_at is None
        assert burst.refused == 0
        assert len({event["id"] for event in receiver.events}) in range(60, 64)
        assert len(receiver.events) > 60
        assert azure.powers() != before


@given(
    st.integers(0, 10_000),
    st.integers(1, 300),
    st.floats(1, 10_000),
    st.integers(1, 20),
    st.booleans(),
)
def test_any_plan_can_be_carried_out(
    seed: int, events: int, seconds: float, vms: int, ephemeral: bool
) -> None:
    azure = SimulatedAzure()
    azure.add_fleet(SUB, vms)
    azure.add_vm(SUB, "rg", "scratch", ephemeral_os_disk=ephemeral)
    settings = BurstSettings(events=events, seconds=seconds, seed=seed)
    found = plan(list(azure.vms.values()), settings)
    ends = dict[str, float]()
    for each in found:
        key = each.vm.spec.key
        assert 0 <= ends.get(key, 0) <= each.begins + 1e-6
        ends[key] = each.begins + each.takes
        assert each.takes <= OPERATIONS[each.verb].seconds
    assert max(ends.values()) <= seconds * (1 + 1e-9)

    burst = azure.burst(events=events, seconds=seconds, seed=seed, begins_at=EIGHT)
    burst.play()

    assert burst.refused == 0
    assert {vm.condition.power for vm in azure.vms.values()} <= SETTLED


class TestClock:
    def test_it_stands_still_where_it_is_set(self) -> None:
        times = [EIGHT, EIGHT + timedelta(minutes=1)]
        clock = Clock(lambda: times[0])
        assert clock() == EIGHT
        clock.set(EIGHT - timedelta(hours=1))
        times.pop(0)
        assert clock() == EIGHT - timedelta(hours=1)
        clock.set(None)
        assert clock() == EIGHT + timedelta(minutes=1)

    def test_a_time_says_its_zone(self) -> None:
        with pytest.raises(ValueError, match="expected one with its zone"):
            Clock(lambda: EIGHT).set(datetime(2026, 9, 1))  # noqa: DTZ001 - that is what is refused
