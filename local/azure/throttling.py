"""How many requests may be made: ARM's token buckets, and those of the compute resource provider.

Sources: request limits and throttling (ARM, since 2024); Compute throttling limits (27 May 2024). Azure counts per
principal and per region; here there is one of each. The table of Compute does not name the list of a scale set's
instances: it is counted among the other lists of scale sets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from local.azure import errors
from local.azure.errors import ArmError
from local.azure.model import azure_time


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket: its size, and what flows back into it."""

    size: int
    refill: int
    """Requests that flow back in a `window`."""
    window: timedelta = timedelta(seconds=1)
    at_once: bool = False
    """Whether they come back all at once, when the window is over."""


def _a_minute(refill: int, size: int) -> Limit:
    """A limit of Compute: each bucket is replenished every minute."""
    return Limit(size, refill, timedelta(minutes=1), at_once=True)


LIMITS: Mapping[str, Limit] = {"reads": Limit(250, 25), "writes": Limit(200, 10), "deletes": Limit(200, 10)}
"""ARM's, for each subscription."""
_KINDS: Mapping[str, str] = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}


@dataclass(frozen=True, slots=True)
class Policy:
    """A row of Compute's table."""

    name: str
    """How its buckets are named, before `Resource` and `SubscriptionMaximum`. No document tells; that they end so is
    what users report."""
    subscription: Limit
    resource: Limit | None = None
    """For each VM, instance or scale set that is named; None: only the subscription counts."""


_VM, _ONE = _a_minute(500, 1500), _a_minute(4, 12)
_PUT = Policy("PutVM", _VM, _ONE)
_UPDATE = Policy("UpdateVM", _VM, _ONE)
_DELETE = Policy("DeleteVM", _VM, _ONE)
_GET = Policy("LowCostGet", _a_minute(8000, 24_000), _a_minute(12, 36))
_LIST = Policy("HighCostGet", _a_minute(300, 900))
_POLL = Policy("GetOperation", _a_minute(5000, 15_000), _a_minute(15, 45))
_SET_UPDATE = Policy("UpdateVMScaleSet", _a_minute(500, 1500))
_SET_POWER_OFF = Policy("DeleteVMScaleSet", _a_minute(175, 525))
_SET_DELETE = Policy("DeleteVMScaleSet", _a_minute(175, 525), _ONE)
_SET_LIST = Policy("HighCostGetVMScaleSet", _a_minute(360, 1080))
_INSTANCE_UPDATE = Policy("UpdateVMScaleSetVM", _VM, _ONE)
_INSTANCE_DELETE = Policy("DeleteVMScaleSetVM", _VM, _ONE)
_INSTANCE_GET = Policy("GetVMScaleSetVM", _a_minute(2000, 6000), _a_minute(12, 36))

POLICIES: Mapping[str, Policy] = {
    "put": _PUT,
    **dict.fromkeys(("patch", "start", "powerOff", "restart", "redeploy", "reapply", "reimage"), _UPDATE),
    **dict.fromkeys(("delete", "deallocate"), _DELETE),
    **dict.fromkeys(("get", "instanceView"), _GET),
    **dict.fromkeys(("list", "listAll", "listStatus"), _LIST),
    "operation": _POLL,
    **dict.fromkeys(
        (f"scaleSet.{word}" for word in ("start", "restart", "redeploy", "reimage")), _SET_UPDATE
    ),
    "scaleSet.powerOff": _SET_POWER_OFF,
    "scaleSet.deallocate": _SET_DELETE,
    **dict.fromkeys((f"scaleSet.{word}" for word in ("list", "listAll", "listInGroup")), _SET_LIST),
    **dict.fromkeys(
        (f"instance.{word}" for word in ("start", "restart", "redeploy", "reimage")), _INSTANCE_UPDATE
    ),
    **dict.fromkeys((f"instance.{word}" for word in ("delete", "powerOff", "deallocate")), _INSTANCE_DELETE),
    **dict.fromkeys(("instance.get", "instance.instanceView"), _INSTANCE_GET),
}
"""Compute's policies, by the operation's name in the request log."""


def kind_of(method: str) -> str:
    """Which of ARM's buckets a request draws on: `reads`, `writes` or `deletes`."""
    return _KINDS.get(method, "writes")


