"""The use case of retention: what is older than the operator wants to keep is removed, little by little.

Records stay, and so does an episode that lasts. What one run does not get to, the next ones do.
"""

import asyncio
import logging
from collections import deque
from datetime import timedelta

from msgspec import Struct

from shared.ports import Clock, Forgotten, Ledger

log = logging.getLogger("stopgap.retention")

MOST = 2_000_000
"""How many transitions, episodes and entries one run looks at: a few minutes' work."""

TURN = 10_000
"""How many of one subscription, before it is another's turn."""

AT_ONCE = 8
"""How many subscriptions are looked through at once."""


class Retention(Struct, eq=False):
    """Retention, for all subscriptions that are watched."""

    ledger: Ledger
    subscriptions: tuple[str, ...]
    keep: timedelta
    """How long transitions, episodes after their end, and entries are kept."""
    now: Clock

    async def run(self) -> None:
        """Remove what is too old. A subscription that fails keeps no other from its turn, and is raised at the end."""
        now = self.now()
        waiting = deque(sorted(self.subscriptions))
        # Not the same ones first each day, should there be more than one run gets to.
        waiting.rotate(-now.toordinal())
        seen, removed, failures = 0, 0, list[Exception]()
        while waiting and seen < MOST:
            some = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
            works = [self.ledger.forget(each, now - self.keep, TURN) for each in some]
            for each, came in zip(some, await asyncio.gather(*works, return_exceptions=True), strict=True):
                match came:
                    case Forgotten():
                        seen, removed = seen + came.seen, removed + came.removed
                        if not came.finished:
                            waiting.append(each)
                    case Exception():
                        failures.append(came)
                    case BaseException():
                        raise came
        log.info("retention seen='%d' removed='%d' unfinished='%d'", seen, removed, len(waiting))
        if failures:
            raise ExceptionGroup(f"retention: {len(failures)} subscriptions failed", failures)
