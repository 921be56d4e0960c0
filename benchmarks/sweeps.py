"""What a sweep costs, by the size of the fleet: the first one, one with nothing new, one with 1 % changed."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import batched
from math import ceil
from statistics import median
from typing import Any

import aiohttp

from benchmarks import meter
from benchmarks.app import app
from benchmarks.floor import Floor, Row
from benchmarks.rows import Name, batches, is_stopped, key_of, look_at, name_of, writes, written
from benchmarks.stage import Counts, Stage, arm_requests
from benchmarks.targets import SIZES, Figure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from shared.domain.ids import VmId
from shared.domain.states import PowerState
from shared.ports import Sweep

ROUNDS = {1_000: 5, 10_000: 3, 50_000: 1}
"""How often a sweep that finds nothing new is measured; the others change what is there, and are measured once."""

PAGE = 100
"""Rows of a page of the simulated Azure's lists."""
CHANGED = 100
"""One VM of so many has changed."""

LOOKS_PUT_AT_ONCE = 50
_VMS = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines"
_SETS = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachineScaleSets"


async def chapter() -> list[Figure]:
    """All sizes."""
    return [figure for size in SIZES for figure in await _of(size)]


async def _of(size: int) -> list[Figure]:
    found = dict[str, list[tuple[Any, Any]]]()
    async with Stage() as stage:
        ids = await stage.fleet(size)
        found["first"] = [await _both(stage, anew=True)]
        found["same"] = [await _both(stage) for _ in range(ROUNDS[size])]
        powers = await stage.powers()
        changed = [each for each in ids if powers[each.lower()] == PowerState.RUNNING][: size // CHANGED]
        await stage.act("power_off", changed)
        found["some"] = [await _both(stage, changed=changed)]
    return [figure for kind, rounds in found.items() for figure in _figures(f"{kind}.{size}", size, rounds)]


async def _both(stage: Stage, **parameters: object) -> tuple[Any, Any]:
    """The app, and then the floor, which writes what the app has written."""
    ours = await stage.measure("sweeps", who="app")
    return ours, await stage.measure("sweeps", who="floor", **parameters)


def _figures(name: str, size: int, rounds: list[tuple[Any, Any]]) -> list[Figure]:
    counts = rounds[0][0]["counts"]
    ratio = median(ours["cpu"] / floor["cpu"] for ours, floor in rounds)
    cpu, floor_cpu = (median(each["cpu"] for each in some) / size * 1e6 for some in zip(*rounds, strict=True))
    memory, floor_memory = (median(each["peak"] for each in some) for some in zip(*rounds, strict=True))
    stored = sum(count for what, count in counts.items() if what.startswith("storage "))
    return [
        Figure(f"sweep.{name}.arm", arm_requests(counts) / (2 * ceil(size / PAGE) + 1)),
        Figure(f"sweep.{name}.storage", stored / size),
        Figure(f"sweep.{name}.cpu", ratio, f"{cpu:.0f} µs a VM against {floor_cpu:.0f} µs"),
        Figure(f"sweep.{name}.memory", memory, f"the floor has {floor_memory:.0f} MB"),
    ]


async def measured(parameters: dict[str, Any]) -> dict[str, Any]:
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
        return {"cpu": used.cpu, "wall": used.wall, "peak": meter.peak(), "counts": await counts.since()}


async def _floor(stack: AsyncExitStack, parameters: dict[str, Any]) -> Coroutine[Any, Any, object]:
    """The floor's sweep, for which it has to be known what the app has written. A first one goes to a new table."""
    where = parameters["arm"], parameters["storage"]
    floor = await stack.enter_async_context(Floor(*where))
    anew, changed = parameters.get("anew", False), parameters.get("changed", [])
    rows = dict[Name, list[Row]]()
    if anew or changed:
        rows = await written(floor, None if anew else {name_of(each) for each in changed})
    (coverage,) = await floor.rows("sweeps", of="", to="~")
    if anew:
        floor = await stack.enter_async_context(Floor(*where, table="floor"))
        await floor.make()
    return _sweep(floor, rows, coverage, anew=anew)


async def _sweep(floor: Floor, rows: dict[Name, list[Row]], coverage: Row, *, anew: bool) -> None:
    await floor.rows("sweeps", of="", to="~")
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
    await floor.replace(coverage)


def _id(name: Name) -> str:
    return str(VmId(DEFAULT_SUBSCRIPTION, *name))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(json.loads(sys.argv[1])))))
