"""What is measured of requests to ARM, through the real SDK."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from local.azure.server import SimulatedAzure
from shared import exchange
from shared.adapters.compute import ComputeVms, operation
from shared.domain.ids import VmId, parse_vm_id
from shared.ports import PortError
from tests.contracts.canned import Canned, canned_service, drop, said
from tests.contracts.credentials import Nobody
from tests.contracts.fleet import NOON
from tests.measured import OPERATIONS, taken, total

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
COMPUTE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute"
ALL = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute"


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))
    taken()


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(subscriptions=(SUBSCRIPTION,)) as azure:
        yield azure


@pytest.fixture
async def arm() -> AsyncIterator[Canned]:
    async with canned_service() as service:
        yield service


def vms_at(url: str) -> ComputeVms:
    return ComputeVms(Nobody(), endpoint=url, clock=lambda: NOON)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"{COMPUTE}/virtualMachines/web-1?$expand=instanceView", "get_vm"),
        (f"{COMPUTE}/virtualMachines/web-1/deallocate?api-version=2026-04-01", "deallocate_vm"),
        (f"{COMPUTE}/virtualMachineScaleSets/farm/virtualMachines", "list_instances"),
        (f"{COMPUTE}/virtualMachineScaleSets/farm/virtualMachines/3", "get_instance"),
        (f"{COMPUTE}/virtualMachineScaleSets/farm/virtualMachines/3/deallocate", "deallocate_instance"),
        (f"{ALL}/virtualMachines?statusOnly=true", "list_vms"),
        (f"{ALL.lower()}/virtualmachines?$skiptoken=%2Fproviders%2F", "list_vms"),
        (f"{ALL}/virtualMachineScaleSets", "list_scale_sets"),
        ("/", "other"),
        (f"{COMPUTE}/disks/d", "other"),
    ],
)
def test_what_a_request_is_called(url: str, name: str) -> None:
    assert name in OPERATIONS
    assert operation(f"https://management.azure.com{url}") == name


async def test_each_request_of_a_sweep_a_look_and_a_deallocation(azure: SimulatedAzure) -> None:
    vm = parse_vm_id(azure.add_vm(SUBSCRIPTION, "rg", "web-1", state="stopped"))
    assert vm
    vms = vms_at(azure.url)
    try:
        async for _ in vms.sight(SUBSCRIPTION):
            pass
        await vms.look(vm)
        await vms.look(VmId.of(SUBSCRIPTION, "rg", "gone"))
        await vms.deallocate(vm)
    finally:
        await vms.close()
    told = taken()
    calls = {
        (series["operation"], series["status"]): series["sum"]
        for series in told
        if series["name"] == "stopgap.arm.calls"
    }
    assert calls == {
        ("list_vms", "200"): 2,
        ("list_scale_sets", "200"): 1,
        ("get_vm", "200"): 1,
        ("get_vm", "404"): 1,
        ("deallocate_vm", "202"): 1,
    }
    (remaining,) = [series for series in told if series["name"] == "stopgap.arm.reads_remaining"]
    assert remaining["count"] >= 4
    assert 0 < remaining["min"] <= remaining["max"] <= 250


async def test_each_try_counts_also_one_without_an_answer(arm: Canned) -> None:
    vms = vms_at(arm.url)
    vm = VmId.of(SUBSCRIPTION, "rg", "web-1")
    try:
        for answers in ([said(503), said(503), said(429, b"{}")], [drop, drop, drop]):
            arm.answers.clear()
            arm.answer(*answers)
            with suppress(PortError):
                await vms.look(vm)
    finally:
        await vms.close()
    told = taken()
    for status, count in {"503": 2, "429": 1}.items():
        assert total(told, "stopgap.arm.calls", operation="get_vm", status=status) == count
    assert total(told, "stopgap.arm.calls", operation="get_vm", status="none") == 3
