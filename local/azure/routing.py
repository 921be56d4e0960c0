"""ARM's routes as rows of tables, and what their handlers have in common."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec
from aiohttp import web

from local.azure import errors
from local.azure.errors import ArmError

type Handler = Callable[[web.Request, re.Match[str]], Awaitable[web.Response]]

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a route table; paths are compared in any letter case, as ARM does."""

    method: str
    pattern: re.Pattern[str]
    name: str
    """What the request log and its counters call it."""
    answer: Handler
    action: str | None = None
    """The permission that it takes; None for none."""


def route(method: str, path: str, name: str, answer: Handler, action: str | None = None) -> Route:
    """A row; the path's `{parts}` are groups of its pattern, as `(?P<id>…)` makes a longer part one."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(method, re.compile(pattern, re.IGNORECASE), name, answer, action)


def resource_of(method: str, path: str) -> str:
    """What a request is about: its path, of a POST without the verb at its end."""
    whole = path.rstrip("/")
    return whole.rpartition("/")[0] if method == "POST" else whole


def flag(request: web.Request, name: str) -> bool:
    """A query parameter that is true or false, false by default. Raises ArmError (400) for another word."""
    text = request.query.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise errors.bad_request(
            f"The value of the query parameter {name} is {text!r}; expected true or false."
        )
    return text == "true"


def wants_instance_view(request: web.Request) -> bool:
    """Whether `$expand` asks for the instance view."""
    return request.query.get("$expand", "").lower() == "instanceview"


async def json_body(request: web.Request) -> object:
    """The body. Raises ArmError (400) if it is not JSON."""
    try:
        body: object = await request.json()
    except ValueError as error:
        raise errors.bad_request(f"The request content was invalid: {error}.") from error
    return body


def refusal(error: ArmError) -> web.Response:
    """The answer to a request that is refused."""
    response = web.json_response(error.body(), status=error.status)
    for name, value in error.headers:
        response.headers.add(name, value)
    return response


def page[Listed](
    request: web.Request,
    after: Callable[[str], Iterator[tuple[str, Listed]]],
    row: Callable[[Listed], bytes],
    size: int,
) -> web.Response:
    """One page of a list, by id. It costs its rows.

    The skip token is the last id shown, so that nothing is missed when VMs come and go between pages.

    Args:
        request: Names the page.
        after: Gives what is listed after an id, in order, each with its id.
        row: Makes the JSON of a row.
        size: How many rows a page has at most.
    """
    left = after(request.query.get("$skiptoken", ""))
    shown = list(islice(left, size))
    following = b""
    if next(left, None) is not None:
        link = str(request.url.update_query({"$skiptoken": shown[-1][0]}))
        following = b',"nextLink":' + msgspec.json.encode(link)
    rows = b",".join([row(listed) for _, listed in shown])
    return web.Response(
        body=b'{"value":[' + rows + b"]" + following + b"}", content_type="application/json", charset="utf-8"
    )
