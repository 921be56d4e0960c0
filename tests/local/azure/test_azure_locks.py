import aiohttp
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.compute.aio import ComputeManagementClient

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB

SUBSCRIPTION = f"/subscriptions/{SUB}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm-1"
METHODS = {"GET": "", "POST": "/deallocate", "PUT": "", "PATCH": "", "DELETE": ""}


async def codes(azure: SimulatedAzure, http: aiohttp.ClientSession, vm_id: str = VM) -> dict[str, str | None]:
    """The error code that each method is answered with, None where it gets past the locks."""
    found = {}
    for method, verb in METHODS.items():
        async with http.request(method, f"{azure.url}{vm_id}{verb}?api-version=1", json={}) as response:
            answer = await response.json() if response.content_type == "application/json" else {}
        code = answer.get("error", {}).get("code")
        found[method] = code if code == "ScopeLocked" else None
    return found


@pytest.mark.parametrize("scope", [SUBSCRIPTION, GROUP, VM, VM.upper(), f"{SUBSCRIPTION}/RESOURCEGROUPS/RG"])
async def test_a_read_only_lock_refuses_all_that_is_no_read(
    azure: SimulatedAzure, http: aiohttp.ClientSession, scope: str
) -> None:
    azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.lock(scope, "ReadOnly")

    locked = await codes(azure, http)
    azure.unlock(scope.lower())
    unlocked = await codes(azure, http)

    assert locked == {method: None if method == "GET" else "ScopeLocked" for method in METHODS}
    assert set(unlocked.values()) == {None}


async def test_a_lock_against_deletion_refuses_deletion_only(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.lock(GROUP, "CanNotDelete")

    assert await codes(azure, http) == {
        method: "ScopeLocked" if method == "DELETE" else None for method in METHODS
    }


@pytest.mark.parametrize("scope", [f"{VM}0", f"{GROUP}-2", f"{VM}/extensions/e", "/subscriptions/other"])
async def test_a_lock_elsewhere_is_none_of_its_business(
    azure: SimulatedAzure, http: aiohttp.ClientSession, scope: str
) -> None:
    azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.lock(scope, "ReadOnly")

    assert set((await codes(azure, http)).values()) == {None}


async def test_a_lock_on_a_scale_set_is_one_on_its_instances(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    [instance] = azure.add_scale_set(SUB, "rg", "farm", state="stopped")
    azure.lock(instance.rpartition("/virtualMachines")[0], "ReadOnly")

    assert (await codes(azure, http, instance))["POST"] == "ScopeLocked"


async def test_it_is_refused_in_azures_words(azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
    azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.lock(SUBSCRIPTION, "CanNotDelete")
    azure.lock(GROUP, "ReadOnly")

    with pytest.raises(ResourceExistsError) as written:
        await compute.virtual_machines.begin_deallocate("rg", "vm-1")
    with pytest.raises(ResourceExistsError) as deleted:
        await compute.virtual_machines.begin_delete("rg", "vm-1")

    assert (written.value.status_code, written.value.error and written.value.error.code) == (
        409,
        "ScopeLocked",
    )
    assert (written.value.error and written.value.error.message) == (
        f"The scope '{VM}' cannot perform write operation because following scope(s) are locked: '{GROUP}'. "
        "Please remove the lock and try again."
    )
    assert (
        f"cannot perform delete operation because following scope(s) are locked: '{SUBSCRIPTION},{GROUP}'"
        in (str(deleted.value))
    )


async def test_other_people_are_not_asked_and_reset_lifts_it(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.lock(GROUP, "ReadOnly")
    await azure.start(vm_id)
    await azure.reset()

    assert set((await codes(azure, http)).values()) == {None}


def test_what_is_no_lock_is_named(azure: SimulatedAzure) -> None:
    level: object = "Locked"
    with pytest.raises(ValueError, match="'Locked'; expected one of CanNotDelete, ReadOnly"):
        azure.lock(GROUP, level)  # type: ignore[arg-type]
    for scope in (
        "",
        "rg",
        f"{GROUP}/",
        "/subscriptions/x/providers/y",
        f"{GROUP}/providers/Microsoft.Compute/virtualMachines",
    ):
        with pytest.raises(ValueError, match="expected the id of a subscription, resource group or resource"):
            azure.lock(scope, "ReadOnly")
    with pytest.raises(ValueError, match="there is no lock on"):
        azure.unlock(GROUP)
