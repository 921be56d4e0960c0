"""What a sweep costs, by the size of the fleet: the first one, one with nothing new, one with 1 % changed."""

import asyncio
import gc
import json
import sys
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from math import ceil
from statistics import median
from typing import Any

import aiohttp
import msgspec

from benchmarks import meter
from benchmarks.app import app
from benchmarks.floor import TABLE, Floor, Row, Write
from benchmarks.rows import Name, again, batches, is_stopped, key_of, look_at, writes, written
from benchmarks.stage import CannotMeasure, Counts, Stage, arm_requests, storage_requests
from benchmarks.targets import SIZES, Compared, Figure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from shared.domain.ids import VmId
from shared.domain.states import PowerState
from shared.ports import Sweep

ROUNDS: Mapping[int, Mapping[str, int]] = {
    1_000: {"first": 5, "same": 7, "some": 5},
    10_000: {"first": 2, "same": 3, "some": 2},
    50_000: {"first": 1, "same": 2, "some": 2},
}
"""How often each sweep is measured. In a large fleet one takes longer than what disturbs it."""

PAGE = 100
"""Rows of a page of the simulated Azure's lists."""
CHANGED = 100
"""One VM of so many has changed, all over the fleet."""

LOOKS_PUT_AT_ONCE = 50
_VMS = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines"
_SETS = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachineScaleSets"
_FLOORS_TABLE = "floor"
_COVERAGE = "sweeps"
"""The partition of what sweeps came to."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep took, and what was asked for."""

    cpu: float
    """Seconds."""
    peak: float
    """Megabytes."""
    asked: Mapping[str, int]


async def chapter(rounds: Mapping[int, Mapping[str, int]] = ROUNDS) -> list[Figure]:
    """All sizes."""
    found = [figure for size, times in rounds.items() for figure in await of_size(size, times)]
    return [*found, *growth(found)]


def growth(figures: Sequence[Figure]) -> Iterator[Figure]:
    """How the cost of a VM grows from the smallest fleet to the largest, if both have been swept."""
    costs = {each.key: each.compared.ours for each in figures if each.compared}
    small, large = (costs.get(f"sweep.same.{size}.cpu") for size in (SIZES[0], SIZES[-1]))
    if small and large:
        yield Figure("sweep.growth", large / small)


