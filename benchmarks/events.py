"""What an event costs: the use case over the real adapters, against the floor, VM by VM the same."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from statistics import median
from typing import Any

import aiohttp
import msgspec

from benchmarks.app import app
from benchmarks.floor import Floor, Row
from benchmarks.meter import metered
from benchmarks.rows import Name, key_of, look_at, name_of, writes, written
from benchmarks.stage import CannotMeasure, Counts, Stage, arm_requests
from benchmarks.targets import Compared, Figure
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

CHUNKS, CHUNK = 21, 40
"""How many events are metered at a time, the app's and then the floor's, and how often. The first is not counted."""
ALONE = 100
"""So many events with a change come after that one by one, each before the floor's: to see how long one takes."""
AT_ONCE = 16
"""How many of a chunk are under way at a time: one instance serves many."""

KINDS = {"same": Verb.UPDATE, "changed": Verb.POWER_OFF}
"""What the events tell of: an update of a VM that runs on, or a power-off."""

RUNNING = Reading(PowerState.RUNNING, ProvisioningState.SUCCEEDED, None, hibernated=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What some events took, in seconds, and what was asked for."""

    events: int
    app_cpu: float
    app_wall: float
    app_asked: Mapping[str, int]
    floor_cpu: float
    floor_wall: float
    floor_asked: Mapping[str, int]


async def chapter(chunks: int = CHUNKS, chunk: int = CHUNK, alone: int = ALONE) -> list[Figure]:
    """Both kinds of events."""
    return [
        *await of_kind("same", chunks, chunk, 0),
        *await of_kind("changed", chunks, chunk, alone),
    ]


async def of_kind(kind: str, chunks: int, chunk: int, alone: int) -> list[Figure]:
    """One kind of `KINDS`: so many times so many events, and then some one by one."""
    async with Stage() as stage:
        ids = await stage.running(chunks * chunk + alone)
        if kind == "changed":
            await stage.act("power_off", ids)
        told = await stage.measure("events", kind=kind, ids=ids, chunk=chunk, alone=alone)
    return figures_of(kind, [Chunk(**each) for each in told], alone)


def figures_of(kind: str, chunks: Sequence[Chunk], alone: int) -> list[Figure]:
    """What chunks come to, the last ones of one event each. `CannotMeasure` if the floor did not do the same."""
    for each in chunks:
        if each.app_asked != each.floor_asked:
            raise CannotMeasure(
                f"event, {kind}: the app asked for {each.app_asked}, the floor for {each.floor_asked}"
            )
    asked, events = chunks[0].app_asked, chunks[0].events
    many, one_by_one = chunks[: len(chunks) - alone], chunks[len(chunks) - alone :]
    figures = [
        Figure(f"event.{kind}.arm", arm_requests(asked) / events),
        Figure(f"event.{kind}.reads", reads(asked) / events),
        Figure(f"event.{kind}.writes", asked.get("storage transaction", 0) / events),
        _ratio(f"event.{kind}.cpu", events, [(each.app_cpu, each.floor_cpu) for each in many]),
    ]
    if one_by_one:
        walls = [(each.app_wall, each.floor_wall) for each in one_by_one]
        figures.append(_ratio(f"event.{kind}.wall", 1, walls))
    return figures


def reads(asked: Mapping[str, int]) -> int:
    """How often storage's table was read."""
    return asked.get("storage read", 0) + asked.get("storage query", 0)


def _ratio(key: str, events: int, pairs: Sequence[tuple[float, float]]) -> Figure:
    ours, floor = (median(each) / events * 1_000 for each in zip(*pairs, strict=True))
    ratio = median(one / other for one, other in pairs)
    return Figure(key, ratio, Compared("ms, app : floor", ours, floor))


class Unlimited(Budgets):
    """A budget that is never spent: what an event costs that is looked at is to be measured."""

    def may_look(self, subscription: str) -> bool:  # noqa: ARG002 - of any
        """Always."""
        return True


async def measured(parameters: dict[str, Any]) -> list[Chunk]:
    """The app and the floor in turn, some events at a time; the last ones one by one."""
    kind, ids, alone = parameters["kind"], parameters["ids"], parameters["alone"]
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
        many = batched(ids[: len(ids) - alone], parameters["chunk"], strict=True)
        for some in (*many, *batched(ids[len(ids) - alone :], 1, strict=True)):
            tidy = len(some) > 1
            events = [_event(KINDS[kind], each) for each in some]
            await counts.since()
            began_at = datetime.now(UTC)
            with metered(tidy=tidy) as ours:
                await _each(watch.event, events)
            asked = await counts.since()
            rows = await written(floor, began_at) if kind == "changed" else {}
            await counts.since()
            with metered(tidy=tidy) as bare:
                await _each(Exchange(floor, rows), some)
            floor_asked = await counts.since()
            chunks.append(Chunk(len(some), ours.cpu, ours.wall, asked, bare.cpu, bare.wall, floor_asked))
    return chunks[1:]


async def _remember(watch: Watch, ids: Sequence[str]) -> None:
    """Let the ledger say that all run, as of a minute ago."""
    then = watch.now() - timedelta(minutes=1)
    for some in batched(ids, AT_ONCE, strict=False):
        looks = await asyncio.gather(*(watch.vms.look(vm) for each in some if (vm := parse_vm_id(each))))
        seen = [look for look in looks if isinstance(look, Observation)]
        running = [replace(look, observed_at=then, reading=RUNNING) for look in seen]
        decided = [decide(None, look, None, watch.policy, then) for look in running]
        await watch.ledger.save_all([(Change(each.record), None) for each in decided if each.record])


def _event(verb: Verb, vm_id: str) -> Event:
    told = event_of(verb, vm_id)
    return Event(told.type, told.subject, told.at, json.loads(json.dumps(told.data)))


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the floor does for an event."""

    floor: Floor
    rows: Mapping[Name, Sequence[Row]]
    """What is to be written of a VM; nothing, if nothing is new of it."""

    async def __call__(self, vm_id: str) -> None:
        """All of it, for one event."""
        name = name_of(vm_id)
        await self.floor.vm(vm_id)
        _, etag = await self.floor.row(DEFAULT_SUBSCRIPTION, key_of(name))
        if rows := self.rows.get(name):
            await self.floor.write(writes(rows, etag))
            await self.floor.put("looks", look_at(vm_id), 900)


async def _each[Item](work: Callable[[Item], Awaitable[object]], items: Sequence[Item]) -> None:
    """So many at a time."""
    left = iter(items)

    async def one_after_another() -> None:
        for item in left:
            await work(item)

    await asyncio.gather(*(one_after_another() for _ in range(min(AT_ONCE, len(items)))))


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(measured(json.load(sys.stdin)))).decode())
