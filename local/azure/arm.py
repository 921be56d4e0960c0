"""The door of ARM: what every request meets, whatever it asks for.

In this order: faults to order, the api-version, the subscription, ARM's token bucket, the caller's permission, locks,
Compute's token buckets, the route's own answer. Every request is logged. Every request to a known subscription draws
on ARM's bucket, whatever comes of it, and every answer says what is left there.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from local.azure import errors, subscriptions
from local.azure.errors import ArmError
from local.azure.faults import Faults
from local.azure.interposition import Interposition, RequestMoment
from local.azure.inventory import Inventory
from local.azure.locks import Locks
from local.azure.model import Condition
from local.azure.permissions import Permissions
from local.azure.routing import Route, refusal, resource_of
from local.azure.throttling import POLICIES, ComputeBuckets, TokenBuckets, kind_of, remaining

DROPPED = 0
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)/?.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One ARM request that has been answered."""

    at: datetime
    operation: str
    """The route's name: get, instanceView, list, listAll, listStatus (statusOnly=true), put, patch, delete, start,
    powerOff and so on of VMs; `instance.get` and so on of instances of Uniform scale sets, `scaleSet.list` of these;
    `scaleSet.listAll` and `scaleSet.listInGroup` of the sets, `scaleSet.powerOff` and so on of a set as a whole;
    operation (polling), subscriptions, permissions, systemTopics, eventSubscriptions, sites, appSettings, hostKeys;
    `deployment.put` and so on of deployments at a subscription, operationResult; or unknown."""
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    """0 where the connection was dropped."""
    agent: str
    """Who asked, as its `User-Agent` says."""
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
    """Whether it answers 429 when ARM's bucket is empty."""
    enforce_compute_limits: bool
    """Whether it answers 429 when one of Compute's buckets is."""
    permissions: Permissions
    faults: Faults = field(default_factory=Faults)
    locks: Locks = field(default_factory=Locks)
    interposition: Interposition = field(default_factory=Interposition)
    buckets: TokenBuckets = field(default_factory=TokenBuckets)
    compute_buckets: ComputeBuckets = field(default_factory=ComputeBuckets)
    requests: list[LoggedRequest] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """How many requests there were of each operation."""
        return Counter(request.operation for request in self.requests)

    def statuses(self) -> dict[str, Counter[int]]:
        """How many requests there were of each operation, by the status of the answer."""
        found: dict[str, Counter[int]] = {}
        for request in self.requests:
            found.setdefault(request.operation, Counter())[request.status] += 1
        return found

    def reset(self) -> None:
        """Forget requests, faults, locks and what was interposed, permit everything, and fill the buckets.

        Raises ExceptionGroup of what interposed callbacks raised.
        """
        self.requests.clear()
        self.faults.in_store.clear()
        self.locks.in_force.clear()
        self.permissions.reset()
        self.buckets.buckets.clear()
        self.compute_buckets.buckets.clear()
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
                agent=request.headers.get("User-Agent", ""),
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
        left = self._draw(request)
        fault = self.faults.take(request.method, request.path)
        if fault is None:
            response: web.Response | None = await self._answer(request, route, match, left)
        else:
            if fault.kind == "lost":
                await self._answer(request, route, match, left)
            response = fault.response(request.method, request.path, self.clock())
        if response is not None and self._subscription(request) is not None:
            kind = kind_of(request.method)
            response.headers[f"x-ms-ratelimit-remaining-subscription-{kind}"] = str(left or 0)
            response.headers["Cache-Control"] = "no-cache"
        return response

    async def _answer(
        self, request: web.Request, route: Route | None, match: re.Match[str] | None, left: int | None
    ) -> web.Response:
        headers: dict[str, str] = {}
        try:
            self._admit(request, left)
            if route is None or match is None:
                raise errors.no_route(request.method, request.path)
            agent = request.headers.get("User-Agent", "")
            if route.action is not None and not self.permissions.grant(route.action, agent):
                raise errors.not_authorized(route.action, resource_of(request.method, request.path))
            self.locks.check(request.method, request.path)
            headers = self._draw_on_compute(_name(route, request), match, request.path)
            response = await route.answer(request, match)
        except ArmError as error:
            response = refusal(error)
        response.headers.update(headers)
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

    def _draw(self, request: web.Request) -> int | None:
        """Draw on ARM's bucket; what is left in it, or None if it was empty, or is none's."""
        subscription = self._subscription(request)
        if subscription is None:
            return None
        return self.buckets.draw(subscription, kind_of(request.method), self.clock())

    def _admit(self, request: web.Request, left: int | None) -> None:
        """Raise ArmError for a request that may not go on."""
        if "api-version" not in request.query:
            raise errors.missing_api_version()
        if request.path.rstrip("/").lower() == subscriptions.PATH:
            return
        subscription = self._subscription(request)
        if subscription is None:
            raise errors.no_subscription(_subscription(request))
        if left is None and self.enforce_limits:
            kind = kind_of(request.method)
            seconds = self.buckets.seconds_until_next(subscription, kind, self.clock())
            raise errors.subscription_throttled(subscription, kind.removesuffix("s"), seconds)

    def _draw_on_compute(self, operation: str, match: re.Match[str], path: str) -> dict[str, str]:
        """Draw on Compute's buckets; the header that tells of them. Raises ArmError (429) if that may not be."""
        policy = POLICIES.get(operation)
        if policy is None:
            return {}
        parts = match.groupdict()
        resource = parts.get("vm") or parts.get("id") or path
        left, refused = self.compute_buckets.draw(policy, parts["subscription"], resource, self.clock())
        if refused is not None and self.enforce_compute_limits:
            raise refused
        return {errors.REMAINING_RESOURCE: remaining(left)}

    def _subscription(self, request: web.Request) -> str | None:
        """The subscription that a request is about; None if there is none of that id."""
        named = _subscription(request)
        return named if named.lower() in self.inventory.subscriptions else None


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
