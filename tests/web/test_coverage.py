"""What of a fleet is covered, as health and summary tell it."""

from copy import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.accounts import Day, Figures, Money
from shared.domain.money import Amount, Sum
from shared.domain.states import PowerState
from shared.ports import Coverage, Tally
from shared.summaries import Summary
from shared.web.coverage import BASIS, FAULTS, REMARKS, coverage_view, money_view, remarks, summary_view
from tests.stories.books import nothing

ONE, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
NOW = datetime(2026, 11, 21, 12, 16, tzinfo=UTC)
QUARTERS = "0 */15 * * * *"
MINUTE = timedelta(minutes=1)


def swept(at: datetime = NOW - MINUTE, **changes: object) -> Coverage:
    coverage = Coverage(ONE, at, at + timedelta(seconds=9), vms=7, changed=2, gone=1, covered_at=at)
    return replace(coverage, **changes)  # type: ignore[arg-type]  # of whatever fields


def told(
    coverage: Coverage | None, schedule: str = QUARTERS, *, since: datetime = NOW - timedelta(days=999)
) -> list[str]:
    return remarks({ONE: coverage} if coverage else {}, (ONE,), schedule, since=since, now=NOW)


def test_a_sweep_as_it_is_shown() -> None:
    faults = tuple(f"fault {number}" for number in range(9))
    assert coverage_view(swept(faults=faults, fault_count=30, complete=False, covered_at=None)) == {
        "began_at": "2026-11-21T12:15:00Z",
        "ended_at": "2026-11-21T12:15:09Z",
        "complete": False,
        "covered_at": None,
        "vms": 7,
        "changed": 2,
        "gone": 1,
        "fault_count": 30,
        "faults": list(faults[:FAULTS]),
    }
    assert coverage_view(None) is None


def test_nothing_is_said_where_all_is_covered() -> None:
    assert told(swept()) == []
    assert told(swept(NOW - 16 * MINUTE)) == [], "of the last but one time that sweeps were due"


@pytest.mark.parametrize(
    ("schedule", "ago", "late"),
    [
        (QUARTERS, 17 * MINUTE, True),
        ("0 0 * * * *", 76 * MINUTE, False),
        ("0 0 * * * *", 77 * MINUTE, True),
        ("0 0 3 * * *", timedelta(hours=33), False),
        ("0 0 3 * * *", timedelta(hours=34), True),
        ("whenever", timedelta(days=99), False),
        ("0 0 0 30 2 *", timedelta(days=99), False),
    ],
)
def test_a_sweep_is_late_after_two_times_of_its_schedule(schedule: str, ago: timedelta, late: bool) -> None:
    found = told(swept(NOW - ago), schedule)
    assert bool(found) is late
    if late:
        at = (NOW - ago).isoformat().replace("+00:00", "Z")
        assert found == [f"{ONE}: no sweep was complete since {at}"]


def test_what_is_not_covered_is_said_with_its_cause() -> None:
    refused = "not covered: ARM: HTTP 403 AuthorizationFailed"
    failed = swept(complete=False, faults=(refused,), fault_count=1)
    assert told(None) == [f"{ONE}: not swept yet, so only VMs that events named are known"]
    assert told(replace(failed, covered_at=None)) == [f"{ONE}: no sweep was complete yet: {refused}"]
    assert told(replace(failed, covered_at=NOW - timedelta(days=1))) == [
        f"{ONE}: no sweep was complete since 2026-11-20T12:16:00Z: {refused}"
    ]
    assert told(replace(failed, covered_at=NOW - 2 * MINUTE)) == [
        f"{ONE}: 1 not covered by the latest sweep: {refused}"
    ]
    assert told(swept(faults=("web-1: HTTP 403", "web-2: HTTP 403"), fault_count=2)) == [
        f"{ONE}: 2 not covered by the latest sweep: web-1: HTTP 403"
    ]


def test_one_of_a_time_that_is_to_come_counts_for_none() -> None:
    assert told(swept(NOW + MINUTE)) == [], "the clocks of instances differ a little"
    found = told(swept(NOW + 2 * MINUTE))
    assert found == [
        f"{ONE}: no sweep was complete since 2026-11-21T12:18:00Z, which is still to come: a clock was ahead"
    ]


def test_a_first_sweep_is_missing_once_it_was_due_twice() -> None:
    assert told(None, since=NOW - 15 * MINUTE) == []
    assert told(None, since=NOW - 17 * MINUTE)
    assert told(None, "whenever", since=NOW)


def test_of_very_many_subscriptions_some_are_named_and_the_others_counted() -> None:
    subscriptions = [f"00000000-0000-4000-8000-0000000000{number}" for number in range(10, 40)]
    found = remarks({}, subscriptions, QUARTERS, since=NOW - timedelta(1), now=NOW)
    assert len(found) == REMARKS + 1
    assert found[-1] == f"and {30 - REMARKS} subscriptions more are not covered"
    some = remarks({}, subscriptions[:REMARKS], QUARTERS, since=NOW - timedelta(1), now=NOW)
    assert len(some) == REMARKS


def test_the_summary() -> None:
    tally = Tally({PowerState.RUNNING: 3, PowerState.STOPPED: 2, PowerState.DELETED: 9}, 1, whole=True)
    view = summary_view(Summary(NOW, {ONE: tally, OTHER: None}, {ONE: swept()}, nothing()))
    counts = {state.value: 0 for state in PowerState} | {"running": 3, "stopped": 2, "deleted": 9}
    assert view == {
        "at": "2026-11-21T12:16:00Z",
        "whole": False,
        "vms": 5,
        "power_states": counts,
        "flagged": 1,
        "cost": money_view(nothing()),
        "subscriptions": [
            {
                "subscription": ONE,
                "whole": True,
                "counted_at": "2026-11-21T12:16:00Z",
                "vms": 5,
                "power_states": counts,
                "flagged": 1,
                "sweep": coverage_view(swept()),
            },
            {
                "subscription": OTHER,
                "whole": False,
                "counted_at": None,
                "vms": None,
                "power_states": None,
                "flagged": None,
                "sweep": None,
            },
        ],
    }


def test_money() -> None:
    known, unknown = Sum(Amount("EUR", 1.23456, 2.0)), Sum(Amount("EUR"), 3.0)
    figures = Figures(known, unknown)
    day = Day(date(2026, 11, 21), known, unknown, 1.23456)
    view = money_view(Money("EUR", 4, known, figures, figures, 2, (day,), whole=False))
    shown = {"lower": 1.23, "upper": 2.0, "unpriced": 0.0}
    hidden = {"lower": None, "upper": None, "unpriced": 3.0}
    assert view == {
        "currency": "EUR",
        "basis": BASIS,
        "stopped": 4,
        "hourly": {"lower": 1.2346, "upper": 2.0, "unpriced": 0.0},
        "monthly": {"lower": 901.23, "upper": 1460.0, "unpriced": 0.0},
        "wasted": {"this_month": shown, "total": hidden},
        "avoided": {"this_month": shown, "total": hidden},
        "deallocated": 2,
        "whole": False,
        "days": [{"day": "2026-11-21", "hours": 1.23, "wasted": shown, "avoided": hidden}],
    }
