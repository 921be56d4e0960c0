"""The keys of every answer and event are those of the recorded or documented sample."""

from collections.abc import Callable
from copy import replace
from typing import Any

import aiohttp
import pytest
from azure.mgmt.compute import models

from local.azure.handshake import Schema
from local.azure.instance_view import statuses
from local.azure.scale_sets import Mode
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver

type Sample = Callable[[str], Any]


def paths(value: object, at: str = "") -> set[str]:
    """Every key of a JSON value, with where it stands; list items count as one."""
    if isinstance(value, dict):
        return {f"{at}.{key}" for key in value}.union(
            *(paths(item, f"{at}.{key}") for key, item in value.items())
        )
    if isinstance(value, list):
        return set().union(*(paths(item, f"{at}[]") for item in value))
    return set()


def outside(found: set[str], *subtrees: str) -> set[str]:
    """What is not below one of the subtrees: free-form parts, and data disks, which our VMs do not have."""
    return {path for path in found if not any(path.startswith(subtree) for subtree in subtrees)}


async def fetch(http: aiohttp.ClientSession, url: str) -> Any:  # noqa: ANN401 - JSON of any kind
    async with http.get(url) as response:
        assert response.status == 200
        return await response.json()


def schema_of(event: dict[str, Any]) -> Schema:
    return "CloudEventSchemaV1_0" if "specversion" in event else "EventGridSchema"


FREE_FORM = (".tags.", ".properties.storageProfile.dataDisks[]", ".resources[].properties.settings.")


