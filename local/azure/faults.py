"""Faults to order: the next requests that match are answered with an error, or not at all."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from json import dumps
from typing import Any, Literal, get_args

from aiohttp import web

from local.azure import errors
from local.azure.errors import ArmError
from local.azure.model import INSTANCE_TYPE, SCALE_SET_TYPE, VM_TYPE, azure_time

FaultKind = Literal["429", "500", "503", "403", "drop"]
KINDS: tuple[str, ...] = get_args(FaultKind)

_THROTTLED_GROUP = "HighCostGet30Min"
_WINDOW = timedelta(minutes=20)


@dataclass(slots=True, kw_only=True)
class Fault:
    """What to do to the next `times` requests whose method and path match, whole and in any letter case."""

    kind: FaultKind
    times: int = 1
    method: str = ".*"
    path: str = ".*"
    retry_after: int | None = None
    """Seconds to name in `Retry-After`. A 429 names 1200, as documented, unless told otherwise."""

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
        if self.kind == "drop":
            return None
        body, headers = _ANSWERS[self.kind](method, path, now)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        response = web.json_response(body, status=int(self.kind), headers=headers)
        if self.kind == "429":  # one header line per policy, as documented
            response.headers.add("x-ms-ratelimit-remaining-resource", "Microsoft.Compute/HighCostGet3Min;46")
            response.headers.add(
                "x-ms-ratelimit-remaining-resource", f"Microsoft.Compute/{_THROTTLED_GROUP};0"
            )
        return response


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


type _Answer = tuple[dict[str, Any], dict[str, str]]


def _throttled(_method: str, _path: str, now: datetime) -> _Answer:
    """Compute's own throttling: its body is not wrapped in `error`, and names the policy in a JSON string."""
    measured = {
        "operationGroup": _THROTTLED_GROUP,
        "startTime": azure_time(now - _WINDOW, "+00:00"),
        "endTime": azure_time(now, "+00:00"),
        "allowedRequestCount": 800,
        "measuredRequestCount": 1238,
    }
    body = {
        "code": "OperationNotAllowed",
        "message": "The server rejected the request because too many requests have been received for this "
        "subscription.",
        "details": [{"code": "TooManyRequests", "target": _THROTTLED_GROUP, "message": dumps(measured)}],
    }
    return body, {"Retry-After": str(int(_WINDOW.total_seconds()))}


def _broken(_method: str, _path: str, _now: datetime) -> _Answer:
    return ArmError(500, "InternalServerError", "Encountered internal server error.").body(), {}


def _unavailable(_method: str, _path: str, _now: datetime) -> _Answer:
    return ArmError(503, "ServiceUnavailable", "The service is temporarily unavailable.").body(), {}


def _forbidden(method: str, path: str, _now: datetime) -> _Answer:
    verb = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method)
    action = verb or f"{path.rsplit('/', 1)[-1]}/action"
    return errors.not_authorized(f"{_resource_type(path)}/{action}", path).body(), {}


def _resource_type(path: str) -> str:
    _, scale_set, rest = path.lower().partition("/virtualmachinescalesets/")
    if not scale_set:
        return VM_TYPE
    return INSTANCE_TYPE if "/virtualmachines" in rest else SCALE_SET_TYPE


_ANSWERS: Mapping[str, Callable[[str, str, datetime], _Answer]] = {
    "429": _throttled,
    "500": _broken,
    "503": _unavailable,
    "403": _forbidden,
}
