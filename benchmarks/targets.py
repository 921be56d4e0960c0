"""What is promised: each figure that `make bench` shows, and what it must not exceed."""

from collections.abc import Mapping
from dataclasses import dataclass

SIZES = (1_000, 10_000, 50_000)
"""Of the fleets that are swept."""

BURSTS = (1_000, 10_000)
"""Of the fleets that a burst comes over."""


@dataclass(frozen=True, slots=True)
class Target:
    """One promise."""

    what: str
    most: float | None
    """None: shown, and nothing is promised of it."""
    unit: str = ""


def _event(kind: str, words: str, writes: int) -> dict[str, Target]:
    return {
        f"event.{kind}.arm": Target(f"event, {words}: requests to ARM", 1),
        f"event.{kind}.reads": Target(f"event, {words}: reads of storage", 1),
        f"event.{kind}.writes": Target(f"event, {words}: transactions", writes),
        f"event.{kind}.cpu": Target(f"event, {words}: CPU", 2, "× floor"),
    }


def _sweep(kind: str, words: str) -> dict[str, Target]:
    return {
        f"sweep.{kind}.{size}.{what}": Target(f"sweep of {size:,} VMs, {words}: {meant}", most, unit)
        for size in SIZES
        for what, meant, most, unit in (
            ("arm", "requests to ARM", 1, "× pages"),
            ("storage", "requests to storage", None, "a VM"),
            ("cpu", "CPU", 2, "× floor"),
            ("memory", "peak memory", None, "MB"),
        )
    }


def _burst(size: int) -> dict[str, Target]:
    words = f"burst of 10,000 events over {size:,} VMs"
    return {
        f"burst.{size}.throttled": Target(f"{words}: 429 from ARM", 0),
        f"burst.{size}.arm": Target(f"{words}: requests to ARM", 0.1, "× events"),
        f"burst.{size}.wrong": Target(f"{words}: VMs wrong two minutes after its end", 0),
    }


TARGETS: Mapping[str, Target] = {
    **_event("same", "nothing new", 0),
    **_event("changed", "a change", 1),
    "event.changed.wall": Target(
        "event, a change: time until it is on record and a look asked for", 2, "× floor"
    ),
    **_sweep("first", "the first"),
    **_sweep("same", "nothing new"),
    **_sweep("some", "1 % changed"),
    "sweep.growth": Target("CPU a VM in a fleet of 50,000, nothing new", 1.5, "× in one of 1,000"),
    **{key: target for size in BURSTS for key, target in _burst(size).items()},
    "cold.cpu": Target("cold start, first event included: CPU", 2, "× an empty app"),
    "cold.wall": Target("cold start, first event included: time", 2, "× an empty app"),
    "cold.resident": Target("resident memory after the first event", 2, "× an empty app"),
    "detection.flag": Target("from the end of grace to the flag, at most", 5, "s"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of a target."""

    key: str
    value: float
    detail: str = ""

    @property
    def target(self) -> Target:
        """The promise."""
        return TARGETS[self.key]

    @property
    def shown(self) -> str:
        """With its unit."""
        return f"{self.value:.3g} {self.target.unit}".rstrip()

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.target.most is None or self.value <= self.target.most
