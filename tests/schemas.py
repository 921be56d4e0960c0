"""The schemas of docs/events."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

EVENTS = Path(__file__).parents[1] / "docs" / "events"
SCHEMAS: dict[str, Any] = {
    path.name: json.loads(path.read_text("utf-8")) for path in EVENTS.glob("*.schema.json")
}
_REGISTRY = Registry[Any]().with_resources(
    (name, Resource[Any].from_contents(schema)) for name, schema in SCHEMAS.items()
)


def problems(event: object, of_type: str | None = None) -> list[str]:
    """What is wrong with an event by the schema of its type, or of another; empty: nothing."""
    assert isinstance(event, dict)
    schema = SCHEMAS[f"{of_type or event['type']}.schema.json"]
    validator = Draft202012Validator(schema, registry=_REGISTRY)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)]
