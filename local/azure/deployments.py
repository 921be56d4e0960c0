"""Deployments at a subscription that deploy nothing: what is left of them are their records and their events.

Shapes: the REST reference of Deployments, at the scope of a subscription (2022-09-01): a PUT is answered with 201 or
200 and the state `Accepted`, a DELETE with 202 and a `Location` that says 204 once the record is gone, or with 204 if
there is none. That write and delete make resource events of the subscription is documented; how they look is inferred
from those of other resources. How long ARM takes is not simulated: a deployment has succeeded once its PUT is answered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from aiohttp import web

from local.azure import errors
from local.azure.callers import Caller
from local.azure.errors import ArmError
from local.azure.events import ControlPlaneCall, Event, resource_event
from local.azure.life import ArmCall
from local.azure.model import azure_time
from local.azure.routing import SUBSCRIPTION, Route, json_body, route

TYPE = "Microsoft.Resources/deployments"
_NAME = re.compile(r"[-\w.()]{1,64}", re.ASCII)
_WRITE, _DELETE = ArmCall("PUT", "write", "Write"), ArmCall("DELETE", "delete", "Delete")
_CALLER = Caller("Grace Hopper")


@dataclass(slots=True, kw_only=True)
class Deployments:
    """Their records, and the handlers."""

    clock: Callable[[], datetime]
    publish: Callable[[Event], None]
    poll_after_seconds: int
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By lower-case id, as ARM shows them."""
    _removals: set[str] = field(default_factory=set)
    """Ids of removals that somebody may ask about."""

    def routes(self) -> tuple[Route, ...]:
        """The route table."""
        path = f"{SUBSCRIPTION}/providers/{TYPE}/{{name}}"
        results = f"{SUBSCRIPTION}/operationresults/{{operation}}"
        return (
            route("PUT", path, "deployment.put", self.put, f"{TYPE}/write"),
            route("GET", path, "deployment.get", self.get, f"{TYPE}/read"),
            route("DELETE", path, "deployment.delete", self.delete, f"{TYPE}/delete"),
            route(
                "GET",
                results,
                "operationResult",
                self.result,
                "Microsoft.Resources/subscriptions/operationresults/read",
            ),
        )

    def clear(self) -> None:
        """Let there be none."""
        self.records.clear()
        self._removals.clear()

    async def put(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Deploy a template without resources. Raises ArmError (400) for what is none."""
        deployment_id, body = _id(match), await json_body(request)
        if _NAME.fullmatch(match["name"]) is None:
            raise _invalid("InvalidDeploymentName", f"The deployment name '{match['name']}' is not valid.")
        location, properties = _read(body)
        is_new = deployment_id.lower() not in self.records
        correlation_id = str(uuid4())
        shown: dict[str, Any] = {
            "id": deployment_id,
            "name": match["name"],
            "type": TYPE,
            "location": location,
            "properties": {
                "templateHash": str(int(sha256(repr(properties["template"]).encode()).hexdigest()[:16], 16)),
                "mode": properties["mode"],
                "provisioningState": "Succeeded",
                "timestamp": azure_time(self.clock()),
                "duration": "PT0S",
                "correlationId": correlation_id,
                "providers": [],
                "dependencies": [],
            },
        }
        self.records[deployment_id.lower()] = shown
        self._tell(_WRITE, match, correlation_id, is_new=is_new)
        accepted = {**shown, "properties": {**shown["properties"], "provisioningState": "Accepted"}}
        return web.json_response(accepted, status=201 if is_new else 200)

    async def get(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """A record. Raises ArmError (404) if there is none."""
        shown = self.records.get(_id(match).lower())
        if shown is None:
            raise ArmError(404, "DeploymentNotFound", f"Deployment '{match['name']}' could not be found.")
        return web.json_response(shown)

    async def delete(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """Remove a record."""
        if self.records.pop(_id(match).lower(), None) is None:
            return web.Response(status=204)
        removal = uuid4().hex
        self._removals.add(removal)
        self._tell(_DELETE, match, str(uuid4()))
        path = f"/subscriptions/{match['subscription']}/operationresults/{removal}"
        location = request.url.with_path(path).with_query({"api-version": request.query["api-version"]})
        headers = {"Location": str(location), "Retry-After": str(self.poll_after_seconds)}
        return web.Response(status=202, headers=headers)

    async def result(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """What came of a removal. Raises ArmError (404) if nobody asked for it."""
        if match["operation"] not in self._removals:
            raise errors.no_operation(match["operation"])
        return web.Response(status=204)

    def _tell(
        self, call: ArmCall, match: re.Match[str], correlation_id: str, *, is_new: bool = False
    ) -> None:
        ended = ControlPlaneCall(
            call=call,
            resource_type=TYPE,
            subscription=match["subscription"],
            caller=_CALLER,
            correlation_id=correlation_id,
            outcome="Success",
            at=self.clock(),
        )
        self.publish(resource_event(ended, _id(match), is_new=is_new))


def _id(match: re.Match[str]) -> str:
    return f"/subscriptions/{match['subscription']}/providers/{TYPE}/{match['name']}"


def _read(body: object) -> tuple[str, Mapping[str, Any]]:
    """Location and properties of a deployment that deploys nothing. Raises ArmError (400) for any other."""
    told: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    location, properties = told.get("location"), told.get("properties")
    if not isinstance(location, str) or not location:
        raise _invalid(
            "LocationRequired", "The deployment needs a 'location' for where its data is to be kept."
        )
    if not isinstance(properties, Mapping) or properties.get("mode") not in {"Incremental", "Complete"}:
        raise _invalid("InvalidRequestContent", "The request needs 'properties' with a 'mode'.")
    template = properties.get("template")
    if not isinstance(template, Mapping) or not {"$schema", "contentVersion"} <= set(template):
        raise _invalid("InvalidTemplate", "The template needs '$schema', 'contentVersion' and 'resources'.")
    if template.get("resources") != []:
        raise _invalid("InvalidTemplate", "The simulated Azure deploys no resources.")
    return location, properties


def _invalid(code: str, message: str) -> ArmError:
    return ArmError(400, code, message)
