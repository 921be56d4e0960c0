"""What a person sees of a message: its lines of text, links as `[title](address)`."""

import html
import re
from collections.abc import Iterator, Mapping
from itertools import batched
from typing import Any

type Json = Mapping[str, Any]


def in_slack(body: Json) -> list[str]:
    return [line for block in body["blocks"] for line in _block(block)]


def in_teams(body: Json) -> list[str]:
    (attachment,) = body["attachments"]
    card = attachment["content"]
    actions = [f"[{action['title']}]({action['url']})" for action in card["actions"]]
    lines = [line for element in card["body"] for line in _element(element)]
    return lines + ([" · ".join(actions)] if actions else [])


def _block(block: Json) -> Iterator[str]:
    for label, value in batched(block.get("fields", ()), 2, strict=True):
        yield f"{_text(label)}: {_text(value)}"
    if "text" in block:
        yield _text(block["text"])
    if "elements" in block:
        yield " · ".join(_text(element) for element in block["elements"])


def _text(text: Json) -> str:
    shown: str = text["text"]
    if text["type"] == "mrkdwn":
        shown = re.sub(r"<([^|>]*)\|([^>]*)>", r"[\2](\1)", shown.replace("*", ""))
    return html.unescape(shown)


def _element(element: Json) -> Iterator[str]:
    match element["type"]:
        case "Container":
            for item in element["items"]:
                yield from _element(item)
        case "TextBlock":
            yield element["text"]
        case "RichTextBlock":
            yield "".join(run["text"] for run in element["inlines"])
