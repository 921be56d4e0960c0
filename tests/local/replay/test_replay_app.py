"""How the function app is met."""

from datetime import UTC, datetime, timedelta

import pytest

from local.replay.app import WHY, due_after
from shared.domain import budget
from shared.watch import Outcome

BEGAN_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("late", [0.0, 2.0])
def test_events_never_come_faster_than_the_app_may_look(late: float) -> None:
    first_at = BEGAN_AT + timedelta(seconds=late)
    kept = budget.full(first_at)
    for number in range(2000):
        at = max(BEGAN_AT + timedelta(seconds=due_after(number)), first_at)
        kept, there = budget.drawn(kept, at)
        assert there, number


def test_what_looks_at_no_vm_has_a_reason_of_its_own() -> None:
    """The others of an event are told by the record of its VM."""
    of_events = {
        outcome
        for outcome in Outcome
        if outcome.startswith("ignored") or outcome in {Outcome.SCALE_SET, Outcome.LEFT_TO_A_SWEEP}
    }
    assert set(WHY) == of_events
