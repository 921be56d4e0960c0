"""The door of ARM: what every request meets, whatever it asks for.

In this order: faults to order, the api-version, the subscription, the token bucket, the caller's permission, locks,
the route's own answer. Every request is logged, every answer to a known subscription carries the rate-limit headers.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from aiohttp import web

from local.azure import errors
from local.azure.errors import ArmError
from local.azure.faults import Faults
from local.azure.interposition import Interposition, RequestMoment
from local.azure.inventory import Inventory
from local.azure.locks import Locks
from local.azure.model import Condition
from local.azure.permissions import Permissions
from local.azure.routing import Route, resource_of
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
    `scaleSet.powerOff` and so on of a set as a whole; operation (polling), permissions, systemTopics,
    eventSubscriptions, or unknown."""
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    """0 where the connection was dropped."""
    condition: Condition | None
    """What was true of the VM or instance that the path names as the answer was made, before an operation that the
    request asks for began; None where it names none that exists."""


@dataclass(slots=True, kw_only=True)
class Arm:
    """Answers everything under `/subscriptions/`."""

    inventory: Inventory
    routes: tuple[Route, ...]
    """Asked in this order."""
    clock: Callable[[], datetime]
    enforce_limits: bool
    permissions: Permissions
    faults: Faults = field(default_factory=Faults)
    locks: Locks = field(default_factory=Locks)
    interposition: Interposition = field(default_factory=Interposition)
    buckets: TokenBuckets = field(default_factory=TokenBuckets)
    requests: list[LoggedRequest] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """How many requests there were of each operation."""
        return Counter(request.operation for request in self.requests)

    def reset(self) -> None:
        """Forget requests, faults, locks and what was interposed, permit everything, and fill the buckets.

        Raises ExceptionGroup of what interposed callbacks raised.
        """
        self.requests.clear()
        self.faults.in_store.clear()
        self.locks.in_force.clear()
        self.permissions.permit(("*",))
        self.buckets.buckets.clear()
        self.interposition.callbacks.clear()
        self.interposition.raise_failures()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        await request.read()  # the answer is then made without a pause, in which something could change
        route, match = self._find(request)
        moment = RequestMoment(
            when="before",
            operation=_name(route, request),
            method=request.method,
            path=request.path,
            vm_id=_vm_id(match),
        )
        await self.interposition.run(moment)
        condition = self._condition(moment.vm_id)
        response = await self._answer_or_drop(request, route, match)
        status = DROPPED if response is None else response.status
        self.requests.append(
            LoggedRequest(
                at=self.clock(),
                operation=moment.operation,
                method=request.method,
                path=request.path,
                query=dict(request.query),
                status=status,
                condition=condition,
            )
        )
        await self.interposition.run(replace(moment, when="after", status=status))
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # goes nowhere: there is no connection left to carry it
        return response

    async def _answer_or_drop(
        self, request: web.Request, route: Route | None, match: re.Match[str] | None
    ) -> web.Response | None:
        """The answer; None to drop the connection."""
        fault = self.faults.take(request.method, request.path)
        if fault is None:
            return await self._answer(request, route, match)
        if fault.kind == "lost":
            await self._answer(request, route, match)
        return fault.response(request.method, request.path, self.clock())

    async def _answer(
        self, request: web.Request, route: Route | None, match: re.Match[str] | None
    ) -> web.Response:
        try:
            headers = self._admit(request)
        except ArmError as error:
            return _refusal(error, self._retry_after(request) if error.status == 429 else {})
        try:
            if route is None or match is None:
                raise errors.no_route(request.method, request.path)
            if route.action is not None and not self.permissions.grant(route.action):
                raise errors.not_authorized(route.action, resource_of(request.method, request.path))
            self.locks.check(request.method, request.path)
            response = await route.answer(request, match)
        except ArmError as error:
            response = _refusal(error, {})
        response.headers.update(headers)
        name = _name(route, request)
        if name in _REMAINING and response.status == 200:
            response.headers["x-ms-ratelimit-remaining-resource"] = _REMAINING[name]
        return response

    def _condition(self, vm_id: str | None) -> Condition | None:
        vm = None if vm_id is None else self.inventory.vms.get(vm_id)
        return None if vm is None else vm.condition

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


def _vm_id(match: re.Match[str] | None) -> str | None:
    named = None if match is None else match.groupdict().get("vm")
    return None if named is None else named.lower()


def _subscription(request: web.Request) -> str:
    match = _SUBSCRIPTION.fullmatch(request.path)
    return "" if match is None else match[1]


def _refusal(error: ArmError, headers: Mapping[str, str]) -> web.Response:
    return web.json_response(error.body(), status=error.status, headers=headers)
