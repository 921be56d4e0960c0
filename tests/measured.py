"""What measurements may say: each metric's attributes, and the values that each may have."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from shared.domain.actions import What
from shared.domain.policy import Channel
from shared.domain.records import FlagKind
from shared.domain.safety import Rule
from shared.domain.signals import Source, Verb
from shared.domain.transitions import Effect, Kind
from shared.measures import Why
from shared.metrics import METRICS, TALLY
from shared.watch import Outcome

OPERATIONS = (
    "get_vm",
    "get_instance",
    "list_vms",
    "list_scale_sets",
    "list_instances",
    "deallocate_vm",
    "deallocate_instance",
    "other",
)

QUEUES = ("looks", "deallocations", "sweeps")

VALUES: Mapping[str, Mapping[str, Collection[str] | re.Pattern[str]]] = {
    "stopgap.events": {
        "source": {Source.EVENT, Source.ANNOTATION, "none"},
        "verb": {*Verb, "none"},
    },
    "stopgap.outcomes": {"outcome": set(Outcome)},
    "stopgap.lag": {"source": {Source.EVENT, Source.ANNOTATION}},
    "stopgap.looks": {"why": set(Why), "found": {"changed", "unchanged"}},
    "stopgap.transitions": {"kind": set(Kind), "billing": set(Effect)},
    "stopgap.flags": {"kind": set(FlagKind), "change": {"set", "cleared"}},
    "stopgap.actions": {"what": set(What), "by": {"person", "stopgap"}},
    "stopgap.refusals": {"rule": set(Rule)},
    "stopgap.notices": {"channel": set(Channel), "outcome": {"sent", "failed", "parked"}},
    "stopgap.arm.calls": {"operation": OPERATIONS, "status": re.compile(r"[1-5]\d\d|none")},
    "stopgap.arm.reads_remaining": {},
    "stopgap.sweep.duration": {"complete": {"true", "false"}},
    "stopgap.sweep.vms": {"found": {"changed", "gone", "unchanged"}},
    "stopgap.sweep.faults": {},
    "stopgap.queue.age": {"queue": QUEUES},
    "stopgap.queue.poisoned": {"queue": QUEUES},
    "stopgap.sweep.age": {},
    "stopgap.sweep.late": {},
}

_FIGURES = {"name", "sum", "count", "min", "max", "within"}
_KNOWN = {metric.name: metric for metric in METRICS}


def taken() -> list[dict[str, Any]]:
    """What was measured in this process since it was last taken, held against the table."""
    told = TALLY.take()
    hold(told)
    return told


def hold(told: Iterable[Mapping[str, Any]]) -> None:
    """Hold series, as they are told, against the table: their names, attributes, values and figures."""
    for series in told:
        attributes = {name: value for name, value in series.items() if name not in _FIGURES}
        allowed = VALUES[series["name"]]
        assert attributes.keys() == allowed.keys() == _KNOWN[series["name"]].attributes.keys()
        for name, value in attributes.items():
            values = allowed[name]
            ok = values.fullmatch(value) if isinstance(values, re.Pattern) else value in values
            assert ok, (series["name"], name, value)
        figures = {"sum", "count", "min", "max", "within"} if _KNOWN[series["name"]].bounds else {"sum"}
        assert series.keys() - attributes.keys() - {"name"} == figures


def total(told: Iterable[Mapping[str, Any]], name: str, **attributes: str) -> float:
    """What a metric came to, where attributes are as given."""
    return sum(
        float(series["sum"])
        for series in told
        if series["name"] == name and attributes.items() <= series.items()
    )
