"""The life of a VM as a timeline: spans of states, and on them what was flagged, told, asked for and done. Pure.

Transitions are what is known: between two of them a VM was, as far as looks can tell, in one state. Spans are without
gaps or overlaps and end now, whatever clocks did: of times that contradict each other, the later transition's holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from shared.domain.reasons import by_whom
from shared.domain.records import FlagKind, Record, Settled, Transition
from shared.domain.signals import Cause, Source
from shared.domain.states import BILLED, PowerState
from shared.domain.transitions import Kind
from shared.ports import History
from shared.web.captions import EFFECTS, FLAGS, KINDS, SHAPES, WHATS, Shape, label


class Mark(Struct, frozen=True):
    """Something that happened at one time."""

    at: datetime
    shape: Shape
    what: str
    by: str | None = None
    """Who; None: there is nobody to name."""
    text: str = ""
    """The circumstances, in words."""


class Span(Struct, frozen=True):
    """A stretch of time in one state."""

    state: PowerState
    label: str
    """The state and whether it is billed, in words."""
    began_at: datetime
    ended_at: datetime
    """For the one that lasts: now."""
    at_least: bool
    """Whether it began by the first look that saw it, or earlier."""
    story: str
    """What brought it about, by whom, and what that does to the bill: a sentence or two."""
    marks: tuple[Mark, ...] = ()
    """What happened in it, latest first."""

    @property
    def lasted(self) -> timedelta:
        """How long; nothing is the least."""
        return self.ended_at - self.began_at

    @property
    def billed(self) -> bool | None:
        """Whether compute is billed in it; None when that is not known."""
        return BILLED[self.state]


class Timeline(Struct, frozen=True):
    """The life of a VM, as far as it is kept."""

    spans: tuple[Span, ...]
    """Latest first; there is one at least."""
    before: str
    """What is known of the time before the first of them: a sentence."""
    earlier: tuple[Mark, ...]
    """What happened in that time, latest first."""

    @property
    def began_at(self) -> datetime:
        """Where the first span begins."""
        return self.spans[-1].began_at

    @property
    def marks(self) -> Iterator[Mark]:
        """What happened in the spans, latest first."""
        return (mark for span in self.spans for mark in span.marks)


def timeline(record: Record, history: History, now: datetime) -> Timeline:
    """The life of a VM until now.

    Args:
        record: The latest word on it.
        history: Its life, some of the latest of each kind.
        now: The time.
    """
    beginnings = _beginnings(record, history.transitions)
    marks = sorted(_marks(record, history), key=lambda mark: (mark.at, mark.shape.rank), reverse=True)
    spans, end = list[Span](), now
    for begun in reversed(beginnings):
        began_at = min(begun.at, end)
        inside = [mark for mark in marks if mark.at >= began_at]
        marks = marks[len(inside) :]
        name = label(begun.state, hibernated=begun.hibernated)
        spans.append(Span(begun.state, name, began_at, end, begun.at_least, begun.story, tuple(inside)))
        end = began_at
    return Timeline(tuple(spans), _before(beginnings[0]), tuple(marks))


class _Beginning(Struct, frozen=True):
    """How a span began."""

    seen_at: datetime
    at: datetime
    state: PowerState
    before: PowerState | None
    at_least: bool
    story: str
    hibernated: bool = False

    @classmethod
    def of(cls, transition: Transition) -> "_Beginning":
        kind, cause = transition.kind, transition.cause
        parts = [_sentence(kind, cause), EFFECTS[transition.billing]]
        return cls(
            transition.seen_at,
            transition.at,
            transition.after,
            transition.before,
            transition.at_source is Source.OBSERVED,
            " ".join(part for part in parts if part),
            transition.hibernated,
        )


def _beginnings(record: Record, transitions: Sequence[Transition]) -> list[_Beginning]:
    """How each span began, in the order in which they were seen."""
    found = [_Beginning.of(each) for each in sorted(transitions, key=lambda each: each.seen_at)]
    settled, seen_at = record.settled, found[-1].seen_at if found else None
    if seen_at and (settled is None or settled.seen_at < seen_at):
        return found  # they were read after the record, and know more
    if settled and settled.seen_at != seen_at:
        # Its transition is older than what is kept.
        found.append(_Beginning.of(Transition.to(record.vm, settled)))
    if settled is None or _left(record, settled):
        told = record.heard.cause if record.heard else None
        story = f"{_capital(by_whom(told))}." if told else "It is not at rest: it passes into another state."
        before = settled.power_state if settled else None
        at = record.appeared_at
        found.append(_Beginning(at, at, record.power_state, before, at_least=True, story=story))
    return found


def _left(record: Record, settled: Settled) -> bool:
    """Whether the VM is in another state than the one in which it was last at rest, or came back to it unsettled."""
    return settled.left_at is not None or (
        record.present is None and record.power_state is not settled.power_state
    )


def _sentence(kind: Kind, cause: Cause | None) -> str:
    """How a state came about."""
    seen, told = KINDS[kind], by_whom(cause)
    if cause is None:
        return f"{seen}." if kind is Kind.DISCOVERED else f"{seen}, {told}."
    return f"{seen}: {told}." if kind in _MORE else f"{_capital(told)}."


_MORE = {Kind.DISCOVERED, Kind.ALLOCATED, Kind.RETURNED, Kind.HIBERNATED, Kind.REAPPEARED}
"""The kinds that say more than a cause does."""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _before(first: _Beginning) -> str:
    if first.before is None:
        return "Stopgap had not seen it before that."
    before = label(first.before, hibernated=False)
    return f"Before that: {before}. Since when, and what was earlier, is not kept, or not shown."


def _marks(record: Record, history: History) -> Iterator[Mark]:
    """All that happened; of one shape, the latest first."""
    for entry in history.entries:
        shape = SHAPES[entry.what]
        # That it is Stopgap that sends notices goes without saying.
        by = None if shape is Shape.NOTICE else entry.by or "Stopgap"
        yield Mark(entry.at, shape, WHATS[entry.what], by, entry.text)
    for at, kind in _flags(record, history):
        yield Mark(at, Shape.FLAG, FLAGS[kind])


def _flags(record: Record, history: History) -> Iterable[tuple[datetime, FlagKind]]:
    flagged = {(each.flagged_at, FlagKind.LEFT_STOPPED): None for each in history.episodes}
    if record.flag:
        flagged[record.flag.flagged_at, record.flag.kind] = None
    return [(at, kind) for at, kind in flagged if at]
