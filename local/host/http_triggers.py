"""HTTP triggers: from an aiohttp request to the function whose route matches, and back."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from aiohttp import web

from local.host import keys, protos
from local.host.routes import Route
from local.host.worker import Function, InvocationFailed, Worker
from local.parts import CannotStart

_SAME_SITE = {1: "Lax", 2: "Strict", 3: "None"}


@dataclass(frozen=True)
class _Endpoint:
    function: Function
    route: Route
    methods: frozenset[str]
    """Empty: any method."""
    needs_key: bool

    def serves(self, method: str) -> bool:
        return not self.methods or method in self.methods


class HttpTriggers:
    """All HTTP functions of an app.

    ``key`` is asked of callers where a function's authLevel is function or admin; None leaves them open.
    """

    def __init__(self, worker: Worker, route_prefix: str, key: str | None) -> None:
        self._worker = worker
        self._key = key
        endpoints = [_endpoint(function, route_prefix) for function in worker.triggered_by("httpTrigger")]
        self._endpoints = sorted(endpoints, key=lambda endpoint: endpoint.route.rank)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """404 where no route matches, 405 where none has the method, 401 without the key, 500 if it failed."""
        matches = [
            (endpoint, params)
            for endpoint in self._endpoints
            if (params := endpoint.route.match(request.rel_url.raw_path)) is not None
        ]
        if not matches:
            raise web.HTTPNotFound
        # HEAD is GET without the body, which aiohttp leaves out by itself.
        for method in (request.method, "GET") if request.method == "HEAD" else (request.method,):
            for endpoint, params in matches:
                if endpoint.serves(method):
                    return await self._call(endpoint, request, method, params)
        allowed = sorted({method for endpoint, _ in matches for method in endpoint.methods})
        raise web.HTTPMethodNotAllowed(request.method, allowed)

    async def _call(
        self, endpoint: _Endpoint, request: web.Request, method: str, params: dict[str, str]
    ) -> web.StreamResponse:
        if endpoint.needs_key and self._key is not None and not keys.presents(request, self._key):
            raise web.HTTPUnauthorized(text="")
        body = await request.read()
        call = protos.RpcHttp(
            method=method,
            url=str(request.url),
            headers=_joined((name.lower(), value) for name, value in request.headers.items()),
            params=params,
            query=_joined(request.query.items()),
            body=protos.TypedData(bytes=body) if body else protos.TypedData(),
        )
        try:
            result = await self._worker.invoke(endpoint.function, protos.TypedData(http=call), {})
        except InvocationFailed:
            return web.Response(status=500)
        return _response(result)


def _endpoint(function: Function, route_prefix: str) -> _Endpoint:
    trigger = function.trigger
    template = trigger.get("route") or function.name
    try:
        route = Route.parse(f"{route_prefix}/{template.strip('/')}")
    except ValueError as error:
        raise CannotStart(f"function {function.name}: route {template!r}: {error}") from None
    return _Endpoint(
        function,
        route,
        frozenset(method.upper() for method in trigger.get("methods") or ()),
        needs_key=trigger.get("authLevel", "function").lower() != "anonymous",
    )


def _joined(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A name given more than once has its values joined by commas, as on the platform."""
    joined: dict[str, str] = {}
    for name, value in items:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _response(result: protos.TypedData | None) -> web.Response:
    if result is None:
        return web.Response(status=204)
    if result.WhichOneof("data") != "http":  # a function may return just text
        return web.Response(text=result.string)
    answer = result.http
    response = web.Response(status=int(answer.status_code), headers=answer.headers, body=answer.body.bytes)
    for cookie in answer.cookies or ():
        response.set_cookie(cookie.name, cookie.value, **_attributes(cookie))
    return response


def _attributes(cookie: protos.RpcHttpCookie) -> dict[str, Any]:
    """The attributes that were given, by the names of ``aiohttp``'s ``set_cookie``."""
    given = {
        "domain": cookie.domain and cookie.domain.value,
        "path": cookie.path and cookie.path.value,
        "max_age": cookie.max_age and str(int(cookie.max_age.value)),
        "secure": cookie.secure and cookie.secure.value,
        "httponly": cookie.http_only and cookie.http_only.value,
        "expires": cookie.expires and formatdate(cookie.expires.value.seconds, usegmt=True),
        "samesite": _SAME_SITE.get(cookie.same_site),
    }
    return {name: value for name, value in given.items() if value}
