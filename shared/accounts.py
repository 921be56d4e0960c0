"""The use case of money: what VMs left Stopped cost all together, day by day, and what deallocating them avoided.

What is over for good is added up once a day, by subscription, and kept as hours. An answer takes those days, what has
ended since, and what lasts: its cost follows what happened of late, not the fleet and not the past.
"""

import asyncio
import logging
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from msgspec import Struct

from shared.costs import Costs
from shared.domain.malformed import Malformed
from shared.domain.money import HOURS_A_MONTH, Amount, Sum, Tariff, total
from shared.domain.records import Episode, Record
from shared.domain.spending import ONE_DAY, DaySpent, Hours, by_day, lasting, midnight
from shared.ports import Clock, Ledger, Standing

log = logging.getLogger("stopgap.accounts")

SHOWN = 31
"""How many days are told of one by one, today among them."""

MOST = 20_000
"""How many spells of one subscription an answer adds up, of each kind: more would take longer than people wait."""

MOST_TOLD = 50_000
"""How many episodes a download holds."""

AT_ONCE = 8
"""How many subscriptions are asked about at once."""

A_MOMENT = timedelta(minutes=5)
"""A spell can have ended a little later than now, by the clock of who told of its end."""


class Figures(Struct, frozen=True):
    """Sums of this month and of all time."""

    this_month: Sum
    """Since the first of the month, 00:00 UTC."""
    total: Sum
    """Since Stopgap watches."""


class Day(Struct, frozen=True):
    """One day, in UTC."""

    day: date
    wasted: Sum
    """What VMs cost on it while they were Stopped."""
    avoided: Sum
    """What VMs would have cost on it that Stopgap had deallocated."""
    hours: float
    """How long VMs were Stopped on it, all together."""


class Money(Struct, frozen=True):
    """What VMs left Stopped cost all together, by Azure's list prices. Sums leave out what has none."""

    currency: str
    stopped: int
    """How many VMs are Stopped now, and so billed without use."""
    hourly: Sum
    """What these cost for an hour; `unpriced` counts VMs."""
    wasted: Figures
    """What VMs cost while they were Stopped; `unpriced` counts hours."""
    avoided: Figures
    """What VMs would have cost that Stopgap deallocated, from then until they were started or deleted, or now."""
    deallocated: int
    """How many VMs are Deallocated now because Stopgap did that."""
    days: tuple[Day, ...]
    """The latest days, the oldest first and today last."""
    whole: bool
    """Whether all of it was added up: not so where there is too much for an answer that people wait for."""

    @property
    def monthly(self) -> Sum:
        """What the VMs that are Stopped now cost for a month."""
        return Sum(self.hourly.amount.times(HOURS_A_MONTH), self.hourly.unpriced)


class Period(Struct, frozen=True):
    """Which episodes are asked for."""

    subscriptions: tuple[str, ...]
    since: date
    """Those that ended on this day, in UTC, or later,"""
    until: date
    """and on this one or before;"""
    lasting: bool
    """and those that last."""


class Told(Struct, frozen=True):
    """An episode, and what it cost."""

    episode: Episode
    tariff: Tariff
    hours: float
    """How long it was, or is by now."""
    cost: Amount | None
    """None: not to be had."""


class Books(Struct, frozen=True):
    """What is known of one subscription's spending."""

    standing: Standing
    days: Mapping[date, Hours]
    """The latest days, today among them."""
    total: Hours
    """Of all days."""
    last: DaySpent | None
    """The last day that was added up; None: none was."""
    whole: bool


