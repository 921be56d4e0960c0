"""Timer triggers: NCRONTAB expressions (in UTC) and TimeSpan intervals."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime

from croniter import croniter

from local.host import protos
from local.host.settings import time_span
from local.host.waiting import stops_within
from local.host.worker import Function, InvocationFailed, Worker
from local.parts import CannotStart

# A suspended laptop stops the loop's clock, not the wall's: look at the wall's this often (seconds).
_LONGEST_SLEEP = 30.0

type Schedule = Callable[[datetime], datetime]
"""The first time due after the given one."""


class Timer:
    """One timer function. Runs never overlap; a time that passes during a run is skipped."""

    def __init__(self, function: Function, worker: Worker) -> None:
        self._function = function
        self._worker = worker
        self._schedule = parse_schedule(function.trigger["schedule"], function.name)

    async def run(self, stop: asyncio.Event) -> None:
        """Call the function at each time due, until ``stop``."""
        last: datetime | None = None
        if self._function.trigger.get("runOnStartup"):
            last = datetime.now(UTC)
            await self._call(last, None)
        due = datetime.now(UTC)
        while True:
            due = self._schedule(max(due, datetime.now(UTC)))
            while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
                if await stops_within(stop, min(left, _LONGEST_SLEEP)):
                    return
            if stop.is_set():
                return
            await self._call(due, last)
            last = due

    async def _call(self, due: datetime, last: datetime | None) -> None:
        status = {
            "Last": (last or datetime.min.replace(tzinfo=UTC)).isoformat(),
            "Next": self._schedule(due).isoformat(),
            "LastUpdated": due.isoformat(),
        }
        timer = {"IsPastDue": False, "ScheduleStatus": status, "Schedule": {"AdjustForDST": True}}
        with contextlib.suppress(InvocationFailed):  # the worker logs it; the next time due is the next try
            await self._worker.invoke(self._function, protos.TypedData(json=json.dumps(timer)), {})


def parse_schedule(text: str, function: str) -> Schedule:
    """From ``{second} {minute} {hour} {day} {month} {day of week}`` or ``hh:mm:ss``.

    Raises:
        CannotStart: it is neither; ``function`` is named.
    """
    if interval := time_span(text):
        return lambda after: after + interval
    # Five fields, without seconds, are allowed too. croniter's own extras (@daily, seven fields) are not.
    fields = text.split()
    if len(fields) in {5, 6} and croniter.is_valid(text, second_at_beginning=True):

        def next_due(after: datetime) -> datetime:
            # In NCRONTAB a day of month and a day of week must both match.
            due: datetime = croniter(text, after, second_at_beginning=True, day_or=False).get_next(datetime)
            return due

        return next_due
    raise CannotStart(
        f"function {function}: schedule {text!r} is not understood: expected six fields"
        " 'second minute hour day month weekday' (every 15 minutes: '0 */15 * * * *'), or hh:mm:ss"
    )
