import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from local.azure import control
from local.azure.control import control_routes
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver

type Call = Callable[..., Awaitable[Any]]

VM = {"subscription": SUB, "resource_group": "rg", "name": "vm-1"}
COMPUTE = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute"
ID, SET = f"{COMPUTE}/virtualMachines/vm-1", f"{COMPUTE}/virtualMachineScaleSets/farm"


@pytest.fixture
async def call(azure: SimulatedAzure, http: aiohttp.ClientSession) -> Call:
    """Calls a control route and expects a status."""

    async def calling(method: str, path: str, expected: int = 200, /, **body: object) -> Any:  # noqa: ANN401 - JSON
        async with http.request(
            method, f"{azure.url}/_sim/{path}", json=body if method == "POST" else None
        ) as response:
            answer = await response.json()
        assert response.status == expected, answer
        return answer

    return calling


async def test_a_vm_from_cradle_to_grave(call: Call) -> None:
    added = await call("POST", "vms", 201, **VM, tags={"a": "b"}, since="2026-09-01T00:00:00+00:00")
    vm_id = added["id"]
    for verb, extra in (
        ("power_off", {"by": "Grace Hopper"}),
        ("start", {"by": None}),
        ("set_tags", {"tags": {}}),
        ("deallocate", {"hibernate": True}),
    ):
        await call("POST", f"vms/{verb}", 202, id=vm_id, **extra)
        await call("POST", "settle")

    [vm] = (await call("GET", "vms"))["vms"]
    assert (vm["power"], vm["hibernated"], vm["tags"]) == ("deallocated", True, {})
    assert vm["history"][0]["at"] == "2026-09-01T00:00:00+00:00"
    await call("POST", "vms/delete", 202, id=vm_id)
    await call("POST", "settle")
    assert (await call("GET", "vms"))["vms"] == []


async def test_left_stopped(call: Call) -> None:
    created = await call("POST", "vms/create", 202, **VM)
    await call("POST", "settle")
    await call("POST", "vms/guest_shutdown", 202, id=created["id"])
    await call("POST", "settle")

    assert (await call("GET", "left-stopped?grace_seconds=0"))["ids"] == [created["id"].lower()]
    assert (await call("GET", "left-stopped?grace_seconds=3600"))["ids"] == []


async def test_faults_broken_answers_and_the_request_log(
    azure: SimulatedAzure, call: Call, http: aiohttp.ClientSession
) -> None:
    vm_id = (await call("POST", "vms", 201, **VM))["id"]
    await call("POST", "faults", 201, kind="503", path=".*/instanceView")
    await call("POST", "vms/set_statuses", id=vm_id, raw=None)

    found = []
    for _ in range(2):
        async with http.get(f"{azure.url}{vm_id}/instanceView?api-version=1") as response:
            found.append((response.status, (await response.json()).get("statuses", "none")))

    log = await call("GET", "requests")
    assert found == [(503, "none"), (200, None)]
    assert log["counts"] == {"instanceView": 2}
    assert [(entry["path"], entry["status"]) for entry in log["requests"]] == [
        (f"{vm_id}/instanceView", 503),
        (f"{vm_id}/instanceView", 200),
    ]


async def test_what_the_log_knew(azure: SimulatedAzure, call: Call, http: aiohttp.ClientSession) -> None:
    vm_id = (await call("POST", "vms", 201, **VM, state="stopped"))["id"]
    for path in (vm_id, f"/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines"):
        async with http.get(f"{azure.url}{path}?api-version=1"):
            pass

    requests = (await call("GET", "requests"))["requests"]
    condition = {"power": "stopped", "provisioning": "succeeded", "detail": None}
    assert [(entry["operation"], entry["condition"]) for entry in requests] == [
        ("get", condition),
        ("listAll", None),
    ]


async def test_locks_permissions_faults_and_length(
    azure: SimulatedAzure, call: Call, http: aiohttp.ClientSession
) -> None:
    vm_id = (await call("POST", "vms", 201, **VM, state="stopped"))["id"]

    async def code() -> str | None:
        async with http.post(f"{azure.url}{vm_id}/deallocate?api-version=1") as response:
            answer = await response.json() if response.status != 202 else {"error": {"code": None}}
        told: str | None = answer["error"]["code"]
        return told

    await call("POST", "locks", 201, scope_id=vm_id, level="ReadOnly")
    assert await code() == "ScopeLocked"
    assert await call("GET", "locks") == {"locks": [{"scope_id": vm_id, "level": "ReadOnly"}]}
    await call("POST", "permissions", actions=["*/read"], not_actions=["*/list"])
    assert await code() == "AuthorizationFailed"
    assert await call("GET", "permissions") == {"actions": ["*/read"], "not_actions": ["*/list"]}
    await call("POST", "permissions", actions=["*"])
    await call("POST", "locks/remove", scope_id=vm_id)
    await call("POST", "faults", 201, kind="409", code="AllocationFailed", message="No room.")
    assert await code() == "AllocationFailed"
    await call("POST", "operation-seconds", seconds=60)
    assert await code() is None
    assert (await call("GET", "vms"))["vms"][0]["power"] == "deallocating"


