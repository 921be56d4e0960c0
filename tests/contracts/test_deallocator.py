"""The port `Deallocator`: in memory, and on ARM through the real SDK, against simulated and canned answers."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from local.azure.faults import Fault, FaultKind
from local.azure.interposition import RequestMoment
from local.azure.model import PowerState as TruePower
from local.azure.permissions import DEALLOCATE, WATCH
from local.azure.server import SimulatedAzure
from shared import exchange
from shared.adapters import compute
from shared.adapters.compute import ComputeVms
from shared.adapters.memory import MemoryVms
from shared.domain.ids import VmId
from shared.domain.observations import Model, Observation
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.ports import Busy, Deallocator, NotNow, PortError, Refused, Throttled, Unavailable, VmSource
from tests.contracts.arm import INSTANCE, SUBSCRIPTION, VM, vms_at
from tests.contracts.canned import Answer, Canned, break_off, drop, hang, said
from tests.contracts.credentials import LockedOut
from tests.contracts.fleet import NOON

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
POST_VM = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.Compute"
    "/virtualMachines/web-1/deallocate"
)
POST_INSTANCE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.Compute"
    "/virtualMachineScaleSets/farm/virtualMachines/3/deallocate"
)
PATHS = {VM: POST_VM, INSTANCE: POST_INSTANCE}
LRO = "https://management.azure.com/subscriptions/x/providers/Microsoft.Compute/locations/y/operations/z"
TAKEN = said(202, headers={"Azure-AsyncOperation": LRO, "Location": LRO, "Retry-After": "10"})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again in error, is so at once."""
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))


class Vms(VmSource, Deallocator, Protocol):
    """Both ports on VMs."""


@dataclass
class Fleet:
    """VMs, and how to put one in a state into them."""

    vms: Vms
    add: Callable[[str], object]

    async def power(self) -> PowerState:
        seen = await self.vms.look(VM)
        assert isinstance(seen, Observation)
        return seen.reading.power_state


@pytest.fixture(params=["memory", "arm"])
def fleet(request: pytest.FixtureRequest, azure: SimulatedAzure, vms: ComputeVms) -> Fleet:
    def add_to_azure(state: str) -> None:
        azure.add_vm(VM.subscription, VM.resource_group, VM.name, state=state)

    def add_to_memory(state: str) -> None:
        reading = Reading(PowerState(state), ProvisioningState.SUCCEEDED, None, hibernated=False)
        memory.vms[VM] = Observation(VM, NOON, reading, Model(), {})

    memory = MemoryVms(lambda: NOON)
    return Fleet(vms, add_to_azure) if request.param == "arm" else Fleet(memory, add_to_memory)


@pytest.fixture(params=[VM, INSTANCE], ids=["vm", "instance"])
def vm(request: pytest.FixtureRequest) -> VmId:
    """A VM, and an instance of a Uniform scale set: what is so of one is so of the other."""
    named: VmId = request.param
    return named


def add(azure: SimulatedAzure, state: str = "stopped") -> str:
    """Both, in a state; the id of the VM in Azure's letter case."""
    azure.add_scale_set(SUBSCRIPTION, "rg-shop", "farm", instances=4, state=state)
    return azure.add_vm(SUBSCRIPTION, "rg-shop", "web-1", state=state)


def asked(azure: SimulatedAzure) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in azure.requests]


class TestContract:
    @pytest.mark.parametrize("state", ["stopped", "running"])
    async def test_what_is_taken_is_on_its_way_and_not_done(self, fleet: Fleet, state: str) -> None:
        fleet.add(state)
        await fleet.vms.deallocate(VM)
        seen = await fleet.vms.look(VM)
        assert isinstance(seen, Observation)
        assert (seen.reading.power_state, seen.reading.settled) == (PowerState.DEALLOCATING, False)

    async def test_while_one_is_under_way_another_is_not_taken(self, fleet: Fleet) -> None:
        fleet.add("stopped")
        await fleet.vms.deallocate(VM)
        with pytest.raises(Busy) as raised:
            await fleet.vms.deallocate(VM)
        assert raised.value.code == "Conflict"
        assert await fleet.power() is PowerState.DEALLOCATING

    async def test_a_vm_that_is_deallocated_stays_so(self, fleet: Fleet) -> None:
        fleet.add("deallocated")
        await fleet.vms.deallocate(VM)
        assert await fleet.power() is PowerState.DEALLOCATED

    async def test_a_vm_that_is_gone_is_for_the_next_look_to_tell(self, fleet: Fleet) -> None:
        with pytest.raises(Busy) as raised:
            await fleet.vms.deallocate(VM)
        assert raised.value.code in {"ResourceNotFound", "ResourceGroupNotFound"}
        assert raised.value.said


