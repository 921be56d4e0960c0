"""What comes in by the webhook: good, bad and not ours."""

import json
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from local.azure.faults import Fault, FaultKind
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from tests.e2e.town import App, as_delivered, power_off_event, sample, settings_for
from tests.eventually import eventually

SAMPLES = [
    "eventgrid-subscription-ResourceWriteSuccess.eventgridschema.json",
    "eventgrid-subscription-ResourceActionSuccess.eventgridschema.json",
    "eventgrid-subscription-ResourceActionSuccess.cloudevents10.json",
    "eventgrid-subscription-ResourceDeleteSuccess.eventgridschema.json",
    "eventgrid-arn-health-ResourceAnnotated.eventgridschema.json",
    "eventgrid-arn-health-AvailabilityStatusChanged.cloudevents10.json",
]


OWN = {
    name: f"00000000-0000-4000-8000-00000000000{number}"
    for number, name in enumerate(["running", "deallocated", "powered-off", "failing", "throttled"], 2)
}
"""Subscriptions of one test each: what may be asked of ARM counts by subscription, and these ask for much."""


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    """The function app, with a grace of two seconds and no sweep but those that events ask for."""
    subscriptions = ",".join([DEFAULT_SUBSCRIPTION, *OWN.values()])
    settings = settings_for(storage, azure) | {"STOPGAP_SUBSCRIPTIONS": subscriptions}
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        yield App(host, http)


def put(
    azure: SimulatedAzure,
    name: str,
    *,
    state: str = "deallocated",
    group: str = "rg-web",
    subscription: str = DEFAULT_SUBSCRIPTION,
) -> str:
    return azure.add_vm(subscription, group, name, state=state)


@pytest.mark.parametrize("state", ["running", "deallocated"])
async def test_the_documented_events_lead_to_the_right_record_and_repetition_to_nothing(
    app: App, azure: SimulatedAzure, state: str
) -> None:
    vm = put(azure, f"documented-{state}", state=state, subscription=OWN[state])
    events = [sample(name, vm) for name in SAMPLES]
    for event in events:
        assert await app.post(as_delivered(event)) == (202, "")
    before = await app.vm(vm)
    assert (before["id"], before["power_state"]) == (vm.lower(), state)
    assert before["billed"] is (state == "running")
    repeated = events * 10
    random.Random(7).shuffle(repeated)  # noqa: S311 - a shuffle to be repeated
    for event in repeated:
        assert (await app.post(as_delivered(event)))[0] == 202
    assert await app.vm(vm) == before


async def test_a_documented_power_off_ten_times_in_any_order_is_one_flag_and_one_notice(
    app: App, azure: SimulatedAzure
) -> None:
    vm = put(azure, "powered-off", state="stopped", subscription=OWN["powered-off"])
    events = [power_off_event(vm), *(sample(name, vm) for name in SAMPLES)] * 10
    random.Random(8).shuffle(events)  # noqa: S311 - a shuffle to be repeated
    for event in events:
        assert (await app.post(as_delivered(event)))[0] == 202
    flagged = await app.flagged(vm)
    assert flagged["flag"]["kind"] == "left_stopped"
    assert flagged["since_source"] == "event"
    assert flagged["cause"]["operation"] == "Microsoft.Compute/virtualMachines/powerOff/action"
    assert len(flagged["transitions"]) == len(flagged["episodes"]) == 1
    for event in events:
        await app.post(as_delivered(event))
    assert await app.vm(vm) == flagged
    assert [event["type"] for event in azure.topic_events if event["subject"] == vm.lower()] == [
        "Stopgap.Vm.LeftStopped"
    ]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "JSON"),
        (b"{not json", 400, "JSON"),
        (b"\xff\xfe", 400, "JSON"),
        (b"[]", 400, "event"),
        (b"5", 400, "event"),
        (b'["x"]', 400, "event"),
        (b"{}", 500, "event type"),
        (b'[{"hello": "world"}]', 500, "event type"),
        (b'{"specversion": "1.0", "type": 7}', 500, "event type"),
    ],
)
async def test_what_is_no_event_is_refused_by_name(app: App, body: bytes, status: int, says: str) -> None:
    answered, text = await app.post(body)
    assert answered == status
    assert says in text


