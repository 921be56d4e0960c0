"""Schedules in NCRONTAB: second, minute, hour, day, month and weekday, in UTC. Pure.

Each is `*`, numbers, ranges (`8-18`), steps (`*/15`) or lists of those; months and weekdays have names as well. A day
has to match in all three of its fields.
"""

from calendar import day_abbr, month_abbr
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from shared.domain.malformed import Malformed, shown

LONGEST_GAP = 8 * 366
"""Days within which any schedule is due once: 29 February can be eight years away from the next."""

_MONTHS = {name.lower(): number for number, name in enumerate(month_abbr) if name}
_WEEKDAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(day_abbr)}
_FIELDS: Sequence[tuple[str, range, Mapping[str, int]]] = (
    ("second", range(60), {}),
    ("minute", range(60), {}),
    ("hour", range(24), {}),
    ("day", range(1, 32), {}),
    ("month", range(1, 13), _MONTHS),
    ("weekday", range(7), _WEEKDAYS),
)
"""Name, values and words of each field; weekdays begin with Sunday."""


class Schedule(Struct, frozen=True):
    """When something is due: the values of each field, ascending."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def latest(self, at: datetime) -> datetime | None:
        """The last time that it was due, `at` included; None: it never is (30 February)."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        for back in range(LONGEST_GAP):
            day = midnight - timedelta(days=back)
            if day.day in self.days and day.month in self.months and (day.weekday() + 1) % 7 in self.weekdays:
                most = (at.hour, at.minute, at.second) if back == 0 else (24, 0, 0)
                if time := self._latest_time(most):
                    hour, minute, second = time
                    return day.replace(hour=hour, minute=minute, second=second)
        return None

    def _latest_time(self, most: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """The last time of a day, hour, minute and second, that is not after another."""
        for hour in reversed(self.hours):
            if hour > most[0]:
                continue
            for minute in reversed(self.minutes):
                if (hour, minute) > most[:2]:
                    continue
                for second in reversed(self.seconds):
                    if (hour, minute, second) <= most:
                        return hour, minute, second
        return None


def last_but_one(text: str, now: datetime) -> datetime | None:
    """When a schedule was last due but once; None when that cannot be told: it is none, or is never due."""
    try:
        due = parse_schedule(text)
    except Malformed:
        return None
    last = due.latest(now)
    return due.latest(last - timedelta(seconds=1)) if last else None


def parse_schedule(text: str) -> Schedule:
    """Read six fields; `Malformed` names the one that cannot be read."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise Malformed(
            f"expected six fields, second minute hour day month weekday, such as '0 */15 * * * *', got {shown(text)}"
        )
    return Schedule(*(_values(field, *about) for field, about in zip(fields, _FIELDS, strict=True)))


def _values(field: str, name: str, allowed: range, words: Mapping[str, int]) -> tuple[int, ...]:
    found = set[int]()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        try:
            if span == "*":
                low, high = allowed[0], allowed[-1]
            else:
                low = _value(first, words)
                high = _value(last, words) if dash else allowed[-1] if slash else low
            every = int(step) if slash else 1
        except ValueError:
            low, high, every = 1, 0, 0
        if not (low <= high and low in allowed and high in allowed and every > 0):
            raise Malformed(
                f"{name}: expected `*`, numbers from {allowed[0]} to {allowed[-1]}, ranges or steps, got {shown(field)}"
            )
        found |= set(range(low, high + 1, every))
    return tuple(sorted(found))


def _value(text: str, words: Mapping[str, int]) -> int:
    found = words.get(text[:3].lower())
    if found is not None and text.isalpha():
        return found
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)
