import pytest

from local.azure.annotations import ANNOTATIONS
from local.azure.life import OPERATIONS, Verb
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver
from tests.local.azure.telling import annotations, availability, resource_events

NAME = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"


def health(receiver: Receiver) -> set[str]:
    """Annotations by name, and availability by the state that it changed to."""
    told = [*annotations(receiver).values(), *availability(receiver).values()]
    return {name for names in told for name in names}


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


async def test_a_hibernation_is_a_deallocation_with_a_parameter(
    azure: SimulatedAzure, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url)

    await azure.deallocate(azure.add_vm(SUB, "rg", "vm-1"), hibernate=True)
    await azure.deallocate(azure.add_vm(SUB, "rg", "vm-2"))
    await azure.settle()

    hibernated, deallocated = resource_events(receiver)
    assert hibernated["data"]["operationName"] == "Microsoft.Compute/virtualMachines/deallocate/action"
    assert hibernated["data"]["httpRequest"]["url"].endswith(
        "/vm-1/deallocate?hibernate=true&api-version=2026-04-01"
    )
    assert deallocated["data"]["httpRequest"]["url"].endswith("/vm-2/deallocate?api-version=2026-04-01")


async def test_what_is_cancelled(azure: SimulatedAzure, receiver: Receiver) -> None:
    await azure.subscribe(receiver.url)
    acted, written = azure.add_vm(SUB, "rg", "vm-1"), azure.add_vm(SUB, "rg", "vm-2")
    for vm_id in (acted, written):
        azure.cancel_next(vm_id)

    operation = azure.power_off(acted)
    azure.set_tags(written, {"a": "b"})
    await azure.settle()

    assert operation.status == "Canceled"
    told = {(event["eventType"], event["data"]["status"]) for event in resource_events(receiver)}
    assert told == {
        ("Microsoft.Resources.ResourceActionCancel", "Canceled"),
        ("Microsoft.Resources.ResourceWriteCancel", "Canceled"),
    }


async def test_a_resize_and_an_update_that_fail(azure: SimulatedAzure, receiver: Receiver) -> None:
    await azure.subscribe(receiver.url)
    resized, tagged = azure.add_vm(SUB, "rg", "vm-1"), azure.add_vm(SUB, "rg", "vm-2")
    for vm_id in (resized, tagged):
        azure.fail_next(vm_id, "AllocationFailed")

    azure.resize(resized, "Standard_M128s")
    azure.set_tags(tagged, {"a": "b"})
    await azure.settle()

    events = resource_events(receiver)
    assert [event["eventType"] for event in events] == ["Microsoft.Resources.ResourceWriteFailure"] * 2
    assert {event["data"]["operationName"] for event in events} == {"Microsoft.Compute/virtualMachines/write"}
    assert annotations(receiver) == {
        resized: ["VirtualMachineSizeChanged"],
        tagged: ["VirtualMachineConfigurationUpdated"],
    }


@pytest.mark.parametrize(
    ("verb", "action"),
    [
        ("redeploy", "redeploy/action"),
        ("reapply", "reapply/action"),
        ("reimage", "reimage/action"),
        ("restart", "restart/action"),
    ],
)
async def test_actions_are_told_by_name(
    azure: SimulatedAzure, receiver: Receiver, verb: str, action: str
) -> None:
    await azure.subscribe(receiver.url)
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    getattr(azure, verb)(vm_id)
    await azure.settle()

    [event] = resource_events(receiver)
    assert event["eventType"] == "Microsoft.Resources.ResourceActionSuccess"
    assert event["data"]["operationName"] == f"Microsoft.Compute/virtualMachines/{action}"
    annotation = OPERATIONS[Verb(verb)].annotation
    assert annotations(receiver) == ({vm_id: [annotation]} if annotation else {})


@pytest.mark.parametrize("verb", ["guest_restart", "host_crash", "host_repair", "service_healing"])
async def test_a_reboot_that_nobody_asked_arm_for(
    azure: SimulatedAzure, receiver: Receiver, verb: str
) -> None:
    await azure.subscribe(receiver.url)
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    getattr(azure, verb)(vm_id)
    await azure.settle()

    assert resource_events(receiver) == []
    assert annotations(receiver) == {vm_id: [OPERATIONS[Verb(verb)].annotation]}
    assert availability(receiver) == {vm_id: ["Unavailable", "Available"]}


async def test_nothing_is_told_of_a_recovery(azure: SimulatedAzure, receiver: Receiver) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    await azure.fail_provisioning(vm_id)
    await azure.subscribe(receiver.url)

    await azure.recover_provisioning(vm_id)
    await azure.settle()

    assert receiver.events == []


@pytest.mark.parametrize("name", sorted(ANNOTATIONS))
async def test_every_annotation_can_be_had(azure: SimulatedAzure, receiver: Receiver, name: str) -> None:
    await azure.subscribe(receiver.url)

    azure.annotate(azure.add_vm(SUB, "rg", "vm-1"), name)
    await azure.settle()

    [event] = receiver.events
    details = event["data"]["resourceInfo"]["properties"]
    assert details["annotationName"] == name
    assert details["context"] in {"Platform Initiated", "Customer Initiated", "VM Initiated"}
    assert (details["category"] == "Not Applicable") is (details["context"] != "Platform Initiated")


async def test_an_annotation_that_does_not_exist_is_named(azure: SimulatedAzure) -> None:
    with pytest.raises(
        ValueError, match="annotation is 'VirtualMachineBored'; expected one of AccelnetUnhealthy"
    ):
        azure.annotate(azure.add_vm(SUB, "rg", "vm-1"), "VirtualMachineBored")
