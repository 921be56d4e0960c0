from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.mgmt.compute.aio import ComputeManagementClient

from local.azure.faults import Fault, FaultKind
from local.azure.model import PowerState
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB

type Connect = Callable[..., Awaitable[ComputeManagementClient]]


async def test_the_read_budget_of_a_subscription(http: aiohttp.ClientSession) -> None:
    clock = [datetime(2026, 9, 1, tzinfo=UTC)]
    other = "11111111-0000-4000-8000-000000000002"
    async with SimulatedAzure(
        enforce_limits=True, subscriptions=(SUB, other), clock=lambda: clock[0]
    ) as azure:

        async def read(subscription: str = SUB) -> aiohttp.ClientResponse:
            path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines"
            async with http.get(f"{azure.url}{path}?api-version=1") as response:
                await response.read()
            return response

        first = await read()
        statuses = [(await read()).status for _ in range(249)]
        refused = await read()
        elsewhere = await read(other)
        clock[0] += timedelta(seconds=1)
        after_a_second = [(await read()).status for _ in range(26)]

    remaining = "x-ms-ratelimit-remaining-subscription-reads"
    assert first.headers[remaining] == "249"
    assert set(statuses) == {200}
    assert (refused.status, refused.headers["Retry-After"], refused.headers[remaining]) == (429, "1", "0")
    assert elsewhere.status == 200
    assert after_a_second == [200] * 25 + [429]


async def test_without_enforcement_only_the_headers_tell(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")

    async with http.get(f"{azure.url}{vm_id}?api-version=1") as read:
        pass
    async with http.post(f"{azure.url}{vm_id}/start?api-version=1") as written:
        pass

    assert read.headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    assert read.headers["x-ms-ratelimit-remaining-resource"] == (
        "Microsoft.Compute/LowCostGet3Min;3999,Microsoft.Compute/LowCostGet30Min;31999"
    )
    assert written.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"


async def test_a_throttled_request_looks_as_documented(
    azure: SimulatedAzure, http: aiohttp.ClientSession, sample: Callable[[str], Any]
) -> None:
    documented = sample("compute-throttling-429.docs.json")
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    azure.inject(Fault(kind="429", path=".*/vm-1"))

    async with http.get(f"{azure.url}{vm_id}?api-version=1") as response:
        body = await response.json()

    assert response.status == 429
    for name, _ in documented["headers"]:
        expected = [value for key, value in documented["headers"] if key == name]
        assert response.headers.getall(name) == expected
    detail, documented_detail = body["details"][0], documented["body"]["details"][0]
    assert {**body, "details": []} == {**documented["body"], "details": []}
    assert set(detail) == set(documented_detail)
    assert detail["code"] == documented_detail["code"] == "TooManyRequests"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("429", 429), ("500", 500), ("503", 503), ("400", 400), ("403", 403), ("404", 404), ("409", 409)],
)
async def test_faults_through_the_sdk(
    azure: SimulatedAzure, compute: ComputeManagementClient, kind: FaultKind, status: int
) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    azure.inject(Fault(kind=kind, times=2, method="GET", path=".*/instanceView"))

    await compute.virtual_machines.get("rg", "vm-1")  # not meant
    for _ in range(2):
        with pytest.raises(HttpResponseError) as caught:
            await compute.virtual_machines.instance_view("rg", "vm-1")
        assert caught.value.status_code == status
    await compute.virtual_machines.instance_view("rg", "vm-1")  # used up

    assert [request.status for request in azure.requests] == [200, status, status, 200]


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("400", "InvalidParameter", "The request content was invalid."),
        (
            "404",
            "ResourceNotFound",
            "The Resource 'Microsoft.Compute/virtualMachines/vm-1' under resource group 'rg'",
        ),
        ("409", "Conflict", "conflict with a concurrent request"),
        ("500", "InternalServerError", "internal server error"),
        ("503", "ServiceUnavailable", "temporarily unavailable"),
    ],
)
async def test_a_fault_that_says_no_more_is_the_usual_one(
    azure: SimulatedAzure, http: aiohttp.ClientSession, kind: FaultKind, code: str, message: str
) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    azure.inject(Fault(kind=kind))

    async with http.post(f"{azure.url}{vm_id}/deallocate?api-version=1") as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == (int(kind), code)
    assert message in error["message"]


@pytest.mark.parametrize("kind", ["400", "403", "404", "409", "429", "500", "503"])
async def test_a_fault_may_carry_any_arm_error(
    azure: SimulatedAzure, compute: ComputeManagementClient, kind: FaultKind
) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    azure.inject(Fault(kind=kind, code="AllocationFailed", message="There is no room for it."))

    with pytest.raises(HttpResponseError) as caught:
        await compute.virtual_machines.begin_deallocate("rg", "vm-1")

    assert caught.value.error is not None
    assert caught.value.status_code == int(kind)
    assert caught.value.error.code == "AllocationFailed"
    assert caught.value.error.message == "There is no room for it."
    assert azure.vms[next(iter(azure.vms))].busy_with is None


async def test_an_answer_that_is_lost_was_made(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    vm_id = azure.add_vm(SUB, "rg", "vm-1", state="stopped")
    azure.inject(Fault(kind="lost", method="POST"))

    with pytest.raises(aiohttp.ClientError):
        await http.post(f"{azure.url}{vm_id}/deallocate?api-version=1")
    await azure.settle()

    assert azure.vm(vm_id).condition.power is PowerState.DEALLOCATED
    assert [request.status for request in azure.requests] == [0]


async def test_a_forbidden_request_names_what_is_missing(
    azure: SimulatedAzure, compute: ComputeManagementClient
) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    azure.inject(Fault(kind="403"))

    with pytest.raises(HttpResponseError, match="virtualMachines/deallocate/action") as caught:
        await compute.virtual_machines.begin_deallocate("rg", "vm-1")

    assert caught.value.error is not None
    assert caught.value.error.code == "AuthorizationFailed"


async def test_a_dropped_connection(azure: SimulatedAzure, compute: ComputeManagementClient) -> None:
    azure.add_vm(SUB, "rg", "vm-1")
    azure.inject(Fault(kind="drop", times=2))  # aiohttp tries a GET once more of its own accord

    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        await compute.virtual_machines.get("rg", "vm-1")
    await compute.virtual_machines.get("rg", "vm-1")

    assert [request.status for request in azure.requests] == [0, 0, 200]


async def test_a_fault_says_how_long_to_wait(azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
    azure.inject(Fault(kind="503", retry_after=7))

    async with http.get(f"{azure.url}/subscriptions/{SUB}") as response:
        pass

    assert (response.status, response.headers["Retry-After"]) == (503, "7")


def test_wrong_faults_are_named() -> None:
    unknown: Any = "418"
    with pytest.raises(ValueError, match="'418'; expected one of 429, 500"):
        Fault(kind=unknown)
    with pytest.raises(ValueError, match="not a regular expression"):
        Fault(kind="500", path="(")
