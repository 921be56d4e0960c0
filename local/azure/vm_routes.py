"""ARM's routes for VMs and for instances of Uniform scale sets, which differ in their address and their model."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from local.azure import views
from local.azure.callers import WORKLOAD
from local.azure.compute import Compute
from local.azure.instance_view import instance_view
from local.azure.life import INSTANCE_ACTIONS, VM_ACTIONS, Verb
from local.azure.long_running import LongRunning
from local.azure.model import INSTANCE_TYPE, SCALE_SET_TYPE, VM_TYPE, VirtualMachine
from local.azure.operations import RunningOperation
from local.azure.routing import GROUP, SUBSCRIPTION, Route, flag, json_body, page, route, wants_instance_view
from local.azure.vm_body import spec_from_patch, spec_from_put

_VM = f"(?P<vm>{GROUP}/providers/{VM_TYPE}/{{name}})"
_INSTANCE = f"(?P<vm>{GROUP}/providers/{SCALE_SET_TYPE}/{{set}}/virtualMachines/{{instance}})"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRoutes:
    """The handlers. Each may raise ArmError."""

    compute: Compute
    long_running: LongRunning
    page_size: Callable[[], int]

    def routes(self) -> tuple[Route, ...]:
        """The route table."""
        return (
            route("GET", _VM, "get", self.get, f"{VM_TYPE}/read"),
            route("GET", f"{_VM}/instanceView", "instanceView", self.view, f"{VM_TYPE}/instanceView/read"),
            route("GET", f"{GROUP}/providers/{VM_TYPE}", "list", self.list_in_group, f"{VM_TYPE}/read"),
            route("GET", f"{SUBSCRIPTION}/providers/{VM_TYPE}", "listAll", self.list_all, f"{VM_TYPE}/read"),
            route("PUT", _VM, "put", self.put, f"{VM_TYPE}/write"),
            route("PATCH", _VM, "patch", self.patch, f"{VM_TYPE}/write"),
            route("DELETE", _VM, "delete", self.delete, f"{VM_TYPE}/delete"),
            *(
                route("POST", f"{_VM}/{word}", word, partial(self.act, verb), f"{VM_TYPE}/{word}/action")
                for word, verb in VM_ACTIONS.items()
            ),
            route("GET", _INSTANCE, "instance.get", self.get, f"{INSTANCE_TYPE}/read"),
            route(
                "GET",
                f"{_INSTANCE}/instanceView",
                "instance.instanceView",
                self.view,
                f"{INSTANCE_TYPE}/instanceView/read",
            ),
            route("DELETE", _INSTANCE, "instance.delete", self.delete, f"{INSTANCE_TYPE}/delete"),
            *(
                route(
                    "POST",
                    f"{_INSTANCE}/{word}",
                    f"instance.{word}",
                    partial(self.act, verb),
                    f"{INSTANCE_TYPE}/{word}/action",
                )
                for word, verb in INSTANCE_ACTIONS.items()
            ),
        )

    async def get(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The model, with `$expand=instanceView` the instance view in it."""
        vm, expanded = self._vm(match), wants_instance_view(request)
        return web.json_response(views.model(vm, with_instance_view=expanded, now=self.compute.clock()))

    async def view(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """The instance view alone."""
        return web.json_response(instance_view(self._vm(match), self.compute.clock()))

    async def list_in_group(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The models in a resource group, page by page."""
        self._check_group(match)
        prefix = f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}/"
        return page(request, partial(self.compute.ordinary, prefix), views.listed_json, self.page_size())

    async def list_all(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The models in a subscription, page by page; with `statusOnly=true` rows of state instead."""
        prefix = f"/subscriptions/{match['subscription']}/"
        row = views.status_row_json if flag(request, "statusOnly") else views.listed_json
        return page(request, partial(self.compute.ordinary, prefix), row, self.page_size())

    async def put(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Create a VM (201) or replace the model of an existing one (200)."""
        self._check_group(match)
        spec = spec_from_put(await json_body(request), match["subscription"], match["group"], match["name"])
        vm = self.compute.vms.get(spec.key)
        if vm is None:
            return self._shown(request, self.compute.create(spec, WORKLOAD), status=201)
        return self._shown(request, self.compute.update(vm, spec, WORKLOAD), status=200)

    async def patch(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Replace the tags, or change the size."""
        vm = self._vm(match)
        spec = spec_from_patch(await json_body(request), vm.spec)
        return self._shown(request, self.compute.update(vm, spec, WORKLOAD), status=200)

    async def delete(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Delete the VM; 204 if there is none."""
        self._check_group(match)
        if match["vm"].lower() not in self.compute.vms:
            return web.Response(status=204)
        return self.long_running.begun(request, self.compute.begin(Verb.DELETE, self._vm(match)))

    async def act(self, verb: Verb, request: web.Request, match: re.Match[str]) -> web.Response:
        """Start, power off, restart, deallocate and so on.

        `skipShutdown` makes a power-off ungraceful, which shows in nothing that ARM says of the VM.
        """
        flag(request, "skipShutdown")
        hibernate = flag(request, "hibernate") and verb is Verb.DEALLOCATE
        operation = self.compute.begin(verb, self._vm(match), hibernate=hibernate)
        return self.long_running.begun(request, operation)

    def _vm(self, match: re.Match[str]) -> VirtualMachine:
        self._check_group(match)
        return self.compute.find(match["vm"])

    def _check_group(self, match: re.Match[str]) -> None:
        self.compute.check_group(match["subscription"], match["group"])

    def _shown(self, request: web.Request, operation: RunningOperation, status: int) -> web.Response:
        """The answer to a request that has begun an operation and shows the model."""
        shown = views.model(operation.vm, with_instance_view=False, now=operation.started_at)
        return web.json_response(shown, status=status, headers=self.long_running.headers(request, operation))
