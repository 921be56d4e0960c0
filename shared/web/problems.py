"""What went wrong, as the HTTP API tells it."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from msgspec import Struct

from shared.domain.malformed import Malformed
from shared.ports import Conflict, NotNow, PortError
from shared.requests import NoSuchVm, NotDone
from shared.settings import SettingError
from shared.web.access import NotAllowed, NotSignedIn
from shared.web.asked import TooLarge, UnknownType


class Problem(Struct, frozen=True):
    """Why something is not answered, or not done."""

    status: HTTPStatus
    detail: str
    rule: str | None = None
    """The rule that forbids it, by name; None: it was not forbidden."""
    retry_after: timedelta | None = None
    """How long to leave it alone; None: nobody said."""


STATUSES: Mapping[type[Exception], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    NotSignedIn: HTTPStatus.UNAUTHORIZED,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NoSuchVm: HTTPStatus.NOT_FOUND,
    NotDone: HTTPStatus.CONFLICT,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnknownType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    SettingError: HTTPStatus.SERVICE_UNAVAILABLE,
    Conflict: HTTPStatus.SERVICE_UNAVAILABLE,
    NotNow: HTTPStatus.SERVICE_UNAVAILABLE,
    PortError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The status of each error that is told; the nearest class decides. Any other is a fault of ours."""

TOLD = tuple(STATUSES)


def problem_of(fault: Exception) -> Problem:
    """What an error of `TOLD` comes to."""
    status = next(STATUSES[kind] for kind in type(fault).__mro__ if kind in STATUSES)
    rule = fault.refusal.rule if isinstance(fault, NotDone) else None
    retry_after = fault.retry_after if isinstance(fault, NotNow) else None
    return Problem(status, str(fault), rule, retry_after)
