"""How a simulated Azure is to behave."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict

from local.azure.delivery import DeliverySettings

DEFAULT_SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """How this Azure behaves."""

    subscriptions: tuple[str, ...] = (DEFAULT_SUBSCRIPTION,)
    """Ids of the subscriptions that exist from the start; a VM brings its own with it."""
    operation_seconds: float | None = None
    """How long every operation takes; None for as long as each takes in real life (2 to 60 s)."""
    speed: float = 1.0
    """How many times faster than that: at 30 a minute passes in two seconds."""
    page_size: int = 100
    """How many rows a page of a list holds at most. Azure's own pages are of any size, of one list from 50 rows to 300
    (Azure/azure-rest-api-specs, issue 13843)."""
    poll_after_seconds: int = 1
    """`Retry-After` of long-running operations. At 0 an SDK uses its own polling interval."""
    enforce_limits: bool = False
    """Whether ARM answers 429 when a subscription's token bucket is empty."""
    enforce_compute_limits: bool = False
    """Whether it does when one of the buckets of the compute resource provider is."""
    slow_seconds: float = 1.0
    """How long the custom topic and the webhooks take to answer in mode `slow`."""
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    """Duplicates, disorder, delays, losses and retries of event delivery."""
    clock: Callable[[], datetime] = utc_now
    """Tells the time in UTC, until `Cloud.clock` is set."""


class CloudOptions(TypedDict, total=False):
    """The fields of `CloudSettings`, as keyword arguments."""

    subscriptions: tuple[str, ...]
    operation_seconds: float | None
    speed: float
    page_size: int
    poll_after_seconds: int
    enforce_limits: bool
    enforce_compute_limits: bool
    slow_seconds: float
    delivery: DeliverySettings
    clock: Callable[[], datetime]
