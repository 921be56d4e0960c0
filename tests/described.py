"""The HTTP API as shared/web/openapi.json describes it."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

PATH = Path(__file__).parents[1] / "shared" / "web" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}

TO_COME = frozenset[str]()
"""What is described and not made yet: functions, parameters (`function?parameter`), members (`schema.member`)."""


class Operation(NamedTuple):
    """A method of a path."""

    path: str
    method: str
    value: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]
    """Its path's and its own."""

    @property
    def name(self) -> str:
        """Its function's."""
        return str(self.value["operationId"])

    def named(self, place: str) -> set[str]:
        """The names of its parameters in a place, `query` or `path`."""
        return {each["name"] for each in self.parameters if each["in"] == place}


def operations() -> Iterator[Operation]:
    """All of them."""
    for path, item in DOCUMENT["paths"].items():
        for method in item.keys() & METHODS:
            given = [*item.get("parameters", []), *item[method].get("parameters", [])]
            yield Operation(path, method, item[method], tuple(resolved(each) for each in given))


def resolved(value: Any) -> Any:  # noqa: ANN401 - JSON
    """What a `$ref` refers to; any other value as it is."""
    if not (isinstance(value, Mapping) and "$ref" in value):
        return value
    found: Any = DOCUMENT
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def made() -> dict[str, Any]:
    """The document without what is to come."""
    document = _with_members_made()
    paths = document["paths"]
    for operation in operations():
        if operation.name in TO_COME:
            del paths[operation.path][operation.method]
        else:
            value = paths[operation.path][operation.method]
            value["parameters"] = [
                each
                for each in value.get("parameters", [])
                if f"{operation.name}?{resolved(each)['name']}" not in TO_COME
            ]
    return document


def _with_members_made() -> dict[str, Any]:
    document = deepcopy(DOCUMENT)
    for schema, member in (each.split(".") for each in TO_COME if "." in each):
        document["components"]["schemas"][schema]["required"].remove(member)
    return document


_HERE = "urn:openapi"
_REGISTRY = Registry[Any]().with_resource(_HERE, DRAFT202012.create_resource(_with_members_made()))


def problems(value: object, *place: str) -> list[str]:
    """What is wrong with a value by the schema at a place in the document; empty: nothing."""
    pointer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in place)
    validator = Draft202012Validator(
        {"$ref": f"{_HERE}#{quote(pointer)}"},
        registry=_REGISTRY,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
