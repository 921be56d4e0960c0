"""The time in the simulated Azure: real, or simulated."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Clock:
    """Tells the time of its source until it is set; then it stands still, and tells that time until it is set again."""

    source: Callable[[], datetime]
    """Tells the time in UTC."""
    _at: datetime | None = None

    def __call__(self) -> datetime:
        """Now, in UTC."""
        return self._at or self.source()

    def set(self, at: datetime | None) -> None:
        """Let it be this time; None: the source's. ValueError for a time that does not say its zone."""
        if at is not None and at.tzinfo is None:
            raise ValueError(
                f"time is {at.isoformat()}; expected one with its zone, such as {at.isoformat()}Z"
            )
        self._at = at
