"""The port `Fleet`: in memory, and on ARM's lists through the real SDK, against simulated and canned answers."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.azure.faults import Fault, FaultKind
from local.azure.interposition import RequestMoment
from local.azure.server import SimulatedAzure
from shared import exchange
from shared.adapters import compute
from shared.adapters.compute import ComputeVms
from shared.adapters.memory import MemoryVms
from shared.domain.fleet import fingerprint
from shared.domain.ids import VmId, parse_vm_id
from shared.domain.malformed import Malformed
from shared.domain.observations import Gone, Model, Observation
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.ports import Fleet, PortError, Refused, Throttled, Unavailable
from tests.contracts.canned import Answer, Canned, break_off, canned_service, drop, hang, said
from tests.contracts.credentials import LockedOut, Nobody
from tests.contracts.fleet import NOON

SUB = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
GROUP = f"/subscriptions/{SUB}/resourceGroups/rg-shop/providers/Microsoft.Compute"
LISTS = f"/subscriptions/{SUB}/providers/Microsoft.Compute"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))


@dataclass
class Ticks:
    """A clock that goes on by a second each time it is asked."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@asynccontextmanager
async def vms_at(url: str) -> AsyncIterator[ComputeVms]:
    vms = ComputeVms(Nobody(), endpoint=url, clock=Ticks())
    try:
        yield vms
    finally:
        await vms.close()


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(subscriptions=(SUB, OTHER), page_size=5, operation_seconds=0) as azure:
        yield azure


@pytest.fixture
async def vms(azure: SimulatedAzure) -> AsyncIterator[ComputeVms]:
    async with vms_at(azure.url) as vms:
        yield vms


@pytest.fixture
async def arm() -> AsyncIterator[Canned]:
    async with canned_service() as service:
        yield service


@pytest.fixture
async def canned_vms(arm: Canned) -> AsyncIterator[ComputeVms]:
    async with vms_at(arm.url) as vms:
        yield vms


@dataclass
class Whole:
    """All that a sight showed until it came to its end, or failed."""

    seen: dict[VmId, Observation] = field(default_factory=dict)
    unclear: list[VmId] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    error: Exception | None = None

    def powers(self) -> dict[str, str]:
        return {vm.name: str(each.reading.power_state) for vm, each in self.seen.items()}


async def whole(fleet: Fleet, subscription: str = SUB) -> Whole:
    """A whole sight; AssertionError if it shows a VM twice."""
    found = Whole()
    try:
        async for sighted in fleet.sight(subscription):
            for seen in sighted.seen:
                assert seen.vm not in found.seen
                assert seen.vm not in found.unclear
                found.seen[seen.vm] = seen
            found.unclear += sighted.unclear
            found.faults += sighted.faults
    except (PortError, Malformed) as error:
        found.error = error
    assert len(found.unclear) == len({*found.unclear} - {*found.seen})
    return found


MODEL = Model("uid", "northeurope", "Standard_D4s_v5", "Windows", "Spot")
TAGS = {"stopgap:exempt": "yes", "Owner": "Ada"}


@dataclass
class Town:
    """A fleet, how to put a VM of MODEL and TAGS in a state into it, and how to break it."""

    fleet: Fleet
    add: Callable[[VmId, str], object]
    fail: Callable[[], object]


@pytest.fixture(params=["memory", "arm"])
def town(request: pytest.FixtureRequest, azure: SimulatedAzure, vms: ComputeVms) -> Town:
    def add_to_azure(vm: VmId, state: str) -> None:
        vm_id = azure.add_vm(
            vm.subscription,
            vm.resource_group,
            vm.name,
            state="stopped" if state == "unknown" else state,
            size="Standard_D4s_v5",
            os_type="Windows",
            location="northeurope",
            priority="Spot",
            tags=TAGS,
        )
        if state == "unknown":
            azure.remove_instance_view(vm_id)

    def add_to_memory(vm: VmId, state: str) -> None:
        reading = Reading(PowerState(state), ProvisioningState.SUCCEEDED, None, hibernated=False)
        memory.vms[vm] = Observation(vm, NOON - timedelta(days=1), reading, MODEL, TAGS)

    def fail_in_memory() -> None:
        memory.page_faults[0] = Unavailable("out of order")

    if request.param == "arm":
        return Town(vms, add_to_azure, lambda: azure.inject(Fault(kind="503", times=99)))
    memory = MemoryVms(lambda: NOON)
    return Town(memory, add_to_memory, fail_in_memory)


def web(number: int, subscription: str = SUB) -> VmId:
    return VmId.of(subscription, "rg-shop", f"web-{number}")


