"""How soon a VM that stopped is on record, and how soon after its grace it is flagged: through the local host.

Host, queues and clock are real. Events come over HTTP, one at a time; the floor has a webhook as well, which does the
same exchange.
"""

import asyncio
import json
import math
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.events import Exchange
from benchmarks.floor import Floor, Row
from benchmarks.rows import Name, written
from benchmarks.stage import CannotMeasure, Stage, arm_requests
from benchmarks.targets import Compared, Figure
from benchmarks.told_events import annotation_of, event_of
from local.azure.life import Verb
from local.host.process import HostProcess

WEBHOOK = "/runtime/webhooks/eventgrid?functionName=vm_event"
VMS = 12
"""Of each kind: powered off, shut down and annotated, shut down without a word."""
GRACE = timedelta(seconds=3)
SWEEPS = timedelta(seconds=4)
"""The distance of sweeps where there are any."""
NO_SWEEPS = "0 0 0 29 2 *"
WITHIN = 60.0
"""Seconds until all are flagged, at the very most."""


async def chapter(vms: int = VMS) -> list[Figure]:
    """First with an event for each VM and without sweeps; then with sweeps and without any event."""
    async with Stage() as stage:
        ids = await stage.running(3 * vms)
        off, shut, silent = ids[:vms], ids[vms : 2 * vms], ids[2 * vms :]
        return [*await _told(stage, off, shut, silent), await _untold(stage, silent)]


async def _told(stage: Stage, off: Sequence[str], shut: Sequence[str], others: Sequence[str]) -> list[Figure]:
    """Events of two kinds, one after the other; all VMs are known to have run before."""
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(HostProcess(_settings(stage, NO_SWEEPS)))
        http = await stack.enter_async_context(aiohttp.ClientSession(host.url))
        floor = await stack.enter_async_context(Floor(stage.arm, stage.storage))
        rows = dict[Name, list[Row]]()
        bare = await stack.enter_async_context(
            aiohttp.ClientSession(await _webhook(stack, Exchange(floor, rows)))
        )
        counts = stage.counts()
        for each in (*off, *shut, *others):
            await _post(http, event_of(Verb.UPDATE, each).as_event_grid())
        await stage.act("power_off", off)
        await stage.act("guest_shutdown", shut)
        annotation = "VirtualMachineStoppedInternally"
        told = [
            *(("power_off", event_of(Verb.POWER_OFF, each).as_event_grid()) for each in off),
            *(("shutdown", annotation_of(annotation, each).as_event_grid()) for each in shut),
        ]
        await _post(bare, told[0][1])  # as the host has done, it makes its connections
        seconds: dict[str, list[tuple[float, float]]] = {"power_off": [], "shutdown": []}
        asked = 0
        for kind, event in told:
            await counts.since()
            began_at = datetime.now(UTC)
            ours = await _post(http, event)
            asked += arm_requests(await counts.since())
            rows.update(await written(floor, began_at))
            seconds[kind].append((ours, await _post(bare, event)))
        found = await _flagged(http, [*off, *shut])
    late = max(_at(vm["flag"]["flagged_at"]) - _at(vm["since"]) - GRACE for vm in found)
    return [
        *(_ratio(f"detection.{kind}", pairs) for kind, pairs in seconds.items()),
        Figure("detection.arm", asked / len(told)),
        Figure("detection.flag", late.total_seconds()),
    ]


async def _untold(stage: Stage, ids: Sequence[str]) -> Figure:
    """Guests that shut down and no event tells of it: the sweep that is due next has to see it."""
    schedule = f"*/{SWEEPS.seconds} * * * * *"
    async with (
        HostProcess(_settings(stage, schedule)) as host,
        aiohttp.ClientSession(host.url) as http,
    ):
        await stage.act("guest_shutdown", ids)
        distance = SWEEPS.total_seconds()
        due_at = datetime.fromtimestamp(math.ceil(time.time() / distance) * distance, UTC)
        found = await _flagged(http, ids)
    late = max(_at(vm["flag"]["flagged_at"]) - due_at - GRACE for vm in found)
    return Figure("detection.silent", late.total_seconds())


def _settings(stage: Stage, sweeps: str) -> dict[str, str]:
    return stage.settings() | {"STOPGAP_GRACE": f"{GRACE.seconds}s", "STOPGAP_SWEEP_SCHEDULE": sweeps}


def _ratio(key: str, seconds: Sequence[tuple[float, float]]) -> Figure:
    ours, floor = (median(each) * 1_000 for each in zip(*seconds, strict=True))
    ratio = median(one / other for one, other in seconds)
    return Figure(key, ratio, Compared("ms, app : floor", ours, floor))


async def _webhook(stack: AsyncExitStack, exchange: Exchange) -> str:
    """The floor's, which is told what to write as the app has written it; where it listens."""

    async def handle(request: web.Request) -> web.Response:
        (event,) = json.loads(await request.read())
        await exchange(event["subject"])
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def _post(http: aiohttp.ClientSession, event: Mapping[str, Any]) -> float:
    """Deliver an event; the seconds until it was answered, as it is once it is on record."""
    began = time.perf_counter()
    async with http.post(WEBHOOK, json=[event]) as answer:
        said = await answer.text()
    if answer.status != 202:
        raise CannotMeasure(f"an event was answered {answer.status}: {said}")
    return time.perf_counter() - began


async def _flagged(http: aiohttp.ClientSession, ids: Collection[str]) -> Sequence[Any]:
    """The VMs, once all of them are flagged. TimeoutError if one is not in time."""
    wanted = {each.lower() for each in ids}
    async with asyncio.timeout(WITHIN):
        while True:
            async with http.get("/api/vms?flagged=true&limit=1000") as answer:
                found = [vm for vm in (await answer.json())["vms"] if vm["id"] in wanted]
            if len(found) == len(wanted):
                return found
            await asyncio.sleep(0.2)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