class TestAsking:
    async def test_it_is_one_post_and_nothing_is_polled(
        self, azure: SimulatedAzure, vms: ComputeVms, vm: VmId
    ) -> None:
        add(azure)
        azure.set_operation_seconds(0)
        await vms.deallocate(vm)
        assert asked(azure) == [("POST", PATHS[vm])]
        (request,) = azure.requests
        assert request.status == 202
        assert dict(request.query).keys() == {"api-version"}
        await azure.settle()
        assert azure.vm(str(vm)).condition.power is TruePower.DEALLOCATED
        assert len(azure.requests) == 1

    async def test_an_instance_of_a_flexible_set_is_asked_for_as_the_vm_that_it_is(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        (vm_id,) = azure.add_scale_set(SUBSCRIPTION, "rg-shop", "flex", mode="Flexible", state="stopped")
        name = vm_id.rpartition("/")[2]
        await vms.deallocate(VmId.of(SUBSCRIPTION, "rg-shop", name))
        ((method, path),) = asked(azure)
        assert (method, path.lower()) == ("POST", f"{vm_id}/deallocate".lower())

    @pytest.mark.parametrize(
        "taken",
        [
            TAKEN,
            said(202),
            said(200),
            said(202, headers={"Retry-After": "10", "Location": "nowhere"}),
            said(202, "<html>Accepted</html>", content_type="text/html"),
            said(202, b"\xff\xfe"),
        ],
    )
    async def test_whatever_comes_with_the_word_that_it_is_taken(
        self, arm: Canned, canned_vms: ComputeVms, vm: VmId, taken: Answer
    ) -> None:
        arm.answer(taken)
        await canned_vms.deallocate(vm)
        (request,) = arm.requests
        assert (request.method, request.path, request.body) == ("POST", PATHS[vm], b"")

    async def test_the_sdk_asks_the_version_of_the_api_that_looks_ask(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        arm.answer(TAKEN)
        await canned_vms.deallocate(VM)
        assert arm.requests[0].query["api-version"] == compute.API_VERSION

    async def test_nobody_gets_a_token_over_plain_http(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(TAKEN)
        await canned_vms.deallocate(VM)
        assert "Authorization" not in arm.requests[0].headers

    async def test_no_token_is_a_refusal_and_nothing_is_asked(self) -> None:
        credential = LockedOut()
        vms = ComputeVms(credential, endpoint="https://127.0.0.1:9", clock=lambda: NOON)
        with pytest.raises(Refused, match="no token to ask with: no managed identity was found"):
            await vms.deallocate(VM)
        await vms.close()
        assert credential.scopes == [("https://127.0.0.1:9/.default",)]

    async def test_ten_at_once_are_one_operation(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        add(azure)
        came = await asyncio.gather(*(vms.deallocate(VM) for _ in range(10)), return_exceptions=True)
        assert came.count(None) == 1
        assert all(isinstance(each, Busy) for each in came if each)
        assert len(azure.requests) == 10


class TestWhatAzureRefuses:
    """As the simulated Azure words it, for each reason that Azure has."""

    async def test_another_operation_under_way(
        self, azure: SimulatedAzure, vms: ComputeVms, vm: VmId
    ) -> None:
        add(azure)
        azure.start(str(vm))
        with pytest.raises(Busy, match=f"^ARM, POST {vm}/deallocate: HTTP 409 Conflict ") as raised:
            await vms.deallocate(vm)
        assert raised.value.code == "Conflict"
        assert raised.value.said
        assert "conflict with a concurrent request" in raised.value.said
        assert azure.requests[-1].condition
        assert azure.requests[-1].condition.power is TruePower.STARTING

    async def test_an_ephemeral_os_disk(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        azure.add_vm(SUBSCRIPTION, "rg-shop", "web-1", state="stopped", ephemeral_os_disk=True)
        with pytest.raises(Busy, match="409 OperationNotAllowed") as raised:
            await vms.deallocate(VM)
        assert raised.value.code == "OperationNotAllowed"
        assert raised.value.said
        assert "its OS disk is ephemeral" in raised.value.said

    @pytest.mark.parametrize("scope", ["/subscriptions/{}", "/subscriptions/{}/resourceGroups/RG-SHOP"])
    async def test_a_lock(self, azure: SimulatedAzure, vms: ComputeVms, vm: VmId, scope: str) -> None:
        add(azure)
        azure.lock(scope.format(SUBSCRIPTION), "ReadOnly")
        with pytest.raises(Refused, match="409 ScopeLocked") as raised:
            await vms.deallocate(vm)
        assert raised.value.code == "ScopeLocked"
        assert raised.value.said
        assert "Please remove the lock" in raised.value.said
        azure.unlock(scope.format(SUBSCRIPTION))
        await vms.deallocate(vm)

    async def test_a_lock_against_deletion_does_not_matter(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        azure.lock(add(azure), "CanNotDelete")
        await vms.deallocate(VM)

    async def test_who_may_only_watch(self, azure: SimulatedAzure, vms: ComputeVms, vm: VmId) -> None:
        add(azure)
        azure.permit(WATCH)
        assert isinstance(await vms.look(vm), Observation)
        with pytest.raises(Refused) as raised:
            await vms.deallocate(vm)
        fault = raised.value
        needed = compute.DEALLOCATE_INSTANCE if vm.instance else compute.DEALLOCATE
        assert str(fault).endswith(f"(who asks needs {needed} on subscription {SUBSCRIPTION})")
        assert fault.code == "AuthorizationFailed"
        assert fault.said
        assert f"to perform action '{needed}'" in fault.said

    async def test_the_permissions_that_it_names_are_the_ones_that_it_needs(
        self, azure: SimulatedAzure, vms: ComputeVms, vm: VmId
    ) -> None:
        add(azure)
        azure.permit([compute.DEALLOCATE_INSTANCE if vm.instance else compute.DEALLOCATE])
        await vms.deallocate(vm)
        assert {compute.DEALLOCATE, compute.DEALLOCATE_INSTANCE} == set(DEALLOCATE)

    @pytest.mark.parametrize("there", ["no group", "no set", "no instance"])
    async def test_an_instance_that_is_gone(self, azure: SimulatedAzure, vms: ComputeVms, there: str) -> None:
        if there == "no set":
            azure.add_vm(SUBSCRIPTION, "rg-shop", "web-1")
        elif there == "no instance":
            azure.add_scale_set(SUBSCRIPTION, "rg-shop", "farm", instances=3, state="stopped")
        with pytest.raises(Busy):
            await vms.deallocate(INSTANCE)

    async def test_a_start_that_ended_just_before_is_not_refused(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        """There is no condition that a POST could carry: only looks and signals tell of it."""
        vm_id = add(azure)
        azure.set_operation_seconds(0)

        async def start(moment: RequestMoment) -> None:
            if (moment.when, moment.operation) == ("before", "deallocate"):
                await azure.start(vm_id)

        azure.interpose(start)
        await vms.deallocate(VM)
        (request,) = azure.requests
        assert request.condition
        assert (request.condition.power, request.status) == (TruePower.RUNNING, 202)


def refused(status: int, code: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as ARM words it."""
    return said(status, json.dumps({"error": {"code": code, "message": "No\nway."}}), headers)


ANSWERS: dict[tuple[int, str], type[PortError]] = {
    (400, "BadRequest"): Refused,
    (400, "InvalidParameter"): Refused,
    (401, "InvalidAuthenticationToken"): Refused,
    (403, "AuthorizationFailed"): Refused,
    (403, "RequestDisallowedByPolicy"): Refused,
    (404, "ResourceNotFound"): Busy,
    (404, "SubscriptionNotFound"): Busy,
    (405, "MethodNotAllowed"): Refused,
    (408, "RequestTimeout"): Unavailable,
    (409, "Conflict"): Busy,
    (409, "OperationNotAllowed"): Busy,
    (409, "AllocationFailed"): Busy,
    (409, "ScopeLocked"): Refused,
    (412, "PreconditionFailed"): Refused,
    (429, "OperationNotAllowed"): Throttled,
    (429, "SubscriptionRequestsThrottled"): Throttled,
    (500, "InternalServerError"): Unavailable,
    (501, "NotImplemented"): Unavailable,
    (502, "BadGateway"): Unavailable,
    (503, "ServerTimeout"): Unavailable,
    (504, "GatewayTimeout"): Unavailable,
}


class TestWhatAnAnswerMeans:
    @pytest.mark.parametrize(("status", "code"), ANSWERS)
    async def test_every_status(
        self, arm: Canned, canned_vms: ComputeVms, vm: VmId, status: int, code: str
    ) -> None:
        arm.answer(refused(status, code))
        with pytest.raises(PortError) as raised:
            await canned_vms.deallocate(vm)
        fault = raised.value
        assert type(fault) is ANSWERS[status, code]
        assert (fault.code, fault.said) == (code, "No way.")
        assert str(fault).startswith(f"ARM, POST {vm}/deallocate: HTTP {status} {code} No way.")
        assert "\n" not in str(fault)
        assert [request.method for request in arm.requests] == ["POST"]

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, Refused),
            (401, Refused),
            (403, Refused),
            (404, Busy),
            (409, Busy),
            (429, Throttled),
            (500, Unavailable),
            (503, Unavailable),
        ],
    )
    @pytest.mark.parametrize(
        "body", ["<html>Bad</html>", "", "[]", "null", '{"error": ', '{"error": "x"}', b"\xff\xfe"]
    )
    async def test_a_status_without_azures_own_words(
        self, arm: Canned, canned_vms: ComputeVms, status: int, error: type[PortError], body: str | bytes
    ) -> None:
        arm.answer(said(status, body))
        with pytest.raises(PortError) as raised:
            await canned_vms.deallocate(VM)
        assert type(raised.value) is error
        assert raised.value.code is None
        assert len(arm.requests) == 1

    @pytest.mark.parametrize("status", [201, 204, 206, 302, 307, 308])
    async def test_an_answer_that_nobody_expects_tells_nothing(
        self, arm: Canned, canned_vms: ComputeVms, status: int
    ) -> None:
        arm.answer(said(status, headers={"Location": f"{arm.url}/elsewhere"}))
        with pytest.raises(Unavailable, match=f"HTTP {status}"):
            await canned_vms.deallocate(VM)
        assert len(arm.requests) == 1, "no redirect is followed: the POST would be sent again"

    @pytest.mark.parametrize("status", [409, 429])
    async def test_an_error_that_is_not_wrapped(
        self, arm: Canned, canned_vms: ComputeVms, status: int
    ) -> None:
        arm.answer(said(status, '{"code": "OperationNotAllowed", "message": "No way."}'))
        with pytest.raises(Busy if status == 409 else Throttled) as raised:
            await canned_vms.deallocate(VM)
        assert (raised.value.code, raised.value.said) == ("OperationNotAllowed", "No way.")

    async def test_the_documented_throttling_of_compute(
        self, arm: Canned, canned_vms: ComputeVms, vm: VmId
    ) -> None:
        sample = json.loads((SAMPLES / "compute-throttling-429.docs.json").read_text())
        arm.answer(said(429, json.dumps(sample["body"]), dict(sample["headers"])))
        with pytest.raises(Throttled) as raised:
            await canned_vms.deallocate(vm)
        fault = raised.value
        assert fault.code == "OperationNotAllowed"
        assert fault.said
        assert fault.said.startswith("The server rejected the request because too many requests")
        assert fault.retry_after == timedelta(minutes=20)
        assert len(arm.requests) == 1

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("17", 17), ("Sat, 21 Nov 2026 12:00:30 GMT", 30), ("86400", 3600), ("soon", None)],
    )
    async def test_retry_after_is_passed_on_and_not_slept(
        self, arm: Canned, canned_vms: ComputeVms, status: int, header: str, seconds: int | None
    ) -> None:
        arm.answer(
            refused(status, "Slowly", {"Retry-After": header, "Date": "Sat, 21 Nov 2026 12:00:00 GMT"})
        )
        with pytest.raises(NotNow) as raised:
            await canned_vms.deallocate(VM)
        assert raised.value.retry_after == (None if seconds is None else timedelta(seconds=seconds))
        assert len(arm.requests) == 1

    async def test_azures_words_are_shortened(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(said(409, json.dumps({"error": {"code": "Conflict", "message": "no " * 10_000}})))
        with pytest.raises(Busy) as raised:
            await canned_vms.deallocate(VM)
        assert raised.value.said
        assert len(raised.value.said) <= 500


class TestNeverTwice:
    """Whatever fails, the POST has been sent once: by aiohttp, by the SDK and by us together."""

    @pytest.mark.parametrize("answer", [drop, break_off])
    async def test_a_connection_lost_before_the_answer(
        self, arm: Canned, canned_vms: ComputeVms, vm: VmId, answer: Answer
    ) -> None:
        arm.answer(answer)
        with pytest.raises(Unavailable, match=f"^ARM, POST {vm}/deallocate: no answer: "):
            await canned_vms.deallocate(vm)
        assert len(arm.requests) == 1

    async def test_a_connection_that_was_used_before_and_is_lost(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        """On such a one aiohttp sends a GET a second time by itself: it may have been closed meanwhile."""
        arm.answer(said(200, '{"properties": {}}'), drop, TAKEN)
        await canned_vms.look(VM)
        with pytest.raises(Unavailable):
            await canned_vms.deallocate(VM)
        assert [request.method for request in arm.requests] == ["GET", "POST"]

    @pytest.mark.parametrize(("kind", "taken"), [("drop", False), ("lost", True)])
    async def test_nobody_knows_whether_azure_took_what_it_did_not_answer(
        self, azure: SimulatedAzure, vms: ComputeVms, vm: VmId, kind: FaultKind, taken: bool
    ) -> None:
        add(azure)
        await vms.look(vm)
        azure.inject(Fault(kind=kind))
        with pytest.raises(Unavailable) as raised:
            await vms.deallocate(vm)
        assert raised.value.code is None
        assert [request.method for request in azure.requests] == ["GET", "POST"]
        assert (azure.vm(str(vm)).busy_with is not None) is taken

    @pytest.mark.parametrize("limit", ["READ_SECONDS", "DEALLOCATE_SECONDS"])
    async def test_an_azure_that_hangs(
        self, arm: Canned, monkeypatch: pytest.MonkeyPatch, limit: str
    ) -> None:
        arm.answer(hang)
        monkeypatch.setattr(compute, limit, 0.05)
        async with vms_at(arm.url) as vms:
            with pytest.raises(Unavailable, match="no answer: "):
                await vms.deallocate(VM)
        assert len(arm.requests) == 1

    async def test_nobody_listens(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
            async with vms_at(f"http://127.0.0.1:{taken.getsockname()[1]}") as vms:
                with pytest.raises(Unavailable, match="no answer: Cannot connect"):
                    await vms.deallocate(VM)

    @pytest.mark.parametrize(
        "headers", [{"Content-Encoding": "gzip"}, {"Retry-After": "Sat, 21 Nov 2026 12:00:00 GMT"}]
    )
    async def test_what_is_taken_with_an_answer_that_cannot_be_read(
        self, arm: Canned, canned_vms: ComputeVms, vm: VmId, headers: dict[str, str]
    ) -> None:
        arm.answer(said(202, b"\xff\xfe", headers))
        with pytest.raises(Unavailable):
            await canned_vms.deallocate(vm)
        assert len(arm.requests) == 1

    def test_an_answer_comes_within_the_lease(self) -> None:
        assert compute.DEALLOCATE_SECONDS < 60
