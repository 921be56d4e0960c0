import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.webhook import FlavourName, WebhookMessage
from tests.eventually import eventually

CARD = {
    "type": "AdaptiveCard",
    "version": "1.5",
    "body": [{"type": "TextBlock", "text": "web-1 is left Stopped"}],
}
TEXT = {"type": "mrkdwn", "text": "*web-1* is left Stopped"}
TITLE = {"type": "plain_text", "text": "Left Stopped"}


def message(**card: object) -> dict[str, Any]:
    """What Teams takes, with parts of the card replaced."""
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": {**CARD, **card}}
    return {"type": "message", "attachments": [attachment]}


GOOD: dict[FlavourName, dict[str, Any]] = {
    "teams": message(),
    "slack": {
        "text": "web-1 is left Stopped",
        "blocks": [
            {"type": "header", "text": TITLE},
            {"type": "section", "text": TEXT, "fields": [TEXT, TITLE]},
            {"type": "divider"},
            {"type": "context", "elements": [TEXT]},
            {
                "type": "actions",
                "elements": [{"type": "button", "text": TITLE, "url": "https://portal.azure.com"}],
            },
        ],
    },
}


async def post(
    azure: SimulatedAzure, http: aiohttp.ClientSession, flavour: FlavourName, body: object
) -> tuple[int, str]:
    async with http.post(azure.webhook_url(flavour), json=body) as response:
        return response.status, await response.text()


async def test_what_is_taken_is_kept_in_order(http: aiohttp.ClientSession) -> None:
    now = datetime(2026, 9, 1, tzinfo=UTC)
    async with SimulatedAzure(clock=lambda: now) as azure:
        answers = [await post(azure, http, flavour, body) for flavour, body in GOOD.items()]
        kept = list(azure.webhook_messages)
        await azure.reset()

        assert answers == [(202, ""), (200, "ok")]
        assert kept == [
            WebhookMessage(now, "teams", GOOD["teams"]),
            WebhookMessage(now, "slack", GOOD["slack"]),
        ]
        assert azure.webhook_messages == []


def test_the_addresses_look_like_real_ones(azure: SimulatedAzure) -> None:
    assert "/services/T00000000/B00000000/" in azure.webhook_url("slack")
    assert "/triggers/manual/paths/invoke?api-version=1&" in azure.webhook_url("teams")
    unknown: Any = "irc"
    with pytest.raises(ValueError, match="'irc'; expected one of teams, slack"):
        azure.webhook_url(unknown)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([], "of type 'message'"),
        ({"text": "the old way"}, "of type 'message'"),
        ({"type": "message"}, "attachments must be an array"),
        ({"type": "message", "attachments": []}, "attachments must be an array"),
        ({"type": "message", "attachments": [CARD]}, "must have the contentType"),
        (message(type="MessageCard"), "of type 'AdaptiveCard'"),
        (message(version=None), "needs a version"),
        (message(body=None), "needs a body"),
        (message(body=["text"]), "an array of objects"),
    ],
)
async def test_what_teams_cannot_show_is_refused(
    azure: SimulatedAzure, http: aiohttp.ClientSession, body: object, problem: str
) -> None:
    status, answer = await post(azure, http, "teams", body)

    assert status == 400
    assert problem in answer
    assert azure.webhook_messages == []


async def test_teams_wants_the_signature_json_and_no_more_than_28_kb(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    url = azure.webhook_url("teams")
    async with http.post(url.partition("?")[0], json=message()) as unsigned:
        code = (await unsigned.json())["error"]["code"]
    async with http.post(url, data=b"\xff") as no_json:
        pass
    long = [{"type": "TextBlock", "text": "x" * 28 * 1024}]

    assert (unsigned.status, code) == (401, "DirectApiAuthorizationRequired")
    assert no_json.status == 400
    assert (await post(azure, http, "teams", message(body=long)))[0] == 413
    assert azure.webhook_messages == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "invalid_payload"),
        ({"text": 1}, "invalid_payload"),
        ({}, "no_text"),
        ({"text": "", "blocks": []}, "no_text"),
        ({"blocks": "none"}, "invalid_blocks"),
        ({"blocks": ["text"]}, "invalid_blocks"),
        ({"blocks": [{"type": ["section"]}]}, "invalid_blocks"),
        ({"blocks": [{"type": "table"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": "text"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {**TEXT, "text": ""}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {**TEXT, "text": "x" * 3001}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [TEXT] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [{**TEXT, "text": "x" * 2001}]}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": TEXT}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {**TITLE, "text": "x" * 151}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        ({"blocks": [{"type": "actions", "elements": [TEXT]}]}, "invalid_blocks"),
        (
            {
                "blocks": [
                    {"type": "actions", "elements": [{"type": "button", "text": TITLE, "url": "x" * 3001}]}
                ]
            },
            "invalid_blocks",
        ),
    ],
)
async def test_what_slack_cannot_show_is_refused_in_one_word(
    azure: SimulatedAzure, http: aiohttp.ClientSession, body: object, reason: str
) -> None:
    assert await post(azure, http, "slack", body) == (400, reason)
    assert azure.webhook_messages == []


async def test_slack_takes_text_alone_and_nothing_that_is_no_json(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    async with http.post(azure.webhook_url("slack"), data="payload={}") as form:
        answer = await form.text()

    assert (form.status, answer) == (400, "invalid_payload")
    assert await post(azure, http, "slack", {"text": "web-1 is left Stopped"}) == (200, "ok")


@pytest.mark.parametrize("flavour", ["teams", "slack"])
async def test_a_webhook_that_fails_and_is_mended(
    azure: SimulatedAzure, http: aiohttp.ClientSession, flavour: FlavourName
) -> None:
    await azure.set_webhook_mode("fail")
    failed, answer = await post(azure, http, flavour, GOOD[flavour])
    await azure.set_webhook_mode("ok")
    mended, _ = await post(azure, http, flavour, GOOD[flavour])

    assert failed == 500
    assert answer == "rollup_error" or "InternalServerError" in answer
    assert mended < 300
    assert len(azure.webhook_messages) == 1


async def test_a_webhook_that_hangs_until_told_otherwise(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    async def hangs() -> bool:
        return azure.webhook.waiting == 1

    await azure.set_webhook_mode("hang")
    posting = asyncio.create_task(post(azure, http, "slack", GOOD["slack"]))
    await eventually(hangs)
    hanging = list(azure.webhook_messages)
    await azure.set_webhook_mode("ok")

    assert hanging == []
    assert await posting == (200, "ok")


async def test_a_slow_webhook_answers_all_the_same(http: aiohttp.ClientSession) -> None:
    async with SimulatedAzure(slow_seconds=0.02) as azure:
        await azure.set_webhook_mode("slow")

        assert await post(azure, http, "teams", GOOD["teams"]) == (202, "")


async def test_topic_and_webhook_have_a_mode_each(azure: SimulatedAzure) -> None:
    await azure.set_webhook_mode("fail")

    assert (azure.webhook.mode, azure.topic.mode) == ("fail", "ok")
    unknown: Any = "broken"
    with pytest.raises(ValueError, match="webhook mode is 'broken'; expected one of ok, fail, hang, slow"):
        await azure.set_webhook_mode(unknown)
