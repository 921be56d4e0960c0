"""What is promised: each figure that `make bench` shows, where it is shown, and what it must not exceed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SIZES = (1_000, 10_000, 50_000)
"""Of the fleets that are swept."""

BURSTS = (1_000, 10_000)
"""Of the fleets that a burst comes over."""


class Table(StrEnum):
    """The tables that figures are shown in, by their titles, in their order."""

    EVENT = "An event"
    FIRST_SWEEP = "A first sweep"
    SAME_SWEEP = "A sweep, nothing new"
    SOME_SWEEP = "A sweep, 1 % changed"
    BURST = "A burst: 10,000 events in 5 minutes"
    COLD = "A cold start, the first event included"
    IMPORTS = "What a cold start imports"
    DETECTION = "Detection, through the host"


@dataclass(frozen=True, slots=True)
class Target:
    """One promise, and its place in a table."""

    table: Table
    row: str
    most: float | None = None
    """None: shown, and nothing is promised of it."""
    column: str = ""
    unit: str = ""
    """Beside the figure in words; of a ratio, what it is a ratio to."""

    @property
    def what(self) -> str:
        """The figure in words."""
        return f"{self.table}: {', '.join(filter(None, (self.column, self.row)))}"


def _event(kind: str, column: str, writes: int) -> dict[str, Target]:
    return {
        f"event.{kind}.{what}": Target(Table.EVENT, row, most, column, unit)
        for what, row, most, unit in (
            ("arm", "requests to ARM", 1, ""),
            ("reads", "reads of storage", 1, ""),
            ("writes", "transactions", writes, ""),
            ("cpu", "CPU", 2, "× floor"),
        )
    }


def _sweep(kind: str, table: Table) -> dict[str, Target]:
    return {
        f"sweep.{kind}.{size}.{what}": Target(table, row, most, f"{size:,} VMs", unit)
        for size in SIZES
        for what, row, most, unit in (
            ("arm", "requests to ARM", 1, "× pages"),
            ("storage", "requests to storage", None, "a VM"),
            ("cpu", "CPU", 2, "× floor"),
            ("memory", "peak memory", None, "MB"),
        )
    }


def _burst(size: int) -> dict[str, Target]:
    return {
        f"burst.{size}.{what}": Target(Table.BURST, row, most, f"{size:,} VMs", unit)
        for what, row, most, unit in (
            ("throttled", "429 from ARM", 0, ""),
            ("arm", "requests to ARM", 0.1, "× events"),
            ("wrong", "VMs wrong after 2 minutes", 0, ""),
        )
    }


def _imports(group: str, row: str) -> dict[str, Target]:
    return {
        f"imports.{group}.ms": Target(Table.IMPORTS, row, column="ms"),
        f"imports.{group}.share": Target(Table.IMPORTS, row, column="% of all"),
    }


TARGETS: Mapping[str, Target] = {
    **_event("same", "nothing new", 0),
    **_event("changed", "a change", 1),
    "event.changed.wall": Target(Table.EVENT, "time until it is on record", 2, "a change", "× floor"),
    **_sweep("first", Table.FIRST_SWEEP),
    **_sweep("same", Table.SAME_SWEEP),
    "sweep.growth": Target(Table.SAME_SWEEP, "CPU a VM", 1.5, "50,000 VMs", "× of 1,000"),
    **_sweep("some", Table.SOME_SWEEP),
    **{key: target for size in BURSTS for key, target in _burst(size).items()},
    "cold.cpu": Target(Table.COLD, "CPU", 2, unit="× empty app"),
    "cold.wall": Target(Table.COLD, "time", 2, unit="× empty app"),
    "cold.resident": Target(Table.COLD, "resident memory", 2, unit="× empty app"),
    "cold.asking.cpu": Target(Table.COLD, "an app that asks once: CPU", unit="× empty app"),
    "cold.asking.resident": Target(Table.COLD, "an app that asks once: memory", unit="× empty app"),
    "cold.token.cpu": Target(Table.COLD, "the first token adds: CPU", unit="s"),
    "cold.token.wall": Target(Table.COLD, "the first token adds: time", unit="s"),
    "cold.token.resident": Target(Table.COLD, "the first token adds: memory", unit="MB"),
    **_imports("both", "what the empty app imports too"),
    **_imports("tls", "aiohttp.connector: two TLS contexts"),
    **_imports("aiohttp", "aiohttp otherwise, and what it needs"),
    **_imports("azure", "azure.core, and what it needs"),
    **_imports("others", "other packages"),
    **_imports("own", "Stopgap, and what it needs of Python's"),
    "detection.power_off": Target(Table.DETECTION, "power-off event to record", 2, unit="× floor"),
    "detection.shutdown": Target(Table.DETECTION, "annotation of a shutdown to record", 2, unit="× floor"),
    "detection.arm": Target(Table.DETECTION, "requests to ARM for either", 1),
    "detection.flag": Target(Table.DETECTION, "end of grace to flag, at most", 5, unit="s"),
    "detection.silent": Target(
        Table.DETECTION, "no event: next sweep, and grace, to flag, at most", 5, unit="s"
    ),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """The two measurements that a ratio is made of."""

    what: str
    """Both, and their unit: `ms, app : floor`."""
    ours: float
    floor: float


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of a target."""

    key: str
    value: float
    compared: Compared | None = None

    @property
    def target(self) -> Target:
        """The promise."""
        return TARGETS[self.key]

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.target.most is None or self.value <= self.target.most
