"""What each error comes to."""

import json
from datetime import timedelta
from http import HTTPStatus

import pytest

from shared.domain.actions import Refusal
from shared.domain.malformed import Malformed
from shared.ports import Busy, Conflict, Damaged, NotNow, PortError, Refused, Throttled, Unavailable
from shared.requests import NoSuchVm, NotDone
from shared.settings import SettingError
from shared.web import api
from shared.web.access import NotAllowed, NotSignedIn
from shared.web.asked import TooLarge, UnknownType
from shared.web.problems import STATUSES, TOLD, problem_of


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Malformed("x"), 400),
        (NotSignedIn("x"), 401),
        (NotAllowed("x"), 403),
        (NoSuchVm("x"), 404),
        (NotDone(Refusal("exempt", "x")), 409),
        (TooLarge("x"), 413),
        (UnknownType("x"), 415),
        (SettingError("x"), 503),
        (Conflict("x"), 503),
        (NotNow("x"), 503),
        (Throttled("x"), 503),
        (Busy("x"), 503),
        (Unavailable("x"), 503),
        (PortError("x"), 500),
        (Refused("x"), 500),
        (Damaged("x"), 500),
    ],
)
def test_every_error_has_its_status(fault: Exception, status: int) -> None:
    assert isinstance(fault, TOLD)
    told = problem_of(fault)
    assert (told.status, told.detail) == (status, "x")
    assert json.loads(api.problem(told)) == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "x",
    } | ({"rule": "exempt"} if status == 409 else {})


def test_every_error_that_is_told_is_tested_here() -> None:
    assert {kind.__name__ for kind in STATUSES} <= set(globals())


def test_how_long_to_wait_goes_along() -> None:
    assert problem_of(Throttled("x", timedelta(seconds=7))).retry_after == timedelta(seconds=7)
    assert problem_of(Throttled("x")).retry_after is None
