"""Port `Ledger`: the latest probe of each subscription."""

import asyncio
import json
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from shared.adapters.tables import TableLedger
from shared.domain.probes import Probe
from shared.ports import Arrival, Ledger
from tests.contracts.counting import Counting
from tests.contracts.fleet import NOON, new_subscription

type Counted = tuple[TableLedger, Counting]


def arrival(subscription: str, name: str = "7f3a", *, at: datetime = NOON, late: int = 2) -> Arrival:
    return Arrival(Probe(subscription, name, at), at + timedelta(seconds=late))


async def test_where_none_arrived_there_is_none(ledger: Ledger) -> None:
    assert await ledger.probes([]) == {}
    assert await ledger.probes([new_subscription()]) == {}
    assert await ledger.probes([new_subscription(), new_subscription()]) == {}


async def test_each_subscription_has_its_own(ledger: Ledger) -> None:
    first, second, other = new_subscription(), new_subscription(), new_subscription()
    for each in (second, other, first):
        assert await ledger.keep_probe(arrival(each, each[:8]))
    found = await ledger.probes([first, second])
    assert found == {first: arrival(first, first[:8]), second: arrival(second, second[:8])}


@pytest.mark.parametrize("order", list(permutations((0, 1, 2))))
async def test_an_older_one_never_takes_the_place_of_a_newer_one(
    ledger: Ledger, order: tuple[int, ...]
) -> None:
    subscription = new_subscription()
    for number in order:
        await ledger.keep_probe(arrival(subscription, f"p{number}", at=NOON + timedelta(seconds=number)))
    assert (await ledger.probes([subscription]))[subscription].probe.token == "p2"


async def test_one_that_is_delivered_twice_was_recorded_the_first_time(ledger: Ledger) -> None:
    subscription = new_subscription()
    assert await ledger.keep_probe(arrival(subscription, late=2))
    assert not await ledger.keep_probe(arrival(subscription, late=9))
    assert await ledger.probes([subscription]) == {subscription: arrival(subscription, late=2)}


async def test_of_many_that_arrive_at_once_the_latest_stays(ledger: Ledger) -> None:
    subscription = new_subscription()
    all_at_once = [
        ledger.keep_probe(arrival(subscription, f"p{number}", at=NOON + timedelta(seconds=number)))
        for number in range(8)
    ]
    await asyncio.gather(*all_at_once)
    assert (await ledger.probes([subscription]))[subscription].probe.token == "p7"


async def test_what_it_costs(counting: Counted) -> None:
    ledger, transport = counting
    subscription = new_subscription()
    await ledger.keep_probe(arrival(subscription))
    assert transport.requests == ["GET", "POST"]
    transport.clear()
    await ledger.keep_probe(arrival(subscription))
    assert transport.requests == ["GET"]


@pytest.mark.parametrize("body", ["{", json.dumps({"probe": 1})])
async def test_one_that_is_damaged_is_none_and_the_next_is_kept(table_ledger: TableLedger, body: str) -> None:
    subscription = new_subscription()
    await table_ledger.keep_probe(arrival(subscription))
    row = await table_ledger._table.get_entity("probes", subscription)
    await table_ledger._table.update_entity({**row, "body": body})
    assert await table_ledger.probes([subscription]) == {}
    assert await table_ledger.keep_probe(arrival(subscription, "next"))
    assert (await table_ledger.probes([subscription]))[subscription].probe.token == "next"
