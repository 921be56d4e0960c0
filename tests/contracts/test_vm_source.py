"""The port `VmSource`: in memory, and on ARM through the real SDK, against recorded and simulated answers."""

import asyncio
import json
import socket
from collections.abc import Callable
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from local.azure.faults import Fault, FaultKind
from local.azure.server import SimulatedAzure
from shared import exchange
from shared.adapters import compute
from shared.adapters.compute import ComputeVms
from shared.adapters.memory import MemoryVms
from shared.domain.ids import VmId, parse_vm_id
from shared.domain.malformed import Malformed
from shared.domain.observations import Gone, Model, Observation
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.ports import PortError, Refused, Throttled, Unavailable, VmSource
from tests.contracts.arm import INSTANCE, OTHER_SUBSCRIPTION, SUBSCRIPTION, VM, vms_at
from tests.contracts.canned import Canned, break_off, drop, hang, said
from tests.contracts.credentials import LockedOut, Nobody
from tests.contracts.fleet import NOON

SET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.Compute/virtualMachineScaleSets/Farm"
SAMPLES = Path(__file__).parents[1] / "data" / "samples"
GOOD = json.dumps({"id": str(VM), "properties": {}})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))


MODEL = Model("uid", "northeurope", "Standard_D4s_v5", "Windows", "Spot")
TAGS = {"stopgap:exempt": "yes", "Owner": "Ada"}


@dataclass
class Fleet:
    """A source of VMs, and how to put one in a state of MODEL and TAGS into it."""

    source: VmSource
    add: Callable[[str], object]


@pytest.fixture(params=["memory", "arm"])
def fleet(request: pytest.FixtureRequest, azure: SimulatedAzure, vms: ComputeVms) -> Fleet:
    def add_to_azure(state: str) -> None:
        azure.add_vm(
            VM.subscription,
            VM.resource_group,
            VM.name,
            state=state,
            size="Standard_D4s_v5",
            os_type="Windows",
            location="northeurope",
            priority="Spot",
            tags=TAGS,
        )

    def add_to_memory(state: str) -> None:
        reading = Reading(PowerState(state), ProvisioningState.SUCCEEDED, None, hibernated=False)
        memory.vms[VM] = Observation(VM, NOON - timedelta(days=1), reading, MODEL, TAGS)

    memory = MemoryVms(lambda: NOON)
    return Fleet(vms, add_to_azure) if request.param == "arm" else Fleet(memory, add_to_memory)


class TestContract:
    @pytest.mark.parametrize("state", ["running", "stopped", "deallocated"])
    async def test_a_vm_is_seen_as_it_is(self, fleet: Fleet, state: str) -> None:
        fleet.add(state)
        seen = await fleet.source.look(VM)
        assert isinstance(seen, Observation)
        assert (seen.vm, seen.observed_at) == (VM, NOON)
        assert (seen.reading.power_state, seen.reading.settled) == (PowerState(state), True)
        assert seen.model.uid
        assert replace(seen.model, uid="uid") == MODEL
        assert seen.tags == TAGS

    async def test_a_vm_that_is_not_there_is_gone(self, fleet: Fleet) -> None:
        assert await fleet.source.look(VM) == Gone(VM, NOON)


