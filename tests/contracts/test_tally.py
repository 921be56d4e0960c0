"""How many VMs are known, by what they are: port `Ledger`, in memory and in Table Storage."""

from collections import Counter

import pytest
from azure.data.tables import UpdateMode

from shared import layout
from shared.adapters.tables import TableLedger
from shared.domain.states import PowerState
from shared.ports import Change, Ledger, Tally
from tests.contracts.counting import Counting
from tests.contracts.fleet import new_subscription, new_vm, record, save_new

RUNNING, STOPPED, DELETED = PowerState.RUNNING, PowerState.STOPPED, PowerState.DELETED


async def test_vms_are_counted_by_what_they_are(ledger: Ledger) -> None:
    subscription = new_subscription()
    states = [RUNNING, RUNNING, STOPPED, STOPPED, DELETED]
    await save_new(
        ledger,
        *(
            record(new_vm(f"web-{number}", subscription=subscription), state, flagged=number == 3)
            for number, state in enumerate(states)
        ),
        record(new_vm()),
    )
    assert await ledger.tally(subscription, 100) == Tally(Counter(states), 1, whole=True)
    assert await ledger.tally(new_subscription(), 100) == Tally({}, 0, whole=True)


@pytest.mark.parametrize(("most", "whole"), [(1, False), (4, False), (5, True), (6, True)])
async def test_no_more_are_counted_than_is_asked_for(ledger: Ledger, most: int, whole: bool) -> None:
    subscription = new_subscription()
    await save_new(ledger, *(record(new_vm(name, subscription=subscription)) for name in "abcde"))
    tally = await ledger.tally(subscription, most)
    assert (tally.power_states[RUNNING], tally.whole) == (min(most, 5), whole)


async def test_it_costs_a_request_for_each_thousand_of_two_columns(
    counting: tuple[TableLedger, Counting],
) -> None:
    ledger, transport = counting
    subscription = new_subscription()
    vms = [new_vm(f"web-{number:04d}", subscription=subscription) for number in range(2500)]
    await ledger.save_all([(Change(record(vm)), None) for vm in vms])
    transport.clear()
    assert (await ledger.tally(subscription, 10_000)).power_states == {RUNNING: 2500}
    assert transport.requests == ["GET"] * 3
    assert transport.selected == {"power_state", "flagged"}


async def test_a_row_that_tells_no_state_is_counted_as_unknown(table_ledger: TableLedger) -> None:
    vm = new_vm()
    await save_new(table_ledger, record(vm))
    row = {"PartitionKey": vm.subscription, "RowKey": layout.key_of("vm", vm), "body": "{", "flagged": "yes"}
    await table_ledger._table.update_entity(row, mode=UpdateMode.REPLACE)
    assert await table_ledger.tally(vm.subscription, 10) == Tally({PowerState.UNKNOWN: 1}, 0, whole=True)
