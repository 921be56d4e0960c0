"""Faults to order: the next requests that match are answered with an error, or not at all.

`drop` drops the connection and does nothing; `lost` does what was asked and drops it then, so that the answer is lost.
The others are statuses: with a `code` or a `message`, ARM's error shape with these, whatever they are; without, what
Azure answers most often with that status.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from json import dumps
from typing import Literal, get_args

from aiohttp import web

from local.azure import errors
from local.azure.errors import ArmError
from local.azure.model import INSTANCE_TYPE, SCALE_SET_TYPE, VM_TYPE, azure_time
from local.azure.routing import resource_of

FaultKind = Literal["429", "500", "503", "400", "403", "404", "409", "drop", "lost"]
KINDS: tuple[str, ...] = get_args(FaultKind)

_THROTTLED_GROUP = "HighCostGet30Min"
_WINDOW = timedelta(minutes=20)
_RETRY_AFTER = int(_WINDOW.total_seconds())
_CONNECTION_LOST = frozenset({"drop", "lost"})
_TOO_MANY = ArmError(
    429,
    "OperationNotAllowed",
    "The server rejected the request because too many requests have been received for this subscription.",
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """What to do to the next `times` requests whose method and path match, whole and in any letter case."""

    kind: FaultKind
    times: int = 1
    method: str = ".*"
    path: str = ".*"
    retry_after: int | None = None
    """Seconds to name in `Retry-After`. A 429 names 1200, as documented, unless told otherwise."""
    code: str | None = None
    """ARM's error code, in place of the usual one of the status."""
    message: str | None = None
    """The error's text, in place of the usual one."""

    def __post_init__(self) -> None:
        """Raise ValueError for a kind that does not exist or a pattern that is none."""
        if self.kind not in KINDS:
            raise ValueError(f"fault kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        for pattern in (self.method, self.path):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is meant."""
        return bool(
            re.fullmatch(self.method, method, re.IGNORECASE) and re.fullmatch(self.path, path, re.IGNORECASE)
        )

    def response(self, method: str, path: str, now: datetime) -> web.Response | None:
        """The answer to give; None to drop the connection."""
        if self.kind in _CONNECTION_LOST:
            return None
        headers = {"Retry-After": str(_RETRY_AFTER)} if self.kind == "429" else {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.kind == "429" and self.code is None and self.message is None:
            return _throttled(headers, now)
        usual = _USUAL[self.kind](method, path)
        error = replace(usual, code=self.code or usual.code, message=self.message or usual.message)
        return web.json_response(error.body(), status=error.status, headers=headers)


@dataclass(slots=True)
class Faults:
    """The faults in store, the one ordered first tried first."""

    in_store: list[Fault] = field(default_factory=list)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request is to meet, used up by one; None for a request left in peace."""
        for fault in self.in_store:
            if fault.matches(method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self.in_store.remove(fault)
                return fault
        return None


def _throttled(headers: Mapping[str, str], now: datetime) -> web.Response:
    """Compute's own throttling: its body is not wrapped in `error`, and names the policy in a JSON string."""
    measured = {
        "operationGroup": _THROTTLED_GROUP,
        "startTime": azure_time(now - _WINDOW, "+00:00"),
        "endTime": azure_time(now, "+00:00"),
        "allowedRequestCount": 800,
        "measuredRequestCount": 1238,
    }
    body = {
        "code": _TOO_MANY.code,
        "message": _TOO_MANY.message,
        "details": [{"code": "TooManyRequests", "target": _THROTTLED_GROUP, "message": dumps(measured)}],
    }
    response = web.json_response(body, status=_TOO_MANY.status, headers=headers)
    for left in ("HighCostGet3Min;46", f"{_THROTTLED_GROUP};0"):  # one header line per policy, as documented
        response.headers.add("x-ms-ratelimit-remaining-resource", f"Microsoft.Compute/{left}")
    return response


def _forbidden(method: str, path: str) -> ArmError:
    verb = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method)
    action = verb or f"{path.rsplit('/', 1)[-1]}/action"
    return errors.not_authorized(f"{_resource_type(path)}/{action}", path)


def _resource_type(path: str) -> str:
    _, scale_set, rest = path.lower().partition("/virtualmachinescalesets/")
    if not scale_set:
        return VM_TYPE
    return INSTANCE_TYPE if "/virtualmachines" in rest else SCALE_SET_TYPE


_USUAL: Mapping[str, Callable[[str, str], ArmError]] = {
    "429": lambda _method, _path: _TOO_MANY,
    "500": lambda _method, _path: ArmError(500, "InternalServerError", "Encountered internal server error."),
    "503": lambda _method, _path: ArmError(
        503, "ServiceUnavailable", "The service is temporarily unavailable."
    ),
    "400": lambda _method, _path: errors.bad_request("The request content was invalid."),
    "403": _forbidden,
    "404": lambda method, path: errors.no_resource(resource_of(method, path)),
    "409": lambda _method, _path: errors.conflict(),
}