async def test_events_of_others_are_acknowledged_and_counted(app: App) -> None:
    before = await app.counts()
    storage = sample(
        "eventgrid-deadletter-event.eventgridschema.docs.json", "/blobServices/default/containers/x"
    )
    disk = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/disks/d"
    extension = (
        f"/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/"
        "virtualMachines/vm/extensions/e"
    )
    for event in (storage, power_off_event(disk), power_off_event(extension)):
        assert await app.post([event]) == (202, "")
    after = await app.counts()
    assert after["ignored_not_a_vm"] - before.get("ignored_not_a_vm", 0) == 3


async def test_a_subscription_that_is_not_watched_is_left_alone(app: App, azure: SimulatedAzure) -> None:
    vm = azure.add_vm("00000000-0000-4000-8000-00000000dead", "rg", "elsewhere", state="stopped")
    before = len(azure.requests)
    assert await app.post([power_off_event(vm)]) == (202, "")
    assert len(azure.requests) == before, "not even looked at"
    assert (await app.counts())["ignored_subscription_not_watched"] >= 1


async def test_any_spelling_of_an_id_is_the_same_vm(app: App, azure: SimulatedAzure) -> None:
    vm = put(azure, "Odd-Case", group="RG-Odd")
    for spelled in (vm.upper(), vm.lower(), f"{vm}/"):
        assert await app.post([power_off_event(spelled)]) == (202, "")
    _, page = await app.get("/api/vms?limit=1000")
    assert [found["id"] for found in page["vms"] if "odd" in found["id"]] == [vm.lower()]


async def test_names_of_any_script(app: App, azure: SimulatedAzure) -> None:
    vm = put(azure, "web-ü", group="Größe_東京(1)")
    assert await app.post([power_off_event(vm)]) == (202, "")
    found = await app.vm(vm)
    assert found["resource_group"] == "größe_東京(1)"


@pytest.mark.parametrize("name", ["a#b", "a?b", "a\\b", "a\x01b", "a|b", "a b", "😀", ""])
async def test_a_name_that_no_vm_can_have_fails_by_name(app: App, name: str) -> None:
    vm = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{name}"
    status, text = await app.post([power_off_event(vm + ("/" if not name else ""))])
    assert status == 500
    assert "VM name" in text


@pytest.mark.parametrize("shape", ["object", "text", "placeholder", "missing"])
async def test_claims_and_authorization_in_every_shape(app: App, azure: SimulatedAzure, shape: str) -> None:
    vm = put(azure, f"claims-{shape}")
    event = power_off_event(vm)
    for name in ("claims", "authorization"):
        match shape:
            case "text":
                event["data"][name] = json.dumps(event["data"][name])
            case "placeholder":
                event["data"][name] = "{azure_resource_manager_claims}"
            case "missing":
                del event["data"][name]
    assert await app.post([event]) == (202, "")
    assert (await app.vm(vm))["power_state"] == "deallocated"


async def test_seven_digits_of_a_second(app: App, azure: SimulatedAzure) -> None:
    vm = put(azure, "seven-digits", state="stopped")
    at = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M}:01.1234567Z"
    assert await app.post([power_off_event(vm, eventTime=at)]) == (202, "")
    assert (await app.vm(vm))["since"].endswith(":01.123456Z")


@pytest.mark.parametrize(
    "change", [{"eventTime": None}, {"eventTime": "soon"}, {"data": None}, {"subject": 5}]
)
async def test_an_event_of_ours_with_a_part_missing_fails_by_name(
    app: App, azure: SimulatedAzure, change: dict[str, object]
) -> None:
    status, text = await app.post(
        [power_off_event(put(azure, f"part-{next(iter(change))}-{len(azure.vms)}")) | change]
    )
    assert status == 500
    assert text


NESTED = {
    "vmAgent": {"statuses": [{"code": "ProvisioningState/failed/1"}, {"code": "PowerState/stopped"}]},
    "disks": [{"statuses": [{"code": "PowerState/stopped"}]}],
    "extensions": [{"statuses": [{"code": "ProvisioningState/updating"}]}],
}


