"""The use case of the summary: how many VMs are known, by what they are, and what of them the latest sweeps saw."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from msgspec import Struct, field

from shared.domain.money import Sum
from shared.domain.states import PowerState
from shared.ports import Clock, Coverage, Ledger, Tally

FRESH = timedelta(minutes=1)
"""How long a summary holds: it reads a little of every record."""

MOST = 50_000
"""How many VMs one summary counts."""


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
    """What VMs cost while they were Stopped."""
    avoided: Figures
    """What VMs would have cost that Stopgap deallocated, from then until they were started or deleted, or now."""
    deallocated: int
    """How many VMs are Deallocated now because Stopgap did that."""
    days: tuple[Day, ...]
    """The latest days, the oldest first and today last."""
    whole: bool
    """Whether all of it was added up: not so where there is too much for an answer that people wait for."""


class Summary(Struct, frozen=True):
    """What is known of all subscriptions."""

    at: datetime
    tallies: Mapping[str, Tally | None]
    """By subscription. None: not counted, as those before had so many VMs."""
    sweeps: Mapping[str, Coverage]
    """What the latest sweeps came to, of the subscriptions that were swept."""
    money: Money | None = None

    @property
    def whole(self) -> bool:
        """Whether all VMs were counted."""
        return all(tally and tally.whole for tally in self.tallies.values())

    @property
    def power_states(self) -> Counter[PowerState]:
        """How many VMs are in which state, of all that were counted."""
        counted = Counter[PowerState]()
        for tally in self.tallies.values():
            counted.update(tally.power_states if tally else {})
        return counted

    @property
    def flagged(self) -> int:
        """How many of those that were counted are flagged."""
        return sum(tally.flagged for tally in self.tallies.values() if tally)


class Summaries(Struct, eq=False):
    """Summaries, a new one each minute at most however many ask. Port errors propagate."""

    ledger: Ledger
    subscriptions: tuple[str, ...]
    now: Clock
    _latest: Summary | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def latest(self) -> Summary:
        """A summary that is no older than a minute."""
        async with self._making:
            if self._latest is None or abs(self.now() - self._latest.at) > FRESH:
                self._latest = await self._made()
            return self._latest

    async def _made(self) -> Summary:
        at, left, tallies = self.now(), MOST, dict[str, Tally | None]()
        for subscription in self.subscriptions:
            tally = await self.ledger.tally(subscription, left) if left else None
            tallies[subscription] = tally
            left -= sum(tally.power_states.values()) if tally else 0
        return Summary(at, tallies, await self.ledger.coverage(self.subscriptions))
