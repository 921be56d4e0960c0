from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.malformed import Malformed
from shared.domain.schedule import parse_schedule

AT = datetime(2026, 11, 21, 12, 7, 31, 500, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("0 */15 * * * *", "2026-11-21 12:00:00"),
        ("*/5 * * * * *", "2026-11-21 12:07:30"),
        ("31 7 12 * * *", "2026-11-21 12:07:31"),
        ("32 7 12 * * *", "2026-11-20 12:07:32"),
        ("0 30 3 * * *", "2026-11-21 03:30:00"),
        ("0 0 8-18/2 * * Mon-Fri", "2026-11-20 18:00:00"),
        ("0 0 0 * * 0", "2026-11-15 00:00:00"),
        ("0 0 0 * * sunday,2", "2026-11-17 00:00:00"),
        ("0 0 0 1 jan,JUL *", "2026-07-01 00:00:00"),
        ("0 5/20 * * * *", "2026-11-21 12:05:00"),
        ("0 0 12 13 * Fri", "2026-11-13 12:00:00"),
        ("59 59 23 31 12 *", "2025-12-31 23:59:59"),
        ("0 0 0 29 2 *", "2024-02-29 00:00:00"),
    ],
)
def test_when_it_was_due(text: str, due: str) -> None:
    assert parse_schedule(text).latest(AT) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_what_is_never_due() -> None:
    assert parse_schedule("0 0 0 30 feb *").latest(AT) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected six fields"),
        ("0 */15 * * *", "expected six fields"),
        ("60 * * * * *", "second: expected"),
        ("0 -1 * * * *", "minute: expected"),
        ("0 * 24 * * *", "hour: expected"),
        ("0 * * 0 * *", "day: expected"),
        ("0 * * * 13 *", "month: expected"),
        ("0 * * * * 7", "weekday: expected"),
        ("0 * * * mon *", "month: expected"),
        ("0 */0 * * * *", "minute: expected"),
        ("0 9-5 * * * *", "minute: expected"),
        ("0 1,,2 * * * *", "minute: expected"),
        ("0 ٣ * * * *", "minute: expected"),
        ("0 5-* * * * *", "minute: expected"),
    ],
)
def test_what_is_none_is_told_by_the_field(text: str, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        parse_schedule(text)


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high)
    ends = st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted)
    ranges = ends.map(lambda ends: f"{ends[0]}-{ends[1]}")
    steps = st.integers(1, 20)
    part = (
        st.just("*")
        | numbers.map(str)
        | ranges
        | st.builds("*/{}".format, steps)
        | st.builds("{}/{}".format, ranges, steps)
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


@settings(max_examples=200)
@given(
    text=st.tuples(
        fields(0, 59), fields(0, 59), fields(0, 23), fields(1, 28), fields(1, 12), st.just("*") | fields(0, 6)
    ).map(" ".join),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_another_reader_says_the_same(text: str, at: datetime) -> None:
    at = at.replace(tzinfo=UTC)
    # The other one's "before" leaves the moment itself out.
    other = croniter(text, at + timedelta(microseconds=1), second_at_beginning=True, day_or=False)
    assert parse_schedule(text).latest(at) == other.get_prev(datetime)
