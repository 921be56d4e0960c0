"""The HTTP API: what is known."""

from http import HTTPStatus

import azure.functions as func

from functions import answers
from shared import bootstrap
from shared.requests import no_record
from shared.web import api, coverage

blueprint = func.Blueprint()


@blueprint.function_name("health")
@blueprint.route("health", methods=["GET"])
@answers.answered()
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the platform passes it by name
    """200 when the app can do its work, else 503 naming what it cannot."""
    state = await bootstrap.health()
    status = HTTPStatus.SERVICE_UNAVAILABLE if state["problems"] else HTTPStatus.OK
    return answers.json(status, api.to_json(state))


@blueprint.function_name("summary")
@blueprint.route("summary", methods=["GET"])
@answers.answered()
async def summary(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the platform passes it by name
    """How many VMs are known, by what they are, and what of them the latest sweeps saw."""
    found = await bootstrap.app().summaries.latest()
    return answers.json(HTTPStatus.OK, api.to_json(coverage.summary_view(found)))


@blueprint.function_name("episodes_csv")
@blueprint.route("episodes.csv", methods=["GET"])
@answers.answered()
async def episodes_csv(req: func.HttpRequest) -> func.HttpResponse:
    """The episodes of some days and what they cost, for a spreadsheet."""
    from shared.web import episodes  # noqa: PLC0415 - few instances are asked for it

    app = bootstrap.app()
    period = episodes.read_period(req.params, app.settings.subscriptions, app.watch.now())
    told = episodes.to_csv(await app.accounts.episodes(period))
    return answers.download(told, f"stopgap-episodes-{period.since}-{period.until}.csv")


@blueprint.function_name("vms")
@blueprint.route("vms", methods=["GET"])
@answers.answered()
async def vms(req: func.HttpRequest) -> func.HttpResponse:
    """The VMs that are known, by page."""
    app = bootstrap.app()
    query = api.read_query(req.params, app.settings.subscriptions)
    found = await app.ledger.page(query)
    return answers.json(HTTPStatus.OK, api.page(found, await app.costs.of(found.records)))


@blueprint.function_name("vm")
@blueprint.route(f"vms/{answers.VM}", methods=["GET"])
@answers.answered()
async def vm(req: func.HttpRequest) -> func.HttpResponse:
    """One VM, with its transitions, episodes and log."""
    app, named = bootstrap.app(), answers.named(req)
    stored = await app.ledger.latest(named)
    if stored is None:
        raise no_record(named)
    history = await app.ledger.history(named, api.HISTORY)
    cost, spent = await app.costs.of_life(stored.record, history.episodes)
    return answers.json(HTTPStatus.OK, api.vm(stored.record, history, cost, spent))


@blueprint.function_name("openapi")
@blueprint.route("openapi.json", methods=["GET"])
@answers.answered()
async def openapi(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the platform passes it by name
    """What can be asked for, and every answer, in OpenAPI."""
    return answers.json(HTTPStatus.OK, bootstrap.description())
