"""A world in memory with a settable clock: VMs, the ledger, the queue and the inbox around the use cases."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.memory import MemoryLedger, MemoryNotices, MemoryPrices, MemoryQueue, MemoryVms
from shared.attempts import Attempts
from shared.backlog import Backlog
from shared.budgets import Budgets
from shared.costs import Costs
from shared.domain.actions import What
from shared.domain.ids import VmId
from shared.domain.observations import Model, Observation
from shared.domain.policy import Channel, Policy
from shared.domain.records import Record
from shared.domain.signals import Event
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.ports import Attempt, Look, Sweep
from shared.requests import Requests
from shared.settings import EVERY_QUARTER
from shared.sweeps import Sweeps
from shared.watch import Outcome, Watch

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEB = VmId.of(SUBSCRIPTION, "rg-shop", "web-1")

NOTICES = {What.NOTICE_SENT, What.NOTICE_GIVEN_UP}


@dataclass
class World:
    """What a story plays in. Time stands still until the story moves it."""

    now: datetime = NOON
    policy: Policy = field(default_factory=Policy)
    prices: MemoryPrices = field(default_factory=MemoryPrices)

    def __post_init__(self) -> None:
        self.vms = MemoryVms(lambda: self.now)
        self.ledger = MemoryLedger()
        self.looks = MemoryQueue[Look](lambda: self.now)
        self.deallocations = MemoryQueue[Attempt](lambda: self.now)
        self.sweeps = MemoryQueue[Sweep](lambda: self.now)
        self.notices = MemoryNotices()
        self.watch = self.instance()

    @property
    def attempts(self) -> Attempts:
        """What the function `deallocate` calls."""
        return Attempts(self.watch, self.vms)

    @property
    def requests(self) -> Requests:
        """What the HTTP functions call."""
        return Requests(self.watch)

    @property
    def sweeping(self) -> Sweeps:
        """What the functions `sweep_schedule` and `sweep_subscription` call."""
        return Sweeps(self.watch, self.vms)

    def backlog(self, schedule: str = EVERY_QUARTER) -> Backlog:
        """What the function `sweep_schedule` measures."""
        return Backlog(self.watch, schedule)

    async def sweep(self, attempt: int = 1) -> Outcome:
        """A sweep that is asked for now, and done at once."""
        return await self.sweeping.sweep(Sweep(SUBSCRIPTION, self.now), attempt)

    def instance(self) -> Watch:
        """An instance of the app: the platform may run many, and start another when one dies."""
        return Watch(
            vms=self.vms,
            ledger=self.ledger,
            looks=self.looks,
            deallocations=self.deallocations,
            sweeps=self.sweeps,
            notices={Channel.TOPIC: self.notices},
            costs=Costs(lambda: self.prices, "USD", lambda: self.now),
            policy=self.policy,
            subscriptions=frozenset({SUBSCRIPTION}),
            now=lambda: self.now,
            budgets=Budgets(lambda: self.now),
        )

    def put(
        self,
        power: str,
        *,
        provisioning: str = "succeeded",
        tags: dict[str, str] | None = None,
        vm: VmId = WEB,
        **model: Any,  # noqa: ANN401 - whatever a model has
    ) -> None:
        """What Azure answers from now on when it is asked for the VM."""
        reading = Reading(PowerState(power), ProvisioningState(provisioning), None, hibernated=False)
        self.vms.vms[vm] = Observation(vm, self.now, reading, Model(uid="uid-1", **model), tags or {})

    async def tell(
        self, operation: str = "powerOff/action", *, ago: timedelta = timedelta(), vm: VmId = WEB
    ) -> Outcome:
        """Deliver the event of an operation on a VM that ended some time ago."""
        data = {"operationName": f"Microsoft.Compute/virtualMachines/{operation}", "correlationId": "corr-1"}
        return await self.watch.event(
            Event("Microsoft.Resources.ResourceActionSuccess", str(vm), self.now - ago, data)
        )

    async def deliver(self) -> list[Outcome]:
        """Let the queues deliver what is due now."""
        looks = [await self.watch.look_again(look, 1) for look in self.looks.due(self.now)]
        attempts = [await self.attempts.make(attempt) for attempt in self.deallocations.due(self.now)]
        sweeps = [await self.sweeping.sweep(sweep) for sweep in self.sweeps.due(self.now)]
        return looks + attempts + sweeps

    async def wait(self, time: timedelta) -> None:
        """Let time pass, and the queues deliver each message as it becomes due."""
        until = self.now + time
        while (at := self._next()) is not None and at <= until:
            self.now = max(self.now, at)
            await self.deliver()
        self.now = until

    def _next(self) -> datetime | None:
        times = (self.looks.next_at, self.deallocations.next_at, self.sweeps.next_at)
        return min((at for at in times if at), default=None)

    async def record(self, vm: VmId = WEB) -> Record:
        """The latest word on a VM."""
        stored = await self.ledger.latest(vm)
        assert stored
        return stored.record

    def told(self) -> list[str]:
        """The kinds of the notices that were sent."""
        return [notice.kind for notice, _ in self.notices.sent]

    async def log(self) -> list[tuple[str, str | None]]:
        """The log of the VM's actions, oldest first: what, and who. Without notices, see `noticed`."""
        entries = (await self.ledger.history(WEB, 100)).entries
        return [(entry.what, entry.by) for entry in reversed(entries) if entry.what not in NOTICES]

    async def noticed(self) -> list[tuple[str, str]]:
        """What the log of the VM's actions tells of notices, oldest first: what, and the circumstances."""
        entries = (await self.ledger.history(WEB, 100)).entries
        return [(entry.what, entry.text) for entry in reversed(entries) if entry.what in NOTICES]

    def look(self) -> Look:
        """A look at the VM, due now."""
        return Look(WEB, self.now)
