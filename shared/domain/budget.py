"""How much may be asked of ARM, and what to do instead when that is spent. Pure; `shared.budgets` keeps the state.

ARM lets a principal read 250 times at once from a subscription, and 25 times a second in the long run
(learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling). Looks at single VMs are
given two fifths of that: when more VMs change at once, two lists show them all, and cost the same however many they
are. As long as more is asked than there is, all of it is left to them.
"""

from copy import replace
from datetime import datetime, timedelta

from msgspec import Struct

LOOKS = 100
"""How many single looks at a subscription's VMs may be had at once."""

LOOKS_A_SECOND = 10.0
"""How many come back every second."""

RESERVE = 50
"""How many of ARM's reads are left to sweeps and deallocations."""

COLLECT = timedelta(seconds=10)
"""How long a sweep that is asked for waits for further events, which it then covers as well."""

SPACING = timedelta(seconds=30)
"""Least time between two sweeps of a subscription that events ask for."""

PAGES_A_SECOND = 1.5
"""How many pages of lists such sweeps ask for in the long run: of a large fleet, they are further apart."""

LAPS = 1.5
"""How many times as long as the latest sweep took it is to the next: one is over before another begins."""

LONGEST_BLOCK = timedelta(hours=1)
"""Azure is asked again after this, for how long soever it wants to be left alone."""


class Budget(Struct, frozen=True):
    """What is left for single looks at the VMs of one subscription, as one instance of the app knows it."""

    tokens: float
    """Less than none: so many were asked for in vain."""
    at: datetime
    """When there were so many."""
    remaining: int | None = None
    """Reads left by ARM's own word, which counts for all instances; None: it has not said yet."""
    blocked_until: datetime | None = None
    """Until when Azure asked to be left alone."""


def full(now: datetime) -> Budget:
    """As it is when nothing was asked yet."""
    return Budget(LOOKS, now)


def drawn(budget: Budget, now: datetime) -> tuple[Budget, bool]:
    """Draw one look; whether there was one. By a clock that goes back a little nothing is gained or lost.

    What is drawn in vain counts as well: while events come faster than looks come back, a sweep sees to all of them,
    rather than to some while others are looked at.
    """
    if budget.at > now + LONGEST_BLOCK or (budget.blocked_until or now) > now + LONGEST_BLOCK:
        # By a clock that was far ahead: until it is that time, nothing would come back.
        budget = replace(budget, at=min(budget.at, now), blocked_until=None)
    elapsed = max((now - budget.at).total_seconds(), 0.0)
    tokens = min(budget.tokens + elapsed * LOOKS_A_SECOND, float(LOOKS))
    budget = replace(budget, tokens=tokens, at=max(now, budget.at))
    blocked = budget.blocked_until is not None and now < budget.blocked_until
    scarce = budget.remaining is not None and budget.remaining < RESERVE
    left = replace(budget, tokens=max(tokens - 1, -float(LOOKS)))
    if blocked or tokens < 1:
        return left, False
    if scarce:
        # What ARM last said grows old: its bucket fills by more in a second than single looks use.
        return replace(left, remaining=None, tokens=0.0), False
    return left, True


def told(budget: Budget, remaining: int) -> Budget:
    """With what ARM says is left."""
    return replace(budget, remaining=remaining)


def blocked(budget: Budget, now: datetime, retry_after: timedelta | None) -> Budget:
    """With Azure's wish to be left alone."""
    until = now + min(retry_after or SPACING, LONGEST_BLOCK)
    return replace(budget, blocked_until=max(until, budget.blocked_until or until))


def spacing(pages: int, took: timedelta) -> timedelta:
    """Time between two sweeps that events ask for, by what the latest came to.

    Args:
        pages: How many pages its lists had.
        took: How long it was under way.
    """
    return min(max(SPACING, timedelta(seconds=pages / PAGES_A_SECOND), took * LAPS), LONGEST_BLOCK)


def next_sweep(planned_at: datetime | None, now: datetime, apart: timedelta) -> datetime:
    """When the next sweep that events ask for is due.

    Args:
        planned_at: When the latest one was; None: there was none.
        now: The time. Whoever asks before a sweep is due is covered by it.
        apart: Time between two, see `spacing`.
    """
    # One that is further away was planned by a clock that was ahead.
    if planned_at and now < planned_at <= now + LONGEST_BLOCK:
        return planned_at
    earliest = planned_at + apart if planned_at and planned_at <= now else now
    return max(now + COLLECT, earliest)
