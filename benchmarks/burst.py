"""A burst: thousands of events within minutes, with ARM's real budget enforced, and by a clock that is simulated.

VMs are looked at through the real adapter and over HTTP. Ledger and queues are those in memory, which have the same
contract as those on storage and can be told what time it is.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

import aiohttp
from azure.core.credentials import AccessToken

from benchmarks.stage import Counts, Stage, arm_requests
from benchmarks.targets import BURSTS, Compared, Figure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from shared.adapters.compute import ComputeVms
from shared.adapters.memory import MemoryLedger, MemoryNotices, MemoryPrices, MemoryQueue
from shared.attempts import Attempts
from shared.budgets import Budgets
from shared.costs import Costs
from shared.domain.ids import parse_vm_id
from shared.domain.policy import Channel, Policy
from shared.domain.signals import Event
from shared.ports import Attempt, Look, Sweep
from shared.sweeps import Sweeps
from shared.watch import Watch

EVENTS, SECONDS = 10_000, 300
AFTERWARDS = timedelta(minutes=2)
AT_ONCE = 16
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def chapter() -> list[Figure]:
    """Bursts over fleets of several sizes."""
    return [figure for size in BURSTS for figure in await _of(size)]


async def _of(size: int) -> list[Figure]:
    async with Stage() as stage:
        await stage.fleet(size)
        told = await stage.measure("burst")
    arm = arm_requests(told["counts"])
    throttled = sum(count for what, count in told["counts"].items() if what.endswith(" 429"))
    return [
        Figure(f"burst.{size}.throttled", throttled),
        Figure(f"burst.{size}.arm", arm / told["events"], Compared("requests : events", arm, told["events"])),
        Figure(f"burst.{size}.wrong", told["wrong"]),
    ]


@dataclass(slots=True)
class Clock:
    """The time of the app; that of the simulated Azure follows as the burst is played."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """Now, in UTC."""
        return self.now


class Nobody:
    """A credential that is not asked: on loopback there are no tokens."""

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        """None."""
        raise AssertionError("asked for a token, over plain http")


class Town:
    """One instance of the app, by a simulated clock."""

    def __init__(self, arm: str) -> None:
        self.clock = Clock()
        budgets = Budgets(self.clock)
        self.vms = ComputeVms(Nobody(), endpoint=arm, clock=self.clock, told=budgets.told)  # type: ignore[arg-type]
        self.ledger = MemoryLedger()
        self.looks, self.asked = MemoryQueue[Look](self.clock), MemoryQueue[Attempt](self.clock)
        self.sweeps = MemoryQueue[Sweep](self.clock)
        self.watch = Watch(
            vms=self.vms,
            ledger=self.ledger,
            looks=self.looks,
            deallocations=self.asked,
            sweeps=self.sweeps,
            notices={Channel.TOPIC: MemoryNotices()},
            costs=Costs(prices=MemoryPrices, currency="USD", now=self.clock),
            policy=Policy(),
            subscriptions=frozenset({DEFAULT_SUBSCRIPTION}),
            now=self.clock,
            budgets=budgets,
        )
        self.sweeping, self.attempts = Sweeps(self.watch, self.vms), Attempts(self.watch, self.vms)

    async def take(self, events: Iterable[dict[str, Any]]) -> None:
        """What is delivered now, some at a time; then what the queues have due."""
        await _each(self.watch.event, [_read(event) for event in events])
        await _each(lambda look: self.watch.look_again(look, 1), self.looks.due(self.clock()))
        await _each(self.attempts.make, self.asked.due(self.clock()))
        await _each(self.sweeping.sweep, self.sweeps.due(self.clock()))

    async def wrong(self, powers: dict[str, str]) -> int:
        """How many VMs the ledger takes for something else than they are."""
        count = 0
        for vm_id, power in powers.items():
            vm = parse_vm_id(vm_id)
            stored = await self.ledger.latest(vm) if vm else None
            count += stored is None or stored.record.power_state != power
        return count


async def measured(parameters: dict[str, Any]) -> dict[str, Any]:
    """The burst, second by second, and two minutes more."""
    arm = parameters["arm"]
    town = Town(arm)
    async with aiohttp.ClientSession() as http:

        async def steer(control: str, **body: object) -> Any:
            async with http.post(f"{arm}/_sim/{control}", json=body) as answer:
                return await answer.json()

        await steer("clock", at=town.clock().isoformat())
        await steer("limits", arm=True)
        await town.sweeping.sweep(Sweep(DEFAULT_SUBSCRIPTION, town.clock()))
        town.clock.now += timedelta(minutes=10)
        await steer("clock", at=town.clock().isoformat())
        await town.take(())
        counts = Counts(http, arm, parameters["counts"])
        await counts.since()
        begun = await steer(
            "burst", events=EVENTS, seconds=SECONDS, duplicates=0.1, disorder=0.1, held_back_seconds=60
        )
        ends_at, events = datetime.fromisoformat(begun["ends_at"]), 0
        while town.clock() < ends_at + AFTERWARDS:
            town.clock.now += timedelta(seconds=1)
            told = await steer("burst/play", until=town.clock().isoformat())
            events += len(told["events"])
            await town.take(told["events"])
        asked = await counts.since()
        async with http.get(f"{arm}/_sim/powers") as answer:
            powers = (await answer.json())["powers"]
        await steer("limits", arm=False)
        await steer("clock", at=None)
        wrong, outcomes = await town.wrong(powers), dict(town.watch.counts)
        await town.vms.close()
        return {"events": events, "counts": asked, "wrong": wrong, "outcomes": outcomes}


def _read(event: dict[str, Any]) -> Event:
    return Event(
        event["eventType"], event["subject"], datetime.fromisoformat(event["eventTime"]), event["data"]
    )


async def _each[Item](work: Callable[[Item], Awaitable[object]], items: Iterable[Item]) -> None:
    for some in batched(items, AT_ONCE, strict=False):
        await asyncio.gather(*(work(item) for item in some))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(json.load(sys.stdin)))))
