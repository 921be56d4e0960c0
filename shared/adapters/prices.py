"""Azure's list prices, from the Retail Prices API: no credentials, and as few questions as will do.

An offer is asked for once a day: its price is kept in the process and in the ledger, and whoever wants it meanwhile
waits for the same answer. Callers wait no longer than they like; the question goes on without them, so that the next
one finds it answered.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, urlencode

from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest

from shared.domain.malformed import Malformed, shown
from shared.domain.money import Offer, Rates, read_page, read_rates
from shared.exchange import answer_to, exchange, next_page, plain_client, port_error, read_json
from shared.ports import Clock, Fetched, NotNow, PortError, PriceCache
from shared.settings import PUBLIC_PRICES
from shared.settings import endpoint as checked

log = logging.getLogger("stopgap.prices")

PATH = "/api/retail/prices"

CONNECT_SECONDS, READ_SECONDS = 3.0, 8.0
FETCH_SECONDS = 10.0
"""For all pages of an offer, tries included."""

PAGES = 20
"""An offer has a dozen rows or two, and a page holds a thousand: more is no answer to what was asked."""

AT_ONCE = 8
"""How many offers are asked for at once: the API throttles who overdoes it."""

PATIENCE = 1.0
"""Seconds that a caller waits for a fresh price where there is an older one."""

GOOD_FOR = timedelta(days=1)
"""List prices change on a few days of a year."""

PAUSE = timedelta(minutes=1)
"""How long an offer is left alone that could not be had, unless the API asks for more."""


class _Known(NamedTuple):
    """What is answered without asking anybody, until a time."""

    answer: Rates | PortError | Malformed | None
    until: datetime


class RetailPrices:
    """Port `Prices`."""

    def __init__(
        self, cache: PriceCache, *, currency: str, endpoint: str = PUBLIC_PRICES, clock: Clock
    ) -> None:
        """Make no connection yet.

        Args:
            cache: Where fetched prices are kept. What it cannot give is fetched again.
            currency: Three letters.
            endpoint: The API's address: https, or http on loopback (the simulated Azure). Else `ValueError`.
            clock: The time.
        """
        try:
            self._endpoint = checked(endpoint)
        except Malformed as fault:
            raise ValueError(f"STOPGAP_PRICES_ENDPOINT: {fault}") from None
        self._cache = cache
        self._currency = currency
        self._clock = clock
        self._client = plain_client(
            self._endpoint, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS
        )
        self._place = asyncio.Semaphore(AT_ONCE)
        self._known: dict[Offer, _Known] = {}
        self._last: dict[Offer, Fetched] = {}
        """What was last fetched, whatever its age."""
        self._asking: dict[Offer, asyncio.Task[Rates | None]] = {}
        self._outdated = False
        """Whether older prices are given out, and that has been said."""

    async def rates(self, location: str, size: str) -> Rates | None:
        """What VMs of a size cost in a region. Raises as `Prices.rates` says, and the same for a while."""
        offer = Offer.of(self._currency, location, size)
        known = self._known.get(offer)
        if known and self._clock() < known.until:
            if isinstance(known.answer, Exception):
                raise known.answer.with_traceback(None)
            return known.answer
        asking = self._asking.get(offer)
        if asking is None:
            asking = self._asking[offer] = asyncio.create_task(self._find(offer))
            asking.add_done_callback(partial(self._answered, offer))
        answered, _ = await asyncio.wait({asking}, timeout=PATIENCE)
        older = self._last.get(offer)
        if older and older.rates and not answered:
            return older.rates
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """End the connections and what is under way; nothing can be asked for afterwards."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._client.close()

    def _answered(self, offer: Offer, task: asyncio.Task[Rates | None]) -> None:
        del self._asking[offer]
        if not task.cancelled():
            task.exception()  # there may be nobody left to whom it is news

    async def _find(self, offer: Offer) -> Rates | None:
        """From the ledger while that is fresh, else from the API, else from before whatever its age."""
        now = self._clock()
        last = await self._kept(offer) or self._last.get(offer)
        if last:
            self._last[offer] = last
        if last is None or now - last.at >= GOOD_FOR:
            try:
                last = Fetched(await self._fetch(offer, now), now)
            except (PortError, Malformed) as fault:
                return self._older(offer, fault, now + _pause(fault))
            self._outdated = False
            self._last[offer] = last
            await self._keep(offer, last)
        self._known[offer] = _Known(last.rates, last.at + GOOD_FOR)
        return last.rates

    def _older(self, offer: Offer, fault: PortError | Malformed, until: datetime) -> Rates:
        """The price from before, while there can be no newer; the fault if there is none."""
        last = self._last.get(offer)
        if last is None or last.rates is None:
            self._known[offer] = _Known(fault, until)
            raise fault
        if not self._outdated:
            log.warning("prices of %s and older are used: %s", last.at.isoformat(), fault)
            self._outdated = True
        self._known[offer] = _Known(last.rates, until)
        return last.rates

    async def _kept(self, offer: Offer) -> Fetched | None:
        try:
            return await self._cache.price(offer)
        except PortError as fault:
            log.warning("a price that was kept cannot be read: %s", fault)
            return None

    async def _keep(self, offer: Offer, fetched: Fetched) -> None:
        try:
            await self._cache.keep_price(offer, fetched)
        except PortError as fault:
            log.warning("a price cannot be kept: %s", fault)

    async def _fetch(self, offer: Offer, now: datetime) -> Rates | None:
        asked = f"price list {self._endpoint}, {offer}"
        try:
            async with self._place, asyncio.timeout(FETCH_SECONDS):
                return read_rates(await self._rows(offer), offer, now)
        except (AzureError, TimeoutError) as error:
            raise port_error(asked, error) from error
        except Malformed as fault:
            raise Malformed(f"{asked}: {fault}") from None

    async def _rows(self, offer: Offer) -> list[object]:
        rows, url = list[object](), self._first_page(offer)
        for _ in range(PAGES):
            attempt = partial(answer_to, HttpRequest("GET", url), self._client)
            answer = await exchange(attempt, seconds=FETCH_SECONDS)
            page, following = read_page(read_json(answer, "the price list"))
            rows += page
            if following is None:
                return rows
            url = next_page(self._endpoint, following)
        raise Malformed(f"expected at most {PAGES} pages, got another: {shown(url)}")

    def _first_page(self, offer: Offer) -> str:
        wanted = {
            "serviceName": "Virtual Machines",
            "armRegionName": offer.location,
            "armSkuName": offer.size,
            "priceType": "Consumption",
        }
        terms = [f"{name} eq '{value.replace("'", "''")}'" for name, value in wanted.items()]
        query = {"currencyCode": f"'{offer.currency}'", "$filter": " and ".join(terms)}
        text = urlencode(query, safe="$", encoding="utf-8", errors="replace", quote_via=quote)
        return f"{self._endpoint}{PATH}?{text}"


def _pause(fault: PortError | Malformed) -> timedelta:
    wanted = fault.retry_after if isinstance(fault, NotNow) else None
    return max(PAUSE, wanted or PAUSE)
