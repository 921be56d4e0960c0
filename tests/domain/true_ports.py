"""The ports of the true world: in memory, over the truth, as the weather has it, and with a memory of what passed."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import coroutine
from typing import TYPE_CHECKING

from shared.adapters.memory import MemoryLedger, MemoryNotices
from shared.domain.ids import VmId
from shared.domain.observations import Gone, Observation, read_vm
from shared.domain.records import Record
from shared.domain.telling import Telling
from shared.ports import Busy, Change, PortError, Stored, Throttled, Unavailable
from tests.domain.true_life import STOPGAP, Condition, Deed, End, body

if TYPE_CHECKING:
    from tests.domain.true_world import World

LAG = timedelta(seconds=5)
"""How old ARM's answer may be."""
LOOK, ASK = 40, 10
"""How many seconds a look may take, and how many each way of a deallocation's request and answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look returned, and of which moment."""

    answer: Observation | Gone
    of: datetime
    """The moment of the truth that ARM answered from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A deallocation that Azure was asked for."""

    sent_at: datetime
    at: datetime
    """When Azure got it."""
    looked_at: datetime | None
    """The last look of the attempt."""
    record: Record
    """As it was in the ledger when this was sent."""
    met: Condition
    """What was so when Azure got it."""
    taken: bool
    """Whether Azure took it."""
    done_at: datetime | None
    """When what it took had ended, and the VM was Deallocated; None: it was not."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written at one time."""

    at: datetime
    before: Record | None
    change: Change


@coroutine
def _pause(seconds: int) -> Generator[int]:
    """Let others go first, for so long at most."""
    yield seconds


class Arm:
    """Ports `VmSource` and `Deallocator`, over the truth."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def look(self, vm: VmId) -> Observation | Gone:
        """One look."""
        world, weather = self._world, self._world.weather
        world.now += timedelta(microseconds=1)  # so that the time of a look names it
        began, of = world.now, world.now
        if world.happens(weather.lagging):
            of -= world.some(0, LAG.total_seconds())
        condition, blank = world.life.at(of), world.happens(weather.blank)
        await _pause(LOOK)
        if world.happens(weather.refused):
            raise Unavailable("ARM is in no mood")
        answer = (
            Gone(vm, began) if condition.uid is None else read_vm(vm, body(condition, blank=blank), began)
        )
        world.seen[began] = Seen(answer, of)
        assert world.task
        world.task.looked_at = began
        return answer

    async def deallocate(self, vm: VmId) -> None:
        """One request, which is taken unless an operation is under way."""
        world, weather = self._world, self._world.weather
        sent_at, record = world.now, world.record
        assert world.task
        assert record
        looked_at = world.task.looked_at
        await _pause(ASK)
        at, fault, done_at = world.now, self._refused(vm), None
        met = world.life.at(at)
        if fault is None:
            longest = 3600 if world.happens(weather.slow) else 60
            deed = Deed(
                "deallocate",
                timedelta(),
                step=world.some(ASK, longest),  # it answers before it is done
                shown=world.some(0, ASK),
                end=End.FAILURE if world.happens(weather.failing) else End.SUCCESS,
                by=STOPGAP,
            )
            world.tell(world.life.do(deed, at))
            done_at = world.life.free_at if world.life.now.power == "deallocated" else None
        world.asked.append(Asked(sent_at, at, looked_at, record, met, fault is None, done_at))
        await _pause(ASK)
        if world.happens(weather.unanswered):
            raise Unavailable("ARM gave no answer")
        if fault:
            raise fault

    def _refused(self, vm: VmId) -> PortError | None:
        """Why Azure does not take a deallocation now."""
        world = self._world
        if world.happens(world.weather.throttled):
            return Throttled("too many requests", world.some(0, 1200))
        if world.now < world.life.free_at or not world.life.can("deallocate"):
            fault = Busy(f"{vm}: another operation is under way, or it cannot be deallocated")
            fault.code, fault.said = "Conflict", "another operation"
            return fault
        return None


class Ledger(MemoryLedger):
    """The ledger in memory, which tells the world of each save."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    async def save(self, change: Change, previous: Stored | None) -> Stored:
        """Write a change as one."""
        world = self._world
        try:
            stored = await super().save(change, previous)
        except PortError:
            world.counts["raced"] += 1
            raise
        world.now += timedelta(milliseconds=1)  # no two saves of a record are made at one time
        world.saved.append(Saved(world.now, previous.record if previous else None, change))
        assert world.task
        world.task.delivered &= {notice.id for notice in change.record.outbox}
        return stored


class Inbox(MemoryNotices):
    """The inbox in memory, which is deaf at times."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world
        self.sent_at: list[datetime] = []
        """When each of those that were sent was."""

    async def send(self, telling: Telling) -> None:
        """Keep a notice, or fail, or both."""
        notice, world = telling.notice, self._world
        unheard = world.happens(world.weather.deaf)
        if unheard and world.happens(0.5):
            raise Unavailable("nobody is in")
        await super().send(telling)
        self.sent_at.append(world.now)
        if unheard:
            world.doubtful[notice.id] += 1
            raise Unavailable("delivered, and not confirmed")
        assert world.task
        world.task.delivered.add(notice.id)
