import pytest

from shared.domain.signals import RENEWS, Verb
from shared.domain.states import SETTLED_POWER, PowerState
from shared.domain.transitions import KINDS, RENEWALS, Effect, Kind, effect, kind

AT_REST = [*sorted(SETTLED_POWER), PowerState.DELETED]


def test_the_table_is_whole() -> None:
    assert set(KINDS) == {(before, after) for before in [None, *AT_REST] for after in AT_REST}
    assert {*KINDS.values(), *RENEWALS.values(), Kind.HIBERNATED} == set(Kind)
    assert set(RENEWALS) == RENEWS


@pytest.mark.parametrize(
    ("before", "after", "verb", "hibernated", "expected"),
    [
        ("running", "running", Verb.RESTART, False, Kind.RESTARTED),
        ("running", "running", Verb.REDEPLOY, False, Kind.REDEPLOYED),
        ("running", "running", None, False, Kind.RETURNED),
        ("running", "running", Verb.START, False, Kind.RETURNED),
        ("stopped", "stopped", Verb.RESTART, False, Kind.RETURNED),
        ("running", "deallocated", Verb.DEALLOCATE, True, Kind.HIBERNATED),
        ("stopped", "deallocated", None, True, Kind.HIBERNATED),
        ("running", "deallocated", Verb.DEALLOCATE, False, Kind.DEALLOCATED),
        ("deallocated", "running", Verb.RESTART, False, Kind.STARTED),
        ("running", "stopped", None, True, Kind.POWERED_OFF),
    ],
)
def test_signal_and_view_tell_more(
    before: str, after: str, verb: Verb | None, hibernated: bool, expected: Kind
) -> None:
    assert kind(PowerState(before), PowerState(after), verb, hibernated=hibernated) is expected


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
