"""The cap: how many deallocations may be sent within an hour."""

from collections.abc import Sequence
from datetime import datetime, timedelta

WINDOW = timedelta(hours=1)


def drawn_by(
    drawn: Sequence[datetime], now: datetime, most: int
) -> tuple[tuple[datetime, ...], datetime | None]:
    """Draw one, if fewer than `most` were drawn within the hour before.

    Args:
        drawn: When those before were, in any order. Times to come, by a clock that went back, count as well.
        now: The time.
        most: How many an hour.

    Returns:
        Those that still count, with this one if it was drawn; and None if it was, else when one is free again.
    """
    recent = sorted(at for at in drawn if at > now - WINDOW)
    if len(recent) < most:
        return (*recent, now), None
    return tuple(recent), (recent[-most] if most else now) + WINDOW
