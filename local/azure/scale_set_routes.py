"""ARM's routes for scale sets: lists of them and of a Uniform one's instances, and operations on many at once."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
from aiohttp import web

from local.azure import errors, scale_set_views, views
from local.azure.compute import Compute
from local.azure.life import INSTANCE_ACTIONS, Verb
from local.azure.long_running import LongRunning
from local.azure.model import INSTANCE_TYPE, SCALE_SET_TYPE, VirtualMachine
from local.azure.routing import GROUP, SUBSCRIPTION, Route, json_body, page, route, wants_instance_view
from local.azure.scale_sets import ScaleSet

_SET = f"(?P<id>{GROUP}/providers/{SCALE_SET_TYPE}/{{set}})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSetRoutes:
    """The handlers. Each may raise ArmError."""

    compute: Compute
    long_running: LongRunning
    page_size: Callable[[], int]

    def routes(self) -> tuple[Route, ...]:
        """The route table."""
        return (
            route(
                "GET",
                f"{SUBSCRIPTION}/providers/{SCALE_SET_TYPE}",
                "scaleSet.listAll",
                self.list_all,
                f"{SCALE_SET_TYPE}/read",
            ),
            route(
                "GET",
                f"{GROUP}/providers/{SCALE_SET_TYPE}",
                "scaleSet.listInGroup",
                self.list_in_group,
                f"{SCALE_SET_TYPE}/read",
            ),
            route(
                "GET",
                f"{_SET}/virtualMachines",
                "scaleSet.list",
                self.list_instances,
                f"{INSTANCE_TYPE}/read",
            ),
            *(
                route(
                    "POST",
                    f"{_SET}/{word}",
                    f"scaleSet.{word}",
                    partial(self.act, verb),
                    f"{SCALE_SET_TYPE}/{word}/action",
                )
                for word, verb in INSTANCE_ACTIONS.items()
            ),
        )

    async def list_all(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The scale sets of a subscription, page by page."""
        return self._listed(request, f"/subscriptions/{match['subscription']}/")

    async def list_in_group(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The scale sets in a resource group, page by page."""
        self._check_group(match)
        return self._listed(
            request, f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}/"
        )

    async def list_instances(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The instances of a Uniform scale set, page by page; with `$expand=instanceView` their instance views."""
        self._check_group(match)
        scale_set = self.compute.uniform_set(match["id"])
        expanded, now = wants_instance_view(request), self.compute.clock()

        def row(vm: VirtualMachine) -> bytes:
            return msgspec.json.encode(views.model(vm, with_instance_view=expanded, now=now))

        return page(request, partial(self.compute.instances, scale_set), row, self.page_size())

    async def act(self, verb: Verb, request: web.Request, match: re.Match[str]) -> web.Response:
        """Begin an operation on the instances that the body's `instanceIds` names, or on all."""
        self._check_group(match)
        scale_set = self.compute.scale_set(match["id"])
        body = await json_body(request) if await request.read() else {}
        vms = self.compute.members(scale_set, _instance_ids(body))
        return self.long_running.begun(request, self.compute.begin_on_set(verb, scale_set, vms))

    def _listed(self, request: web.Request, prefix: str) -> web.Response:
        def row(scale_set: ScaleSet) -> bytes:
            capacity = len(self.compute.members(scale_set))
            return msgspec.json.encode(scale_set_views.listed(scale_set, capacity))

        return page(request, partial(self.compute.sets, prefix), row, self.page_size())

    def _check_group(self, match: re.Match[str]) -> None:
        self.compute.check_group(match["subscription"], match["group"])


def _instance_ids(body: object) -> Collection[str] | None:
    """The ids that a body names; None for all. Raises ArmError (400)."""
    ids = body.get("instanceIds") if isinstance(body, Mapping) else body
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise errors.bad_request("instanceIds must be a JSON array of texts.")
    return ids
