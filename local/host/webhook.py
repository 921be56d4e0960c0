"""The Event Grid trigger's webhook: ``POST /runtime/webhooks/eventgrid?functionName=NAME``.

Both schemas (an array of Event Grid events, one CloudEvent, a batch of CloudEvents) and both validation
handshakes. A function runs once for each event; one failure fails the delivery, so that Event Grid sends the
whole of it again.
https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
https://github.com/cloudevents/spec/blob/v1.0/http-webhook.md
"""

import asyncio
import json
from typing import Any

from aiohttp import web

from local.host import keys, protos
from local.host.worker import Function, InvocationFailed, Worker

PATH = "/runtime/webhooks/eventgrid"
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_EXPECTED = "expected an array of Event Grid events or one CloudEvent"


class Webhook:
    """Where Event Grid posts. ``key`` is the system key asked of it; None leaves it open."""

    def __init__(self, worker: Worker, key: str | None) -> None:
        self._worker = worker
        self._key = key
        self._functions = {
            function.name.lower(): function for function in worker.triggered_by("eventGridTrigger")
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """200 to a handshake, 202 when every event was handled, 500 when one was not, 4xx with a reason."""
        if self._key is not None and not keys.presents(request, self._key, "aeg-sas-key"):
            return web.Response(
                status=401, text="the system key is missing or wrong: expected as code= in the query"
            )
        function = self._function(request)
        if request.method == "OPTIONS":
            return _allow(request)
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ["OPTIONS", "POST"])
        purpose = request.headers.get("aeg-event-type", "Notification").lower()
        if purpose == "unsubscribe":
            return web.Response()
        events = await _events(request)
        if purpose == "subscriptionvalidation" or [event.get("eventType") for event in events] == [
            _VALIDATION
        ]:
            return _validate(events[0])
        return await self._run(function, events)

    def _function(self, request: web.Request) -> Function:
        names = [value for name, value in request.query.items() if name.lower() == "functionname"]
        if not names:
            raise web.HTTPBadRequest(text="the query has no functionName")
        if (function := self._functions.get(names[0].lower())) is None:
            known = ", ".join(known.name for known in self._functions.values()) or "none"
            raise web.HTTPNotFound(text=f"no Event Grid function is called {names[0]!r}; there are: {known}")
        return function

    async def _run(self, function: Function, events: list[dict[str, Any]]) -> web.Response:
        faults = [
            fault
            for fault in await asyncio.gather(*(self._run_one(function, event) for event in events))
            if fault is not None
        ]
        if faults:
            text = f"{function.name} failed for {len(faults)} of {len(events)} events: {'; '.join(faults)}"
            return web.Response(status=500, text=text)
        return web.Response(status=202)

    async def _run_one(self, function: Function, event: dict[str, Any]) -> str | None:
        """What went wrong, None when nothing did."""
        try:
            await self._worker.invoke(function, protos.TypedData(json=json.dumps(event)), {})
        except InvocationFailed as failure:
            return failure.message
        return None


async def _events(request: web.Request) -> list[dict[str, Any]]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON ({error}): {_EXPECTED}") from None
    events = body if isinstance(body, list) else [body]
    if not events:
        raise web.HTTPBadRequest(text=f"the body is an empty array: {_EXPECTED}")
    for number, event in enumerate(events):
        if not isinstance(event, dict):
            where = f"item {number} of the body" if isinstance(body, list) else "the body"
            raise web.HTTPBadRequest(text=f"{where} is {json.dumps(event)[:40]}: {_EXPECTED}")
    return events


def _validate(event: dict[str, Any]) -> web.Response:
    data = event.get("data")
    code = data.get("validationCode") if isinstance(data, dict) else None
    if not isinstance(code, str):
        raise web.HTTPBadRequest(text="the validation event has no data.validationCode")
    return web.json_response({"validationResponse": code})


def _allow(request: web.Request) -> web.Response:
    """The CloudEvents handshake."""
    origin = request.headers.get("WebHook-Request-Origin")
    if origin is None:
        raise web.HTTPBadRequest(text="OPTIONS without the header WebHook-Request-Origin")
    return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
