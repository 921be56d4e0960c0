import pytest

from shared.domain.states import SETTLED_POWER, PowerState
from shared.domain.transitions import KINDS, Effect, Kind, effect

AT_REST = [*sorted(SETTLED_POWER), PowerState.DELETED]


def test_the_table_is_whole() -> None:
    assert set(KINDS) == {(before, after) for before in [None, *AT_REST] for after in AT_REST}
    assert set(KINDS.values()) == set(Kind)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("running", "stopped", Effect.STAYS_BILLED),
        ("stopped", "running", Effect.STAYS_BILLED),
        ("stopped", "deallocated", Effect.STOPS),
        ("running", "deallocated", Effect.STOPS),
        ("running", "deleted", Effect.STOPS),
        ("deallocated", "running", Effect.STARTS),
        ("deallocated", "stopped", Effect.STARTS),
        ("deallocated", "deleted", Effect.STAYS_FREE),
        (None, "stopped", Effect.UNKNOWN),
    ],
)
def test_what_it_does_to_the_bill(before: str | None, after: str, expected: Effect) -> None:
    assert effect(PowerState(before) if before else None, PowerState(after)) is expected


@pytest.mark.parametrize("before", [None, *AT_REST])
@pytest.mark.parametrize("after", AT_REST)
def test_stopping_the_bill_needs_a_state_that_is_not_billed(
    before: PowerState | None, after: PowerState
) -> None:
    if after in {"running", "stopped"}:
        assert effect(before, after) in {Effect.STAYS_BILLED, Effect.STARTS, Effect.UNKNOWN}
    else:
        assert effect(before, after) in {Effect.STAYS_FREE, Effect.STOPS, Effect.UNKNOWN}
