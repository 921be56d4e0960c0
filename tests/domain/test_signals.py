import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.signals import (
    ANNOTATIONS,
    LEADS_TO,
    OPERATIONS,
    Actor,
    Event,
    Signal,
    Source,
    Verb,
    read_event,
)
from shared.domain.states import PowerState
from tests.domain.life import NOON
from tests.domain.test_states import json_values

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/VM"
VM = VmId(SUBSCRIPTION, "rg", "vm")


def sample(name: str) -> dict[str, Any]:
    body = json.loads((SAMPLES / name).read_text("utf-8"))
    event: dict[str, Any] = body[0] if isinstance(body, list) else body
    return event


def read(body: dict[str, Any], *, keep_name: bool = False) -> Signal | None:
    at = body.get("eventTime", body.get("time"))
    time = datetime.fromisoformat(at) if at else None
    event = Event(body.get("eventType", body.get("type")), body.get("subject"), time, body.get("data"))
    return read_event(event, keep_name=keep_name)


def about_the_vm(body: dict[str, Any], operation: str) -> dict[str, Any]:
    body = deepcopy(body)
    body["subject"] = ID
    body["data"]["operationName"] = operation
    return body


ACTION = about_the_vm(
    sample("eventgrid-subscription-ResourceActionSuccess.eventgridschema.json"),
    "Microsoft.Compute/virtualMachines/powerOff/action",
)


@pytest.mark.parametrize(
    "name",
    [
        "eventgrid-subscription-ResourceActionSuccess.eventgridschema.json",
        "eventgrid-subscription-ResourceActionSuccess.cloudevents10.json",
    ],
)
def test_the_documented_action_event_of_either_schema(name: str) -> None:
    signal = read(about_the_vm(sample(name), "Microsoft.Compute/virtualMachines/powerOff/action"))
    assert signal
    assert signal.vm == VM
    assert signal.leads_to is PowerState.STOPPED
    cause = signal.cause
    assert (cause.actor, cause.source, cause.caller) == (Actor.CONTROL_PLANE, Source.EVENT, "{ID}")
    assert cause.at.tzinfo is UTC


def test_seven_digits_of_a_second() -> None:
    signal = read(ACTION | {"eventTime": "2018-10-08T22:46:22.6022559Z"})
    assert signal
    assert signal.cause.at == datetime(2018, 10, 8, 22, 46, 22, 602255, tzinfo=UTC)


@pytest.mark.parametrize(("operation", "verb"), OPERATIONS.items())
@pytest.mark.parametrize("resource", ["virtualMachines", "virtualMachineScaleSets/virtualMachines"])
def test_each_operation_in_any_letter_case(operation: str, verb: Verb | None, resource: str) -> None:
    spelled = f"Microsoft.Compute/{resource}/{operation}"
    for name in (spelled, spelled.upper(), spelled.lower()):
        signal = read(about_the_vm(ACTION, name))
        assert signal
        assert signal.cause.verb is verb
        assert signal.leads_to is (LEADS_TO[verb] if verb else None)


def test_the_tables_are_whole() -> None:
    assert set(LEADS_TO) == set(Verb)
    told = {*OPERATIONS.values(), *(verb for verb, _ in ANNOTATIONS.values())}
    assert told == {None, *Verb}


def test_the_name_of_the_caller_is_kept_if_the_operator_wants_it() -> None:
    body = deepcopy(ACTION)
    body["data"]["claims"] = CLAIMS
    signal = read(body, keep_name=True)
    assert signal
    assert signal.cause.caller_name == "Ada Lovelace"


@pytest.mark.parametrize("end", ["Failure", "Cancel"])
@pytest.mark.parametrize("verb", ["Write", "Action", "Delete"])
def test_what_failed_or_was_cancelled_is_a_hint_and_no_more(verb: str, end: str) -> None:
    signal = read(ACTION | {"eventType": f"Microsoft.Resources.Resource{verb}{end}"})
    assert signal
    assert signal.leads_to is None


def test_an_operation_that_is_not_in_the_table_is_a_hint() -> None:
    signal = read(about_the_vm(ACTION, "Microsoft.Compute/virtualMachines/runCommand/action"))
    assert signal
    assert signal.leads_to is None


@pytest.mark.parametrize(("name", "expected"), ANNOTATIONS.items())
def test_each_annotation(name: str, expected: tuple[Verb | None, Actor]) -> None:
    body = sample("eventgrid-arn-health-ResourceAnnotated.eventgridschema.json")
    properties = body["data"]["resourceInfo"]["properties"]
    properties |= {"targetResourceId": ID, "annotationName": name.upper(), "context": "Customer Initiated"}
    signal = read(body)
    assert signal
    assert (signal.cause.verb, signal.cause.actor) == expected
    assert signal.cause.source is Source.ANNOTATION
    assert signal.cause.at == datetime(2023, 7, 24, 19, 20, 37, 924507, tzinfo=UTC)


