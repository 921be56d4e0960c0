"""The webhooks of a chat: a Workflows webhook of Microsoft Teams and an incoming webhook of Slack."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from aiohttp import web

from local.azure import slack, teams
from local.azure.endpoint import Endpoint

FlavourName = Literal["teams", "slack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """How one kind of webhook is reached, and what it answers."""

    route: str
    """The path, as aiohttp's router takes it."""
    address: str
    """An address that leads there, without scheme and host."""
    answer: Callable[[Mapping[str, str], bytes], web.Response]
    """The answer to the query and the body of a post; one with a status of 2xx took it."""
    broken: Callable[[], web.Response]
    """The answer where it fails."""


FLAVOURS: Mapping[str, Flavour] = {
    "teams": Flavour(route=teams.PATH, address=teams.ADDRESS, answer=teams.answer, broken=teams.broken),
    "slack": Flavour(route=slack.PATH, address=slack.ADDRESS, answer=slack.answer, broken=slack.broken),
}


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """A post that was taken."""

    at: datetime
    flavour: FlavourName
    body: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class WebhookInbox(Endpoint):
    """One mode for both flavours, the messages of both in order of arrival."""

    name: str = "webhook"
    clock: Callable[[], datetime]
    messages: list[WebhookMessage] = field(default_factory=list)

    async def reset(self) -> None:
        """Forget the messages, and be well again."""
        self.messages.clear()
        await self.set_mode("ok")

    def routes(self) -> list[web.RouteDef]:
        """Where posts come in."""
        return [web.post(FLAVOURS[name].route, self._receiver(name)) for name in get_args(FlavourName)]

    def _receiver(self, name: FlavourName) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def receive(request: web.Request) -> web.Response:
            body = await request.read()
            if not await self.works():
                return FLAVOURS[name].broken()
            response = FLAVOURS[name].answer(request.query, body)
            if response.status < 300:
                self.messages.append(WebhookMessage(self.clock(), name, json.loads(body)))
            return response

        return receive


def address(flavour: FlavourName) -> str:
    """Where a flavour is reached, without scheme and host. Raises ValueError for one that does not exist."""
    if flavour not in FLAVOURS:
        raise ValueError(f"webhook flavour is {flavour!r}; expected one of {', '.join(FLAVOURS)}")
    return FLAVOURS[flavour].address
