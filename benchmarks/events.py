"""What an event costs: the use case over the real adapters, against the floor, VM by VM the same."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched
from statistics import median
from typing import Any

import aiohttp
import msgspec

from benchmarks.app import app
from benchmarks.floor import Floor, Row
from benchmarks.meter import metered
from benchmarks.rows import Name, key_of, look_at, name_of, writes, written
from benchmarks.stage import Counts, Stage, arm_requests
from benchmarks.targets import Figure
from benchmarks.told_events import event_of
from local.azure.life import Verb
from local.azure.settings import DEFAULT_SUBSCRIPTION
from shared.budgets import Budgets
from shared.domain.decision import decide
from shared.domain.ids import parse_vm_id
from shared.domain.observations import Observation
from shared.domain.signals import Event
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.ports import Change
from shared.watch import Watch

VMS = 350
CHUNK = 50
"""How many events are metered at a time, the app's and then the floor's. The first chunk is not counted."""
AT_ONCE = 16
"""How many are under way at a time: one instance serves many."""

KINDS = {"same": Verb.UPDATE, "changed": Verb.POWER_OFF}
"""What the events tell of: an update of a VM that runs on, or a power-off."""

RUNNING = Reading(PowerState.RUNNING, ProvisioningState.SUCCEEDED, None, hibernated=False)


async def chapter() -> list[Figure]:
    """Both kinds of events."""
    return [figure for kind in KINDS for figure in await _of(kind)]


async def _of(kind: str) -> list[Figure]:
    async with Stage() as stage:
        ids = await stage.running(VMS)
        if kind == "changed":
            await stage.act("power_off", ids)
        chunks = [Chunk(**each) for each in await stage.measure("events", kind=kind, ids=ids)]
    if any(each.app_asked != each.floor_asked for each in chunks):
        raise RuntimeError(f"event, {kind}: app and floor did not ask for the same: {chunks}")
    asked = chunks[0].app_asked
    reads = asked.get("storage read", 0) + asked.get("storage query", 0)
    cpu = f"{median(each.app_cpu for each in chunks) / CHUNK * 1000:.2f} ms against "
    cpu += f"{median(each.floor_cpu for each in chunks) / CHUNK * 1000:.2f} ms"
    figures = [
        Figure(f"event.{kind}.arm", arm_requests(asked) / CHUNK),
        Figure(f"event.{kind}.reads", reads / CHUNK),
        Figure(f"event.{kind}.writes", asked.get("storage transaction", 0) / CHUNK),
        Figure(f"event.{kind}.cpu", median(each.app_cpu / each.floor_cpu for each in chunks), cpu),
    ]
    if kind == "changed":
        alone = chunks[-1]
        figures.append(Figure("event.changed.wall", alone.app_wall / alone.floor_wall, "one at a time"))
    return figures


@dataclass(frozen=True, slots=True)
class Chunk:
    """What some events took, in seconds, and what was asked for."""

    app_cpu: float
    app_wall: float
    app_asked: Mapping[str, int]
    floor_cpu: float
    floor_wall: float
    floor_asked: Mapping[str, int]


class Unlimited(Budgets):
    """A budget that is never spent: what an event costs that is looked at is to be measured."""

    def may_look(self, subscription: str) -> bool:  # noqa: ARG002 - of any
        """Always."""
        return True


async def measured(parameters: dict[str, Any]) -> list[Chunk]:
    """The app and the floor in turn, some events at a time; the last ones one after the other."""
    kind, ids = parameters["kind"], parameters["ids"]
    async with (
        app() as made,
        Floor(parameters["arm"], parameters["storage"]) as floor,
        aiohttp.ClientSession() as http,
    ):
        watch = made.watch
        watch.budgets = Unlimited(watch.now)
        counts = Counts(http, parameters["arm"], parameters["counts"])
        await _remember(watch, ids)
        chunks = list[Chunk]()
        for number, some in enumerate(batched(ids, CHUNK, strict=True)):
            at_once = 1 if CHUNK * (number + 1) == len(ids) else AT_ONCE
            events = [_event(KINDS[kind], each) for each in some]
            await counts.since()
            with metered() as ours:
                await _each(watch.event, events, at_once)
            asked = await counts.since()
            rows = await written(floor, {name_of(each) for each in some}) if kind == "changed" else {}
            await counts.since()
            with metered() as bare:
                await _each(_Exchange(floor, rows), some, at_once)
            chunks.append(Chunk(ours.cpu, ours.wall, asked, bare.cpu, bare.wall, await counts.since()))
    return chunks[1:]


async def _remember(watch: Watch, ids: Sequence[str]) -> None:
    """Let the ledger say that all run, as of a minute ago."""
    then = watch.now() - timedelta(minutes=1)
    for some in batched(ids, CHUNK, strict=True):
        looks = await asyncio.gather(*(watch.vms.look(vm) for each in some if (vm := parse_vm_id(each))))
        seen = [look for look in looks if isinstance(look, Observation)]
        running = [replace(look, observed_at=then, reading=RUNNING) for look in seen]
        decided = [decide(None, look, None, watch.policy, then) for look in running]
        await watch.ledger.save_all([(Change(each.record), None) for each in decided if each.record])


def _event(verb: Verb, vm_id: str) -> Event:
    told = event_of(verb, vm_id)
    return Event(told.type, told.subject, told.at, json.loads(json.dumps(told.data)))


@dataclass(frozen=True, slots=True)
class _Exchange:
    """What the floor does for an event."""

    floor: Floor
    rows: dict[Name, list[Row]]

    async def __call__(self, vm_id: str) -> None:
        name = name_of(vm_id)
        await self.floor.vm(vm_id)
        _, etag = await self.floor.row(DEFAULT_SUBSCRIPTION, key_of(name))
        if rows := self.rows.get(name):
            await self.floor.write(writes(rows, etag))
            await self.floor.put("looks", look_at(vm_id), 900)


async def _each[Item](work: Callable[[Item], Awaitable[object]], items: Sequence[Item], at_once: int) -> None:
    """So many at a time."""
    left = iter(items)

    async def one_after_another() -> None:
        for item in left:
            await work(item)

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(measured(json.loads(sys.argv[1])))).decode())
