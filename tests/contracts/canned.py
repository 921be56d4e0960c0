"""A service that answers what it is told to, one answer a request, and remembers what it was asked."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

type Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Canned:
    url: str = ""
    requests: list[Asked] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)
    """In order; the last one is given to all requests that follow."""

    def answer(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(
            Asked(request.method, request.path, dict(request.query), dict(request.headers), body)
        )
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@asynccontextmanager
async def served(handle: Answer) -> AsyncIterator[str]:
    """Where a handler of all requests listens, on loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    # What hangs is ended with its connection: else closing would wait for it.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def canned_service() -> AsyncIterator[Canned]:
    service = Canned()
    async with served(service.handle) as service.url:
        yield service


def said(
    status: int,
    body: str | bytes = b"",
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(
            status=status, body=raw, headers={"Content-Type": content_type, **(headers or {})}
        )

    return answer


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection without a word."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)  # goes nowhere


async def break_off(request: web.Request) -> web.StreamResponse:
    """Promise 1,000 bytes, close the connection after nine."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"name": ')
    if request.transport:
        request.transport.close()
    return response


async def hang(_: web.Request) -> web.StreamResponse:
    """Say nothing until the service is closed."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
