"""How the HTTP functions know who calls, and answer: in JSON, as a page, or with what went wrong."""

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus
from urllib.parse import urlsplit

import azure.functions as func

from shared import bootstrap
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.web import access, api, caching, links, parameters
from shared.web.problems import TOLD, Problem, problem_of

VM = "{subscription}/{resource_group}/{name}"
"""The part of a route that names a VM."""

type Route = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def answered(as_page: Callable[[func.HttpRequest], bool] = lambda _: False) -> Callable[[Route], Route]:
    """Let in who may look, and turn what a route raises into the answer that says so.

    Args:
        as_page: Whether it is a person at a browser who is answered.
    """

    def wrapped(route: Route) -> Route:
        @wraps(route)
        async def answer(req: func.HttpRequest) -> func.HttpResponse:
            try:
                caller(req)
                parameters.check(route.__name__, req.params)
                with bootstrap.measured:
                    return _kept(req, await route(req))
            except TOLD as fault:
                return _kept(req, _problem(req, problem_of(fault), as_page=as_page(req)))

        return answer

    return wrapped


def caller(req: func.HttpRequest) -> access.Caller:
    """Who calls."""
    return access.caller(req.headers, signed_in=bootstrap.signed_in_by_platform())


def changing_caller(req: func.HttpRequest) -> access.Caller:
    """Who calls, if they may change things from where they call."""
    who = caller(req)
    access.check_may_change(who, req.headers, req.headers.get("host") or urlsplit(req.url).netloc)
    return who


def named(req: func.HttpRequest) -> VmId:
    """The VM that the address names."""
    return VmId.of(*(req.route_params[part] for part in ("subscription", "resource_group", "name")))


def key(req: func.HttpRequest) -> str | None:
    """The function key, where it came in the address: whoever follows a link from there needs it there again."""
    found: str | None = req.params.get(api.KEY)
    return found


def json(status: HTTPStatus, body: str) -> func.HttpResponse:
    """An answer for programs."""
    return func.HttpResponse(body, status_code=status, mimetype="application/json")


def download(text: str, name: str) -> func.HttpResponse:
    """A table for a spreadsheet, as a file of that name."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return func.HttpResponse(text, mimetype="text/csv", charset="utf-8", headers=headers)


def page(status: HTTPStatus, body: str, headers: Mapping[str, str]) -> func.HttpResponse:
    """An answer for people."""
    return func.HttpResponse(body, status_code=status, mimetype="text/html", headers=headers)


def _kept(req: func.HttpRequest, made: func.HttpResponse) -> func.HttpResponse:
    """An answer with what may be kept of it; without its body where the caller has kept that."""
    if "Cache-Control" in made.headers:
        return made
    if req.method != "GET" or made.status_code != HTTPStatus.OK:
        made.headers["Cache-Control"] = caching.NOT_STORED
        return made
    tag = caching.etag(made.get_body())
    kept = {"ETag": tag, "Cache-Control": caching.REVALIDATED}
    if caching.holds(tag, req.headers.get("if-none-match")):
        return func.HttpResponse(status_code=HTTPStatus.NOT_MODIFIED, mimetype=made.mimetype, headers=kept)
    made.headers.update(kept)
    return made


def _problem(req: func.HttpRequest, problem: Problem, *, as_page: bool) -> func.HttpResponse:
    headers = dict[str, str]()
    if problem.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.retry_after:
        headers["Retry-After"] = str(math.ceil(problem.retry_after.total_seconds()))
    if as_page:
        pages = bootstrap.pages()
        return page(problem.status, pages.problem(problem, _back(req), key(req)), pages.headers | headers)
    return func.HttpResponse(
        api.problem(problem), status_code=problem.status, mimetype="application/problem+json", headers=headers
    )


def _back(req: func.HttpRequest) -> tuple[str, str] | None:
    """The page that a form was sent from and what it is called, if it was."""
    if req.method != "POST":
        return None
    try:
        return links.came_from(named(req), key=key(req), back=links.read_back(req.params.get("back")))
    except Malformed:
        return None
