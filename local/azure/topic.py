"""A custom topic with the CloudEvents input schema: it receives what is published to it, or fails to."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local.azure.endpoint import Endpoint
from local.azure.errors import ArmError

_REQUIRED = ("id", "source", "type", "specversion")


@dataclass(slots=True, kw_only=True)
class CustomTopic(Endpoint):
    """The topics under `/topics/{name}`: one mode for all, the events of all in order of arrival.

    It answers 200 to what it stores, and 500 where it is to fail.
    """

    name: str = "topic"
    events: list[dict[str, Any]] = field(default_factory=list)
    """CloudEvents as received."""
    topics: list[str] = field(default_factory=list)
    """For each event, the name of the topic that received it."""

    async def reset(self) -> None:
        """Forget the events, and be well again."""
        self.events.clear()
        self.topics.clear()
        await self.set_mode("ok")

    async def receive(self, request: web.Request) -> web.Response:
        """`POST /topics/{name}/api/events?api-version=2018-01-01`, one CloudEvent or a batch of them."""
        received = await self._cloud_events(request)
        if not await self.works():
            return _error(500, "InternalServerError", "The topic is told to fail.")
        if isinstance(received, str):
            return _error(400, "BadRequest", received)
        self.events.extend(received)
        self.topics.extend([request.match_info["name"]] * len(received))
        return web.Response(status=200)

    async def _cloud_events(self, request: web.Request) -> list[dict[str, Any]] | str:
        """The events in the body, or what is wrong with it."""
        if "api-version" not in request.query:
            return "The api-version query parameter is missing; expected 2018-01-01."
        try:
            body = await request.json()
        except ValueError as error:
            return f"The body is not JSON: {error}."
        batch = request.content_type == "application/cloudevents-batch+json"
        if not batch and request.content_type != "application/cloudevents+json":
            return f"This topic takes CloudEvents 1.0; the content type was {request.content_type}."
        events = body if batch else [body]
        if not isinstance(events, list):
            return "A batch of CloudEvents must be a JSON array."
        for event in events:
            if not isinstance(event, dict) or not all(isinstance(event.get(key), str) for key in _REQUIRED):
                return f"A CloudEvent needs {', '.join(_REQUIRED)} as text."
            if event["specversion"] != "1.0":
                return f"specversion is {event['specversion']!r}; expected '1.0'."
        return events


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response(ArmError(status, code, message).body(), status=status)
