"""The budget of single looks, and when events ask for a sweep."""

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.budget import (
    COLLECT,
    LONGEST_BLOCK,
    LOOKS,
    LOOKS_A_SECOND,
    RESERVE,
    SPACING,
    Budget,
    blocked,
    drawn,
    full,
    next_sweep,
    spacing,
    told,
)
from tests.domain.life import NOON

SECOND = timedelta(seconds=1)
steps = st.lists(st.floats(-5, 30).map(lambda number: number * SECOND), min_size=1, max_size=200)


def draw_all(budget: Budget, now: datetime) -> tuple[Budget, int]:
    count = 0
    while True:
        budget, there = drawn(budget, now)
        if not there:
            return budget, count
        count += 1


def test_a_full_budget_is_spent_and_comes_back() -> None:
    budget, count = draw_all(full(NOON), NOON)
    assert count == LOOKS
    budget, count = draw_all(budget, NOON + 5 * SECOND)
    assert count == 5 * LOOKS_A_SECOND - 1, "one was drawn in vain"
    assert draw_all(budget, NOON + timedelta(days=1))[1] == LOOKS


@given(steps)
def test_never_more_than_the_bucket_and_what_flows_into_it(gaps: list[timedelta]) -> None:
    budget, now, latest, count = full(NOON), NOON, NOON, 0
    for gap in gaps:
        now += gap
        latest = max(latest, now)
        budget, there = drawn(budget, now)
        count += there
        assert count <= LOOKS + (latest - NOON).total_seconds() * LOOKS_A_SECOND + 1e-6


def test_while_more_is_asked_than_comes_back_nothing_is_had() -> None:
    budget, now = full(NOON), NOON
    budget, _ = draw_all(budget, now)
    for _ in range(1000):
        now += SECOND / (LOOKS_A_SECOND + 1)
        budget, there = drawn(budget, now)
        assert not there
    assert drawn(budget, now + (LOOKS / LOOKS_A_SECOND + 1) * SECOND)[1], "soon after the last"


def test_what_arm_says_is_left_counts_for_all() -> None:
    scarce = told(full(NOON), RESERVE - 1)
    spent, there = drawn(scarce, NOON)
    assert not there
    assert drawn(spent, NOON + 2 * SECOND)[1], "it fills again"
    assert drawn(told(full(NOON), RESERVE), NOON)[1]


def test_azure_is_left_alone_for_as_long_as_it_asks_within_reason() -> None:
    resting = blocked(full(NOON), NOON, 20 * SECOND)
    assert not drawn(resting, NOON + 19 * SECOND)[1]
    assert drawn(resting, NOON + 20 * SECOND)[1]
    assert drawn(blocked(full(NOON), NOON, timedelta(days=9)), NOON + LONGEST_BLOCK)[1]
    assert not drawn(blocked(full(NOON), NOON, None), NOON)[1]
    assert blocked(resting, NOON, 5 * SECOND) == resting, "the longer wish holds"


def test_a_clock_that_was_far_ahead_holds_up_no_looks() -> None:
    ahead = NOON + timedelta(days=30)
    spent, _ = draw_all(full(ahead), ahead)
    spent, _ = drawn(blocked(spent, ahead, timedelta(minutes=20)), NOON)
    assert drawn(spent, NOON + LOOKS / LOOKS_A_SECOND * SECOND)[1]


@given(
    st.lists(st.floats(0, 60).map(lambda number: number * SECOND), min_size=2, max_size=50),
    st.floats(30, 900).map(lambda number: number * SECOND),
)
def test_whoever_asks_is_covered_by_a_sweep_that_comes_after_and_soon(
    gaps: list[timedelta], apart: timedelta
) -> None:
    planned, now, sweeps = None, NOON, set[datetime]()
    for gap in gaps:
        now += gap
        planned = next_sweep(planned, now, apart)
        sweeps.add(planned)
        assert now <= planned <= now + max(COLLECT, apart)
    in_order = sorted(sweeps)
    assert all(later - earlier >= apart for earlier, later in itertools.pairwise(in_order))


def test_a_plan_by_a_clock_far_ahead_does_not_hold_up_sweeps() -> None:
    assert next_sweep(NOON + timedelta(days=30), NOON, SPACING) == NOON + COLLECT


@pytest.mark.parametrize(
    ("pages", "took", "apart"),
    [
        (3, 1, SPACING),
        (45, 1, SPACING),
        (201, 20, timedelta(seconds=134)),
        (201, 200, timedelta(seconds=300)),
        (900, 100, timedelta(seconds=600)),
        (100_000, 1, LONGEST_BLOCK),
        (0, -5, SPACING),
    ],
)
def test_sweeps_of_large_fleets_are_further_apart_and_none_begins_before_the_last_is_over(
    pages: int, took: int, apart: timedelta
) -> None:
    assert spacing(pages, took * SECOND) == apart
