"""Durations as operators write them (`90s`, `15m`, `6h`, `2d`), and as people read them."""

import re
from datetime import timedelta

from shared.domain.malformed import Malformed, shown

LONGEST = timedelta(days=3650)
"""More is a slip of the pen."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d{1,6})\s*([smhd])", re.IGNORECASE)


def parse_duration(text: str) -> timedelta:
    """`90s`, `15m`, `6h` or `2d`, more than zero and at most ten years; anything else is `Malformed`."""
    match = _DURATION.fullmatch(text.strip())
    duration = timedelta(**{_UNITS[match[2].lower()]: int(match[1])}) if match else timedelta()
    if not timedelta() < duration <= LONGEST:
        raise Malformed(f"expected a duration such as 90s, 15m, 6h or 2d, got {shown(text)}")
    return duration


def words(duration: timedelta) -> str:
    """The duration in its largest whole unit: `15m`, `36h`, `90s`."""
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
