"""What VMs left Stopped cost: for every page and notice that shows it.

Prices come from outside and are an extra: a cost that cannot be told in time is left out, and nothing fails for it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from shared.domain.ids import VmId
from shared.domain.malformed import Malformed, shown
from shared.domain.money import Amount, Cost, Rates, Tariff, bounds, cost_of, episode_cost, listed
from shared.domain.records import Episode, Record
from shared.domain.states import PowerState
from shared.ports import Clock, PortError, Prices, Unavailable

log = logging.getLogger("stopgap.costs")

WITHIN = 2.0
"""Seconds that all prices of a page together may take."""


class Costs(Struct, eq=False):
    """Costs by list prices."""

    prices: Callable[[], Prices]
    """The price list, made when it is first needed."""
    currency: str
    now: Clock
    _failing: bool = False
    """Whether the last prices could not be had, which has been said."""

    async def patiently(self, records: Sequence[Record], tries: int) -> dict[VmId, Cost]:
        """The same as `of`, for who has time: asked again, up to so often, while a price is not to be had in time."""
        found = await self.of(records)
        for _ in range(tries - 1):
            if not self._failing:
                break
            found = await self.of(records)
        return found

    async def of(self, records: Sequence[Record]) -> dict[VmId, Cost]:
        """The costs of VMs that are Stopped. Of others there are none, and of those whose price is not to be had."""
        tariffs = {
            record.vm: Tariff.of(record.model)
            for record in records
            if record.power_state is PowerState.STOPPED
        }
        hourly, now = await self.hourly(set(tariffs.values())), self.now()
        return {
            record.vm: cost
            for record in records
            if (tariff := tariffs.get(record.vm))
            and tariff in hourly
            and (cost := cost_of(record, hourly[tariff], now))
        }

    async def of_life(
        self, record: Record, episodes: Sequence[Episode]
    ) -> tuple[Cost | None, list[Amount | None]]:
        """The cost of a VM if it is Stopped, and those of its episodes; None where it is not to be had."""
        if record.power_state is not PowerState.STOPPED and not episodes:
            return None, []
        tariff = Tariff.of(record.model)
        hourly = (await self.hourly({tariff})).get(tariff)
        if hourly is None:
            return None, [None] * len(episodes)
        return cost_of(record, hourly, self.now()), [episode_cost(each, hourly) for each in episodes]

    async def hourly(self, tariffs: Iterable[Tariff]) -> dict[Tariff, Amount]:
        """What VMs cost for an hour, without those whose price is not to be had. Each price is asked for once."""
        wanted = {tariff: listed(tariff) for tariff in tariffs}
        rates = await self._rates({place for place in wanted.values() if place})
        unknown = Rates(self.currency)
        return {
            tariff: bounds(rates[place] if place else unknown, tariff)
            for tariff, place in wanted.items()
            if place is None or place in rates
        }

    async def _rates(self, places: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Rates]:
        answers = await asyncio.gather(*(self._ask(*place) for place in places))
        faults = [answer for answer in answers if not isinstance(answer, Rates)]
        if faults and not self._failing:
            log.warning("%d of %d prices not to be had: %s", len(faults), len(places), faults[0])
        if places:
            self._failing = bool(faults)
        return {
            place: answer for place, answer in zip(places, answers, strict=True) if isinstance(answer, Rates)
        }

    async def _ask(self, location: str, size: str) -> Rates | PortError | Malformed:
        try:
            async with asyncio.timeout(WITHIN):
                return await self.prices().rates(location, size) or Rates(self.currency)
        except TimeoutError:
            return Unavailable(f"price of {shown(size)} in {shown(location)}: not within {WITHIN:g} s")
        except (PortError, Malformed) as fault:
            return fault
