"""The bar of a timeline: whatever the life, its blocks fill it, nothing is too small to see, and ticks are in order."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given

from shared.domain.records import Record
from shared.domain.states import PowerState
from shared.ports import History
from shared.web.bar import APART, LEAST, MONTHS, MOST_LEAST, MOST_TICKS, STEPS, Bar, bar
from shared.web.captions import Shape
from shared.web.timeline import Mark, Span, Timeline, timeline
from tests.domain.life import NOON, minutes
from tests.web.test_timeline import histories, moments, records

DAY = timedelta(days=1)


def life(*times: timedelta, first: datetime = NOON, marks: tuple[Mark, ...] = ()) -> Timeline:
    """Spans of these lengths, now Running, now Stopped; marks are in the first."""
    spans = list[Span]()
    for number, time in enumerate(times):
        state = [PowerState.RUNNING, PowerState.STOPPED][number % 2]
        end = first + time
        spans.append(Span(state, state.capitalize(), first, end, False, "", () if number else marks))
        first = end
    return Timeline(tuple(reversed(spans)), "", ())


def told(seen: Bar) -> list[str]:
    return [tick.text for tick in seen.ticks]


@given(records, histories, moments)
def test_the_blocks_of_any_life_fill_the_bar_and_all_are_to_be_seen(
    record: Record, history: History, now: datetime
) -> None:
    line = timeline(record, history, now)
    seen = bar(line)
    assert [each.span for each in seen.blocks] == list(reversed(line.spans))
    assert seen.blocks[0].x == 0
    for each, following in pairwise(seen.blocks):
        assert each.x + each.width == pytest.approx(following.x)
        assert (each.width <= following.width) or (each.span.lasted >= following.span.lasted)
    assert sum(each.width for each in seen.blocks) == pytest.approx(100)
    assert min(each.width for each in seen.blocks) >= min(LEAST, MOST_LEAST / len(seen.blocks))


@given(records, histories, moments)
def test_pins_and_ticks_of_any_life_are_on_the_bar_and_in_order(
    record: Record, history: History, now: datetime
) -> None:
    line = timeline(record, history, now)
    seen = bar(line)
    for shape, lane in seen.lanes.items():
        places = [pin.x for pin in lane]
        assert places == sorted(places)
        assert all(0 <= x <= 100.001 for x in places)
        assert len(lane) + sum(pin.more for pin in lane) == [mark.shape for mark in line.marks].count(shape)
    places = [tick.x for tick in seen.ticks]
    assert all(APART / 2 <= x <= 100 - APART / 2 for x in places)
    assert all(later - earlier >= APART for earlier, later in pairwise(places))
    assert len(set(told(seen))) == len(places), "no two ticks say the same"


def test_proportions_are_those_of_time_but_for_a_little() -> None:
    widths = [each.width for each in bar(life(30 * DAY, 10 * DAY, timedelta())).blocks]
    assert widths == pytest.approx([0.5 + 98.5 * 0.75, 0.5 + 98.5 * 0.25, 0.5])


def test_a_life_of_a_hundred_moments_in_a_year_still_shows_each() -> None:
    seen = bar(life(*[timedelta(seconds=1)] * 100, 365 * DAY))
    assert [each.width for each in seen.blocks[:100]] == [pytest.approx(50 / 101, abs=1e-4)] * 100
    assert seen.blocks[-1].width > 50


def test_ticks_that_short_spans_press_together_are_left_out() -> None:
    seen = bar(life(*[timedelta()] * 100, 40 * DAY, first=datetime(2026, 10, 12, 12, tzinfo=UTC)))
    assert told(seen) == ["19 Oct", "2 Nov"]


def test_a_life_that_begins_now_is_one_block_without_shares() -> None:
    seen = bar(life(timedelta()))
    assert [(each.x, each.width) for each in seen.blocks] == [(0, 100)]
    assert (seen.ticks, seen.lanes) == ((), {})
    assert [(part.label, part.share) for part in seen.parts] == [("Running", "")]


@pytest.mark.parametrize(
    ("lasts", "first", "ticks"),
    [
        (timedelta(seconds=30), NOON, ["12:00:10", "12:00:20"]),
        (timedelta(minutes=3), NOON, ["12:01", "12:02"]),
        (timedelta(hours=4), NOON + timedelta(minutes=30), ["13:00", "14:00", "15:00", "16:00"]),
        (timedelta(hours=14), NOON + timedelta(hours=3), ["18:00", "21:00", "22 Nov", "03:00"]),
        (40 * DAY, datetime(2026, 10, 12, 12, tzinfo=UTC), ["19 Oct", "26 Oct", "2 Nov", "9 Nov", "16 Nov"]),
        (100 * DAY, NOON, ["Dec 2026", "Jan 2027", "Feb 2027"]),
        (400 * DAY, NOON, ["Jan 2027", "Apr 2027", "Jul 2027", "Oct 2027"]),
        (4 * 365 * DAY, NOON, ["2028", "2029", "2030"]),
    ],
)
def test_ticks_are_at_round_times(lasts: timedelta, first: datetime, ticks: list[str]) -> None:
    assert told(bar(life(lasts, first=first))) == ticks


def test_a_tick_is_where_its_time_is() -> None:
    (tick,) = bar(
        life(timedelta(hours=6), timedelta(hours=18), first=datetime(2026, 11, 21, 12, tzinfo=UTC))
    ).ticks[1:2]
    assert tick.text == "22 Nov"
    assert tick.x == pytest.approx(0.5 + 99 * 0.25 + (0.5 + 99 * 0.75) / 3)


def test_steps_are_from_short_to_long() -> None:
    assert list(STEPS) == sorted(STEPS)
    assert list(MONTHS) == sorted(MONTHS)
    assert max(STEPS) * MOST_TICKS >= timedelta(days=62), "months take over where there are a few of them"


def test_marks_too_near_to_be_told_apart_are_one_pin_that_says_how_many() -> None:
    marks = [Mark(minutes(at), Shape.NOTICE, f"at {at}") for at in (0, 1, 2, 500)]
    marks += [Mark(minutes(1), Shape.FLAG, "flag")]
    ordered = tuple(sorted(marks, key=lambda mark: mark.at, reverse=True))
    lanes = bar(life(timedelta(minutes=1000), marks=ordered)).lanes
    assert list(lanes) == [Shape.FLAG, Shape.NOTICE]
    assert [(pin.mark.what, pin.more) for pin in lanes[Shape.NOTICE]] == [("at 0", 2), ("at 500", 0)]
    assert [pin.x for pin in lanes[Shape.NOTICE]] == [0, pytest.approx(50)]


def test_parts_add_up_states_with_the_longest_first() -> None:
    seen = bar(life(DAY, 2 * DAY, 3 * DAY, timedelta(minutes=1)))
    assert [(part.label, part.lasted, part.share) for part in seen.parts] == [
        ("Running", 4 * DAY, "67 %"),
        ("Stopped", 2 * DAY + timedelta(minutes=1), "33 %"),
    ]
    seen = bar(life(400 * DAY, timedelta(minutes=1)))
    assert [part.share for part in seen.parts] == ["> 99 %", "< 1 %"]