class Accounts(Struct, eq=False):
    """What was wasted and avoided. Port errors propagate."""

    ledger: Ledger
    subscriptions: tuple[str, ...]
    costs: Costs
    now: Clock

    async def books(self) -> list[Books]:
        """What is known of each subscription's spending."""
        place = asyncio.Semaphore(AT_ONCE)

        async def read(subscription: str) -> Books:
            async with place:
                return await self._books(subscription, MOST)

        return await asyncio.gather(*(read(each) for each in self.subscriptions))

    async def money(self, books: Sequence[Books]) -> Money:
        """What it comes to, by the prices of today."""
        stopped = [record for each in books for record in each.standing.stopped]
        hours = sum((each.total for each in books), Hours())
        shown, today = dict[date, Hours](), self.now().date()
        for day in (today - ONE_DAY * ago for ago in reversed(range(SHOWN))):
            shown[day] = sum((each.days.get(day, Hours()) for each in books), Hours())
        month = sum((each for day, each in shown.items() if day >= today.replace(day=1)), Hours())
        vms = _counted(stopped)
        tariffs = {tariff for tariff, _ in (*vms, *hours.wasted, *hours.avoided)}
        prices = _Prices(self.costs.currency, await self.costs.hourly(tariffs))
        return Money(
            currency=self.costs.currency,
            stopped=len(stopped),
            hourly=prices.of(vms),
            wasted=Figures(prices.of(month.wasted), prices.of(hours.wasted)),
            avoided=Figures(prices.of(month.avoided), prices.of(hours.avoided)),
            deallocated=sum(len(each.standing.saving) for each in books),
            days=tuple(
                Day(
                    day,
                    prices.of(each.wasted),
                    prices.of(each.avoided),
                    sum(count for _, count in each.wasted),
                )
                for day, each in shown.items()
            ),
            whole=all(each.whole for each in books),
        )

    async def episodes(self, period: Period) -> list[Told]:
        """The episodes of a period: those that last, then those that ended, the latest first.

        `Malformed` when there are more than `MOST_TOLD`: what is told is never a part that looks like all.
        """
        now, found = self.now(), list[tuple[Episode, Tariff]]()
        since, until = midnight(period.since), midnight(period.until + ONE_DAY)
        for subscription in period.subscriptions:
            past = await self.ledger.past(subscription, since, until, 2 * MOST_TOLD)
            found += [(each.episode, each.tariff) for each in past.pasts if not each.avoided]
            whole = past.whole
            if period.lasting:
                standing = await self.ledger.standing(subscription, MOST_TOLD)
                found += _lasting(standing.stopped)
                whole = whole and standing.whole
            if not whole or len(found) > MOST_TOLD:
                raise Malformed(
                    f"since: there are more than {MOST_TOLD} episodes since {period.since.isoformat()}; "
                    "expected a shorter time, or one subscription"
                )
        hourly = await self.costs.hourly({tariff for _, tariff in found})
        told = list[Told]()
        for episode, tariff in found:
            hours = ((episode.ended_at or now) - episode.started_at).total_seconds() / 3600
            rate = hourly.get(tariff)
            told.append(Told(episode, tariff, max(hours, 0.0), rate.times(max(hours, 0.0)) if rate else None))
        return sorted(
            told, key=lambda each: (each.episode.ended_at or now, each.episode.started_at), reverse=True
        )

    async def close_days(self) -> None:
        """Add up the days that are over. A subscription that fails keeps no other from it, and is raised at the end."""
        failures, closed = list[Exception](), 0
        for subscription in self.subscriptions:
            try:
                closed += await self._close(subscription)
            except Exception as fault:  # noqa: BLE001 - raised below
                failures.append(fault)
        log.info("days closed='%d' subscriptions='%d'", closed, len(self.subscriptions))
        if failures:
            raise ExceptionGroup(f"{len(failures)} subscriptions could not be added up", failures)

    async def _close(self, subscription: str) -> int:
        """Add up the days of one subscription that are over and were not; how many."""
        today = self.now().date()
        books = await self._books(subscription, sys.maxsize)
        last, days = books.last, list[DaySpent]()
        total = last.total if last else Hours()
        for day, hours in sorted(books.days.items()):
            if day < today and not (last and day <= last.day):
                total += hours
                days.append(DaySpent(day, hours, total))
        await self.ledger.keep_days(subscription, days)
        return len(days)

    async def _books(self, subscription: str, most: int) -> Books:
        now = self.now()
        kept = await self.ledger.days(subscription, SHOWN)
        first = kept[0].day + ONE_DAY if kept else now.date() - ONE_DAY * (SHOWN - 1)
        standing, past = await asyncio.gather(
            self.ledger.standing(subscription, most),
            self.ledger.past(subscription, midnight(first), now + A_MOMENT, most),
        )
        spells = [each.spell for each in past.pasts if each.counts]
        spells += filter(None, map(lasting, (*standing.stopped, *standing.saving)))
        fresh = by_day(spells, first, now)
        total = sum(fresh.values(), kept[0].total if kept else Hours())
        days = {each.day: each.hours for each in kept} | dict(fresh)
        last = kept[0] if kept else None
        return Books(standing, days, total, last, whole=standing.whole and past.whole)


class _Prices(Struct, frozen=True):
    currency: str
    hourly: Mapping[Tariff, Amount]

    def of(self, quantities: Iterable[tuple[Tariff, float]]) -> Sum:
        return total(self.currency, self.hourly, dict(quantities))


def _lasting(stopped: Iterable[Record]) -> Iterator[tuple[Episode, Tariff]]:
    """The episodes that VMs are in."""
    for record in stopped:
        episode = Episode.of(record.vm, record.settled) if record.settled else None
        if episode:
            yield episode, Tariff.of(record.model)


def _counted(records: Collection[Record]) -> tuple[tuple[Tariff, float], ...]:
    """How many VMs there are of each tariff."""
    counted = dict[Tariff, float]()
    for record in records:
        tariff = Tariff.of(record.model)
        counted[tariff] = counted.get(tariff, 0.0) + 1
    return tuple(counted.items())
