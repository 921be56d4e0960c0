"""Hours that count, day by day."""

from copy import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import Amount, Sum, Tariff, sum_view, total
from shared.domain.records import Episode
from shared.domain.signals import Source
from shared.domain.spending import DaySpent, Hours, Past, Spell, by_day, lasting, midnight, pasts
from shared.domain.states import PowerState
from tests.contracts.fleet import NOON, new_vm, record

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SMALL, LARGE = (
    Tariff("westeurope", "Standard_D2s_v5", "Linux"),
    Tariff("westeurope", "Standard_E8s_v5", "Windows"),
)
TODAY = NOON.date()


def spell(began: float, ended: float | None, tariff: Tariff = SMALL, *, avoided: bool = False) -> Spell:
    """From and until so many hours after noon."""
    return Spell(tariff, NOON + HOUR * began, None if ended is None else NOON + HOUR * ended, avoided)


def of(day: date, *spells: Spell, first: date = TODAY - DAY, until: datetime = NOON) -> Hours:
    return by_day(spells, first, until)[day]


class TestByDay:
    def test_a_spell_counts_on_the_days_that_it_lasted(self) -> None:
        over_midnight = spell(-14, -10)
        assert of(TODAY - DAY, over_midnight).wasted == ((SMALL, 2.0),)
        assert of(TODAY, over_midnight).wasted == ((SMALL, 2.0),)

    def test_what_lasts_counts_until_now(self) -> None:
        assert of(TODAY, spell(-3, None)).wasted == ((SMALL, 3.0),)

    def test_what_is_told_to_end_later_than_now_counts_until_now(self) -> None:
        assert of(TODAY, spell(-3, 1)).wasted == ((SMALL, 3.0),)

    def test_what_was_before_the_first_day_is_left_out(self) -> None:
        found = by_day([spell(-500, None), spell(-700, -600)], TODAY, NOON)
        assert found == {TODAY: Hours(((SMALL, 12.0),))}

    def test_days_without_anything_are_there(self) -> None:
        assert by_day([], TODAY - DAY * 2, NOON) == dict.fromkeys(
            [TODAY - DAY * 2, TODAY - DAY, TODAY], Hours()
        )

    def test_a_first_day_that_is_to_come_has_none(self) -> None:
        assert by_day([spell(-3, None)], TODAY + DAY, NOON) == {}

    def test_tariffs_and_what_was_avoided_are_told_apart(self) -> None:
        found = of(TODAY, spell(-3, -1), spell(-2, None, LARGE), spell(-4, -3), spell(-1, None, avoided=True))
        assert found == Hours(((SMALL, 3.0), (LARGE, 2.0)), ((SMALL, 1.0),))

    def test_a_spell_that_ends_before_it_begins_counts_nothing(self) -> None:
        assert of(TODAY, spell(-1, -3)) == Hours()

    @given(
        spells=st.lists(
            st.builds(
                spell,
                st.floats(-2000, 100),
                st.none() | st.floats(-2000, 100),
                st.sampled_from([SMALL, LARGE]),
                avoided=st.booleans(),
            ),
            max_size=8,
        ),
        ago=st.integers(0, 60),
        split=st.integers(0, 60),
    )
    def test_the_days_are_the_whole(self, spells: list[Spell], ago: int, split: int) -> None:
        first = TODAY - DAY * ago
        found = by_day(spells, first, NOON)
        assert list(found) == [first + DAY * number for number in range(ago + 1)]
        for hours in found.values():
            assert all(0 < count <= 24 * len(spells) + 1e-6 for _, count in (*hours.wasted, *hours.avoided))
        wanted = sum(
            max((min(each.ended_at or NOON, NOON) - max(each.began_at, midnight(first))) / HOUR, 0.0)
            for each in spells
        )
        whole = sum(found.values(), Hours())
        assert sum(count for _, count in (*whole.wasted, *whole.avoided)) == pytest.approx(wanted, abs=1e-6)
        # However it is cut in two, a day comes to the same.
        later = by_day(spells, first + DAY * min(split, ago), NOON)
        assert later == {day: found[day] for day in later}