async def test_get_with_instance_view(
    azure: SimulatedAzure, http: aiohttp.ClientSession, sample: Sample
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", tags={"a": "b"})

    ours = await fetch(http, f"{azure.url}{vm_id}?api-version=2026-04-01&$expand=instanceView")

    recorded = sample("arm-vm-get-expand-instanceview.running.recorded.json")
    assert outside(paths(ours), *FREE_FORM) == outside(paths(recorded), *FREE_FORM)
    assert list(ours) == list(recorded)


async def test_an_instance_of_a_uniform_scale_set(
    azure: SimulatedAzure, http: aiohttp.ClientSession, sample: Sample
) -> None:
    [vm_id] = azure.add_scale_set(
        SUB, "rg", "farm", tags={"a": "b"}, license_type="Windows_Server", zones=("1",)
    )

    ours = await fetch(http, f"{azure.url}{vm_id}?api-version=2026-04-01&$expand=instanceView")

    # A list of instances as a user of Azure published it: MicrosoftDocs/azure-docs, issue 94444.
    published = ["name", "id", "type", "location", "instanceId", "sku", "properties"]
    assert [key for key in ours if key in published] == published
    assert list(ours["properties"])[:3] == [
        "latestModelApplied",
        "modelDefinitionApplied",
        "networkProfileConfiguration",
    ]
    # Beyond that, nothing that the SDK's model of the answer does not know.
    assert unknown(ours, models.VirtualMachineScaleSetVM) == set()
    assert unknown(ours["properties"], models.VirtualMachineScaleSetVMProperties) == set()
    view = ours["properties"]["instanceView"]
    assert unknown(view, models.VirtualMachineScaleSetVMInstanceView) == set()
    ordinary = sample("arm-vm-instanceview.running.recorded.json")
    assert set(view) - set(ordinary) == {"platformUpdateDomain", "platformFaultDomain"}
    alone = await fetch(http, f"{azure.url}{vm_id}/instanceView?api-version=2026-04-01")
    assert paths(alone) == paths(view)


@pytest.mark.parametrize("mode", ["Uniform", "Flexible"])
async def test_a_list_of_scale_sets(azure: SimulatedAzure, http: aiohttp.ClientSession, mode: Mode) -> None:
    azure.add_scale_set(
        SUB,
        "rg",
        "farm",
        mode=mode,
        tags={"a": "b"},
        zones=("1",),
        priority="Spot",
        eviction_policy="Delete",
        license_type="Windows_Server",
        ephemeral_os_disk=True,
        capacity_reservation_id="/subscriptions/s/resourceGroups/rg/providers/p/capacityReservationGroups/g",
    )
    url = f"{azure.url}/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachineScaleSets"

    [ours] = (await fetch(http, f"{url}?api-version=2026-04-01"))["value"]

    properties = ours["properties"]
    profile = properties["virtualMachineProfile"]
    for answer, model in (
        (ours, models.VirtualMachineScaleSet),
        (ours["sku"], models.Sku),
        (properties, models.VirtualMachineScaleSetProperties),
        (profile, models.VirtualMachineScaleSetVMProfile),
        (profile["osProfile"], models.VirtualMachineScaleSetOSProfile),
        (profile["storageProfile"]["osDisk"], models.VirtualMachineScaleSetOSDisk),
    ):
        assert unknown(answer, model) == set()
    # What REST's example of the list has and says of every set.
    assert {"id", "name", "type", "location", "sku", "tags", "zones", "properties"} == set(ours)
    assert (ours["type"], ours["sku"]["tier"]) == ("Microsoft.Compute/virtualMachineScaleSets", "Standard")
    assert properties["orchestrationMode"] == mode


def unknown(answer: dict[str, Any], model: type[Any]) -> set[str]:
    """The keys that the SDK's model of an answer does not have."""
    model()  # the names are gathered at the first use
    return set(answer) - {field._rest_name for field in model._attr_to_rest_field.values()}


async def test_instance_view(azure: SimulatedAzure, http: aiohttp.ClientSession, sample: Sample) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    ours = await fetch(http, f"{azure.url}{vm_id}/instanceView?api-version=2026-04-01")

    recorded = sample("arm-vm-instanceview.running.recorded.json")
    assert paths(ours) == paths(recorded)
    assert [list(row) for row in ours["statuses"]] == [list(row) for row in recorded["statuses"]]
    assert len(ours["statuses"][0]["time"]) == len(recorded["statuses"][0]["time"])


async def test_lists(azure: SimulatedAzure, http: aiohttp.ClientSession, sample: Sample) -> None:
    azure.add_vm(SUB, "rg", "vm-1", tags={"a": "b"})
    url = (
        f"{azure.url}/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines?api-version=2026-04-01"
    )

    models, rows = await fetch(http, url), await fetch(http, f"{url}&statusOnly=true")

    free_form = (".value[].tags.", ".value[].properties.storageProfile.dataDisks[]")
    recorded = sample("arm-vm-list-all.recorded.json")
    assert outside(paths(models), *free_form) == outside(paths(recorded), *free_form)
    recorded_rows = sample("arm-vm-list-all.statusOnly.recorded.json")
    assert paths(rows) == paths(recorded_rows)
    assert list(rows["value"][0]) == list(recorded_rows["value"][0])


@pytest.mark.parametrize(
    ("name", "verb", "by"),
    [
        ("eventgrid-subscription-ResourceActionSuccess.eventgridschema.json", "power_off", None),
        ("eventgrid-subscription-ResourceDeleteSuccess.eventgridschema.json", "delete", "Ada Lovelace"),
        ("eventgrid-subscription-ResourceWriteSuccess.eventgridschema.json", "create", "Ada Lovelace"),
        ("eventgrid-subscription-ResourceActionSuccess.cloudevents10.json", "power_off", None),
    ],
)
async def test_resource_events(
    azure: SimulatedAzure, receiver: Receiver, sample: Sample, name: str, verb: str, by: str | None
) -> None:
    documented = sample(name)[0]
    event_type = documented.get("eventType") or documented["type"]
    await azure.subscribe(receiver.url, schema_of(documented), event_types=[event_type])

    if verb == "create":
        azure.create(SUB, "rg", "vm-1", by=by)
    else:
        getattr(azure, verb)(azure.add_vm(SUB, "rg", "vm-1"), by=by)
    await azure.settle()

    ours = receiver.events[-1]
    assert paths(ours) == paths(documented)
    time = ours.get("eventTime") or ours["time"]
    assert len(time) == len("2018-10-08T22:46:22.6022559Z")


@pytest.mark.parametrize(
    "name",
    [
        "eventgrid-arn-health-ResourceAnnotated.eventgridschema.json",
        "eventgrid-arn-health-AvailabilityStatusChanged.cloudevents10.json",
    ],
)
async def test_health_events(azure: SimulatedAzure, receiver: Receiver, sample: Sample, name: str) -> None:
    documented = sample(name)
    event_type = documented.get("eventType") or documented["type"]
    await azure.subscribe(receiver.url, schema_of(documented), event_types=[event_type])

    azure.deallocate(azure.add_vm(SUB, "rg", "vm-1"))
    await azure.settle()

    ours = receiver.events[0]
    assert paths(ours) == paths(documented)
    properties, documented_properties = (
        event["data"]["resourceInfo"]["properties"] for event in (ours, documented)
    )
    for key in ("annotationName", "reason", "context", "category"):
        assert properties.get(key) == documented_properties.get(key)


async def test_dead_letter(azure: SimulatedAzure, receiver: Receiver, sample: Sample) -> None:
    documented = sample("eventgrid-deadletter-event.eventgridschema.docs.json")
    receiver.answers = [400]
    await azure.subscribe(receiver.url, event_types=["Microsoft.Resources.ResourceActionSuccess"])

    azure.power_off(azure.add_vm(SUB, "rg", "vm-1"))
    await azure.settle()

    assert set(azure.dead_letters[0]) == set(documented)


STATES = [
    "starting",
    "running",
    "stopping",
    "stopped",
    "deallocating",
    "deallocated",
    "hibernated",
    "creating",
]


async def test_statuses_are_those_of_the_documents(azure: SimulatedAzure, sample: Sample) -> None:
    vm = azure.create(SUB, "rg", "vm-1").vm
    await azure.settle()
    await azure.power_off(vm.spec.id)
    await azure.start(vm.spec.id)
    await azure.deallocate(vm.spec.id, hibernate=True)
    seen = [in_words(statuses(replace(vm, history=[moment], hibernated=False))) for moment in vm.history]
    seen.append(in_words(statuses(vm)))

    documented = sample("instanceview-statuses.by-state.docs.json")
    assert [state for state in STATES if in_words(documented[state]) not in seen] == []


async def test_a_failure_is_shown_as_documented(azure: SimulatedAzure, sample: Sample) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    azure.fail_next(vm_id, "InternalOperationError")
    await azure.restart(vm_id)

    documented = sample("instanceview-statuses.by-state.docs.json")["failed"][0]
    assert {**statuses(azure.vm(vm_id))[0], "time": "time"} == documented


async def test_a_cancellation_is_shown(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    azure.cancel_next(vm_id)
    await azure.restart(vm_id)

    assert in_words(statuses(azure.vm(vm_id)))[0] == (
        "ProvisioningState/canceled",
        "Info",
        "Provisioning canceled",
    )


def in_words(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(row["code"], row["level"], row["displayStatus"]) for row in rows]
