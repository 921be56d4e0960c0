import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Receiver:
    """A webhook that proves itself, keeps what it is sent, and answers what it is told to."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    """Statuses for the next deliveries, 0 for no answer at all; 200 once they are used up."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Events of deliveries that were answered with 200."""
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[object] = field(default_factory=list)
    echoes_code: bool = True

    async def options(self, request: web.Request) -> web.Response:
        allowed = {"WebHook-Allowed-Origin": request.headers["WebHook-Request-Origin"]}
        return web.Response(headers=allowed if self.echoes_code else {})

    async def post(self, request: web.Request) -> web.Response:
        body = await request.json()
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            code = body[0]["data"]["validationCode"] if self.echoes_code else "wrong"
            return web.json_response({"validationResponse": code})
        self.headers.append(dict(request.headers))
        self.bodies.append(body)
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            await asyncio.Event().wait()
        if status == 200:
            self.events.extend(body if isinstance(body, list) else [body])
        return web.Response(status=status)

    def types(self) -> list[str]:
        return [event.get("eventType") or event["type"] for event in self.events]
