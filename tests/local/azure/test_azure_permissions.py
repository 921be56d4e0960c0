from collections.abc import Sequence

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute.aio import ComputeManagementClient

from local.azure.permissions import DEALLOCATE, WATCH
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB

VM = "Microsoft.Compute/virtualMachines"
INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"


async def status(azure: SimulatedAzure, http: aiohttp.ClientSession, method: str, path: str) -> int:
    async with http.request(method, f"{azure.url}{path}?api-version=2022-04-01", json={}) as response:
        await response.read()
    return response.status


async def test_everything_is_permitted_at_first(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    path = f"{azure.url}/subscriptions/{SUB}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    async with http.get(path) as response:
        answer = await response.json()

    everything = {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}
    assert answer == {"value": [everything], "nextLink": None}


async def test_what_is_permitted_is_told(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    azure.permit([*WATCH, *DEALLOCATE], not_actions=["*/delete"])
    path = f"{azure.url}/subscriptions/{SUB}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    async with http.get(path) as response:
        [granted] = (await response.json())["value"]

    assert granted["actions"] == [*WATCH, *DEALLOCATE]
    assert granted["notActions"] == ["*/delete"]


async def test_who_may_watch_may_not_deallocate(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    [instance] = azure.add_scale_set(SUB, "rg", "farm", state="stopped")
    scale_set = instance.rpartition("/virtualMachines")[0]
    reads = [
        vm_id,
        f"{vm_id}/instanceView",
        f"/subscriptions/{SUB}/providers/{VM}",
        f"/subscriptions/{SUB}/resourceGroups/rg/providers/{VM}",
        instance,
        f"{instance}/instanceView",
        f"{scale_set}/virtualMachines",
    ]
    changes = [
        *(("POST", f"{path}/{verb}") for path in (vm_id, instance) for verb in ("deallocate", "start")),
        ("POST", f"{scale_set}/deallocate"),
        *(("DELETE", path) for path in (vm_id, instance)),
        *((method, vm_id) for method in ("PUT", "PATCH")),
    ]

    azure.permit([*WATCH, "*/instanceView/read"])
    watching = [await status(azure, http, "GET", path) for path in reads]
    changing = [await status(azure, http, method, path) for method, path in changes]
    azure.permit((*WATCH, *DEALLOCATE))
    deallocating = [await status(azure, http, "POST", f"{path}/deallocate") for path in (vm_id, instance)]
    starting = await status(azure, http, "POST", f"{vm_id}/start")

    assert set(watching) == {200}
    assert set(changing) == {403}
    assert (deallocating, starting) == ([202, 202], 403)


async def test_a_refusal_names_action_and_scope(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.permit(["*/read"])

    with pytest.raises(HttpResponseError) as caught:
        await compute.virtual_machines.begin_deallocate("rg", "vm-1")

    assert caught.value.error is not None
    assert (caught.value.status_code, caught.value.error.code) == (403, "AuthorizationFailed")
    assert f"'{VM}/deallocate/action' over scope '{vm_id}'" in str(caught.value.error.message)


@pytest.mark.parametrize(
    ("actions", "not_actions", "granted"),
    [
        ((), (), False),
        (("*",), (), True),
        (("*/read",), (), False),
        (("*/action",), (), True),
        (("microsoft.compute/VIRTUALMACHINES/*",), (), True),
        (("Microsoft.Compute/*/deallocate/action",), (), True),
        (("Microsoft.Compute/virtualMachines",), (), False),
        (("Microsoft.Compute/virtualMachines/deallocate/action?",), (), False),
        (("*",), ("Microsoft.Compute/virtualMachines/deallocate/action",), False),
        (("*",), ("*/delete", "*/ACTION"), False),
        (("*",), ("*/write",), True),
    ],
)
async def test_patterns(
    azure: SimulatedAzure,
    http: aiohttp.ClientSession,
    actions: Sequence[str],
    not_actions: Sequence[str],
    *,
    granted: bool,
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.permit(actions, not_actions)

    assert await status(azure, http, "POST", f"{vm_id}/deallocate") == (202 if granted else 403)


async def test_other_people_may_what_the_caller_may_not(azure: SimulatedAzure) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.permit(())

    await azure.start(vm_id)
    await azure.reset()

    assert azure.arm.permissions.actions == ("*",)


def test_a_text_is_no_list_of_patterns(azure: SimulatedAzure) -> None:
    with pytest.raises(ValueError, match=r"actions is '\*/read'; expected a list"):
        azure.permit("*/read")