class TestSpells:
    def test_of_an_episode_that_lasts_nothing_is_over(self) -> None:
        lasts = Episode(new_vm(), NOON, NOON, Source.OBSERVED, None)
        assert pasts(lasts, SMALL) == ()

    def test_of_one_that_was_ended_its_own_time_is_over(self) -> None:
        ended = Episode(new_vm(), NOON, NOON, Source.OBSERVED, None, ended_at=NOON + HOUR, by_stopgap=True)
        (past,) = pasts(ended, SMALL)
        assert past.spell == Spell(SMALL, NOON, NOON + HOUR)
        assert past.counts

    @pytest.mark.parametrize("by_stopgap", [True, False])
    def test_what_followed_counts_if_it_was_stopgap_that_ended_it(self, by_stopgap: bool) -> None:
        resumed = Episode(
            new_vm(),
            NOON,
            NOON,
            Source.OBSERVED,
            None,
            ended_at=NOON + HOUR,
            by_stopgap=by_stopgap,
            resumed_at=NOON + HOUR * 3,
        )
        _, after = pasts(resumed, SMALL)
        assert after == Past(resumed, SMALL, avoided=True)
        assert after.spell == Spell(SMALL, NOON + HOUR, NOON + HOUR * 3, avoided=True)
        assert after.counts is by_stopgap

    def test_a_vm_that_is_stopped_is_in_one(self) -> None:
        stopped = record(new_vm(), PowerState.STOPPED)
        assert lasting(stopped) == Spell(Tariff.of(stopped.model), stopped.since)
        assert lasting(record(new_vm(), PowerState.RUNNING)) is None

    @pytest.mark.parametrize(
        ("by_stopgap", "resumed_at", "saves"),
        [(True, None, True), (False, None, False), (True, NOON + HOUR * 2, False)],
    )
    def test_one_that_stopgap_deallocated_is_in_one_until_it_leaves_that(
        self, by_stopgap: bool, resumed_at: datetime | None, saves: bool
    ) -> None:
        closed = Episode(
            new_vm(), NOON, NOON, Source.OBSERVED, None, None, NOON + HOUR, None, None, by_stopgap, resumed_at
        )
        deallocated = replace(record(closed.vm, PowerState.DEALLOCATED), closed=closed)
        wanted = Spell(Tariff.of(deallocated.model), NOON + HOUR, avoided=True)
        assert lasting(deallocated) == (wanted if saves else None)


class TestTotal:
    PRICES = {SMALL: Amount("USD", 0.1, 0.1), LARGE: Amount("USD", 0.5, 0.9)}  # noqa: RUF012 - never changed

    def test_hours_by_their_prices(self) -> None:
        assert total("USD", self.PRICES, {SMALL: 10.0, LARGE: 2.0}) == Sum(Amount("USD", 2.0, 2.8))

    def test_nothing_costs_nothing(self) -> None:
        assert total("USD", {}, {}) == Sum(Amount("USD", 0.0, 0.0))

    @pytest.mark.parametrize("amount", [None, Amount("USD"), Amount("USD", 0.5), Amount("USD", None, 0.9)])
    def test_what_has_no_price_is_told_apart(self, amount: Amount | None) -> None:
        prices = {SMALL: Amount("USD", 0.1, 0.1)} | ({LARGE: amount} if amount else {})
        found = total("USD", prices, {SMALL: 10.0, LARGE: 2.0})
        assert found == Sum(Amount("USD", 1.0, 1.0), 2.0)
        assert sum_view(found) == {"lower": 1.0, "upper": 1.0, "unpriced": 2.0}

    def test_if_nothing_has_a_price_the_sum_is_not_known(self) -> None:
        assert total("USD", {}, {SMALL: 10.0}) == Sum(Amount("USD"), 10.0)
        assert sum_view(Sum(Amount("USD"), 10.0)) == {"lower": None, "upper": None, "unpriced": 10.0}


def test_hours_add_up_by_tariff() -> None:
    one, other = Hours(((SMALL, 1.0), (LARGE, 2.0))), Hours(((LARGE, 3.0),), ((SMALL, 4.0),))
    assert one + other == Hours(((SMALL, 1.0), (LARGE, 5.0)), ((SMALL, 4.0),))
    assert sum((one, other), Hours()) == one + other


def test_a_day_begins_in_utc() -> None:
    assert midnight(TODAY) == datetime(2026, 11, 21, tzinfo=UTC)
    assert DaySpent(TODAY, Hours(), Hours()).day == TODAY
