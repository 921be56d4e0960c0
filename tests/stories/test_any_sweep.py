"""Any fleet, any ledger, any sweep: the records are those that a look at each VM singly would have left."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.exemptions import Exemption
from shared.domain.fleet import fingerprint, fingerprint_of
from shared.domain.ids import VmId
from shared.domain.observations import Model, Observation
from shared.domain.policy import Mode, Policy
from shared.domain.records import Record
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.ports import History
from shared.requests import NoSuchVm, NotDone
from shared.watch import Outcome
from tests.stories.world import NOON, SUBSCRIPTION, World

MINUTE = timedelta(minutes=1)
VMS = [VmId.of(SUBSCRIPTION, "rg-shop", name) for name in ("web-1", "web-2", "farm~0")]


@dataclass(frozen=True, slots=True)
class There:
    """How a VM is that is there."""

    power: PowerState
    provisioning: ProvisioningState
    uid: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens: a VM is so from then on, if at all, and Stopgap is told, or looks, or is asked."""

    after: timedelta
    vm: VmId
    there: There | None
    what: str


@dataclass(frozen=True, slots=True)
class Script:
    """What happens before a sweep, and how it is then."""

    policy: Policy
    steps: list[Step]
    later: timedelta
    fleet: list[There | None]
    unlisted: set[VmId]
    then: Policy | None
    """The operator's other mind; None: the same."""


policies = st.sampled_from(
    [
        Policy(),
        Policy(grace=2 * MINUTE),
        Policy(mode=Mode.OBSERVE),
        Policy(mode=Mode.DEALLOCATE, allow_deallocate=True, warning=5 * MINUTE),
    ]
)
tags = st.sampled_from(
    [
        {},
        {},
        {"stopgap:exempt": "true"},
        {"stopgap:exempt": "2026-11-21T12:40:00Z"},
        {"stopgap:grace": "3m"},
        {"stopgap:mode": "deallocate"},
        {"stopgap:mode": "sideways", "owner": "x"},
    ]
)
often = [PowerState.RUNNING, PowerState.STOPPED] * 4
powers = st.sampled_from([*often, *(set(PowerState) - {PowerState.DELETED})])
provisionings = st.sampled_from([*[ProvisioningState.SUCCEEDED] * 6, *ProvisioningState])
theres = st.builds(There, powers, provisionings, st.sampled_from([*["uid-1"] * 5, "uid-2"]), tags)
maybe_there = st.integers(0, 4).flatmap(lambda n: theres if n else st.none())
gaps = st.sampled_from([0, 1, 2, 4, 9, 16, 31, 70]).map(lambda minutes: minutes * MINUTE)
OPERATIONS = ["powerOff/action", "start/action", "deallocate/action", "delete"]
ASKED = ["snooze", "exempt", "deallocate"]
whats = st.sampled_from([*["look"] * 4, "sweep", "deliver", *OPERATIONS, *ASKED])
scripts = st.builds(
    Script,
    policies,
    st.lists(st.builds(Step, gaps, st.sampled_from(VMS), maybe_there, whats), max_size=10),
    gaps,
    st.lists(maybe_there, min_size=len(VMS), max_size=len(VMS)),
    st.sets(st.sampled_from(VMS), max_size=1),
    st.none() | policies,
)


async def played(script: Script) -> World:
    """The world as it is before the sweep."""
    world = World(policy=script.policy)
    for step in script.steps:
        world.now += step.after
        be(world, step.vm, step.there)
        with suppress(NoSuchVm, NotDone):
            await do(world, step)
    world.now += script.later
    for vm, there in zip(VMS, script.fleet, strict=True):
        be(world, vm, there)
    world.vms.unlisted |= script.unlisted
    world.policy = script.then or script.policy
    world.watch = world.instance()
    world.vms.looks.clear()
    return world


def be(world: World, vm: VmId, there: There | None) -> None:
    world.vms.vms.pop(vm, None)
    if there:
        reading = Reading(there.power, there.provisioning, None, hibernated=False)
        world.vms.vms[vm] = Observation(vm, NOON, reading, Model(uid=there.uid), there.tags)


async def do(world: World, step: Step) -> None:
    until, vm = world.now + 20 * MINUTE, step.vm
    match step.what:
        case "look":
            await world.watch.observe(vm)
        case "sweep":
            await world.sweep()
        case "deliver":
            await world.deliver()
        case "snooze":
            await world.requests.snooze(vm, until, "someone")
        case "exempt":
            await world.requests.exempt(vm, Exemption(until, "for the launch", "someone"), "someone")
        case "deallocate":
            await world.requests.deallocate(vm, "someone")
        case operation:
            await world.tell(operation, vm=vm)


async def records(world: World) -> dict[VmId, Record]:
    found = {vm: await world.ledger.latest(vm) for vm in VMS}
    return {vm: stored.record for vm, stored in found.items() if stored}


async def lives(world: World) -> dict[VmId, History]:
    return {vm: await world.ledger.history(vm, 100) for vm in VMS}


def is_asked_for(record: Record | None, world: World) -> bool:
    """Whether a sweep has reason to ask for a VM that no list shows: it is known to be there, or waits for a look."""
    if record is None:
        return False
    return record.power_state is not PowerState.DELETED or bool(
        record.look_at and record.look_at <= world.now
    )


def waits(record: Record, world: World) -> bool:
    """Whether a record waits for a look that is not due yet, and a look now would see what it says."""
    seen = world.vms.vms.get(record.vm)
    if isinstance(seen, Observation):
        same = fingerprint_of(record) == fingerprint(seen.reading, seen.model, seen.tags)
    else:
        same = record.power_state is PowerState.DELETED
    return same and record.look_at is not None and record.look_at > world.now


@settings(max_examples=300)
@given(script=scripts)
async def test_a_sweep_leaves_the_records_that_single_looks_would_have_left(script: Script) -> None:
    world, singly = await played(script), await played(script)
    before = await records(world)
    assert before == await records(singly)

    assert await world.sweep() is Outcome.SWEPT
    for vm in VMS:
        if vm not in script.unlisted or is_asked_for(before.get(vm), world):
            await singly.watch.observe(vm)

    came, wanted = await records(world), await records(singly)
    left = {vm for vm in before if came[vm] == before[vm] != wanted[vm]}
    assert all(waits(before[vm], world) for vm in left)
    assert came == wanted | {vm: before[vm] for vm in left}
    if not left:
        assert await lives(world) == await lives(singly)
        assert sorted(world.told()) == sorted(singly.told())


@settings(max_examples=100)
@given(script=scripts)
async def test_a_sweep_just_after_a_sweep_finds_nothing(script: Script) -> None:
    world = await played(script)
    await world.sweep()
    before = await records(world), await lives(world), world.told()
    await world.sweep()
    assert (await records(world), await lives(world), world.told()) == before


@settings(max_examples=100)
@given(script=scripts)
async def test_a_sweep_asks_azure_of_no_vm_that_the_lists_show(script: Script) -> None:
    world = await played(script)
    known = await records(world)
    await world.sweep()
    shown = {
        vm
        for vm, seen in world.vms.vms.items()
        if isinstance(seen, Observation)
        and seen.reading.power_state is not PowerState.UNKNOWN
        and vm not in script.unlisted
    }
    assert not shown & world.vms.looks.keys()
    there = {vm for vm, record in known.items() if record.power_state is not PowerState.DELETED}
    assert there <= shown | world.vms.looks.keys()
