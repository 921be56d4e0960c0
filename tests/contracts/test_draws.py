"""The cap, which instances of the app share: port `Ledger`'s `draw`, in memory and in Table Storage."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.rest import AsyncHttpResponse, HttpRequest

from local.azurite import Azurite
from shared.adapters import tables
from shared.adapters.memory import MemoryLedger
from shared.adapters.tables import TableLedger, open_ledger
from shared.ports import Busy, Damaged, Ledger
from shared.rows import Found, Rows
from shared.settings import HIGHEST_CAP
from shared.storage import Account
from shared.transport import Transport
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import NOON, minutes

HOUR, INSTANT = timedelta(hours=1), timedelta(microseconds=1)


class LosesAnAnswer(Transport):
    """Loses the answer to the first write."""

    lost = False

    async def send(self, request: HttpRequest, **options: Any) -> AsyncHttpResponse:  # noqa: ANN401 - whatever is given
        response = await super().send(request, **options)
        if request.method == "POST" and not self.lost:
            self.lost = True
            raise ServiceResponseError("lost")
        return response


@pytest.fixture
async def drawn_in_table(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TableLedger]:
    """A ledger with a cap of its own, on which nothing was drawn yet."""
    monkeypatch.setattr(tables, "TABLE", f"ledger{uuid4().hex}")
    ledger = open_ledger(azurite.connection_string, None, NOBODY)
    await ledger.check()
    yield ledger
    await ledger.close()


@pytest.fixture(params=["memory", "tables"])
def cap(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    ledger: TableLedger = request.getfixturevalue("drawn_in_table")
    return ledger


async def test_no_more_than_the_cap_within_an_hour_and_then_as_it_says(cap: Ledger) -> None:
    assert [await cap.draw(minutes(number), 3) for number in (0, 10, 20)] == [None, None, None]
    assert await cap.draw(minutes(30), 3) == NOON + HOUR
    assert await cap.draw(NOON + HOUR - INSTANT, 3) == NOON + HOUR
    assert await cap.draw(NOON + HOUR, 3) is None
    assert await cap.draw(NOON + HOUR, 3) == minutes(10) + HOUR


@pytest.mark.parametrize("most", [1, 5, 20])
async def test_of_twenty_who_draw_at_once_no_more_than_the_cap_get_one(cap: Ledger, most: int) -> None:
    came = await asyncio.gather(*(cap.draw(NOON, most) for _ in range(20)))
    assert came.count(None) == most
    assert {each for each in came if each} <= {NOON + HOUR}
    assert await cap.draw(NOON, most) == NOON + HOUR


async def test_a_cap_of_none_gives_none(cap: Ledger) -> None:
    assert await cap.draw(NOON, 0) == NOON + HOUR
    assert await cap.draw(NOON + HOUR, 0) == NOON + 2 * HOUR
    assert await cap.draw(NOON, 1) is None


async def test_to_ask_when_one_is_free_takes_none(cap: Ledger) -> None:
    for _ in range(3):
        assert await cap.free_at(NOON, 1) is None
    assert await cap.draw(NOON, 1) is None
    assert await cap.free_at(minutes(30), 1) == NOON + HOUR
    assert await cap.free_at(NOON + HOUR, 1) is None
    assert await cap.free_at(NOON, 0) == NOON + HOUR


async def test_a_cap_that_is_lowered_counts_what_was_drawn(cap: Ledger) -> None:
    for number in range(3):
        assert await cap.draw(minutes(number), 3) is None
    assert await cap.draw(minutes(10), 1) == minutes(2) + HOUR
    assert await cap.draw(minutes(10), 4) is None


async def test_a_clock_that_goes_back_gives_no_more(cap: Ledger) -> None:
    assert await cap.draw(NOON, 2) is None
    assert await cap.draw(NOON + 5 * HOUR, 2) is None, "by a clock that was wrong"
    assert await cap.draw(minutes(1), 2) == NOON + HOUR
    assert await cap.draw(NOON + HOUR, 2) is None
    assert await cap.draw(NOON + 2 * HOUR - INSTANT, 2) == NOON + 2 * HOUR


class TestInTable:
    async def test_instances_share_it(self, azurite: Azurite, drawn_in_table: TableLedger) -> None:
        other = open_ledger(azurite.connection_string, None, NOBODY)
        ledgers = [drawn_in_table, other] * 10
        came = await asyncio.gather(*(ledger.draw(NOON, 7) for ledger in ledgers))
        assert came.count(None) == 7
        await other.close()

    async def test_who_is_overtaken_again_and_again_is_told_to_come_later(
        self, drawn_in_table: TableLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tables, "DRAWS", 1)
        came = await asyncio.gather(
            *(drawn_in_table.draw(NOON, 20) for _ in range(20)), return_exceptions=True
        )
        late = [each for each in came if each is not None]
        assert late
        assert all(isinstance(each, Busy) for each in late)
        left = [await drawn_in_table.draw(NOON, 20) for _ in late]
        assert left == [None] * len(late), "who came too late has drawn nothing"
        assert await drawn_in_table.draw(NOON, 20) == NOON + HOUR

    @pytest.mark.parametrize("drawn_before", [0, 1])
    async def test_of_those_who_read_the_same_one_draws_and_the_others_read_again(
        self, drawn_in_table: TableLedger, monkeypatch: pytest.MonkeyPatch, drawn_before: int
    ) -> None:
        for _ in range(drawn_before):
            await drawn_in_table.draw(NOON, 3)
        read, together, reads = drawn_in_table._read, asyncio.Barrier(3), 0

        async def read_together(what: str, partition: str, key: str) -> Found | None:
            nonlocal reads
            reads += 1
            row = await read(what, partition, key)
            if reads <= 3:
                await together.wait()
            return row

        monkeypatch.setattr(drawn_in_table, "_read", read_together)
        came = await asyncio.gather(*(drawn_in_table.draw(NOON, 2 + drawn_before) for _ in range(3)))
        assert sorted(came, key=bool) == [None, None, NOON + HOUR]
        assert reads > 3

    async def test_a_draw_whose_answer_was_lost_counts_twice_rather_than_not_at_all(
        self, azurite: Azurite, drawn_in_table: TableLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shared.exchange.PAUSES", (0.0, 0.0))
        losing = open_ledger(azurite.connection_string, None, NOBODY)
        transport = LosesAnAnswer("http:", connect_seconds=3.0, read_seconds=7.0)
        account = Account.open("table", azurite.connection_string, None, NOBODY, transport)
        monkeypatch.setattr(losing, "_rows", Rows(account, tables.TABLE))
        assert await losing.draw(NOON, 3) is None
        await account.close()
        await losing.close()
        assert await drawn_in_table.draw(minutes(1), 3) is None
        assert await drawn_in_table.draw(minutes(2), 3) == NOON + HOUR

    async def test_it_is_one_row(self, drawn_in_table: TableLedger) -> None:
        for number in range(3):
            await drawn_in_table.draw(minutes(number), 2)
        rows = [row async for row in drawn_in_table._table.list_entities()]
        ((partition, key, schema, body),) = [
            (row["PartitionKey"], row["RowKey"], row["schema"], row["body"]) for row in rows
        ]
        assert (partition, key, schema) == ("cap", "deallocations", 1)
        assert json.loads(body) == {"at": ["2026-11-21T12:00:00Z", "2026-11-21T12:01:00Z"]}

    async def test_the_highest_cap_fits_into_it(self, drawn_in_table: TableLedger) -> None:
        times = [f"2026-11-21T12:00:00.{number:06d}Z" for number in range(1, HIGHEST_CAP)]
        row = {"PartitionKey": "cap", "RowKey": "deallocations", "body": json.dumps({"at": times})}
        await drawn_in_table._table.create_entity(row)
        assert await drawn_in_table.draw(minutes(1) - INSTANT, HIGHEST_CAP) is None
        assert await drawn_in_table.draw(minutes(2), HIGHEST_CAP) == NOON + HOUR + INSTANT
        kept = await drawn_in_table._table.get_entity("cap", "deallocations")
        assert len(kept["body"]) < 32 * 1024, "characters, which is as much as a column holds"

    @pytest.mark.parametrize("body", ["", "{", "[]", '{"at": "noon"}', '{"at": ["noon"]}', "null", 7])
    async def test_a_row_that_cannot_be_read_is_named_and_gives_none(
        self, drawn_in_table: TableLedger, body: str | int
    ) -> None:
        await drawn_in_table.draw(NOON, 1)
        row = {"PartitionKey": "cap", "RowKey": "deallocations", "body": body}
        await drawn_in_table._table.update_entity(row)
        with pytest.raises(Damaged, match="'cap' 'deallocations': expected a Drawn in `body`"):
            await drawn_in_table.draw(NOON, 20)

    async def test_a_row_that_somebody_took_away_is_made_again(self, drawn_in_table: TableLedger) -> None:
        await drawn_in_table.draw(NOON, 1)
        await drawn_in_table._table.delete_entity("cap", "deallocations")
        assert await drawn_in_table.draw(NOON, 1) is None
