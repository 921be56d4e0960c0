"""The cap, against a model that forgets nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cap import WINDOW, drawn_by

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def counted(draws: Sequence[datetime], now: datetime) -> int:
    """How many of all draws ever count against one at a time: those of the hour before, and those to come."""
    return sum(at > now - WINDOW for at in draws)


# Whole quarters of an hour: ties, and the very end of an hour, come often.
quarters = st.integers(0, 16).map(lambda number: NOON + number * timedelta(minutes=15))
moments = quarters | st.timedeltas(timedelta(), timedelta(hours=4)).map(lambda after: NOON + after)
clocks = st.lists(moments, max_size=30)


@given(clocks, st.integers(0, 4))
def test_by_any_clock_no_more_than_the_cap_within_any_hour(clock: list[datetime], most: int) -> None:
    kept, draws = tuple[datetime, ...](), list[datetime]()
    for now in clock:
        allowed = counted(draws, now) < most
        kept, free_at = drawn_by(kept, now, most)
        assert (free_at is None) is allowed
        draws += [now] if allowed else []
        assert len(kept) <= most
    for at in draws:
        assert sum(at - WINDOW < other <= at for other in draws) <= most


@given(clocks, st.integers(1, 4))
def test_when_it_says_that_it_is_free_it_is_and_not_before(clock: list[datetime], most: int) -> None:
    kept: tuple[datetime, ...] = ()
    for now in clock:
        kept, free_at = drawn_by(kept, now, most)
        if free_at:
            assert free_at > now
            assert drawn_by(kept, free_at, most)[1] is None
            assert drawn_by(kept, free_at - INSTANT, most)[1] == free_at


@given(st.lists(st.tuples(moments, st.integers(0, 4)), max_size=30).map(sorted))
def test_a_cap_that_changes_holds_from_then_on(steps: list[tuple[datetime, int]]) -> None:
    kept, draws = tuple[datetime, ...](), list[datetime]()
    for now, most in steps:
        kept, free_at = drawn_by(kept, now, most)
        assert (free_at is None) is (counted(draws, now) < most)
        draws += [] if free_at else [now]


@given(st.permutations([NOON + timedelta(minutes=number) for number in range(5)]), st.integers(0, 6))
def test_the_order_of_those_before_does_not_matter(drawn: list[datetime], most: int) -> None:
    now = NOON + timedelta(minutes=30)
    assert drawn_by(drawn, now, most) == drawn_by(sorted(drawn), now, most)


@given(moments)
def test_a_cap_of_none_is_never_free(now: datetime) -> None:
    assert drawn_by((), now, 0) == ((), now + WINDOW)