@dataclass(slots=True)
class _Bucket:
    limit: Limit
    at: datetime
    """When it was last refilled."""
    tokens: float
    refused: int = 0
    """How many requests it has refused since the last that it let through."""

    def refill(self, now: datetime) -> None:
        """Let flow back what has come due. A clock that was set back brings nothing, and takes nothing."""
        limit, self.at = self.limit, min(self.at, now)
        windows = (now - self.at) / limit.window
        if limit.at_once:
            windows = int(windows)
        self.at += windows * limit.window
        self.tokens = min(limit.size, self.tokens + windows * limit.refill)

    def seconds_until_next(self, now: datetime) -> int:
        """Whole seconds (at least 1) until it holds a token again."""
        limit = self.limit
        wait = limit.window if limit.at_once else (1 - self.tokens) / limit.refill * limit.window
        return max(1, ceil((self.at + wait - now).total_seconds()))


@dataclass(slots=True)
class TokenBuckets:
    """ARM's: one per subscription and kind, full at first."""

    buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def draw(self, subscription: str, kind: str, now: datetime) -> int | None:
        """Take one token; the whole tokens left after it, or None if there was none to take."""
        bucket = _found(self.buckets, (subscription.lower(), kind), LIMITS[kind], now)
        if bucket.tokens < 1:
            return None
        bucket.tokens -= 1
        return int(bucket.tokens)

    def seconds_until_next(self, subscription: str, kind: str, now: datetime) -> int:
        """Whole seconds (at least 1) until the bucket holds a token again."""
        return self.buckets[subscription.lower(), kind].seconds_until_next(now)


@dataclass(slots=True)
class ComputeBuckets:
    """Compute's: one per policy and subscription, and one per policy and resource, full at first."""

    buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def draw(
        self, policy: Policy, subscription: str, resource: str, now: datetime
    ) -> tuple[dict[str, int], ArmError | None]:
        """Take a token of each bucket of a policy, or none if one of them is empty.

        Returns:
            The whole tokens that are left, by the bucket's name, and the refusal (429) if none was taken.
        """
        found = dict(self._of(policy, subscription.lower(), resource.lower(), now))
        empty = next((name for name, bucket in found.items() if bucket.tokens < 1), None)
        if empty is None:
            for bucket in found.values():
                bucket.tokens -= 1
                bucket.refused = 0
        left = {name: int(bucket.tokens) for name, bucket in found.items()}
        return left, None if empty is None else _too_many(empty, found[empty], left, now)

    def _of(
        self, policy: Policy, subscription: str, resource: str, now: datetime
    ) -> Iterable[tuple[str, _Bucket]]:
        name = f"{policy.name}SubscriptionMaximum"
        yield name, _found(self.buckets, (name, subscription), policy.subscription, now)
        if policy.resource is not None:
            name = f"{policy.name}Resource"
            yield name, _found(self.buckets, (name, resource), policy.resource, now)


def remaining(left: Mapping[str, int]) -> str:
    """What `x-ms-ratelimit-remaining-resource` says of Compute's buckets."""
    return ",".join(f"Microsoft.Compute/{name};{count}" for name, count in left.items())


def _found(
    buckets: dict[tuple[str, str], _Bucket], key: tuple[str, str], limit: Limit, now: datetime
) -> _Bucket:
    """The bucket of that key, with what has come due in it; a full one where there is none yet."""
    bucket = buckets.get(key)
    if bucket is None:
        bucket = buckets[key] = _Bucket(limit, now, limit.size)
    bucket.refill(now)
    return bucket


def _too_many(name: str, bucket: _Bucket, left: Mapping[str, int], now: datetime) -> ArmError:
    bucket.refused += 1
    measured = {
        "operationGroup": name,
        "startTime": azure_time(bucket.at, "+00:00"),
        "endTime": azure_time(bucket.at + bucket.limit.window, "+00:00"),
        "allowedRequestCount": bucket.limit.size,
        "measuredRequestCount": bucket.limit.size + bucket.refused,
    }
    return errors.compute_throttled(name, measured, left, bucket.seconds_until_next(now))
