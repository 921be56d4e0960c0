"""A message as an Adaptive Card, for a Workflows webhook of Microsoft Teams.

Markdown is read in a `TextBlock` and in facts, not in a `TextRun`. So what comes from outside goes into runs, and only
our own words into blocks. A mention needs an entity of the card, which ours has not.

Version 1.4: Workflows shows no card of 1.5, though Teams itself does (MicrosoftDocs/AdaptiveCards#550). Sources:
"Format cards in Teams" and "TextRun" on learn.microsoft.com.
"""

import re
from collections.abc import Iterator, Mapping

from shared.chat.message import Message
from shared.domain.records import NoticeKind

STYLES: Mapping[NoticeKind, str] = {
    NoticeKind.LEFT_STOPPED: "warning",
    NoticeKind.FAILED_PROVISIONING: "emphasis",
    NoticeKind.FLAG_CLEARED: "accent",
    NoticeKind.DEALLOCATED: "good",
    NoticeKind.DEALLOCATION_FAILED: "attention",
}
"""The colour of each, as a card's containers have it."""

_BRACES = re.compile(r"\{(?=\{)")

type Json = dict[str, object]


def body(message: Message) -> Json:
    """What is posted."""
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": list(_elements(message)),
        "actions": [
            {"type": "Action.OpenUrl", "title": title, "url": address} for title, address in message.links
        ],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _elements(message: Message) -> Iterator[Json]:
    title = {
        "type": "TextBlock",
        "text": f"{message.symbol} {message.title}",
        "weight": "Bolder",
        "size": "Medium",
        "wrap": True,
    }
    yield {
        "type": "Container",
        "style": STYLES[message.kind] if message.kind else "default",
        "bleed": True,
        "items": [title],
    }
    yield _runs({"text": _inert(message.name), "size": "Large", "weight": "Bolder"})
    for label, value in (*message.facts, ("Why", message.why), ("Next", message.following)):
        yield _runs({"text": f"{label}: ", "weight": "Bolder"}, {"text": _inert(value)}) | {
            "spacing": "Small"
        }
    if message.how:
        yield _runs({"text": _inert(message.how), "isSubtle": True})


def _runs(*runs: Json) -> Json:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun"} | run for run in runs]}


def _inert(text: str) -> str:
    """The text without `{{`: `{{DATE(…)}}` is made into a date even in a run."""
    return _BRACES.sub("{\u2060", text)
