"""What is measured: the table of all metrics, and the tally of what they came to.

Measuring is an addition in memory, which nothing waits for. What it came to is told in the log, as a line of JSON, and
passed on to whoever listens. Attributes have a few values each, which the code knows: no VM, no person and no
subscription is ever one of them.
"""

import json
import logging
import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate, batched
from types import TracebackType

from msgspec import Struct, field

from shared.ports import Clock

log = logging.getLogger("stopgap.metrics")

TELL_EVERY = timedelta(seconds=10)
"""How long what was measured is kept from the log while functions run without a pause."""

SERIES_A_LINE = 100
"""The platform cuts a line of the log off after 32,768 characters."""


class Metric(Struct, frozen=True, eq=False):
    """One row of the table."""

    name: str
    unit: str
    """In UCUM, as OpenTelemetry wants it."""
    about: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Each attribute, and what its values are."""
    bounds: tuple[float, ...] = ()
    """Of a distribution: where its values are told apart. Empty: a counter."""

    def add(self, value: float = 1, **attributes: str) -> None:
        """Count, or take in a value of a distribution."""
        TALLY.add(self, value, tuple([attributes[name] for name in self.attributes]))


type Values = tuple[str, ...]
"""The values of a metric's attributes, in their order."""
type Listener = Callable[[Metric, float, Values], None]
"""Told of each measurement as it is made."""

EVENTS = Metric(
    "stopgap.events",
    "{event}",
    "Events that were delivered and could be read",
    {
        "source": "`event`, `annotation`; `none`: not about a VM",
        "verb": "what was done to the VM: `power_off`, `shut_down`, `deallocate`, `start`, `restart`, `redeploy`, "
        "`evict`, `delete`; `none`: nothing that changes a power state, or not known",
    },
)
OUTCOMES = Metric(
    "stopgap.outcomes",
    "{outcome}",
    "What came of events, queued looks, attempts and sweeps",
    {"outcome": "the words of `counts`, see [Operations](operations.md#is-it-well)"},
)
LAG = Metric(
    "stopgap.lag",
    "s",
    "From the time at which a change happened, by the signal that told of it, to its transition being on record",
    {"source": "`event`: from the end of the operation; `annotation`: from its beginning"},
    bounds=(1, 2, 5, 10, 30, 60, 300, 900, 3600),
)
LOOKS = Metric(
    "stopgap.looks",
    "{look}",
    "Looks that were decided on",
    {
        "why": "`signal`, `due` (a look that was asked for before), `person`, `deallocation`; `sweep`: a list showed "
        "something new",
        "found": "`changed`: and written; `unchanged`",
    },
)
TRANSITIONS = Metric(
    "stopgap.transitions",
    "{transition}",
    "Transitions that were put on record",
    {"kind": "see [States](states.md#transitions)", "billing": "what they do to the bill, see there"},
)
FLAGS = Metric(
    "stopgap.flags",
    "{flag}",
    "Flags that were set and cleared",
    {"kind": "`left_stopped`, `failed_provisioning`", "change": "`set`, `cleared`"},
)
ACTIONS = Metric(
    "stopgap.actions",
    "{action}",
    "Lines that were added to the logs of VMs' actions",
    {
        "what": "the words of `counts`, see [Operations](operations.md#is-it-well)",
        "by": "`person`, `stopgap`",
    },
)
REFUSALS = Metric(
    "stopgap.refusals",
    "{refusal}",
    "Deallocations that were not done, and why",
    {"rule": "see [the rules](api.md#why-not)"},
)
NOTICES = Metric(
    "stopgap.notices",
    "{notice}",
    "Attempts to send notices, and notices that were given up",
    {"channel": "`topic`, `webhook`, `log`", "outcome": "`sent`, `failed`, `parked`"},
)
ARM_CALLS = Metric(
    "stopgap.arm.calls",
    "{call}",
    "Requests to Azure Resource Manager, each try one",
    {
        "operation": "`get_vm`, `get_instance`, `list_vms`, `list_scale_sets`, `list_instances`, `deallocate_vm`, "
        "`deallocate_instance`, `other`",
        "status": "of HTTP; `none`: no answer",
    },
)
ARM_READS_REMAINING = Metric(
    "stopgap.arm.reads_remaining",
    "{read}",
    "Reads of a subscription that are left, by Azure Resource Manager's own word with each answer",
    bounds=(0, 10, 25, 50, 100, 150, 200, 250),
)
SWEEP_DURATION = Metric(
    "stopgap.sweep.duration",
    "s",
    "How long sweeps took, each of one subscription",
    {"complete": "`true`; `false`: it was broken off, and comes again"},
    bounds=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
)
SWEEP_VMS = Metric(
    "stopgap.sweep.vms",
    "{vm}",
    "VMs that sweeps covered",
    {"found": "`changed`: and written; `gone`: no longer known to Azure; `unchanged`"},
)
SWEEP_FAULTS = Metric(
    "stopgap.sweep.faults",
    "{fault}",
    "What sweeps did not cover: VMs that could not be read, lists that broke off",
)
QUEUE_AGE = Metric(
    "stopgap.queue.age",
    "s",
    "How long the message of a queue is due that is due longest; 0: none is, or somebody is at work on each that is",
    {"queue": "`looks`, `deallocations`, `sweeps`"},
    bounds=(0, 10, 60, 300, 900, 3600, 21600, 86400),
)
QUEUE_POISONED = Metric(
    "stopgap.queue.poisoned",
    "{message}",
    "Messages of a queue that the host gave up on, and that are still there",
    {"queue": "`looks`, `deallocations`, `sweeps`"},
    bounds=(0, 1, 10, 100, 1000),
)
SWEEP_AGE = Metric(
    "stopgap.sweep.age",
    "s",
    "How long ago the latest complete sweep of a subscription began; nothing where none ever was",
    bounds=(900, 1800, 3600, 21600, 86400),
)
SWEEP_LATE = Metric(
    "stopgap.sweep.late",
    "{subscription}",
    "Subscriptions without a complete sweep since the last but one was due",
    bounds=(0, 1, 10, 100),
)

