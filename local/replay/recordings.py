"""What is in the files: events, and what is none, each with the file and the line where it is.

A file is one JSON document (an event, or an array of events) or JSON lines (an event, or an array, on each). Nothing is
left out unsaid: what cannot be read is a `Remark` that says what was expected, and the rest is read all the same.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from copy import replace
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field

from local.parts import CannotStart
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.malformed import Malformed, shown
from shared.domain.signals import Event, Signal, read_event, read_scale_set_event

STDIN = "-"
EXPECTED = "an Event Grid event (`eventType`) or a CloudEvent 1.0 (`specversion` and `type`)"

_HANDSHAKE = "microsoft.eventgrid.subscriptionvalidationevent"
_BYTE = re.compile("[\udc80-\udcff]")
"""What "surrogateescape" makes of a byte that is no text."""
_NOT_TEXT = f"not text in UTF-8: expected {EXPECTED}"
_THE_REST = "what follows in this file is not read"
_SPACE = re.compile(r"[\s,]*")
_DEAD_LETTER = {
    "deadletterreason": "reason",
    "deliveryattempts": "attempts",
    "lastdeliveryoutcome": "last_outcome",
    "publishtime": "published_at",
    "lastdeliveryattempttime": "last_attempt_at",
}
"""What Event Grid adds to an event that it gives up, in small letters: a CloudEvent's have no others."""


class DeadLetter(Struct, frozen=True):
    """Why Event Grid gave an event up; each part as it wrote it, None where it did not."""

    reason: object = None
    attempts: object = None
    last_outcome: object = None
    published_at: object = None
    last_attempt_at: object = None

    def __str__(self) -> str:
        """In one line, for people."""
        told = [
            f"dead-lettered: {self.reason}",
            f"after {self.attempts} attempts" if self.attempts is not None else "",
            f"the last at {self.last_attempt_at}" if self.last_attempt_at else "",
            f"which met {self.last_outcome}" if self.last_outcome else "",
        ]
        published = f" (published at {self.published_at})" if self.published_at else ""
        return ", ".join(part for part in told if part) + published


class Place(Struct, frozen=True):
    """Where something is."""

    file: str
    line: int

    def __str__(self) -> str:
        """As compilers have it."""
        return f"{self.file}:{self.line}"


class Remark(Struct, frozen=True):
    """Something in a file that is not played, and why."""

    place: Place
    text: str


class Recorded(Struct, frozen=True):
    """One event as it was delivered, or was to be."""

    place: Place
    body: dict[str, object]
    """Without what Event Grid adds to a dead letter."""
    dead_letter: DeadLetter | None = None

    @property
    def event(self) -> Event:
        """Its envelope, read leniently: what it is worth, the function app says."""
        body = self.body
        if "specversion" in body:
            return Event(body.get("type"), body.get("subject"), _time(body.get("time")), body.get("data"))
        return Event(
            body.get("eventType"), body.get("subject"), _time(body.get("eventTime")), body.get("data")
        )

    @property
    def signal(self) -> Signal | None:
        """What it says of a VM; None: nothing, or nothing that can be read."""
        try:
            return read_event(self.event)
        except Malformed:
            return None

    @property
    def scale_set(self) -> ScaleSetId | None:
        """The scale set that it is about as a whole, if it is."""
        try:
            return read_scale_set_event(self.event)
        except Malformed:
            return None

    @property
    def vm(self) -> VmId | None:
        """The VM that it names."""
        return self.signal.vm if self.signal else None

    @property
    def what(self) -> str:
        """The operation or annotation that it tells of, or else its type."""
        return self.signal.cause.operation if self.signal else str(self.event.type)


class Recordings(Struct):
    """All that was read, in the order of the files and their lines."""

    events: list[Recorded] = field(default_factory=list)
    unreadable: list[Remark] = field(default_factory=list)
    skipped: list[Remark] = field(default_factory=list)


def read_all(names: Sequence[str]) -> Recordings:
    """Read files, folders with all that is in them, and standard input (`-`).

    Raises:
        CannotStart: a file cannot be read at all, or there is nothing in any of them.
    """
    if list(names).count(STDIN) > 1:
        raise CannotStart("- is given twice: standard input can be read once")
    found = Recordings()
    # All are read before anything is said of any: a name that is wrong is found before something has begun.
    for name, content in [(name, _content(name)) for each in names for name in _files(each)]:
        read(name, content, found)
    if not (found.events or found.unreadable or found.skipped):
        raise CannotStart(f"{', '.join(names)}: nothing in it; expected {EXPECTED}")
    return found


def read(name: str, content: bytes, found: Recordings) -> None:
    """Add what is in one file."""
    for line, value in _values(content):
        place = Place(name, line)
        if isinstance(value, _Fault):
            found.unreadable.append(Remark(place, value.text))
            continue
        for each in value if isinstance(value, list) else [value]:
            _add(place, each, found)


