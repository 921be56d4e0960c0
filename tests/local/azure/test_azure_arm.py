from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.compute.aio import ComputeManagementClient

from local.azure.model import PowerState
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB

type Connect = Callable[..., Awaitable[ComputeManagementClient]]


def code_of(error: HttpResponseError) -> str | None:
    return error.error.code if error.error is not None else None


def codes(statuses: list[object] | None) -> list[str]:
    return [str(status["code"]) for status in statuses or []]  # type: ignore[index]


async def power_of(compute: ComputeManagementClient, group: str, name: str) -> list[str]:
    view = await compute.virtual_machines.instance_view(group, name)
    return codes(list(view.statuses or []))


async def test_get_with_and_without_instance_view(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    azure.add_vm(
        SUB,
        "rg-shop",
        "web-1",
        size="Standard_E8s_v5",
        os_type="Windows",
        tags={"owner": "ada"},
        license_type="Windows_Server",
        zones=("2",),
        priority="Spot",
        eviction_policy="Deallocate",
    )

    plain = await compute.virtual_machines.get("rg-shop", "web-1")
    full = await compute.virtual_machines.get("RG-SHOP", "WEB-1", expand="instanceView")

    assert plain.instance_view is None
    assert plain.tags == {"owner": "ada"}
    assert plain.hardware_profile is not None
    assert plain.hardware_profile.vm_size == "Standard_E8s_v5"
    assert plain.storage_profile is not None
    assert plain.storage_profile.os_disk is not None
    assert plain.storage_profile.os_disk.os_type == "Windows"
    assert (plain.priority, plain.eviction_policy, plain.license_type, plain.zones) == (
        "Spot",
        "Deallocate",
        "Windows_Server",
        ["2"],
    )
    assert full.instance_view is not None
    assert codes(list(full.instance_view.statuses or [])) == [
        "ProvisioningState/succeeded",
        "PowerState/running",
    ]


async def test_ids_keep_their_own_casing_whatever_is_asked(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    vm_id = azure.add_vm(SUB, "test_vm", "web-1", resource_group_in_id="TEST_VM")

    vm = await compute.virtual_machines.get("Test_Vm", "Web-1")

    assert vm.id == vm_id
    assert "/resourceGroups/TEST_VM/" in vm_id


async def test_only_an_ephemeral_disk_has_diff_disk_settings(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    azure.add_vm(SUB, "rg", "ephemeral", ephemeral_os_disk=True, state="stopped")
    azure.add_vm(SUB, "rg", "managed")

    found = {vm.name: vm async for vm in compute.virtual_machines.list("rg")}

    settings = {name: vm.storage_profile.os_disk.diff_disk_settings for name, vm in found.items()}
    assert settings["managed"] is None
    assert settings["ephemeral"] is not None
    assert settings["ephemeral"].option == "Local"
    with pytest.raises(ResourceExistsError) as caught:
        await compute.virtual_machines.begin_deallocate("rg", "ephemeral")
    assert code_of(caught.value) == "OperationNotAllowed"


async def test_what_keeps_a_deallocation_from_saving_shows_in_the_model(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    host, reservation = f"/subscriptions/{SUB}/hosts/h", f"/subscriptions/{SUB}/reservations/r"
    azure.add_vm(SUB, "rg", "added", host_id=host, capacity_reservation_id=reservation)
    body = {
        "location": "westeurope",
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "host": {"id": host},
            "capacityReservation": {"capacityReservationGroup": {"id": reservation}},
        },
    }
    await (await compute.virtual_machines.begin_create_or_update("rg", "put", body)).result()  # type: ignore[call-overload]

    for name in ("added", "put"):
        properties = (await compute.virtual_machines.get("rg", name))["properties"]
        assert properties["host"] == {"id": host}
        assert properties["capacityReservation"] == {"capacityReservationGroup": {"id": reservation}}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([], "the body must be a JSON object"),
        ({"properties": {"hardwareProfile": {"vmSize": "S"}}}, "'location' is missing"),
        ({"location": "westeurope"}, "'hardwareProfile.vmSize' is missing"),
    ],
)
async def test_a_create_that_lacks_something(
    azure: SimulatedAzure, http: aiohttp.ClientSession, body: object, problem: str
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    async with http.put(f"{azure.url}{vm_id}?api-version=1", json=body) as response:
        answer = await response.json()

    assert response.status == 400
    assert problem in answer["error"]["message"]


async def test_lists_are_paged_and_kept_to_their_scope(azure: SimulatedAzure, connect: Connect) -> None:
    other = "11111111-0000-4000-8000-000000000002"
    for number in range(7):
        azure.add_vm(SUB, "rg-a", f"vm-{number}")
    azure.add_vm(SUB, "rg-b", "vm-b", state="deallocated")
    azure.add_vm(other, "rg-a", "vm-elsewhere")
    compute = await connect(azure)

    in_group = [vm.name async for vm in compute.virtual_machines.list("RG-A")]
    everywhere = [vm async for vm in compute.virtual_machines.list_all()]
    rows = [vm async for vm in compute.virtual_machines.list_all(status_only="true")]
    elsewhere = [vm.name async for vm in (await connect(azure, other)).virtual_machines.list_all()]

    assert in_group == [f"vm-{number}" for number in range(7)]
    assert len(everywhere) == len(rows) == 8
    assert all(vm.instance_view is None for vm in everywhere)
    assert all(row.tags is None and row.storage_profile is None for row in rows)
    assert codes(list(rows[-1].instance_view.statuses or [])) == [
        "ProvisioningState/succeeded",
        "PowerState/deallocated",
    ]
    assert elsewhere == ["vm-elsewhere"]
    assert azure.arm.counts() == {"list": 3, "listAll": 4, "listStatus": 3}


async def test_every_operation_ends_where_it_should(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    vms = compute.virtual_machines

    await (await vms.begin_power_off("rg", "vm-1", skip_shutdown=True)).result()
    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/succeeded", "PowerState/stopped"]
    await (await vms.begin_start("rg", "vm-1")).result()
    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/succeeded", "PowerState/running"]
    await (await vms.begin_restart("rg", "vm-1")).result()
    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/succeeded", "PowerState/running"]
    await (await vms.begin_deallocate("rg", "vm-1", hibernate=True)).result()
    assert await power_of(compute, "rg", "vm-1") == [
        "ProvisioningState/succeeded",
        "PowerState/deallocated",
        "HibernationState/Hibernated",
    ]
    await (await vms.begin_deallocate("rg", "vm-1")).result()  # nothing to do: a success
    await (await vms.begin_start("rg", "vm-1")).result()
    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/succeeded", "PowerState/running"]
    await (await vms.begin_delete("rg", "vm-1")).result()
    with pytest.raises(ResourceNotFoundError) as caught:
        await vms.get("rg", "vm-1")
    assert code_of(caught.value) == "ResourceNotFound"
    await (await vms.begin_delete("rg", "vm-1")).result()  # 204: there is none


async def test_create_and_update(azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
    azure.add_vm(SUB, "rg", "first")
    body = {
        "location": "northeurope",
        "tags": {"stopgap:grace": "45m"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
            "storageProfile": {"osDisk": {"osType": "Windows", "createOption": "FromImage"}},
            "licenseType": "Windows_Server",
        },
    }

    made = await (await compute.virtual_machines.begin_create_or_update("rg", "new", body)).result()  # type: ignore[call-overload]
    first_vm_id = made.vm_id
    tagged = await (await compute.virtual_machines.begin_update("rg", "new", {"tags": {"a": "b"}})).result()  # type: ignore[call-overload]
    again = await (await compute.virtual_machines.begin_create_or_update("rg", "new", body)).result()  # type: ignore[call-overload]
    await (await compute.virtual_machines.begin_delete("rg", "new")).result()
    anew = await (await compute.virtual_machines.begin_create_or_update("rg", "new", body)).result()  # type: ignore[call-overload]

    assert made.provisioning_state == "Succeeded"
    assert made.license_type == "Windows_Server"
    assert tagged.tags == {"a": "b"}
    assert again.tags == {"stopgap:grace": "45m"}
    assert again.vm_id == first_vm_id
    assert anew.vm_id != first_vm_id
    with pytest.raises(HttpResponseError) as caught:
        await compute.virtual_machines.begin_update("rg", "new", {"zones": ["1"]})  # type: ignore[call-overload]
    assert (caught.value.status_code, code_of(caught.value)) == (400, "InvalidParameter")


async def test_a_resize(azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
    azure.add_vm(SUB, "rg", "vm-1", tags={"a": "b"})
    body = {"properties": {"hardwareProfile": {"vmSize": "Standard_D4s_v5"}}}

    resized = await (await compute.virtual_machines.begin_update("rg", "vm-1", body)).result()  # type: ignore[call-overload]

    assert resized["properties"]["hardwareProfile"] == {"vmSize": "Standard_D4s_v5"}
    assert resized.tags == {"a": "b"}
    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/succeeded", "PowerState/running"]


@pytest.mark.parametrize(
    "properties", [{"hardwareProfile": {"vmSize": 4}}, {"hardwareProfile": {}}, {"priority": "Spot"}, {}]
)
async def test_another_patch_is_refused(
    azure: SimulatedAzure, compute: ComputeManagementClient, properties: object
) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    with pytest.raises(HttpResponseError, match=r"can only PATCH tags and hardwareProfile\.vmSize"):
        await compute.virtual_machines.begin_update("rg", "vm-1", {"properties": properties})  # type: ignore[call-overload]


async def test_redeploy_reapply_and_reimage(azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    vms = compute.virtual_machines

    for begin in (vms.begin_redeploy, vms.begin_reapply, vms.begin_reimage):
        await (await begin("rg", "vm-1")).result()

    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/succeeded", "PowerState/running"]
    assert {"redeploy", "reapply", "reimage"} <= set(azure.arm.counts())


async def test_an_operation_that_is_cancelled(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    azure.cancel_next(azure.add_vm(SUB, "rg", "vm-1"))

    poller = await compute.virtual_machines.begin_power_off("rg", "vm-1")
    with pytest.raises(HttpResponseError, match="OperationCanceled"):
        await poller.result()

    assert poller.status() == "Canceled"
    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/canceled", "PowerState/running"]


async def test_an_operation_that_fails(azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    azure.fail_next(vm_id, "AllocationFailed")

    poller = await compute.virtual_machines.begin_power_off("rg", "vm-1")
    with pytest.raises(HttpResponseError, match="AllocationFailed"):
        await poller.result()

    assert poller.status() == "Failed"
    assert await power_of(compute, "rg", "vm-1") == [
        "ProvisioningState/failed/AllocationFailed",
        "PowerState/running",
    ]


async def test_one_operation_at_a_time(connect: Connect) -> None:
    async with SimulatedAzure(operation_seconds=60) as azure:
        compute = await connect(azure)
        vm_id = azure.add_vm(SUB, "rg", "vm-1")
        azure.power_off(vm_id)

        with pytest.raises(ResourceExistsError) as caught:
            await compute.virtual_machines.begin_deallocate("rg", "vm-1")
        during = await power_of(compute, "rg", "vm-1")

    assert code_of(caught.value) == "Conflict"
    assert during == ["ProvisioningState/updating", "PowerState/stopping"]


async def test_a_verb_that_the_state_forbids(azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
    azure.add_vm(SUB, "rg", "vm-1", state="deallocated")

    with pytest.raises(ResourceExistsError, match="deallocated") as caught:
        await compute.virtual_machines.begin_power_off("rg", "vm-1")

    assert (caught.value.status_code, code_of(caught.value)) == (409, "OperationNotAllowed")


async def test_a_deallocation_is_accepted_from_every_settled_state(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    ids = [azure.add_vm(SUB, "rg", state, state=state) for state in ("running", "stopped", "deallocated")]

    statuses = []
    for vm_id in ids:
        async with http.post(f"{azure.url}{vm_id}/deallocate?api-version=1") as response:
            statuses.append(response.status)
    await azure.settle()

    assert statuses == [202, 202, 202]
    assert {azure.vm(vm_id).condition.power for vm_id in ids} == {PowerState.DEALLOCATED}


@pytest.mark.parametrize("verb", ["power_off", "start", "deallocate", "set_tags", "reapply"])
async def test_a_deallocation_is_refused_while_another_operation_runs(
    azure: SimulatedAzure, http: aiohttp.ClientSession, verb: str
) -> None:
    azure.set_operation_seconds(60)
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="running" if verb == "power_off" else "stopped")
    getattr(azure, verb)(vm_id, **({"tags": {}} if verb == "set_tags" else {}))

    async with http.post(f"{azure.url}{vm_id}/deallocate?api-version=1") as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == (409, "Conflict")
    assert azure.requests[-1].condition == azure.vm(vm_id).condition


async def test_what_does_not_exist(azure: SimulatedAzure, connect: Connect) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    compute = await connect(azure)
    stranger = await connect(azure, "99999999-0000-4000-8000-000000000009")

    with pytest.raises(ResourceNotFoundError) as no_vm:
        await compute.virtual_machines.instance_view("rg", "vm-2")
    with pytest.raises(ResourceNotFoundError) as no_group:
        await compute.virtual_machines.get("rg-2", "vm-1")
    with pytest.raises(ResourceNotFoundError) as no_subscription:
        _ = [vm async for vm in stranger.virtual_machines.list_all()]

    assert code_of(no_vm.value) == "ResourceNotFound"
    assert code_of(no_group.value) == "ResourceGroupNotFound"
    assert code_of(no_subscription.value) == "SubscriptionNotFound"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/SUBSCRIPTIONS/{sub}/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES?api-version=1", 200, None),
        (
            "/subscriptions/{sub}/providers/Microsoft.Compute/virtualMachines",
            400,
            "MissingApiVersionParameter",
        ),
        ("/subscriptions/{sub}/providers/Microsoft.Compute/disks?api-version=1", 404, "InvalidResourceType"),
        (
            "/subscriptions/{sub}/providers/Microsoft.Compute/virtualMachines?api-version=1&statusOnly=yes",
            400,
            "InvalidParameter",
        ),
        (
            "/subscriptions/{sub}/providers/Microsoft.Compute/locations/westeurope/operations/x?api-version=1",
            404,
            "NotFound",
        ),
    ],
)
async def test_paths_and_queries(
    azure: SimulatedAzure, http: aiohttp.ClientSession, path: str, status: int, code: str | None
) -> None:
    async with http.get(azure.url + path.format(sub=SUB)) as response:
        body = await response.json()

    assert response.status == status
    assert body.get("error", {}).get("code") == code


async def test_polling_while_it_lasts(http: aiohttp.ClientSession) -> None:
    async with SimulatedAzure(operation_seconds=60) as azure:
        vm_id = azure.add_vm(SUB, "rg", "vm-1")

        async with http.post(f"{azure.url}{vm_id}/powerOff?api-version=2026-04-01") as begun:
            headers = begun.headers
        async with http.get(headers["Azure-AsyncOperation"]) as polled:
            document = await polled.json()
        async with http.get(headers["Location"]) as monitored:
            status = monitored.status

    assert begun.status == 202
    assert headers["Retry-After"] == polled.headers["Retry-After"] == "1"
    assert set(document) == {"startTime", "status", "name"}
    assert (document["status"], status) == ("InProgress", 202)


@pytest.mark.parametrize(("fails", "outcome", "status"), [(False, "Succeeded", 200), (True, "Failed", 409)])
async def test_polling_once_it_has_ended(
    azure: SimulatedAzure, http: aiohttp.ClientSession, *, fails: bool, outcome: str, status: int
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    if fails:
        azure.fail_next(vm_id)

    async with http.post(f"{azure.url}{vm_id}/powerOff?api-version=2026-04-01") as begun:
        headers = begun.headers
    await azure.settle()
    async with http.get(headers["Azure-AsyncOperation"]) as polled:
        document = await polled.json()
    async with http.get(headers["Location"]) as monitored:
        found = monitored.status

    assert document["status"] == outcome
    assert ("error" in document) is fails
    assert "endTime" in document
    assert found == status


async def test_broken_answers(
    azure: SimulatedAzure, compute: ComputeManagementClient, http: aiohttp.ClientSession
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    azure.set_statuses(vm_id, [{"code": "POWERSTATE/Stopped"}, {"nonsense": 1}])
    broken = await compute.virtual_machines.instance_view("rg", "vm-1")
    rows = [row async for row in compute.virtual_machines.list_all(status_only="true")]
    azure.remove_instance_view(vm_id)
    without = await compute.virtual_machines.get("rg", "vm-1", expand="instanceView")
    rows_without = [row async for row in compute.virtual_machines.list_all(status_only="true")]
    azure.replace_body(vm_id, ["not", "a", "VM"])
    async with http.get(f"{azure.url}{vm_id}?api-version=1") as response:
        replaced = await response.json()
    azure.restore(vm_id)

    assert broken["statuses"] == [{"code": "POWERSTATE/Stopped"}, {"nonsense": 1}]
    assert rows[0].instance_view["statuses"] == broken["statuses"]
    assert without.instance_view is None
    assert rows_without[0].instance_view is None
    assert replaced == ["not", "a", "VM"]
    assert await power_of(compute, "rg", "vm-1") == ["ProvisioningState/succeeded", "PowerState/running"]