METRICS = (
    EVENTS,
    OUTCOMES,
    LAG,
    LOOKS,
    TRANSITIONS,
    FLAGS,
    ACTIONS,
    REFUSALS,
    NOTICES,
    ARM_CALLS,
    ARM_READS_REMAINING,
    SWEEP_DURATION,
    SWEEP_VMS,
    SWEEP_FAULTS,
    QUEUE_AGE,
    QUEUE_POISONED,
    SWEEP_AGE,
    SWEEP_LATE,
)
"""All of them."""


class Series(Struct, eq=False):
    """What a metric came to, for one set of values of its attributes."""

    total: float = 0
    count: int = 0
    least: float = math.inf
    most: float = -math.inf
    between: dict[int, int] = field(default_factory=dict)
    """Of a distribution: how many values lie up to which bound, by its place, and above the one before."""


class Tally:
    """What was measured since it was last taken."""

    def __init__(self) -> None:
        self._series: dict[tuple[Metric, Values], Series] = {}
        self.listeners: list[Listener] = []

    def add(self, metric: Metric, value: float, values: Values) -> None:
        """Take in a measurement."""
        series = self._series.get((metric, values))
        if series is None:
            series = self._series[metric, values] = Series()
        series.total += value
        if metric.bounds:
            series.count += 1
            series.least = min(series.least, value)
            series.most = max(series.most, value)
            place = bisect_left(metric.bounds, value)
            series.between[place] = series.between.get(place, 0) + 1
        for listener in self.listeners:
            listener(metric, value, values)

    def take(self) -> list[dict[str, object]]:
        """What it came to, each series as it is told, and begin anew."""
        taken, self._series = self._series, {}
        return [_told(metric, values, series) for (metric, values), series in taken.items()]


def _told(metric: Metric, values: Values, series: Series) -> dict[str, object]:
    """A series as in the log: `sum` and, of a distribution, `count`, `min`, `max`, and how many were within what."""
    told: dict[str, object] = {"name": metric.name, **dict(zip(metric.attributes, values, strict=True))}
    told["sum"] = round(series.total, 3)
    if metric.bounds:
        told |= {"count": series.count, "min": round(series.least, 3), "max": round(series.most, 3)}
        within = accumulate(series.between.get(place, 0) for place in range(len(metric.bounds)))
        told["within"] = {str(bound): count for bound, count in zip(metric.bounds, within, strict=True)}
    return told


TALLY = Tally()
"""Of this process."""


class Teller(Struct, eq=False):
    """Around every function: tells the log what was measured, once all that run have ended, or after ten seconds.

    Within a function's time and not by a clock of its own: the platform drops what is logged when none runs.
    """

    now: Clock
    then: list[Callable[[], None]] = field(default_factory=list)
    """What is to be done after the log was told."""
    _running: int = 0
    _told_at: datetime | None = None

    def __enter__(self) -> None:
        self._running += 1
        self._told_at = self._told_at or self.now()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running -= 1
        now = self.now()
        if self._running and self._told_at and now - self._told_at < TELL_EVERY:
            return
        self._told_at = now
        for some in batched(TALLY.take(), SERIES_A_LINE, strict=False):
            log.info("metrics %s", json.dumps({"series": some}))
        for each in self.then:
            each()