@pytest.mark.parametrize(
    ("context", "actor"), [("Platform Initiated", Actor.PLATFORM), ("VM Initiated", Actor.GUEST)]
)
def test_the_context_of_an_annotation_tells_the_actor(context: str, actor: Actor) -> None:
    body = sample("eventgrid-arn-health-ResourceAnnotated.eventgridschema.json")
    body["data"]["resourceInfo"]["properties"] |= {"targetResourceId": ID, "context": context}
    signal = read(body)
    assert signal
    assert signal.cause.actor is actor


def test_availability_is_a_hint() -> None:
    body = sample("eventgrid-arn-health-AvailabilityStatusChanged.cloudevents10.json")
    body["data"]["resourceInfo"]["properties"]["targetResourceId"] = ID
    signal = read(body)
    assert signal
    assert signal.leads_to is None
    assert "Available" in signal.cause.operation


@pytest.mark.parametrize(
    "body",
    [
        ACTION
        | {"subject": ID.replace("Microsoft.Compute/virtualMachines", "Microsoft.EventHub/namespaces")},
        ACTION | {"subject": f"{ID}/extensions/e"},
        ACTION | {"eventType": "Microsoft.Storage.BlobCreated", "subject": "/blobServices/default"},
        ACTION | {"eventType": "Microsoft.EventGrid.SubscriptionDeletedEvent", "subject": ""},
        sample("eventgrid-deadletter-event.eventgridschema.docs.json"),
    ],
)
def test_what_is_not_about_a_vm_is_none(body: dict[str, Any]) -> None:
    assert read(body) is None


CLAIMS = {"http://schemas.microsoft.com/identity/claims/objectidentifier": "caller-1", "name": "Ada Lovelace"}
EVIDENCE = {"evidence": {"principalId": "caller-2"}}


@pytest.mark.parametrize(
    ("claims", "authorization", "caller"),
    [
        (CLAIMS, EVIDENCE, "caller-1"),
        (json.dumps(CLAIMS), json.dumps(EVIDENCE), "caller-1"),
        (None, EVIDENCE, "caller-2"),
        ("{azure_resource_manager_claims}", json.dumps(EVIDENCE), "caller-2"),
        (None, None, None),
        (5, ["x"], None),
        ("[]", {"evidence": "none"}, None),
    ],
)
def test_claims_and_authorization_as_object_or_text_or_not_at_all(
    claims: object, authorization: object, caller: str | None
) -> None:
    body = deepcopy(ACTION)
    body["data"] |= {"claims": claims, "authorization": authorization}
    if claims is None:
        del body["data"]["claims"]
    signal = read(body)
    assert signal
    assert signal.cause.caller == caller


def test_the_callers_name_is_nowhere_kept() -> None:
    body = deepcopy(ACTION)
    body["data"]["claims"] = CLAIMS
    assert "Ada" not in repr(read(body))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"eventType": None}, "event type"),
        ({"eventType": ""}, "event type"),
        ({"eventTime": None}, "a time"),
        ({"data": None}, "`data`"),
        ({"data": "x"}, "`data`"),
        ({"data": {}}, "operationName"),
        ({"subject": None}, "resource id"),
        ({"subject": ID + "#"}, "VM name"),
        ({"subject": ID.replace(SUBSCRIPTION, "{subscription-id}")}, "GUID"),
    ],
)
def test_what_is_malformed_is_named(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(Malformed, match=fault):
        read(ACTION | change)


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ({"annotationName": None}, "annotationName"),
        ({"occurredTime": "yesterday"}, "occurredTime"),
        ({"occurredTime": 5}, "occurredTime"),
        ({"occurredTime": "0001-01-01T00:00:00+10:00"}, "occurredTime"),
        ({"targetResourceId": 5}, "resource id"),
    ],
)
def test_a_malformed_annotation_is_named(properties: dict[str, Any], fault: str) -> None:
    body = sample("eventgrid-arn-health-ResourceAnnotated.eventgridschema.json")
    body["data"]["resourceInfo"]["properties"] |= {"targetResourceId": ID} | properties
    with pytest.raises(Malformed, match=fault):
        read(body)


KINDS = [
    "Microsoft.Resources.ResourceActionSuccess",
    "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
    "Microsoft.ResourceNotifications.HealthResources.AvailabilityStatusChanged",
]


@given(
    st.sampled_from(KINDS) | json_values, st.just(ID) | json_values, st.none() | st.just(NOON), json_values
)
def test_any_event_is_a_signal_or_not_or_malformed(
    kind: object, subject: object, time: datetime | None, data: object
) -> None:
    shapes = (data, {"operationName": data, "claims": data}, {"resourceInfo": {"properties": data}})
    for shape in shapes:
        try:
            read_event(Event(kind, subject, time, shape))
        except Malformed as fault:
            assert "\n" not in str(fault)
