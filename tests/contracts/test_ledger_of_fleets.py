"""What a sweep needs of port `Ledger`, in memory and in Table Storage, and what that costs there."""

import asyncio
import json
from collections.abc import Sequence
from copy import replace

import pytest
from azure.data.tables import UpdateMode

from shared import layout
from shared.adapters import tables
from shared.adapters.tables import TableLedger
from shared.domain.budget import COLLECT, SPACING
from shared.domain.fleet import fingerprint_of
from shared.domain.ids import VmId
from shared.domain.records import Record
from shared.domain.states import PowerState
from shared.ports import Change, Conflict, Coverage, Damaged, Known, Ledger, Query, Refused, Stored
from tests.contracts.counting import Counting
from tests.contracts.fleet import (
    NOON,
    episode,
    listed,
    minutes,
    new_subscription,
    new_vm,
    record,
    save_new,
    transition,
    with_reason,
)

RUNNING, STOPPED, DELETED = PowerState.RUNNING, PowerState.STOPPED, PowerState.DELETED

type Counted = tuple[TableLedger, Counting]


def some_vms(count: int, subscription: str | None = None) -> list[VmId]:
    subscription = subscription or new_subscription()
    return [new_vm(f"web-{number:05d}", subscription=subscription) for number in range(count)]


def as_new(records: Sequence[Record]) -> list[tuple[Change, Stored | None]]:
    return [(Change(each), None) for each in records]


async def latest(ledger: Ledger, vms: Sequence[VmId]) -> list[Stored]:
    found = [await ledger.latest(vm) for vm in vms]
    assert all(found)
    return [stored for stored in found if stored]


async def put_columns(ledger: TableLedger, vm: VmId, **columns: object) -> None:
    """Write to a record's row by hand; None takes a column away."""
    row = await ledger._table.get_entity(vm.subscription, layout.key_of("vm", vm))
    row.update(columns)
    kept = {name: value for name, value in row.items() if value is not None}
    await ledger._table.update_entity(kept, mode=UpdateMode.REPLACE)


