"""Scale sets of both orchestration modes, through the real SDK."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.compute.aio import ComputeManagementClient

from local.azure.errors import ArmError
from local.azure.faults import Fault
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver
from tests.local.azure.telling import annotations, availability, resource_events

SET = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/farm"
INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"


def codes(view: Any) -> list[str]:  # noqa: ANN401 - an SDK model
    return [status["code"] for status in view["statuses"]]


async def powers(compute: ComputeManagementClient, name: str = "farm") -> dict[str, str]:
    """The last word of each instance's power state, by instance id."""
    instances = compute.virtual_machine_scale_set_vms.list("rg", name, expand="instanceView")
    return {
        str(vm.instance_id): codes(vm["properties"]["instanceView"])[-1].rpartition("/")[2]
        async for vm in instances
    }


class TestUniform:
    async def test_an_instance_is_got_with_and_without_instance_view(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        ids = azure.add_scale_set(SUB, "rg", "farm", instances=3, size="Standard_F2s_v2", tags={"a": "b"})
        vms = compute.virtual_machine_scale_set_vms

        plain = await vms.get("RG", "FARM", "2")
        full = await vms.get("rg", "farm", "2", expand="instanceView")
        view = await vms.get_instance_view("rg", "farm", "2")

        assert ids == [f"{SET}/virtualMachines/{number}" for number in range(3)]
        assert (plain.id, plain.name, plain.instance_id, plain.type) == (ids[2], "farm_2", "2", INSTANCE)
        assert plain.sku is not None
        assert (plain.sku.name, plain["properties"]["hardwareProfile"]) == ("Standard_F2s_v2", {})
        assert plain.tags == {"a": "b"}
        assert plain.instance_view is None
        assert (
            codes(full["properties"]["instanceView"])
            == codes(view)
            == [
                "ProvisioningState/succeeded",
                "PowerState/running",
            ]
        )
        assert view.computer_name == "farm000002"
        assert azure.arm.counts() == {"instance.get": 2, "instance.instanceView": 1}

    async def test_a_list_is_paged_and_holds_the_sets_own_instances(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        azure.add_scale_set(SUB, "rg", "farm", instances=7)
        azure.add_scale_set(SUB, "rg", "farm-2", instances=2, state="stopped")

        plain = [vm async for vm in compute.virtual_machine_scale_set_vms.list("rg", "farm")]

        assert [vm.instance_id for vm in plain] == [str(number) for number in range(7)]
        assert all(vm.instance_view is None for vm in plain)
        assert await powers(compute, "farm-2") == {"0": "stopped", "1": "stopped"}
        assert azure.arm.counts() == {"scaleSet.list": 4}

    async def test_lists_of_vms_do_not_hold_instances(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        azure.add_scale_set(SUB, "rg", "farm")
        azure.add_vm(SUB, "rg", "vm-1")

        assert [vm.name async for vm in compute.virtual_machines.list("rg")] == ["vm-1"]
        assert [vm.name async for vm in compute.virtual_machines.list_all()] == ["vm-1"]
        assert [vm.name async for vm in compute.virtual_machines.list_all(status_only="true")] == ["vm-1"]

    async def test_every_operation_on_an_instance(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        azure.add_scale_set(SUB, "rg", "farm", instances=2)
        vms = compute.virtual_machine_scale_set_vms
        found = []

        await (await vms.begin_power_off("rg", "farm", "1", skip_shutdown=True)).result()
        found.append((await powers(compute))["1"])
        await (await vms.begin_start("rg", "farm", "1")).result()
        found.append((await powers(compute))["1"])
        for begin in (vms.begin_restart, vms.begin_reimage, vms.begin_redeploy):
            await (await begin("rg", "farm", "1")).result()
            found.append((await powers(compute))["1"])
        await (await vms.begin_deallocate("rg", "farm", "1")).result()
        found.append((await powers(compute))["1"])
        await (await vms.begin_delete("rg", "farm", "1")).result()

        assert found == ["stopped", "running", "running", "running", "running", "deallocated"]
        assert await powers(compute) == {"0": "running"}
        await (await vms.begin_delete("rg", "farm", "1")).result()  # 204: there is none

    async def test_what_does_not_exist(self, azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
        azure.add_scale_set(SUB, "rg", "farm")
        vms = compute.virtual_machine_scale_set_vms

        with pytest.raises(HttpResponseError, match="instanceId 9 is not an active Virtual") as no_instance:
            await vms.get("rg", "farm", "9")
        with pytest.raises(ResourceNotFoundError, match=f"parent resource '{SET}-2' could not") as no_parent:
            await vms.get("rg", "farm-2", "0")
        with pytest.raises(ResourceNotFoundError, match="virtualMachineScaleSets/farm-2' under") as no_set:
            await compute.virtual_machine_scale_sets.begin_start("rg", "farm-2")
        with pytest.raises(ResourceNotFoundError) as no_group:
            await vms.get("rg-2", "farm", "0")

        caught = (no_instance, no_parent, no_set, no_group)
        assert [(each.value.status_code, each.value.error and each.value.error.code) for each in caught] == [
            (400, "InvalidParameter"),
            (404, "ParentResourceNotFound"),
            (404, "ResourceNotFound"),
            (404, "ResourceGroupNotFound"),
        ]
        assert no_instance.value.error is not None
        assert no_instance.value.error.target == "instanceIds"
        with pytest.raises(ArmError, match="instanceId 9 is not"):
            azure.power_off(f"{SET}/virtualMachines/9")

    async def test_an_instance_cannot_hibernate(self, azure: SimulatedAzure) -> None:
        [vm_id] = azure.add_scale_set(SUB, "rg", "farm")
        with pytest.raises(ArmError, match="cannot hibernate"):
            azure.deallocate(vm_id, hibernate=True)

    async def test_a_refusal_names_the_permission_on_instances(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        azure.add_scale_set(SUB, "rg", "farm")
        azure.inject(Fault(kind="403", times=2))

        with pytest.raises(HttpResponseError, match=f"action '{INSTANCE}/read'"):
            await compute.virtual_machine_scale_set_vms.get("rg", "farm", "0")
        with pytest.raises(
            HttpResponseError, match=r"action 'Microsoft[.]Compute/virtualMachineScaleSets/start/action'"
        ):
            await compute.virtual_machine_scale_sets.begin_start("rg", "farm")

    async def test_the_truth_and_broken_answers_take_instances_as_well(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        first, second = azure.add_scale_set(SUB, "rg", "farm", instances=2)
        azure.set_statuses(second.upper(), [{"code": "PowerState/levitating"}])

        await azure.guest_shutdown(first.upper())

        assert azure.left_stopped(timedelta()) == {first.lower()}
        assert await powers(compute) == {"0": "stopped", "1": "levitating"}


class TestTheSetAsAWhole:
    async def test_some_instances_or_all(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        azure.add_scale_set(SUB, "rg", "farm", instances=4)
        sets = compute.virtual_machine_scale_sets

        some: Any = {"instanceIds": ["1", "3"]}
        await (await sets.begin_power_off("rg", "farm", some)).result()
        some_stopped = await powers(compute)
        await (await sets.begin_deallocate("rg", "farm")).result()
        all_gone = await powers(compute)
        await (await sets.begin_start("rg", "farm", some)).result()

        assert some_stopped == {"0": "running", "1": "stopped", "2": "running", "3": "stopped"}
        assert set(all_gone.values()) == {"deallocated"}
        assert await powers(compute) == {
            "0": "deallocated",
            "1": "running",
            "2": "deallocated",
            "3": "running",
        }
        assert azure.arm.counts()["scaleSet.powerOff"] == 1

    async def test_one_instance_that_forbids_it_forbids_it_for_all(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        _, second = azure.add_scale_set(SUB, "rg", "farm", instances=2)
        await azure.deallocate(second)

        with pytest.raises(ResourceExistsError, match="since the VM is deallocated"):
            await compute.virtual_machine_scale_sets.begin_power_off("rg", "farm")

        assert await powers(compute) == {"0": "running", "1": "deallocated"}

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({"instanceIds": ["0", "9"]}, "instanceId 9 is not an active"),
            ({"instanceIds": "0"}, "must be a JSON array"),
            ({"instanceIds": [0]}, "must be a JSON array"),
            ([], None),
        ],
    )
    async def test_a_body_that_cannot_be_meant(
        self, azure: SimulatedAzure, http: aiohttp.ClientSession, body: object, says: str | None
    ) -> None:
        [vm_id] = azure.add_scale_set(SUB, "rg", "farm")

        async with http.post(f"{azure.url}{SET}/powerOff?api-version=1", json=body) as response:
            answer = await response.text()

        assert response.status == (202 if says is None else 400)
        assert (says or "") in answer
        assert azure.vm(vm_id).condition.power == "running"

    async def test_a_failure_of_one_part_is_the_operations(self, azure: SimulatedAzure) -> None:
        _, second = azure.add_scale_set(SUB, "rg", "farm", instances=2)
        azure.fail_next(second, "AllocationFailed")

        operation = azure.on_scale_set(SET, "restart")
        await operation

        assert operation.status == "Failed"
        assert operation.error is not None
        assert operation.error[0] == "AllocationFailed"

    async def test_an_unknown_verb_is_named(self, azure: SimulatedAzure) -> None:
        azure.add_scale_set(SUB, "rg", "farm")
        with pytest.raises(ValueError, match="'evict'; expected one of deallocate, power_off"):
            azure.on_scale_set(SET, "evict")


class TestFlexible:
    async def test_instances_are_ordinary_vms_that_name_their_set(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        ids = azure.add_scale_set(SUB, "rg", "farm", mode="Flexible", instances=2, state="deallocated")
        names = [vm_id.rpartition("/")[2] for vm_id in ids]

        vm = await compute.virtual_machines.get("rg", names[0], expand="instanceView")
        listed = {vm.name: vm async for vm in compute.virtual_machines.list_all()}

        assert all(name.startswith("farm_") and len(name) == len("farm_7d4d6a18") for name in names)
        assert "/virtualMachines/farm_" in ids[0]
        assert "virtualMachineScaleSets" not in ids[0]
        assert vm.type == "Microsoft.Compute/virtualMachines"
        assert vm.virtual_machine_scale_set is not None
        assert vm.virtual_machine_scale_set.id == SET
        assert set(listed) == set(names)
        assert codes(vm["properties"]["instanceView"])[-1] == "PowerState/deallocated"

    async def test_they_are_not_served_as_instances(
        self, azure: SimulatedAzure, compute: ComputeManagementClient
    ) -> None:
        azure.add_scale_set(SUB, "rg", "farm", mode="Flexible")
        vms = compute.virtual_machine_scale_set_vms
        says = "Operation 'VirtualMachineScaleSets.virtualMachines.GET' is not allowed"

        with pytest.raises(HttpResponseError, match=says) as caught:
            await vms.get("rg", "farm", "0")
        with pytest.raises(HttpResponseError, match=says):
            _ = [vm async for vm in vms.list("rg", "farm", expand="instanceView")]

        assert caught.value.status_code == 400

    async def test_the_set_as_a_whole_takes_their_names(self, azure: SimulatedAzure) -> None:
        first, second = azure.add_scale_set(SUB, "rg", "farm", mode="Flexible", instances=2)

        await azure.on_scale_set(SET, "power_off", [second.rpartition("/")[2]])

        assert azure.vm(first).condition.power == "running"
        assert azure.vm(second).condition.power == "stopped"


class TestEvents:
    async def test_an_operation_on_an_instance_names_the_instance(
        self, azure: SimulatedAzure, receiver: Receiver
    ) -> None:
        await azure.subscribe(receiver.url)
        [vm_id] = azure.add_scale_set(SUB, "rg", "farm")

        azure.power_off(vm_id, by=None)
        await azure.settle()

        [event] = resource_events(receiver)
        assert event["subject"].lower() == vm_id.lower()
        assert event["data"]["operationName"] == f"{INSTANCE}/powerOff/action"
        assert event["data"]["authorization"]["action"] == f"{INSTANCE}/powerOff/action"
        assert event["data"]["httpRequest"]["url"].endswith(
            "/virtualMachines/0/powerOff?api-version=2026-04-01"
        )
        assert annotations(receiver) == {vm_id: ["VirtualMachineStopInitiatedByControlPlane"]}
        assert availability(receiver) == {vm_id: ["Unavailable"]}

    async def test_a_deletion(self, azure: SimulatedAzure, receiver: Receiver) -> None:
        await azure.subscribe(receiver.url)

        azure.delete(azure.add_scale_set(SUB, "rg", "farm")[0])
        await azure.settle()

        [event] = resource_events(receiver)
        assert event["eventType"] == "Microsoft.Resources.ResourceDeleteSuccess"
        assert event["data"]["operationName"] == f"{INSTANCE}/delete"

    async def test_what_happens_inside_the_guest_is_an_annotation_of_the_instance(
        self, azure: SimulatedAzure, receiver: Receiver
    ) -> None:
        await azure.subscribe(
            receiver.url, event_types=["Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"]
        )
        [vm_id] = azure.add_scale_set(SUB, "rg", "farm")

        azure.guest_shutdown(vm_id)
        await azure.settle()

        [event] = receiver.events
        info = event["data"]["resourceInfo"]
        assert event["subject"] == vm_id
        assert info["id"].startswith(f"{vm_id}/providers/Microsoft.ResourceHealth/resourceAnnotations/")
        assert (info["properties"]["targetResourceId"], info["properties"]["targetResourceType"]) == (
            vm_id,
            INSTANCE,
        )

    async def test_an_operation_on_the_set_names_the_set_and_annotations_the_instances(
        self, azure: SimulatedAzure, receiver: Receiver
    ) -> None:
        await azure.subscribe(receiver.url)
        ids = azure.add_scale_set(SUB, "rg", "farm", instances=3)

        azure.on_scale_set(SET, "deallocate", ["0", "2"], by="Grace Hopper")
        await azure.settle()

        [event] = resource_events(receiver)
        assert event["eventType"] == "Microsoft.Resources.ResourceActionSuccess"
        assert event["subject"].lower() == SET.lower()
        assert event["data"]["operationName"] == (
            "Microsoft.Compute/virtualMachineScaleSets/deallocate/action"
        )
        assert event["data"]["claims"]["name"] == "Grace Hopper"
        told = annotations(receiver)
        assert told == {vm_id: ["VirtualMachineDeallocationInitiated"] for vm_id in (ids[0], ids[2])}


async def test_wrong_words_are_named(azure: SimulatedAzure) -> None:
    unknown: Any = "Loose"
    azure.add_scale_set(SUB, "rg", "farm")

    with pytest.raises(ValueError, match="mode is 'Loose'; expected one of Uniform, Flexible"):
        azure.add_scale_set(SUB, "rg", "farm-2", mode=unknown)
    with pytest.raises(ValueError, match="exists already"):
        azure.add_scale_set(SUB, "RG", "FARM")
    with pytest.raises(ValueError, match="expected running, stopped or deallocated"):
        azure.add_scale_set(SUB, "rg", "farm-3", state="off")
    assert set(azure.scale_sets) == {SET.lower()}


async def test_reset_leaves_no_scale_set(azure: SimulatedAzure) -> None:
    azure.add_scale_set(SUB, "rg", "farm", instances=2)
    azure.on_scale_set(SET, "power_off")

    await azure.reset()

    assert not azure.scale_sets
    assert not azure.vms
