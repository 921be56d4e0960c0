"""The queue `looks` in Azure Queue Storage: looks to be had later.

Messages are in base64, as the host's queue trigger expects them. Azure shows one no earlier than asked for, but
maybe later, or twice.
"""

from contextlib import suppress
from datetime import timedelta
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared.exchange import error_code
from shared.messages import write_look
from shared.ports import Look
from shared.storage import ask, storage_transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

QUEUE = "looks"

LONGEST_DELAY = timedelta(days=6)
"""Azure hides a message for at most seven days."""

_FOREVER = -1
"""How long a message lives. By default it is seven days: a look due after a week's outage would be lost."""


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
        await ask(f"queue {self._queue.queue_name}, {look.vm}", partial(self._send, write_look(look), hidden))

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
