"""Event Grid's proof that an endpoint wants its events, before it sends any."""

from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import aiohttp

from local.azure.model import azure_time

Schema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]
ORIGIN = "eventgrid.azure.net"


class HandshakeError(Exception):
    """The endpoint did not prove that it wants the events. The message says what it answered."""


async def validate(session: aiohttp.ClientSession, endpoint: str, schema: Schema) -> None:
    """Perform the handshake of the schema. Raises HandshakeError if it fails."""
    shake = _cloud_events if schema == "CloudEventSchemaV1_0" else _event_grid
    try:
        problem = await shake(session, endpoint)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise HandshakeError(f"{endpoint} failed the {schema} validation handshake: {problem}")


async def _event_grid(session: aiohttp.ClientSession, endpoint: str) -> str | None:
    code = str(uuid4()).upper()
    event = {
        "id": str(uuid4()),
        "topic": "",
        "subject": "",
        "data": {"validationCode": code},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": azure_time(datetime.now(UTC)),
        "metadataVersion": "1",
        "dataVersion": "1",
    }
    headers = {"aeg-event-type": "SubscriptionValidation"}
    async with session.post(endpoint, json=[event], headers=headers) as response:
        if response.status != 200:
            return f"answered {response.status}; expected 200 with the validation code"
        answer = await response.json(content_type=None)
    echoed = answer.get("validationResponse") if isinstance(answer, dict) else None
    return None if echoed == code else f"echoed {echoed!r}; expected validationResponse {code!r}"


async def _cloud_events(session: aiohttp.ClientSession, endpoint: str) -> str | None:
    headers = {"WebHook-Request-Origin": ORIGIN}
    async with session.options(endpoint, headers=headers) as response:
        allowed = response.headers.get("WebHook-Allowed-Origin")
        if response.status != 200:
            return f"answered OPTIONS with {response.status}; expected 200"
    return None if allowed in {ORIGIN, "*"} else f"allowed origin {allowed!r}; expected {ORIGIN!r} or '*'"
