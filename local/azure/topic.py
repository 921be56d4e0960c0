"""A custom topic with the CloudEvents input schema: it receives what is published to it, or fails to."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from aiohttp import web

from local.azure.errors import ArmError

TopicMode = Literal["ok", "fail", "hang", "slow"]
MODES: tuple[str, ...] = get_args(TopicMode)

_REQUIRED = ("id", "source", "type", "specversion")


@dataclass(slots=True)
class CustomTopic:
    """The topics under `/topics/{name}`: one mode for all, the events of all in order of arrival.

    `ok` stores and answers 200; `fail` answers 500; `hang` answers nothing until the mode changes, then does
    what the new mode says; `slow` stores and answers after `slow_seconds`.
    """

    slow_seconds: float = 1.0
    mode: TopicMode = "ok"
    events: list[dict[str, Any]] = field(default_factory=list)
    """CloudEvents as received."""
    topics: list[str] = field(default_factory=list)
    """For each event, the name of the topic that received it."""
    waiting: int = 0
    """How many requests hang."""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def set_mode(self, mode: TopicMode) -> None:
        """Change the mode, and release what hangs. Raises ValueError for an unknown one."""
        if mode not in MODES:
            raise ValueError(f"topic mode is {mode!r}; expected one of {', '.join(MODES)}")
        async with self._changed:
            self.mode = mode
            self._changed.notify_all()

    async def reset(self) -> None:
        """Forget the events, and be well again."""
        self.events.clear()
        self.topics.clear()
        await self.set_mode("ok")

    async def receive(self, request: web.Request) -> web.Response:
        """`POST /topics/{name}/api/events?api-version=2018-01-01`, one CloudEvent or a batch of them."""
        received = await self._cloud_events(request)
        self.waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self.mode != "hang")
        finally:
            self.waiting -= 1
        if self.mode == "fail":
            return _error(500, "InternalServerError", "The topic is told to fail.")
        if self.mode == "slow":
            await asyncio.sleep(self.slow_seconds)
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
