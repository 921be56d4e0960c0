"""What Table Storage adds to the contract of `Ledger`: what it costs, how rows look, what is not there yet."""

import json
from copy import replace
from itertools import product
from uuid import uuid4

import pytest
from azure.data.tables import TableEntity

from local.azurite import Azurite
from shared.adapters import tables
from shared.adapters.tables import TableLedger, open_ledger
from shared.domain.ids import VmId
from shared.domain.states import PowerState
from shared.ports import Change, Damaged, Query
from tests.contracts.conftest import NOBODY
from tests.contracts.counting import Counting
from tests.contracts.fleet import (
    entry,
    episode,
    listed,
    minutes,
    new_subscription,
    new_vm,
    record,
    save_new,
    transition,
)


async def test_a_read_is_one_request_and_a_save_is_another(counting: tuple[TableLedger, Counting]) -> None:
    ledger, transport = counting
    vm = new_vm()
    await ledger.latest(vm)
    assert transport.requests == ["GET"]

    at = minutes(1)
    whole = record(vm, flagged=True, parked=True)
    change = Change(whole, transition(vm, at), (episode(vm, at),), (entry(vm, at), entry(vm, minutes(2))))
    stored = await ledger.save(change, None)
    assert transport.requests == ["GET", "POST"]
    await ledger.save(Change(record(vm)), stored)
    assert transport.requests == ["GET", "POST", "POST"]


@pytest.mark.parametrize(
    ("mark", "query"),
    [
        ("flagged", Query((), flagged=True)),
        ("parked", Query((), parked=True)),
        ("parked", Query((), parked=True, flagged=False)),
        ("parked", Query((), parked=True, power_state=PowerState.STOPPED)),
    ],
)
async def test_listing_some_costs_the_same_in_a_large_fleet(
    counting: tuple[TableLedger, Counting], mark: str, query: Query
) -> None:
    ledger, transport = counting
    subscription = new_subscription()
    some = [new_vm(f"left-{number}", subscription=subscription) for number in range(3)]
    for vm in some:
        marked = record(vm, PowerState.STOPPED, flagged=mark == "flagged", parked=mark == "parked")
        await save_new(ledger, marked)
    fleet = [record(new_vm(f"web-{number}", subscription=subscription)) for number in range(300)]
    await ledger.save_all([(Change(each), None) for each in fleet])
    transport.clear()

    assert await listed(ledger, replace(query, subscriptions=(subscription,))) == some

    assert (transport.requests, transport.rows) == (["GET"], 3)
    assert len(await listed(ledger, Query((subscription,), limit=1000))) == 303


async def test_history_reads_no_more_than_it_gives(counting: tuple[TableLedger, Counting]) -> None:
    ledger, transport = counting
    vm, stored = new_vm(), None
    for number in range(5):
        at = minutes(number)
        change = Change(record(vm), transition(vm, at), (episode(vm, at),), (entry(vm, at),))
        stored = await ledger.save(change, stored)
    transport.clear()

    await ledger.history(vm, 2)

    assert (transport.requests, transport.rows) == (["GET", "GET", "GET"], 6)


