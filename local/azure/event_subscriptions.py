"""Event subscriptions: which events go where."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.azure.events import Event
from local.azure.handshake import Schema

_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringIn": operator.eq,
    "StringBeginsWith": str.startswith,
    "StringEndsWith": str.endswith,
    "StringContains": operator.contains,
}
"""Each has its opposite, `StringNotIn` and so on: none of the values is to fit, nor what is missing."""

_KNOWN = tuple(name.replace("String", how) for how in ("String", "StringNot") for name in _OPERATORS)


@dataclass(frozen=True, slots=True)
class AdvancedFilter:
    """A condition on one field of the event: one of the values is to fit it. Letter case does not count."""

    operator_type: str
    key: str
    """Names joined by dots, of the Event Grid schema: `subject`, `data.operationName`."""
    values: tuple[str, ...]

    def admits(self, event: Event) -> bool:
        """Whether the event's field fits; what is missing or no text fits nothing."""
        found: object = event.as_event_grid()
        for name in self.key.lower().split("."):
            fields = found if isinstance(found, Mapping) else {}
            found = {str(key).lower(): value for key, value in fields.items()}.get(name)
        fits = _OPERATORS[self.operator_type.replace("StringNot", "String")]
        admitted = isinstance(found, str) and any(fits(found.lower(), value.lower()) for value in self.values)
        return admitted is not self.operator_type.startswith("StringNot")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSubscription:
    """Where events go."""

    name: str
    endpoint: str
    schema: Schema
    event_types: frozenset[str] | None = None
    """Lower-case event types that are wanted; None for all."""
    subject_begins_with: str = ""
    """How the subjects of events begin that are wanted; letter case does not count."""
    advanced_filters: tuple[AdvancedFilter, ...] = ()
    """All of them are to admit an event."""
    subscriptions: frozenset[str] | None = None
    """Lower-case ids of the Azure subscriptions whose events are wanted; None for all."""
    function_id: str | None = None
    """ARM id of the function that the endpoint is, where it is subscribed to as one; None for a webhook."""
    dead_letters: bool = True
    """Whether events given up are kept; without a place for them, Azure drops them."""

    def covers(self, subscription: str) -> bool:
        """Whether events of an Azure subscription are wanted."""
        return self.subscriptions is None or subscription.lower() in self.subscriptions

    def wants_type(self, event_type: str) -> bool:
        """Whether events of a type are wanted."""
        return self.event_types is None or event_type.lower() in self.event_types

    def wants(self, event: Event) -> bool:
        """Whether the filter lets an event through."""
        return (
            self.covers(event.subscription)
            and self.wants_type(event.type)
            and event.subject.lower().startswith(self.subject_begins_with.lower())
            and all(condition.admits(event) for condition in self.advanced_filters)
        )


def advanced_filter(shown: Mapping[str, Any]) -> AdvancedFilter:
    """An advanced filter as ARM shows it: `{"operatorType", "key", "values"}`. Raises ValueError for what is none."""
    operator_type, key, values = (shown.get(name) for name in ("operatorType", "key", "values"))
    if operator_type not in _KNOWN:
        expected = ", ".join(_KNOWN)
        raise ValueError(f"operatorType is {operator_type!r}; the simulated Azure knows {expected}")
    texts = values if isinstance(values, list | tuple) else ()
    if not isinstance(key, str) or not texts or not all(isinstance(value, str) for value in texts):
        raise ValueError(f"advanced filter is {dict(shown)!r}; expected a key, and values as a list of texts")
    return AdvancedFilter(str(operator_type), key, tuple(texts))
