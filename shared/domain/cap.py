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
        Those to remember, with this one if it was drawn; and None if it was, else when one is free again.
    """
    times = sorted(drawn)
    if sum(at > now - WINDOW for at in times) >= most:
        return tuple(times), (times[-most] if most else now) + WINDOW
    # The latest are enough, however old: by a clock that goes back, they may count once more.
    return tuple(sorted((*times, now))[-most:]), None
