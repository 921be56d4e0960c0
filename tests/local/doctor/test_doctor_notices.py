from datetime import UTC, datetime, timedelta

import pytest

from local.azure.server import SimulatedAzure
from local.doctor.findings import Verdict
from local.doctor.installation import Asked
from shared.domain.policy import Channel
from shared.ports import Refused
from tests.contracts.canned import Canned, said
from tests.local.doctor.conftest import Environment, Examine, told

SEND = Asked(send_test_notice=True)


async def test_nothing_is_sent_unless_asked_for(look: Examine, azure: SimulatedAzure) -> None:
    webhook = azure.webhook_url("slack")
    assert told(await look("notices", STOPGAP_WEBHOOK_URL=webhook)) == [
        ("not checked", "topic: --send-test-notice sends one"),
        ("not checked", "webhook: --send-test-notice sends one"),
    ]
    assert (azure.topic_events, azure.webhook_messages) == ([], [])


async def test_one_event_is_sent_to_the_topic(look: Examine, azure: SimulatedAzure) -> None:
    (finding,) = await look("notices", SEND)
    assert finding.verdict is Verdict.OK
    assert finding.fact.startswith("topic: a test notice was taken in 0.")
    (event,) = azure.topic_events
    assert event["type"] == "Stopgap.Test"
    assert datetime.now(UTC) - datetime.fromisoformat(event["time"]) < timedelta(minutes=1)


async def test_a_topic_that_fails(look: Examine, azure: SimulatedAzure) -> None:
    await azure.set_topic_mode("fail")
    (finding,) = await look("notices", SEND)
    assert finding.verdict is Verdict.WRONG
    assert "HTTP 500" in finding.fact


async def test_a_topic_that_hangs(
    look: Examine, azure: SimulatedAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.topic.SEND_SECONDS", 0.05)
    await azure.set_topic_mode("hang")
    (finding,) = await look("notices", SEND)
    assert finding.verdict is Verdict.WRONG
    assert "no answer: the time was up" in finding.fact


async def test_a_topic_that_throttles(look: Examine, service: Canned) -> None:
    service.answer(said(429, "", {"Retry-After": "5"}))
    (finding,) = await look("notices", SEND, STOPGAP_TOPIC_ENDPOINT=f"{service.url}/api/events")
    assert finding.blind
    assert finding.mend == "try again in 5 s"


async def test_where_nobody_is_signed_in(
    look: Examine, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    environment["STOPGAP_TOPIC_ENDPOINT"] = "https://127.0.0.1:9/api/events"
    (finding,) = await look("notices", SEND)
    assert finding.blind
    assert finding.mend == "az login"


async def test_the_log_is_not_tried_out(look: Examine) -> None:
    assert told(await look("notices", SEND, STOPGAP_TOPIC_ENDPOINT="")) == [
        ("not checked", "notices are lines of the app's log")
    ]


class Mute:
    """A channel that cannot be tried out."""

    async def send(self, *_: object) -> None:
        raise AssertionError("doctor has no notice to send")


class Webhook(Mute):
    def __init__(self, fault: Refused | None = None) -> None:
        self.tried: list[datetime] = []
        self.closed = False
        self._fault = fault

    async def try_out(self, at: datetime) -> None:
        if self._fault:
            raise self._fault
        self.tried.append(at)

    async def close(self) -> None:
        self.closed = True


async def webhook(look: Examine, port: object, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """What is said of a webhook that is tried out."""

    def choose(channel: Channel, *_: object) -> object:
        assert channel is Channel.WEBHOOK
        return port

    monkeypatch.setattr("shared.bootstrap.notices_to", choose)
    settings = {
        "STOPGAP_TOPIC_ENDPOINT": "",
        "STOPGAP_WEBHOOK_URL": "http://127.0.0.1:9/services/T0/B0/sesame",
    }
    (line,) = told(await look("notices", SEND, **settings))
    return line


async def test_a_webhook_that_can_be_tried_out_is(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Webhook()
    verdict, fact = await webhook(look, port, monkeypatch)
    assert (verdict, len(port.tried), port.closed) == ("ok", 1, True)
    assert fact.startswith("webhook: a test notice was taken in ")


async def test_a_webhook_that_refuses(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Webhook(Refused("webhook at 127.0.0.1, test: HTTP 404 'no_service'"))
    assert await webhook(look, port, monkeypatch) == (
        "wrong",
        "webhook at 127.0.0.1, test: HTTP 404 'no_service'",
    )
    assert port.closed


async def test_a_channel_that_cannot_be_tried_out(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await webhook(look, Mute(), monkeypatch) == (
        "not checked",
        "webhook: this version has nothing to try it out with",
    )
