"""Steering the simulated Azure over HTTP, in JSON.

| route | body | answer |
| --- | --- | --- |
| `GET /_sim/vms` | | `{"vms": [...]}` with each VM's true state and history |
| `POST /_sim/vms` | what `Cloud.add_vm` takes, by name; `since` in ISO 8601 | 201 `{"id"}` |
| `POST /_sim/fleet` | what `Cloud.add_fleet` takes, by name | 201 `{"ids"}` |
| `GET /_sim/powers` | | `{"powers": {id: power state}}` |
| `POST /_sim/vms/{verb}` | `id` and what the verb takes, by name | 202 `{"operation"}` or 200 `{}` |
| `POST /_sim/scale-sets` | what `Cloud.add_scale_set` takes, by name | 201 `{"ids"}` of the instances |
| `POST /_sim/scale-sets/remove` | `id` | `{}`: the set and its VMs are gone |
| `POST /_sim/scale-sets/{verb}` | the scale set's `id`, `instance_ids` or none for all, `by` | 202 `{"operation"}` |
| `POST /_sim/function-apps` | what `Cloud.add_function_app` takes, by name | 201 `{"id"}` |
| `POST /_sim/faults` | `kind`, `times`, `method`, `path`, `retry_after`, `code`, `message` | 201 `{}` |
| `GET /_sim/locks` | | `{"locks": [{"scope_id", "level"}]}` |
| `POST /_sim/locks` | `scope_id`, `level` (CanNotDelete, ReadOnly) | 201 `{}` |
| `POST /_sim/locks/remove` | `scope_id` | `{}` |
| `GET /_sim/permissions` | | `{"actions": [...], "not_actions": [...]}` of the caller of ARM |
| `POST /_sim/permissions` | `actions`, `not_actions` | `{}` |
| `GET /_sim/limits` | | `{"arm", "compute"}`: whether each one's request limits are enforced |
| `POST /_sim/limits` | `arm`, `compute`; what is left out stays | `{}` |
| `GET /_sim/counts` | | `{"counts": {operation: {status: how many requests}}}` |
| `GET /_sim/requests` | | `{"counts": {...}, "requests": [...]}`, with its `agent`, and its VM's true `condition` |
| `GET /_sim/topic` | | `{"mode", "events": [{"topic", "event"}]}` |
| `POST /_sim/topic/mode` | `mode` (ok, fail, hang, slow) | `{}` |
| `GET /_sim/webhook` | | `{"mode", "messages": [{"at", "flavour", "body"}]}` |
| `POST /_sim/webhook/mode` | `mode` (ok, fail, hang, slow) | `{}` |
| `GET /_sim/prices` | | `{"mode", "requests": [...]}` with the query of each |
| `POST /_sim/prices/mode` | `mode` (ok, fail, hang, slow) | `{}` |
| `POST /_sim/subscriptions` | what `Cloud.subscribe` takes, by name | 201 `{}`, 400 if the handshake fails |
| `GET /_sim/dead-letters` | | `{"dead_letters": [...]}` |
| `POST /_sim/operation-seconds` | `seconds` or null, of the operations to come | `{}` |
| `POST /_sim/page-size` | `rows` of a page of a list | `{}` |
| `GET /_sim/clock` | | `{"at"}` |
| `POST /_sim/clock` | `at` in ISO 8601, where the time is to stand still, or null for the real time | `{}` |
| `POST /_sim/burst` | what `Cloud.burst` takes, by name | 201 `{"operations", "begins_at", "ends_at"}` |
| `POST /_sim/burst/play` | `until` in ISO 8601 or null for the end | `{"events": [...], "next_at", "refused"}` |
| `POST /_sim/settle` | | `{}` once all operations and deliveries are done |
| `POST /_sim/reset` | | `{}` |
| `GET /_sim/left-stopped?grace_seconds=` | | `{"ids": [...]}` |

Verbs on VMs: `create` (takes what `POST /_sim/vms` does, without `state`), `start`, `power_off`, `restart`,
`deallocate` (`hibernate`), `redeploy`, `reapply`, `reimage`, `resize` (`size`), `delete`, `set_tags` (`tags`) - all
with `by`, a person's name or null - `guest_shutdown`, `guest_restart`, `guest_crash`, `evict`, `host_crash`,
`host_repair`, `service_healing`, `live_migration`, `annotate` (`name`), `fail_provisioning`, `recover_provisioning`,
`fail_next` (`code`), `cancel_next`, `set_statuses` and `replace_body` (`raw`), `remove_instance_view`, `restore`.
Verbs on scale sets: `start`, `power_off`, `restart`, `deallocate`, `redeploy`, `reimage`. Anything amiss is answered
with 400, 404 or 409 and `{"error": "one line"}`. Faults are of the kinds 400, 403, 404, 409, 429, 500, 503, `drop` and
`lost`. Only in process: `interpose`, as it takes a function.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.azure import control_shapes
from local.azure.cloud import Cloud
from local.azure.errors import ArmError
from local.azure.faults import Fault
from local.azure.handshake import HandshakeError
from local.azure.life import Verb
from local.azure.operations import AnyOperation, RunningOperation

if TYPE_CHECKING:
    from local.azure.burst import Burst

type _Handler = Callable[[web.Request], Awaitable[web.Response]]

_TIMES = frozenset({"since", "at", "begins_at", "until"})
_VERBS = frozenset(
    (set(Verb) - {Verb.CREATE, Verb.UPDATE})
    | {"set_tags", "annotate", "fail_next", "cancel_next"}
    | {"set_statuses", "replace_body", "remove_instance_view", "restore"}
)


def control_routes(cloud: Cloud) -> list[web.RouteDef]:
    """The routes of the table above."""
    control = _Control(cloud)
    routes: list[tuple[str, str, _Handler]] = [
        ("GET", "/_sim/vms", control.list_vms),
        ("POST", "/_sim/vms", control.add_vm),
        ("POST", "/_sim/fleet", control.add_fleet),
        ("GET", "/_sim/powers", control.list_powers),
        ("POST", "/_sim/vms/{verb}", control.act),
        ("POST", "/_sim/scale-sets", control.add_scale_set),
        ("POST", "/_sim/scale-sets/remove", control.remove_scale_set),
        ("POST", "/_sim/scale-sets/{verb}", control.act_on_scale_set),
        ("POST", "/_sim/function-apps", control.add_function_app),
        ("POST", "/_sim/faults", control.inject),
        ("GET", "/_sim/locks", control.list_locks),
        ("POST", "/_sim/locks", control.lock),
        ("POST", "/_sim/locks/remove", control.unlock),
        ("GET", "/_sim/permissions", control.show_permissions),
        ("POST", "/_sim/permissions", control.permit),
        ("GET", "/_sim/limits", control.show_limits),
        ("POST", "/_sim/limits", control.set_limits),
        ("GET", "/_sim/counts", control.count_requests),
        ("GET", "/_sim/requests", control.list_requests),
        ("GET", "/_sim/topic", control.show_topic),
        ("POST", "/_sim/topic/mode", control.set_topic_mode),
        ("GET", "/_sim/webhook", control.show_webhook),
        ("POST", "/_sim/webhook/mode", control.set_webhook_mode),
        ("GET", "/_sim/prices", control.show_prices),
        ("POST", "/_sim/prices/mode", control.set_prices_mode),
        ("POST", "/_sim/subscriptions", control.subscribe),
        ("GET", "/_sim/dead-letters", control.list_dead_letters),
        ("POST", "/_sim/operation-seconds", control.set_operation_seconds),
        ("POST", "/_sim/page-size", control.set_page_size),
        ("GET", "/_sim/clock", control.show_clock),
        ("POST", "/_sim/clock", control.set_clock),
        ("POST", "/_sim/burst", control.begin_burst),
        ("POST", "/_sim/burst/play", control.play_burst),
        ("POST", "/_sim/settle", control.settle),
        ("POST", "/_sim/reset", control.reset),
        ("GET", "/_sim/left-stopped", control.list_left_stopped),
    ]
    return [web.route(method, path, _in_words(handler)) for method, path, handler in routes]


def _in_words(handler: _Handler) -> _Handler:
    """Answer what goes wrong in one line of JSON."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ArmError as error:
            return web.json_response({"error": str(error)}, status=error.status)
        except (TypeError, ValueError, HandshakeError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return answer


class _Control:
    """The handlers. Bodies are handed on by name, so the cloud's own signatures say what is allowed."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._burst: Burst | None = None

    async def list_vms(self, _request: web.Request) -> web.Response:
        return web.json_response({"vms": [control_shapes.truth(vm) for vm in self._cloud.vms.values()]})

    async def add_vm(self, request: web.Request) -> web.Response:
        return web.json_response({"id": self._cloud.add_vm(**_timed(await _body(request)))}, status=201)

    async def add_fleet(self, request: web.Request) -> web.Response:
        return web.json_response({"ids": self._cloud.add_fleet(**_timed(await _body(request)))}, status=201)

    async def list_powers(self, _request: web.Request) -> web.Response:
        return web.json_response({"powers": self._cloud.powers()})

    async def add_scale_set(self, request: web.Request) -> web.Response:
        ids = self._cloud.add_scale_set(**_timed(await _body(request)))
        return web.json_response({"ids": ids}, status=201)

    async def remove_scale_set(self, request: web.Request) -> web.Response:
        self._cloud.remove_scale_set(_id(await _body(request), "scale set"))
        return web.json_response({})

    async def act(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        body = await _body(request)
        if verb == "create":
            return _begun(self._cloud.create(**body))
        if verb not in _VERBS:
            raise ValueError(f"verb is {verb!r}; expected create, {', '.join(sorted(_VERBS))}")
        return _begun(getattr(self._cloud, verb)(_id(body, "VM"), **body))

    async def act_on_scale_set(self, request: web.Request) -> web.Response:
        body = await _body(request)
        set_id = _id(body, "scale set")
        return _begun(self._cloud.on_scale_set(set_id, request.match_info["verb"], **body))

    async def add_function_app(self, request: web.Request) -> web.Response:
        return web.json_response({"id": self._cloud.add_function_app(**await _body(request))}, status=201)

    async def inject(self, request: web.Request) -> web.Response:
        self._cloud.inject(Fault(**await _body(request)))
        return web.json_response({}, status=201)

    async def list_locks(self, _request: web.Request) -> web.Response:
        return web.json_response(control_shapes.locks(self._cloud.arm.locks.in_force))

    async def lock(self, request: web.Request) -> web.Response:
        self._cloud.lock(**await _body(request))
        return web.json_response({}, status=201)

    async def unlock(self, request: web.Request) -> web.Response:
        self._cloud.unlock(**await _body(request))
        return web.json_response({})

    async def show_permissions(self, _request: web.Request) -> web.Response:
        return web.json_response(control_shapes.permissions(self._cloud.arm.permissions))

    async def permit(self, request: web.Request) -> web.Response:
        self._cloud.permit(**await _body(request))
        return web.json_response({})

    async def show_limits(self, _request: web.Request) -> web.Response:
        arm = self._cloud.arm
        return web.json_response({"arm": arm.enforce_limits, "compute": arm.enforce_compute_limits})

    async def set_limits(self, request: web.Request) -> web.Response:
        self._cloud.set_limits(**await _body(request))
        return web.json_response({})

    async def count_requests(self, _request: web.Request) -> web.Response:
        return web.json_response({"counts": self._cloud.arm.statuses()})

    async def list_requests(self, _request: web.Request) -> web.Response:
        logged = [control_shapes.logged(request) for request in self._cloud.requests]
        return web.json_response({"counts": self._cloud.arm.counts(), "requests": logged})

    async def show_topic(self, _request: web.Request) -> web.Response:
        return web.json_response(control_shapes.topic(self._cloud.topic))

    async def set_topic_mode(self, request: web.Request) -> web.Response:
        await self._cloud.set_topic_mode(**await _body(request))
        return web.json_response({})

    async def show_webhook(self, _request: web.Request) -> web.Response:
        return web.json_response(control_shapes.webhook(self._cloud.webhook))

    async def set_webhook_mode(self, request: web.Request) -> web.Response:
        await self._cloud.set_webhook_mode(**await _body(request))
        return web.json_response({})

    async def show_prices(self, _request: web.Request) -> web.Response:
        prices = self._cloud.prices
        return web.json_response({"mode": prices.mode, "requests": prices.requests})

    async def set_prices_mode(self, request: web.Request) -> web.Response:
        await self._cloud.set_prices_mode(**await _body(request))
        return web.json_response({})

    async def subscribe(self, request: web.Request) -> web.Response:
        await self._cloud.subscribe(**await _body(request))
        return web.json_response({}, status=201)

    async def list_dead_letters(self, _request: web.Request) -> web.Response:
        return web.json_response({"dead_letters": self._cloud.dead_letters})

    async def set_operation_seconds(self, request: web.Request) -> web.Response:
        self._cloud.set_operation_seconds(**await _body(request))
        return web.json_response({})

    async def set_page_size(self, request: web.Request) -> web.Response:
        self._cloud.set_page_size(**await _body(request))
        return web.json_response({})

    async def show_clock(self, _request: web.Request) -> web.Response:
        return web.json_response({"at": self._cloud.clock().isoformat()})

    async def set_clock(self, request: web.Request) -> web.Response:
        self._cloud.clock.set(**_timed(await _body(request)))
        return web.json_response({})

    async def begin_burst(self, request: web.Request) -> web.Response:
        burst = self._burst = self._cloud.burst(**_timed(await _body(request)))
        return web.json_response(control_shapes.burst(burst), status=201)

    async def play_burst(self, request: web.Request) -> web.Response:
        if self._burst is None:
            raise ValueError("there is no burst: ask for one with POST /_sim/burst")
        events = self._burst.play(**_timed(await _body(request)))
        return web.json_response(control_shapes.played(self._burst, events))

    async def settle(self, _request: web.Request) -> web.Response:
        await self._cloud.settle()
        return web.json_response({})

    async def reset(self, _request: web.Request) -> web.Response:
        await self._cloud.reset()
        return web.json_response({})

    async def list_left_stopped(self, request: web.Request) -> web.Response:
        text = request.query.get("grace_seconds", "0")
        try:
            grace = timedelta(seconds=float(text))
        except ValueError:
            raise ValueError(f"grace_seconds is {text!r}; expected a number") from None
        return web.json_response({"ids": sorted(self._cloud.left_stopped(grace))})


async def _body(request: web.Request) -> dict[str, Any]:
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - the caller's fault, not a type's
    return body


def _timed(body: dict[str, Any]) -> dict[str, Any]:
    """A body with its times read."""
    for name in _TIMES & set(body):
        if body[name] is not None:
            body[name] = datetime.fromisoformat(body[name]).astimezone(UTC)
    return body


def _id(body: dict[str, Any], what: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return body.pop("id")
    except KeyError:
        raise ValueError(f"the body needs the {what}'s 'id'") from None


def _begun(operation: AnyOperation | None) -> web.Response:
    if operation is None:
        return web.json_response({})
    told = {"operation": operation.id}
    if isinstance(operation, RunningOperation):
        told["id"] = operation.vm.spec.id
    return web.json_response(told, status=202)