class TestKnown:
    async def test_what_is_known_of_each_vm_of_one_subscription(self, ledger: Ledger) -> None:
        ours, theirs = some_vms(3), some_vms(1)
        due = replace(record(ours[1], STOPPED, flagged=True), due_at=minutes(3))
        gone = record(ours[2], DELETED)
        await save_new(ledger, record(ours[0]), due, gone, record(theirs[0]))

        assert await ledger.known(ours[0].subscription) == {
            ours[0]: Known(fingerprint_of(record(ours[0])), None, deleted=False),
            ours[1]: Known(fingerprint_of(due), minutes(3), deleted=False),
            ours[2]: Known(fingerprint_of(gone), None, deleted=True),
        }

    async def test_it_follows_each_save(self, ledger: Ledger) -> None:
        vm = new_vm()
        stored = await ledger.save(Change(replace(record(vm), due_at=minutes(1))), None)
        await ledger.save(Change(record(vm, STOPPED)), stored)
        known = await ledger.known(vm.subscription)
        assert known == {vm: Known(fingerprint_of(record(vm, STOPPED)), None, deleted=False)}

    async def test_nothing_is_known_of_a_subscription_without_vms(self, ledger: Ledger) -> None:
        assert await ledger.known(new_subscription()) == {}

    async def test_names_of_every_kind(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        vms = [
            VmId.of(subscription, group, name)
            for group in ("rg", "rg-1", "(rg)", "größe", "日本")
            for name in ("web", "web.1", "farm~0")
        ]
        await save_new(ledger, *(record(vm) for vm in vms))
        assert set(await ledger.known(subscription)) == set(vms)

    async def test_ten_thousand_vms_are_ten_requests_for_a_few_columns(self, counting: Counted) -> None:
        ledger, transport = counting
        vms = some_vms(10_000)
        assert await ledger.save_all(as_new([record(vm) for vm in vms])) == [None] * len(vms)
        assert transport.requests == ["POST"] * 100
        transport.clear()

        known = await ledger.known(vms[0].subscription)

        assert set(known) == set(vms)
        assert (len(transport.requests), transport.rows) == (10, 10_000)
        assert transport.selected == set(tables._KnownRow.__struct_fields__)
        assert transport.columns <= transport.selected
        body = len(layout.row_of("vm!rg-shop!web-1", record(vms[0]))["body"])  # type: ignore[arg-type]  # a text
        assert transport.bytes / len(vms) < body / 2, "the bodies stay where they are"


class TestDamage:
    @pytest.mark.parametrize(
        "columns",
        [{"fingerprint": None}, {"fingerprint": 7}, {"due_at": "soon"}, {"fingerprint": None, "due_at": 7}],
    )
    async def test_columns_that_we_did_not_write_tell_nothing(
        self, table_ledger: TableLedger, columns: dict[str, object]
    ) -> None:
        vm, other = some_vms(2)
        await save_new(table_ledger, record(vm), record(other))
        await put_columns(table_ledger, vm, **columns)
        known = await table_ledger.known(vm.subscription)
        assert known[vm] == Known("", None, deleted=False)
        assert known[other].fingerprint

    async def test_a_deleted_vm_of_an_older_version_is_still_known_as_deleted(
        self, table_ledger: TableLedger
    ) -> None:
        vm = new_vm()
        await save_new(table_ledger, record(vm, DELETED))
        await put_columns(table_ledger, vm, fingerprint=None)
        assert (await table_ledger.known(vm.subscription))[vm].deleted

    async def test_a_damaged_body_keeps_no_other_from_being_known(self, table_ledger: TableLedger) -> None:
        vm, other = some_vms(2)
        await save_new(table_ledger, record(vm), record(other))
        await put_columns(table_ledger, vm, body="{")
        assert set(await table_ledger.known(vm.subscription)) == {vm, other}
        with pytest.raises(Damaged):
            await table_ledger.latest(vm)

    @pytest.mark.parametrize("key", ["vm!", "vm!web", "vm!rg!web!1", "vm!rg!web!1!2"])
    async def test_a_row_that_names_no_vm_is_none(self, table_ledger: TableLedger, key: str) -> None:
        vm = new_vm()
        await save_new(table_ledger, record(vm))
        await table_ledger._table.create_entity({"PartitionKey": vm.subscription, "RowKey": key})
        assert set(await table_ledger.known(vm.subscription)) == {vm}


class TestSavingMany:
    @pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
    async def test_all_are_saved(self, ledger: Ledger, count: int) -> None:
        records = [record(vm) for vm in some_vms(count)]
        assert await ledger.save_all(as_new(records)) == [None] * count
        assert [stored.record for stored in await latest(ledger, [each.vm for each in records])] == records

    async def test_whatever_is_in_a_change_is_saved_with_it(self, ledger: Ledger) -> None:
        vms = some_vms(60)
        changes: list[tuple[Change, Stored | None]] = [
            (
                Change(record(vm, STOPPED, flagged=True), transition(vm, NOON), (episode(vm, NOON),)),
                None,
            )
            for vm in vms
        ]
        assert await ledger.save_all(changes) == [None] * 60
        assert await listed(ledger, Query((vms[0].subscription,), flagged=True)) == vms
        for vm in (vms[0], vms[33], vms[-1]):
            history = await ledger.history(vm, 10)
            assert (len(history.transitions), len(history.episodes)) == (1, 1)

        stored = await latest(ledger, vms)
        cleared: list[tuple[Change, Stored | None]] = [
            (Change(record(each.record.vm)), each) for each in stored
        ]
        assert await ledger.save_all(cleared) == [None] * 60
        assert await listed(ledger, Query((vms[0].subscription,), flagged=True)) == []

    @pytest.mark.parametrize("number", [0, 41, 99])
    async def test_one_conflict_among_many_costs_only_that_one(self, ledger: Ledger, number: int) -> None:
        vms = some_vms(100)
        await ledger.save_all(as_new([record(vm) for vm in vms]))
        read = await latest(ledger, vms)
        await ledger.save(Change(with_reason(read[number].record, "the winner's")), read[number])

        kept = await ledger.save_all([(Change(with_reason(each.record, "ours")), each) for each in read])

        assert [index for index, fault in enumerate(kept) if fault] == [number]
        assert isinstance(kept[number], Conflict)
        reasons = [stored.record.reason for stored in await latest(ledger, vms)]
        assert reasons == ["the winner's" if index == number else "ours" for index in range(100)]

    async def test_conflicts_of_all_kinds(self, ledger: Ledger) -> None:
        there, changed, never, fresh = some_vms(4)
        stored = await ledger.save(Change(record(changed)), None)
        await ledger.save(Change(with_reason(stored.record, "since")), stored)
        await save_new(ledger, record(there))

        kept = await ledger.save_all(
            [
                (Change(record(there, STOPPED)), None),
                (Change(record(changed, STOPPED)), stored),
                (Change(record(never, STOPPED)), Stored(record(never), stored.version)),
                (Change(record(fresh, STOPPED)), None),
            ]
        )

        assert [type(fault) for fault in kept] == [Conflict, Conflict, Conflict, type(None)]
        assert await ledger.latest(never) is None
        states = [each.record.power_state for each in await latest(ledger, [there, changed, fresh])]
        assert states == [RUNNING, RUNNING, STOPPED]

    async def test_of_two_who_save_the_same_at_once_each_vm_has_one_winner(self, ledger: Ledger) -> None:
        vms = some_vms(150)
        came = await asyncio.gather(
            *(ledger.save_all(as_new([record(vm, reason=who) for vm in vms])) for who in ("one", "other"))
        )
        for vm, stored, one, other in zip(vms, await latest(ledger, vms), *came, strict=True):
            assert [isinstance(fault, Conflict) for fault in (one, other)].count(True) == 1, vm
            assert stored.record.reason == ("other" if one else "one")

    async def test_subscriptions_side_by_side(self, ledger: Ledger) -> None:
        fleets = [some_vms(120) for _ in range(3)]
        came = await asyncio.gather(
            *(ledger.save_all(as_new([record(vm) for vm in fleet])) for fleet in fleets)
        )
        assert came == [[None] * 120] * 3
        for fleet in fleets:
            assert set(await ledger.known(fleet[0].subscription)) == set(fleet)


class TestWhatSavingManyCosts:
    async def test_a_hundred_operations_are_one_request(self, counting: Counted) -> None:
        ledger, transport = counting
        flagged = [record(vm, STOPPED, flagged=True) for vm in some_vms(51)]
        assert await ledger.save_all(as_new(flagged)) == [None] * 51
        assert transport.requests == ["POST"] * 2, "51 VMs with two rows each"

    async def test_one_conflict_costs_two_requests_more(self, counting: Counted) -> None:
        ledger, transport = counting
        vms = some_vms(100)
        await save_new(ledger, record(vms[41]))
        transport.clear()
        kept = await ledger.save_all(as_new([record(vm) for vm in vms]))
        assert [number for number, fault in enumerate(kept) if fault] == [41]
        assert transport.requests == ["POST"] * 3

    async def test_conflicts_of_all_cost_a_request_each(self, counting: Counted) -> None:
        ledger, transport = counting
        vms = some_vms(100)
        await ledger.save_all(as_new([record(vm) for vm in vms]))
        transport.clear()
        kept = await ledger.save_all(as_new([record(vm) for vm in vms]))
        assert all(isinstance(fault, Conflict) for fault in kept)
        assert len(transport.requests) == 102

    async def test_one_that_storage_does_not_take_costs_only_that_one(
        self, table_ledger: TableLedger
    ) -> None:
        vms = some_vms(20)
        # A column holds 64 KiB of UTF-16.
        records = [record(vm, reason="x" * 40_000 if number == 7 else "") for number, vm in enumerate(vms)]
        kept = await table_ledger.save_all(as_new(records))
        assert [number for number, fault in enumerate(kept) if fault] == [7]
        assert isinstance(kept[7], Refused)
        assert str(vms[7].name) in str(kept[7])
        assert set(await table_ledger.known(vms[0].subscription)) == {*vms} - {vms[7]}

    async def test_a_transaction_never_gets_too_large(self, counting: Counted) -> None:
        ledger, transport = counting
        records = [record(vm, reason="語" * 25_000) for vm in some_vms(60)]
        assert await ledger.save_all(as_new(records)) == [None] * 60
        assert len(transport.requests) == 10, "six VMs with 150 kB each"


def a_coverage(subscription: str, **changes: object) -> Coverage:
    coverage = Coverage(subscription, NOON, minutes(1), vms=3, changed=2, gone=1)
    return replace(coverage, **changes)  # type: ignore[arg-type]  # of whatever fields


class TestCoverage:
    async def test_a_subscription_that_was_never_swept_is_missing(self, ledger: Ledger) -> None:
        assert await ledger.coverage([]) == {}
        assert await ledger.coverage([new_subscription()]) == {}

    async def test_the_latest_of_each_is_kept(self, ledger: Ledger) -> None:
        first, second, other = (new_subscription() for _ in range(3))
        faults = ("a row of the list: expected the id of a VM, got 'größe'",)
        for subscription in (first, second, other):
            await ledger.keep_coverage(a_coverage(subscription))
        later = a_coverage(second, complete=False, faults=faults, fault_count=7, policy="by this")
        await ledger.keep_coverage(later)
        assert await ledger.coverage([second, first]) == {first: a_coverage(first), second: later}
        assert list(await ledger.coverage([second, first])) == [second, first]

    async def test_neighbours_in_the_order_of_subscriptions(self, ledger: Ledger) -> None:
        start = new_subscription()[:-1]
        near = [f"{start}{digit}" for digit in "0379acf"]
        for subscription in near:
            await ledger.keep_coverage(a_coverage(subscription))
        for subscription in near:
            assert list(await ledger.coverage([subscription])) == [subscription]
        assert list(await ledger.coverage(near[2:5])) == near[2:5]

    async def test_it_is_one_request(self, counting: Counted) -> None:
        ledger, transport = counting
        subscriptions = [new_subscription() for _ in range(5)]
        for subscription in subscriptions:
            await ledger.keep_coverage(a_coverage(subscription))
        assert transport.requests == ["POST"] * 5
        transport.clear()
        await ledger.coverage([subscriptions[2]])
        assert (transport.requests, transport.rows) == (["GET"], 0), "a point read"
        await ledger.coverage(subscriptions)
        assert len(transport.requests) == 2

    @pytest.mark.parametrize("body", ["{", json.dumps({"subscription": 1})])
    async def test_one_that_is_damaged_is_none(self, table_ledger: TableLedger, body: str) -> None:
        damaged, good = new_subscription(), new_subscription()
        for subscription in (damaged, good):
            await table_ledger.keep_coverage(a_coverage(subscription))
        row = await table_ledger._table.get_entity("sweeps", damaged)
        await table_ledger._table.update_entity({**row, "body": body})
        assert list(await table_ledger.coverage([damaged, good])) == [good]
        await table_ledger.keep_coverage(a_coverage(damaged))
        assert await table_ledger.coverage([damaged]) == {damaged: a_coverage(damaged)}

    async def test_one_of_an_older_version_has_no_policy(self, table_ledger: TableLedger) -> None:
        subscription = new_subscription()
        await table_ledger.keep_coverage(a_coverage(subscription, policy="by this"))
        row = await table_ledger._table.get_entity("sweeps", subscription)
        body = json.loads(str(row["body"]))
        del body["policy"]
        await table_ledger._table.update_entity({**row, "body": json.dumps(body)})
        assert (await table_ledger.coverage([subscription]))[subscription].policy == ""


class TestPlans:
    """Of the sweeps that events ask for."""

    async def test_who_asks_first_is_to_have_it_done_and_all_are_told_when(self, ledger: Ledger) -> None:
        subscription, other = new_subscription(), new_subscription()
        due_at = NOON + COLLECT
        assert await ledger.plan_sweep(subscription, NOON, SPACING) == (due_at, True)
        assert await ledger.plan_sweep(subscription, NOON, SPACING) == (due_at, False)
        assert await ledger.plan_sweep(other, NOON, SPACING) == (due_at, True), "to each its own"

    async def test_the_next_one_keeps_its_distance(self, ledger: Ledger) -> None:
        subscription, apart = new_subscription(), minutes(4) - NOON
        due_at, _ = await ledger.plan_sweep(subscription, NOON, apart)
        assert await ledger.plan_sweep(subscription, due_at, apart) == (due_at + apart, True)
        assert await ledger.plan_sweep(subscription, minutes(60), apart) == (minutes(60) + COLLECT, True)

    async def test_of_many_who_ask_at_once_one_is_to_have_it_done(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        plans = await asyncio.gather(*(ledger.plan_sweep(subscription, NOON, SPACING) for _ in range(8)))
        assert {due_at for due_at, _ in plans} == {NOON + COLLECT}
        assert sum(ours for _, ours in plans) == 1
