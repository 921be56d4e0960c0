"""A race against an owner who starts a VM, at any moment from its flag to its deallocation and after.

The real use cases over the real SDK, the simulated Azure and Azurite, in this process, so that a start can be put
exactly before or after any request to Azure and any to the ledger. Events of the start are delivered to another
instance of the app while the race goes on. Hours of grace and warning pass at once: the clock is moved.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

from local.azure.arm import LoggedRequest
from local.azure.delivery import DeliverySettings
from local.azure.errors import ArmError
from local.azure.interposition import RequestMoment
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from shared.adapters.compute import ComputeVms
from shared.adapters.memory import MemoryNotices, MemoryPrices, MemoryQueue
from shared.adapters.tables import TableLedger
from shared.attempts import Attempts
from shared.budgets import Budgets
from shared.costs import Costs
from shared.domain.ids import VmId, parse_vm_id
from shared.domain.observations import Gone, Observation
from shared.domain.policy import Channel, Mode, Policy
from shared.domain.records import Record
from shared.domain.signals import Event
from shared.ports import Attempt, Change, Look, Stored, Sweep, VmSource
from shared.watch import Watch
from tests.contracts.credentials import Nobody

GRACE, WARNING = timedelta(minutes=15), timedelta(hours=1)
ARMED = Policy(mode=Mode.DEALLOCATE, grace=GRACE, warning=WARNING, allow_deallocate=True, most_per_hour=1000)
MOMENTS = 36
"""More moments than there are from the look that asks for a deallocation to the one that confirms it."""


@dataclass
class Clock:
    """The time, which can be moved on."""

    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved

    def to(self, at: datetime) -> None:
        """Let it be this time, unless it is later already."""
        self.moved += max(at - self(), timedelta())


@dataclass
class Owner:
    """Starts the VM at one moment, or begins to."""

    azure: SimulatedAzure
    vm_id: str
    at: int
    """Which of the moments."""
    waits: bool
    """Whether the start has ended before anything else goes on."""
    moments: list[str] = field(default_factory=list)
    """Those that there were."""
    started: bool = False
    refused: str | None = None

    async def moment(self, name: str) -> None:
        """Something is about to happen, or just has."""
        self.moments.append(name)
        if len(self.moments) == self.at + 1:
            await self.start()

    async def start(self) -> None:
        """Start it, unless Azure refuses."""
        try:
            operation = self.azure.start(self.vm_id)
        except ArmError as error:
            self.refused = error.code
            return
        self.started = True
        if self.waits:
            await operation

    async def request(self, moment: RequestMoment) -> None:
        """The same, around a request to Azure about this VM."""
        if moment.vm_id == self.vm_id.lower():
            await self.moment(f"{moment.when} {moment.operation}")


class Looker:
    """ARM, as the racing instance asks it: remembers what it saw last before it asked for anything."""

    def __init__(self, vms: ComputeVms) -> None:
        self._vms = vms
        self._last: Observation | Gone | None = None
        self.relied_on: list[Observation | Gone | None] = []
        """The last look before each deallocation that was asked for."""

    async def look(self, vm: VmId) -> Observation | Gone:
        self._last = await self._vms.look(vm)
        return self._last

    async def deallocate(self, vm: VmId) -> None:
        self.relied_on.append(self._last)
        await self._vms.deallocate(vm)


class RacedLedger(TableLedger):
    """The ledger in Table Storage, raced at each request."""

    def __init__(self, ledger: TableLedger, owner: Owner) -> None:
        self.__dict__.update(vars(ledger))
        self._owner = owner

    async def latest(self, vm: VmId) -> Stored | None:
        await self._owner.moment("before read")
        stored = await super().latest(vm)
        await self._owner.moment("after read")
        return stored

    async def save(self, change: Change, previous: Stored | None) -> Stored:
        await self._owner.moment("before save")
        stored = await super().save(change, previous)
        await self._owner.moment("after save")
        return stored

    async def draw(self, now: datetime, most: int) -> datetime | None:
        await self._owner.moment("before draw")
        free_at = await super().draw(now, most)
        await self._owner.moment("after draw")
        return free_at


@dataclass
class Outcome:
    """What came of a race."""

    owner: Owner
    record: Record
    requests: list[LoggedRequest]
    """To Azure, by Stopgap, about this VM."""
    power: str
    """The true power state in the end."""
    told: Sequence[str]
    relied_on: Sequence[Observation | Gone | None]
    """What Stopgap had seen last when it asked for each deallocation."""

    @property
    def posts(self) -> list[LoggedRequest]:
        """The deallocations that Azure was asked for."""
        return [request for request in self.requests if request.operation == "deallocate"]


class Arena:
    """Where races are run: one Azure, one ledger, two instances of the app."""

    def __init__(self, azure: SimulatedAzure, ledger: TableLedger, clock: Clock) -> None:
        self.azure, self.ledger, self.clock = azure, ledger, clock
        self.vms = ComputeVms(Nobody(), endpoint=azure.url, clock=clock)
        self.other: Watch | None = None
        """The instance that takes events while a race is on."""
        self._races = 0

    async def deliver(self, request: web.Request) -> web.Response:
        """Take an event from Event Grid as the app does."""
        body = await request.json()
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            return web.json_response({"validationResponse": body[0]["data"]["validationCode"]})
        for event in body:
            at = datetime.fromisoformat(event["eventTime"])
            if self.other:
                await self.other.event(Event(event["eventType"], event["subject"], at, event["data"]))
        return web.Response()

    async def race(self, seed: int) -> Outcome:
        """Flag a VM, and let its owner start it at some moment."""
        chance = random.Random(seed)  # noqa: S311 - a race to be repeated
        self._races += 1
        vm_id = self.azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-race", f"vm-{self._races}", state="stopped")
        owner = Owner(self.azure, vm_id, chance.randrange(MOMENTS), waits=chance.random() < 0.7)
        self.azure.set_operation_seconds(chance.choice([0, 0, 0.001, 0.01, 0.03]))
        queues = MemoryQueue[Look](self.clock), MemoryQueue[Attempt](self.clock)
        notices = MemoryNotices()

        looker = Looker(self.vms)

        def watch(ledger: TableLedger, vms: VmSource) -> Watch:
            return Watch(
                vms=vms,
                ledger=ledger,
                looks=queues[0],
                deallocations=queues[1],
                sweeps=MemoryQueue[Sweep](self.clock),
                notices={Channel.TOPIC: notices},
                costs=Costs(MemoryPrices, "USD", self.clock),
                policy=ARMED,
                subscriptions=frozenset({DEFAULT_SUBSCRIPTION}),
                now=self.clock,
                budgets=Budgets(self.clock),
            )

        vm = parse_vm_id(vm_id)
        assert vm
        racing = watch(RacedLedger(self.ledger, owner), looker)
        self.other = watch(self.ledger, self.vms)
        await self.other.observe(vm)
        self.clock.moved += GRACE
        await self.other.observe(vm)
        stored = await self.ledger.latest(vm)
        assert stored
        assert stored.record.flag
        assert stored.record.flag.deallocate_after
        self.clock.to(stored.record.flag.deallocate_after)
        self.azure.interpose(owner.request)
        attempts = Attempts(racing, looker)
        await self._play(attempts, queues, vm)
        self.azure.arm.interposition.callbacks.clear()
        await self.azure.settle()
        await self._play(attempts, queues, vm)
        stored = await self.ledger.latest(vm)
        assert stored
        asked = [request for request in self.azure.requests if request.path.lower().startswith(str(vm))]
        power = self.azure.vms[vm_id.lower()].condition.power
        told = [notice.kind for notice, _ in notices.sent]
        return Outcome(owner, stored.record, asked, str(power), told, looker.relied_on)

    async def _play(
        self, attempts: Attempts, queues: tuple[MemoryQueue[Look], MemoryQueue[Attempt]], vm: VmId
    ) -> None:
        """Let the queues deliver, and time pass, until nothing is to come."""
        for _ in range(60):
            at = min((queue.next_at for queue in queues if queue.next_at), default=None)
            if at is None:
                return
            await self.azure.settle()
            self.clock.to(at)
            for look in queues[0].due(self.clock()):
                await attempts.watch.look_again(look, 1)
            for attempt in queues[1].due(self.clock()):
                await attempts.make(attempt)
        raise AssertionError(f"{vm}: no end in sight")


@asynccontextmanager
async def arena(ledger: TableLedger) -> AsyncIterator[Arena]:
    clock = Clock()
    delivery = DeliverySettings(seed=1, duplicates=0.5, disorder=0.3, held_back_seconds=0.01)
    async with SimulatedAzure(clock=clock, delivery=delivery) as azure:
        races = Arena(azure, ledger, clock)
        app = web.Application()
        app.router.add_post("/events", races.deliver)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        await azure.subscribe(f"http://{host}:{port}/events")
        try:
            yield races
        finally:
            await races.vms.close()
            await runner.cleanup()
