"""The bar of a timeline: where its blocks, pins and ticks are, in per cent of its width. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from msgspec import Struct

from shared.domain.states import PowerState
from shared.web.captions import LEGEND, Shape
from shared.web.timeline import Mark, Span, Timeline

LEAST = 0.5
"""What every block gets, however short its time: it stays to be seen."""

MOST_LEAST = 50.0
"""What all of that comes to at most; the rest of the width is as time is."""

APART = 15.0
"""How far ticks are from each other at least, and from either end half of it: room for their words on a phone."""

PINS_APART = 0.8
"""Pins of one shape that are nearer than this would cover each other: the first of them stands for all."""


class Block(Struct, frozen=True):
    """A span on the bar."""

    span: Span
    x: float
    width: float


class Pin(Struct, frozen=True):
    """Marks of one shape that are at one place of the bar."""

    mark: Mark
    """The first of them."""
    x: float
    more: int = 0
    """How many there are besides."""


class Tick(Struct, frozen=True):
    """A time on the axis."""

    x: float
    text: str


class Part(Struct, frozen=True):
    """What one state comes to."""

    state: PowerState
    label: str
    lasted: timedelta
    share: str
    """Of the whole time."""


class Bar(Struct, frozen=True):
    """The life of a VM from left to right."""

    blocks: tuple[Block, ...]
    """In the order of time: each begins where the one before ends, and together they are 100."""
    lanes: Mapping[Shape, Sequence[Pin]]
    """The pins of each shape that there are any of, in a row of their own, in the order of time."""
    ticks: tuple[Tick, ...]
    parts: tuple[Part, ...]
    """The longest first."""


def bar(line: Timeline) -> Bar:
    """The bar of a timeline."""
    spans = line.spans[::-1]
    widths = _widths([span.lasted for span in spans])
    starts = [0.0, *accumulate(widths)]
    blocks = tuple(map(Block, spans, starts, widths))
    return Bar(blocks, _lanes(blocks), tuple(_ticks(blocks)), tuple(_parts(spans)))


def _widths(times: Sequence[timedelta]) -> list[float]:
    """How wide each time is, of 100 in all."""
    least = min(LEAST, MOST_LEAST / len(times))
    whole = sum(times, timedelta())
    if not whole:
        return [100 / len(times)] * len(times)
    return [least + (100 - least * len(times)) * (time / whole) for time in times]


def _place(block: Block, at: datetime) -> float:
    """Where a time is that lies in a block, or beyond the end of the last."""
    lasted = block.span.lasted
    part = min((at - block.span.began_at) / lasted, 1.0) if lasted else 0.0
    return block.x + block.width * part


def _lanes(blocks: Sequence[Block]) -> dict[Shape, list[Pin]]:
    lanes: dict[Shape, list[Pin]] = {shape: [] for shape in LEGEND}
    for block in blocks:
        for mark in reversed(block.span.marks):
            lane, x = lanes[mark.shape], _place(block, mark.at)
            if lane and x - lane[-1].x < PINS_APART:
                lane[-1] = replace(lane[-1], more=lane[-1].more + 1)
            else:
                lane.append(Pin(mark, x))
    return {shape: lane for shape, lane in lanes.items() if lane}


def _parts(spans: Sequence[Span]) -> list[Part]:
    lasted = dict[tuple[PowerState, str], timedelta]()
    for span in spans:
        name = span.state, span.label
        lasted[name] = lasted.get(name, timedelta()) + span.lasted
    whole = sum(lasted.values(), timedelta())
    longest = sorted(lasted.items(), key=lambda part: part[1], reverse=True)
    return [Part(*name, time, _share(time, whole)) for name, time in longest]


def _share(time: timedelta, whole: timedelta) -> str:
    if not whole:
        return ""
    share = 100 * time / whole
    if time and share < 1:
        return "< 1 %"
    return "> 99 %" if time < whole and share > 99 else f"{share:.0f} %"


type _Words = Callable[[datetime], str]


def _second(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def _minute(at: datetime) -> str:
    return f"{at:%H:%M}" if at.hour or at.minute else _day(at)


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def _month(at: datetime) -> str:
    return f"{at:%b} {at.year}"


def _year(at: datetime) -> str:
    return str(at.year)


STEPS: Mapping[timedelta, _Words] = {
    timedelta(seconds=1): _second,
    timedelta(seconds=10): _second,
    timedelta(minutes=1): _minute,
    timedelta(minutes=5): _minute,
    timedelta(minutes=15): _minute,
    timedelta(hours=1): _minute,
    timedelta(hours=3): _minute,
    timedelta(hours=6): _minute,
    timedelta(hours=12): _minute,
    timedelta(days=1): _day,
    timedelta(days=2): _day,
    timedelta(days=7): _day,
    timedelta(days=14): _day,
}
"""Steps of an axis that are of one length each, and how its times are told; the shortest first."""

MONTHS: Mapping[int, _Words] = {1: _month, 3: _month, 6: _month, 12: _year, 24: _year, 60: _year, 240: _year}
"""Steps of so many months."""

MOST_TICKS = 6
MONTH = timedelta(days=30)
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
"""Steps of one length are counted from here: weeks begin on Mondays."""


def _ticks(blocks: Sequence[Block]) -> Iterator[Tick]:
    first, last = blocks[0].span.began_at, blocks[-1].span.ended_at
    free, block = APART / 2, iter(blocks)
    here = next(block)
    for at, text in _times(first.astimezone(UTC), last.astimezone(UTC)):
        while at > here.span.ended_at:
            here = next(block)
        x = _place(here, at)
        if free <= x <= 100 - APART / 2:
            free = x + APART
            yield Tick(x, text)


def _times(first: datetime, last: datetime) -> Iterator[tuple[datetime, str]]:
    """Round times of an axis, with their words: not more than a few."""
    whole = last - first
    for step, words in STEPS.items():
        if whole < MOST_TICKS * step:
            count = -((MONDAY - first) // step)
            while (at := MONDAY + count * step) <= last:
                yield at, words(at)
                count += 1
            return
    months = next((each for each in MONTHS if whole < MOST_TICKS * each * MONTH), max(MONTHS))
    count = -(-(first.year * 12 + first.month - 1) // months)
    while (at := _month_of(count * months)) <= last:
        if at >= first:
            yield at, MONTHS[months](at)
        count += 1


def _month_of(number: int) -> datetime:
    """The first of a month, by its number from the beginning of the calendar."""
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
