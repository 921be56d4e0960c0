"""What a Workflows webhook of Microsoft Teams answers ("Post to a channel when a webhook request is received").

The real one answers 202 before the flow runs, and what the flow cannot use is lost without a word to the sender. Here
that is refused, so that it shows: 400 where the flow's trigger or its card action would fail, and 413 above 28 KB.
"""

import json
from collections.abc import Mapping

from aiohttp import web

from local.azure.errors import ArmError

PATH = "/powerautomate/automations/direct/workflows/{id}/triggers/manual/paths/invoke"
ADDRESS = (
    "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
    "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=simulated"
)
LARGEST = 28 * 1024

_CARD = "application/vnd.microsoft.card.adaptive"


def answer(query: Mapping[str, str], body: bytes) -> web.Response:
    """202 without a body, or why not."""
    if "sig" not in query:  # the signature in the address is the only credential
        return _error(401, "DirectApiAuthorizationRequired", "The request must be signed: 'sig' is missing.")
    if len(body) > LARGEST:
        return _error(
            413, "RequestEntityTooLarge", f"The message is of {len(body)} bytes; {LARGEST} are allowed."
        )
    problem = _problem(body)
    if problem is not None:
        return _error(400, "TriggerInputSchemaMismatch", problem)
    return web.Response(status=202)


def broken() -> web.Response:
    """The answer where it fails."""
    return _error(500, "InternalServerError", "The webhook is told to fail.")


def _problem(body: bytes) -> str | None:
    try:
        message = json.loads(body)
    except ValueError as error:
        return f"The body is not JSON: {error}."
    if not isinstance(message, dict) or message.get("type") != "message":
        return "The body must be an object of type 'message'."
    attachments = message.get("attachments")
    if not isinstance(attachments, list) or not attachments:
        return "attachments must be an array with a card in it."
    return next(filter(None, map(_problem_of_attachment, attachments)), None)


def _problem_of_attachment(attachment: object) -> str | None:
    if not isinstance(attachment, dict) or attachment.get("contentType") != _CARD:
        return f"An attachment must have the contentType {_CARD}."
    card = attachment.get("content")
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return "An attachment's content must be an object of type 'AdaptiveCard'."
    if not isinstance(card.get("version"), str):
        return "An Adaptive Card needs a version, as text."
    elements = card.get("body")
    if not isinstance(elements, list) or not all(_is_element(element) for element in elements):
        return "An Adaptive Card needs a body, an array of objects with a type."
    return None


def _is_element(element: object) -> bool:
    return isinstance(element, dict) and isinstance(element.get("type"), str)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response(ArmError(status, code, message).body(), status=status)