async def test_answers_in_parts_are_put_together(
    table_ledger: TableLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    subscription = new_subscription()
    vms = [new_vm(name, subscription=subscription) for name in "abcdefg"]
    await save_new(table_ledger, *(record(vm) for vm in vms))

    page = await table_ledger.page(Query((subscription,), limit=5))
    assert [each.vm for each in page.records] == vms[:5]
    assert await listed(table_ledger, Query((subscription,), limit=5)) == vms
    assert (await table_ledger.page(Query((subscription,), limit=7))).next is None

    stored = await table_ledger.latest(vms[0])
    for number in range(5):
        change = Change(record(vms[0]), transition(vms[0], minutes(number)))
        stored = await table_ledger.save(change, stored)
    told = (await table_ledger.history(vms[0], 3)).transitions
    assert [each.seen_at for each in told] == [minutes(4), minutes(3), minutes(2)]


async def rows_of(ledger: TableLedger, vm: VmId) -> dict[str, TableEntity]:
    """The rows of a VM's subscription, by row key."""
    query = ledger._table.query_entities("PartitionKey eq @it", parameters={"it": vm.subscription})
    return {row.pop("RowKey"): row async for row in query}


async def test_rows_are_readable_for_people(table_ledger: TableLedger) -> None:
    vm = new_vm("web-1", "größe")
    stopped = record(vm, PowerState.STOPPED, flagged=True, parked=True)
    await table_ledger.save(
        Change(stopped, transition(vm, minutes(1)), entries=(entry(vm, minutes(1)),)), None
    )

    rows = await rows_of(table_ledger, vm)

    kinds = {key.split("!")[0] for key in rows}
    assert kinds == {"vm", "flag", "parked", "stopped", "transition", "entry"}
    assert all(key.split("!")[1:3] == ["größe", "web-1"] for key in rows)
    assert rows["vm!größe!web-1"] == rows["flag!größe!web-1"] == rows["parked!größe!web-1"]
    row = rows["vm!größe!web-1"]
    assert (row["power_state"], row["flagged"], row["parked"]) == ("stopped", True, True)
    assert row["schema"] == 1
    assert row["observed_at"] == record(vm).observed_at
    assert json.loads(row["body"])["vm"]["resource_group"] == "größe"


async def test_an_index_row_is_there_exactly_while_it_is_true(table_ledger: TableLedger) -> None:
    vm, stored = new_vm(), None
    marks = list(product([False, True], repeat=2))
    for before, after in product(marks, repeat=2):
        for flagged, parked in (before, after):
            change = Change(record(vm, flagged=flagged, parked=parked))
            stored = await table_ledger.save(change, stored)
            kinds = {key.split("!")[0] for key in await rows_of(table_ledger, vm)}
            assert kinds == {"vm", *(["flag"] if flagged else []), *(["parked"] if parked else [])}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"vm": 1}', "null", 7])
async def test_a_row_that_cannot_be_read_is_named(table_ledger: TableLedger, body: str | int) -> None:
    vm = new_vm()
    await save_new(table_ledger, record(vm))
    row = {"PartitionKey": vm.subscription, "RowKey": "vm!rg-shop!web-1", "body": body}
    await table_ledger._table.update_entity(row)

    with pytest.raises(Damaged, match=f"'{vm.subscription}' 'vm!rg-shop!web-1': expected a Record"):
        await table_ledger.latest(vm)


async def test_a_field_that_a_newer_version_added_is_left_alone(table_ledger: TableLedger) -> None:
    vm = new_vm()
    await save_new(table_ledger, record(vm))
    row = await table_ledger._table.get_entity(vm.subscription, "vm!rg-shop!web-1")
    row["body"] = json.dumps(json.loads(str(row["body"])) | {"mood": {"good": True}})
    await table_ledger._table.update_entity(row)

    stored = await table_ledger.latest(vm)
    assert stored
    assert stored.record == record(vm)


@pytest.mark.parametrize("first", ["latest", "save", "page", "history", "draw", "check"])
async def test_the_table_is_made_when_it_is_first_used(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(tables, "TABLE", f"ledger{uuid4().hex}")
    ledger, vm = open_ledger(azurite.connection_string, None, NOBODY), new_vm()
    match first:
        case "latest":
            assert await ledger.latest(vm) is None
        case "save":
            stored = await ledger.save(Change(record(vm)), None)
            assert await ledger.latest(vm) == stored
        case "page":
            assert (await ledger.page(Query((vm.subscription,)))).records == ()
        case "history":
            assert (await ledger.history(vm, 1)).transitions == ()
        case "draw":
            assert await ledger.draw(minutes(0), 1) is None
        case "check":
            await ledger.check()
    await ledger._service.delete_table(tables.TABLE)
    await ledger.close()


async def test_the_emulator_and_an_account_are_found() -> None:
    emulator = open_ledger("UseDevelopmentStorage=true", None, NOBODY)
    assert emulator._service.url == "http://127.0.0.1:10002/devstoreaccount1"
    account = open_ledger("AccountName=shop;AccountKey=c2VjcmV0", None, NOBODY)
    assert account._service.url == "https://shop.table.core.windows.net"


@pytest.mark.parametrize("text", ["nonsense", "AccountName=shop", "AccountName=;AccountKey=c2VjcmV0;x"])
async def test_what_is_no_connection_string_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)connection string"):
        open_ledger(text, None, NOBODY)
