"""The queues `looks`, `deallocations` and `sweeps` in Azure Queue Storage: what is to be done later.

Messages are in base64, as the host's queue trigger expects them. Azure shows one no earlier than asked for, but
maybe later, or twice.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property, partial
from math import ceil
from typing import TYPE_CHECKING

from azure.core.exceptions import DecodeError, ResourceNotFoundError

from shared.exchange import error_code
from shared.messages import due_at, write_attempt, write_look, write_sweep
from shared.ports import Attempt, Look, Sweep
from shared.storage import Account, StorageFault, ask, sdk_client

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

LOOKS = "looks"
DEALLOCATIONS = "deallocations"
SWEEPS = "sweeps"

LONGEST_DELAY = timedelta(days=6)
"""Azure hides a message for at most seven days."""

AT_THE_FRONT = 32
"""Messages that Azure shows at once. Those that are due longest come first, as a rule; it does not promise that."""

_XML = {"Content-Type": "application/xml"}

_FOREVER = -1
"""How long a message lives. By default it is seven days: a look due after a week's outage would be lost."""


def queue_service(
    connection_string: str | None,
    uri: str | None,
    credential: "AsyncTokenCredential",
) -> "QueueServiceClient":
    """The SDK's client of the queues in a storage account, see `sdk_client`."""
    from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415 - most instances never need it

    return sdk_client(QueueServiceClient, "queue", connection_string, uri, credential)


def open_looks(
    connection_string: str | None, uri: str | None, credential: "AsyncTokenCredential"
) -> "StorageQueue[Look]":
    """The queue `looks` in a storage account."""
    return StorageQueue(LOOKS, write_look, connection_string, uri, credential)


def open_deallocations(
    connection_string: str | None, uri: str | None, credential: "AsyncTokenCredential"
) -> "StorageQueue[Attempt]":
    """The queue `deallocations` in a storage account."""
    return StorageQueue(DEALLOCATIONS, write_attempt, connection_string, uri, credential)


async def held(queue: "QueueClient") -> int | None:
    """About how many messages a queue holds, also such as are hidden; None: there is no such queue."""
    try:
        count = (await queue.get_queue_properties()).approximate_message_count
    except ResourceNotFoundError as error:
        if error_code(error) != "QueueNotFound":
            raise
        return None
    if count is None:
        raise DecodeError("an answer without a count, which is none of storage's")
    return count


def open_sweeps(
    connection_string: str | None, uri: str | None, credential: "AsyncTokenCredential"
) -> "StorageQueue[Sweep]":
    """The queue `sweeps` in a storage account."""
    return StorageQueue(SWEEPS, write_sweep, connection_string, uri, credential)


class StorageQueue[Message: (Look, Attempt, Sweep)]:
    """Port `Queue`: a put is one request."""

    def __init__(
        self,
        name: str,
        write: Callable[[Message, int], str],
        connection_string: str | None,
        uri: str | None,
        credential: "AsyncTokenCredential",
    ) -> None:
        """Make no connection yet.

        Args:
            name: Of the queue. The host moves what it gave up on to `{name}-poison`.
            write: The text of a message that is hidden for so many seconds.
            connection_string: As `Account.open` has it, and raises for it.
            uri: The same.
            credential: The same.
        """
        self._account = Account.open("queue", connection_string, uri, credential)
        self._made_service = partial(queue_service, connection_string, uri, credential)
        self._name = name
        self._write: Callable[[Message, int], str] = write

    @cached_property
    def _service(self) -> "QueueServiceClient":
        """The SDK's client, when it is first needed: for what is rare."""
        return self._made_service()

    @property
    def _queue(self) -> "QueueClient":
        return self._service.get_queue_client(self._name)

    async def put(self, message: Message, delay: timedelta) -> None:
        """One message, hidden for the delay. Nothing tells whether the same is already asked for."""
        hidden = ceil(min(max(delay, timedelta()), LONGEST_DELAY).total_seconds())
        await ask(
            f"queue {self._name}, {_about(message)}",
            partial(self._send, self._write(message, hidden), hidden),
        )

    async def check(self) -> None:
        """Make the queue, which changes nothing when it is there, and ask for its properties."""
        await ask(f"queue {self._name}, make it", self._make)
        await ask(f"queue {self._name}, check", self._queue.get_queue_properties)

    async def poisoned(self) -> int:
        """One request. There is no such queue before the host gives up on a first message."""
        poison = f"{self._name}-poison"
        return await ask(f"queue {poison}, count", lambda: held(self._service.get_queue_client(poison))) or 0

    async def oldest(self) -> datetime | None:
        """One request, which takes nothing off the queue, for the first 32 messages that are in sight."""
        return await ask(f"queue {self._name}, peek", self._peek)

    async def close(self) -> None:
        """End the connections; nothing can be asked for afterwards."""
        await self._account.close()
        if "_service" in self.__dict__:
            await self._service.close()

    async def _send(self, text: str, hidden: int) -> None:
        message = b64encode(text.encode()).decode()
        send = partial(
            self._account.send,
            "POST",
            f"/{self._name}/messages",
            f"visibilitytimeout={hidden}&messagettl={_FOREVER}",
            headers=_XML,
            body=f"<QueueMessage><MessageText>{message}</MessageText></QueueMessage>".encode(),
        )
        try:
            await send()
        except StorageFault as fault:
            if fault.error_code != "QueueNotFound":
                raise
            await self._make()
            await send()

    async def _peek(self) -> datetime | None:
        try:
            messages = await self._queue.peek_messages(max_messages=AT_THE_FRONT)
        except ResourceNotFoundError as error:
            if error_code(error) != "QueueNotFound":
                raise
            return None
        return min((_due_at(each) for each in messages), default=None)

    async def _make(self) -> None:
        """Make the queue, unless it is there already: then Azure says 204, or 409 if somebody gave it metadata."""
        try:
            await self._account.send("PUT", f"/{self._name}")
        except StorageFault as fault:
            if fault.error_code != "QueueAlreadyExists":
                raise


def _due_at(message: "QueueMessage") -> datetime:
    if message.inserted_on is None:
        raise DecodeError("a message without the time that it was put, which is none of storage's")
    return due_at(_decoded(message.content), message.inserted_on)


def _decoded(content: str) -> bytes:
    """What a message says. One that is not in base64 is none of ours, and stays as it is."""
    try:
        return b64decode(content, validate=True)
    except ValueError:
        return content.encode()


def _about(message: Look | Attempt | Sweep) -> object:
    return message.subscription if isinstance(message, Sweep) else message.vm
