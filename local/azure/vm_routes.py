"""ARM's routes for VMs, and for the long-running operations on them."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.azure import errors, views
from local.azure.callers import WORKLOAD
from local.azure.compute import Compute, RunningOperation
from local.azure.events import ARM_API_VERSION
from local.azure.instance_view import instance_view
from local.azure.life import Verb
from local.azure.model import VirtualMachine, azure_time
from local.azure.vm_body import spec_from_patch, spec_from_put

type Handler = Callable[[VmRoutes, web.Request, re.Match[str]], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the route table; paths are compared in any letter case, as ARM does."""

    method: str
    pattern: re.Pattern[str]
    name: str
    """What the request log and its counters call it."""
    answer: Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRoutes:
    """The handlers. Each may raise ArmError."""

    compute: Compute
    page_size: int
    poll_after_seconds: int
    """What `Retry-After` says to those who poll; at 0 an SDK falls back on its own polling interval."""

    async def get(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The model, with `$expand=instanceView` the instance view in it."""
        expanded = request.query.get("$expand", "").lower() == "instanceview"
        shown = views.model(self._vm(match), with_instance_view=expanded, now=self.compute.clock())
        return web.json_response(shown)

    async def get_instance_view(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """The instance view alone."""
        return web.json_response(instance_view(self._vm(match), self.compute.clock()))

    async def list_in_group(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The models in a resource group, page by page."""
        self._check_group(match)
        prefix = f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}/".lower()
        return self._page(request, prefix, views.listed)

    async def list_all(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """The models in a subscription, page by page; with `statusOnly=true` rows of state instead."""
        prefix = f"/subscriptions/{match['subscription']}/".lower()
        rows = views.status_row if _flag(request, "statusOnly") else views.listed
        return self._page(request, prefix, rows)

    async def put(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Create a VM (201) or replace the model of an existing one (200)."""
        self._check_group(match)
        spec = spec_from_put(await _json(request), match["subscription"], match["group"], match["name"])
        vm = self.compute.vms.get(spec.key)
        if vm is None:
            return self._begun(request, self.compute.create(spec, WORKLOAD), status=201)
        return self._begun(request, self.compute.update(vm, spec, WORKLOAD), status=200)

    async def patch(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Replace the tags."""
        vm = self._vm(match)
        spec = spec_from_patch(await _json(request), vm.spec)
        return self._begun(request, self.compute.update(vm, spec, WORKLOAD), status=200)

    async def delete(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Delete the VM; 204 if there is none."""
        self._check_group(match)
        if _key(match) not in self.compute.vms:
            return web.Response(status=204)
        return self._begun(request, self.compute.begin(Verb.DELETE, self._vm(match)))

    async def act(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Start, power off, restart or deallocate.

        `skipShutdown` makes a power-off ungraceful, which shows in nothing that ARM says of the VM.
        """
        verb = _VERBS[request.path.rsplit("/", 1)[-1].lower()]
        _flag(request, "skipShutdown")
        hibernate = _flag(request, "hibernate") and verb is Verb.DEALLOCATE
        return self._begun(request, self.compute.begin(verb, self._vm(match), hibernate=hibernate))

    async def operation(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """How an operation goes: a status document or, with `monitor=true`, what the operation answers."""
        operation = self.compute.operations.get(match["id"].lower())
        if operation is None:
            raise errors.no_operation(match["id"])
        monitored = _flag(request, "monitor")
        headers = self._polling_headers(request, operation) if operation.ended_at is None else {}
        if monitored and operation.ended_at is None:
            return web.Response(status=202, headers=headers)
        if monitored and operation.error is not None:
            raise errors.ArmError(409, *operation.error)
        if monitored:
            return web.Response(status=200)
        return web.json_response(_status_document(operation), headers=headers)

    def _page(
        self, request: web.Request, prefix: str, row: Callable[[VirtualMachine], dict[str, Any]]
    ) -> web.Response:
        """The skip token is the last id shown, so that nothing is missed when VMs come and go between pages."""
        last_shown = request.query.get("$skiptoken", "")
        keys = sorted(key for key in self.compute.vms if key.startswith(prefix) and key > last_shown)
        shown = keys[: self.page_size]
        body: dict[str, Any] = {"value": [row(self.compute.vms[key]) for key in shown]}
        if len(keys) > len(shown):
            body["nextLink"] = str(request.url.update_query({"$skiptoken": shown[-1]}))
        return web.json_response(body)

    def _vm(self, match: re.Match[str]) -> VirtualMachine:
        self._check_group(match)
        try:
            return self.compute.vms[_key(match)]
        except KeyError:
            raise errors.no_vm(match["group"], match["name"]) from None

    def _check_group(self, match: re.Match[str]) -> None:
        if (match["subscription"].lower(), match["group"].lower()) not in self.compute.resource_groups:
            raise errors.no_resource_group(match["group"])

    def _begun(self, request: web.Request, operation: RunningOperation, status: int = 202) -> web.Response:
        headers = self._polling_headers(request, operation)
        if status == 202:
            return web.Response(status=status, headers=headers)
        shown = views.model(operation.vm, with_instance_view=False, now=operation.started_at)
        return web.json_response(shown, status=status, headers=headers)

    def _polling_headers(self, request: web.Request, operation: RunningOperation) -> dict[str, str]:
        spec = operation.vm.spec
        path = (
            f"/subscriptions/{spec.subscription}/providers/Microsoft.Compute"
            f"/locations/{spec.location}/operations/{operation.id}"
        )
        version = request.query.get("api-version", ARM_API_VERSION)
        url = request.url.with_path(path).with_query({"api-version": version})
        return {
            "Azure-AsyncOperation": str(url),
            "Location": str(url.update_query({"monitor": "true"})),
            "Retry-After": str(self.poll_after_seconds),
        }


def _key(match: re.Match[str]) -> str:
    return (
        f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}"
        f"/providers/Microsoft.Compute/virtualMachines/{match['name']}"
    ).lower()


def _flag(request: web.Request, name: str) -> bool:
    text = request.query.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise errors.bad_request(
            f"The value of the query parameter {name} is {text!r}; expected true or false."
        )
    return text == "true"


async def _json(request: web.Request) -> object:
    try:
        body: object = await request.json()
    except ValueError as error:
        raise errors.bad_request(f"The request content was invalid: {error}.") from error
    return body


def _status_document(operation: RunningOperation) -> dict[str, Any]:
    document: dict[str, Any] = {"startTime": azure_time(operation.started_at, "+00:00")}
    if operation.ended_at is not None:
        document["endTime"] = azure_time(operation.ended_at, "+00:00")
    document |= {"status": operation.status, "name": operation.id}
    if operation.error is not None:
        code, message = operation.error
        document["error"] = {"code": code, "message": message}
    return document


def _route(method: str, path: str, name: str, answer: Handler) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(method, re.compile(pattern, re.IGNORECASE), name, answer)


_VERBS = {
    "start": Verb.START,
    "poweroff": Verb.POWER_OFF,
    "restart": Verb.RESTART,
    "deallocate": Verb.DEALLOCATE,
}
_ALL = "/subscriptions/{subscription}/providers/Microsoft.Compute"
_VMS = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines"
_VM = f"{_VMS}/{{name}}"

ROUTES: tuple[Route, ...] = (
    _route("GET", _VM, "get", VmRoutes.get),
    _route("GET", f"{_VM}/instanceView", "instanceView", VmRoutes.get_instance_view),
    _route("GET", _VMS, "list", VmRoutes.list_in_group),
    _route("GET", f"{_ALL}/virtualMachines", "listAll", VmRoutes.list_all),
    _route("GET", f"{_ALL}/locations/{{location}}/operations/{{id}}", "operation", VmRoutes.operation),
    _route("PUT", _VM, "put", VmRoutes.put),
    _route("PATCH", _VM, "patch", VmRoutes.patch),
    _route("DELETE", _VM, "delete", VmRoutes.delete),
    *(
        _route("POST", f"{_VM}/{word}", word, VmRoutes.act)
        for word in ("start", "powerOff", "restart", "deallocate")
    ),
)
