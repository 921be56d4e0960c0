"""The pages, for people at a browser. To open one never changes anything."""

from http import HTTPStatus

import azure.functions as func

from functions import answers
from shared import bootstrap
from shared.domain.ids import parse_vm_id
from shared.requests import no_record
from shared.web import api
from shared.web.sight import Sight

blueprint = func.Blueprint()


@blueprint.function_name("dashboard")
@blueprint.route("dashboard", methods=["GET"])
@answers.answered(as_page=lambda _: True)
async def dashboard(req: func.HttpRequest) -> func.HttpResponse:
    """All VMs: what is wasted, which are flagged, and what can be done about it."""
    from shared.web import overview  # noqa: PLC0415 - few instances are asked for it

    app, caller = bootstrap.app(), answers.caller(req)
    wanted = overview.read_wanted(req.params, app.settings.subscriptions)
    summary = await app.summaries.latest()
    of = parse_vm_id(req.params["of"]) if req.params.get("of") else None
    asked_of = await app.ledger.latest(of) if of else None
    flagged, fleet = await app.ledger.page(wanted.flagged), await app.ledger.page(wanted.fleet)
    view = overview.Overview(
        summary=summary,
        flagged=flagged,
        fleet=fleet,
        costs=await app.costs.of([*flagged.records, *fleet.records]),
        wanted=wanted,
        remarks=bootstrap.uncovered(summary.sweeps),
        schedule=app.settings.sweep_schedule,
        subscriptions=app.settings.subscriptions,
        policy=app.settings.policy,
        now=app.watch.now(),
        may_change=caller.operator,
        key=answers.key(req),
        done=req.params.get("done"),
        done_of=asked_of.record if asked_of else None,
    )
    pages = bootstrap.pages()
    return answers.page(HTTPStatus.OK, pages.overview(view), pages.headers)


@blueprint.function_name("vm_page")
@blueprint.route(f"dashboard/{answers.VM}", methods=["GET"])
@answers.answered(as_page=lambda _: True)
async def vm_page(req: func.HttpRequest) -> func.HttpResponse:
    """One VM: what it is, why it is flagged, and what can be done about it."""
    app, vm, caller = bootstrap.app(), answers.named(req), answers.caller(req)
    stored = await app.ledger.latest(vm)
    if stored is None:
        raise no_record(vm)
    history = await app.ledger.history(vm, api.HISTORY)
    cost, spent = await app.costs.of_life(stored.record, history.episodes)
    sight = Sight(
        record=stored.record,
        history=history,
        cost=cost,
        spent=spent,
        policy=app.settings.policy,
        now=app.watch.now(),
        may_change=caller.operator,
        key=answers.key(req),
        done=req.params.get("done"),
    )
    pages = bootstrap.pages()
    return answers.page(HTTPStatus.OK, pages.vm(sight), pages.headers)
