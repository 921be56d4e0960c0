"""The door of ARM: what every request meets, whatever it asks for.

In this order: faults to order, the api-version, the subscription, the token bucket, the route's own answer. Every
request is logged, every answer to a known subscription carries the rate-limit headers.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from local.azure import errors
from local.azure.errors import ArmError
from local.azure.faults import Faults
from local.azure.inventory import Inventory
from local.azure.routing import Route
from local.azure.throttling import TokenBuckets, kind_of

DROPPED = 0
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)/?.*", re.IGNORECASE)
# The counts of the recorded response: Compute's own limits are not enforced, so they never move.
_LOW_COST = "Microsoft.Compute/LowCostGet3Min;3999,Microsoft.Compute/LowCostGet30Min;31999"
_HIGH_COST = "Microsoft.Compute/HighCostGet3Min;719,Microsoft.Compute/HighCostGet30Min;3599"
_REMAINING: Mapping[str, str] = {
    "get": _LOW_COST,
    "instanceView": _LOW_COST,
    "list": _HIGH_COST,
    "listAll": _HIGH_COST,
    "listStatus": _HIGH_COST,
}


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One ARM request that has been answered."""

    at: datetime
    operation: str
    """The route's name: get, instanceView, list, listAll, listStatus (statusOnly=true), put, patch, delete, start,
    powerOff and so on of VMs; `instance.get` and so on of instances of Uniform scale sets; `scaleSet.list` of these,
    `scaleSet.powerOff` and so on of a set as a whole; operation (polling), or unknown."""
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    """0 where the connection was dropped."""


@dataclass(slots=True, kw_only=True)
class Arm:
    """Answers everything under `/subscriptions/`."""

    inventory: Inventory
    routes: tuple[Route, ...]
    """Asked in this order."""
    clock: Callable[[], datetime]
    enforce_limits: bool
    faults: Faults = field(default_factory=Faults)
    buckets: TokenBuckets = field(default_factory=TokenBuckets)
    requests: list[LoggedRequest] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """How many requests there were of each operation."""
        return Counter(request.operation for request in self.requests)

    def reset(self) -> None:
        """Forget requests and faults, and fill the buckets."""
        self.requests.clear()
        self.faults.in_store.clear()
        self.buckets.buckets.clear()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        route, match = self._find(request)
        name = _name(route, request)
        response = await self._answer(request, route, match, name)
        status = DROPPED if response is None else response.status
        self.requests.append(
            LoggedRequest(self.clock(), name, request.method, request.path, dict(request.query), status)
        )
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # goes nowhere: there is no connection left to carry it
        return response

    async def _answer(
        self, request: web.Request, route: Route | None, match: re.Match[str] | None, name: str
    ) -> web.Response | None:
        """The answer; None to drop the connection."""
        fault = self.faults.take(request.method, request.path)
        if fault is not None:
            return fault.response(request.method, request.path, self.clock())
        try:
            headers = self._admit(request)
        except ArmError as error:
            return _refusal(error, self._retry_after(request) if error.status == 429 else {})
        try:
            if route is None or match is None:
                raise errors.no_route(request.method, request.path)
            response = await route.answer(request, match)
        except ArmError as error:
            response = _refusal(error, {})
        response.headers.update(headers)
        if name in _REMAINING and response.status == 200:
            response.headers["x-ms-ratelimit-remaining-resource"] = _REMAINING[name]
        return response

    def _find(self, request: web.Request) -> tuple[Route | None, re.Match[str] | None]:
        for route in self.routes:
            match = route.pattern.fullmatch(request.path.rstrip("/"))
            if match is not None and route.method == request.method:
                return route, match
        return None, None

    def _admit(self, request: web.Request) -> dict[str, str]:
        """The rate-limit headers of a request that may go on. Raises ArmError for one that may not."""
        subscription = _subscription(request)
        if "api-version" not in request.query:
            raise errors.missing_api_version()
        if subscription.lower() not in self.inventory.subscriptions:
            raise errors.no_subscription(subscription)
        kind = kind_of(request.method)
        left = self.buckets.draw(subscription, kind, self.clock())
        if left is None and self.enforce_limits:
            seconds = self.buckets.seconds_until_next(subscription, kind)
            raise errors.subscription_throttled(subscription, kind.removesuffix("s"), seconds)
        return {f"x-ms-ratelimit-remaining-subscription-{kind}": str(left or 0), "Cache-Control": "no-cache"}

    def _retry_after(self, request: web.Request) -> dict[str, str]:
        kind = kind_of(request.method)
        seconds = self.buckets.seconds_until_next(_subscription(request), kind)
        return {
            "Retry-After": str(seconds),
            f"x-ms-ratelimit-remaining-subscription-{kind}": "0",
        }


def _name(route: Route | None, request: web.Request) -> str:
    if route is None:
        return "unknown"
    rows_only = request.query.get("statusOnly", "").lower() == "true"
    return "listStatus" if route.name == "listAll" and rows_only else route.name


def _subscription(request: web.Request) -> str:
    match = _SUBSCRIPTION.fullmatch(request.path)
    return "" if match is None else match[1]


def _refusal(error: ArmError, headers: Mapping[str, str]) -> web.Response:
    return web.json_response(error.body(), status=error.status, headers=headers)
