"""The HTTP API."""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus

import azure.functions as func

from shared import bootstrap
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.ports import NotNow, PortError
from shared.settings import SettingError
from shared.web import api

blueprint = func.Blueprint()

type Route = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def answered(route: Route) -> Route:
    """Turn what a route raises into the answer that says so."""

    @wraps(route)
    async def answer(req: func.HttpRequest) -> func.HttpResponse:
        try:
            return await route(req)
        except Malformed as fault:
            return _problem(HTTPStatus.BAD_REQUEST, str(fault))
        except (SettingError, NotNow) as fault:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, str(fault))
        except PortError as fault:
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(fault))

    return answer


@blueprint.function_name("health")
@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the platform passes it by name
    """200 when the app can do its work, else 503 naming what it cannot."""
    state = await bootstrap.health()
    status = HTTPStatus.SERVICE_UNAVAILABLE if state["problems"] else HTTPStatus.OK
    return _json(status, api.to_json(state))


@blueprint.function_name("vms")
@blueprint.route("vms", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answered
async def vms(req: func.HttpRequest) -> func.HttpResponse:
    """The VMs that are known, by page."""
    app = bootstrap.app()
    query = api.read_query(req.params, app.settings.subscriptions)
    found = await app.ledger.page(query)
    return _json(HTTPStatus.OK, api.page(found, await app.costs.of(found.records)))


@blueprint.function_name("vm")
@blueprint.route(
    "vms/{subscription}/{resource_group}/{name}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION
)
@answered
async def vm(req: func.HttpRequest) -> func.HttpResponse:
    """One VM, with its transitions and episodes."""
    app = bootstrap.app()
    named = VmId.of(*(req.route_params[part] for part in ("subscription", "resource_group", "name")))
    stored = await app.ledger.latest(named)
    if stored is None:
        return _problem(HTTPStatus.NOT_FOUND, f"no record of {named}: no signal or sweep has named it yet")
    history = await app.ledger.history(named, api.HISTORY)
    cost, spent = await app.costs.of_life(stored.record, history.episodes)
    return _json(HTTPStatus.OK, api.vm(stored.record, history, cost, spent))


def _json(status: HTTPStatus, body: str) -> func.HttpResponse:
    return func.HttpResponse(body, status_code=status, mimetype="application/json")


def _problem(status: HTTPStatus, detail: str) -> func.HttpResponse:
    return func.HttpResponse(
        api.problem(status, detail), status_code=status, mimetype="application/problem+json"
    )
