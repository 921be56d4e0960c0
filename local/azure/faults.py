"""Faults to order: the next requests that match are answered with an error, or not at all.

`drop` drops the connection and does nothing; `lost` does what was asked and drops it then, so that the answer is lost.
The others are statuses: with a `code` or a `message`, ARM's error shape with these, whatever they are; without, what
Azure answers most often with that status.
"""

import re
from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from aiohttp import web

from local.azure import errors
from local.azure.errors import ArmError
from local.azure.model import INSTANCE_TYPE, SCALE_SET_TYPE, VM_TYPE, azure_time
from local.azure.routing import refusal, resource_of

FaultKind = Literal["429", "500", "503", "400", "403", "404", "409", "drop", "lost"]
KINDS: tuple[str, ...] = get_args(FaultKind)

_THROTTLED_GROUP = "HighCostGet30Min"
_WINDOW = timedelta(minutes=20)
_CONNECTION_LOST = frozenset({"drop", "lost"})


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
        error = _USUAL[self.kind](method, path, now)
        if self.code is not None or self.message is not None:
            error = replace(
                error, code=self.code or error.code, message=self.message or error.message, details=()
            )
        response = refusal(error)
        if self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
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


def _throttled(now: datetime) -> ArmError:
    """Compute's own throttling, as documented."""
    measured = {
        "operationGroup": _THROTTLED_GROUP,
        "startTime": azure_time(now - _WINDOW, "+00:00"),
        "endTime": azure_time(now, "+00:00"),
        "allowedRequestCount": 800,
        "measuredRequestCount": 1238,
    }
    left = {"HighCostGet3Min": 46, _THROTTLED_GROUP: 0}
    return errors.compute_throttled(_THROTTLED_GROUP, measured, left, int(_WINDOW.total_seconds()))


def _forbidden(method: str, path: str) -> ArmError:
    verb = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method)
    action = verb or f"{path.rsplit('/', 1)[-1]}/action"
    return errors.not_authorized(f"{_resource_type(path)}/{action}", path)


def _resource_type(path: str) -> str:
    _, scale_set, rest = path.lower().partition("/virtualmachinescalesets/")
    if not scale_set:
        return VM_TYPE
    return INSTANCE_TYPE if "/virtualmachines" in rest else SCALE_SET_TYPE


_USUAL: Mapping[str, Callable[[str, str, datetime], ArmError]] = {
    "429": lambda _method, _path, now: _throttled(now),
    "500": lambda *_: ArmError(500, "InternalServerError", "Encountered internal server error."),
    "503": lambda *_: ArmError(503, "ServiceUnavailable", "The service is temporarily unavailable."),
    "400": lambda *_: errors.bad_request("The request content was invalid."),
    "403": lambda method, path, _: _forbidden(method, path),
    "404": lambda method, path, _: errors.no_resource(resource_of(method, path)),
    "409": lambda *_: errors.conflict(),
}
