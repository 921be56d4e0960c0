"""A world in which the real use cases watch one VM's true life, and end its stays in Stopped, in bad weather.

Each event, each queued message and each wish of a person is a task: the real use cases, over the real ports in memory,
driven by hand from one call of a port to the next. In between other tasks overtake it, or it dies and its event or
message is delivered again. Tasks share nothing but the ledger, the queues and the truth, as instances of the app do.
"""

import asyncio
import random
from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.adapters.memory import MemoryPrices, MemoryQueue
from shared.attempts import Attempts
from shared.budgets import Budgets
from shared.costs import Costs
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.money import Cost
from shared.domain.policy import Channel, Policy
from shared.domain.records import Record
from shared.domain.signals import Event
from shared.ports import Attempt, Look, PortError, Sweep
from shared.requests import NoSuchVm, NotDone, Requests
from shared.watch import Watch
from tests.domain.true_life import SUBSCRIPTION, VM, Condition, Deed, Sent, TrueLife
from tests.domain.true_ports import Arm, Asked, Inbox, Ledger, Saved, Seen

TRIES = 4
"""A task dies at most so often: a queue gives up on a message after five deliveries."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What share of what goes wrong; 0 everywhere is a fine day."""

    seed: int = 0
    lost: float = 0
    """Signals that never come."""
    repeated: float = 0
    """Signals and queued messages that come again."""
    late: float = 0
    """Signals that are hours late; the others are seconds to minutes."""
    lagging: float = 0
    """Answers of ARM that are up to `LAG` old."""
    blank: float = 0
    """Answers of ARM without a power state."""
    refused: float = 0
    """Looks that ARM cannot answer now."""
    throttled: float = 0
    """Deallocations that ARM does not take now."""
    unanswered: float = 0
    """Deallocations of which ARM's answer is lost."""
    failing: float = 0
    """Deallocations that get half-way; the VM is back where it was."""
    slow: float = 0
    """Deallocations that take longer than Stopgap waits."""
    raced: float = 0
    """Steps of an attempt just after which the next deed or wish comes."""
    overtaken: float = 0
    """Steps of a task after which others go first."""
    deadly: float = 0
    """Steps of a task after which it dies."""
    deaf: float = 0
    """Notices that do not get through, or do and are not confirmed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for, some time after the wish before."""

    what: str
    after: timedelta
    lasts: timedelta = timedelta(hours=1)
    """How long what is asked for is to last, if it has an end."""


WISHES: Mapping[str, Callable[[Requests, datetime], Coroutine[Any, None, Record]]] = {
    "deallocate": lambda requests, _: requests.deallocate(VM, "ada"),
    "look": lambda requests, _: requests.look(VM, "ada"),
    "snooze": lambda requests, until: requests.snooze(VM, until, "ada"),
    "snooze no longer": lambda requests, _: requests.snooze(VM, None, "ada"),
    "exempt": lambda requests, until: requests.exempt(VM, Exemption(until, "keep", "ada"), "ada"),
    "exempt for good": lambda requests, _: requests.exempt(VM, Exemption(None, "keep", "ada"), "ada"),
    "exempt no longer": lambda requests, _: requests.exempt(VM, None, "ada"),
}


@dataclass(frozen=True, slots=True)
class Granted:
    """A wish that was answered with 202."""

    what: str
    until: datetime
    at: datetime
    record: Record
    """The answer."""


type Work = Callable[[int], Coroutine[Any, None, object]]
"""Begins the work on an event, a queued message or a wish, given how often it has been delivered."""


@dataclass
class Task:
    """An event, a queued message or a wish being worked on."""

    begin: Work
    attempt: int
    running: Coroutine[Any, None, object]
    raced: bool = False
    """Whether others hurry to be before it."""
    delivered: set[str] = field(default_factory=set)
    """The notices that it got through and has not marked as sent yet."""
    looked_at: datetime | None = None
    """Its last look that was answered."""


