"""ARM's long-running operations: how they are begun, and how they are asked about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.azure import errors
from local.azure.events import ARM_API_VERSION
from local.azure.model import azure_time
from local.azure.operations import AnyOperation
from local.azure.routing import SUBSCRIPTION, Route, flag, route


@dataclass(frozen=True, slots=True)
class LongRunning:
    """Tells of operations with the headers and documents of Compute."""

    operations: Mapping[str, AnyOperation]
    poll_after_seconds: int
    """What `Retry-After` says to those who poll; at 0 an SDK falls back on its own polling interval."""

    def routes(self) -> tuple[Route, ...]:
        """Where operations are asked about."""
        path = f"{SUBSCRIPTION}/providers/Microsoft.Compute/locations/{{location}}/operations/{{operation}}"
        return (route("GET", path, "operation", self.answer),)

    def begun(self, request: web.Request, operation: AnyOperation) -> web.Response:
        """The answer to a request that has begun an operation and shows nothing: 202."""
        return web.Response(status=202, headers=self.headers(request, operation))

    async def answer(self, request: web.Request, match: re.Match[str]) -> web.Response:
        """How an operation goes: a status document or, with `monitor=true`, what the operation answers."""
        operation = self.operations.get(match["operation"].lower())
        if operation is None:
            raise errors.no_operation(match["operation"])
        monitored = flag(request, "monitor")
        headers = self.headers(request, operation) if operation.ended_at is None else {}
        if monitored and operation.ended_at is None:
            return web.Response(status=202, headers=headers)
        if monitored and operation.error is not None:
            raise errors.ArmError(409, *operation.error)
        if monitored:
            return web.Response(status=200)
        return web.json_response(_status_document(operation), headers=headers)

    def headers(self, request: web.Request, operation: AnyOperation) -> dict[str, str]:
        """Where to ask about an operation, and how soon."""
        model = operation.model
        path = (
            f"/subscriptions/{model.subscription}/providers/Microsoft.Compute"
            f"/locations/{model.location}/operations/{operation.id}"
        )
        version = request.query.get("api-version", ARM_API_VERSION)
        url = request.url.with_path(path).with_query({"api-version": version})
        return {
            "Azure-AsyncOperation": str(url),
            "Location": str(url.update_query({"monitor": "true"})),
            "Retry-After": str(self.poll_after_seconds),
        }


def _status_document(operation: AnyOperation) -> dict[str, Any]:
    document: dict[str, Any] = {"startTime": azure_time(operation.started_at, "+00:00")}
    if operation.ended_at is not None:
        document["endTime"] = azure_time(operation.ended_at, "+00:00")
    document |= {"status": operation.status, "name": operation.id}
    if operation.error is not None:
        code, message = operation.error
        document["error"] = {"code": code, "message": message}
    return document
