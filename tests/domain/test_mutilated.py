"""The recorded and documented samples with parts of them removed, retyped, renamed or filled with odd text."""

import json
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.decision import decide
from shared.domain.malformed import Malformed
from shared.domain.observations import Observation, read_vm
from shared.domain.policy import Policy
from shared.domain.signals import Event, read_event, read_scale_set_event
from shared.domain.states import PowerState
from tests.domain.life import NOON, VM

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
ID = f"/subscriptions/{VM.subscription}/resourceGroups/RG-Shop/providers/Microsoft.Compute/virtualMachines/Web-1"
POWER_OFF = "Microsoft.Compute/virtualMachines/powerOff/action"

ODD: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 1e308, "", " ", "PowerState/", "/", "\x00", "\ud800", "🙈" * 200, "\u202e", [], {}, [[]], ["x"],
     {"code": 7}, "PowerState/STOPPED ", "9999-12-31T23:59:59.9999999+00:00", "0001-01-01T00:00:00Z"]
)  # fmt: skip
HARMS = st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(["remove", "replace", "rename"]), ODD)


def load(name: str) -> Any:  # noqa: ANN401 - JSON of any kind
    body = json.loads((SAMPLES / name).read_text("utf-8"))
    return body[0] if isinstance(body, list) else body


def places(value: object) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    if isinstance(value, dict):
        return [place for key, inner in value.items() for place in [(value, key), *places(inner)]]
    if isinstance(value, list):
        return [place for index, inner in enumerate(value) for place in [(value, index), *places(inner)]]
    return []


def mutilated(value: object, harms: list[tuple[float, str, object]]) -> object:
    """A copy with something done to places of it that are chosen by a share of the way through it."""
    value = deepcopy(value)
    for share, how, odd in harms:
        found = places(value)
        if not found:
            break
        container, key = found[int(share * len(found))]
        if how == "replace":
            container[key] = deepcopy(odd)
        elif how == "rename" and isinstance(container, dict):
            container[f"{key}X"] = container.pop(key)
        else:
            del container[key]
    return value


VIEWS = {
    "the recorded VM": load("arm-vm-get-expand-instanceview.running.recorded.json"),
    "a status row": load("arm-vm-list-all.statusOnly.recorded.json")["value"][0],
    "the specification's view": {
        "properties": {
            "instanceView": load("arm-vm-instanceview.spec-example.json")["responses"]["200"]["body"]
        }
    },
}


def says_stopped(view: object) -> bool:
    """Whether a mutilation happened to make the view itself say Stopped."""
    return "stopped" in json.dumps(view).lower()


@pytest.mark.parametrize("name", VIEWS)
@settings(max_examples=300)
@given(harms=st.lists(HARMS, min_size=1, max_size=3))
def test_a_mutilated_view_is_read_or_malformed_and_never_flagged(
    name: str, harms: list[tuple[float, str, object]]
) -> None:
    view = mutilated(VIEWS[name], harms)
    try:
        seen = read_vm(VM, view, NOON)
    except Malformed as fault:
        assert "\n" not in str(fault)
        return
    if says_stopped(view):
        return
    assert seen.reading.power_state is not PowerState.STOPPED
    record = None
    for at in (NOON, NOON + timedelta(days=1), NOON + timedelta(days=2)):
        looked = Observation(VM, at, seen.reading, seen.model, seen.tags)
        record = decide(record, looked, None, Policy(), at).record
        assert record
        assert record.flag is None


EVENTS = [
    "eventgrid-subscription-ResourceActionSuccess.eventgridschema.json",
    "eventgrid-subscription-ResourceActionSuccess.cloudevents10.json",
    "eventgrid-subscription-ResourceWriteSuccess.eventgridschema.json",
    "eventgrid-subscription-ResourceDeleteSuccess.eventgridschema.json",
    "eventgrid-arn-health-ResourceAnnotated.eventgridschema.json",
    "eventgrid-arn-health-AvailabilityStatusChanged.cloudevents10.json",
    "eventgrid-deadletter-event.eventgridschema.docs.json",
    "eventgrid-subscription-validation.webhook.json",
]


def about_the_vm(name: str) -> dict[str, Any]:
    body: dict[str, Any] = load(name)
    body["subject"] = ID
    data = body["data"]
    if "operationName" in data:
        data["operationName"] = POWER_OFF
    if "resourceInfo" in data:
        data["resourceInfo"]["properties"]["targetResourceId"] = ID
    return body


def read_as_the_platform_does(body: dict[str, Any]) -> Event:
    """The envelope as the worker library hands it over: a time that cannot be read never gets to us."""
    at = body.get("eventTime", body.get("time"))
    try:
        time = datetime.fromisoformat(at) if isinstance(at, str) else None
    except ValueError:
        time = None
    return Event(body.get("eventType", body.get("type")), body.get("subject"), time, body.get("data"))


@pytest.mark.parametrize("name", EVENTS)
@settings(max_examples=300)
@given(harms=st.lists(HARMS, min_size=1, max_size=3))
def test_a_mutilated_event_is_a_signal_or_not_or_malformed(
    name: str, harms: list[tuple[float, str, object]]
) -> None:
    body = mutilated(about_the_vm(name), harms)
    assert isinstance(body, dict)
    event = read_as_the_platform_does(body)
    try:
        signal = read_event(event)
        scale_set = read_scale_set_event(event)
    except Malformed as fault:
        assert "\n" not in str(fault)
        return
    assert scale_set is None
    if signal is None:
        return
    assert signal.vm == VM, "never about another VM than the one it names"
    if signal.leads_to is not None:
        told = json.dumps(body["data"])
        assert POWER_OFF in told or "VirtualMachineDeallocationInitiated" in told


def test_the_harms_do_harm() -> None:
    view = VIEWS["the recorded VM"]
    assert len(places(view)) > 100
    for share in (0.0, 0.5, 0.99):
        for how in ("remove", "replace", "rename"):
            assert mutilated(view, [(share, how, "odd")]) != view
