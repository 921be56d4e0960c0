"""The ports in memory: for stories, and wherever nothing has to last. They pass the same contracts as the real ones.

Each call lets other tasks run first, as a request would: who loses a race against the real parts loses it here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from copy import replace
from datetime import date, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING

from shared.adapters import cursor, last_listed
from shared.domain.budget import next_sweep
from shared.domain.cap import drawn_by
from shared.domain.fleet import Sighted, fingerprint_of
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.money import Offer, Rates, Tariff
from shared.domain.observations import Gone, Observation
from shared.domain.records import Episode, Notice, Record, Transition
from shared.domain.spending import DaySpent, Past, pasts
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.domain.telling import Telling
from shared.ports import (
    Arrival,
    Busy,
    Change,
    Clock,
    Conflict,
    Coverage,
    Fetched,
    Forgotten,
    History,
    Known,
    Page,
    Pasts,
    PortError,
    Query,
    Standing,
    Stored,
    Tally,
)

if TYPE_CHECKING:
    from shared.domain.actions import Entry

LONGEST_DELAY = timedelta(days=6)
"""As of the real queue: a look that is due later comes early."""


class MemoryLedger:
    """Ports `Ledger` and `PriceCache`."""

    def __init__(self) -> None:
        self._stored: dict[VmId, Stored] = {}
        self._transitions: dict[VmId, dict[datetime, Transition]] = {}
        self._episodes: dict[VmId, dict[datetime, Episode]] = {}
        self._entries: dict[VmId, dict[tuple[datetime, int], Entry]] = {}
        self._drawn: tuple[datetime, ...] = ()
        self._planned: dict[str, datetime] = {}
        self._coverage: dict[str, Coverage] = {}
        self._probes: dict[str, Arrival] = {}
        self._places: dict[str, tuple[str, VmId, datetime, int]] = {}
        self._prices: dict[Offer, Fetched] = {}
        self._pasts: dict[tuple[datetime, VmId, datetime, bool], Past] = {}
        self._days: dict[str, dict[date, DaySpent]] = {}
        self._saves = 0

    async def latest(self, vm: VmId) -> Stored | None:
        """The record of one VM; None when there is none."""
        await asyncio.sleep(0)
        return self._stored.get(vm)

    async def save(self, change: Change, previous: Stored | None) -> Stored:
        """Write a change as one, if `previous` is what is there; else `Conflict`."""
        await asyncio.sleep(0)
        vm, stored = change.record.vm, self._stored.get(change.record.vm)
        if (stored and stored.version) != (previous and previous.version):
            raise Conflict(f"ledger in memory, save of {vm}: not as it was read")
        self._saves += 1
        self._stored[vm] = Stored(change.record, str(self._saves))
        if change.transition:
            self._transitions.setdefault(vm, {})[change.transition.seen_at] = change.transition
        tariff = Tariff.of((previous.record if previous else change.record).model)
        for episode in change.episodes:
            self._episodes.setdefault(vm, {})[episode.seen_at] = episode
            for past in pasts(episode, tariff):
                end = past.spell.ended_at or past.spell.began_at
                self._pasts[end, vm, episode.seen_at, past.avoided] = past
        for entry in change.entries:
            self._entries.setdefault(vm, {})[entry.at, entry.what.rank] = entry
        return self._stored[vm]

    async def page(self, query: Query) -> Page:
        """Some of the records that a query asks for."""
        await asyncio.sleep(0)
        last = last_listed(query)
        subscriptions = list(query.subscriptions)

        def place(vm: VmId) -> tuple[int, VmId]:
            return subscriptions.index(vm.subscription), vm

        found = sorted((r for r in self._asked_for(query)), key=lambda record: place(record.vm))
        rest = [record for record in found if last is None or place(record.vm) > place(last)]
        listed = rest[: query.limit]
        return Page(tuple(listed), cursor(listed[-1].vm) if len(rest) > len(listed) else None)

    async def instances(self, scale_set: ScaleSetId) -> list[VmId]:
        """The instances of a Uniform scale set that there are records of."""
        await asyncio.sleep(0)
        whose = (scale_set.subscription, scale_set.resource_group)
        return sorted(
            vm
            for vm in self._stored
            if (vm.subscription, vm.resource_group) == whose
            and vm.instance
            and vm.instance[0] == scale_set.name
        )

    async def history(self, vm: VmId, limit: int) -> History:
        """The latest `limit` transitions, episodes and entries of one VM."""
        await asyncio.sleep(0)
        return History(
            tuple(_latest(self._transitions.get(vm, {}), limit)),
            tuple(_latest(self._episodes.get(vm, {}), limit)),
            tuple(_latest(self._entries.get(vm, {}), limit)),
        )

    async def known(self, subscription: str) -> dict[VmId, Known]:
        """What is known of every VM of a subscription, in short."""
        await asyncio.sleep(0)
        return {
            vm: Known(
                fingerprint_of(stored.record),
                stored.record.look_at,
                stored.record.power_state is PowerState.DELETED,
            )
            for vm, stored in self._stored.items()
            if vm.subscription == subscription
        }

    async def tally(self, subscription: str, most: int) -> Tally:
        """How many VMs of a subscription are known, by what they are."""
        await asyncio.sleep(0)
        records = [stored.record for vm, stored in self._stored.items() if vm.subscription == subscription]
        counted = records[:most]
        return Tally(
            Counter(record.power_state for record in counted),
            sum(record.flag is not None for record in counted),
            whole=len(counted) == len(records),
        )

    async def standing(self, subscription: str, most: int) -> Standing:
        """The VMs of a subscription that cost or save something now."""
        await asyncio.sleep(0)
        records = sorted(
            (stored.record for vm, stored in self._stored.items() if vm.subscription == subscription),
            key=lambda record: record.vm,
        )
        stopped = [record for record in records if record.power_state is PowerState.STOPPED]
        saving = [record for record in records if record.saving]
        flagged = sum(record.flag is not None for record in records)
        return Standing(
            tuple(stopped[:most]),
            tuple(saving[:most]),
            min(flagged, most),
            whole=max(len(stopped), len(saving), flagged) <= most,
        )

    async def past(self, subscription: str, since: datetime, until: datetime, most: int) -> Pasts:
        """Spells of a subscription that ended in a stretch of time."""
        await asyncio.sleep(0)
        found = [
            past
            for (end, vm, *_), past in sorted(self._pasts.items(), key=lambda item: item[0], reverse=True)
            if vm.subscription == subscription and since <= end < until
        ]
        return Pasts(tuple(found[:most]), whole=len(found) <= most)

    async def keep_days(self, subscription: str, days: Sequence[DaySpent]) -> None:
        """Keep days that were added up."""
        await asyncio.sleep(0)
        self._days.setdefault(subscription, {}).update({day.day: day for day in days})

    async def days(self, subscription: str, most: int) -> list[DaySpent]:
        """The latest days that were added up."""
        await asyncio.sleep(0)
        days = self._days.get(subscription, {})
        return [days[day] for day in sorted(days, reverse=True)][:most]

    async def save_all(self, changes: Sequence[tuple[Change, Stored | None]]) -> list[PortError | None]:
        """Save changes, each as `save` does; what kept each from it."""
        kept = list[PortError | None]()
        for change, previous in changes:
            try:
                await self.save(change, previous)
            except Conflict as fault:
                kept.append(fault)
            else:
                kept.append(None)
        return kept

    async def plan_sweep(self, subscription: str, now: datetime, apart: timedelta) -> tuple[datetime, bool]:
        """When the next sweep that events ask for is due, and whether the caller is to ask for it."""
        await asyncio.sleep(0)
        planned_at = self._planned.get(subscription)
        due_at = self._planned[subscription] = next_sweep(planned_at, now, apart)
        return due_at, due_at != planned_at

    async def keep_coverage(self, coverage: Coverage) -> None:
        """Keep what the latest sweep of a subscription came to."""
        await asyncio.sleep(0)
        self._coverage[coverage.subscription] = coverage

    async def coverage(self, subscriptions: Sequence[str]) -> dict[str, Coverage]:
        """What the latest sweeps came to."""
        await asyncio.sleep(0)
        return {each: self._coverage[each] for each in subscriptions if each in self._coverage}

    async def keep_probe(self, arrival: Arrival) -> bool:
        """Keep a probe in the place of an earlier one; whether it was kept."""
        await asyncio.sleep(0)
        probe = arrival.probe
        kept = self._probes.get(probe.subscription)
        follows = probe.follows(kept.probe if kept else None)
        if follows:
            self._probes[probe.subscription] = arrival
        return follows

    async def probes(self, subscriptions: Sequence[str]) -> dict[str, Arrival]:
        """The latest probes."""
        await asyncio.sleep(0)
        return {each: self._probes[each] for each in subscriptions if each in self._probes}

    async def forget(self, subscription: str, before: datetime, most: int) -> Forgotten:
        """Remove what is from before a time, of at most so many transitions, episodes and entries."""
        await asyncio.sleep(0)
        ends = self._ends(subscription)
        place = self._places.pop(subscription, None)
        rest = [name for name in sorted(ends) if place is None or name > place]
        seen = rest[:most]
        old = [name for name in seen if (end := ends[name]) and end < before]
        for kind, vm, at, rank in old:
            match kind:
                case "entry":
                    del self._entries[vm][at, rank]
                case "episode":
                    del self._episodes[vm][at]
                case _:
                    del self._transitions[vm][at]
        if len(seen) == len(rest):
            gone = {name for name in self._pasts if name[1].subscription == subscription and name[0] < before}
            self._pasts = {name: past for name, past in self._pasts.items() if name not in gone}
        if len(seen) < len(rest):
            self._places[subscription] = seen[-1]
        return Forgotten(len(seen), len(old), finished=len(seen) == len(rest))

    def _ends(self, subscription: str) -> dict[tuple[str, VmId, datetime, int], datetime | None]:
        """From when each transition, episode and entry is; None for an episode that lasts."""
        found = dict[tuple[str, VmId, datetime, int], datetime | None]()
        for vm in self._stored:
            if vm.subscription == subscription:
                for at, rank in self._entries.get(vm, {}):
                    found["entry", vm, at, rank] = at
                for at, episode in self._episodes.get(vm, {}).items():
                    found["episode", vm, at, 0] = episode.ended_at and max(episode.ended_at, at)
                for at in self._transitions.get(vm, {}):
                    found["transition", vm, at, 0] = at
        return found

    async def draw(self, now: datetime, most: int) -> datetime | None:
        """Take one of the deallocations that may be sent within an hour; else when the next one is free."""
        await asyncio.sleep(0)
        self._drawn, free_at = drawn_by(self._drawn, now, most)
        return free_at

    async def free_at(self, now: datetime, most: int) -> datetime | None:
        """When the next one is free; None: now."""
        await asyncio.sleep(0)
        return drawn_by(self._drawn, now, most)[1]

    async def check(self) -> None:
        """Nothing can prevent its use."""

    async def price(self, offer: Offer) -> Fetched | None:
        """What was last fetched of an offer; None when nothing ever was."""
        await asyncio.sleep(0)
        return self._prices.get(offer)

    async def keep_price(self, offer: Offer, fetched: Fetched) -> None:
        """Keep what was fetched, in the place of what was kept before."""
        await asyncio.sleep(0)
        self._prices[offer] = fetched

    def _asked_for(self, query: Query) -> Iterable[Record]:
        for stored in self._stored.values():
            record = stored.record
            if (
                record.vm.subscription in query.subscriptions
                and query.flagged in {None, record.flag is not None}
                and query.power_state in {None, record.power_state}
                and (record.parked or not query.parked)
                and query.finds(record.vm)
            ):
                yield record


class MemoryQueue[Message]:
    """Port `Queue`. Whoever plays the host takes what is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[tuple[datetime, Message]] = []
        self.given_up = 0
        """How many messages whoever plays the host gave up on."""

    async def put(self, message: Message, delay: timedelta) -> None:
        """Ask for it after a delay."""
        await asyncio.sleep(0)
        self._waiting.append((self._clock() + min(max(delay, timedelta()), LONGEST_DELAY), message))

    async def check(self) -> None:
        """Nothing can prevent its use."""

    async def poisoned(self) -> int:
        """As many as `given_up` says."""
        await asyncio.sleep(0)
        return self.given_up

    async def oldest(self) -> datetime | None:
        """Since when the message is due that is due longest."""
        await asyncio.sleep(0)
        now = self._clock()
        return min((at for at, _ in self._waiting if at <= now), default=None)

    def due(self, now: datetime) -> list[Message]:
        """The messages whose delay is over, in the order of their time. They are taken off the queue."""
        due = sorted((item for item in self._waiting if item[0] <= now), key=lambda item: item[0])
        self._waiting = [item for item in self._waiting if item[0] > now]
        return [message for _, message in due]

    @property
    def next_at(self) -> datetime | None:
        """When the next message becomes due; None: none is waiting."""
        return min((at for at, _ in self._waiting), default=None)


