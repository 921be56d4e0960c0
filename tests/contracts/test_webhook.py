"""The port `Notices` as a chat's webhook: what is posted, how it fails, and that nobody learns its address."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from local.azure.server import SimulatedAzure
from local.azure.webhook import FlavourName
from shared import bootstrap
from shared.adapters import webhook
from shared.adapters.webhook import WebhookNotices
from shared.chat import slack, teams
from shared.chat.message import message
from shared.domain.policy import Channel
from shared.domain.records import NoticeKind
from shared.domain.telling import Telling
from shared.ports import PortError, Refused, Throttled, Trial, Unavailable
from shared.settings import Settings
from tests.contracts.canned import Answer, Canned, break_off, canned_service, drop, hang, said
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import NOON
from tests.told import tellings

BASE = "https://stopgap.example"
TOKEN = "XXXXXXXXXXXXXXXXXXXXXXXX"
SIGNATURE = "vK9%2Fs3cretS3cretS3cretS3cret%3D"
PATHS = {
    "slack": f"/services/T00000000/B00000000/{TOKEN}",
    "teams": f"/workflows/0123456789abcdef/triggers/manual/paths/invoke?api-version=1&sig={SIGNATURE}",
}
SECRETS = (TOKEN, SIGNATURE, "vK9/s3cretS3cretS3cretS3cret=", "0123456789abcdef", "/services/", "/workflows/")


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure() as azure:
        yield azure


@pytest.fixture
async def service() -> AsyncIterator[Canned]:
    async with canned_service() as service:
        yield service


@pytest.fixture
def telling() -> Telling:
    return tellings()[NoticeKind.LEFT_STOPPED]


@asynccontextmanager
async def webhook_at(url: str, base: str | None = BASE) -> AsyncIterator[WebhookNotices]:
    notices = WebhookNotices(url, base)
    try:
        yield notices
    finally:
        await notices.close()


async def failure(url: str, telling: Telling) -> PortError:
    """How sending fails, having told nobody the address."""
    async with webhook_at(url) as notices:
        with pytest.raises(PortError) as raised:
            await notices.send(telling)
        fault = raised.value
        told = " ".join((str(fault), repr(fault), repr(notices), str(fault.code), str(fault.said)))
        assert not [secret for secret in SECRETS if secret in told]
        assert (fault.__cause__, fault.__suppress_context__) == (None, True)
        return fault


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("base", [BASE, None])
async def test_every_kind_arrives_in_both_chats(
    azure: SimulatedAzure, kind: NoticeKind, base: str | None
) -> None:
    told = tellings()[kind]
    shown = message(told, base)
    flavours: tuple[FlavourName, ...] = ("slack", "teams")
    for flavour in flavours:
        async with webhook_at(azure.webhook_url(flavour), base) as notices:
            await notices.send(told)
    assert [(each.flavour, each.body) for each in azure.webhook_messages] == [
        ("slack", slack.body(shown)),
        ("teams", teams.body(shown)),
    ]


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", slack),
        ("https://hooks.slack-gov.com/services/T0/B0/x", slack),
        ("https://HOOKS.SLACK.COM/workflows/T0/x", slack),
        ("http://127.0.0.1:1/services/T0/B0/x", slack),
        ("http://[::1]:1/services/T0/B0/x", slack),
        ("http://127.0.0.1:1/workflows/x", teams),
        ("https://prod-01.westeurope.logic.azure.com/workflows/x", teams),
        ("https://chat.example.com/services/T0/B0/x", teams),
        ("https://hooks.slack.com.evil.example/services/T0/B0/x", teams),
    ],
)
def test_the_address_tells_whose_it_is(url: str, form: object) -> None:
    assert WebhookNotices(url, BASE)._body.__module__ == form.__name__  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("stopgap.azurewebsites.net", "https://stopgap.azurewebsites.net"),
        ("localhost:7071", "http://localhost:7071"),
        ("127.0.0.1:7071", "http://127.0.0.1:7071"),
        ("[::1]:7071", "http://[::1]:7071"),
        ("", None),
    ],
)
def test_links_lead_to_where_the_platform_says_that_the_app_is(
    monkeypatch: pytest.MonkeyPatch, host: str, base: str | None
) -> None:
    monkeypatch.setenv("WEBSITE_HOSTNAME", host)
    settings = Settings.from_env(
        {
            "STOPGAP_SUBSCRIPTIONS": "00000000-0000-4000-8000-000000000001",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "STOPGAP_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
        }
    )
    notices = bootstrap.notices_to(Channel.WEBHOOK, settings, NOBODY)
    assert isinstance(notices, WebhookNotices)
    assert notices._base == base


@pytest.mark.parametrize("flavour", ["teams", "slack"])
async def test_a_webhook_is_tried_out_with_a_message_that_is_about_no_vm(
    azure: SimulatedAzure, flavour: FlavourName
) -> None:
    async with webhook_at(azure.webhook_url(flavour)) as notices:
        assert isinstance(notices, Trial)
        await notices.try_out(NOON)
        await azure.set_webhook_mode("fail")
        with pytest.raises(PortError, match=r"^webhook at 127\.0\.0\.1, test: HTTP 5"):
            await notices.try_out(NOON)
    (message,) = azure.webhook_messages
    assert "Test of Stopgap's messages" in json.dumps(message.body)


@pytest.mark.parametrize("flavour", PATHS)
async def test_a_message_is_one_post_without_credentials(
    service: Canned, telling: Telling, flavour: str
) -> None:
    service.answer(said(200, "ok"))
    async with webhook_at(service.url + PATHS[flavour]) as notices:
        await notices.send(telling)
    (request,) = service.requests
    assert (request.method, request.path) == ("POST", PATHS[flavour].split("?")[0])
    assert request.headers["Content-Type"] == "application/json"
    assert not {"Authorization", "Cookie", "aeg-sas-key"} & set(request.headers)
    assert "🟠" in request.body.decode(), "as it is: `\\ud83d\\udfe0` would be longer"
    assert json.loads(request.body)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/services/T0/B0/s3cret",
        "ftp://127.0.0.1/s3cret",
        "s3cret",
        "https://h.example:99999/s3cret",
        "http://[x/s3cret",
    ],
)
def test_only_https_will_do_and_plain_http_on_loopback(url: str) -> None:
    with pytest.raises(ValueError, match="STOPGAP_WEBHOOK_URL: expected an https address") as raised:
        WebhookNotices(url, BASE)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, Unavailable),
        (302, Unavailable),
        (307, Unavailable),
        (400, Refused),
        (401, Refused),
        (403, Refused),
        (404, Refused),
        (408, Unavailable),
        (410, Refused),
        (413, Refused),
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
@pytest.mark.parametrize("flavour", PATHS)
async def test_every_status_after_one_request(
    service: Canned, telling: Telling, status: int, error: type[PortError], flavour: str
) -> None:
    service.answer(said(status, "no_service", {"Location": "/elsewhere"}, "text/plain"))
    fault = await failure(service.url + PATHS[flavour], telling)
    assert type(fault) is error
    assert str(fault) == f"webhook at 127.0.0.1, notice {telling.notice.id}: HTTP {status} 'no_service'"
    assert len(service.requests) == 1


async def test_how_long_to_leave_it_alone(service: Canned, telling: Telling) -> None:
    service.answer(said(429, "rate_limited", {"Retry-After": "30"}))
    fault = await failure(service.url + PATHS["slack"], telling)
    assert isinstance(fault, Throttled)
    assert fault.retry_after == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            '{"error": {"code": "TriggerInputSchemaMismatch", "message": "No card."}}',
            "TriggerInputSchemaMismatch",
        ),
        ("", ": HTTP 400"),
        ("x" * 10_000, "x… (10002 characters)"),
        (b"\xff\xfe", "'\\ufffd\\ufffd'"),
        ('{"error": ', "'{\"error\": '"),
    ],
)
async def test_what_it_answered_is_told_in_short(
    service: Canned, telling: Telling, body: str | bytes, says: str
) -> None:
    service.answer(said(400, body))
    fault = str(await failure(service.url + PATHS["teams"], telling))
    assert says in fault
    assert len(fault) < 600
    assert "\n" not in fault


@pytest.mark.parametrize("answer", [drop, break_off, said(500, b"\xff\xfe", {"Content-Encoding": "gzip"})])
async def test_a_message_whose_answer_is_lost_is_not_sent_twice(
    service: Canned, telling: Telling, answer: Answer
) -> None:
    service.answer(answer)
    assert type(await failure(service.url + PATHS["slack"], telling)) is Unavailable
    assert len(service.requests) == 1


async def test_nobody_there(telling: Telling) -> None:
    async with canned_service() as gone:
        pass
    fault = await failure(gone.url + PATHS["teams"], telling)
    assert "webhook at 127.0.0.1" in str(fault)
    assert type(fault) is Unavailable


async def test_a_webhook_that_hangs(
    service: Canned, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert webhook.SEND_SECONDS <= 8
    monkeypatch.setattr(webhook, "SEND_SECONDS", 0.05)
    service.answer(hang)
    fault = await failure(service.url + PATHS["teams"], telling)
    assert "no answer: the time was up" in str(fault)


async def echo(request: web.Request) -> web.StreamResponse:
    """Quote the address again and again: wherever the answer is cut, it is cut within an address."""
    return web.Response(status=404, text=f"{request.url} {request.path_qs} {request.query} " * 10)


async def blame(request: web.Request) -> web.StreamResponse:
    error = {"code": "NotFound", "message": f"No workflow {request.path}, {request.query_string}."}
    return web.json_response({"error": error}, status=404)


@pytest.mark.parametrize("answer", [echo, blame])
@pytest.mark.parametrize("flavour", PATHS)
async def test_an_answer_that_quotes_the_address_is_not_quoted(
    service: Canned, telling: Telling, answer: Answer, flavour: str
) -> None:
    service.answer(answer)
    assert "***" in str(await failure(service.url + PATHS[flavour], telling))


@pytest.mark.parametrize("flavour", PATHS)
async def test_an_answer_that_is_not_http_does_not_tell_the_address_either(
    telling: Telling, flavour: str
) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-babble\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        fault = await failure(f"http://{host}:{port}{PATHS[flavour]}", telling)
    assert type(fault) is Unavailable


async def test_nothing_is_logged_of_it(
    service: Canned, telling: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    service.answer(said(200), said(500))
    with caplog.at_level(logging.DEBUG):
        async with webhook_at(service.url + PATHS["teams"]) as notices:
            await notices.send(telling)
        await failure(service.url + PATHS["teams"], telling)
    # The loop's own debugging aside, which is off in the app.
    assert not [secret for secret in SECRETS if secret in caplog.text]


class TestTheSimulatedInbox:
    @pytest.mark.parametrize("flavour", PATHS)
    async def test_one_that_fails_and_recovers(
        self, azure: SimulatedAzure, telling: Telling, flavour: FlavourName
    ) -> None:
        await azure.set_webhook_mode("fail")
        url = azure.webhook_url(flavour)
        assert type(await failure(url, telling)) is Unavailable
        await azure.set_webhook_mode("ok")
        async with webhook_at(url) as notices:
            await notices.send(telling)
        assert [each.flavour for each in azure.webhook_messages] == [flavour]

    async def test_an_address_without_its_signature(self, azure: SimulatedAzure, telling: Telling) -> None:
        fault = await failure(azure.webhook_url("teams").partition("?")[0], telling)
        assert isinstance(fault, Refused)
        assert "HTTP 401 " in str(fault)
        assert "DirectApiAuthorizationRequired" in str(fault)
