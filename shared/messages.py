"""What travels on the queues: JSON, before it is put into base64.

A look is `{"vm": "<ARM id, lower-case>", "at": "<ISO 8601, UTC>", "anyway": false}`; `at` is the time that it is
for. Messages of an older version, without `anyway`, are read as well.

An attempt to deallocate is `{"vm": "<ARM id, lower-case>", "asked_at": "<ISO 8601, UTC>"}`: VM and time name what was
asked for. A sweep is `{"subscription": "<GUID>", "asked_at": "<ISO 8601, UTC>"}`, with `"again": true` once it was put
off. Each says as well for how many seconds it was hidden when it was put, as `"hidden": 900`, where it was: of a
message in sight, a queue tells when it was put, and not since when it is due.

Fields that we do not know are left alone: a newer version may have written them.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from shared.domain.ids import VmId, parse_subscription, parse_vm_id
from shared.domain.malformed import Malformed, shown
from shared.ports import Attempt, Look, Sweep

type _Time = Annotated[datetime, msgspec.Meta(tz=True)]

LONGEST_HIDDEN = 7 * 86_400
"""Seconds for which Azure hides a message at most."""


class _Put(msgspec.Struct, omit_defaults=True, kw_only=True):
    hidden: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_HIDDEN)] = 0


class _Look(_Put):
    vm: str
    at: _Time
    anyway: bool = False


class _Attempt(_Put):
    vm: str
    asked_at: _Time


class _Sweep(_Put):
    subscription: str
    asked_at: _Time
    again: bool = False


def read_look(message: str | bytes) -> Look:
    """The look that a message, already decoded from base64, asks for; `Malformed` when it asks for none."""
    told = _read(message, _Look, "look", '{"vm": "/subscriptions/…", "at": "2027-01-31T12:00:00Z"}')
    return Look(_vm(told.vm, "look"), _utc(told.at, "look"), told.anyway)


def write_look(look: Look, hidden: int = 0) -> str:
    """The message that asks for a look, and is hidden for so many seconds."""
    told = _Look(vm=str(look.vm), at=look.at.astimezone(UTC), anyway=look.anyway, hidden=hidden)
    return msgspec.json.encode(told).decode()


def read_attempt(message: str | bytes) -> Attempt:
    """The attempt that a message, already decoded from base64, asks for; `Malformed` when it asks for none."""
    expected = '{"vm": "/subscriptions/…", "asked_at": "2027-01-31T12:00:00Z"}'
    told = _read(message, _Attempt, "deallocation", expected)
    return Attempt(_vm(told.vm, "deallocation"), _utc(told.asked_at, "deallocation"))


def write_attempt(attempt: Attempt, hidden: int = 0) -> str:
    """The message that asks for an attempt, and is hidden for so many seconds."""
    told = _Attempt(vm=str(attempt.vm), asked_at=attempt.asked_at.astimezone(UTC), hidden=hidden)
    return msgspec.json.encode(told).decode()


def read_sweep(message: str | bytes) -> Sweep:
    """The sweep that a message, already decoded from base64, asks for; `Malformed` when it asks for none."""
    expected = '{"subscription": "00000000-0000-4000-8000-000000000001", "asked_at": "2027-01-31T12:00:00Z"}'
    told = _read(message, _Sweep, "sweep", expected)
    return Sweep(parse_subscription(told.subscription), _utc(told.asked_at, "sweep"), told.again)


def write_sweep(sweep: Sweep, hidden: int = 0) -> str:
    """The message that asks for a sweep, and is hidden for so many seconds."""
    asked_at = sweep.asked_at.astimezone(UTC)
    told = _Sweep(subscription=sweep.subscription, asked_at=asked_at, again=sweep.again, hidden=hidden)
    return msgspec.json.encode(told).decode()


def due_at(message: str | bytes, put_at: datetime) -> datetime:
    """When a message of any queue, already decoded from base64, was first to be delivered.

    Args:
        message: What it says. One that is none of ours was never hidden by us: it is due since it was put.
        put_at: When the queue got it.
    """
    try:
        hidden = msgspec.json.decode(message, type=_Put).hidden
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        hidden = 0
    return put_at + timedelta(seconds=hidden)


def _read[Told](message: str | bytes, of: type[Told], what: str, expected: str) -> Told:
    try:
        return msgspec.json.decode(message, type=of)
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError) as fault:
        raise Malformed(f"{what}: expected {expected}, got {shown(message)} ({fault})") from None


def _utc(at: datetime, what: str) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as fault:
        raise Malformed(f"{what}: expected a time, got {at} ({fault})") from None


def _vm(text: str, what: str) -> VmId:
    try:
        vm = parse_vm_id(text)
    except Malformed as fault:
        raise Malformed(f"{what}: {fault}") from None
    if vm is None:
        raise Malformed(f"{what}: expected `vm` to be the id of a VM, got {shown(text)}")
    return vm
