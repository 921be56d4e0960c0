"""What Table Storage adds to the contract of `Ledger`: what it costs, how rows look, what is not there yet."""

import json
from uuid import uuid4

import pytest

from local.azurite import Azurite
from shared.adapters import tables
from shared.adapters.tables import TableLedger, open_ledger
from shared.domain.states import PowerState
from shared.ports import Change, Damaged, Query
from tests.contracts.conftest import NOBODY
from tests.contracts.counting import Counting
from tests.contracts.fleet import (
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

    change = Change(record(vm, flagged=True), transition(vm, minutes(1)), (episode(vm, minutes(1)),))
    stored = await ledger.save(change, None)
    assert transport.requests == ["GET", "POST"]
    await ledger.save(Change(record(vm)), stored)
    assert transport.requests == ["GET", "POST", "POST"]


async def test_listing_what_is_flagged_costs_the_same_in_a_large_fleet(
    counting: tuple[TableLedger, Counting],
) -> None:
    ledger, transport = counting
    subscription = new_subscription()
    flagged = [new_vm(f"left-{number}", subscription=subscription) for number in range(3)]
    await save_new(ledger, *(record(vm, PowerState.STOPPED, flagged=True) for vm in flagged))
    fleet = [record(new_vm(f"web-{number}", subscription=subscription)) for number in range(300)]
    for start in range(0, len(fleet), 100):
        operations = [tables._operations(Change(each), None) for each in fleet[start : start + 100]]
        await ledger._table.submit_transaction([step for steps in operations for step in steps])
    transport.clear()

    assert await listed(ledger, Query((subscription,), flagged=True)) == flagged

    assert (transport.requests, transport.rows) == (["GET"], 3)
    assert len(await listed(ledger, Query((subscription,), limit=1000))) == 303


async def test_history_reads_no_more_than_it_gives(counting: tuple[TableLedger, Counting]) -> None:
    ledger, transport = counting
    vm, stored = new_vm(), None
    for number in range(5):
        change = Change(record(vm), transition(vm, minutes(number)), (episode(vm, minutes(number)),))
        stored = await ledger.save(change, stored)
    transport.clear()

    await ledger.history(vm, 2)

    assert (transport.requests, transport.rows) == (["GET", "GET", "GET"], 4)


async def test_answers_in_parts_are_put_together(
    table_ledger: TableLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_MOST_ROWS", 2)
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


async def test_rows_are_readable_for_people(table_ledger: TableLedger) -> None:
    vm = new_vm("web-1", "größe")
    await table_ledger.save(
        Change(record(vm, PowerState.STOPPED, flagged=True), transition(vm, minutes(1))), None
    )

    query = table_ledger._table.query_entities("PartitionKey eq @it", parameters={"it": vm.subscription})
    rows = {row.pop("RowKey"): row async for row in query}

    kinds = {key.split("!")[0] for key in rows}
    assert kinds == {"vm", "flag", "transition"}
    assert all(key.split("!")[1:3] == ["größe", "web-1"] for key in rows)
    assert rows["vm!größe!web-1"] == rows["flag!größe!web-1"]
    row = rows["vm!größe!web-1"]
    assert (row["power_state"], row["flagged"], row["schema"]) == ("stopped", True, 1)
    assert row["observed_at"] == record(vm).observed_at
    assert json.loads(row["body"])["vm"]["resource_group"] == "größe"


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


@pytest.mark.parametrize("first", ["latest", "save", "page", "history", "check"])
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
