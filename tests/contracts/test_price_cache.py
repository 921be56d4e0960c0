"""The contract of port `PriceCache`, in memory and in Table Storage."""

from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters import tables
from shared.adapters.memory import MemoryLedger
from shared.adapters.tables import TableLedger
from shared.domain.money import Offer, Rates
from shared.ports import Damaged, Fetched, PriceCache, Query
from tests import strategies
from tests.contracts.fleet import NOON, minutes

RATES = Rates("EUR", 0.096, 0.188)


@pytest.fixture(scope="module", params=["memory", "tables"])
def cache(request: pytest.FixtureRequest) -> Iterator[PriceCache]:
    """Each test keeps to sizes of its own."""
    if request.param == "memory":
        yield MemoryLedger()
    else:
        yield request.getfixturevalue("table_ledger")


def new_offer(currency: str = "EUR", location: str = "westeurope", size: str | None = None) -> Offer:
    return Offer.of(currency, location, size or f"Standard_{uuid4().hex}")


async def test_nothing_was_fetched_of_an_offer_that_was_never_asked_for(cache: PriceCache) -> None:
    assert await cache.price(new_offer()) is None


@settings(max_examples=40)
@given(
    currency=st.sampled_from(["EUR", "USD"]),
    location=st.sampled_from(["westeurope", ""]) | st.text(max_size=40),
    size=st.sampled_from(["", "Standard_D2s_v5", "a/b\\c#d?e", "100%", "'", "x" * 2000, "\ud800", "\x00", "größe"])
    | st.text(max_size=40),
    rates=strategies.rates | st.none(),
    at=strategies.times,
)  # fmt: skip
async def test_what_is_kept_comes_back_as_it_was(
    cache: PriceCache, currency: str, location: str, size: str, rates: Rates | None, at: datetime
) -> None:
    offer = new_offer(currency, location, size)
    await cache.keep_price(offer, Fetched(rates, at))
    assert await cache.price(offer) == Fetched(rates, at)


async def test_that_none_was_found_is_kept_too(cache: PriceCache) -> None:
    offer = new_offer()
    await cache.keep_price(offer, Fetched(None, NOON))
    assert await cache.price(offer) == Fetched(None, NOON)


async def test_the_later_takes_the_place_of_the_earlier(cache: PriceCache) -> None:
    offer = new_offer()
    for number, rates in enumerate((RATES, None, Rates("EUR", 0.1, None))):
        fetched = Fetched(rates, minutes(number))
        await cache.keep_price(offer, fetched)
        assert await cache.price(offer) == fetched


async def test_offers_do_not_touch_each_other(cache: PriceCache) -> None:
    size = f"Standard_{uuid4().hex}"
    offers = [
        new_offer(size=size),
        new_offer("USD", size=size),
        new_offer(location="northeurope", size=size),
        new_offer(size=f"{size}/"),
    ]
    for number, offer in enumerate(offers):
        await cache.keep_price(offer, Fetched(Rates(offer.currency, number + 1.0), NOON))
    for number, offer in enumerate(offers):
        assert await cache.price(offer) == Fetched(Rates(offer.currency, number + 1.0), NOON)


class TestTables:
    async def test_rows_are_readable_for_people(self, table_ledger: TableLedger) -> None:
        offer = new_offer()
        await table_ledger.keep_price(offer, Fetched(RATES, NOON))
        row = await table_ledger._table.get_entity("prices", f"EUR!westeurope!{offer.size}")
        assert (row["fetched_at"], row["schema"]) == (NOON, 1)
        assert "0.096" in row["body"]

    async def test_prices_are_in_no_listing_of_vms(self, table_ledger: TableLedger) -> None:
        await table_ledger.keep_price(new_offer(), Fetched(RATES, NOON))
        assert (await table_ledger.page(Query((tables.PRICES,)))).records == ()

    async def test_a_row_that_cannot_be_read_is_named(self, table_ledger: TableLedger) -> None:
        offer = new_offer()
        await table_ledger.keep_price(offer, Fetched(RATES, NOON))
        row = {"PartitionKey": "prices", "RowKey": f"EUR!westeurope!{offer.size}", "body": '{"rates": 7}'}
        await table_ledger._table.update_entity(row)
        with pytest.raises(Damaged, match=f"'prices' 'EUR!westeurope!{offer.size}': expected a Fetched"):
            await table_ledger.price(offer)
