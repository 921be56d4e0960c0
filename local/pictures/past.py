"""Some weeks in some seconds: the use cases over real storage and the simulated Azure, at a time that is set.

What is real time in a running app (its queues and timers) is taken step by step here. So the ledger holds afterwards
what the app would have written in those weeks, and the app goes on from there.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, time, timedelta

from local.azure.events import Event as AzureEvent
from local.azure.server import SimulatedAzure
from shared import bootstrap
from shared.accounts import Accounts
from shared.adapters.compute import ComputeVms
from shared.adapters.log import LogNotices
from shared.adapters.memory import MemoryQueue
from shared.adapters.prices import RetailPrices
from shared.adapters.tables import open_ledger
from shared.attempts import Attempts
from shared.budgets import Budgets
from shared.costs import Costs
from shared.domain.signals import Event
from shared.ports import Attempt, Look, Sweep
from shared.requests import Requests
from shared.settings import Settings
from shared.sweeps import Sweeps
from shared.watch import Watch

_NIGHT = time(3, 10)
"""When days are closed: function `close_days`."""


class Past:
    """The app, at a time that stands still until it is told to go on."""

    def __init__(self, azure: SimulatedAzure, begins_at: datetime) -> None:
        """Be at the beginning; `past` puts the rest in place.

        Args:
            azure: What is watched. Its clock is set along with ours.
            begins_at: When it begins, in UTC.
        """
        self.azure = azure
        self.now = begins_at
        self._heard = list[AzureEvent]()
        self._looks = MemoryQueue[Look](lambda: self.now)
        self._deallocations = MemoryQueue[Attempt](lambda: self.now)
        self._sweeps = MemoryQueue[Sweep](lambda: self.now)
        azure.clock.set(begins_at)
        azure.compute.publish = self._heard.append

    async def open(self, settings: Settings, parts: AsyncExitStack) -> None:
        """Put the use cases together as the app does; `parts` ends what they open."""
        storage, credential = settings.storage, bootstrap.credential_for(settings)
        ledger = open_ledger(storage.connection_string, storage.table_uri, credential)
        parts.push_async_callback(ledger.close)
        vms = ComputeVms(credential, endpoint=settings.arm_endpoint, clock=self._clock)
        parts.push_async_callback(vms.close)
        prices = RetailPrices(
            ledger, currency=settings.currency, endpoint=settings.prices_endpoint, clock=self._clock
        )
        parts.push_async_callback(prices.close)
        costs = Costs(lambda: prices, settings.currency, self._clock)
        self.watch = Watch(
            vms=vms,
            ledger=ledger,
            looks=self._looks,
            deallocations=self._deallocations,
            sweeps=self._sweeps,
            notices={channel: LogNotices() for channel in settings.policy.channels},
            costs=costs,
            policy=settings.policy,
            subscriptions=frozenset(settings.subscriptions),
            now=self._clock,
            budgets=Budgets(self._clock),
            keep_caller_name=settings.keep_caller_name,
        )
        self.requests = Requests(self.watch)
        self._attempts, self._sweeping = Attempts(self.watch, vms), Sweeps(self.watch, vms)
        self._accounts = Accounts(ledger, settings.subscriptions, costs, self._clock)

    async def until(self, at: datetime) -> None:
        """Let time pass: each queue delivers what becomes due, and each night the day before is closed."""
        while (due := self._next(at)) < at:
            self._set(due)
            if due.time() == _NIGHT:
                await self._accounts.close_days()
            for look in self._looks.due(due):
                await self.watch.look_again(look, 1)
            for attempt in self._deallocations.due(due):
                await self._attempts.make(attempt)
            for sweep in self._sweeps.due(due):
                await self._sweeping.sweep(sweep)
            await self._told()
        self._set(at)

    async def sweep(self) -> None:
        """Observe the whole fleet."""
        await self._sweeping.schedule()
        for sweep in self._sweeps.due(self.now):
            await self._sweeping.sweep(sweep)

    async def see(self, operation: Awaitable[object]) -> None:
        """Wait for something that somebody does to a VM, and for the app to hear of it."""
        await operation
        await self._told()

    async def _told(self) -> None:
        """Let operations come to their end, and take in what Azure tells of them."""
        await self.azure.compute.settle()
        heard = [event.as_event_grid() for event in self._heard]
        self._heard.clear()
        for each in heard:
            at = datetime.fromisoformat(each["eventTime"])
            await self.watch.event(Event(each["eventType"], each["subject"], at, each["data"]))

    def _next(self, at: datetime) -> datetime:
        """When something is due next, not later than `at`."""
        night = datetime.combine(self.now.date(), _NIGHT, self.now.tzinfo)
        nights = night if night > self.now else night + timedelta(days=1)
        queues = (self._looks.next_at, self._deallocations.next_at, self._sweeps.next_at)
        return max(self.now, min(at, nights, *(due for due in queues if due)))

    def _clock(self) -> datetime:
        return self.now

    def _set(self, at: datetime) -> None:
        self.now = at
        self.azure.clock.set(at)


@asynccontextmanager
async def past(
    azure: SimulatedAzure, environment: Mapping[str, str], begins_at: datetime
) -> AsyncIterator[Past]:
    """The app from a time on, as this environment sets it. Afterwards Azure has the real time again, and subscribers.

    Args:
        azure: What is watched.
        environment: The app's settings.
        begins_at: When it begins, in UTC.
    """
    publish = azure.compute.publish
    async with AsyncExitStack() as parts:
        made = Past(azure, begins_at)
        try:
            await made.open(Settings.from_env(environment), parts)
            yield made
        finally:
            azure.compute.publish = publish
            azure.clock.set(None)