class World:
    """The truth, the weather, and what became of it all."""

    def __init__(
        self,
        first: Condition,
        deeds: Iterable[Deed],
        weather: Weather,
        policy: Policy,
        wishes: Iterable[Wish] = (),
    ) -> None:
        self.life, self.weather = TrueLife(first), weather
        self.now = self.life.free_at
        self.seen: dict[datetime, Seen] = {}
        """The looks that were answered, by when they began."""
        self.saved: list[Saved] = []
        self.heard: list[Sent] = []
        """The events that were taken in, and when."""
        self.asked: list[Asked] = []
        self.granted: list[Granted] = []
        self.counts = Counter[str]()
        self.doubtful = Counter[str]()
        """How often the delivery of a notice was not confirmed, by its id."""
        arm, self.ledger, self.notices = Arm(self), Ledger(self), Inbox(self)
        self.looks = MemoryQueue[Look](lambda: self.now)
        self.deallocations = MemoryQueue[Attempt](lambda: self.now)
        self.sweeps = MemoryQueue[Sweep](lambda: self.now)
        self.task: Task | None = None
        self.watch = Watch(
            vms=arm,
            ledger=self.ledger,
            looks=self.looks,
            deallocations=self.deallocations,
            sweeps=self.sweeps,
            notices={Channel.TOPIC: self.notices},
            costs=_NoCosts(MemoryPrices, "USD", lambda: self.now),
            policy=policy,
            subscriptions=frozenset({SUBSCRIPTION}),
            now=lambda: self.now,
            budgets=Budgets(lambda: self.now),
        )
        self.attempts, self.requests = Attempts(self.watch, arm), Requests(self.watch)
        self._chance = random.Random(weather.seed)  # noqa: S311 - weather, not secrets
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._entries = 0
        self._deeds, self._wishes = deque(deeds), deque(wishes)
        self._plan_deed()
        self._plan_wish()

    @property
    def record(self) -> Record | None:
        """As it is in the ledger."""
        return self.saved[-1].change.record if self.saved else None

    def happens(self, share: float) -> bool:
        """Whether something happens this time that happens in this share of all cases."""
        return share > 0 and self._chance.random() < share

    def some(self, shortest: float, longest: float) -> timedelta:
        """Some seconds."""
        return timedelta(seconds=self._chance.uniform(shortest, longest))

    def live(self) -> None:
        """Let all deeds be done, all wishes be told and all their signals come."""
        while self._deeds or self._wishes:
            self.run(self._agenda[0][0])
        self.run(max(self._agenda[-1][0] if self._agenda else self.now, self.life.free_at))

    def run(self, until: datetime) -> None:
        """Let everything happen that is due by then."""
        while (at := self._next()) is not None and at <= until:
            self.now = max(self.now, at)
            for look in self.looks.due(self.now):
                self._receive(partial(self.watch.look_again, look))
            for attempt in self.deallocations.due(self.now):
                self._receive(self._attempt(attempt), raced=True)
            while self._agenda and self._agenda[0][0] <= self.now:
                self._agenda.pop(0)[2]()
        self.now = max(self.now, until)

    def sweep(self) -> None:
        """Look at the VM without any signal."""
        self._begin(lambda _: self.watch.observe(VM))

    def tell(self, signals: Iterable[Sent]) -> None:
        """Let signals come, later and as often as the weather has it."""
        for sent_at, event in signals:
            copies = 0 if self.happens(self.weather.lost) else 1
            while copies and self.happens(self.weather.repeated) and copies < 4:
                copies += 1
            for _ in range(copies):
                delay = self.some(0, 6 * 3600) if self.happens(self.weather.late) else self.some(0, 90)
                self._at(sent_at + delay, partial(self._begin, partial(self._hear, event)))

    def _next(self) -> datetime | None:
        times = [
            self.looks.next_at,
            self.deallocations.next_at,
            self._agenda[0][0] if self._agenda else None,
        ]
        return min((at for at in times if at), default=None)

    def _at(self, time: datetime, act: Callable[[], None]) -> None:
        self._entries += 1
        insort(self._agenda, (time, self._entries, act))

    def _plan_deed(self) -> None:
        if self._deeds:
            deed = self._deeds[0]
            self._at(max(self.now, self.life.free_at) + deed.after, partial(self._do, deed))

    def _do(self, deed: Deed) -> None:
        """Do a deed, unless it was done in a hurry; while something else is under way, Azure refuses it."""
        if not self._deeds or self._deeds[0] is not deed:
            return
        if self.now < self.life.free_at:
            self._at(self.life.free_at, partial(self._do, deed))
            return
        self.tell(self.life.do(self._deeds.popleft(), self.now))
        self._plan_deed()

    def _plan_wish(self) -> None:
        if self._wishes:
            wish = self._wishes[0]
            self._at(self.now + wish.after, partial(self._wish, wish))

    def _wish(self, wish: Wish) -> None:
        if not self._wishes or self._wishes[0] is not wish:
            return
        self._wishes.popleft()
        self._plan_wish()
        self._begin(partial(self._ask, wish.what, self.now + wish.lasts))

    async def _ask(self, what: str, until: datetime, _: int) -> None:
        try:
            record = await WISHES[what](self.requests, until)
        except (NotDone, NoSuchVm):
            self.counts["declined"] += 1
        else:
            self.granted.append(Granted(what, until, self.now, record))

    def _hurry(self) -> None:
        """Let the next deed be done, or the next wish be told, now."""
        if self._deeds and self.happens(0.7):
            self._do(self._deeds[0])
        elif self._wishes:
            self._wish(self._wishes[0])

    async def _hear(self, event: Event, _: int) -> None:
        await self.watch.event(event)
        self.heard.append((self.now, event))

    def _attempt(self, attempt: Attempt) -> Work:
        return lambda _: self.attempts.make(attempt)

    def _receive(self, begin: Work, *, raced: bool = False) -> None:
        for _ in range(2 if self.happens(self.weather.repeated) else 1):
            self._begin(begin, raced=raced)

    def _begin(self, begin: Work, attempt: int = 1, *, raced: bool = False) -> None:
        self._work(Task(begin, attempt, begin(attempt), raced))

    def _work(self, task: Task) -> None:
        """Work on a task until it is done, fails, dies or is overtaken."""
        try:
            while True:
                self.task = task
                seconds = task.running.send(None)
                if task.attempt < TRIES and self.happens(self.weather.deadly):
                    task.running.close()
                    self.counts["died"] += 1
                    self._again(task)
                    break
                if task.raced and self.happens(self.weather.raced):
                    self._hurry()
                if self.happens(self.weather.overtaken):
                    time = self.some(0, seconds or 2)
                    self._at(self.now + time, partial(self._work, task))
                    break
        except StopIteration:
            self.counts["done"] += 1
        except PortError:
            self.counts["failed"] += 1
            self._again(task)

    def _again(self, task: Task) -> None:
        self.doubtful.update(task.delivered)
        again = partial(self._begin, task.begin, task.attempt + 1, raced=task.raced)
        self._at(self.now + self.some(10, 60), again)


class _NoCosts(Costs):
    """Costs that nobody knows: the real ones need an event loop."""

    async def of(self, _: Sequence[Record]) -> dict[VmId, Cost]:
        await asyncio.sleep(0)
        return {}
