"""What one run has measured, where and when, as JSON for machines."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from benchmarks.targets import TARGETS, Compared, Figure


class NoReport(ValueError):
    """What is no report of `make bench`, or not a whole one; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    measured_at: datetime
    """When it began."""
    machine: str
    """In words: architecture, cores, processor, system."""
    python: str
    """Its version."""
    load: float
    """How many processes wanted to run in the minute before, which ought to be none."""
    figures: Sequence[Figure]

    @classmethod
    def here(cls, began_at: datetime, load: float, figures: Sequence[Figure]) -> Self:
        """Of what was measured on this machine."""
        return cls(began_at.astimezone(UTC), machine(), platform.python_version(), load, figures)

    @classmethod
    def read(cls, path: Path) -> Self:
        """As it was written. Raises `NoReport`, or OSError."""
        try:
            told = json.loads(path.read_text("utf-8"))
            return cls(
                datetime.fromisoformat(told["measured_at"]),
                told["machine"],
                told["python"],
                told["load"],
                tuple(_figure(row) for row in told["figures"]),
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise NoReport(f"{path}: expected a report of `make bench`: {fault!r}") from None

    @property
    def missing(self) -> Sequence[str]:
        """The keys of what was not measured, as only one chapter was."""
        return sorted(TARGETS.keys() - {figure.key for figure in self.figures})

    @property
    def missed(self) -> Sequence[Figure]:
        """What is not as promised."""
        return [figure for figure in self.figures if not figure.met]

    def write(self, path: Path) -> None:
        """One figure a line, so that two reports can be compared."""
        head = {
            "measured_at": self.measured_at.isoformat(timespec="seconds"),
            "machine": self.machine,
            "python": self.python,
            "load": self.load,
        }
        lines = [f'  "{name}": {json.dumps(value, ensure_ascii=False)},' for name, value in head.items()]
        rows = ",\n".join(f"    {json.dumps(_row(figure), ensure_ascii=False)}" for figure in self.figures)
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["{", *lines, f'  "figures": [\n{rows}\n  ]', "}"]) + "\n", "utf-8")


def machine() -> str:
    """This one, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = [platform.machine(), f"{cores} cores", _processor(), platform.system()]
    return ", ".join(filter(None, told))


def load() -> float:
    """How many processes wanted to run in the last minute."""
    return round(os.getloadavg()[0], 1)


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text("utf-8").splitlines() if told.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _row(figure: Figure) -> dict[str, Any]:
    target = figure.target
    return {
        "key": figure.key,
        "what": target.what,
        "value": float(f"{figure.value:.6g}"),
        "unit": target.unit,
        "most": target.most,
        "met": figure.met,
        "compared": asdict(figure.compared) if figure.compared else None,
    }


def _figure(row: Mapping[str, Any]) -> Figure:
    if row["key"] not in TARGETS:
        raise ValueError(f"{row['key']} is no figure of this version")
    compared = row["compared"]
    return Figure(row["key"], row["value"], Compared(**compared) if compared else None)
