"""What a process has used."""

import gc
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Used:
    """What a stretch of work used, once it has ended."""

    cpu: float = 0.0
    """Seconds of this process, all threads together."""
    wall: float = 0.0
    """Seconds."""


@contextmanager
def metered(*, tidy: bool = True) -> Iterator[Used]:
    """Meter what is done meanwhile; garbage of what was done before is collected first, unless that would disturb."""
    if tidy:
        gc.collect()
    used = Used()
    cpu, wall = time.process_time(), time.perf_counter()
    yield used
    used.cpu, used.wall = time.process_time() - cpu, time.perf_counter() - wall


def resident() -> float:
    """Megabytes of memory in use now; where the system does not tell, the most there were."""
    return _told("VmRSS") or peak()


def peak() -> float:
    """Megabytes of memory at most so far.

    Of `getrusage` only where there is nothing better: on Linux it counts what the parent had when it forked.
    """
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return _told("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _told(name: str) -> float:
    status = Path("/proc/self/status")
    lines = status.read_text("ascii").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)
