"""shared/web/openapi.json: the description of the HTTP API is one, is whole, and says what is so."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.accounts import Day, Figures, Money
from shared.domain.actions import Stage, What
from shared.domain.money import Cost, Sum
from shared.domain.policy import Channel, Mode
from shared.domain.records import FlagKind, NoticeKind, Record
from shared.domain.safety import Rule
from shared.domain.signals import Actor, Source, Verb
from shared.domain.states import PowerState, ProvisioningState
from shared.domain.transitions import KINDS, Effect, Kind
from shared.ports import Coverage, History, Page, Tally
from shared.summaries import Summary
from shared.web import api, asked, caching
from shared.web.coverage import FAULTS, summary_view
from shared.web.parameters import PARAMETERS
from shared.web.problems import STATUSES, Problem
from tests import strategies
from tests.described import DOCUMENT, TO_COME, operations, problems, resolved
from tests.domain.life import NOON
from tests.registered import FUNCTIONS
from tests.schemas import SCHEMAS

ROOT = Path(__file__).parents[2]
OPERATIONS = {operation.name: operation for operation in operations()}
PARTS = DOCUMENT["components"]
NAMED = PARTS["schemas"]
SCHEMAS_AT = ("components", "schemas")


def test_it_is_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert DOCUMENT["info"]["version"] == project["version"]


def test_it_has_every_route_by_the_name_of_its_function_and_no_other() -> None:
    triggers = {name: function.get_trigger() for name, function in FUNCTIONS.items()}
    made = {
        (name, method.value.lower(), f"/{trigger.route}")
        for name, trigger in triggers.items()
        if trigger.type == "httpTrigger"
        for method in trigger.methods
    }
    described = {(each.name, each.method, each.path) for each in OPERATIONS.values()}
    assert {each for each in described if each[0] not in TO_COME} == made
    assert {name for name, _, _ in described} & TO_COME == {each for each in TO_COME if each.isidentifier()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_its_parameters_are_those_of_the_route(name: str) -> None:
    operation = OPERATIONS[name]
    to_come = {each.partition("?")[2] for each in TO_COME if each.startswith(f"{name}?")}
    assert operation.named("query") - to_come == set(PARAMETERS[name])
    assert operation.named("path") == set(re.findall(r"\{(\w+)\}", operation.path))
    assert operation.named("header") <= {"If-None-Match"}


def test_the_parameters_of_vms_have_its_limits() -> None:
    (limit,) = (each["schema"] for each in OPERATIONS["vms"].parameters if each["name"] == "limit")
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, api.MOST, api.DEFAULT_LIMIT)
    assert NAMED["vms"]["properties"]["vms"]["maxItems"] == api.MOST
    for part in ("transitions", "episodes", "actions"):
        assert NAMED["vm_with_history"]["properties"][part]["maxItems"] == api.HISTORY
    assert NAMED["coverage"]["properties"]["faults"]["maxItems"] == FAULTS
    assert NAMED["exemption_form"]["properties"]["reason"]["maxLength"] == asked.LONGEST_REASON
    begin, _ = NAMED["exemption_asked"]["anyOf"]
    assert begin["properties"]["reason"]["maxLength"] == asked.LONGEST_REASON


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_status_that_can_come_is_told(name: str) -> None:
    operation = OPERATIONS[name]
    statuses = {int(status) for status in operation.value["responses"]}
    assert statuses <= {200, 202, 303, 304, *(status.value for status in STATUSES.values())}
    assert statuses >= {400, 401}
    assert (304 in statuses) == (operation.named("header") == {"If-None-Match"})
    if operation.method == "post":
        assert statuses == {202, 303, *(status.value for status in STATUSES.values())}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_goes_wrong_is_a_problem_or_a_page_and_says_what_may_be_kept(name: str) -> None:
    operation = OPERATIONS[name]
    for status, reference in operation.value["responses"].items():
        response = resolved(reference)
        kinds = set(response.get("content", {}))
        if int(status) >= 400:
            expected = {"application/problem+json"} if not operation.path.startswith("/dashboard") else set()
            pages = operation.method == "post" or operation.path.startswith("/dashboard")
            assert kinds - {"application/json"} == expected | ({"text/html"} if pages else set())
        if int(status) not in {401, 500}:
            kept = resolved(response["headers"]["Cache-Control"])["schema"]["const"]
            assert (kept == caching.REVALIDATED) == ("ETag" in response["headers"])
            assert kept in {caching.REVALIDATED, caching.NOT_STORED}


def test_who_may_call_is_as_the_platform_has_it() -> None:
    schemes = PARTS["securitySchemes"]
    assert DOCUMENT["security"] == [{name: []} for name in schemes]
    assert {(each.get("in"), each.get("name")) for each in schemes.values()} == {
        ("header", "x-functions-key"),
        ("query", api.KEY),
        (None, None),
    }


def test_a_vm_is_the_one_of_the_events() -> None:
    schema = SCHEMAS["vm.schema.json"]
    text = json.dumps({name: part for name, part in schema.items() if name not in {"$schema", "$id"}})
    expected = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    parts = expected.pop("$defs")
    assert NAMED["vm"] == expected
    assert {name: NAMED[name] for name in parts} == parts


def test_a_vm_with_its_history_is_a_vm_and_its_history() -> None:
    history = {"transitions", "episodes", "actions", "unsent"}
    properties = NAMED["vm_with_history"]["properties"]
    assert set(properties) == set(NAMED["vm"]["properties"]) | history
    assert all(
        properties[name] == {"$ref": f"#/components/schemas/vm/properties/{name}"}
        for name in NAMED["vm"]["properties"]
    )


def test_every_object_is_closed_and_told_of() -> None:
    for name, schema in NAMED.items():
        for part in objects(schema):
            assert part["additionalProperties"] is not True, name
            assert part["description"].endswith("."), name
            for each in part.get("properties", {}).values():
                assert (
                    "$ref" in each or each == NAMED["counts"]["properties"]["running"] or each["description"]
                )


def objects(schema: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    if isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def property_of(schema: str, name: str) -> Any:  # noqa: ANN401 - JSON
    return NAMED[schema]["properties"][name]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (PowerState, NAMED["power_state"]),
        (PowerState, property_of("vm", "power_state")),
        (ProvisioningState, property_of("vm", "provisioning_state")),
        (Source, property_of("vm", "since_source")),
        (Actor, property_of("cause", "actor")),
        (Verb, property_of("cause", "verb")),
        (FlagKind, property_of("flag", "kind")),
        (Stage, property_of("deallocation", "stage")),
        (Kind, property_of("transition", "kind")),
        (Effect, property_of("transition", "billing")),
        (Source, property_of("transition", "at_source")),
        (Source, property_of("episode", "started_source")),
        (What, property_of("entry", "what")),
        (NoticeKind, property_of("unsent", "kind")),
        (Channel, property_of("unsent", "channel")),
        (Channel, property_of("health", "notices")["items"]),
        (Mode, property_of("health", "mode")),
    ],
)
def test_the_words_are_those_of_the_domain(words: type[StrEnum], place: Mapping[str, Any]) -> None:
    assert [word for word in place["enum"] if word is not None] == [word.value for word in words]


def test_the_rules_are_those_of_the_safety_table_and_one_more() -> None:
    assert NAMED["rule"]["enum"] == [*(rule.value for rule in Rule), "under_way"]
    assert NAMED["counts"]["required"] == list(NAMED["counts"]["properties"]) == [*PowerState]


def examples() -> Iterator[tuple[tuple[str, ...], str, object]]:
    """Every example: where its schema is, its name, and its value."""
    for place, part in walk(DOCUMENT, ()):
        if "schema" in part:
            if "example" in part:
                yield (*place, "schema"), "example", part["example"]
            for name, example in part.get("examples", {}).items():
                yield (*place, "schema"), name, resolved(example)["value"]


def walk(part: object, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(part, Mapping):
        yield place, part
        for name, each in part.items():
            yield from walk(each, (*place, name))
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for number, each in enumerate(part):
            yield from walk(each, (*place, str(number)))


@pytest.mark.parametrize(
    ("place", "name", "value"), list(examples()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_every_example_is_as_its_schema_says(place: tuple[str, ...], name: str, value: object) -> None:
    assert problems(value, *place) == [], name


def test_what_is_asked_and_answered_has_examples() -> None:
    for name, operation in OPERATIONS.items():
        parts = [*operation.value["responses"].values(), operation.value.get("requestBody", {})]
        for part in map(resolved, parts):
            for kind, media in part.get("content", {}).items():
                page = kind in {"text/html", "text/csv"}
                assert page or media.get("examples") or name in {"health", "openapi"}, (name, kind)


@pytest.mark.parametrize("asking", asked.Asking)
def test_every_body_that_is_an_example_is_taken(asking: asked.Asking) -> None:
    content = OPERATIONS[f"vm_{asking}"].value["requestBody"]["content"]
    written: Mapping[str, Callable[[Any], str]] = {asked.JSON: json.dumps, asked.FORM: urlencode}
    assert set(content) == set(written)
    for kind, media in content.items():
        for example in media["examples"].values():
            assert asked.read(asking, kind, written[kind](example["value"]).encode(), "ada", NOON)


costs = st.none() | strategies.costs
histories = st.builds(
    History,
    st.lists(strategies.transitions.filter(lambda each: (each.before, each.after) in KINDS), max_size=2).map(
        tuple
    ),
    st.lists(strategies.episodes.filter(lambda each: (each.hours or 0) >= 0), max_size=2).map(tuple),
    st.lists(strategies.entries, max_size=2).map(tuple),
)


@given(strategies.records, costs)
def test_every_vm_is_as_described(record: Record, cost: Cost | None) -> None:
    page = Page((record,), "MQ==")
    costs = {record.vm: cost} if cost else {}
    assert problems(json.loads(api.page(page, costs)), *SCHEMAS_AT, "vms") == []
    assert problems(json.loads(api.taken(record, cost)), *SCHEMAS_AT, "vm") == []


@given(strategies.records, histories, costs, st.data())
def test_every_history_is_as_described(
    record: Record, history: History, cost: Cost | None, data: st.DataObject
) -> None:
    spent = [data.draw(st.none() | strategies.amounts) for _ in history.episodes]
    assert problems(json.loads(api.vm(record, history, cost, spent)), *SCHEMAS_AT, "vm_with_history") == []


counts = st.integers(0, 99)
coverages = st.builds(
    Coverage,
    st.just("x"),
    strategies.times,
    strategies.times,
    counts,
    counts,
    counts,
    st.lists(strategies.texts, max_size=5).map(tuple),
    counts,
    covered_at=strategies.maybe_time,
)
tallies = st.builds(
    Tally,
    st.dictionaries(strategies.power_states, counts),
    counts,
    whole=st.booleans(),
    at=strategies.maybe_time,
)
sums = st.builds(Sum, strategies.amounts, counts)
figures = st.builds(Figures, sums, sums)
days = st.builds(Day, st.dates(), sums, sums, st.floats(0, 9999))
moneys = st.builds(
    Money,
    strategies.currencies,
    counts,
    sums,
    figures,
    figures,
    counts,
    st.lists(days, max_size=2).map(tuple),
    st.booleans(),
)
summaries = st.builds(
    Summary,
    strategies.times,
    st.dictionaries(st.sampled_from("xyz"), st.none() | tallies),
    st.dictionaries(st.sampled_from("xyz"), coverages),
    moneys,
)


@given(summaries)
def test_every_summary_is_as_described(summary: Summary) -> None:
    told = json.loads(api.to_json(summary_view(summary)))
    assert problems(told, *SCHEMAS_AT, "summary") == []


@pytest.mark.parametrize("status", sorted(set(STATUSES.values())))
@pytest.mark.parametrize("rule", [None, *Rule, "under_way"])
def test_every_problem_is_as_described(status: HTTPStatus, rule: str | None) -> None:
    assert problems(json.loads(api.problem(Problem(status, "x", rule))), *SCHEMAS_AT, "problem") == []


def test_what_is_not_as_described_is_found() -> None:
    vm = PARTS["examples"]["vm"]["value"]
    assert problems(vm, *SCHEMAS_AT, "vm") == []
    changes: list[dict[str, object]] = [
        {"extra": 1},
        {"power_state": "off"},
        {"since": "2026-13-01T00:00:00Z"},
    ]
    assert all(problems(vm | change, *SCHEMAS_AT, "vm") for change in changes)
    assert problems({}, *SCHEMAS_AT, "vm")


def test_what_the_page_on_the_api_names_is_described_and_the_reverse() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    part = page.partition("## What can be asked for\n")[2].partition("\n## ")[0]
    one = "/vms/{subscription}/{resource_group}/{name}"
    named = {("post", f"{one}/{what}") for what in re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)}
    named |= {("get", path) for path in re.findall(r"`GET /api(/[\w{}/.]+)[`?]", page)}
    described = {(each.method, each.path) for each in OPERATIONS.values() if each.name not in TO_COME}
    assert named == described
    rows = re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", part, re.MULTILINE)
    statuses = {status for row in rows for status in row.split(", ")}
    assert {*statuses, "500"} == set(OPERATIONS["vm_look"].value["responses"])
    (row,) = re.findall(r"^\| `GET /api/vms` \| (.*) \|$", page, re.MULTILINE)
    assert set(PARAMETERS["vms"]) <= set(re.findall(r"`(\w+)(?:=\w+)?`", row))
