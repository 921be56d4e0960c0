"""The two kinds of messages, each with its queue: what is so of one is so of the other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.adapters.queues import StorageQueue, open_deallocations, open_looks
from shared.domain.ids import VmId
from shared.messages import read_attempt, read_look, write_attempt, write_look
from shared.ports import Attempt, Look


@dataclass(frozen=True)
class Kind:
    queue: str
    named_by: str
    """The constant of the adapter that names the queue."""
    time: str
    """The field of the message that tells a time."""
    made: Callable[[VmId, datetime], Any]
    write: Callable[[Any], str]
    read: Callable[[str | bytes], Any]
    open: Callable[..., StorageQueue[Any]]


KINDS = [
    Kind("looks", "LOOKS", "at", Look, write_look, read_look, open_looks),
    Kind(
        "deallocations",
        "DEALLOCATIONS",
        "asked_at",
        Attempt,
        write_attempt,
        read_attempt,
        open_deallocations,
    ),
]
