"""Whole fleets in lists, through the real SDK."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.compute.aio import ComputeManagementClient
from hypothesis import given
from hypothesis import strategies as st

from local.azure.errors import ArmError
from local.azure.interposition import RequestMoment
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from local.azure.sorted_ids import SortedIds

type Connect = Callable[..., Awaitable[ComputeManagementClient]]

OTHER = "11111111-0000-4000-8000-000000000002"
SETS = "Microsoft.Compute/virtualMachineScaleSets"


async def names(pages: AsyncIterator[Any]) -> list[str]:
    return [item.name async for item in pages]


class TestLists:
    async def test_every_list_holds_what_it_should_once_and_in_order(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        ids = azure.add_fleet(SUB, 20)
        azure.add_fleet(OTHER, 5)
        azure.add_scale_set(SUB, "rg-shop", "farm", instances=4)
        [flexible] = azure.add_scale_set(SUB, "rg-shop", "meadow", mode="Flexible")

        everyone = [vm.id async for vm in compute.virtual_machines.list_all()]
        states = [vm.id async for vm in compute.virtual_machines.list_all(status_only="true")]
        shop = [vm.id async for vm in compute.virtual_machines.list("RG-SHOP")]

        assert everyone == states == sorted([*ids, flexible], key=str.lower)
        assert shop == [each for each in everyone if each and "/rg-shop/" in each]
        assert azure.arm.counts() == {"listAll": 7, "listStatus": 7, "list": 2}

    async def test_a_list_is_right_while_vms_come_and_go(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        for number in range(10):
            azure.add_vm(SUB, "rg", f"vm-{number}")
        group = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines"

        def change(moment: RequestMoment) -> None:
            if moment.when == "after" and len(azure.requests) == 2:  # shown so far: vm-0 to vm-5
                azure.add_vm(SUB, "rg", "vm-1b")
                azure.add_vm(SUB, "rg", "vm-5b")
                azure.compute.remove(azure.vm(f"{group}/vm-5"))
                azure.compute.remove(azure.vm(f"{group}/vm-6"))

        azure.interpose(change)
        listed = await names(compute.virtual_machines.list_all())

        assert listed == ["vm-0", "vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-5b", "vm-7", "vm-8", "vm-9"]

    async def test_rows_show_every_change_at_once(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        vm_id = azure.add_vm(SUB, "rg", "vm-1", tags={"a": "b"})

        async def shown() -> tuple[object, ...]:
            [model] = [vm async for vm in compute.virtual_machines.list_all()]
            [row] = [vm async for vm in compute.virtual_machines.list_all(status_only="true")]
            view = row["properties"].get("instanceView")
            return (
                model.tags,
                model["properties"]["hardwareProfile"]["vmSize"],
                view and [status["code"] for status in view["statuses"]][1:],
            )

        found = [await shown()]
        await azure.set_tags(vm_id, {})
        found.append(await shown())
        await azure.resize(vm_id, "Standard_B1s")
        await azure.deallocate(vm_id, hibernate=True)
        found.append(await shown())
        azure.remove_instance_view(vm_id)
        found.append(await shown())
        azure.restore(vm_id)
        await azure.delete(vm_id)
        azure.add_vm(SUB, "rg", "vm-1")
        found.append(await shown())

        size, running = "Standard_D2s_v5", ["PowerState/running"]
        assert found == [
            ({"a": "b"}, size, running),
            ({}, size, running),
            ({}, "Standard_B1s", ["PowerState/deallocated", "HibernationState/Hibernated"]),
            ({}, "Standard_B1s", None),
            ({}, size, running),
        ]

    @pytest.mark.parametrize("rows", [1, 7, 8, 9])
    async def test_the_size_of_pages_may_change(
        self, azure: SimulatedAzure, compute: ComputeManagementClient, rows: int
    ) -> None:
        azure.add_fleet(SUB, 8)
        azure.set_page_size(rows)

        assert len(await names(compute.virtual_machines.list_all())) == 8
        assert azure.arm.counts() == {"listAll": -(-8 // rows)}

    def test_a_page_of_no_rows_is_refused(self, azure: SimulatedAzure) -> None:
        with pytest.raises(ValueError, match="page size is 0; expected 1 or more"):
            azure.set_page_size(0)

    async def test_50_000_vms_on_one_page(self, http: aiohttp.ClientSession) -> None:
        async with SimulatedAzure(page_size=50_000) as azure:
            azure.add_fleet(SUB, 50_000)
            async with http.get(f"{vms_of(azure)}&statusOnly=true") as response:
                page = await response.json()

        assert len({row["id"] for row in page["value"]}) == 50_000
        assert "nextLink" not in page


def vms_of(azure: SimulatedAzure) -> str:
    return f"{azure.url}/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines?api-version=1"


class TestScaleSets:
    async def test_the_sets_of_a_subscription_and_of_a_group(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        for number in range(4):
            azure.add_scale_set(SUB, "rg", f"farm-{number}", instances=number, size="Standard_F2s_v2")
        azure.add_scale_set(SUB, "rg-2", "meadow", mode="Flexible", instances=5, tags={"a": "b"})
        azure.add_scale_set(OTHER, "rg", "elsewhere")

        everyone = {each.name: each async for each in compute.virtual_machine_scale_sets.list_all()}
        group = await names(compute.virtual_machine_scale_sets.list("RG"))

        assert list(everyone) == ["meadow", "farm-0", "farm-1", "farm-2", "farm-3"]
        assert group == ["farm-0", "farm-1", "farm-2", "farm-3"]
        assert {each.orchestration_mode for name, each in everyone.items() if name in group} == {"Uniform"}
        meadow = everyone["meadow"]
        assert (meadow.orchestration_mode, meadow.tags) == ("Flexible", {"a": "b"})
        assert [each.sku and each.sku.capacity for each in everyone.values()] == [5, 0, 1, 2, 3]
        assert azure.arm.counts() == {"scaleSet.listAll": 2, "scaleSet.listInGroup": 2}

    async def test_a_group_that_is_not_there(self, compute: ComputeManagementClient) -> None:
        with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
            await names(compute.virtual_machine_scale_sets.list("rg"))

    async def test_a_list_takes_the_permission_on_sets(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        azure.permit(["Microsoft.Compute/virtualMachines/*", f"{SETS}/virtualMachines/read"])
        with pytest.raises(HttpResponseError, match=f"action '{SETS}/read'"):
            await names(compute.virtual_machine_scale_sets.list_all())

    async def test_a_set_that_is_removed_is_gone_with_its_vms(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        ids = azure.add_scale_set(SUB, "rg", "farm", instances=2)
        flexible = azure.add_scale_set(SUB, "rg", "meadow", mode="Flexible", instances=2)
        vm_id = azure.add_vm(SUB, "rg", "vm-1")
        deletion = azure.delete(ids[0])

        for name in ("FARM", "meadow"):
            azure.remove_scale_set(f"/subscriptions/{SUB}/resourceGroups/rg/providers/{SETS}/{name}")
        await deletion

        assert set(azure.vms) == {vm_id.lower()}
        assert await names(compute.virtual_machines.list_all()) == ["vm-1"]
        assert await names(compute.virtual_machine_scale_sets.list_all()) == []
        with pytest.raises(ResourceNotFoundError, match="ParentResourceNotFound"):
            await names(compute.virtual_machine_scale_set_vms.list("rg", "farm"))
        with pytest.raises(ArmError, match="ResourceNotFound"):
            azure.remove_scale_set(flexible[0].rpartition("/providers/")[0] + f"/providers/{SETS}/meadow")


class TestFleet:
    async def test_it_is_the_same_every_time(self) -> None:
        first, second = SimulatedAzure(), SimulatedAzure()
        assert first.add_fleet(SUB, 300) == second.add_fleet(SUB, 300)
        assert [vm.spec for vm in first.vms.values()] == [vm.spec for vm in second.vms.values()]
        assert first.powers() == second.powers()

    async def test_it_is_mixed(self, azure: SimulatedAzure) -> None:
        azure.add_fleet(SUB, 140)
        specs = [vm.spec for vm in azure.vms.values()]

        assert Counter(azure.powers().values()) == {"running": 100, "stopped": 20, "deallocated": 20}
        assert {spec.os_type for spec in specs} == {"Linux", "Windows"}
        for several in ("size", "location", "resource_group"):
            assert len({getattr(spec, several) for spec in specs}) > 1
        assert len({str(spec.tags) for spec in specs}) > 1

    async def test_more_may_follow(self, azure: SimulatedAzure) -> None:
        since = datetime(2026, 9, 1, tzinfo=UTC)
        azure.add_fleet(SUB, 3, since=since)
        ids = azure.add_fleet(SUB, 2, first=4)

        assert [vm_id.rpartition("/")[2] for vm_id in ids] == ["vm-004", "vm-005"]
        assert [vm.history[0].at == since for vm in azure.vms.values()] == [True] * 3 + [False] * 2
        with pytest.raises(ValueError, match="vm-005 exists already"):
            azure.add_fleet(SUB, 9, first=5)
        assert len(azure.vms) == 5


class Compared(str):
    """An id that counts how often ids are compared."""

    __slots__ = ()
    comparisons = 0

    def __lt__(self, other: str) -> bool:
        Compared.comparisons += 1
        return str.__lt__(self, other)


def test_a_page_costs_its_rows_whatever_the_fleet() -> None:
    ids = SortedIds()
    for number in range(100_000):
        ids.add(Compared(f"vm-{number:06}"))
    Compared.comparisons = 0

    page = list(islice(ids.below("vm-", "vm-050000"), 100))

    assert (page[0], page[-1]) == ("vm-050001", "vm-050100")
    assert Compared.comparisons < 50


IDS = st.text("abc/", min_size=1, max_size=4)


@given(st.lists(IDS, unique=True), st.data(), st.text("abc/", max_size=2), st.text("abc/", max_size=4))
def test_ids_below_a_prefix_and_after_an_id(
    added: list[str], data: st.DataObject, prefix: str, after: str
) -> None:
    removed = data.draw(st.sets(st.sampled_from(added))) if added else set[str]()
    ids = SortedIds()
    for each in added:
        ids.add(each)
        if each in removed:
            ids.remove(each)
    left = set(added) - removed
    assert list(ids.below(prefix, after)) == sorted(
        each for each in left if each.startswith(prefix) and each > after
    )
