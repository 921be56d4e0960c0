import json
from typing import Any

import pytest

from local.doctor import app
from local.doctor.findings import Verdict
from local.doctor.installation import Asked
from tests.contracts.canned import Answer, Canned, drop, hang, said
from tests.local.doctor.conftest import Examine, told

HEALTH = {
    "status": "ok",
    "problems": [],
    "remarks": [],
    "mode": "notify",
    "grace": "15m",
    "poison": {"looks-poison": 0},
}


def health(status: int = 200, **changes: Any) -> Answer:  # noqa: ANN401 - JSON
    return said(status, json.dumps(HEALTH | changes))


async def found(service: Canned, answer: Answer, key: str | None = None) -> list[tuple[str, str]]:
    service.answer(answer)
    return told(await app.look(Asked(app=service.url, key=key)))


async def test_unless_asked_for_it_is_left_alone(look: Examine) -> None:
    assert told(await look("app")) == [("not checked", "--app URL asks a deployed app how it is")]


async def test_well(service: Canned) -> None:
    assert await found(service, health(), "sesame") == [
        ("ok", f"{service.url} can do its work: mode notify, grace 15m")
    ]
    (request,) = service.requests
    assert (request.path, request.query) == ("/api/health", {})
    assert request.headers["x-functions-key"] == "sesame"


async def test_its_problems_are_wrong_and_its_remarks_warnings(service: Canned) -> None:
    answer = health(503, problems=["STOPGAP_MODE is malformed"], remarks=["a remark"])
    assert await found(service, answer) == [("wrong", "STOPGAP_MODE is malformed"), ("warning", "a remark")]


async def test_one_that_cannot_even_read_its_settings(service: Canned) -> None:
    answer = said(503, '{"status": "unusable", "problems": ["STOPGAP_SUBSCRIPTIONS is missing"]}')
    assert await found(service, answer) == [("wrong", "STOPGAP_SUBSCRIPTIONS is missing")]


async def test_what_it_gave_up_is_told_once(service: Canned) -> None:
    remarks = ["looks-poison holds about 2"]
    answer = health(remarks=remarks, poison={"looks-poison": 2, "deallocations-poison": 1})
    assert (await found(service, answer))[1:] == [
        ("warning", "looks-poison holds about 2"),
        ("warning", "deallocations-poison holds about 1"),
    ]


@pytest.mark.parametrize(
    ("answer", "verdict", "fact"),
    [
        (said(401), "not checked", "HTTP 401: it wants to know who asks"),
        (said(403), "not checked", "HTTP 403: it wants to know who asks"),
        (said(302, "", {"Location": "https://login.microsoftonline.com/"}), "not checked", "HTTP 302"),
        (said(404), "wrong", "HTTP 404: no such function there"),
        (said(200, "<html>Hello"), "wrong", "HTTP 200, and no health of Stopgap's: b'<html>Hello'"),
        (said(200, "[]"), "wrong", "no health of Stopgap's"),
        (said(200, '{"problems": "none"}'), "wrong", "no health of Stopgap's"),
        (said(200, '{"problems": [], "poison": []}'), "wrong", "no health of Stopgap's"),
        (said(503, "<html>The service is unavailable"), "wrong", "HTTP 503"),
        (said(500, "\x1b[2J"), "wrong", "HTTP 500"),
        (drop, "wrong", "no answer"),
    ],
)
async def test_each_other_answer(service: Canned, answer: Answer, verdict: str, fact: str) -> None:
    ((was, said_of_it),) = await found(service, answer)
    assert was == verdict
    assert fact in said_of_it
    assert said_of_it.isprintable()


async def test_one_that_hangs(service: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "REQUEST_SECONDS", 0.05)
    assert await found(service, hang) == [
        ("wrong", f"GET {service.url}/api/health: no answer: the time was up")
    ]


async def test_it_is_asked_even_where_the_settings_cannot_be_read(look: Examine, service: Canned) -> None:
    service.answer(health())
    (finding,) = await look("app", Asked(app=service.url), STOPGAP_GRACE="soon")
    assert finding.verdict is Verdict.OK


def test_the_azure_cli_is_told_its_name_where_it_is_known() -> None:
    assert app._named("https://stopgap-7.azurewebsites.net").endswith("--name stopgap-7")
    assert app._named("https://stopgap.example.com").endswith("--name <app>")
    assert app._start("http://127.0.0.1:7071") == "does it run? .venv/bin/python -m local host"
