"""docs/events: each event that Stopgap publishes, by schema and by example."""

import json
from collections.abc import Iterator, Mapping
from copy import replace
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from shared.domain.actions import Refusal, Stage
from shared.domain.exemptions import Exemption
from shared.domain.records import FlagKind, NoticeKind
from shared.domain.signals import Actor, Source, Verb
from shared.domain.states import PowerState, ProvisioningState
from shared.domain.telling import Telling
from shared.domain.views import NOTICE_TYPES, notice_view
from tests import strategies
from tests.domain.life import NOON
from tests.schemas import EVENTS, SCHEMAS, problems
from tests.told import locked, overtaken, telling, tellings

EXAMPLES = {path.stem: json.loads(path.read_text("utf-8")) for path in (EVENTS / "examples").glob("*.json")}
VM, EVENT = SCHEMAS["vm.schema.json"], SCHEMAS["event.schema.json"]


def test_every_type_has_a_schema_and_an_example_and_there_are_no_others() -> None:
    types = set(NOTICE_TYPES.values())
    assert set(SCHEMAS) == {f"{each}.schema.json" for each in types} | {"vm.schema.json", "event.schema.json"}
    assert set(EXAMPLES) == types
    page = (EVENTS / "README.md").read_text("utf-8")
    assert all(f"[`{each}`]({each}.schema.json)" in page for each in types)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_whole(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    parts = list(objects(schema))
    for part in parts:
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
        assert all(each["description"].endswith(".") for each in (part, *part["properties"].values()))
    if not parts:
        assert schema["$ref"] == "event.schema.json"
        assert schema["properties"]["type"]["const"] == schema["title"] == name.removesuffix(".schema.json")
        assert schema["description"].endswith(".")


def objects(schema: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)


@pytest.mark.parametrize("kind", NoticeKind)
def test_the_examples_are_what_a_vms_life_leads_to(kind: NoticeKind) -> None:
    name = NOTICE_TYPES[kind]
    assert problems(EXAMPLES[name], name) == []
    event = notice_view(tellings()[kind])
    assert EXAMPLES[name] | {"id": None} == event | {"id": None}
    assert EXAMPLES[name]["id"].startswith(f"{kind}:")


@given(strategies.tellings)
def test_every_event_is_as_its_schema_says(told: Telling) -> None:
    event = json.loads(json.dumps(notice_view(told)))
    assert problems(event) == []
    others = set(NOTICE_TYPES.values()) - {event["type"]}
    assert all(problems(event, other) for other in others)


def test_a_field_too_much_or_missing_is_a_problem() -> None:
    event = EXAMPLES["Stopgap.Vm.LeftStopped"]
    assert problems(event | {"extra": 1})
    assert problems({name: value for name, value in event.items() if name != "subject"})
    assert problems(event | {"data": event["data"] | {"extra": 1}})
    assert problems(event | {"data": event["data"] | {"since": "soon"}})


def test_the_fields_are_those_of_the_view_and_the_reverse() -> None:
    at, why = NOON, Refusal("exempt", "it is exempt")
    failed, late = telling(locked(), NoticeKind.DEALLOCATION_FAILED), overtaken().now.deallocation
    assert late
    record = replace(
        failed.record,
        deallocation=replace(late, refusal=why, code="ScopeLocked", said="It is locked."),
        exemption=Exemption(at, "kept warm", "ada"),
    )
    view = json.loads(json.dumps(notice_view(replace(failed, record=record))))
    assert set(of_schema(EVENT)) == set(of_view(view))


def of_view(view: object, path: str = "") -> Iterator[str]:
    if isinstance(view, Mapping):
        for name, value in view.items():
            yield f"{path}.{name}"
            yield from of_view(value, f"{path}.{name}")


def of_schema(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        schema = VM if name == "vm.schema.json" else VM["$defs"][name]
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from of_schema(part, f"{path}.{name}")


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (PowerState, VM["properties"]["power_state"]),
        (ProvisioningState, VM["properties"]["provisioning_state"]),
        (Source, VM["properties"]["since_source"]),
        (Actor, VM["$defs"]["cause"]["properties"]["actor"]),
        (Verb, VM["$defs"]["cause"]["properties"]["verb"]),
        (Source, VM["$defs"]["cause"]["properties"]["source"]),
        (FlagKind, VM["$defs"]["flag"]["properties"]["kind"]),
        (Stage, VM["$defs"]["flag"]["properties"]["outcome"]),
        (Stage, VM["$defs"]["deallocation"]["properties"]["stage"]),
        (PowerState, VM["$defs"]["deallocation"]["properties"]["after"]),
    ],
)
def test_the_words_are_those_of_the_domain(words: type[StrEnum], place: Mapping[str, Any]) -> None:
    assert [word for word in place["enum"] if word is not None] == [word.value for word in words]
