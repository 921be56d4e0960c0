"""The chart of days: that its bars are the figures."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.accounts import Day, Figures, Money
from shared.domain.money import Amount, Sum
from shared.web.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, chart, figures
from shared.web.overview import sum_text

TODAY = date(2026, 11, 21)
UNKNOWN = Sum(Amount("USD"), 3.0)
type Spent = tuple[float, float, float, float]
"""Hours; wasted, at least and at most; avoided."""


def money(*days: Day) -> Money:
    figure = Figures(UNKNOWN, UNKNOWN)
    return Money("USD", 0, UNKNOWN, figure, figure, 0, days, whole=True)


def of(*spent: Spent) -> Money:
    return money(
        *(
            Day(
                TODAY - timedelta(days=ago),
                Sum(Amount("USD", lower, upper)),
                Sum(Amount("USD", avoided, avoided)),
                hours,
            )
            for ago, (hours, lower, upper, avoided) in zip(reversed(range(len(spent))), spent, strict=True)
        )
    )


def made(found: Chart | None) -> Chart:
    assert found
    return found


def test_nothing_makes_no_chart() -> None:
    assert chart(of((0, 0, 0, 0))) is None


def test_bars_are_as_high_as_the_axis_says() -> None:
    found = made(chart(of((10, 20.0, 50.0, 10.0), (10, 80.0, 80.0, 0.0))))
    assert [tick.label for tick in found.ticks] == ["0", "20", "40", "60", "80"]
    full = found.base - found.ticks[-1].y
    first, second = ((bar.sure, bar.perhaps, bar.avoided) for bar in found.bars)
    assert first == pytest.approx((full / 4, full * 3 / 8, full / 8), abs=0.01)
    assert second == pytest.approx((full, 0, 0), abs=0.01)
    assert found.bars[0].title == "2026-11-20: 10.0 hours Stopped, USD 20.00–50.00 wasted, USD 10.00 avoided"
    assert found.bars[1].title == "2026-11-21: 10.0 hours Stopped, USD 80.00 wasted"


def test_a_day_of_which_only_the_most_is_known_is_no_day_without_a_price() -> None:
    most = Sum(Amount("USD", None, 8.0))
    found = made(chart(money(Day(TODAY, most, Sum(Amount("USD", 0.0, 0.0)), 2.0))))
    assert found.unit == "USD"
    assert (found.bars[0].sure, found.bars[0].perhaps > 0) == (0, True)
    assert found.bars[0].title == "2026-11-21: 2.0 hours Stopped, at most USD 8.00 wasted"


def test_small_amounts_have_an_axis_with_cents() -> None:
    assert [tick.label for tick in made(chart(of((1, 0.03, 0.03, 0)))).ticks] == [
        "0.00",
        "0.01",
        "0.02",
        "0.03",
    ]


def test_where_no_price_is_known_hours_are_shown() -> None:
    found = made(chart(money(Day(TODAY, UNKNOWN, UNKNOWN, 12.0))))
    assert (found.unit, [tick.label for tick in found.ticks]) == ("hours", ["0", "5", "10", "15"])
    assert found.bars[0].title == "2026-11-21: 12.0 hours Stopped, at no known price"


def test_today_is_named_and_each_fifth_day_before() -> None:
    found = made(chart(of(*[(1.0, 1.0, 1.0, 0.0)] * 31)))
    assert [bar.label for bar in found.bars if bar.label] == [
        "Oct 22",
        "Oct 27",
        "Nov 1",
        "Nov 6",
        "Nov 11",
        "Nov 16",
        "Nov 21",
    ]


def test_the_table_says_the_same_the_latest_first() -> None:
    days = [*of((10, 20.0, 50.0, 10.0)).days, Day(TODAY + timedelta(days=1), UNKNOWN, UNKNOWN, 2.0)]
    assert figures(money(*days), sum_text) == [
        ("2026-11-22", "2.0", "unknown", "unknown"),
        ("2026-11-21", "10.0", "USD 20.00–50.00", "USD 10.00"),
    ]


amounts = st.floats(0, 1e7, allow_subnormal=False)


@given(
    st.lists(
        st.builds(
            lambda hours, lower, more, avoided: (hours, lower, lower + more, avoided),
            amounts,
            amounts,
            amounts,
            amounts,
        ),
        min_size=1,
        max_size=31,
    )
)
def test_any_days_fit_into_it(spent: list[Spent]) -> None:
    found = chart(of(*spent))
    if found is None:
        assert not any(hours or lower or avoided for hours, lower, _, avoided in spent)
        return
    full = HEIGHT - BOTTOM - TOP
    assert len(found.bars) == len(spent)
    for bar in found.bars:
        assert 0 <= bar.sure + bar.perhaps <= full + 0.02
        assert 0 <= bar.avoided <= full + 0.02
        assert LEFT <= bar.x <= bar.x + bar.width <= WIDTH - RIGHT + 0.02
    assert 2 <= len(found.ticks) <= 6
    assert len({tick.label for tick in found.ticks}) == len(found.ticks)
