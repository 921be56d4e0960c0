"""A message as Slack's blocks, for an incoming webhook.

Slack's own markup has no escape for `*`, `_`, `~` and back-ticks. So what comes from outside goes into `plain_text`
objects, where nothing is formatted, linked or made an emoji, and only our own words into `mrkdwn`. `&`, `<` and `>` are
entities in both: else `<!channel>` would call everybody.

Sources: "Text object", "Formatting message text" and the reference of blocks, on docs.slack.dev.
"""

from collections.abc import Iterator
from itertools import batched

from shared.chat.message import Message

LONGEST_HEADER = 150
LONGEST_FIELD = 2000
LONGEST_TEXT = 3000
MOST_FIELDS = 10

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

type Json = dict[str, object]


def body(message: Message) -> Json:
    """What is posted."""
    return {
        # For notifications, and for clients that show no blocks.
        "text": _escaped(_headline(message), LONGEST_TEXT),
        "mrkdwn": False,
        "unfurl_links": False,
        "blocks": list(_blocks(message)),
    }


def _blocks(message: Message) -> Iterator[Json]:
    yield {"type": "header", "text": _plain(_headline(message), LONGEST_HEADER)}
    # Two fields are a line: a label and what is so.
    for facts in batched(message.facts, MOST_FIELDS // 2, strict=False):
        fields = [
            text for label, value in facts for text in (_ours(f"*{label}*"), _plain(value, LONGEST_FIELD))
        ]
        yield {"type": "section", "fields": fields}
    yield {"type": "section", "text": _plain(f"Why: {message.why}", LONGEST_TEXT)}
    yield {"type": "section", "text": _plain(f"Next: {message.following}", LONGEST_TEXT)}
    # Not buttons: Slack wants an answer to a press from an app that a webhook need not have.
    links = [_ours(f"<{address}|{title}>") for title, address in message.links]
    yield {"type": "context", "elements": [_plain(message.how, LONGEST_TEXT)] if message.how else links}


def _headline(message: Message) -> str:
    return f"{message.symbol} {message.title}: {message.name}"


def _ours(text: str) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str, longest: int) -> Json:
    return {"type": "plain_text", "text": _escaped(text, longest), "emoji": False}


def _escaped(text: str, longest: int) -> str:
    """The text with its entities, cut between two of them. Slack may count as JavaScript does: in UTF-16."""
    pieces, units = list[str](), 0
    for character in text:
        piece = _ENTITIES.get(character, character)
        units += len(piece) + (character > "\uffff")
        if units >= longest:
            return "".join(pieces) + "…"
        pieces.append(piece)
    return "".join(pieces)
