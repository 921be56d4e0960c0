"""What a person asks for over HTTP: the body of a POST, read into news for the decision.

A body is a JSON object, or what a browser makes of one of our forms. `Malformed` names the member, what it was and
what is expected. Nothing is guessed: a member that is not known is refused.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qsl

import msgspec

from shared.domain.durations import LONGEST
from shared.domain.exemptions import Exemption
from shared.domain.malformed import Malformed, shown
from shared.domain.news import Ask, Exempt, LookAsked, Snooze
from shared.web.plain import UNFIT

LARGEST = 16 * 1024
"""Bytes of a body."""

LONGEST_REASON = 500

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

type Asked = Ask | Snooze | Exempt | LookAsked


class Asking(StrEnum):
    """What can be asked for: the last part of its address."""

    DEALLOCATE = "deallocate"
    SNOOZE = "snooze"
    EXEMPT = "exempt"
    LOOK = "look"


class TooLarge(Exception):
    """A body is longer than any that says something."""


class UnknownType(Exception):
    """A body is of a content type that is not read."""


def is_form(content_type: str | None) -> bool:
    """Whether a browser sends one of our forms, and shows its person what it is answered."""
    return _media_type(content_type) == FORM


def read(asking: Asking, content_type: str | None, body: bytes, by: str, now: datetime) -> Asked:
    """What is asked for. Raises `Malformed`, `TooLarge` or `UnknownType`.

    Args:
        asking: By the address.
        content_type: The header; it does not matter to an empty body.
        body: At most `LARGEST` bytes.
        by: Who asks.
        now: The time; what is to end has to end later.
    """
    if len(body) > LARGEST:
        raise TooLarge(f"body: expected at most {LARGEST} bytes, got {len(body)}")
    known, reader = _READERS[asking]
    given = _given(content_type, body)
    for name in given:
        if name not in known:
            raise Malformed(f"unknown member {shown(name)}: expected {', '.join(known) or 'none'}")
    # What a form leaves empty is not given, nor is null.
    values = {name: value for name, value in given.items() if value is not None and value != ""}
    return reader(_Members(given, values, is_form(content_type), by, now))


class _Members(msgspec.Struct, frozen=True):
    given: Mapping[str, object]
    values: Mapping[str, object]
    """Those that are not empty."""
    form: bool
    by: str
    now: datetime


def _given(content_type: str | None, body: bytes) -> Mapping[str, object]:
    if not body:
        return {}
    reader = _BODIES.get(_media_type(content_type))
    if reader is None:
        raise UnknownType(f"Content-Type: expected {' or '.join(_BODIES)}, got {shown(content_type)}")
    return reader(body)


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _object(body: bytes) -> Mapping[str, object]:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError) as fault:
        raise Malformed(f"body: expected a JSON object, got {shown(body)}: {fault}") from None
    if not isinstance(value, dict):
        raise Malformed(f"body: expected a JSON object, got {shown(value)}")
    return value


def _fields(body: bytes) -> Mapping[str, str]:
    """A form's fields; of one that is given twice, as a hidden one before a box to tick, the last."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict"))
    except ValueError as fault:
        raise Malformed(f"body: expected a form in UTF-8, got {shown(body)}: {fault}") from None


_BODIES: Mapping[str, Callable[[bytes], Mapping[str, object]]] = {JSON: _object, FORM: _fields}
"""How a body is read, by its content type."""


def _deallocate(members: _Members) -> Ask:
    """A form has a box to tick, which says what will happen."""
    ticked = members.given.get("confirm", True)
    if not (ticked is True or (members.form and ticked == "yes")):
        raise Malformed("confirm: expected the box to be ticked that says what will happen")
    return Ask(members.by)


def _snooze(members: _Members) -> Snooze:
    if _ends(members):
        return Snooze(None, members.by)
    until = _until(members)
    if until is None:
        raise Malformed(f"until: is missing; expected {_TIMES}, or end to end a snooze")
    return Snooze(until, members.by)


def _exempt(members: _Members) -> Exempt:
    if _ends(members):
        return Exempt(None, members.by)
    return Exempt(Exemption(_until(members), _reason(members), members.by), members.by)


def _look(members: _Members) -> LookAsked:
    return LookAsked(members.by)


_READERS: Mapping[Asking, tuple[tuple[str, ...], Callable[[_Members], Asked]]] = {
    Asking.DEALLOCATE: (("confirm",), _deallocate),
    Asking.SNOOZE: (("until", "end"), _snooze),
    Asking.EXEMPT: (("until", "reason", "end"), _exempt),
    Asking.LOOK: ((), _look),
}
"""The members of each, and how they are read."""

_TIMES = "a date (to the end of that day in UTC) or a time with its zone, such as 2027-01-31 or 2027-01-31T09:00:00Z"


def _ends(members: _Members) -> bool:
    """Whether what was entered is to end; then nothing else is."""
    end = members.values.get("end")
    if end is None:
        return False
    if not (end is True or (members.form and end == "true")):
        raise Malformed(f"end: expected true, got {shown(end)}")
    if others := sorted(members.values.keys() - {"end"}):
        raise Malformed(f"end: expected no other member beside it, got {', '.join(others)}")
    return True


def _until(members: _Members) -> datetime | None:
    """The moment in UTC from which it no longer holds; None: not given."""
    text, now = members.values.get("until"), members.now
    if text is None:
        return None
    until = _moment(text, form=members.form) if isinstance(text, str) else None
    if until is None:
        raise Malformed(f"until: expected {_TIMES}, got {shown(text)}")
    if not now < until <= now + LONGEST:
        raise Malformed(
            f"until: expected a time after now ({now:%Y-%m-%dT%H:%M:%SZ}) and within ten years, got {shown(text)}"
        )
    return until


def _moment(text: str, *, form: bool) -> datetime | None:
    """A time of ISO 8601, in UTC; None: it is none. Our forms say that theirs is UTC, as browsers give no zone."""
    try:
        at = datetime.fromisoformat(text)
        if _DATE.fullmatch(text):
            return at.replace(tzinfo=UTC) + timedelta(days=1)
        if at.tzinfo is None:
            return at.replace(tzinfo=UTC) if form else None
        return at.astimezone(UTC)
    except ValueError:
        return None
    except OverflowError:
        return datetime.max.replace(
            tzinfo=UTC
        )  # or before the first: not a time to come within ten years either


def _reason(members: _Members) -> str:
    expected = f"expected 1 to {LONGEST_REASON} characters on one line, without control characters"
    value = members.values.get("reason")
    if value is None:
        raise Malformed(f"reason: is missing; {expected}")
    reason = value.strip() if isinstance(value, str) else ""
    seen = any(character.isprintable() and not character.isspace() for character in reason)
    if not seen or len(reason) > LONGEST_REASON or UNFIT.search(reason):
        raise Malformed(f"reason: {expected}, got {shown(value)}")
    return reason
