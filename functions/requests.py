"""The HTTP API: what can be asked for."""

from http import HTTPStatus

import azure.functions as func

from functions import answers
from shared import bootstrap
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.news import Ask, Exempt, LookAsked, Snooze
from shared.domain.records import Record
from shared.ports import Refused
from shared.requests import Requests
from shared.web import api, asked, links
from shared.web.asked import Asked, Asking

blueprint = func.Blueprint()


def by_form(req: func.HttpRequest) -> bool:
    """Whether it is one of our forms that asks."""
    return asked.is_form(req.headers.get("content-type"))


@blueprint.function_name("vm_deallocate")
@blueprint.route(f"vms/{answers.VM}/{Asking.DEALLOCATE}", methods=["POST"])
@answers.answered(as_page=by_form)
async def vm_deallocate(req: func.HttpRequest) -> func.HttpResponse:
    """Have a VM deallocated."""
    return await _taken(req, Asking.DEALLOCATE)


@blueprint.function_name("vm_snooze")
@blueprint.route(f"vms/{answers.VM}/{Asking.SNOOZE}", methods=["POST"])
@answers.answered(as_page=by_form)
async def vm_snooze(req: func.HttpRequest) -> func.HttpResponse:
    """Leave a flagged VM alone until a time."""
    return await _taken(req, Asking.SNOOZE)


@blueprint.function_name("vm_exempt")
@blueprint.route(f"vms/{answers.VM}/{Asking.EXEMPT}", methods=["POST"])
@answers.answered(as_page=by_form)
async def vm_exempt(req: func.HttpRequest) -> func.HttpResponse:
    """Exempt a VM."""
    return await _taken(req, Asking.EXEMPT)


@blueprint.function_name("vm_look")
@blueprint.route(f"vms/{answers.VM}/{Asking.LOOK}", methods=["POST"])
@answers.answered(as_page=by_form)
async def vm_look(req: func.HttpRequest) -> func.HttpResponse:
    """Have a VM looked at."""
    return await _taken(req, Asking.LOOK)


async def _taken(req: func.HttpRequest, asking: Asking) -> func.HttpResponse:
    """The VM as it is once a request was taken; a browser is sent back to its page."""
    back = links.read_back(req.params.get("back"))
    caller, vm, app = answers.changing_caller(req), answers.named(req), bootstrap.app()
    by = caller.recorded(keep_name=app.settings.keep_caller_name)
    wanted = asked.read(asking, req.headers.get("content-type"), req.get_body(), by, app.watch.now())
    record = await _asked_for(app.requests, vm, wanted)
    if by_form(req):
        location = links.after(vm, asking, key=answers.key(req), back=back)
        return func.HttpResponse(status_code=HTTPStatus.SEE_OTHER, headers={"Location": location})
    cost = (await app.costs.of([record])).get(vm)
    return answers.json(HTTPStatus.ACCEPTED, api.taken(record, cost))


async def _asked_for(requests: Requests, vm: VmId, wanted: Asked) -> Record:
    try:
        match wanted:
            case Ask(by):
                return await requests.deallocate(vm, by)
            case Snooze(until, by):
                return await requests.snooze(vm, until, by)
            case Exempt(exemption, by):
                return await requests.exempt(vm, exemption, by)
            case LookAsked(by):
                return await requests.look(vm, by)
    except Malformed as fault:
        # What was asked for has been read by now: this is of what Azure answered.
        raise Refused(str(fault)) from fault
