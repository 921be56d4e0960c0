"""A world in which the real use cases watch one VM's true life, in bad weather.

Each event and each queued look is a task: the real `Watch`, over the real ports in memory, driven by hand from one
call of a port to the next. In between other tasks overtake it, or it dies and its event or message is delivered again.
"""

import random
from bisect import insort
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import coroutine

from shared.adapters.memory import MemoryLedger, MemoryNotices, MemoryQueue
from shared.domain.ids import VmId
from shared.domain.observations import Gone, Observation, read_vm
from shared.domain.policy import Channel, Policy
from shared.domain.records import Notice, Record
from shared.domain.signals import Event
from shared.ports import Attempt, Change, Look, PortError, Stored, Sweep, Unavailable
from shared.watch import Watch
from tests.domain.true_life import SUBSCRIPTION, VM, TrueLife, body

LAG = timedelta(seconds=5)
"""How old ARM's answer may be."""
TRIES = 4
"""A task dies at most so often: a queue gives up on a message after five deliveries."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What share of what goes wrong; 0 everywhere is a fine day."""

    seed: int = 0
    lost: float = 0
    """Signals that never come."""
    repeated: float = 0
    """Signals and queued looks that come again."""
    late: float = 0
    """Signals that are hours late; the others are seconds to minutes."""
    lagging: float = 0
    """Answers of ARM that are up to `LAG` old."""
    blank: float = 0
    """Answers of ARM without a power state."""
    refused: float = 0
    """Looks that ARM cannot answer now."""
    overtaken: float = 0
    """Steps of a task after which others go first."""
    deadly: float = 0
    """Steps of a task after which it dies."""
    deaf: float = 0
    """Notices that do not get through, or do and are not confirmed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look returned, and of which moment."""

    answer: Observation | Gone
    of: datetime
    """The moment of the truth that ARM answered from."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written at one time."""

    at: datetime
    before: Record | None
    change: Change


type Work = Callable[[int], Coroutine[object, object, object]]
"""Begins the work on an event or a queued look, given how often it has been delivered."""


@dataclass
class Task:
    """An event, or a queued look, being worked on."""

    begin: Work
    attempt: int
    running: Coroutine[object, object, object]
    delivered: set[str] = field(default_factory=set)
    """The notices that it got through and has not marked as sent yet."""


@coroutine
def _pause() -> Generator[str]:
    yield "asking ARM"