def by_time(events: Sequence[Recorded]) -> list[Recorded]:
    """In the order in which what they tell of happened; those without a time come last, as they were."""
    return sorted(events, key=lambda each: each.event.time or datetime.max.replace(tzinfo=UTC))


class _Fault(Struct, frozen=True):
    """Something that is no value."""

    text: str
    line: int
    """From 1, of the text that was parsed."""


def _files(name: str) -> list[str]:
    if name == STDIN or not Path(name).is_dir():
        return [name]
    folder = Path(name)
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise CannotStart(f"{name}: no file in that folder, nor below it")
    return [str(path) for path in sorted(files, key=_natural)]


def _natural(path: Path) -> str:
    """Sorts the 9th before the 10th: dead letters are kept by year/month/day/hour, in numbers of any length."""
    return re.sub(r"\d+", lambda number: number[0].zfill(20), str(path))


def _content(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except FileNotFoundError:
        raise CannotStart(f"{name}: no such file") from None
    except OSError as fault:
        raise CannotStart(f"{name}: cannot be read: {fault.strerror}") from None


def _values(content: bytes) -> Iterator[tuple[int, object]]:
    """The values of a file, each with its line (from 1); a `_Fault` for what is none."""
    text = _text(content)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        return
    is_array = text.lstrip().startswith("[")
    whole = _parsed(text)
    if isinstance(whole, _Fault) and len(lines) > 1:
        values = [(number, _parsed(line)) for number, line in lines]
        if _are_lines(is_array, [value for _, value in values]):
            yield from values
            return
    if is_array:
        yield from _items(text)
    else:
        yield whole.line if isinstance(whole, _Fault) else lines[0][0], whole


def _text(content: bytes) -> str:
    """As text, with a lone surrogate for each byte that is none."""
    try:
        # Some shells write what is redirected in UTF-16, with a mark at its beginning.
        return content.decode(json.detect_encoding(content), errors="surrogateescape")
    except UnicodeDecodeError:
        return content.decode(errors="surrogateescape")


def _are_lines(is_array: bool, values: Sequence[object]) -> bool:
    """Whether each line of a file stands for itself, which is no document as a whole.

    Of a document over several lines, none is an event by itself, but in an array that has one on each of its lines.
    """
    return any(
        isinstance(value, list) or (isinstance(value, dict) and not is_array) for value in values if value
    )


def _parsed(text: str) -> object:
    if strange := _BYTE.search(text):
        return _Fault(_NOT_TEXT, _line(text, strange.start()))
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        return _fault(fault, 1)


def _items(text: str) -> Iterator[tuple[int, object]]:
    """The items of an array, as far as they can be read."""
    decoder, at, line = json.JSONDecoder(), text.index("["), 1
    line += text.count("\n", 0, at)
    at += 1
    while True:
        end = _end_of_space(text, at)
        line += text.count("\n", at, end)
        at = end
        if text[at : at + 1] == "]":
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as fault:
            found = _fault(fault, line)
            yield found.line, replace(found, text=f"{found.text}; {_THE_REST}")
            return
        yield line, _Fault(_NOT_TEXT, line) if _BYTE.search(text, at, end) else value
        line += text.count("\n", at, end)
        at = end
    if text[at + 1 :].strip():
        yield line, _Fault(f"expected the end of the file after its array; {_THE_REST}", line)


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _fault(fault: ValueError | RecursionError, line: int) -> _Fault:
    """What keeps a text, or the rest of it from a line on, from being JSON."""
    match fault:
        case json.JSONDecodeError():
            return _Fault(f"not JSON ({fault.msg}, column {fault.colno}): expected {EXPECTED}", fault.lineno)
        case RecursionError():
            return _Fault(f"nested too deeply: expected {EXPECTED}", line)
    return _Fault(f"not JSON ({fault}): expected {EXPECTED}", line)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _add(place: Place, value: object, found: Recordings) -> None:
    if not isinstance(value, dict):
        found.unreadable.append(Remark(place, f"expected {EXPECTED}, got {shown(value)}"))
        return
    kind = value.get("type") if "specversion" in value else value.get("eventType")
    if not isinstance(kind, str) or not kind:
        names = ", ".join(list(value)[:5])
        found.unreadable.append(Remark(place, f"expected {EXPECTED}, got an object with {shown(names)}"))
    elif kind.lower() == _HANDSHAKE:
        found.skipped.append(
            Remark(place, "a validation event: Event Grid's handshake, about nothing that happened")
        )
    else:
        found.events.append(_recorded(place, value))


def _recorded(place: Place, value: dict[str, object]) -> Recorded:
    added = {name: _DEAD_LETTER[name.lower()] for name in value if name.lower() in _DEAD_LETTER}
    if "reason" not in added.values():
        return Recorded(place, value)
    dead_letter = DeadLetter(**{ours: value[name] for name, ours in added.items()})
    return Recorded(place, {name: each for name, each in value.items() if name not in added}, dead_letter)


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)  # type: ignore[arg-type]
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