class TestScaleSets:
    @pytest.mark.parametrize("state", ["running", "stopped", "deallocated"])
    async def test_an_instance_of_a_uniform_set_is_seen_as_it_is(
        self, azure: SimulatedAzure, vms: ComputeVms, state: str
    ) -> None:
        options = {"location": "northeurope", "size": "Standard_D4s_v5", "os_type": "Windows", "tags": TAGS}
        azure.add_scale_set(SUBSCRIPTION, "rg-shop", "Farm", instances=4, state=state, **options)  # type: ignore[arg-type]
        seen = await vms.look(INSTANCE)
        assert isinstance(seen, Observation)
        assert (seen.vm, seen.observed_at) == (INSTANCE, NOON)
        assert (seen.reading.power_state, seen.reading.settled) == (PowerState(state), True)
        assert seen.model.uid == azure.vm(str(INSTANCE)).vm_id
        assert replace(seen.model, uid="uid") == replace(MODEL, priority=None, scale_set="farm")
        assert seen.tags == TAGS

    async def test_an_instance_of_a_flexible_set_is_a_vm_that_names_its_set(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        [vm_id] = azure.add_scale_set(
            SUBSCRIPTION, "rg-shop", "Farm", mode="Flexible", size="Standard_D4s_v5"
        )
        vm = parse_vm_id(vm_id)
        assert vm
        assert vm.instance is None
        seen = await vms.look(vm)
        assert isinstance(seen, Observation)
        assert (seen.model.scale_set, seen.model.size) == ("farm", "Standard_D4s_v5")

    async def test_a_look_is_one_get_of_the_instance_and_its_view(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        azure.add_scale_set(SUBSCRIPTION, "rg-shop", "farm", instances=4)
        await vms.look(INSTANCE)
        (request,) = azure.requests
        assert (request.operation, request.path.lower()) == ("instance.get", str(INSTANCE))
        assert request.query["$expand"] == "instanceView"

    async def test_an_instance_a_set_or_a_group_that_is_not_there_is_gone(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        assert await vms.look(INSTANCE) == Gone(INSTANCE, NOON)
        azure.add_vm(SUBSCRIPTION, "rg-shop", "web-1")
        assert await vms.look(INSTANCE) == Gone(INSTANCE, NOON)
        azure.add_scale_set(SUBSCRIPTION, "rg-shop", "farm", instances=3)
        assert await vms.look(INSTANCE) == Gone(INSTANCE, NOON)
        assert azure.arm.counts() == {"instance.get": 3}

    NO_INSTANCE = "The provided instanceId 3 is not an active Virtual Machine Scale Set VM instanceId."

    @pytest.mark.parametrize(
        ("status", "code", "text"),
        [
            (404, "ResourceNotFound", "no such"),
            (404, "ResourceGroupNotFound", "no such"),
            (404, "ParentResourceNotFound", "no such"),
            (404, "NotFound", "The entity was not found."),
            (400, "InvalidParameter", NO_INSTANCE),
            (404, "InvalidParameter", NO_INSTANCE),
        ],
    )
    async def test_what_is_certain_of_an_instance(
        self, arm: Canned, canned_vms: ComputeVms, status: int, code: str, text: str
    ) -> None:
        arm.answer(said(status, json.dumps({"error": {"code": code, "message": text}})))
        assert await canned_vms.look(INSTANCE) == Gone(INSTANCE, NOON)
        assert len(arm.requests) == 1

    @pytest.mark.parametrize(
        ("vm", "status", "code", "text"),
        [
            (INSTANCE, 400, "InvalidParameter", "The value of parameter $expand is invalid."),
            (INSTANCE, 400, "BadRequest", NO_INSTANCE),
            (INSTANCE, 400, "ParentResourceNotFound", "no such"),
            (INSTANCE, 403, "InvalidParameter", NO_INSTANCE),
            (INSTANCE, 404, "SubscriptionNotFound", "no such"),
            (VM, 404, "ParentResourceNotFound", "no such"),
            (VM, 400, "InvalidParameter", NO_INSTANCE),
            (VM, 400, "ResourceNotFound", "no such"),
        ],
    )
    async def test_what_is_not_certain_is_an_error(
        self, arm: Canned, canned_vms: ComputeVms, vm: VmId, status: int, code: str, text: str
    ) -> None:
        arm.answer(said(status, json.dumps({"error": {"code": code, "message": text}})))
        with pytest.raises(Refused, match=f"HTTP {status} {code}"):
            await canned_vms.look(vm)

    async def test_a_404_that_is_not_certain_says_what_would_be(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        arm.answer(said(404, json.dumps({"error": {"code": "ResourceTypeNotFound", "message": "?"}})))
        with pytest.raises(
            Refused, match="ResourceNotFound or ResourceGroupNotFound or NotFound or ParentResourceNotFound"
        ):
            await canned_vms.look(INSTANCE)

    async def test_a_flexible_set_asked_for_an_instance_is_refused(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        azure.add_scale_set(SUBSCRIPTION, "rg-shop", "farm", mode="Flexible")
        with pytest.raises(Refused, match="400 BadRequest"):
            await vms.look(INSTANCE)

    async def test_a_refusal_names_the_permission_on_instances(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        azure.inject(Fault(kind="403"))
        action = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read"
        with pytest.raises(Refused, match=f"needs {action} on subscription {SUBSCRIPTION}") as raised:
            await vms.look(INSTANCE)
        assert f"perform action '{action}'" in str(raised.value)

    @pytest.mark.parametrize(
        ("properties", "more", "expected"),
        [
            ({}, {"sku": {"name": "Standard_B1s"}}, ("Standard_B1s", "farm")),
            ({"hardwareProfile": {}}, {"sku": {"name": "Standard_B1s"}}, ("Standard_B1s", "farm")),
            ({"hardwareProfile": {"vmSize": "S1"}}, {"sku": {"name": "S2"}}, ("S1", "farm")),
            ({"virtualMachineScaleSet": {"id": f"{SET}-2"}}, {"sku": {}}, (None, "farm")),
            (
                {
                    "resilientVMDeletionStatus": "Failed",
                    "latestModelApplied": False,
                    "protectionPolicy": {"protectFromScaleIn": True},
                },
                {"instanceId": "3", "sku": None},
                (None, "farm"),
            ),
        ],
    )
    async def test_where_size_and_set_of_an_instance_are_read(
        self,
        arm: Canned,
        canned_vms: ComputeVms,
        properties: object,
        more: dict[str, object],
        expected: tuple[str | None, str],
    ) -> None:
        arm.answer(said(200, json.dumps({"properties": properties, **more})))
        seen = await canned_vms.look(INSTANCE)
        assert isinstance(seen, Observation)
        assert (seen.model.size, seen.model.scale_set) == expected

    @pytest.mark.parametrize(
        ("joined", "expected"),
        [
            (None, None),
            ({}, None),
            ({"id": None}, None),
            ({"id": ""}, None),
            ({"id": SET}, "farm"),
            ({"id": f"{SET}/"}, "farm"),
        ],
    )
    async def test_where_the_set_of_a_vm_is_read(
        self, arm: Canned, canned_vms: ComputeVms, joined: object, expected: str | None
    ) -> None:
        arm.answer(said(200, json.dumps({"properties": {"virtualMachineScaleSet": joined}})))
        seen = await canned_vms.look(VM)
        assert isinstance(seen, Observation)
        assert seen.model.scale_set == expected

    @pytest.mark.parametrize(
        "body",
        [
            {"properties": {"virtualMachineScaleSet": SET}},
            {"properties": {"virtualMachineScaleSet": {"id": 1}}},
            {"properties": {}, "sku": "Standard_B1s"},
            {"properties": {}, "sku": {"name": []}},
        ],
    )
    async def test_parts_of_the_wrong_type(self, arm: Canned, canned_vms: ComputeVms, body: object) -> None:
        arm.answer(said(200, json.dumps(body)))
        with pytest.raises(Malformed, match=f"^{VM}: ARM's answer: expected "):
            await canned_vms.look(VM)


class TestRecorded:
    async def test_the_recorded_vm(self, arm: Canned, canned_vms: ComputeVms) -> None:
        body = (SAMPLES / "arm-vm-get-expand-instanceview.running.recorded.json").read_text()
        arm.answer(said(200, body))
        vm = parse_vm_id(json.loads(body)["id"])
        assert vm
        assert await canned_vms.look(vm) == Observation(
            vm=vm,
            observed_at=NOON,
            reading=Reading(PowerState.RUNNING, ProvisioningState.SUCCEEDED, None, hibernated=False),
            model=Model(
                uid="f6a6b9b2-9b99-45b0-8a18-025998fc74d0",
                location="southcentralus",
                size="Standard_A1_v2",
                os_type="Linux",
                priority=None,
            ),
            tags={"testtag": "testvalue", "schedule": "on=(M-U,8);off=(M-U,18);tz=pt"},
        )

    async def test_states_of_agents_disks_and_extensions_are_not_the_vms(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        body = json.loads((SAMPLES / "arm-vm-get-expand-instanceview.running.recorded.json").read_text())
        view = body["properties"]["instanceView"]
        failed = {"code": "ProvisioningState/failed/1", "level": "Error"}
        for part in (view["vmAgent"], view["disks"][0], view["extensions"][0]):
            part["statuses"].insert(0, failed)
        arm.answer(said(200, json.dumps(body)))
        vm = parse_vm_id(body["id"])
        assert vm
        seen = await canned_vms.look(vm)
        assert (seen.reading.provisioning_state, seen.reading.detail) == (ProvisioningState.SUCCEEDED, None)

    async def test_the_documented_throttling(self, arm: Canned, canned_vms: ComputeVms) -> None:
        sample = json.loads((SAMPLES / "compute-throttling-429.docs.json").read_text())
        arm.answer(said(429, json.dumps(sample["body"]), dict(sample["headers"])))
        with pytest.raises(Throttled, match="429 OperationNotAllowed The server rejected") as raised:
            await canned_vms.look(VM)
        assert raised.value.retry_after == timedelta(minutes=20)
        assert len(arm.requests) == 1


class TestAsking:
    async def test_a_look_is_one_get(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        azure.add_vm(VM.subscription, VM.resource_group, VM.name)
        await vms.look(VM)
        (request,) = azure.requests
        assert request.operation == "get"
        assert request.query["$expand"] == "instanceView"

    async def test_looks_side_by_side_in_two_subscriptions(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        everyone = [
            VmId.of(sub, "rg", f"vm-{n}") for sub in (SUBSCRIPTION, OTHER_SUBSCRIPTION) for n in range(9)
        ]
        for vm in everyone:
            azure.add_vm(vm.subscription, vm.resource_group, vm.name)
        seen = await asyncio.gather(*map(vms.look, everyone))
        assert [each.vm for each in seen] == everyone
        assert azure.arm.counts() == {"get": 18}

    async def test_nobody_gets_a_token_over_plain_http(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(said(200, GOOD))
        await canned_vms.look(VM)
        assert "Authorization" not in arm.requests[0].headers

    async def test_nothing_is_written_whatever_arm_misses(self, arm: Canned, canned_vms: ComputeVms) -> None:
        missing = {
            "code": "MissingSubscriptionRegistration",
            "message": "not registered to use Microsoft.Compute",
        }
        arm.answer(said(409, json.dumps({"error": missing})))
        with pytest.raises(Refused, match="409 MissingSubscriptionRegistration"):
            await canned_vms.look(VM)
        assert [request.method for request in arm.requests] == ["GET"]

    async def test_no_redirect_is_followed(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(said(307, headers={"Location": f"{arm.url}/elsewhere"}))
        with pytest.raises(Unavailable, match="HTTP 307"):
            await canned_vms.look(VM)
        assert len(arm.requests) == 1

    async def test_no_token_is_a_refusal(self) -> None:
        credential = LockedOut()
        vms = ComputeVms(credential, endpoint="https://127.0.0.1:9", clock=lambda: NOON)
        with pytest.raises(Refused, match="no token to ask with: no managed identity was found"):
            await vms.look(VM)
        await vms.close()
        assert credential.scopes == [("https://127.0.0.1:9/.default",)]

    @pytest.mark.parametrize(
        "endpoint", ["http://management.azure.com", "management.azure.com", "ftp://localhost", ""]
    )
    def test_only_loopback_may_be_plain_http(self, endpoint: str) -> None:
        with pytest.raises(ValueError, match="STOPGAP_ARM_ENDPOINT: expected an https address"):
            ComputeVms(Nobody(), endpoint=endpoint, clock=lambda: NOON)


class TestNotThere:
    async def test_a_resource_group_that_is_not_there(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        azure.add_vm(SUBSCRIPTION, "rg-other", "web-1")
        assert await vms.look(VM) == Gone(VM, NOON)

    async def test_a_subscription_that_is_not_there_is_no_vm_that_is_gone(self, vms: ComputeVms) -> None:
        nowhere = VmId.of("00000000-0000-4000-8000-00000000dead", "rg", "vm")
        with pytest.raises(Refused, match=r"404 SubscriptionNotFound .* \(not taken for a VM that is gone"):
            await vms.look(nowhere)

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            ("<h1>Not Found</h1>", "text/html"),
            ('{"error": {"code": "InvalidResourceType", "message": "no such type"}}', "application/json"),
            ('{"message": "no Route matched with those values"}', "application/json"),
            ('{"error": "ResourceNotFound"}', "application/json"),
            ("[]", "application/json"),
            ("", "application/json"),
        ],
    )
    async def test_a_404_of_somebody_else_is_no_vm_that_is_gone(
        self, arm: Canned, canned_vms: ComputeVms, body: str, content_type: str
    ) -> None:
        arm.answer(said(404, body, content_type=content_type))
        with pytest.raises(Refused, match="not taken for a VM that is gone"):
            await canned_vms.look(VM)


class TestFailing:
    @pytest.mark.parametrize(
        ("kind", "error", "requests"),
        [
            ("403", Refused, 1),
            ("429", Throttled, 1),
            ("500", Unavailable, 3),
            ("503", Unavailable, 3),
            ("drop", Unavailable, 6),  # aiohttp sends a GET on a lost connection twice
        ],
    )
    async def test_what_the_simulated_azure_can_do(
        self, azure: SimulatedAzure, vms: ComputeVms, kind: FaultKind, error: type[PortError], requests: int
    ) -> None:
        azure.add_vm(VM.subscription, VM.resource_group, VM.name)
        azure.inject(Fault(kind=kind, times=9))
        with pytest.raises(error) as raised:
            await vms.look(VM)
        assert type(raised.value) is error
        assert f"ARM, GET {VM}: " in str(raised.value)
        assert len(azure.requests) == requests

    async def test_a_refusal_names_the_permission(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        azure.inject(Fault(kind="403"))
        with pytest.raises(Refused) as raised:
            await vms.look(VM)
        text = str(raised.value)
        assert "403 AuthorizationFailed The client '" in text
        assert text.endswith(
            f"(who asks needs Microsoft.Compute/virtualMachines/read on subscription {SUBSCRIPTION})"
        )
        assert "\n" not in text

    @pytest.mark.parametrize("kind", ["500", "503", "drop"])
    async def test_a_hiccup_is_not_seen(
        self, azure: SimulatedAzure, vms: ComputeVms, kind: FaultKind
    ) -> None:
        azure.add_vm(VM.subscription, VM.resource_group, VM.name)
        azure.inject(Fault(kind=kind, times=2))
        assert isinstance(await vms.look(VM), Observation)
        assert len(azure.requests) == 3

    @pytest.mark.parametrize(
        ("status", "error", "requests"),
        [
            (400, Refused, 1),
            (401, Refused, 1),
            (403, Refused, 1),
            (408, Unavailable, 1),
            (409, Refused, 1),
            (412, Refused, 1),
            (429, Throttled, 1),
            (500, Unavailable, 3),
            (501, Unavailable, 1),
            (502, Unavailable, 3),
            (503, Unavailable, 3),
            (504, Unavailable, 3),
        ],
    )
    @pytest.mark.parametrize(
        "body", ['{"error": {"code": "Oops", "message": "No\\nway."}}', "<html>Bad</html>"]
    )
    async def test_every_status(
        self,
        arm: Canned,
        canned_vms: ComputeVms,
        status: int,
        error: type[PortError],
        requests: int,
        body: str,
    ) -> None:
        arm.answer(said(status, body))
        with pytest.raises(error) as raised:
            await canned_vms.look(VM)
        assert type(raised.value) is error
        assert f"ARM, GET {VM}: HTTP {status}{' Oops No way.' if 'Oops' in body else ''}" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert len(arm.requests) == requests

    @pytest.mark.parametrize("status", [429, 500, 503])
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("0", 0),
            ("17", 17),
            ("1.5", 1.5),
            ("1200", 1200),
            ("86400", 3600),
            ("9" * 40, 3600),
            ("-5", 0),
            ("Sat, 21 Nov 2026 12:00:30 GMT", 30),
            ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
            ("Sun, 22 Nov 2026 12:00:00 GMT", 3600),
            ("Sat, 21 Nov 2026 12:00:30 -0000", 30),
            ("soon", None),
            ("nan", None),
            ("Sat, 99 Nov 2026 12:00:00 GMT", None),
        ],
    )
    async def test_retry_after_is_passed_on_and_not_slept(
        self, arm: Canned, canned_vms: ComputeVms, status: int, header: str, seconds: float | None
    ) -> None:
        arm.answer(said(status, "", {"Retry-After": header, "Date": "Sat, 21 Nov 2026 12:00:00 GMT"}))
        with pytest.raises((Throttled, Unavailable)) as raised:
            await canned_vms.look(VM)
        expected = None if seconds is None else timedelta(seconds=seconds)
        assert raised.value.retry_after == expected
        assert len(arm.requests) == 1
        with pytest.raises((Throttled, Unavailable)) as raised:
            _ = [page async for page in canned_vms.sight(VM.subscription)]
        assert raised.value.retry_after == expected
        assert len(arm.requests) == 2

    async def test_an_answer_that_breaks_off(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(break_off)
        with pytest.raises(Unavailable):
            await canned_vms.look(VM)
        assert len(arm.requests) == 3

    async def test_an_answer_lost_once(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(break_off, drop, said(200, GOOD))
        assert isinstance(await canned_vms.look(VM), Observation)
        assert len(arm.requests) == 3

    async def test_nobody_listens(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
            async with vms_at(f"http://127.0.0.1:{taken.getsockname()[1]}") as vms:
                with pytest.raises(Unavailable, match="no answer: Cannot connect"):
                    await vms.look(VM)

    async def test_no_answer_in_time_is_not_tried_again(
        self, arm: Canned, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arm.answer(hang)
        monkeypatch.setattr(compute, "READ_SECONDS", 0.05)
        async with vms_at(arm.url) as vms:
            with pytest.raises(Unavailable, match="no answer: "):
                await vms.look(VM)
        assert len(arm.requests) == 1

    async def test_a_look_ends_in_time_whatever_keeps_it(
        self, arm: Canned, canned_vms: ComputeVms, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arm.answer(hang)
        monkeypatch.setattr(compute, "LOOK_SECONDS", 0.05)
        with pytest.raises(Unavailable, match="no answer: the time was up"):
            await canned_vms.look(VM)

    def test_no_look_outlasts_event_grids_patience(self) -> None:
        assert compute.LOOK_SECONDS <= 25


class TestOdd:
    @pytest.mark.parametrize(
        "statuses",
        [
            [],
            [{"code": "ProvisioningState/succeeded"}],
            [{"code": "PowerState/levitating"}, {"code": "ProvisioningState/succeeded"}],
            [{"code": "PowerState/"}],
            [{"code": "FutureState/whatever"}],
        ],
    )
    async def test_no_power_state_that_we_know_is_unknown(
        self, azure: SimulatedAzure, vms: ComputeVms, statuses: object
    ) -> None:
        vm_id = azure.add_vm(VM.subscription, VM.resource_group, VM.name, state="stopped")
        azure.set_statuses(vm_id, statuses)
        seen = await vms.look(VM)
        assert isinstance(seen, Observation)
        assert seen.reading.power_state is PowerState.UNKNOWN

    async def test_no_instance_view_is_unknown(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        vm_id = azure.add_vm(VM.subscription, VM.resource_group, VM.name, state="stopped")
        azure.remove_instance_view(vm_id)
        seen = await vms.look(VM)
        assert isinstance(seen, Observation)
        assert seen.reading.power_state is PowerState.UNKNOWN

    @pytest.mark.parametrize("statuses", ["stopped", {"code": "PowerState/stopped"}, [None], [{"code": 1}]])
    async def test_statuses_of_another_shape(
        self, azure: SimulatedAzure, vms: ComputeVms, statuses: object
    ) -> None:
        vm_id = azure.add_vm(VM.subscription, VM.resource_group, VM.name)
        azure.set_statuses(vm_id, statuses)
        with pytest.raises(Malformed, match=f"^{VM}: instance view: expected"):
            await vms.look(VM)

    @pytest.mark.parametrize("body", [None, [], "VM", 1, {}, {"id": 1}, {"id": "/subscriptions/x"}])
    async def test_an_answer_that_is_no_vm(
        self, azure: SimulatedAzure, vms: ComputeVms, body: object
    ) -> None:
        vm_id = azure.add_vm(VM.subscription, VM.resource_group, VM.name)
        azure.replace_body(vm_id, body)
        with pytest.raises(Malformed, match=f"^{VM}: "):
            await vms.look(VM)

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>Sign in</html>", b'{"id": ', b"\xff\xfe\x00", pytest.param(b"[" * 100_000, id="deep")],
    )
    @pytest.mark.parametrize("content_type", ["application/json", "text/html"])
    async def test_an_answer_that_is_not_json(
        self, arm: Canned, canned_vms: ComputeVms, body: bytes, content_type: str
    ) -> None:
        arm.answer(said(200, body, content_type=content_type))
        with pytest.raises(Malformed, match=f"^{VM}: ARM's answer: expected JSON, got b"):
            await canned_vms.look(VM)
        assert len(arm.requests) == 1
