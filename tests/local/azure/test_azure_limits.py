import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
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
from local.azure.throttling import POLICIES

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
        "Microsoft.Compute/LowCostGetSubscriptionMaximum;23999,Microsoft.Compute/LowCostGetResource;35"
    )
    assert written.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"


REMAINING = "x-ms-ratelimit-remaining-subscription-reads"
RESOURCE = "x-ms-ratelimit-remaining-resource"
LISTS = {
    "listAll": f"/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines",
    "listStatus": f"/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines?statusOnly=true",
    "list": f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines",
    "scaleSet.listAll": f"/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachineScaleSets",
    "scaleSet.list": (
        f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/farm"
        "/virtualMachines?$expand=instanceView"
    ),
}


@dataclass
class Reader:
    """Asks a simulated Azure that enforces Compute's limits, whose clock is set."""

    azure: SimulatedAzure
    http: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET") -> aiohttp.ClientResponse:
        joined = "&" if "?" in path else "?"
        async with self.http.request(method, f"{self.azure.url}{path}{joined}api-version=1") as response:
            await response.read()
        return response

    async def statuses(self, path: str, times: int, method: str = "GET") -> Counter[int]:
        return Counter([(await self.ask(path, method)).status for _ in range(times)])


@pytest.fixture
async def reader(http: aiohttp.ClientSession) -> AsyncIterator[Reader]:
    async with SimulatedAzure(enforce_compute_limits=True, operation_seconds=0) as azure:
        azure.clock.set(datetime(2026, 9, 1, tzinfo=UTC))
        azure.add_vm(SUB, "rg", "vm-1")
        azure.add_scale_set(SUB, "rg", "farm", instances=2)
        yield Reader(azure, http)


class TestEveryAnswer:
    @pytest.mark.parametrize("operation", LISTS)
    async def test_a_list_is_a_read(self, reader: Reader, operation: str) -> None:
        answers = [await reader.ask(LISTS[operation]) for _ in range(2)]

        assert [answer.headers[REMAINING] for answer in answers] == ["249", "248"]
        assert reader.azure.arm.counts() == {operation: 2}

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/nowhere", 404),
            ("/providers/Microsoft.Compute/virtualMachines?statusOnly=maybe", 400),
            ("/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/gone", 404),
        ],
    )
    async def test_what_fails_draws_on_the_bucket_as_well(
        self, reader: Reader, path: str, status: int
    ) -> None:
        answer = await reader.ask(f"/subscriptions/{SUB}{path}")
        assert (answer.status, answer.headers[REMAINING]) == (status, "249")

    @pytest.mark.parametrize("kind", ["400", "403", "404", "409", "429", "500", "503"])
    async def test_so_does_a_fault(self, reader: Reader, kind: FaultKind) -> None:
        reader.azure.inject(Fault(kind=kind))
        answer = await reader.ask(LISTS["listAll"])
        assert (answer.status, answer.headers[REMAINING]) == (int(kind), "249")

    async def test_a_subscription_that_is_not_there_has_no_bucket(self, reader: Reader) -> None:
        answer = await reader.ask("/subscriptions/elsewhere/providers/Microsoft.Compute/virtualMachines")
        assert answer.status == 404
        assert REMAINING not in answer.headers


