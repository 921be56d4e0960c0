"""What an incoming webhook of Slack answers: `ok`, or one word that says what is wrong, both as plain text.

Source: "Sending messages using incoming webhooks" and its errors; the limits are those of the Block Kit reference.
Blocks of kinds that are not in the table below are refused, too.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

PATH = r"/services/{team:T\w+}/{service:B\w+}/{token}"
ADDRESS = "/services/T00000000/B00000000/simulated"
MOST_BLOCKS = 50


def answer(_query: Mapping[str, str], body: bytes) -> web.Response:
    """200 with `ok`, or 400 with the reason."""
    reason = _reason(body)
    return web.Response(text=reason or "ok", status=200 if reason is None else 400)


def broken() -> web.Response:
    """The answer where it fails."""
    return web.Response(text="rollup_error", status=500)


def _reason(body: bytes) -> str | None:
    try:
        message = json.loads(body)
    except ValueError:
        return "invalid_payload"
    if not isinstance(message, dict) or not isinstance(message.get("text", ""), str):
        return "invalid_payload"
    blocks = message.get("blocks", [])
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS or not all(map(_is_block, blocks)):
        return "invalid_blocks"
    return None if message.get("text") or blocks else "no_text"


def _is_block(block: object) -> bool:
    if not isinstance(block, dict):
        return False
    kind = block.get("type")
    return isinstance(kind, str) and kind in _BLOCKS and _BLOCKS[kind](block)


def _is_section(block: Mapping[str, Any]) -> bool:
    text, fields = block.get("text"), block.get("fields")
    if text is None and fields is None:
        return False
    return (text is None or _is_text(text, 3000)) and (
        fields is None or _are(fields, 10, lambda field: _is_text(field, 2000))
    )


def _is_header(block: Mapping[str, Any]) -> bool:
    return _is_text(block.get("text"), 150, kinds=("plain_text",))


def _is_context(block: Mapping[str, Any]) -> bool:
    return _are(block.get("elements"), 10, lambda element: _is_text(element, 3000))


def _is_actions(block: Mapping[str, Any]) -> bool:
    return _are(block.get("elements"), 25, _is_button)


def _is_button(element: object) -> bool:
    if not isinstance(element, dict) or element.get("type") != "button":
        return False
    url = element.get("url", "")
    return (
        _is_text(element.get("text"), 75, kinds=("plain_text",)) and isinstance(url, str) and len(url) <= 3000
    )


def _are(elements: object, most: int, is_one: Callable[[object], bool]) -> bool:
    return isinstance(elements, list) and 1 <= len(elements) <= most and all(map(is_one, elements))


def _is_text(value: object, longest: int, kinds: tuple[str, ...] = ("mrkdwn", "plain_text")) -> bool:
    if not isinstance(value, dict) or value.get("type") not in kinds:
        return False
    text = value.get("text")
    return isinstance(text, str) and 1 <= len(text) <= longest


_BLOCKS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "section": _is_section,
    "header": _is_header,
    "context": _is_context,
    "divider": lambda _: True,
    "actions": _is_actions,
}
