"""The queue `looks` in Azure Queue Storage: looks to be had later.

A message is `{"vm": "<ARM id, lower-case>", "at": "<ISO 8601, UTC>"}` in base64, as the host's queue trigger
expects it. `at` is when the look is due; Azure shows the message no earlier, but maybe later, or twice.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared.domain.ids import parse_vm_id
from shared.domain.malformed import Malformed, shown
from shared.ports import Look
from shared.storage import ask, error_code, storage_transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

QUEUE = "looks"

LONGEST_DELAY = timedelta(days=6)
"""Azure hides a message for at most seven days."""

_FOREVER = -1
"""How long a message lives. By default it is seven days: a look due after a week's outage would be lost."""


class _Message(msgspec.Struct):
    vm: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]


def read_look(message: str | bytes) -> Look:
    """The look that a message asks for; fields that we do not know are left alone.

    Args:
        message: JSON, already decoded from base64. `Malformed` when it asks for no look.
    """
    try:
        told = msgspec.json.decode(message, type=_Message)
        at = told.at.astimezone(UTC)
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError) as fault:
        expected = '{"vm": "/subscriptions/…", "at": "2027-01-31T12:00:00Z"}'
        raise Malformed(f"look: expected {expected}, got {shown(message)} ({fault})") from None
    vm = parse_vm_id(told.vm)
    if vm is None:
        raise Malformed(f"look: expected `vm` to be the id of a VM, got {shown(told.vm)}")
    return Look(vm, at)


def open_looks(
    connection_string: str | None, uri: str | None, credential: "AsyncTokenCredential"
) -> "QueueLooks":
    """The queue in a storage account: the one that a connection string names, else the one at a URI.

    Makes no connection yet. Raises `ValueError` for a connection string or URI that is none.
    """
    options: dict[str, Any] = {
        "message_encode_policy": TextBase64EncodePolicy(),
        "transport": storage_transport(connection_string, "queue"),
        "retry_total": 0,
    }
    if connection_string:
        return QueueLooks(QueueClient.from_connection_string(connection_string, QUEUE, **options))
    return QueueLooks(QueueClient(uri or "", QUEUE, credential=credential, **options))


class QueueLooks:
    """Port `Looks`: a put is one request."""

    def __init__(self, queue: QueueClient) -> None:
        """Take over a client that encodes its messages in base64 and leaves retries to us."""
        self._queue = queue

    async def put(self, look: Look, delay: timedelta) -> None:
        """One message, hidden for the delay. Nothing tells whether the same look is already asked for."""
        hidden = ceil(min(max(delay, timedelta()), LONGEST_DELAY).total_seconds())
        await ask(f"queue {self._queue.queue_name}, {look.vm}", partial(self._send, _message(look), hidden))

    async def check(self) -> None:
        """Make the queue, which changes nothing when it is there, and ask for its properties."""
        await ask(f"queue {self._queue.queue_name}, make it", self._make)
        await ask(f"queue {self._queue.queue_name}, check", self._queue.get_queue_properties)

    async def close(self) -> None:
        """End the connections; nothing can be asked for afterwards."""
        await self._queue.close()

    async def _send(self, text: str, hidden: int) -> None:
        send = partial(self._queue.send_message, text, visibility_timeout=hidden, time_to_live=_FOREVER)
        try:
            await send()
        except ResourceNotFoundError as error:
            if error_code(error) != "QueueNotFound":
                raise
            await self._make()
            await send()

    async def _make(self) -> None:
        """Make the queue. The SDK raises for Azure's 204, which says that it is there already."""
        with suppress(ResourceExistsError):
            await self._queue.create_queue()


def _message(look: Look) -> str:
    return msgspec.json.encode(_Message(str(look.vm), look.at.astimezone(UTC))).decode()