class World:
    """The truth, the weather, and what became of it all."""

    def __init__(self, life: TrueLife, weather: Weather, policy: Policy) -> None:
        self.life, self.weather = life, weather
        self.now = life.history[0].at
        self.seen: dict[datetime, Seen] = {}
        """The looks that were answered, by when they began."""
        self.saved: list[Saved] = []
        self.counts = Counter[str]()
        self.doubtful = Counter[str]()
        """How often the delivery of a notice was not confirmed, by its id."""
        self.ledger = _Ledger(self)
        self.looks = MemoryQueue[Look](lambda: self.now)
        self.deallocations = MemoryQueue[Attempt](lambda: self.now)
        self.sweeps = MemoryQueue[Sweep](lambda: self.now)
        self.notices = _Notices(self)
        self.task: Task | None = None
        self.watch = Watch(
            vms=_Arm(self),
            ledger=self.ledger,
            looks=self.looks,
            deallocations=self.deallocations,
            sweeps=self.sweeps,
            notices={Channel.TOPIC: self.notices},
            policy=policy,
            subscriptions=frozenset({SUBSCRIPTION}),
            now=lambda: self.now,
        )
        self._chance = random.Random(weather.seed)  # noqa: S311 - weather, not secrets
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._entries = 0
        self._forecast()

    def happens(self, share: float) -> bool:
        """Whether something happens this time that happens in this share of all cases."""
        return share > 0 and self._chance.random() < share

    def some(self, shortest: float, longest: float) -> timedelta:
        """Some seconds."""
        return timedelta(seconds=self._chance.uniform(shortest, longest))

    def run(self, until: datetime) -> None:
        """Let everything happen that is due by then."""
        while (at := self._next()) is not None and at <= until:
            self.now = max(self.now, at)
            for look in self.looks.due(self.now):
                self._receive(look)
            while self._agenda and self._agenda[0][0] <= self.now:
                self._agenda.pop(0)[2]()
        self.now = max(self.now, until)

    def sweep(self) -> None:
        """Look at the VM without any signal."""
        self._begin(lambda _: self.watch.observe(VM))

    @property
    def signals_end(self) -> datetime:
        """When the last of the signals comes that are on their way now."""
        return max((at for at, _, _ in self._agenda), default=self.now)

    def _next(self) -> datetime | None:
        times = [self.looks.next_at, self._agenda[0][0] if self._agenda else None]
        return min((at for at in times if at), default=None)

    def _at(self, time: datetime, act: Callable[[], None]) -> None:
        self._entries += 1
        insort(self._agenda, (time, self._entries, act))

    def _forecast(self) -> None:
        """When each signal comes, if it does, and how often."""
        for sent_at, event in self.life.signals:
            copies = 0 if self.happens(self.weather.lost) else 1
            while copies and self.happens(self.weather.repeated) and copies < 4:
                copies += 1
            for _ in range(copies):
                delay = self.some(0, 6 * 3600) if self.happens(self.weather.late) else self.some(0, 90)
                self._at(sent_at + delay, partial(self._begin, self._deliver(event)))

    def _deliver(self, event: Event) -> Work:
        return lambda _: self.watch.event(event)

    def _receive(self, look: Look) -> None:
        for _ in range(2 if self.happens(self.weather.repeated) else 1):
            self._begin(lambda attempt: self.watch.look_again(look, attempt))

    def _begin(self, begin: Work, attempt: int = 1) -> None:
        self._work(Task(begin, attempt, begin(attempt)))

    def _work(self, task: Task) -> None:
        """Work on a task until it is done, fails, dies or is overtaken."""
        self.task = task
        try:
            while True:
                doing = task.running.send(None)
                if task.attempt < TRIES and self.happens(self.weather.deadly):
                    task.running.close()
                    self.counts["died"] += 1
                    self._again(task)
                    break
                if self.happens(self.weather.overtaken):
                    time = self.some(0, 40) if doing else self.some(0, 2)
                    self._at(self.now + time, partial(self._work, task))
                    break
        except StopIteration:
            self.counts["done"] += 1
        except PortError:
            self.counts["failed"] += 1
            self._again(task)

    def _again(self, task: Task) -> None:
        self.doubtful.update(task.delivered)
        self._at(self.now + self.some(10, 60), partial(self._begin, task.begin, task.attempt + 1))


class _Arm:
    """Port `VmSource`, over the truth."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def look(self, vm: VmId) -> Observation | Gone:
        """One look."""
        world, weather = self._world, self._world.weather
        world.now += timedelta(microseconds=1)  # so that the time of a look names it
        began, of = world.now, world.now
        if world.happens(weather.lagging):
            of -= world.some(0, LAG.total_seconds())
        condition, blank = world.life.at(of), world.happens(weather.blank)
        await _pause()
        if world.happens(weather.refused):
            raise Unavailable("ARM is in no mood")
        answer = (
            Gone(vm, began) if condition.uid is None else read_vm(vm, body(condition, blank=blank), began)
        )
        world.seen[began] = Seen(answer, of)
        return answer


class _Ledger(MemoryLedger):
    """The ledger in memory, which tells the world of each save."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def save(self, change: Change, previous: Stored | None) -> Stored:
        try:
            stored = await super().save(change, previous)
        except PortError:
            self._world.counts["raced"] += 1
            raise
        world = self._world
        world.saved.append(Saved(world.now, previous.record if previous else None, change))
        assert world.task
        world.task.delivered &= {notice.id for notice in change.record.outbox}
        return stored


class _Notices(MemoryNotices):
    """The inbox in memory, which is deaf at times."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def send(self, notice: Notice, record: Record) -> None:
        world = self._world
        unheard = world.happens(world.weather.deaf)
        if unheard and world.happens(0.5):
            raise Unavailable("nobody is in")
        await super().send(notice, record)
        if unheard:
            world.doubtful[notice.id] += 1
            raise Unavailable("delivered, and not confirmed")
        assert world.task
        world.task.delivered.add(notice.id)