async def of_size(size: int, rounds: Mapping[str, int]) -> list[Figure]:
    """One fleet, and each kind of sweep as often as is said."""
    found: dict[str, list[tuple[Swept, Swept]]] = {kind: [] for kind in rounds}
    async with Stage() as stage:
        ids = await stage.fleet(size)
        for _ in range(rounds["first"]):
            await stage.forget(TABLE, _FLOORS_TABLE)
            found["first"].append(await _both(stage, anew=True))
        found["same"] = [await _both(stage) for _ in range(rounds["same"])]
        powers = await stage.powers()
        running = [each for each in ids if powers[each.lower()] == PowerState.RUNNING]
        apart = len(running) * CHANGED // size
        for number in range(rounds["some"]):
            await stage.act("power_off", running[number::apart][: size // CHANGED])
            found["some"].append(await _both(stage))
    return [figure for kind, each in found.items() for figure in figures_of(kind, size, each)]


async def _both(stage: Stage, *, anew: bool = False) -> tuple[Swept, Swept]:
    """The app, and then the floor, which writes what the app has written; of a first sweep, to a table of its own."""
    since = None if anew else datetime.now(UTC).isoformat()
    ours = await stage.measure("sweeps", who="app")
    floor = await stage.measure("sweeps", who="floor", since=since)
    return Swept(**ours), Swept(**floor)


def figures_of(kind: str, size: int, rounds: Sequence[tuple[Swept, Swept]]) -> list[Figure]:
    """What sweeps of one kind come to. `CannotMeasure` if the floor did not do the same as the app."""
    for ours, floor in rounds:
        if not floor_did_the_same(ours.asked, floor.asked):
            raise CannotMeasure(
                f"sweep of {size}, {kind}: the app asked for {ours.asked}, the floor for {floor.asked}"
            )
    asked, name = rounds[0][0].asked, f"sweep.{kind}.{size}"
    ratio = median(ours.cpu / floor.cpu for ours, floor in rounds)
    cpu, floor_cpu = (median(each.cpu for each in some) / size * 1e6 for some in zip(*rounds, strict=True))
    memory, floor_memory = (median(each.peak for each in some) for some in zip(*rounds, strict=True))
    of_both = Compared("MB, app : floor", memory, floor_memory)
    stored = [storage_requests(each.asked) for each in rounds[0]]
    return [
        Figure(f"{name}.arm", arm_requests(asked) / (2 * ceil(size / PAGE) + 1)),
        Figure(f"{name}.storage", stored[0] / size, Compared("requests, app : floor", *stored)),
        Figure(f"{name}.cpu", ratio, Compared("µs a VM, app : floor", cpu, floor_cpu)),
        # A floor that writes has to have at hand what the app has written: its memory tells nothing.
        Figure(f"{name}.memory", memory, of_both if kind == "same" else None),
    ]


def floor_did_the_same(app: Mapping[str, int], floor: Mapping[str, int]) -> bool:
    """Whether the floor asked for what the app did. The same rows it may write in fewer transactions, as it does."""
    writes = "storage transaction"
    return {**app, writes: 0} == {**floor, writes: 0} and floor.get(writes, 0) <= app.get(writes, 0)


async def measured(parameters: dict[str, Any]) -> Swept:
    """One sweep, of the app or of the floor."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        counts = Counts(http, parameters["arm"], parameters["counts"])
        if parameters["who"] == "app":
            made = await stack.enter_async_context(app())
            work: Coroutine[Any, Any, object] = made.sweeps.sweep(
                Sweep(DEFAULT_SUBSCRIPTION, datetime.now(UTC))
            )
        else:
            work = await _floor(stack, parameters)
        await counts.since()
        with meter.metered() as used:
            await work
        return Swept(used.cpu, meter.peak(), await counts.since())


async def _floor(stack: AsyncExitStack, parameters: dict[str, Any]) -> Coroutine[Any, Any, object]:
    """The floor's sweep, for which it has to be known what the app has written."""
    where = parameters["arm"], parameters["storage"]
    floor = await stack.enter_async_context(Floor(*where))
    since = parameters["since"]
    rows = await written(floor, since and datetime.fromisoformat(since))
    (coverage,) = map(again, await floor.rows(_COVERAGE, of="", to="~"))
    if not since:
        floor = await stack.enter_async_context(Floor(*where, table=_FLOORS_TABLE))
        await floor.make()
    # What is only there to be written is no garbage that the floor has to look through.
    gc.collect()
    gc.freeze()
    return _sweep(floor, rows, coverage, anew=not since)


async def _sweep(floor: Floor, rows: dict[Name, list[Row]], coverage: Row, *, anew: bool) -> None:
    await floor.row(_COVERAGE, coverage["RowKey"])
    await floor.rows(DEFAULT_SUBSCRIPTION, select=("RowKey", "fingerprint", "due_at", "power_state"))
    await floor.pages(_VMS, "statusOnly=true&")
    await floor.pages(_VMS)
    await floor.pages(_SETS)
    for some in batches(rows):
        etags = [None] * len(some)
        if not anew:
            before = await asyncio.gather(*(floor.row(DEFAULT_SUBSCRIPTION, key_of(name)) for name in some))
            etags = [etag for _, etag in before]
        await floor.write(
            [write for each, etag in zip(some.values(), etags, strict=True) for write in writes(each, etag)]
        )
    stopped = [_id(name) for name, each in rows.items() if is_stopped(each)]
    for some_ids in batched(stopped, LOOKS_PUT_AT_ONCE, strict=False):
        await asyncio.gather(*(floor.put("looks", look_at(each), 900) for each in some_ids))
    await floor.write([Write(coverage, "PUT")])


def _id(name: Name) -> str:
    return str(VmId(DEFAULT_SUBSCRIPTION, *name))


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(measured(json.load(sys.stdin)))).decode())
