"""What a sweep asks of Table Storage: the use case over the real ledger, the rest in memory."""

import pytest
from azure.data.tables import UpdateMode

from shared import layout
from shared.adapters.tables import TableLedger
from shared.domain.ids import VmId
from shared.ports import Sweep
from shared.watch import Outcome
from tests.contracts.counting import Counting
from tests.contracts.fleet import new_subscription, new_vm
from tests.stories.world import World

COUNT = 1000


class Town(World):
    """A world whose ledger is in Table Storage, with a fleet in a subscription of its own."""

    def __init__(self, ledger: TableLedger, transport: Counting) -> None:
        super().__init__()
        self.subscription, self.transport = new_subscription(), transport
        self.ledger = ledger  # type: ignore[assignment]  # passes the same contract
        self.watch = self.instance()
        self.watch.subscriptions = frozenset({self.subscription})
        self.fleet = [new_vm(f"web-{number:03d}", subscription=self.subscription) for number in range(COUNT)]
        for vm in self.fleet:
            self.put("running", vm=vm)

    async def costs(self) -> list[str]:
        """What a sweep sends to storage."""
        self.transport.clear()
        assert await self.sweeping.sweep(Sweep(self.subscription, self.now)) is Outcome.SWEPT
        return self.transport.requests

    async def as_of_an_older_version(self, vm: VmId) -> None:
        row = await self.ledger._table.get_entity(vm.subscription, layout.key_of("vm", vm))  # type: ignore[attr-defined]
        del row["fingerprint"]
        await self.ledger._table.update_entity(row, mode=UpdateMode.REPLACE)  # type: ignore[attr-defined]


@pytest.fixture
async def town(counting: tuple[TableLedger, Counting]) -> Town:
    return Town(*counting)


KNOWN, BEFORE, KEPT = "GET", "GET", "POST"
"""What is known of all VMs (one request for each 1,000), what the sweep before came to, and what this one did."""


async def test_a_sweep_costs_what_has_changed(town: Town) -> None:
    # The lists in memory come two VMs at a time. Each VM is two rows, and 100 are written at once.
    assert await town.costs() == [BEFORE, KNOWN, *["POST"] * (COUNT // 50), KEPT]
    assert await town.costs() == [BEFORE, KNOWN, KEPT], "unchanged"
    town.put("deallocated", vm=town.fleet[7])
    del town.vms.vms[town.fleet[8]]
    assert await town.costs() == [BEFORE, KNOWN, "GET", "POST", "GET", "POST", KEPT], "one changed, one gone"
    assert await town.costs() == [BEFORE, KNOWN, KEPT]


async def test_rows_of_an_older_version_are_written_anew_once(town: Town) -> None:
    await town.costs()
    before = [await town.ledger.latest(vm) for vm in town.fleet[:2]]
    for vm in town.fleet[:2]:
        await town.as_of_an_older_version(vm)
    assert await town.costs() == [BEFORE, KNOWN, "GET", "GET", "POST", KEPT]
    after = [await town.ledger.latest(vm) for vm in town.fleet[:2]]
    assert [each and each.record for each in after] == [each and each.record for each in before]
    assert await town.costs() == [BEFORE, KNOWN, KEPT]
