"""What is there in Azure and in the directory while a deployment comes and goes: resources, stacks, registrations.

It answers over HTTP what `local.deploy` asks of Azure Resource Manager and of Microsoft Graph, in the shapes of their
REST references; and it keeps deployment stacks, for the stand-in of the Azure CLI (`tests.infra.az`).
"""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.contracts.canned import served

type Row = dict[str, Any]

_NAMED = re.compile(r"/v1\.0/(applications|servicePrincipals)\((uniqueName|appId)='([^']+)'\)(?:/(.*))?")
_CREDENTIAL = re.compile(r"federatedIdentityCredentials\(name='([^']+)'\)")


@dataclass(slots=True)
class Estate:
    """All of it, and the log of what was asked."""

    url: str = ""
    me: str | None = "ada"
    """The object id of the person who is signed in; None: it is a workload."""
    resources: dict[str, Row] = field(default_factory=dict)
    """By lower-case ARM id."""
    stacks: dict[str, list[str]] = field(default_factory=dict)
    """The ids of what each made, by its own."""
    groups: dict[str, list[Row]] = field(default_factory=dict)
    """What is below each management group."""
    applications: dict[str, Row] = field(default_factory=dict)
    """By unique name."""
    principals: dict[str, Row] = field(default_factory=dict)
    """Service principals, by client id."""
    bin: dict[str, Row] = field(default_factory=dict)
    """Deleted registrations, by object id."""
    assignments: list[Row] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    """How often the stack of a name is still refused."""
    may_register: bool = True
    asked: list[str] = field(default_factory=list)
    slow_finds: int = 0
    """How often what was registered is not found yet."""

    def everything(self) -> set[str]:
        """What there is, by id."""
        return {
            *self.resources,
            *self.stacks,
            *(f"application {name}" for name in self.applications),
            *(f"deleted application {name}" for name in self.bin),
        }

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        body = json.loads(await request.read() or "null")
        path = request.path.rstrip("/")
        self.asked.append(f"{request.method} {path}")
        if path.startswith("/_stacks"):
            return self._stack(request.method, path.removeprefix("/_stacks"), body)
        if path.startswith("/v1.0"):
            return self._graph(request, path, body)
        return self._arm(request.method, path)

    def _stack(self, method: str, name: str, body: Row | None) -> web.Response:
        """A stack: what it made before and does not name any more is deleted."""
        if method == "PUT" and self.refusals.get(name, 0):
            self.refusals[name] -= 1
            return web.json_response({"error": "AuthorizationFailed: the role is not known yet"}, status=400)
        if name not in self.stacks and method != "PUT":
            return web.json_response({"error": "DeploymentStackNotFound"}, status=404)
        made = (
            {row["id"].lower(): row for row in (body or {}).get("resources", [])} if method == "PUT" else {}
        )
        if method != "GET":
            for gone in set(self.stacks.pop(name, [])) - set(made):
                self._forget(gone)
        if method == "PUT":
            self.resources |= made
            self.stacks[name] = list(made)
        return web.json_response({"name": name})

    def _forget(self, resource_id: str) -> None:
        """Delete a resource, and all in it."""
        for each in [
            each for each in self.resources if each == resource_id or each.startswith(f"{resource_id}/")
        ]:
            del self.resources[each]

    def _arm(self, method: str, path: str) -> web.Response:
        parts = path.lower().split("/")
        if method == "GET" and parts[-1] == "descendants" and path.split("/")[-2] in self.groups:
            return web.json_response({"value": self.groups[path.split("/")[-2]]})
        if method == "GET" and parts[-1] == "systemtopics":
            return self._listed("microsoft.eventgrid/systemtopics", f"/subscriptions/{parts[2]}/")
        if method == "GET" and parts[-1] == "eventsubscriptions":
            kind = "microsoft.eventgrid/systemtopics/eventsubscriptions"
            return self._listed(kind, f"{path.lower()}/")
        return web.json_response({"error": {"code": "NotFound", "message": f"nothing at {path}"}}, status=404)

    def _listed(self, kind: str, below: str) -> web.Response:
        found = [
            row
            for key, row in self.resources.items()
            if row["type"].lower() == kind and key.startswith(below)
        ]
        return web.json_response({"value": found, "nextLink": None})

    def _graph(self, request: web.Request, path: str, body: Row | None) -> web.Response:
        if not self.may_register and request.method != "GET":
            told = {"code": "Authorization_RequestDenied", "message": "Insufficient privileges."}
            return web.json_response({"error": told}, status=403)
        if path == "/v1.0/me":
            told = {
                "code": "BadRequest",
                "message": "/me request is only valid with delegated authentication flow.",
            }
            return (
                web.json_response({"id": self.me})
                if self.me
                else web.json_response({"error": told}, status=400)
            )
        if path.startswith("/v1.0/users/"):
            return web.json_response({"value": self.assignments})
        if path.startswith("/v1.0/directory/deletedItems/"):
            gone = self.bin.pop(path.rpartition("/")[2], None)
            return web.Response(status=204 if gone else 404)
        named = _NAMED.fullmatch(path)
        assert named is not None, path
        kind, _, name, rest = named.groups()
        if rest == "appRoleAssignedTo":
            assert body is not None
            self.assignments.append(body)
            return web.json_response(body, status=201)
        objects = self.applications if kind == "applications" else self.principals
        if rest:
            credential = _CREDENTIAL.fullmatch(rest)
            assert credential is not None, rest
            objects[name].setdefault("federatedIdentityCredentials", {})[credential[1]] = body
            return web.Response(status=204)
        return self._object(request, objects, name, body)

    def _object(
        self, request: web.Request, objects: dict[str, Row], name: str, body: Row | None
    ) -> web.Response:
        missing = web.json_response(
            {"error": {"code": "Request_ResourceNotFound", "message": "gone"}}, status=404
        )
        match request.method:
            case "PATCH":
                assert request.headers["Prefer"] == "create-if-missing"
                made = name not in objects
                # Graph wants it each time that something may be made.
                assert objects is self.principals or (body or {}).get("displayName")
                objects.setdefault(name, {"id": str(uuid4()), "appId": str(uuid4())}).update(body or {})
                return web.json_response(objects[name], status=201) if made else web.Response(status=204)
            case "GET":
                if self.slow_finds:
                    self.slow_finds -= 1
                    return missing
                return web.json_response(objects[name]) if name in objects else missing
            case "DELETE":
                if name not in objects:
                    return missing
                gone = objects.pop(name)
                self.principals.pop(gone["appId"], None)
                self.bin[gone["id"]] = gone
                return web.Response(status=204)
        return web.Response(status=405)


@asynccontextmanager
async def standing() -> AsyncIterator[Estate]:
    """One, over HTTP on loopback."""
    estate = Estate()
    async with served(estate.handle) as estate.url:
        yield estate