class TestContract:
    async def test_every_vm_is_seen_once_as_it_is(self, town: Town) -> None:
        states = ["running", "stopped", "deallocated"] * 4
        for number, state in enumerate(states):
            town.add(web(number), state)
            town.add(web(number, OTHER), "running")

        found = await whole(town.fleet)

        assert found.powers() == {f"web-{number}": state for number, state in enumerate(states)}
        assert (found.unclear, found.faults, found.error) == ([], [], None)
        for vm, seen in found.seen.items():
            assert (vm.subscription, seen.vm) == (SUB, vm)
            assert seen.reading.settled
            assert seen.model.uid
            assert replace(seen.model, uid="uid") == MODEL
            assert seen.tags == TAGS
            assert NOON <= seen.observed_at <= NOON + timedelta(minutes=1)

    async def test_a_vm_without_a_power_state_is_to_be_looked_at_singly(self, town: Town) -> None:
        town.add(web(1), "stopped")
        town.add(web(2), "unknown")
        found = await whole(town.fleet)
        assert set(found.seen) == {web(1)}
        assert found.unclear == [web(2)]

    async def test_a_subscription_without_vms_has_none(self, town: Town) -> None:
        town.add(web(1), "running")
        assert await whole(town.fleet, OTHER) == Whole()

    async def test_a_failure_is_never_no_vms(self, town: Town) -> None:
        town.add(web(1), "running")
        town.fail()
        assert isinstance((await whole(town.fleet)).error, Unavailable)


