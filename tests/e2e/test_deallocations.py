"""Deallocations, from Azure's event to their outcome, through the real worker library, storage and HTTP."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Literal

import aiohttp
import pytest

from local.azure.faults import Fault
from local.azure.interposition import RequestMoment
from local.azure.model import PowerState, ProvisioningState
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from local.parts import ROOT, plain_environment
from shared.domain.ids import parse_vm_id
from shared.messages import write_attempt
from shared.ports import Attempt
from tests.e2e.town import deeds
from tests.e2e.towns import WARNING, Town, left_in_queue, repeat, town
from tests.eventually import eventually, logged

ALLOWED = {"STOPGAP_ALLOW_DEALLOCATE": "true"}
TOWNS: Mapping[str, Mapping[str, str]] = {
    "armed": {"STOPGAP_MODE": "deallocate", **ALLOWED},
    "observe": {"STOPGAP_MODE": "observe", **ALLOWED},
    "notify": {"STOPGAP_MODE": "notify", **ALLOWED},
    "not allowed": {"STOPGAP_MODE": "deallocate"},
    "capped": {"STOPGAP_MODE": "deallocate", "STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": "1", **ALLOWED},
    "killed": {"STOPGAP_MODE": "deallocate", **ALLOWED},
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "armed": {"malformed": ['{"vm": "web-1", "asked_at": "2026-11-21T12:00:00Z"}']},
    "killed": {"lease": 2},
}


@pytest.fixture(scope="module")
async def towns() -> AsyncIterator[Mapping[str, Town]]:
    """All side by side, as each takes some seconds to begin."""
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as opening:
            begun = {
                name: opening.create_task(stack.enter_async_context(town(settings, **OPTIONS.get(name, {}))))
                for name, settings in TOWNS.items()
            }
        yield {name: task.result() for name, task in begun.items()}


@pytest.fixture(scope="module")
async def fleet(towns: Mapping[str, Town]) -> Mapping[tuple[str, str], str]:
    """The ids of VMs that are left Stopped at the same time, by town and name."""
    owner = {"stopgap:mode": "deallocate"}
    tags = {
        ("armed", "plain"): {},
        ("armed", "exempt"): {"stopgap:exempt": "a licence dongle"},
        ("armed", "observe"): {"stopgap:mode": "observe"},
        ("armed", "notify"): {"stopgap:mode": "notify"},
        ("armed", "locked"): {},
        ("armed", "forbidden"): {},
        ("armed", "busy"): {},
        ("observe", "plain"): {},
        ("notify", "plain"): {},
        ("not allowed", "plain"): {},
        ("not allowed", "by-owner"): owner,
        ("capped", "one"): {},
        ("capped", "two"): {},
    }
    azure = towns["armed"].azure
    azure.inject(Fault(kind="403", method="POST", path=".*/forbidden/deallocate"))
    azure.inject(Fault(kind="409", method="POST", path=".*/busy/deallocate"))
    ids = {named: towns[named[0]].left_stopped(named[1], of) for named, of in tags.items()}
    azure.lock(ids["armed", "locked"], "ReadOnly")
    _, instance = azure.add_scale_set(DEFAULT_SUBSCRIPTION, "rg-town", "Farm", instances=2)
    azure.power_off(instance)
    return ids | {("armed", "instance"): instance}


@pytest.fixture(scope="module")
def armed(towns: Mapping[str, Town]) -> Town:
    return towns["armed"]


class Held:
    """Holds the answer to a deallocation, before or after it is made, until it is let go."""

    def __init__(self, where: Town, when: Literal["before", "after"]) -> None:
        self._when = when
        self.met = asyncio.Event()
        self.let_go = asyncio.Event()
        where.azure.interpose(self)

    async def __call__(self, moment: RequestMoment) -> None:
        if (moment.method, moment.when) == ("POST", self._when):
            self.met.set()
            await self.let_go.wait()


async def all_told(where: Town, vm_id: str, types: list[str]) -> list[dict[str, Any]]:
    """What the topic was told of a VM, once it is as much as is expected."""

    async def look() -> list[dict[str, Any]]:
        told = where.told(vm_id)
        return told if len(told) >= len(types) else []

    told = await eventually(look)
    assert [event["type"] for event in told] == [f"Stopgap.Vm.{name}" for name in types]
    return told


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("name", ["plain", "instance"])
async def test_flagged_warned_deallocated_and_confirmed(
    armed: Town, fleet: Mapping[tuple[str, str], str], name: str
) -> None:
    vm_id = fleet["armed", name]

    vm = await armed.reached(vm_id, "confirmed")

    assert (vm["power_state"], vm["billed"], vm["flag"]) == ("deallocated", False, None)
    closing = vm["deallocation"]
    assert (closing["asked_by"], closing["attempts"], closing["after"]) == (None, 1, "deallocated")
    assert (closing["refusal"], closing["azure"], closing["overtaken_at"]) == (None, None, None)
    assert at(closing["looked_at"]) < at(closing["accepted_at"]) < at(closing["ended_at"])
    assert deeds(vm["actions"]) == [
        ("deallocation_confirmed", None),
        ("deallocation_accepted", None),
        ("deallocation_begun", None),
        ("deallocation_asked", None),
    ]
    (episode,) = vm["episodes"]
    assert (episode["ended_as"], episode["by_stopgap"]) == ("deallocated", True)
    assert vm["reason"].endswith("Stopgap did it, in mode deallocate.")

    warned, _, done = await all_told(armed, vm_id, ["LeftStopped", "FlagCleared", "Deallocated"])
    deallocate_after = at(warned["data"]["flag"]["deallocate_after"])
    assert deallocate_after >= at(warned["time"]) + WARNING
    assert done["data"]["deallocation"]["stage"] == "confirmed"

    (post,) = armed.posts(vm_id)
    assert (post.status, post.at >= deallocate_after) == (202, True)
    asked = armed.asked_of(vm_id)
    *_, asking, fresh = asked[: asked.index(post)]
    for each in (asking, fresh, post):
        assert each.at >= deallocate_after
        assert each.condition
        assert each.condition.power is PowerState.STOPPED
        assert each.condition.provisioning is ProvisioningState.SUCCEEDED
    assert [(each.method, each.status) for each in (asking, fresh)] == [("GET", 200)] * 2
    assert asking.at < at(closing["looked_at"]) <= fresh.at, "it relied on a look of its own"


@pytest.mark.parametrize("mode", ["observe", "notify"])
@pytest.mark.parametrize("by_tag", [False, True])
async def test_observe_and_notify_ask_azure_for_nothing(
    towns: Mapping[str, Town], fleet: Mapping[tuple[str, str], str], mode: str, by_tag: bool
) -> None:
    where, vm_id = (towns["armed"], fleet["armed", mode]) if by_tag else (towns[mode], fleet[mode, "plain"])

    vm = await where.past_its_warning(vm_id)

    assert (vm["flag"]["kind"], vm["power_state"], vm["deallocation"]) == ("left_stopped", "stopped", None)
    assert (vm["flag"]["deallocate_after"], vm["flag"]["refusal"]) == (None, None)
    assert {request.method for request in where.asked_of(vm_id)} == {"GET"}
    if mode == "notify":
        await all_told(where, vm_id, ["LeftStopped"])
    else:
        assert (vm["flag"]["notified_at"], where.told(vm_id)) == (None, [])
    if mode == "observe" and not by_tag:
        assert where.azure.topic_events == []
        assert {request.method for request in where.azure.requests} == {"GET"}


@pytest.mark.parametrize("name", ["plain", "by-owner"])
async def test_what_the_operator_does_not_allow_is_not_done_and_the_vm_says_so(
    towns: Mapping[str, Town], fleet: Mapping[tuple[str, str], str], name: str
) -> None:
    where, vm_id = towns["not allowed"], fleet["not allowed", name]

    vm = await where.past_its_warning(vm_id)

    assert (vm["flag"]["kind"], vm["deallocation"]) == ("left_stopped", None)
    assert vm["flag"]["refusal"]["rule"] == "not_allowed"
    assert "Not deallocated: STOPGAP_ALLOW_DEALLOCATE is not true." in vm["reason"]
    assert deeds(vm["actions"]) == [("deallocation_refused", None)]
    assert "not_allowed" in [entry["rule"] for entry in vm["actions"]]
    (told,) = await all_told(where, vm_id, ["LeftStopped"])
    assert told["data"]["flag"]["deallocate_after"] is None
    assert {request.method for request in where.azure.requests} == {"GET"}


async def test_an_owners_exemption_saves_a_vm(armed: Town, fleet: Mapping[tuple[str, str], str]) -> None:
    vm_id = fleet["armed", "exempt"]
    vm = await armed.past_its_warning(vm_id)
    assert (vm["power_state"], vm["flag"], vm["deallocation"]) == ("stopped", None, None)
    assert vm["exemption"]["reason"] == "a licence dongle"
    assert armed.posts(vm_id) == []
    assert armed.told(vm_id) == []


@pytest.mark.parametrize(
    ("name", "status", "code", "says"),
    [
        ("locked", 409, "ScopeLocked", "Please remove the lock"),
        ("forbidden", 403, "AuthorizationFailed", "'Microsoft.Compute/virtualMachines/deallocate/action'"),
    ],
)
async def test_what_azure_refuses_for_good_is_told(
    armed: Town, fleet: Mapping[tuple[str, str], str], name: str, status: int, code: str, says: str
) -> None:
    vm_id = fleet["armed", name]

    vm = await armed.reached(vm_id, "failed")

    assert (vm["power_state"], vm["flag"]["outcome"]) == ("stopped", "failed")
    azure = vm["deallocation"]["azure"]
    assert azure["code"] == code
    assert says in azure["message"]
    assert f"failed: {code}: " in vm["reason"]
    assert vm["reason"].endswith("Nothing more is tried unless a person asks.")
    assert deeds(vm["actions"])[0] == ("deallocation_failed", None)
    _, told = await all_told(armed, vm_id, ["LeftStopped", "DeallocationFailed"])
    assert told["data"]["deallocation"]["azure"] == azure
    await armed.hint(vm_id, 5)
    assert [post.status for post in armed.posts(vm_id)] == [status]
    if status == 403:
        assert await logged(armed.host, "(who asks needs Microsoft.Compute/virtualMachines/deall")


async def test_what_azure_refuses_for_now_is_tried_again_later(
    armed: Town, fleet: Mapping[tuple[str, str], str]
) -> None:
    vm_id = fleet["armed", "busy"]

    async def refused() -> dict[str, Any]:
        page = await armed.vm(vm_id)
        return page if (page.get("deallocation") or {}).get("azure") else {}

    vm = await eventually(refused, within=60)
    closing = vm["deallocation"]
    assert (closing["stage"], closing["attempts"], closing["azure"]["code"]) == ("asked", 1, "Conflict")
    assert "is tried again after" in vm["reason"]
    assert deeds(vm["actions"]) == [
        ("deallocation_attempt_failed", None),
        ("deallocation_begun", None),
        ("deallocation_asked", None),
    ]
    await armed.hint(vm_id, 5)
    assert [post.status for post in armed.posts(vm_id)] == [409], "and not before"
    assert [event["type"] for event in armed.told(vm_id)] == ["Stopgap.Vm.LeftStopped"]


async def test_the_cap_makes_the_second_wait_and_says_why(
    towns: Mapping[str, Town], fleet: Mapping[tuple[str, str], str]
) -> None:
    where = towns["capped"]
    vm_ids = [fleet["capped", "one"], fleet["capped", "two"]]

    async def pages() -> dict[str, dict[str, Any]]:
        vms = [await where.vm(vm_id) for vm_id in vm_ids]
        by_stage = {(vm.get("deallocation") or {}).get("stage", ""): vm for vm in vms}
        waits = (by_stage.get("asked") or {}).get("deallocation", {})
        return by_stage if "confirmed" in by_stage and waits.get("refusal") else {}

    waiting = (await eventually(pages, within=60))["asked"]

    assert (waiting["power_state"], waiting["deallocation"]["attempts"]) == ("stopped", 0)
    assert waiting["flag"]["refusal"]["rule"] == "cap"
    assert (
        "waits: STOPGAP_MAX_DEALLOCATIONS_PER_HOUR is 1, and as many were sent within an hour; "
        in (waiting["reason"])
    )
    assert ("deallocation_refused", "cap") in [(entry["what"], entry["rule"]) for entry in waiting["actions"]]
    await where.hint(waiting["id"], 5)
    assert [len(where.posts(vm_id)) for vm_id in vm_ids].count(1) == 1
    assert where.posts(waiting["id"]) == []


async def test_a_message_that_cannot_be_read_is_given_up_and_health_says_so(armed: Town) -> None:
    async def given_up() -> dict[str, Any]:
        _, body = await armed.get("/api/health")
        return body if body["poison"].get("deallocations-poison") else {}

    health = await eventually(given_up)
    assert (health["status"], health["problems"]) == ("ok", [])
    assert health["poison"] == {"looks-poison": 0, "deallocations-poison": 1, "sweeps-poison": 0}
    assert "deallocations-poison holds about 1" in health["remarks"]


async def test_a_burst_of_events_and_redeliveries_ask_azure_once(towns: Mapping[str, Town]) -> None:
    """In mode notify, so that nothing else is in the queue: its owner armed this VM."""
    where = towns["notify"]
    held = Held(where, "before")
    vm_id = where.left_stopped("burst", {"stopgap:mode": "deallocate"})
    vm = await where.reached(vm_id, "begun", hinted=True)
    await held.met.wait()
    named = parse_vm_id(vm_id)
    assert named
    message = write_attempt(Attempt(named, at(vm["deallocation"]["asked_at"])))

    await asyncio.gather(repeat(where.storage, message, 10), where.hint(vm_id, 20))
    await left_in_queue(where.storage, 1)

    vm = await where.vm(vm_id)
    assert (vm["deallocation"]["stage"], vm["deallocation"]["attempts"]) == ("begun", 1)
    held.let_go.set()
    await where.reached(vm_id, "confirmed")
    await repeat(where.storage, message, 10)
    await left_in_queue(where.storage, 0)
    assert [post.status for post in where.posts(vm_id)] == [202]
    await all_told(where, vm_id, ["LeftStopped", "FlagCleared", "Deallocated"])


LOOK_LATER = """
import asyncio, sys
from shared import bootstrap
from shared.domain.deallocation import LEASE
from shared.domain.ids import parse_vm_id

