"""Bursts: many operations on many VMs within minutes, as at eight in the morning, and the events that tell of them.

What happens is planned beforehand, from a seed: to each VM one operation after the other, each possible in the state
that the one before leaves. It then happens in real time (`run`) or in simulated time (`play`).
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import accumulate, pairwise
from typing import Required, TypedDict

from local.azure.clock import Clock
from local.azure.compute import AVAILABLE_WHILE, Compute
from local.azure.errors import ArmError
from local.azure.events import Event
from local.azure.life import OPERATIONS, Verb
from local.azure.model import PowerState, VirtualMachine

_VERBS: Mapping[PowerState | None, tuple[Verb, ...]] = {
    PowerState.RUNNING: (Verb.POWER_OFF, Verb.GUEST_SHUTDOWN, Verb.DEALLOCATE),
    PowerState.STOPPED: (Verb.START, Verb.DEALLOCATE),
    PowerState.DEALLOCATED: (Verb.START,),
}
"""What may happen to a VM that is settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstSettings:
    """What a burst is like. Shares are between 0 and 1."""

    events: int
    """How many different events there are at least; the last operation may tell of two or three more."""
    seconds: float
    """How long it takes until the last operation has ended."""
    seed: int = 0
    duplicates: float = 0.0
    """Share of the events that are delivered twice."""
    disorder: float = 0.0
    """Share of the events that are held back, so that later ones overtake them."""
    held_back_seconds: float = 60.0
    """The longest that such an event, or the second delivery of one, is held back."""

    def __post_init__(self) -> None:
        """Raise ValueError for a burst of nothing, or in no time."""
        if self.events < 1 or self.seconds <= 0:
            raise ValueError(
                f"a burst is of {self.events} events in {self.seconds} seconds; expected more than 0 of both"
            )


class BurstOptions(TypedDict, total=False):
    """The fields of `BurstSettings`, as keyword arguments."""

    events: Required[int]
    seconds: Required[float]
    seed: int
    duplicates: float
    disorder: float
    held_back_seconds: float


@dataclass(frozen=True, slots=True)
class Planned:
    """An operation that is to begin; times are in seconds, from the burst's beginning."""

    begins: float
    takes: float
    vm: VirtualMachine
    verb: Verb


type _Act = Callable[[], Event | None]
"""Lets something happen; what is delivered by it, if anything is."""


@dataclass(slots=True, kw_only=True)
class Burst:
    """A burst that goes on as time does. What is true of the VMs at any time is what `Cloud` knows."""

    compute: Compute
    clock: Clock
    settings: BurstSettings
    plan: tuple[Planned, ...]
    begins_at: datetime
    refused: int = 0
    """Operations that could not begin, as somebody else had done something to the VM: nobody is told of them."""
    _chance: random.Random = field(init=False)
    _agenda: list[tuple[datetime, int, _Act]] = field(default_factory=list)
    _entered: int = 0
    _moment: datetime = field(init=False)
    """What has come up on the agenda is due then: in real time it may be a little later."""

    def __post_init__(self) -> None:
        self._moment = self.begins_at
        self._chance = random.Random(self.settings.seed)  # noqa: S311 - a simulation, repeatable by its seed
        for planned in self.plan:
            self._enter(self.begins_at + timedelta(seconds=planned.begins), partial(self._begin, planned))

    @property
    def ends_at(self) -> datetime:
        """When all operations have ended; events that were held back come later."""
        return self.begins_at + timedelta(seconds=self.settings.seconds)

    @property
    def next_at(self) -> datetime | None:
        """When something happens next, or is delivered; None: it is over."""
        return self._agenda[0][0] if self._agenda else None

    def play(self, until: datetime | None = None) -> list[Event]:
        """Let happen what is due by a time, or all that is left, and set the clock: simulated time.

        Returns:
            What is delivered by then, in this order. It goes to no subscriber.
        """
        delivered = list[Event]()
        while self.next_at is not None and (until is None or self.next_at <= until):
            act = self._next()
            self.clock.set(self._moment)
            event = act()
            if event is not None:
                delivered.append(event)
        if until is not None:
            self.clock.set(until)
        return delivered

    async def run(self) -> None:
        """Let everything happen in its time, from now on; events go to whoever has subscribed."""
        time = asyncio.get_running_loop().time
        began = time()
        while self._agenda:
            act = self._next()
            await asyncio.sleep((self._moment - self.begins_at).total_seconds() - (time() - began))
            event = act()
            if event is not None:
                self.compute.publish(event)

    def _begin(self, planned: Planned) -> None:
        """Begin an operation, if that is possible."""
        try:
            _, way = self.compute.enter(planned.verb, planned.vm, seconds=planned.takes, tell=self._tell)
        except ArmError:
            self.refused += 1
        else:
            self._go_on(way)

    def _go_on(self, way: Iterator[float]) -> None:
        """Go on with an operation, until it has ended."""
        pause = next(way, None)
        if pause is not None:
            self._enter(self._moment + timedelta(seconds=pause), partial(self._go_on, way))

    def _tell(self, event: Event) -> None:
        held_back = self._chance.random() < self.settings.disorder
        self._deliver(event, self._a_while() if held_back else timedelta())
        if self._chance.random() < self.settings.duplicates:
            self._deliver(event, self._a_while())

    def _deliver(self, event: Event, later: timedelta) -> None:
        self._enter(self._moment + later, lambda: event)

    def _a_while(self) -> timedelta:
        return timedelta(seconds=self._chance.uniform(0, self.settings.held_back_seconds))

    def _enter(self, at: datetime, act: _Act) -> None:
        self._entered += 1
        heappush(self._agenda, (at, self._entered, act))

    def _next(self) -> _Act:
        self._moment, _, act = heappop(self._agenda)
        return act