class TestAskingArm:
    async def test_calls_are_the_pages_of_the_lists(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        azure.add_fleet(SUB, 23)
        azure.add_fleet(OTHER, 40)
        for number in range(6):
            azure.add_scale_set(SUB, "rg-shop", f"farm-{number}", instances=number * 2)
        azure.add_scale_set(SUB, "rg-shop", "meadow", mode="Flexible", instances=3)

        found = await whole(vms)

        assert len(found.seen) == 23 + 30 + 3
        # 26 ordinary VMs and 7 sets, 5 a page; a page or more for each Uniform set, of 0, 2, 4, 6, 8, 10 instances.
        assert azure.arm.counts() == {
            "listStatus": 6,
            "listAll": 6,
            "scaleSet.listAll": 2,
            "scaleSet.list": 9,
        }
        assert {request.method for request in azure.requests} == {"GET"}
        assert {request.query["api-version"] for request in azure.requests} == {compute.API_VERSION}

    async def test_10_000_vms_cost_no_more_calls_than_pages(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        azure.add_fleet(SUB, 10_000)
        azure.set_page_size(100)
        found = await whole(vms)
        assert {vm.name: power for vm, power in truth(azure).items()} == found.powers()
        assert azure.arm.counts() == {"listStatus": 100, "listAll": 100, "scaleSet.listAll": 1}

    async def test_50_000_vms_on_one_page(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        azure.add_fleet(SUB, 50_000)
        azure.set_page_size(50_000)
        found = await whole(vms)
        assert len(found.seen) == 50_000
        assert azure.arm.counts() == {"listStatus": 1, "listAll": 1, "scaleSet.listAll": 1}

    async def test_what_is_seen_is_as_old_as_the_question_for_its_state(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        azure.add_fleet(SUB, 7)
        azure.add_scale_set(SUB, "rg-shop", "farm", instances=7)
        found = await whole(vms)
        asked = Counter((seen.observed_at - NOON).total_seconds() for seen in found.seen.values())
        # The clock is asked before each page: 2 of states, 2 of models, 1 of sets, 2 of instances.
        assert asked == {1: 5, 2: 2, 6: 5, 7: 2}

    async def test_nobody_gets_a_token_over_plain_http(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(page())
        await whole(canned_vms)
        assert all("Authorization" not in request.headers for request in arm.requests)

    async def test_no_token_is_a_refusal(self) -> None:
        vms = ComputeVms(LockedOut(), endpoint="https://127.0.0.1:9", clock=lambda: NOON)
        found = await whole(vms)
        await vms.close()
        assert isinstance(found.error, Refused)
        assert f"ARM, GET {LISTS}/virtualMachines: no token to ask with" in str(found.error)


def truth(azure: SimulatedAzure) -> dict[VmId, str]:
    """The power state of every VM, by our own ids."""
    return {vm: str(power) for vm_id, power in azure.powers().items() if (vm := parse_vm_id(vm_id))}


class TestLikeALook:
    """A sight and a look have to say the same of a VM: else every sweep would write what no look had changed."""

    async def test_of_every_kind_of_vm_in_every_state(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        kinds: list[dict[str, Any]] = [
            {},
            {"size": "Standard_F4s_v2", "os_type": "Windows", "location": "northeurope"},
            {"tags": {"Stopgap:Grace": "1h", "stopgap:exempt": "yes", "owner": "ada"}},
            {"priority": "Spot", "eviction_policy": "Delete"},
            {"license_type": "Windows_Server", "os_type": "Windows", "zones": ("1",)},
            {"ephemeral_os_disk": True},
            {"host_id": f"{GROUP}/hostGroups/g/hosts/h"},
            {"capacity_reservation_id": f"{GROUP}/capacityReservationGroups/g"},
            {"resource_group_in_id": "RG-SHOP"},
        ]
        for number, kind in enumerate(kinds):
            for state in ("running", "stopped", "deallocated"):
                azure.add_vm(SUB, "rg-shop", f"{state}-{number}", state=state, **kind)
        azure.add_scale_set(SUB, "rg-shop", "meadow", mode="Flexible", instances=2, state="stopped")
        uniform: dict[str, Any] = {"license_type": "Windows_Server", "tags": {"stopgap:mode": "observe"}}
        azure.add_scale_set(SUB, "rg-shop", "farm", instances=2, state="stopped", **uniform)
        failed = azure.add_vm(SUB, "rg-shop", "failed")
        azure.fail_next(failed)
        await azure.restart(failed)
        await azure.fail_provisioning(azure.add_vm(SUB, "rg-shop", "slow"))
        await azure.deallocate(azure.add_vm(SUB, "rg-shop", "asleep"), hibernate=True)
        for verb in ("start", "power_off", "restart", "deallocate", "resize"):
            azure.set_operation_seconds(3600)
            state = "stopped" if verb == "start" else "running"
            more = ("Standard_B1s",) if verb == "resize" else ()
            getattr(azure, verb)(azure.add_vm(SUB, "rg-shop", verb, state=state), *more)

        found = await whole(vms)

        assert set(found.seen) == set(truth(azure))
        for vm, seen in found.seen.items():
            look = await vms.look(vm)
            assert isinstance(look, Observation)
            assert (seen.reading, seen.model, seen.tags) == (look.reading, look.model, look.tags)
            assert fingerprint_of(seen) == fingerprint_of(look)

    async def test_of_vms_that_a_burst_goes_over(self, azure: SimulatedAzure, vms: ComputeVms) -> None:
        azure.add_fleet(SUB, 50)
        burst = azure.burst(events=200, seconds=300)
        for minute in range(1, 7):
            burst.play(burst.begins_at + timedelta(minutes=minute))
            found = await whole(vms)
            for vm, seen in found.seen.items():
                look = await vms.look(vm)
                assert isinstance(look, Observation)
                assert fingerprint_of(seen) == fingerprint_of(look)
            assert found.powers() == {vm.name: power for vm, power in truth(azure).items()}


def fingerprint_of(seen: Observation) -> str:
    return fingerprint(seen.reading, seen.model, seen.tags)


class TestScaleSets:
    async def test_instances_of_uniform_sets_are_seen_and_flexible_ones_once(
        self, azure: SimulatedAzure, vms: ComputeVms
    ) -> None:
        azure.add_scale_set(SUB, "RG-Shop", "Farm", instances=7, state="stopped")
        azure.add_scale_set(SUB, "rg-shop", "empty", instances=0)
        flexible = azure.add_scale_set(SUB, "rg-shop", "meadow", mode="Flexible", instances=2)
        azure.add_scale_set(OTHER, "rg-shop", "elsewhere")

        found = await whole(vms)

        farm = {VmId.of(SUB, "rg-shop", f"farm~{number}") for number in range(7)}
        assert set(found.seen) == farm | {parse_vm_id(each) for each in flexible}
        assert {found.seen[vm].model.scale_set for vm in farm} == {"farm"}
        lists = [request.path for request in azure.requests if request.operation == "scaleSet.list"]
        assert [path.rpartition("Sets/")[2] for path in lists] == [
            "empty/virtualMachines",
            "farm/virtualMachines",
            "farm/virtualMachines",
        ]

    @pytest.mark.parametrize("what", ["set", "group", "in the middle"])
    async def test_a_set_that_has_gone_since_it_was_listed_hides_no_other(
        self, azure: SimulatedAzure, vms: ComputeVms, what: str
    ) -> None:
        azure.add_vm(SUB, "rg-shop", "web-1")
        for name in ("a", "b", "c"):
            azure.add_scale_set(SUB, f"rg-{name}", name, instances=6)
        pages = 2 if what == "in the middle" else 1

        def remove(moment: RequestMoment) -> None:
            gone = f"/subscriptions/{SUB}/resourcegroups/rg-b/"
            lists = [request for request in azure.requests if request.path.lower().startswith(gone)]
            if moment.when == "before" and moment.path.lower().startswith(gone) and len(lists) == pages - 1:
                azure.remove_scale_set(f"{gone}providers/Microsoft.Compute/virtualMachineScaleSets/b")
                if what == "group":
                    azure.compute.resource_groups.remove((SUB, "rg-b"))

        azure.interpose(remove)
        found = await whole(vms)
        await azure.settle()

        seen = Counter(vm.resource_group for vm in found.seen)
        assert seen == {"rg-shop": 1, "rg-a": 6, "rg-c": 6} | ({"rg-b": 5} if pages == 2 else {})
        assert (found.faults, found.error) == ([], None)

    @pytest.mark.parametrize("code", ["SubscriptionNotFound", "InvalidResourceType", "AuthorizationFailed"])
    async def test_another_404_is_no_set_that_is_gone(
        self, arm: Canned, canned_vms: ComputeVms, code: str
    ) -> None:
        arm.answer(page(), page(), page(a_set("farm")), said(404, error(code)))
        found = await whole(canned_vms)
        assert isinstance(found.error, Refused)
        assert f"/virtualMachineScaleSets/farm/virtualMachines: HTTP 404 {code}" in str(found.error)

    @pytest.mark.parametrize(
        ("mode", "asked"),
        [
            ({"orchestrationMode": "Uniform"}, True),
            ({"orchestrationMode": None}, True),
            ({}, True),
            ({"orchestrationMode": "Flexible"}, False),
            ({"orchestrationMode": "flexible"}, False),
        ],
    )
    async def test_which_sets_are_listed(
        self, arm: Canned, canned_vms: ComputeVms, mode: Mapping[str, object], asked: bool
    ) -> None:
        arm.answer(page(), page(), page({**a_set("farm"), "properties": mode}), page())
        assert await whole(canned_vms) == Whole()
        assert (len(arm.requests) == 4) is asked

    async def test_a_set_that_is_listed_twice_is_asked_once(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        twice = page(a_set("farm"), a_set("FARM"), next_link=f"{arm.url}{LISTS}/x?page=2")
        arm.answer(page(), page(), twice, page(an_instance(0)), page(a_set("Farm")))
        found = await whole(canned_vms)
        assert set(found.seen) == {VmId.of(SUB, "rg-shop", "farm~0")}
        assert len(arm.requests) == 5

    async def test_what_cannot_be_a_set_is_told_and_hides_no_other(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        odd: list[object] = [
            {},
            {"id": None},
            {"id": 7},
            {"id": "farm"},
            {"id": f"{GROUP}/virtualMachines/web-1"},
            {"id": f"{GROUP}/virtualMachineScaleSets/.."},
            {"id": f"{GROUP}/virtualMachineScaleSets/a%2Fb?x=1#y"},
            {"id": f"{GROUP}/virtualMachineScaleSets/farm".replace(SUB, OTHER)},
            "farm",
            None,
        ]
        arm.answer(page(), page(), page(*odd, a_set("farm")), page(an_instance(0)))
        found = await whole(canned_vms)
        assert set(found.seen) == {VmId.of(SUB, "rg-shop", "farm~0")}
        assert len(found.faults) == len(odd)
        assert all(fault.startswith("a row of the list: ") and "\n" not in fault for fault in found.faults)
        assert arm.requests[-1].path == f"{GROUP}/virtualMachineScaleSets/farm/virtualMachines"
        assert len(arm.requests) == 4


def row(vm_id: object, **more: object) -> dict[str, object]:
    """A row of models."""
    return {"id": vm_id, "name": "x", "location": "westeurope", "properties": {"vmId": "uid"}, **more}


def state(vm_id: object, *codes: str) -> dict[str, object]:
    """A row of states."""
    statuses = [{"code": code} for code in codes or ("ProvisioningState/succeeded", "PowerState/stopped")]
    return {"id": vm_id, "properties": {"hardwareProfile": {}, "instanceView": {"statuses": statuses}}}


def a_set(name: str) -> dict[str, object]:
    return {"id": f"{GROUP}/virtualMachineScaleSets/{name}", "properties": {"orchestrationMode": "Uniform"}}


def an_instance(number: int) -> dict[str, object]:
    return state(f"{GROUP}/virtualMachineScaleSets/farm/virtualMachines/{number}")


def vm_id(number: int) -> str:
    return f"{GROUP}/virtualMachines/web-{number}"


def page(*rows: object, next_link: object = None) -> Answer:
    body = {"value": list(rows)} | ({} if next_link is None else {"nextLink": next_link})
    return said(200, json.dumps(body))


def error(code: str) -> str:
    return json.dumps({"error": {"code": code, "message": "No\nway."}})


class TestJoined:
    async def test_ids_may_differ_in_letter_case(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(
            page(state(vm_id(1).upper()), state(vm_id(2))),
            page(row(vm_id(1)), row(vm_id(2).replace("resourceGroups", "resourcegroups") + "/")),
            page(),
        )
        found = await whole(canned_vms)
        assert set(found.seen) == {web(1), web(2)}
        assert (found.unclear, found.faults) == ([], [])

    async def test_vms_in_one_of_the_two_lists_only_are_to_be_looked_at_singly(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        arm.answer(page(state(vm_id(1)), state(vm_id(2))), page(row(vm_id(2)), row(vm_id(3))), page())
        found = await whole(canned_vms)
        assert set(found.seen) == {web(2)}
        assert sorted(found.unclear) == [web(1), web(3)]

    async def test_a_vm_is_shown_once_however_often_it_is_listed(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        second = f"{arm.url}{LISTS}/virtualMachines?page=2"
        running = state(vm_id(1), "PowerState/running", "ProvisioningState/succeeded")
        arm.answer(
            page(state(vm_id(1)), state(vm_id(2)), state(vm_id(2).upper()), next_link=second),
            page(running, state(vm_id(3))),
            page(row(vm_id(1)), row(vm_id(1)), row(vm_id(4)), next_link=second),
            page(row(vm_id(1).upper()), row(vm_id(2)), row(vm_id(3)), row(vm_id(4))),
            page(a_set("farm")),
            page(an_instance(0), next_link=second),
            page(an_instance(0), an_instance(1)),
        )
        found = await whole(canned_vms)
        assert set(found.seen) == {
            web(1),
            web(2),
            web(3),
            *(VmId.of(SUB, "rg-shop", f"farm~{n}") for n in (0, 1)),
        }
        assert found.powers()["web-1"] == "running"  # the later row of state
        assert found.unclear == [web(4)]

    @pytest.mark.parametrize(
        "odd",
        [
            {},
            {"id": None},
            {"id": ""},
            {"id": 7},
            {"id": ["/subscriptions"]},
            {"id": "web-1"},
            {"id": "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web-1"},
            {"id": vm_id(1).replace(SUB, OTHER)},
            {"id": f"{GROUP}/virtualMachines"},
            {"id": f"{GROUP}/virtualMachines/.."},
            {"id": f"{GROUP}/virtualMachines/web-1/extensions/x"},
            {"id": f"{GROUP}/disks/web-1"},
            {"id": f"{GROUP}/virtualMachines/{'x' * 91}"},
            {"id": f"{GROUP}/virtualMachines/web-1\n"},
            "web-1",
            None,
            [],
        ],
    )
    async def test_what_names_no_vm_of_the_subscription_is_told_and_hides_no_other(
        self, arm: Canned, canned_vms: ComputeVms, odd: object
    ) -> None:
        arm.answer(
            page(odd, state(vm_id(2))),
            page(odd, row(vm_id(2))),
            page(a_set("farm")),
            page(odd, an_instance(0)),
        )
        found = await whole(canned_vms)
        assert set(found.seen) == {web(2), VmId.of(SUB, "rg-shop", "farm~0")}
        assert found.unclear == []
        assert len(found.faults) == 3
        assert all(fault.startswith("a row of the list: ") and "\n" not in fault for fault in found.faults)

    @pytest.mark.parametrize(
        "properties",
        [
            None,
            {},
            {"instanceView": None},
            {"instanceView": {}},
            {"instanceView": {"statuses": []}},
            {"instanceView": {"statuses": [{"code": "ProvisioningState/succeeded"}]}},
            {"instanceView": {"statuses": [{"code": "PowerState/levitating"}]}},
        ],
    )
    async def test_a_missing_power_state_is_never_stopped(
        self, arm: Canned, canned_vms: ComputeVms, properties: object
    ) -> None:
        arm.answer(
            page({"id": vm_id(1), "properties": properties}, state(vm_id(2))),
            page(row(vm_id(1)), row(vm_id(2))),
            page(),
        )
        found = await whole(canned_vms)
        assert set(found.seen) == {web(2)}
        assert found.unclear == [web(1)]

    @pytest.mark.parametrize(
        ("view", "more"),
        [
            ("stopped", {}),
            ([], {}),
            ({"statuses": "PowerState/stopped"}, {}),
            ({"statuses": [None]}, {}),
            ({"statuses": [{"code": 1}]}, {}),
            (state(1)["properties"], {"tags": []}),
            (None, {"location": {}}),
            (None, {"properties": "x"}),
            (None, {"properties": {"hardwareProfile": []}}),
        ],
    )
    async def test_a_row_of_another_shape_is_told_and_hides_no_other(
        self, arm: Canned, canned_vms: ComputeVms, view: object, more: dict[str, object]
    ) -> None:
        arm.answer(
            page({"id": vm_id(1), "properties": {"instanceView": view}}, state(vm_id(2))),
            page(row(vm_id(1), **more), row(vm_id(2))),
            page(),
        )
        found = await whole(canned_vms)
        assert set(found.seen) == {web(2)}
        assert found.unclear == [web(1)]
        (fault,) = found.faults
        assert fault.startswith(f"{web(1)}: ")

    async def test_half_a_character_is_no_failure(self, arm: Canned, canned_vms: ComputeVms) -> None:
        odd = {"stopgap:exempt": "\ud83d", "emoji": "🙈"}
        arm.answer(
            page(state(vm_id(1), "PowerState/stopped", "x/\udc00")), page(row(vm_id(1), tags=odd)), page()
        )
        found = await whole(canned_vms)
        assert found.seen[web(1)].tags == {"stopgap:exempt": "?", "emoji": "🙈"}
        assert fingerprint_of(found.seen[web(1)])

    async def test_50_000_rows_on_one_page_of_each_list(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(
            page(*(state(vm_id(number)) for number in range(50_000))),
            page(*(row(vm_id(number)) for number in reversed(range(50_000)))),
            page(),
        )
        found = await whole(canned_vms)
        assert len(found.seen) == 50_000
        assert (found.unclear, found.faults, found.error) == ([], [], None)


PAGES = {"states": 1, "more states": 2, "models": 3, "more models": 4, "sets": 5, "instances": 6, "more": 7}
"""The requests of a sight at the fleet below, by what they ask for."""


@pytest.fixture
def populated(azure: SimulatedAzure) -> SimulatedAzure:
    azure.add_fleet(SUB, 10)
    azure.add_scale_set(SUB, "rg-shop", "farm", instances=10)
    return azure


def fail_at(azure: SimulatedAzure, number: int, fault: Fault) -> None:
    """Let a fault meet the request of that number."""

    def order(moment: RequestMoment) -> None:
        if moment.when == "before" and len(azure.requests) == number - 1:
            azure.inject(fault)

    azure.interpose(order)


class TestFailing:
    @pytest.mark.parametrize("where", PAGES)
    @pytest.mark.parametrize(
        ("kind", "code", "expected", "tries"),
        [
            ("403", None, Refused, 1),
            ("404", "SubscriptionNotFound", Refused, 1),
            ("429", None, Throttled, 1),
            ("500", None, Unavailable, 3),
            ("503", None, Unavailable, 3),
            ("drop", None, Unavailable, 6),  # aiohttp sends a GET on a lost connection twice
        ],
    )
    async def test_a_page_that_fails_is_a_failure_and_what_was_seen_before_is_kept(
        self,
        populated: SimulatedAzure,
        vms: ComputeVms,
        where: str,
        kind: FaultKind,
        code: str | None,
        expected: type[PortError],
        tries: int,
    ) -> None:
        number = PAGES[where]
        fail_at(populated, number, Fault(kind=kind, code=code, times=99))
        found = await whole(vms)
        assert type(found.error) is expected
        assert str(found.error).startswith("ARM, GET /subscriptions/")
        assert "\n" not in str(found.error)
        assert len(populated.requests) == number - 1 + tries
        assert len(found.seen) == [0, 0, 0, 5, 10, 10, 15][number - 1]
        assert found.unclear == []

    @pytest.mark.parametrize("kind", ["500", "503", "drop"])
    async def test_a_hiccup_is_not_seen(
        self, populated: SimulatedAzure, vms: ComputeVms, kind: FaultKind
    ) -> None:
        fail_at(populated, 4, Fault(kind=kind, times=2))
        found = await whole(vms)
        assert (len(found.seen), found.error) == (20, None)

    async def test_how_long_to_wait_is_passed_on(self, populated: SimulatedAzure, vms: ComputeVms) -> None:
        fail_at(populated, 3, Fault(kind="429", retry_after=17))
        found = await whole(vms)
        assert isinstance(found.error, Throttled)
        assert found.error.retry_after == timedelta(seconds=17)

    async def test_so_it_is_where_the_limits_are_the_real_ones(
        self, populated: SimulatedAzure, vms: ComputeVms
    ) -> None:
        populated.clock.set(NOON)
        populated.set_limits(compute=True)
        populated.set_page_size(1)
        for _ in range(45):
            assert len((await whole(vms)).seen) == 20
        found = await whole(vms)
        assert isinstance(found.error, Throttled)
        assert found.error.retry_after == timedelta(minutes=1)
        assert re.search("429 OperationNotAllowed .*too many requests", str(found.error))

    @pytest.mark.parametrize(
        ("lacking", "seen"),
        [
            ("virtualMachines/read", 0),
            ("virtualMachineScaleSets/read", 10),
            ("virtualMachineScaleSets/virtualMachines/read", 10),
        ],
    )
    async def test_a_refusal_names_the_permission(
        self, populated: SimulatedAzure, vms: ComputeVms, lacking: str, seen: int
    ) -> None:
        populated.permit(["*"], [f"Microsoft.Compute/{lacking}"])
        found = await whole(vms)
        assert isinstance(found.error, Refused)
        assert str(found.error).endswith(
            f"(who asks needs Microsoft.Compute/{lacking} on subscription {SUB})"
        )
        assert len(found.seen) == seen

    async def test_a_subscription_that_is_not_there_is_no_empty_one(self, vms: ComputeVms) -> None:
        found = await whole(vms, "00000000-0000-4000-8000-00000000dead")
        assert isinstance(found.error, Refused)
        assert "404 SubscriptionNotFound" in str(found.error)

    async def test_a_subscription_that_disappears_meanwhile(
        self, populated: SimulatedAzure, vms: ComputeVms
    ) -> None:
        def disappear(_: RequestMoment) -> None:
            if len(populated.requests) == 3:
                populated.compute.subscriptions.discard(SUB)

        populated.interpose(disappear)
        found = await whole(vms)
        assert isinstance(found.error, Refused)
        assert "404 SubscriptionNotFound" in str(found.error)
        assert len(found.seen) == 5

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "<html><body>Sign in</body></html>",
            '{"value": [',
            "\ud800".encode(errors="surrogatepass"),
            b"[" * 100_000,
            "null",
            "[]",
            "7",
            "{}",
            '{"value": null}',
            '{"value": {}}',
            '{"value": "none"}',
            '{"values": []}',
            '{"error": {"code": "Oops", "message": "no"}}',
            '{"value": [], "nextLink": 7}',
            '{"value": [], "nextLink": ["x"]}',
        ],
        ids=range(16),
    )
    @pytest.mark.parametrize("number", [0, 1, 2, 3])
    async def test_what_is_no_page_is_malformed_and_never_an_empty_one(
        self, arm: Canned, canned_vms: ComputeVms, number: int, body: str | bytes
    ) -> None:
        good = [page(state(vm_id(1))), page(row(vm_id(1))), page(a_set("farm")), page()]
        arm.answer(*good[:number], said(200, body, content_type="text/html"))
        found = await whole(canned_vms)
        assert isinstance(found.error, Malformed)
        assert str(found.error).startswith(f"ARM, GET {arm.requests[-1].path}: ARM's answer: expected ")
        assert "\n" not in str(found.error)
        assert len(arm.requests) == number + 1

    @pytest.mark.parametrize(
        ("status", "expected", "requests"),
        [
            (204, Unavailable, 1),
            (302, Unavailable, 1),
            (400, Refused, 1),
            (401, Refused, 1),
            (404, Refused, 1),
            (408, Unavailable, 1),
            (409, Refused, 1),
            (429, Throttled, 1),
            (502, Unavailable, 3),
            (504, Unavailable, 3),
        ],
    )
    @pytest.mark.parametrize("body", [error("Oops"), "<html>Bad</html>", '{"value": []}'])
    async def test_every_status(
        self,
        arm: Canned,
        canned_vms: ComputeVms,
        status: int,
        expected: type[PortError],
        requests: int,
        body: str,
    ) -> None:
        arm.answer(said(status, "" if status == 204 else body, {"Location": f"{arm.url}/elsewhere"}))
        found = await whole(canned_vms)
        assert type(found.error) is expected
        assert f"ARM, GET {LISTS}/virtualMachines: HTTP {status}" in str(found.error)
        assert len(arm.requests) == requests

    async def test_an_answer_that_breaks_off(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(page(state(vm_id(1))), break_off)
        assert isinstance((await whole(canned_vms)).error, Unavailable)

    async def test_an_answer_lost_once(self, arm: Canned, canned_vms: ComputeVms) -> None:
        arm.answer(page(state(vm_id(1))), break_off, drop, page(row(vm_id(1))), page())
        assert set((await whole(canned_vms)).seen) == {web(1)}

    async def test_a_page_ends_in_time_whatever_keeps_it(
        self, arm: Canned, canned_vms: ComputeVms, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arm.answer(hang)
        monkeypatch.setattr(compute, "LIST_SECONDS", 0.05)
        found = await whole(canned_vms)
        assert isinstance(found.error, Unavailable)
        assert len(arm.requests) == 1


class TestNextPages:
    @pytest.mark.parametrize(
        "link",
        [
            "http://elsewhere.example{path}",
            "http://127.0.0.1:9{path}",
            "http://localhost:{port}{path}",
            "https://127.0.0.1:{port}{path}",
            "http://somebody@127.0.0.1:{port}{path}",
            "http://127.0.0.1:{port}@elsewhere.example{path}",
            "ftp://127.0.0.1:{port}{path}",
            "//127.0.0.1:{port}{path}",
            "{path}",
            "?$skiptoken=2",
            "http://[::1{path}",
            "http://127.0.0.1:port{path}",
            "foo://example.com/aaaaaa",
        ],
    )
    @pytest.mark.parametrize("number", [0, 1, 2, 3])
    async def test_one_that_is_elsewhere_is_not_asked_for_and_its_own_page_counts(
        self, arm: Canned, canned_vms: ComputeVms, number: int, link: str
    ) -> None:
        following = link.format(port=arm.url.rpartition(":")[2], path=f"{LISTS}/virtualMachines?page=2")
        rows = [state(vm_id(1)), row(vm_id(1)), a_set("farm"), an_instance(0)]
        arm.answer(*map(page, rows[:number]), page(rows[number], next_link=following), page(an_instance(0)))
        found = await whole(canned_vms)
        assert isinstance(found.error, Malformed)
        assert f": expected the next page to be on {arm.url}, got" in str(found.error)
        assert str(found.error).startswith(f"ARM, GET {arm.requests[number].path}: ")
        # The instances of a set that was listed are asked for first.
        assert len(arm.requests) == (1, 2, 4, 4)[number]
        assert len(found.seen) == (0, 1, 2, 2)[number]

    def test_one_in_the_clear_is_none(self) -> None:
        arm = "https://management.azure.com"
        with pytest.raises(Malformed):
            exchange.next_page(arm, f"http://management.azure.com{LISTS}/virtualMachines?$skiptoken=x")
        assert exchange.next_page(arm, "https://management.azure.com:443/x?$skiptoken=a=")

    async def test_pages_without_rows_may_be_followed_by_others(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        links = [f"{arm.url}{LISTS}/virtualMachines?$skiptoken={number}" for number in range(4)]
        arm.answer(
            page(next_link=links[0]),
            page(next_link=links[1]),
            page(state(vm_id(1))),
            page(next_link=links[2]),
            page(row(vm_id(1)), next_link=""),
            page(),
        )
        found = await whole(canned_vms)
        assert (set(found.seen), found.error) == ({web(1)}, None)

    async def test_a_list_that_goes_in_a_circle_comes_to_an_end(
        self, arm: Canned, canned_vms: ComputeVms
    ) -> None:
        one, two = (f"{arm.url}{LISTS}/virtualMachines?$skiptoken={number}" for number in (1, 2))
        arm.answer(page(next_link=one), page(next_link=two), page(state(vm_id(1)), next_link=one))
        found = await whole(canned_vms)
        assert isinstance(found.error, Malformed)
        assert "expected the next page to be another one" in str(found.error)
        assert len(arm.requests) == 3

    async def test_a_link_is_asked_for_as_it_was_given(self, arm: Canned, canned_vms: ComputeVms) -> None:
        link = f"{arm.url}{LISTS}/virtualMachines?api-version=2020-06-01&%24skiptoken=Dcz%2fNCoI%3d&x=a%2Bb"
        arm.answer(page(next_link=link), page(), page(), page())
        await whole(canned_vms)
        assert arm.requests[1].query == {
            "api-version": "2020-06-01",
            "$skiptoken": "Dcz/NCoI=",
            "x": "a+b",
        }


async def test_a_vm_that_went_meanwhile_is_gone_when_it_is_looked_at(
    azure: SimulatedAzure, vms: ComputeVms
) -> None:
    ids = [azure.add_vm(SUB, "rg-shop", f"web-{number}") for number in range(3)]

    def leave(moment: RequestMoment) -> None:
        if moment.when == "before" and moment.operation == "listAll":
            azure.compute.remove(azure.vm(ids[1]))

    azure.interpose(leave)
    found = await whole(vms)

    assert set(found.seen) == {web(0), web(2)}
    assert found.unclear == [web(1)]
    assert isinstance(await vms.look(web(1)), Gone)


async def test_a_vm_that_was_made_again_meanwhile_has_not_the_state_of_the_one_before(
    azure: SimulatedAzure, vms: ComputeVms
) -> None:
    ids = [azure.add_vm(SUB, "rg-shop", f"web-{number}", state="stopped") for number in range(3)]

    def make_again(moment: RequestMoment) -> None:
        if moment.when == "before" and moment.operation == "listAll":
            azure.compute.remove(azure.vm(ids[1]))
            azure.add_vm(SUB, "rg-shop", "web-1", state="running")

    azure.interpose(make_again)
    found = await whole(vms)

    assert found.powers() == {"web-0": "stopped", "web-2": "stopped"}
    assert (found.unclear, found.faults) == ([web(1)], [])
    look = await vms.look(web(1))
    assert isinstance(look, Observation)
    assert look.reading.power_state is PowerState.RUNNING
