"""The use case of the summary: how many VMs are known, by what they are, and what of them the latest sweeps saw."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field

from shared.accounts import Accounts, Money
from shared.domain.states import PowerState
from shared.ports import Clock, Coverage, Ledger, Standing, Tally

FRESH = timedelta(seconds=10)
"""How long a summary holds."""

COUNTED = 1000
"""How many VMs of a subscription are counted one by one, which is one request: those of a larger fleet, a sweep has."""

MOST = 20_000
"""How many VMs one summary counts one by one, of all subscriptions together."""


class Summary(Struct, frozen=True):
    """What is known of all subscriptions."""

    at: datetime
    tallies: Mapping[str, Tally | None]
    """By subscription. None: not counted, as those before had so many VMs and it was never swept."""
    sweeps: Mapping[str, Coverage]
    """What the latest sweeps came to, of the subscriptions that were swept."""
    money: Money
    """What VMs left Stopped cost all together."""

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
    """Summaries, a new one every few seconds at most however many ask. Port errors propagate."""

    ledger: Ledger
    subscriptions: tuple[str, ...]
    now: Clock
    accounts: Accounts
    _latest: Summary | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def latest(self) -> Summary:
        """A summary that is no older than a few seconds."""
        async with self._making:
            if self._latest is None or abs(self.now() - self._latest.at) > FRESH:
                self._latest = await self._made()
            return self._latest

    async def _made(self) -> Summary:
        at, swept = self.now(), await self.ledger.coverage(self.subscriptions)
        books = await self.accounts.books()
        tallies, left = dict[str, Tally | None](), MOST
        for each, book in zip(self.subscriptions, books, strict=True):
            tally = tallies[each] = await self._tally(each, swept.get(each), book.standing, left)
            if tally and tally.at is None:
                left -= sum(tally.power_states.values())
        return Summary(at, tallies, swept, await self.accounts.money(books))

    async def _tally(
        self, subscription: str, swept: Coverage | None, standing: Standing, left: int
    ) -> Tally | None:
        """A small fleet is counted as the records have it, a large one as its latest complete sweep saw it."""
        if swept and sum(swept.power_states.values()) > COUNTED:
            return Tally(swept.power_states, standing.flagged, standing.whole, swept.covered_at)
        return await self.ledger.tally(subscription, min(COUNTED, left)) if left else None