now = bootstrap.now
bootstrap.now = lambda: now() + LEASE

async def look():
    await bootstrap.app().watch.observe(parse_vm_id(sys.argv[1]))

asyncio.run(look())
"""


async def test_a_kill_before_azures_answer_makes_no_second_post_and_hides_nothing(
    towns: Mapping[str, Town],
) -> None:
    where = towns["killed"]
    held = Held(where, "after")
    vm_id = where.left_stopped("killed")
    await where.reached(vm_id, "begun", hinted=True)
    await held.met.wait()  # Azure has taken it; its answer is on its way
    await where.host.kill()
    held.let_go.set()

    async with HostProcess(where.settings) as host, aiohttp.ClientSession(host.url) as http:
        again = Town(host, http, where.azure, where.storage, where.settings)
        vm = await again.vm(vm_id)
        assert (vm["deallocation"]["stage"], vm["deallocation"]["attempts"]) == ("begun", 1)
        assert vm["deallocation"]["accepted_at"] is None
        await left_in_queue(again.storage, 0)  # the message has come again
        await again.hint(vm_id, 5)

        vm = await again.seen(vm_id, "deallocated")
        assert vm["billed"] is False
        closing = vm["deallocation"]
        assert (closing["stage"], closing["attempts"]) == ("begun", 1), "it may still be under way"
        assert closing["after"] == "deallocated"

        # The lease is not waited for: an instance looks whose clock is ahead by as much.
        looking = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            LOOK_LATER,
            vm_id,
            cwd=ROOT,
            env={**plain_environment(), **where.settings},
        )
        assert await looking.wait() == 0
        vm = await again.reached(vm_id, "confirmed")

    assert vm["deallocation"]["attempts"] == 1
    (episode,) = vm["episodes"]
    assert episode["by_stopgap"]
    assert [post.status for post in again.posts(vm_id)] == [202]
    told = [event["type"] for event in again.told(vm_id)]
    assert told == [f"Stopgap.Vm.{name}" for name in ("LeftStopped", "FlagCleared", "Deallocated")]
