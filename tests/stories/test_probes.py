"""Doctor's probes: events that are about no VM, and are to arrive all the same."""

from datetime import datetime, timedelta

import pytest

from shared.domain.ids import VmId
from shared.domain.observations import Gone, Observation
from shared.domain.probes import EVENT_TYPE, Probe, subject_prefix
from shared.domain.signals import Event
from shared.ports import Arrival
from shared.watch import Outcome
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

OTHER = "00000000-0000-4000-8000-000000000002"


def probe(name: str = "7f3a", at: datetime = NOON, subscription: str = SUBSCRIPTION) -> Event:
    return Event(EVENT_TYPE, f"{subject_prefix(subscription)}{name}", at, {})


async def latest(world: World) -> Arrival:
    return (await world.ledger.probes([SUBSCRIPTION]))[SUBSCRIPTION]


async def test_one_that_arrives_is_recorded() -> None:
    world = World(now=NOON + timedelta(seconds=3))
    assert await world.watch.event(probe("7F3A")) is Outcome.PROBED
    assert await latest(world) == Arrival(Probe(SUBSCRIPTION, "7f3a", NOON), NOON + timedelta(seconds=3))
    assert world.watch.counts == {"probe_recorded": 1}


async def test_one_that_arrives_late_or_twice_takes_the_place_of_none() -> None:
    world = World()
    later = NOON + timedelta(minutes=1)
    for event, outcome in (
        (probe("second", later), Outcome.PROBED),
        (probe("first"), Outcome.SUPERSEDED),
        (probe("second", later), Outcome.SUPERSEDED),
    ):
        assert await world.watch.event(event) is outcome
    assert (await latest(world)).probe.token == "second"


async def test_one_of_a_subscription_that_is_not_watched_is_foreign() -> None:
    world = World()
    assert await world.watch.event(probe(subscription=OTHER)) is Outcome.NOT_WATCHED
    assert await world.ledger.probes([SUBSCRIPTION, OTHER]) == {}


async def test_the_removal_of_one_is_none() -> None:
    world = World()
    removal = Event("Microsoft.Resources.ResourceDeleteSuccess", probe().subject, NOON, {})
    assert await world.watch.event(removal) is Outcome.NOT_A_VM
    assert await world.ledger.probes([SUBSCRIPTION]) == {}


async def test_arm_is_not_asked_and_only_probes_touch_their_row(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    asked = list[object]()
    look, keep = world.vms.look, world.ledger.keep_probe

    async def noted_look(vm: VmId) -> Observation | Gone:
        asked.append(vm)
        return await look(vm)

    async def noted_keep(arrival: Arrival) -> bool:
        asked.append(arrival.probe.token)
        return await keep(arrival)

    monkeypatch.setattr(world.vms, "look", noted_look)
    monkeypatch.setattr(world.ledger, "keep_probe", noted_keep)
    await world.watch.event(probe())
    await world.watch.event(Event("Microsoft.Storage.BlobCreated", "/x", NOON, {}))
    data = {"operationName": "Microsoft.Compute/virtualMachines/write"}
    await world.watch.event(Event(EVENT_TYPE, str(WEB), NOON, data))
    assert asked == ["7f3a", WEB]
