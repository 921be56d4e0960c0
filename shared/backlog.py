"""What is due and not done: messages that wait, messages that were given up, subscriptions that are not swept.

Nobody waits for it, and nothing is done about it: it is measured, and told in the log, for those who run the app.
"""

import json
import logging
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from shared import metrics
from shared.domain.observations import CLOCKS_DIFFER
from shared.domain.schedule import last_but_one
from shared.ports import Attempt, Coverage, Look, Queue, Sweep
from shared.watch import Watch

log = logging.getLogger("stopgap.backlog")

NAMED = 10
"""Of how many subscriptions the log tells: those whose latest complete sweep is longest ago."""


class Backlog(Struct, eq=False):
    """Measures what is due and not done, all queues and subscriptions together."""

    watch: Watch
    schedule: str
    """When sweeps are asked for, in NCRONTAB."""

    @property
    def queues(self) -> Mapping[str, Queue[Look] | Queue[Attempt] | Queue[Sweep]]:
        """The queues that functions are triggered by, by their names."""
        return {
            "looks": self.watch.looks,
            "deallocations": self.watch.deallocations,
            "sweeps": self.watch.sweeps,
        }

    async def measure(self) -> None:
        """Measure it, at two requests a queue and one of the ledger. Port errors propagate."""
        queues = {name: await self._queue(name, queue) for name, queue in self.queues.items()}
        swept = await self.watch.ledger.coverage(sorted(self.watch.subscriptions))
        now, ages = self.watch.now(), dict[str, float | None]()
        due_at, late = last_but_one(self.schedule, now), 0
        for subscription in sorted(self.watch.subscriptions):
            coverage = swept.get(subscription)
            late += is_late(coverage, due_at, now)
            age = _age(coverage.covered_at, now) if coverage and coverage.covered_at else None
            ages[subscription] = age
            if age is not None:
                metrics.SWEEP_AGE.add(age)
        metrics.SWEEP_LATE.add(late)
        longest_ago = sorted(ages.items(), key=_longest_first)[:NAMED]
        log.info("backlog %s", json.dumps({"queues": queues, "late": late, "sweeps": dict(longest_ago)}))

    async def _queue(self, name: str, queue: Queue[Look] | Queue[Attempt] | Queue[Sweep]) -> dict[str, float]:
        oldest, poisoned = await queue.oldest(), await queue.poisoned()
        age = _age(oldest, self.watch.now()) if oldest else 0.0
        metrics.QUEUE_AGE.add(age, queue=name)
        metrics.QUEUE_POISONED.add(poisoned, queue=name)
        return {"age": age, "poisoned": poisoned}


def is_late(swept: Coverage | None, due_at: datetime | None, now: datetime) -> bool:
    """Whether a subscription has had no complete sweep since a time; one that was never swept has had none.

    Args:
        swept: What its latest sweep came to.
        due_at: Since when one is wanted; None: that cannot be told, and any will do.
        now: The time. A sweep that is still to come is one by a clock that was ahead, and tells nothing.
    """
    if swept is None or swept.covered_at is None or swept.covered_at > now + CLOCKS_DIFFER:
        return True
    return due_at is not None and swept.covered_at < due_at


def _age(since: datetime, now: datetime) -> float:
    """Seconds since then; clocks differ."""
    return max((now - since).total_seconds(), 0.0)


def _longest_first(told: tuple[str, float | None]) -> tuple[bool, float]:
    """In which order subscriptions are told of: first those that were never covered."""
    _, age = told
    return age is not None, -(age or 0.0)
