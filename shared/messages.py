"""What travels on the queues: JSON, before it is put into base64.

A look is `{"vm": "<ARM id, lower-case>", "at": "<ISO 8601, UTC>", "anyway": false}`; `at` is the time that it is
for. Messages of an older version, without `anyway`, are read as well.
"""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from shared.domain.ids import parse_vm_id
from shared.domain.malformed import Malformed, shown
from shared.ports import Look


class _Look(msgspec.Struct, omit_defaults=True):
    vm: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    anyway: bool = False


def read_look(message: str | bytes) -> Look:
    """The look that a message asks for; fields that we do not know are left alone.

    Args:
        message: JSON, already decoded from base64. `Malformed` when it asks for no look.
    """
    try:
        told = msgspec.json.decode(message, type=_Look)
        at = told.at.astimezone(UTC)
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError) as fault:
        expected = '{"vm": "/subscriptions/…", "at": "2027-01-31T12:00:00Z"}'
        raise Malformed(f"look: expected {expected}, got {shown(message)} ({fault})") from None
    vm = parse_vm_id(told.vm)
    if vm is None:
        raise Malformed(f"look: expected `vm` to be the id of a VM, got {shown(told.vm)}")
    return Look(vm, at, told.anyway)


def write_look(look: Look) -> str:
    """The message that asks for a look."""
    return msgspec.json.encode(_Look(str(look.vm), look.at.astimezone(UTC), look.anyway)).decode()
