"""Messages that the host gave up on. They are counted, and the first is read where it lies."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING

from local.doctor.findings import Finding, ok, warning
from local.doctor.installation import Installation
from local.doctor.storage import QUEUES, access, unreadable, waiting
from shared.adapters.queues import DEALLOCATIONS, LOOKS, SWEEPS
from shared.domain.malformed import Malformed, shown
from shared.messages import read_attempt, read_look, read_sweep
from shared.ports import PortError
from shared.storage import ask

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage

READERS: Mapping[str, Callable[[bytes], str]] = {
    LOOKS: lambda body: f"asks for a look at {read_look(body).vm}",
    DEALLOCATIONS: lambda body: f"asks for a deallocation of {read_attempt(body).vm}",
    SWEEPS: lambda body: f"asks for a sweep of {read_sweep(body).subscription}",
}
"""What a message of a queue asks for."""


async def look(installation: Installation) -> list[Finding]:
    """The poison queue of each queue."""
    found = list[Finding]()
    try:
        for name in QUEUES:
            found += await _given_up(installation, name)
    except PortError as fault:
        return [*found, unreadable(fault, installation.settings.storage, "Queue")]
    return found or [ok("no message was given up")]


async def _given_up(installation: Installation, name: str) -> list[Finding]:
    poison = f"{name}-poison"
    count = await waiting(installation, poison)
    if not count:
        return []
    queue = installation.queues.get_queue_client(poison)
    messages = await ask(f"queue {poison}, peek", partial(queue.peek_messages, max_messages=1))
    first = f"; the first {_told(messages[0], name)}" if messages else ""
    clear = f"az storage message clear --queue-name {poison} {access(installation.settings.storage)}"
    return [
        warning(
            f"queue {poison} holds about {count}{first}",
            f"find its failure in the app's log and mend it, then: {clear}",
        )
    ]


def _told(message: "QueueMessage", queue: str) -> str:
    """What a message asked for, in words that go on from "the first"."""
    given_up_at = message.inserted_on
    at = f"(given up at {given_up_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC) " if given_up_at else ""
    try:
        body = b64decode(str(message.content), validate=True)
    except ValueError:
        return f"{at}is not in base64: {shown(message.content)}"
    try:
        return f"{at}{READERS[queue](body)}"
    except Malformed:
        return f"{at}asks for nothing that can be read: {shown(body)}"
