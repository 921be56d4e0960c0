"""How soon a VM that is shut down is on record, and how soon after its grace it is flagged: through the local host."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from benchmarks.stage import Stage
from benchmarks.targets import Figure
from local.host.process import HostProcess

WEBHOOK = "/runtime/webhooks/eventgrid?functionName=vm_event"
VMS = 20
GRACE = timedelta(seconds=3)
WITHIN = 60.0
"""Seconds until all are flagged, at the very most."""


async def chapter() -> list[Figure]:
    """Guests that have shut down, one shortly after the other: the host, the queue and the clock are real."""
    async with Stage() as stage:
        ids = await stage.running(VMS)
        await stage.act("guest_shutdown", ids)
        return await _flags(stage, ids)


async def _flags(stage: Stage, ids: Sequence[str]) -> list[Figure]:
    settings = stage.settings() | {"STOPGAP_GRACE": f"{GRACE.seconds}s"}
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        await stage.steer("subscriptions", {"endpoint": f"{host.url}{WEBHOOK}"})
        # All have stopped by now: what is measured is how soon that is known once Azure tells of it.
        for each in ids:
            await stage.steer("vms/annotate", {"id": each, "name": "VirtualMachineStoppedInternally"})
        async with asyncio.timeout(WITHIN):
            found = await _flagged(http, {each.lower() for each in ids})
    lateness = [_at(vm["flag"]["flagged_at"]) - _at(vm["since"]) - GRACE for vm in found]
    return [
        Figure("detection.flag", max(lateness).total_seconds(), f"{VMS} VMs, a grace of {GRACE.seconds} s")
    ]


async def _flagged(http: aiohttp.ClientSession, ids: set[str]) -> Sequence[Any]:
    while True:
        async with http.get("/api/vms?flagged=true&limit=1000") as answer:
            found = [vm for vm in (await answer.json())["vms"] if vm["id"] in ids]
        if len(found) == len(ids):
            return found
        await asyncio.sleep(0.2)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