class TestComputesLimits:
    async def test_900_lists_and_300_more_each_minute(self, reader: Reader) -> None:
        first = await reader.ask(LISTS["listAll"])
        then = await reader.statuses(LISTS["listStatus"], 899)
        refused = await reader.ask(LISTS["list"])
        body = await refused.json()
        elsewhere = await reader.ask(LISTS["scaleSet.listAll"])
        reader.azure.clock.set(reader.azure.clock() + timedelta(seconds=59))
        almost = await reader.ask(LISTS["listAll"])
        reader.azure.clock.set(reader.azure.clock() + timedelta(seconds=1))
        a_minute_later = await reader.statuses(LISTS["listAll"], 301)

        name = "HighCostGetSubscriptionMaximum"
        assert first.headers[RESOURCE] == f"Microsoft.Compute/{name};899"
        assert then == {200: 899}
        assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
        assert refused.headers.getall(RESOURCE) == [f"Microsoft.Compute/{name};0"]
        assert body["details"][0]["target"] == name
        assert json.loads(body["details"][0]["message"]) == {
            "operationGroup": name,
            "startTime": "2026-09-01T00:00:00.0000001+00:00",
            "endTime": "2026-09-01T00:01:00.0000001+00:00",
            "allowedRequestCount": 900,
            "measuredRequestCount": 901,
        }
        assert elsewhere.status == 200
        assert (almost.status, almost.headers["Retry-After"]) == (429, "1")
        assert a_minute_later == {200: 300, 429: 1}

    async def test_one_vm_may_be_looked_at_36_times_and_12_more_each_minute(self, reader: Reader) -> None:
        vm_id, other = next(iter(reader.azure.vms)), reader.azure.add_vm(SUB, "rg", "vm-2")

        looked = await reader.statuses(vm_id, 20) + await reader.statuses(f"{vm_id}/instanceView", 17)
        elsewhere = await reader.ask(other.upper())
        reader.azure.clock.set(reader.azure.clock() + timedelta(minutes=2))
        later = await reader.statuses(vm_id, 25)

        assert looked == {200: 36, 429: 1}
        assert elsewhere.headers[RESOURCE] == (
            "Microsoft.Compute/LowCostGetSubscriptionMaximum;23963,Microsoft.Compute/LowCostGetResource;35"
        )
        assert later == {200: 24, 429: 1}

    @pytest.mark.parametrize(
        ("path", "method", "size"),
        [
            ("virtualMachines/vm-1/start", "POST", 12),
            ("virtualMachines/vm-1/deallocate", "POST", 12),
            ("virtualMachineScaleSets/farm/virtualMachines/1", "GET", 36),
            ("virtualMachineScaleSets/farm/virtualMachines/1/powerOff", "POST", 12),
        ],
    )
    async def test_others_per_resource(self, reader: Reader, path: str, method: str, size: int) -> None:
        whole = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/{path}"
        statuses = Counter[int]()
        for _ in range(size + 1):
            statuses[(await reader.ask(whole, method)).status] += 1
            await reader.azure.settle()
        assert statuses[429] == 1
        assert statuses.total() == size + 1

    async def test_a_refused_request_has_drawn_on_arms_bucket_only(self, reader: Reader) -> None:
        vm_id = next(iter(reader.azure.vms))
        await reader.statuses(vm_id, 36)
        refused = await reader.ask(vm_id)
        reader.azure.clock.set(reader.azure.clock() + timedelta(minutes=3))
        again = await reader.ask(vm_id)

        assert (refused.status, refused.headers[REMAINING]) == (429, "213")
        assert again.headers[RESOURCE].endswith("LowCostGetResource;35")

    async def test_a_clock_that_goes_back_fills_no_bucket(self, reader: Reader) -> None:
        vm_id = next(iter(reader.azure.vms))
        await reader.statuses(vm_id, 36)
        reader.azure.clock.set(reader.azure.clock() - timedelta(hours=1))
        back = await reader.ask(vm_id)
        reader.azure.clock.set(reader.azure.clock() + timedelta(minutes=1))
        assert back.status == 429
        assert await reader.statuses(vm_id, 13) == {200: 12, 429: 1}

    async def test_every_policy_is_of_an_operation_there_is(self, reader: Reader) -> None:
        known = {route.name for route in reader.azure.arm.routes} | {"listStatus"}
        assert set(POLICIES) <= known
        others = {"subscriptions", "permissions", "systemTopics", "eventSubscriptions", "eventSubscription"}
        others |= {"sites", "appSettings", "hostKeys", "operationResult"}
        others |= {"deployment.put", "deployment.get", "deployment.delete"}
        assert known - set(POLICIES) <= others


async def test_limits_may_be_enforced_and_lifted_at_any_time(reader: Reader) -> None:
    azure, vm_id = reader.azure, next(iter(reader.azure.vms))
    azure.set_limits(compute=False)
    free = await reader.statuses(vm_id, 251)
    azure.set_limits(arm=True)
    by_arm = await reader.ask(vm_id)
    azure.set_limits(arm=False, compute=True)
    by_compute = await reader.ask(vm_id)

    assert free == {200: 251}
    assert (by_arm.status, by_arm.headers[REMAINING]) == (429, "0")
    assert RESOURCE not in by_arm.headers
    assert (by_compute.status, by_compute.headers[REMAINING]) == (429, "0")
    assert azure.arm.statuses() == {"get": {200: 251, 429: 2}}


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