@pytest.mark.parametrize(
    ("name", "statuses", "power_state"),
    [
        ("none", None, "unknown"),
        ("empty", [], "unknown"),
        ("no-power", [{"code": "ProvisioningState/succeeded"}], "unknown"),
        (
            "unknown-word",
            [{"code": "PowerState/levitating"}, {"code": "ProvisioningState/succeeded"}],
            "unknown",
        ),
        ("other-codes", [{"code": "Weather/fine"}, {"code": "PowerState/running"}], "running"),
    ],
)
async def test_an_instance_view_that_says_little_is_never_read_as_stopped(
    app: App, azure: SimulatedAzure, name: str, statuses: object, power_state: str
) -> None:
    vm = put(azure, f"view-{name}", state="stopped")
    azure.set_statuses(vm, statuses)
    assert await app.post([power_off_event(vm)]) == (202, "")
    found = await app.vm(vm)
    assert (found["power_state"], found["flag"]) == (power_state, None)


async def test_a_view_without_statuses_and_codes_of_agents_and_disks(app: App, azure: SimulatedAzure) -> None:
    vm = put(azure, "nested", state="stopped")
    azure.replace_body(
        vm, {"id": vm, "properties": {"provisioningState": "Succeeded", "instanceView": NESTED}}
    )
    assert await app.post([power_off_event(vm)]) == (202, "")
    assert (await app.vm(vm))["power_state"] == "unknown"
    azure.remove_instance_view(vm)
    assert await app.post([power_off_event(vm)]) == (202, "")
    assert (await app.vm(vm))["power_state"] == "unknown"


async def test_a_view_of_another_shape_fails_by_name(app: App, azure: SimulatedAzure) -> None:
    vm = put(azure, "mis-shaped", state="stopped")
    azure.set_statuses(vm, {"code": "PowerState/stopped"})
    status, text = await app.post([power_off_event(vm)])
    assert status == 500
    assert "statuses" in text
    assert await app.vm(vm) == {}


@pytest.mark.parametrize("kind", ["500", "503", "403"])
async def test_a_failure_of_ours_is_event_grids_to_deliver_again(
    app: App, azure: SimulatedAzure, kind: FaultKind
) -> None:
    vm = put(azure, f"failing-{kind}", state="stopped", subscription=OWN["failing"])
    azure.inject(Fault(kind=kind, times=3, path=f".*failing-{kind}.*", retry_after=1200))
    status, text = await app.post([power_off_event(vm)])
    assert status == 500
    assert kind in text
    azure.arm.faults.in_store.clear()
    assert await app.post([power_off_event(vm)]) == (202, "")
    assert (await app.vm(vm))["power_state"] == "stopped"


async def test_an_event_that_azure_throttles_is_answered_and_seen_to_by_one_sweep(
    app: App, azure: SimulatedAzure
) -> None:
    subscription = OWN["throttled"]
    vm, other = (put(azure, name, state="running", subscription=subscription) for name in ("one", "other"))
    for vm_id in (vm, other):
        failed = power_off_event(vm_id, eventType="Microsoft.Resources.ResourceActionFailure")
        assert await app.post([failed]) == (202, "")
    azure.inject(
        Fault(kind="429", times=sys.maxsize, path=f".*{subscription}/resourceGroups/.*", retry_after=1200)
    )
    await azure.power_off(vm)
    await azure.power_off(other)
    asked, before = len(azure.requests), await app.counts()
    at = datetime.now(UTC)
    for vm_id in (vm, other, vm):
        assert await app.post([power_off_event(vm_id, at=at)]) == (202, ""), "Event Grid has its answer"
    assert [request.status for request in azure.requests[asked:]] == [429], "and Azure was left alone then"
    counts = await app.counts()
    assert counts["left_to_a_sweep"] - before.get("left_to_a_sweep", 0) == 3
    assert (await app.vm(vm))["power_state"] == "running"

    for vm_id in (vm, other):
        found = await app.seen(vm_id, "stopped")
        assert (found["since_source"], datetime.fromisoformat(found["since"])) == ("event", at)
        assert found["cause"]["operation"] == "Microsoft.Compute/virtualMachines/powerOff/action"
        assert len(found["transitions"]) == 2

    async def swept() -> bool:
        return (await app.counts()).get("swept", 0) > before.get("swept", 0)

    await eventually(swept)
    lists = [
        request.operation for request in azure.requests[asked:] if f"{subscription}/providers" in request.path
    ]
    assert lists == ["listStatus", "listAll", "scaleSet.listAll"], "of one sweep, however many events asked"
    azure.arm.faults.in_store.clear()