def plan(vms: Collection[VirtualMachine], settings: BurstSettings) -> tuple[Planned, ...]:
    """What is to happen. Raises ValueError if there is no VM that something can happen to."""
    powers = {vm.spec.key: vm.condition.power for vm in vms if vm.condition.is_settled and not vm.busy_with}
    able = [vm for vm in vms if powers.get(vm.spec.key) in _VERBS]
    if not able:
        raise ValueError("a burst needs VMs that are running, stopped or deallocated; there are none")
    chance = random.Random(settings.seed)  # noqa: S311 - a simulation, repeatable by its seed
    verbs: dict[str, list[Verb]] = {}
    told = 0
    while told < settings.events:
        vm = chance.choice(able)
        power = powers[vm.spec.key]
        verb = chance.choice(_verbs(power, vm))
        verbs.setdefault(vm.spec.key, []).append(verb)
        told += _told(verb, power)
        powers[vm.spec.key] = OPERATIONS[verb].paths[power][-1].power
    return tuple(
        planned for vm in able for planned in _times(vm, verbs.get(vm.spec.key, []), settings.seconds, chance)
    )


def _verbs(power: PowerState | None, vm: VirtualMachine) -> list[Verb]:
    """What may happen to a VM in a power state."""
    return [verb for verb in _VERBS[power] if verb is not Verb.DEALLOCATE or not vm.spec.ephemeral_os_disk]


def _told(verb: Verb, power: PowerState | None) -> int:
    """How many events tell of an operation."""
    operation = OPERATIONS[verb]
    powers = [power, *(step.power for step in operation.paths[power])]
    available = [each in AVAILABLE_WHILE for each in powers]
    changes = sum(before != after for before, after in pairwise(available))
    return changes + bool(operation.annotation) + bool(operation.arm)


def _times(vm: VirtualMachine, verbs: list[Verb], seconds: float, chance: random.Random) -> Iterator[Planned]:
    """One after the other, as long as in real life, or shorter if there would be too little time between them."""
    takes = [OPERATIONS[verb].seconds for verb in verbs]
    haste = min(1.0, seconds / 2 / sum(takes)) if takes else 1.0
    takes = [each * haste for each in takes]
    idle = sorted(chance.uniform(0, seconds - sum(takes)) for _ in verbs)
    for verb, taken, waited, before in zip(verbs, takes, idle, accumulate(takes, initial=0.0), strict=False):
        yield Planned(waited + before, taken, vm, verb)