class MemoryNotices:
    """Port `Notices`: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Telling] = []
        self.failure: PortError | None = None
        """While set, sending raises this."""

    async def send(self, telling: Telling) -> None:
        """Keep what is told, or fail."""
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        self.told.append(telling)

    @property
    def sent(self) -> list[tuple[Notice, Record]]:
        """The notices, each with the record as it was."""
        return [(telling.notice, telling.record) for telling in self.told]


class MemoryPrices:
    """Port `Prices`: what `listed` holds for a location and size. An exception in it is raised."""

    def __init__(self, listed: Mapping[tuple[str, str], Rates | Exception] | None = None) -> None:
        self.listed: dict[tuple[str, str], Rates | Exception] = dict(listed or {})
        self.asked: Counter[tuple[str, str]] = Counter()
        """How often each was asked for."""

    async def rates(self, location: str, size: str) -> Rates | None:
        """What VMs of a size cost in a region."""
        self.asked[location, size] += 1
        await asyncio.sleep(0)
        found = self.listed.get((location, size))
        if isinstance(found, Exception):
            raise found
        return found


class MemoryVms:
    """Ports `VmSource`, `Fleet` and `Deallocator`: the VMs that are there, to be changed at will.

    A look gives what `vms` holds for a VM, seen at the clock's time; an exception is raised; a VM that is not in
    it is `Gone`. The lists show an exception, or an unknown power state, as one that is unclear.
    """

    def __init__(
        self, clock: Clock, vms: Mapping[VmId, Observation | Gone | Exception] | None = None
    ) -> None:
        self._clock = clock
        self.vms: dict[VmId, Observation | Gone | Exception] = dict(vms or {})
        self.looks: Counter[VmId] = Counter()
        """How often each VM was looked at."""
        self.sweeps: Counter[str] = Counter()
        """How often each subscription was swept."""
        self.page_size = 2
        """How many VMs a page of the lists shows."""
        self.unlisted: set[VmId] = set()
        """VMs that the lists leave out."""
        self.page_faults: dict[int, Exception] = {}
        """What the lists raise in the place of a page, by its number."""
        self.deallocations: list[tuple[datetime, VmId]] = []
        """Each time that a VM was asked to be deallocated, whatever came of it."""
        self.refusals: list[PortError] = []
        """What the next askings raise, in this order, instead of being taken."""

    async def look(self, vm: VmId) -> Observation | Gone:
        """One look at one VM."""
        observed_at = self._clock()
        self.looks[vm] += 1
        seen = self.vms.get(vm, Gone(vm, observed_at))
        await asyncio.sleep(0)
        if isinstance(seen, Exception):
            raise seen
        now: Observation | Gone = replace(seen, observed_at=observed_at)  # type: ignore[assignment]  # of the same kind
        return now

    async def sight(self, subscription: str) -> AsyncIterator[Sighted]:
        """All VMs of a subscription, page by page."""
        self.sweeps[subscription] += 1
        observed_at = self._clock()
        vms = [
            (vm, seen)
            for vm, seen in self.vms.items()
            if vm.subscription == subscription and vm not in self.unlisted and not isinstance(seen, Gone)
        ]
        for number, some in enumerate([*batched(vms, self.page_size, strict=False), ()]):
            await asyncio.sleep(0)
            if fault := self.page_faults.get(number):
                raise fault
            seen = [
                replace(each, observed_at=observed_at) for _, each in some if isinstance(each, Observation)
            ]
            clear = [each for each in seen if each.reading.power_state is not PowerState.UNKNOWN]
            shown = {each.vm for each in clear}
            yield Sighted(tuple(clear), tuple(vm for vm, _ in some if vm not in shown))

    async def deallocate(self, vm: VmId) -> None:
        """Ask to deallocate. What is taken shows in `vms` as deallocating."""
        await asyncio.sleep(0)
        self.deallocations.append((self._clock(), vm))
        if self.refusals:
            raise self.refusals.pop(0)
        seen = self.vms.get(vm)
        if not isinstance(seen, Observation):
            raise _busy(vm, "ResourceNotFound", "there is no such VM")
        if not seen.reading.settled:
            raise _busy(vm, "Conflict", "another operation is under way")
        if seen.reading.power_state is not PowerState.DEALLOCATED:
            reading = Reading(
                PowerState.DEALLOCATING, ProvisioningState.UPDATING, detail=None, hibernated=False
            )
            self.vms[vm] = replace(seen, reading=reading)


def _busy(vm: VmId, code: str, said: str) -> Busy:
    fault = Busy(f"VMs in memory, deallocate {vm}: {said}")
    fault.code, fault.said = code, said
    return fault


def _latest[Name: (datetime, tuple[datetime, int]), Part](
    parts: Mapping[Name, Part], limit: int
) -> list[Part]:
    return [parts[at] for at in sorted(parts, reverse=True)][:limit]
