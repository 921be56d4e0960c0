"""Event Grid's delivery: at least once, in no particular order, retried on a schedule, then dead-lettered.

Source: Event Grid message delivery and retry. Not simulated: probation of endpoints that keep failing, the five
minutes that a dead letter lags, batching.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from local.azure.event_subscriptions import EventSubscription
from local.azure.events import Event
from local.azure.handshake import validate
from local.azure.model import azure_time

RETRY_AFTER_SECONDS = (10, 30, 60, 300, 600, 1800, 3600, 10800, 21600)
LATER_RETRIES_SECONDS = 43200
TIME_TO_LIVE_SECONDS = 86400
DELIVERED = frozenset({200, 201, 202, 203, 204})
NEVER_RETRIED = frozenset({400, 401, 403, 413})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How delivery behaves. Shares are between 0 and 1; the defaults deliver promptly, once each."""

    seed: int = 0
    duplicates: float = 0.0
    """Share of the events that are delivered twice."""
    disorder: float = 0.0
    """Share of the events that are held back, so that later ones overtake them."""
    held_back_seconds: float = 1.0
    """The longest that such an event is held back."""
    delay_seconds: float = 0.0
    """The longest that any delivery is delayed."""
    losses: float = 0.0
    """Share of the events that are never delivered. Event Grid promises 0."""
    retry_factor: float = 1.0
    """What the retry schedule is multiplied with: 0.001 makes the first retry come after 10 ms."""
    response_seconds: float = 30.0
    """How long an endpoint may take to answer."""
    max_attempts: int = 30


@dataclass(slots=True)
class EventDelivery:
    """Delivers what is published to whoever has subscribed, between `open` and `close`."""

    settings: DeliverySettings
    clock: Callable[[], datetime]
    subscriptions: dict[str, EventSubscription] = field(default_factory=dict)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    chance: random.Random = field(init=False)
    _session: aiohttp.ClientSession | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.settings.seed)  # noqa: S311 - a simulation, repeatable by its seed

    async def open(self) -> None:
        """Be able to deliver."""
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Deliver no more."""
        await self.reset()
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections to the endpoints. Raises RuntimeError while not open."""
        if self._session is None:
            raise RuntimeError("the simulated Azure has not been started: use it as an async context manager")
        return self._session

    async def subscribe(self, subscription: EventSubscription) -> None:
        """Add a subscription, or replace the one of that name. Raises HandshakeError."""
        await validate(self.session, subscription.endpoint, subscription.schema)
        self.subscriptions[subscription.name] = subscription

    def publish(self, event: Event) -> None:
        """Send an event on its way to every subscription that wants it."""
        for subscription in self.subscriptions.values():
            if not subscription.wants(event) or self.chance.random() < self.settings.losses:
                continue
            self._send(subscription, event)
            if self.chance.random() < self.settings.duplicates:
                self._send(subscription, event)

    async def settle(self) -> None:
        """Wait until every event is delivered or dead-lettered."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def reset(self) -> None:
        """Forget the subscriptions and dead letters; events still on their way are lost."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.subscriptions.clear()
        self.dead_letters.clear()

    def _send(self, subscription: EventSubscription, event: Event) -> None:
        delay = self.chance.random() * self.settings.delay_seconds
        if self.chance.random() < self.settings.disorder:
            delay += self.chance.random() * self.settings.held_back_seconds
        task = asyncio.create_task(self._deliver(subscription, event, delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, subscription: EventSubscription, event: Event, delay: float) -> None:
        published_at = self.clock()
        began = time.monotonic()
        wait, attempt = delay, 0
        while True:
            await asyncio.sleep(wait)
            attempt += 1
            attempted_at = self.clock()
            outcome = await self._attempt(subscription, event, attempt)
            if outcome in DELIVERED:
                return
            wait = _retry_after(attempt) * self.settings.retry_factor
            reason = self._reason_to_give_up(outcome, attempt, time.monotonic() - began + wait)
            if reason is not None and not subscription.dead_letters:
                return
            if reason is not None:
                details = {
                    "deadLetterReason": reason,
                    "deliveryAttempts": attempt,
                    "lastDeliveryOutcome": _outcome_name(outcome),
                    "publishTime": azure_time(published_at),
                    "lastDeliveryAttemptTime": azure_time(attempted_at),
                }
                self.dead_letters.append(_dead_letter(subscription, event, details))
                return

    async def _attempt(self, subscription: EventSubscription, event: Event, attempt: int) -> int | str:
        """One attempt: the status answered, or the name of what went wrong."""
        body, content_type = _payload(subscription, event)
        headers = {
            "Content-Type": content_type,
            "aeg-event-type": "Notification",
            "aeg-subscription-name": subscription.name.upper(),
            "aeg-delivery-count": str(attempt - 1),
        }
        # Not the total: that would count the wait for a free connection, which is ours, as the endpoint's.
        limit = aiohttp.ClientTimeout(total=None, sock_read=self.settings.response_seconds)
        try:
            async with self.session.post(
                subscription.endpoint, data=body, headers=headers, timeout=limit
            ) as response:
                await response.read()
                return response.status
        except TimeoutError:
            return "TimedOut"
        except aiohttp.ClientError as error:
            return type(error).__name__

    def _reason_to_give_up(self, outcome: int | str, attempt: int, age_at_next: float) -> str | None:
        if outcome in NEVER_RETRIED:
            return f"UndeliverableDueToHttp{_outcome_name(outcome)}"
        if attempt >= self.settings.max_attempts:
            return "MaxDeliveryAttemptsExceeded"
        if age_at_next > TIME_TO_LIVE_SECONDS * self.settings.retry_factor:
            return "TimeToLiveExceeded"
        return None


def _retry_after(attempt: int) -> float:
    """Seconds to wait after an attempt, counted from 1."""
    return RETRY_AFTER_SECONDS[attempt - 1] if attempt <= len(RETRY_AFTER_SECONDS) else LATER_RETRIES_SECONDS


def _payload(subscription: EventSubscription, event: Event) -> tuple[bytes, str]:
    """Body and content type: an array of one in the Event Grid schema, a bare object as a CloudEvent."""
    if subscription.schema == "CloudEventSchemaV1_0":
        return json.dumps(event.as_cloud_event()).encode(), "application/cloudevents+json; charset=utf-8"
    return json.dumps([event.as_event_grid()]).encode(), "application/json; charset=utf-8"


def _dead_letter(subscription: EventSubscription, event: Event, details: dict[str, Any]) -> dict[str, Any]:
    """The event with the reason beside it; in a CloudEvent the added names are lower-case."""
    if subscription.schema == "CloudEventSchemaV1_0":
        return {**event.as_cloud_event(), **{name.lower(): value for name, value in details.items()}}
    return {**event.as_event_grid(), **details}


def _outcome_name(outcome: int | str) -> str:
    """`NotFound` for 404, and so on."""
    if isinstance(outcome, str):
        return outcome
    try:
        return HTTPStatus(outcome).phrase.replace(" ", "")
    except ValueError:
        return f"Http{outcome}"