async def test_events_out_and_in(
    azure: SimulatedAzure, call: Call, http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    await call(
        "POST", "subscriptions", 201, endpoint=receiver.url, schema="CloudEventSchemaV1_0", event_types=["x"]
    )
    condition = {"operatorType": "StringContains", "key": "subject", "values": ["vm-1"]}
    await call("POST", "subscriptions", 201, endpoint=receiver.url, name="b", advanced_filters=[condition])
    await call("POST", "topic/mode", mode="fail")
    event = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0"}
    for mode in ("fail", "ok"):
        await call("POST", "topic/mode", mode=mode)
        async with http.post(
            f"{azure.topic_url('notices')}?api-version=2018-01-01",
            json=event,
            headers={"Content-Type": "application/cloudevents+json"},
        ):
            pass

    assert await call("GET", "topic") == {"mode": "ok", "events": [{"topic": "notices", "event": event}]}
    assert await call("GET", "dead-letters") == {"dead_letters": []}
    await call("POST", "reset")
    assert (await call("GET", "topic"))["events"] == []


async def test_a_webhook(azure: SimulatedAzure, call: Call, http: aiohttp.ClientSession) -> None:
    for mode in ("fail", "ok"):
        await call("POST", "webhook/mode", mode=mode)
        async with http.post(azure.webhook_url("slack"), json={"text": "told"}):
            pass

    found = await call("GET", "webhook")
    [told] = found["messages"]
    assert found["mode"] == "ok"
    assert (told["flavour"], told["body"]) == ("slack", {"text": "told"})
    assert told["at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("path", "body", "status", "problem"),
    [
        ("vms", {"name": "vm-1"}, 400, "subscription"),
        ("vms", {**VM, "state": "off"}, 400, "expected running, stopped or deallocated"),
        ("vms/stop", {"id": "x"}, 400, "verb is 'stop'; expected create, annotate, cancel_next"),
        ("vms/start", {}, 400, "needs the VM's 'id'"),
        ("vms/start", {"id": "/subscriptions/x"}, 404, "ResourceNotFound"),
        (
            "vms/annotate",
            {"id": ID, "name": "x"},
            400,
            "annotation is 'x'; expected one of AccelnetUnhealthy",
        ),
        ("scale-sets", {**VM, "mode": "Both"}, 400, "expected one of Uniform, Flexible"),
        ("scale-sets/start", {}, 400, "needs the scale set's 'id'"),
        ("scale-sets/start", {"id": f"{SET}"}, 404, "virtualMachineScaleSets/farm' under"),
        ("scale-sets/delete", {"id": f"{SET}"}, 400, "verb is 'delete'; expected one of deallocate"),
        ("faults", {"kind": "teapot"}, 400, "fault kind is 'teapot'"),
        ("locks", {"scope_id": ID, "level": "Shut"}, 400, "lock level is 'Shut'; expected one of"),
        ("locks", {"scope_id": "rg", "level": "ReadOnly"}, 400, "lock scope is 'rg'"),
        ("locks/remove", {"scope_id": ID}, 400, "there is no lock on"),
        ("permissions", {"actions": "*"}, 400, "actions is '*'; expected a list"),
        ("operation-seconds", {"seconds": -1}, 400, "expected 0, more, or null"),
        ("fleet", {"subscription": SUB}, 400, "count"),
        ("scale-sets/remove", {"id": SET}, 404, "virtualMachineScaleSets/farm' under"),
        ("page-size", {"rows": 0}, 400, "expected 1 or more"),
        ("clock", {"at": "soon"}, 400, "soon"),
        ("burst", {"seconds": 1}, 400, "events"),
        ("burst", {"events": 1, "seconds": 1}, 400, "a burst needs VMs"),
        ("burst/play", {}, 400, "there is no burst"),
        ("topic/mode", {"mode": "well"}, 400, "topic mode is 'well'"),
        ("webhook/mode", {"mode": "well"}, 400, "webhook mode is 'well'"),
        ("subscriptions", {"endpoint": "http://127.0.0.1:1/"}, 400, "handshake"),
        ("subscriptions", {"endpoint": "http://127.0.0.1:1/", "schema": "JSON"}, 400, "schema is 'JSON'"),
    ],
)
async def test_what_is_amiss_is_said_in_one_line(
    call: Call, path: str, body: dict[str, object], status: int, problem: str
) -> None:
    answer = await call("POST", path, status, **body)

    assert problem in answer["error"]
    assert "\n" not in answer["error"]


async def test_a_scale_set(call: Call) -> None:
    body = {**VM, "name": "farm", "instances": 2, "since": "2026-09-01T00:00:00+00:00"}
    ids = (await call("POST", "scale-sets", 201, **body))["ids"]
    await call("POST", "scale-sets/power_off", 202, id=SET, instance_ids=["1"], by=None)
    await call("POST", "settle")

    vms = (await call("GET", "vms"))["vms"]
    assert ids == [f"{SET}/virtualMachines/0", f"{SET}/virtualMachines/1"]
    assert [(vm["id"], vm["name"], vm["power"]) for vm in vms] == [
        (ids[0], "farm_0", "running"),
        (ids[1], "farm_1", "stopped"),
    ]
    assert vms[0]["history"][0]["at"] == "2026-09-01T00:00:00+00:00"


async def test_a_fleet_its_pages_and_what_was_asked(
    azure: SimulatedAzure, call: Call, http: aiohttp.ClientSession
) -> None:
    ids = (await call("POST", "fleet", 201, subscription=SUB, count=7, since="2026-09-01T00:00:00Z"))["ids"]
    await call("POST", "scale-sets", 201, **{**VM, "name": "farm", "instances": 2})
    await call("POST", "scale-sets/remove", id=SET)
    await call("POST", "page-size", rows=4)
    url = f"{azure.url}/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines?api-version=1"
    async with http.get(url) as response:
        page = await response.json()

    assert [row["id"] for row in page["value"]] == sorted(ids)[:4]
    powers = (await call("GET", "powers"))["powers"]
    assert powers == azure.powers()
    assert [powers[vm_id.lower()] for vm_id in ids] == ["running"] * 3 + ["deallocated"] + ["running"] * 2 + [
        "stopped"
    ]
    assert await call("GET", "counts") == {"counts": {"listAll": {"200": 1}}}


async def test_limits_and_the_clock(azure: SimulatedAzure, call: Call, http: aiohttp.ClientSession) -> None:
    await call("POST", "clock", at="2026-09-01T02:00:00+02:00")
    await call("POST", "limits", arm=True)
    await call("POST", "limits", compute=True)
    url = f"{azure.url}/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines?api-version=1"
    await call("POST", "fleet", 201, subscription=SUB, count=1)
    statuses = []
    for _ in range(251):
        async with http.get(url) as response:
            statuses.append(response.status)

    assert await call("GET", "limits") == {"arm": True, "compute": True}
    assert await call("GET", "clock") == {"at": "2026-09-01T00:00:00+00:00"}
    assert statuses == [200] * 250 + [429]
    await call("POST", "clock", at=None)
    assert (await call("GET", "clock"))["at"] > "2026-09-01T00:00:00"


async def test_a_burst(call: Call) -> None:
    await call("POST", "fleet", 201, subscription=SUB, count=30)
    begun = await call(
        "POST", "burst", 201, events=50, seconds=300, begins_at="2026-09-01T00:00:00Z", duplicates=0.5
    )
    some = await call("POST", "burst/play", until="2026-09-01T00:01:00Z")
    then = await call("GET", "clock")
    rest = await call("POST", "burst/play")

    assert begun["operations"] > 10
    assert (begun["begins_at"], begun["ends_at"]) == (
        "2026-09-01T00:00:00+00:00",
        "2026-09-01T00:05:00+00:00",
    )
    assert then == {"at": "2026-09-01T00:01:00+00:00"}
    assert some["next_at"] > then["at"]
    assert (rest["next_at"], rest["refused"]) == (None, 0)
    events = some["events"] + rest["events"]
    assert len(events) > len({event["id"] for event in events}) >= 50
    assert {event["topic"] for event in events} == {f"/subscriptions/{SUB}"}


async def test_every_verb_in_the_table_is_one(azure: SimulatedAzure, call: Call) -> None:
    table = (control.__doc__ or "").partition("Verbs on VMs: ")[2].partition("Anything amiss")[0]
    vm_verbs, _, set_verbs = table.partition("Verbs on scale sets:")
    refused = await call("POST", "vms/nonsense", 400, id=ID)
    refused_on_sets = await call("POST", "scale-sets/nonsense", 400, id=SET)

    known = refused["error"].partition("expected ")[2].split(", ")
    parameters = {"hibernate", "size", "tags", "by", "name", "code", "raw", "state"}
    assert set(known) == set(re.findall(r"`([a-z_]+)`", vm_verbs)) - parameters
    assert all(hasattr(azure, verb) for verb in known)
    known_on_sets = refused_on_sets["error"].partition("expected one of ")[2].split(", ")
    assert set(known_on_sets) == set(re.findall(r"`([a-z_]+)`", set_verbs))


def test_every_route_is_in_the_table(azure: SimulatedAzure) -> None:
    table = control.__doc__ or ""

    for route in control_routes(azure):
        assert f"`{route.method} {route.path}" in table
