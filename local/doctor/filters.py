"""Would the filter of an event subscription let an event through? True, False, or None where that cannot be told.

Source: "Understand event filtering for Event Grid subscriptions" (learn.microsoft.com/azure/event-grid): of the values
of a filter one has to fit, of the filters all; letter case does not count.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from local.doctor.arm import Row

HOLE = "\N{REPLACEMENT CHARACTER}"
"""Stands for what differs from VM to VM, such as its name."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An event, as far as it can be known beforehand."""

    type: str
    fields: Mapping[str, str]
    """By the key of an advanced filter in lower case, such as `data.operationname`; also in lower case, with holes."""
    members: frozenset[str]
    """All that its `data` can have, in lower case."""

    def lacks(self, key: str) -> bool:
        """Whether it certainly has nothing by a key of an advanced filter."""
        first, _, rest = key.partition(".")
        return first == "data" and rest.partition(".")[0] not in self.members


def lets_through(condition: Row, sample: Sample) -> bool | None:
    """Whether the `filter` of an event subscription, as ARM shows it, lets an event through."""
    types = {str(name).lower() for name in condition.get("includedEventTypes") or ["all"]}
    subject = sample.fields["subject"]
    return every(
        (
            bool(types & {"all", sample.type.lower()}),
            _begins(subject, str(condition.get("subjectBeginsWith") or "").lower()),
            _ends(subject, str(condition.get("subjectEndsWith") or "").lower()),
            *(_admits(one, sample) for one in condition.get("advancedFilters") or ()),
        )
    )


def every(answers: Iterable[bool | None]) -> bool | None:
    """Whether all of them hold."""
    known = list(answers)
    return False if False in known else None if None in known else True


def some(answers: Iterable[bool | None]) -> bool | None:
    """Whether one of them holds."""
    return inverse(every(inverse(answer) for answer in answers))


def inverse(answer: bool | None) -> bool | None:
    """The opposite of what is known."""
    return None if answer is None else not answer


def _admits(one: object, sample: Sample) -> bool | None:
    """Whether an advanced filter does."""
    if not isinstance(one, dict):
        return None
    name, key, values = str(one.get("operatorType")).lower(), str(one.get("key")).lower(), one.get("values")
    value, lacks = sample.fields.get(key), sample.lacks(key)
    if value is None and not lacks:
        return None
    if name in {"isnotnull", "isnullorundefined"}:
        return lacks is (name == "isnullorundefined")
    if lacks:
        return False if name in _OPERATORS else None
    fits = _OPERATORS.get(name.replace("stringnot", "string"))
    if value is None or fits is None or not isinstance(values, list):
        return None
    answer = some(fits(value, str(wanted).lower()) for wanted in values)
    return inverse(answer) if name.startswith("stringnot") else answer


def _begins(value: str, wanted: str) -> bool | None:
    head = value.partition(HOLE)[0]
    if HOLE not in value or len(wanted) <= len(head):
        return value.startswith(wanted)
    return None if wanted.startswith(head) else False


def _ends(value: str, wanted: str) -> bool | None:
    tail = value.rpartition(HOLE)[2]
    if HOLE not in value or len(wanted) <= len(tail):
        return value.endswith(wanted)
    return None if wanted.endswith(tail) else False


def _contains(value: str, wanted: str) -> bool | None:
    if any(wanted in part for part in value.split(HOLE)):
        return True
    return None if HOLE in value else False


def _is(value: str, wanted: str) -> bool | None:
    if HOLE not in value:
        return value == wanted
    return every((_begins(value, wanted), _ends(value, wanted), None))


_OPERATORS: Mapping[str, Callable[[str, str], bool | None]] = {
    "stringin": _is,
    "stringbeginswith": _begins,
    "stringendswith": _ends,
    "stringcontains": _contains,
}
"""Of each `StringNot…` the opposite holds."""
