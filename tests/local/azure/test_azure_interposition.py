from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp
import pytest

from local.azure.errors import ArmError
from local.azure.interposition import RequestMoment
from local.azure.model import PowerState, ProvisioningState
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB

type Ask = Callable[..., Awaitable[int]]


@pytest.fixture
async def ask(azure: SimulatedAzure, http: aiohttp.ClientSession) -> Ask:
    """Asks ARM, and tells the status."""

    async def asking(method: str, path: str, body: object = None) -> int:
        async with http.request(method, f"{azure.url}{path}?api-version=1", json=body) as response:
            await response.read()
        return response.status

    return asking


def seen(azure: SimulatedAzure) -> list[tuple[str, int, PowerState | None]]:
    """Operation, status and true power state of each request."""
    return [
        (request.operation, request.status, request.condition.power if request.condition else None)
        for request in azure.requests
    ]


async def test_each_request_is_met_before_and_after(azure: SimulatedAzure, ask: Ask) -> None:
    vm_id = azure.add_vm(SUB, "RG", "VM-1", state="stopped")
    met: list[RequestMoment] = []
    logged: list[int] = []
    azure.interpose(met.append)
    azure.interpose(lambda _: logged.append(len(azure.requests)))

    await ask("GET", vm_id)
    await ask("POST", f"{vm_id}/deallocate")

    get = partial(RequestMoment, operation="get", method="GET", path=vm_id, vm_id=vm_id.lower())
    post = partial(get, operation="deallocate", method="POST", path=f"{vm_id}/deallocate")
    assert met == [
        get(when="before"),
        get(when="after", status=200),
        post(when="before"),
        post(when="after", status=202),
    ]
    assert logged == [0, 1, 1, 2]


async def test_a_start_that_begins_just_before_the_answer(azure: SimulatedAzure, ask: Ask) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")

    def start(moment: RequestMoment) -> None:
        if (moment.when, moment.operation) == ("before", "deallocate"):
            azure.start(vm_id)

    azure.interpose(start)
    await ask("GET", vm_id)
    await ask("POST", f"{vm_id}/deallocate")

    assert seen(azure) == [("get", 200, PowerState.STOPPED), ("deallocate", 409, PowerState.STARTING)]
    condition = azure.requests[-1].condition
    assert condition is not None
    assert condition.provisioning is ProvisioningState.UPDATING


async def test_a_start_that_has_ended_by_then(azure: SimulatedAzure, ask: Ask) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")

    async def start(moment: RequestMoment) -> None:
        if (moment.when, moment.operation) == ("before", "deallocate"):
            await azure.start(vm_id)

    azure.interpose(start)
    await ask("GET", vm_id)
    await ask("POST", f"{vm_id}/deallocate")

    assert seen(azure) == [("get", 200, PowerState.STOPPED), ("deallocate", 202, PowerState.RUNNING)]


async def test_a_start_just_after_a_look(azure: SimulatedAzure, ask: Ask) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.set_operation_seconds(60)

    def start(moment: RequestMoment) -> None:
        if moment.when == "after" and len(azure.requests) == 1:
            azure.start(vm_id)

    azure.interpose(start)
    await ask("GET", vm_id)
    await ask("GET", f"{vm_id}/instanceView")

    assert seen(azure) == [("get", 200, PowerState.STOPPED), ("instanceView", 200, PowerState.STARTING)]


async def test_nothing_comes_between_even_where_there_is_a_body(azure: SimulatedAzure, ask: Ask) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    def power_off(moment: RequestMoment) -> None:
        if moment.when == "before":
            azure.power_off(vm_id)

    azure.interpose(power_off)
    azure.set_operation_seconds(0)
    status = await ask("PATCH", vm_id, {"tags": {}})

    assert (status, seen(azure)) == (409, [("patch", 409, PowerState.STOPPING)])


async def test_the_log_knows_an_instance_and_not_what_does_not_exist(azure: SimulatedAzure, ask: Ask) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    [instance] = azure.add_scale_set(SUB, "rg", "farm", state="stopped")
    met: list[str | None] = []
    azure.interpose(lambda moment: met.append(moment.vm_id) if moment.when == "before" else None)
    set_id = instance.rpartition("/virtualMachines")[0]

    await ask("GET", instance)
    await ask("GET", f"{set_id}/virtualMachines")
    await ask("GET", f"/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines")
    await ask("GET", "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/none")

    assert seen(azure) == [
        ("instance.get", 200, PowerState.STOPPED),
        ("scaleSet.list", 200, None),
        ("listAll", 200, None),
        ("get", 404, None),
    ]
    assert met[0] == instance.lower()
    assert met[1:3] == [None, None]
    assert (met[3] or "").endswith("/virtualmachines/none")


async def test_what_a_callback_raises_is_raised_where_the_test_sees_it(
    azure: SimulatedAzure, ask: Ask
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="deallocated")

    def power_off(_: RequestMoment) -> None:
        azure.power_off(vm_id)

    azure.interpose(power_off)
    status = await ask("GET", vm_id)

    with pytest.raises(ExceptionGroup) as caught:
        await azure.settle()
    await azure.settle()  # raised once
    assert status == 200
    assert [type(error) for error in caught.value.exceptions] == [ArmError, ArmError]


async def test_what_nobody_has_asked_about_is_raised_at_the_end(http: aiohttp.ClientSession) -> None:
    async def fail(_: RequestMoment) -> None:
        raise AssertionError("not so")

    async def end_without_asking() -> None:
        async with SimulatedAzure() as azure:
            azure.interpose(fail)
            async with http.get(f"{azure.url}/subscriptions/{SUB}"):
                pass

    with pytest.raises(ExceptionGroup, match="interposed") as caught:
        await end_without_asking()
    assert caught.group_contains(AssertionError, match="not so")


async def test_reset_forgets_what_was_interposed(azure: SimulatedAzure, ask: Ask) -> None:
    met: list[RequestMoment] = []
    azure.interpose(met.append)
    await azure.reset()

    await ask("GET", f"/subscriptions/{SUB}")

    assert met == []
