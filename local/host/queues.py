"""Queue triggers: messages are leased, run, and then deleted, given back, or moved to the poison queue.

Nothing is lost: a message is deleted only after its function succeeded or its copy is in ``<queue>-poison``. If
the host dies, the lease ends and the message comes back.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger
"""

import asyncio
import base64
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.identity.aio import DefaultAzureCredential
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host import protos
from local.host.settings import QueueSettings
from local.host.waiting import stops_within
from local.host.worker import Function, InvocationFailed, Worker
from local.parts import CannotStart

log = logging.getLogger("host")

# The SDK's own default waits 15 s before it tries again; here it tries twice more, after 0.3 s each.
_RETRY: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 0.3,
    "increment_base": 0,
    "random_jitter_range": 0,
}
AGENT = "stopgap-host"
"""How the host's own requests are told from the functions'."""

_FIRST_PAUSE = 0.1  # seconds; it doubles with each look that finds nothing


class QueueListener:
    """One queue function: fetches messages and runs it once for each, several at a time."""

    def __init__(
        self,
        function: Function,
        worker: Worker,
        settings: QueueSettings,
        *,
        lease: int,
        environment: Mapping[str, str],
    ) -> None:
        """``lease``: seconds that a message stays hidden while it is processed; renewed at half of it."""
        self._function = function
        self._worker = worker
        self._settings = settings
        self._lease = lease
        self._name: str = function.trigger["queueName"]
        self._service, self._closing = _connect(function, environment)
        self._queue = self._service.get_queue_client(self._name)
        self._poison = self._service.get_queue_client(f"{self._name}-poison")
        self._in_flight = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch until ``stop``, then wait for the messages in flight. Cancelled, it leaves them to their lease."""
        pause, is_reachable, exists = _FIRST_PAUSE, True, False
        longest = max(self._settings.max_polling_interval.total_seconds(), _FIRST_PAUSE)
        async with self._closing, asyncio.TaskGroup() as in_flight:
            while not stop.is_set():
                try:
                    if not exists:
                        await _create(self._queue)
                    messages = await self._fetch()
                except AzureError as error:
                    if is_reachable:
                        log.warning("queue %s: %s; trying until it answers", self._name, _reason(error))
                    is_reachable, exists, messages = False, False, []
                else:
                    if not is_reachable:
                        log.info("queue %s: answers again", self._name)
                    is_reachable = exists = True
                for message in messages:
                    self._begin()
                    in_flight.create_task(self._process(message)).add_done_callback(self._end)
                if messages:
                    pause = _FIRST_PAUSE
                    await self._has_room.wait()
                else:
                    await stops_within(stop, pause)
                    pause = min(pause * 2, longest)

    def _begin(self) -> None:
        self._in_flight += 1
        if self._in_flight > self._settings.new_batch_threshold:
            self._has_room.clear()

    def _end(self, _task: asyncio.Task[None]) -> None:
        self._in_flight -= 1
        if self._in_flight <= self._settings.new_batch_threshold:
            self._has_room.set()

    async def _fetch(self) -> list[QueueMessage]:
        """One request: up to a batch of messages."""
        received = self._queue.receive_messages(
            messages_per_page=self._settings.batch_size, visibility_timeout=self._lease
        )
        async for page in received.by_page():
            return [message async for message in page]
        return []

    async def _process(self, message: QueueMessage) -> None:
        tries = message.dequeue_count or 1
        try:
            # More than the maximum: the host died during the last try, so that it could not be counted out.
            if tries > self._settings.max_dequeue_count:
                await self._move_to_poison(message)
                return
            succeeded, message = await self._hold(message)
            if succeeded:
                await self._queue.delete_message(message)
            elif tries >= self._settings.max_dequeue_count:
                await self._move_to_poison(message)
            else:
                hidden = int(self._settings.visibility_timeout.total_seconds())
                await self._queue.update_message(message, visibility_timeout=hidden)
        except AzureError as error:
            log.warning("queue %s: message %s: %s; it comes back", self._name, message.id, _reason(error))

    async def _hold(self, message: QueueMessage) -> tuple[bool, QueueMessage]:
        """Run the function, renewing the lease; whether it succeeded, and the message under its last lease."""
        run = asyncio.create_task(self._succeeds(message))
        try:
            while not (await asyncio.wait({run}, timeout=self._lease / 2))[0]:
                try:
                    message = await self._queue.update_message(message, visibility_timeout=self._lease)
                except AzureError as error:
                    log.warning(
                        "queue %s: message %s: lease not renewed: %s", self._name, message.id, _reason(error)
                    )
            return run.result(), message
        finally:
            run.cancel()

    async def _succeeds(self, message: QueueMessage) -> bool:
        try:
            body = _decode(message.content, is_base64=self._settings.is_base64)
        except ValueError:
            log.error(  # noqa: TRY400 - the traceback would say nothing more
                "%s: message %s is not base64, which messageEncoding of host.json asks for: %.80r",
                self._function.name,
                message.id,
                message.content,
            )
            return False
        try:
            await self._worker.invoke(self._function, body, _metadata(message))
        except InvocationFailed:
            return False
        return True

    async def _move_to_poison(self, message: QueueMessage) -> None:
        """The content goes over as it came, decodable or not."""
        await _create(self._poison)
        await self._poison.send_message(message.content, time_to_live=-1)
        await self._queue.delete_message(message)
        log.warning(
            "%s: message %s moved to %s-poison after %s tries",
            self._function.name,
            message.id,
            self._name,
            self._settings.max_dequeue_count,
        )


def _connect(function: Function, environment: Mapping[str, str]) -> tuple[QueueServiceClient, AsyncExitStack]:
    """The queue service that the trigger's connection names, and what closes it."""
    name = function.trigger.get("connection") or "AzureWebJobsStorage"
    closing = AsyncExitStack()
    if connection_string := environment.get(name):
        try:
            service = QueueServiceClient.from_connection_string(connection_string, user_agent=AGENT, **_RETRY)
        except ValueError as error:
            text = f"function {function.name}: the setting {name} is no storage connection string: {error}"
            raise CannotStart(text) from None
    elif uri := environment.get(f"{name}__queueServiceUri"):
        credential = DefaultAzureCredential()
        closing.push_async_callback(credential.close)
        service = QueueServiceClient(uri, credential, user_agent=AGENT, **_RETRY)
    else:
        raise CannotStart(
            f"function {function.name}: its connection is not set: expected a storage connection string in {name},"
            f" or a URI in {name}__queueServiceUri"
        )
    closing.push_async_callback(service.close)
    return service, closing


async def _create(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        return


def _decode(content: str, *, is_base64: bool) -> protos.TypedData:
    """Text where it is text, else bytes. Raises ValueError when it is not base64."""
    if not is_base64:
        return protos.TypedData(string=content)
    raw = base64.b64decode(content, validate=True)
    try:
        return protos.TypedData(string=raw.decode())
    except UnicodeDecodeError:
        return protos.TypedData(bytes=raw)


def _metadata(message: QueueMessage) -> dict[str, protos.TypedData]:
    values = {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
        "PopReceipt": message.pop_receipt,
    }
    return {
        name: protos.TypedData(string=value.isoformat() if isinstance(value, datetime) else str(value))
        for name, value in values.items()
    }


def _reason(error: AzureError) -> str:
    return " ".join(str(error).split("\n", maxsplit=1)[0].split())
