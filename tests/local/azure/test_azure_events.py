from typing import Any

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver

NAME = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"


def resource_events(receiver: Receiver) -> list[dict[str, Any]]:
    found = [event for event in receiver.events if event["eventType"].startswith("Microsoft.Resources.")]
    return sorted(found, key=lambda event: str(event["eventTime"]))


def health(receiver: Receiver) -> set[str]:
    """Annotations by name, and availability by the state that it changed to."""
    properties = [
        event["data"]["resourceInfo"]["properties"]
        for event in receiver.events
        if event["eventType"].startswith("Microsoft.ResourceNotifications.HealthResources.")
    ]
    return {details.get("annotationName") or details["availabilityState"] for details in properties}


async def test_a_power_off_is_told_at_its_beginning_and_at_its_end(
    azure: SimulatedAzure, receiver: Receiver
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    await azure.subscribe(receiver.url)

    azure.power_off(vm_id, by="Grace Hopper")
    await azure.settle()

    assert health(receiver) == {"VirtualMachineStopInitiatedByControlPlane", "Unavailable"}
    [event] = resource_events(receiver)
    assert event["eventType"] == "Microsoft.Resources.ResourceActionSuccess"
    assert event["subject"].lower() == vm_id.lower()
    data = event["data"]
    assert (
        data["operationName"]
        == data["authorization"]["action"]
        == ("Microsoft.Compute/virtualMachines/powerOff/action")
    )
    assert data["httpRequest"]["url"].endswith("/vm-1/powerOff?api-version=2026-04-01")
    assert data["claims"]["name"] == "Grace Hopper"
    assert data["claims"][NAME] == "grace.hopper@example.com"
    annotated = [event for event in receiver.events if event["eventType"].endswith("ResourceAnnotated")]
    assert annotated[0]["eventTime"] < event["eventTime"]


async def test_what_nobody_asked_arm_for_makes_no_resource_event(
    azure: SimulatedAzure, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url)

    azure.guest_shutdown(azure.add_vm(SUB, "rg", "vm-1"))
    azure.guest_crash(azure.add_vm(SUB, "rg", "vm-2"))
    azure.evict(azure.add_vm(SUB, "rg", "vm-3", priority="Spot", eviction_policy="Deallocate"))
    await azure.settle()

    assert resource_events(receiver) == []
    assert health(receiver) == {
        "VirtualMachineStoppedInternally",
        "VirtualMachineCrashed",
        "VirtualMachinePreempted",
        "Unavailable",
        "Available",
    }


async def test_a_create_is_written_twice_under_one_correlation_id(
    azure: SimulatedAzure, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url)

    await azure.create(SUB, "rg", "vm-1")
    await azure.settle()

    events = resource_events(receiver)
    assert {event["eventType"] for event in events} == {"Microsoft.Resources.ResourceWriteSuccess"}
    assert {event["data"]["operationName"] for event in events} == {
        "Microsoft.Resources/deployments/write",
        "Microsoft.Compute/virtualMachines/write",
    }
    assert len({event["data"]["correlationId"] for event in events}) == 1
    assert not any("httpRequest" in event["data"] for event in events)


async def test_failures(azure: SimulatedAzure, receiver: Receiver) -> None:
    await azure.subscribe(receiver.url)
    failing = azure.add_vm(SUB, "rg", "vm-1")
    azure.fail_next(failing)

    azure.deallocate(failing)
    azure.fail_provisioning(azure.add_vm(SUB, "rg", "vm-2"))
    await azure.settle()

    told = {(event["eventType"], event["data"]["status"]) for event in resource_events(receiver)}
    assert told == {
        ("Microsoft.Resources.ResourceActionFailure", "Failed"),
        ("Microsoft.Resources.ResourceWriteFailure", "Failed"),
    }


async def test_an_update_and_a_delete_carry_their_request(azure: SimulatedAzure, receiver: Receiver) -> None:
    await azure.subscribe(receiver.url)
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    await azure.set_tags(vm_id, {"a": "b"})
    await azure.delete(vm_id)
    await azure.settle()

    methods = {
        event["data"]["operationName"]: event["data"]["httpRequest"]["method"]
        for event in resource_events(receiver)
    }
    assert methods == {
        "Microsoft.Compute/virtualMachines/write": "PATCH",
        "Microsoft.Compute/virtualMachines/delete": "DELETE",
    }


async def test_a_start_of_a_running_vm_is_a_success_without_annotation(
    azure: SimulatedAzure, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url)

    azure.start(azure.add_vm(SUB, "rg", "vm-1"), by=None)
    await azure.settle()

    assert health(receiver) == set()
    [event] = resource_events(receiver)
    assert event["data"]["authorization"]["evidence"]["principalType"] == "ServicePrincipal"
    assert "name" not in event["data"]["claims"]


async def test_subjects_come_in_both_casings(azure: SimulatedAzure, receiver: Receiver) -> None:
    await azure.subscribe(receiver.url)

    for number in range(20):
        azure.power_off(azure.add_vm(SUB, "rg", f"vm-{number}"))
    await azure.settle()

    assert {event["subject"].split("/")[3] for event in resource_events(receiver)} == {
        "resourceGroups",
        "resourcegroups",
    }
