"""The port `Notices`: in memory, in the log, on a custom topic through the real SDK, and in chats."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from copy import replace
from datetime import datetime, timedelta

import pytest

from local.azure.server import SimulatedAzure
from shared import exchange
from shared.adapters import topic
from shared.adapters.log import LogNotices
from shared.adapters.memory import MemoryNotices
from shared.adapters.topic import TopicNotices
from shared.adapters.webhook import WebhookNotices
from shared.domain.money import Amount, Cost
from shared.domain.records import Notice, NoticeKind
from shared.domain.states import PowerState
from shared.domain.telling import Telling
from shared.domain.views import vm_view
from shared.ports import Notices, PortError, Refused, Throttled, Trial, Unavailable
from tests.contracts.canned import Canned, break_off, canned_service, drop, hang, said
from tests.contracts.credentials import LockedOut, Nobody
from tests.contracts.fleet import NOON, new_vm
from tests.contracts.fleet import record as record_of


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure() as azure:
        yield azure


@pytest.fixture
async def on_topic(azure: SimulatedAzure) -> AsyncIterator[TopicNotices]:
    notices = TopicNotices(azure.topic_url(), Nobody())
    yield notices
    await notices.close()


@pytest.fixture
async def service() -> AsyncIterator[Canned]:
    async with canned_service() as service:
        yield service


@pytest.fixture
async def canned_notices(service: Canned) -> AsyncIterator[TopicNotices]:
    notices = TopicNotices(f"{service.url}/api/events", Nobody())
    yield notices
    await notices.close()


@pytest.fixture
def telling() -> Telling:
    hourly = Amount("EUR", 0.1, 0.2)
    return Telling(
        Notice(NoticeKind.LEFT_STOPPED, "left_stopped:1", NOON, NOON + timedelta(seconds=30)),
        record_of(new_vm(), PowerState.STOPPED, flagged=True, reason="Stopped, “still billed”."),
        Cost(hourly, hourly.times(3)),
    )


def of_kind(telling: Telling, kind: NoticeKind) -> Telling:
    return replace(telling, notice=replace(telling.notice, kind=kind))


@pytest.mark.parametrize("port", ["memory", "log", "topic", "teams", "slack"])
@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("cost", [True, False])
async def test_a_notice_is_sent(
    port: str,
    kind: NoticeKind,
    cost: bool,
    azure: SimulatedAzure,
    on_topic: TopicNotices,
    telling: Telling,
) -> None:
    async with AsyncExitStack() as stack:
        ports: dict[str, Notices] = {"memory": MemoryNotices(), "log": LogNotices(), "topic": on_topic}
        chats = {"teams": azure.webhook_url("teams"), "slack": azure.webhook_url("slack")}
        for name, url in chats.items():
            chat = WebhookNotices(url, "https://stopgap.example")
            stack.push_async_callback(chat.close)
            ports[name] = chat
        await ports[port].send(of_kind(telling if cost else replace(telling, cost=None), kind))


class TestTopic:
    async def test_a_notice_is_one_cloud_event(
        self, azure: SimulatedAzure, on_topic: TopicNotices, telling: Telling
    ) -> None:
        await on_topic.send(telling)
        (event,) = azure.topic_events
        assert datetime.fromisoformat(event.pop("time")) == NOON
        assert event == {
            "specversion": "1.0",
            "id": "left_stopped:1",
            "type": "Stopgap.Vm.LeftStopped",
            "source": f"/subscriptions/{telling.record.vm.subscription}",
            "subject": str(telling.record.vm),
            "datacontenttype": "application/json",
            "data": vm_view(telling.record, telling.cost),
        }

    async def test_a_cleared_flag_has_a_type_of_its_own(
        self, azure: SimulatedAzure, on_topic: TopicNotices, telling: Telling
    ) -> None:
        await on_topic.send(of_kind(telling, NoticeKind.FLAG_CLEARED))
        assert [event["type"] for event in azure.topic_events] == ["Stopgap.Vm.FlagCleared"]

    async def test_the_id_is_the_same_for_every_attempt(
        self, azure: SimulatedAzure, on_topic: TopicNotices, telling: Telling
    ) -> None:
        await on_topic.send(telling)
        later = replace(telling.notice, attempts=2, try_at=NOON + timedelta(hours=1))
        await on_topic.send(replace(telling, notice=later))
        first, second = azure.topic_events
        assert first == second

    async def test_a_topic_is_tried_out_with_an_event_that_is_about_no_vm(
        self, azure: SimulatedAzure, on_topic: TopicNotices
    ) -> None:
        assert isinstance(on_topic, Trial)
        await on_topic.try_out(NOON)
        (event,) = azure.topic_events
        assert datetime.fromisoformat(event.pop("time")) == NOON
        assert "about no VM" in event.pop("data")["text"]
        assert event == {
            "specversion": "1.0",
            "id": "test:2026-11-21T12:00:00Z",
            "type": "Stopgap.Test",
            "source": "/stopgap",
            "subject": "test",
            "datacontenttype": "application/json",
        }

    async def test_a_topic_that_fails(
        self, azure: SimulatedAzure, on_topic: TopicNotices, telling: Telling
    ) -> None:
        await azure.set_topic_mode("fail")
        with pytest.raises(
            Unavailable, match=f"^topic {azure.topic_url()}, notice left_stopped:1: HTTP 500 "
        ):
            await on_topic.send(telling)
        with pytest.raises(Unavailable, match=f"^topic {azure.topic_url()}, test: HTTP 500 "):
            await on_topic.try_out(NOON)
        await azure.set_topic_mode("ok")
        await on_topic.send(telling)
        assert len(azure.topic_events) == 1

    async def test_the_key_of_plain_http_is_no_secret(
        self, service: Canned, canned_notices: TopicNotices, telling: Telling
    ) -> None:
        service.answer(said(200))
        await canned_notices.send(telling)
        (request,) = service.requests
        assert request.headers["aeg-sas-key"] == "loopback"
        assert "Authorization" not in request.headers

    async def test_no_token_is_a_refusal(self, telling: Telling) -> None:
        credential = LockedOut()
        notices = TopicNotices("https://127.0.0.1:9/api/events", credential)
        with pytest.raises(Refused, match="no token to ask with"):
            await notices.send(telling)
        await notices.close()
        assert credential.scopes == [("https://eventgrid.azure.net/.default",)]

    @pytest.mark.parametrize(
        "endpoint", ["http://stopgap.westeurope-1.eventgrid.azure.net/api/events", "stopgap"]
    )
    def test_only_loopback_may_be_plain_http(self, endpoint: str) -> None:
        with pytest.raises(ValueError, match="STOPGAP_TOPIC_ENDPOINT: expected an https address"):
            TopicNotices(endpoint, Nobody())


class TestFailing:
    @pytest.mark.parametrize(
        ("status", "error", "requests"),
        [
            (400, Refused, 1),
            (401, Refused, 1),
            (403, Refused, 1),
            (413, Refused, 1),
            (429, Throttled, 1),
            (500, Unavailable, 3),
            (502, Unavailable, 3),
            (503, Unavailable, 3),
            (504, Unavailable, 3),
        ],
    )
    async def test_every_status(
        self,
        service: Canned,
        canned_notices: TopicNotices,
        telling: Telling,
        status: int,
        error: type[PortError],
        requests: int,
    ) -> None:
        service.answer(said(status, '{"error": {"code": "Oops", "message": "No way."}}'))
        with pytest.raises(error, match=f"HTTP {status} Oops No way.") as raised:
            await canned_notices.send(telling)
        assert type(raised.value) is error
        assert len(service.requests) == requests
        assert len({request.body for request in service.requests}) == 1

    async def test_no_such_topic(
        self, service: Canned, canned_notices: TopicNotices, telling: Telling
    ) -> None:
        service.answer(said(404))
        with pytest.raises(Refused, match="notice left_stopped:1: Resource not found"):
            await canned_notices.send(telling)
        assert len(service.requests) == 1

    @pytest.mark.parametrize(("status", "error"), [(400, Refused), (429, Throttled), (503, Unavailable)])
    @pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b'{"error": '])
    async def test_an_error_that_cannot_be_read(
        self,
        service: Canned,
        canned_notices: TopicNotices,
        telling: Telling,
        status: int,
        error: type[PortError],
        body: bytes,
    ) -> None:
        service.answer(said(status, body))
        with pytest.raises(error):
            await canned_notices.send(telling)

    @pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
    async def test_an_answer_that_cannot_be_decoded(
        self,
        service: Canned,
        canned_notices: TopicNotices,
        telling: Telling,
        headers: dict[str, str],
    ) -> None:
        service.answer(said(403, b"\xff\xfe", headers))
        with pytest.raises(Unavailable, match="an answer that cannot be decoded"):
            await canned_notices.send(telling)
        assert len(service.requests) == 1

    async def test_retry_after_is_passed_on_and_not_slept(
        self, service: Canned, canned_notices: TopicNotices, telling: Telling
    ) -> None:
        service.answer(said(503, "", {"Retry-After": "600"}))
        with pytest.raises(Unavailable) as raised:
            await canned_notices.send(telling)
        assert raised.value.retry_after == timedelta(minutes=10)
        assert len(service.requests) == 1

    async def test_a_lost_connection_is_tried_again(
        self, service: Canned, canned_notices: TopicNotices, telling: Telling
    ) -> None:
        service.answer(drop, break_off, said(200))
        await canned_notices.send(telling)
        assert [json.loads(request.body)[0]["id"] for request in service.requests] == ["left_stopped:1"] * 3

    async def test_a_topic_that_hangs(
        self,
        service: Canned,
        canned_notices: TopicNotices,
        telling: Telling,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        service.answer(hang)
        monkeypatch.setattr(topic, "SEND_SECONDS", 0.05)
        with pytest.raises(Unavailable, match="no answer: the time was up"):
            await canned_notices.send(telling)


class TestLog:
    async def test_a_notice_is_one_line_of_json(
        self, caplog: pytest.LogCaptureFixture, telling: Telling
    ) -> None:
        with caplog.at_level(logging.INFO, "stopgap.notices"):
            await LogNotices().send(telling)
        (entry,) = caplog.records
        line = entry.getMessage()
        word, _, body = line.partition(" ")
        assert (word, "\n" in line, entry.levelno) == ("notice", False, logging.INFO)
        told = json.loads(body)
        assert (told["id"], told["type"]) == ("left_stopped:1", "Stopgap.Vm.LeftStopped")
        assert told["data"] == vm_view(telling.record, telling.cost)
