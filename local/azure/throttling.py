"""ARM's token buckets: how many requests of a kind a subscription has left.

Source: request limits and throttling (since 2024). Azure counts per principal; here there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's size, and the requests that flow back into it every second."""

    size: int
    refill: int


LIMITS: Mapping[str, Limit] = {"reads": Limit(250, 25), "writes": Limit(200, 10), "deletes": Limit(200, 10)}
_KINDS: Mapping[str, str] = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}


def kind_of(method: str) -> str:
    """Which bucket a request draws on: `reads`, `writes` or `deletes`."""
    return _KINDS.get(method, "writes")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: datetime


@dataclass(slots=True)
class TokenBuckets:
    """One bucket per subscription and kind, full at first."""

    buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def draw(self, subscription: str, kind: str, now: datetime) -> int | None:
        """Take one token; the whole tokens left after it, or None if there was none to take."""
        limit = LIMITS[kind]
        bucket = self.buckets.setdefault((subscription.lower(), kind), _Bucket(limit.size, now))
        elapsed = (now - bucket.at).total_seconds()
        bucket.tokens = min(limit.size, bucket.tokens + elapsed * limit.refill)
        bucket.at = now
        if bucket.tokens < 1:
            return None
        bucket.tokens -= 1
        return int(bucket.tokens)

    def seconds_until_next(self, subscription: str, kind: str) -> int:
        """Whole seconds (at least 1) until the bucket holds a token again."""
        missing = 1 - self.buckets[subscription.lower(), kind].tokens
        return max(1, ceil(missing / LIMITS[kind].refill))
