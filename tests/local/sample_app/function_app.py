"""A function app with one function of each kind that the local host serves, which remembers what it saw."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call"

import asyncio
import json
import logging
from typing import Any

import azure.functions as func

log = logging.getLogger("sample")
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
seen: dict[str, list[Any]] = {"events": [], "messages": [], "ticks": []}


@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    kind = type(event).__name__
    seen["events"].append({"id": event.id, "kind": kind, "data": event.get_json()})
    log.info("saw event %s", event.id)
    if event.get_json().get("fail"):
        raise ValueError(f"event {event.id} is\nnot wanted")


@app.route("things/{kind:alpha}/{id?}", methods=["GET", "POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen_request = {
        "method": req.method,
        "url": req.url,
        "header": req.headers.get("x-sample"),
        "route": dict(req.route_params),
        "query": dict(req.params),
        "body": req.get_body().decode(),
    }
    headers = {
        "x-answer": "yes",
        "Set-Cookie": "flavour=oat; Max-Age=60; Path=/v1; Secure; HttpOnly; SameSite=Lax",
    }
    return func.HttpResponse(
        json.dumps(seen_request), status_code=201, headers=headers, mimetype="application/json"
    )


@app.route("things/special", methods=["GET"])
async def special(req: func.HttpRequest) -> str:  # noqa: ARG001 - a trigger's parameter
    return "special"


@app.route("files/{*path}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def files(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.route_params["path"])


@app.route(methods=["DELETE", "GET"])
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise LookupError(f"no luck with {req.method}")


@app.route("seen", methods=["GET"])
async def report(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - a trigger's parameter
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
async def work(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    expires, inserted, next_visible = (
        message.expiration_time,
        message.insertion_time,
        message.time_next_visible,
    )
    assert expires is not None
    assert inserted is not None
    assert next_visible is not None
    seen["messages"].append(
        {
            "text": text,
            "id": message.id,
            "tries": message.dequeue_count,
            "pop_receipt": bool(message.pop_receipt),
            "in_order": inserted <= next_visible <= expires,
        }
    )
    if text.startswith("fail"):
        raise RuntimeError(text)
    if text.startswith("slow"):
        await asyncio.sleep(3.5)
    if text.startswith("hang") and message.dequeue_count == 1:
        await asyncio.sleep(3600)


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%", run_on_startup=True)
async def tick(timer: func.TimerRequest) -> None:
    status: dict[str, str] = getattr(timer, "schedule_status")  # noqa: B009 - its declared class does not have it
    seen["ticks"].append({"past_due": timer.past_due, "next": status["Next"]})
