"""The pages, for people at a browser. To open one never changes anything."""

from http import HTTPStatus

import azure.functions as func

from functions import answers
from shared import bootstrap
from shared.requests import no_record
from shared.web import api
from shared.web.sight import Sight

blueprint = func.Blueprint()


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
