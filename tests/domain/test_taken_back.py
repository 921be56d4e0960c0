"""What a backup's record leads to: no deallocation that nobody was warned of since, and none that nobody asks for."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.actions import Deallocation, Stage
from shared.domain.deallocation import begun, taken_back
from shared.domain.decision import Deallocate, Decision, decide
from shared.domain.observations import Model, Observation
from shared.domain.policy import Channel, Mode, Policy
from shared.domain.records import Flag, FlagKind, Record, Settled
from shared.domain.signals import Source
from shared.domain.states import PowerState
from tests.domain.life import NOON, VM, reading
from tests.strategies import records

WARNING = timedelta(hours=1)
LONG_AGO = NOON - timedelta(hours=3)
POLICY = Policy(mode=Mode.DEALLOCATE, allow_deallocate=True, warning=WARNING, channels=(Channel.TOPIC,))


def decided(record: Record, now: datetime) -> Decision:
    """On a look that sees the VM as the record has it."""
    at = max(now, record.observed_at)
    return decide(
        record, Observation(record.vm, at, record.reading, record.model, record.tags), None, POLICY, now
    )


def deallocates(decision: Decision) -> bool:
    return any(isinstance(action, Deallocate) for action in decision.actions)


@given(records, st.timedeltas(timedelta(), WARNING - timedelta(seconds=1)))
def test_no_record_leads_to_a_deallocation_within_the_warning(record: Record, after: timedelta) -> None:
    back = taken_back(record, NOON)
    if back.deallocation:
        assert begun(back, back.deallocation.asked_at, NOON) is None
    first = decided(back, NOON)
    assert first.record
    assert not deallocates(first)
    assert not deallocates(decided(first.record, NOON + after))


@given(records)
def test_what_is_done_stays_and_twice_is_once(record: Record) -> None:
    back = taken_back(record, NOON)
    assert taken_back(back, NOON) == back
    if record.deallocation and record.deallocation.stage not in {Stage.ASKED, Stage.BEGUN}:
        assert back.deallocation == record.deallocation


def left_stopped(deallocation: Deallocation | None = None) -> Record:
    """Of a VM whose owner was told that it will be deallocated at noon."""
    settled = Settled(
        PowerState.STOPPED,
        PowerState.RUNNING,
        LONG_AGO,
        Source.EVENT,
        LONG_AGO,
        LONG_AGO,
        flagged_at=LONG_AGO,
    )
    flag = Flag(
        FlagKind.LEFT_STOPPED, LONG_AGO, flagged_at=LONG_AGO, notified_at=LONG_AGO, deallocate_after=NOON
    )
    return Record(
        vm=VM,
        observed_at=LONG_AGO,
        reading=reading("stopped"),
        model=Model(uid="uid-1"),
        power_state=PowerState.STOPPED,
        appeared_at=LONG_AGO,
        not_before=LONG_AGO,
        settled=settled,
        flag=flag,
        deallocation=deallocation,
    )


def asked(stage: Stage, *, unclear: bool = False) -> Deallocation:
    return Deallocation(
        seen_at=LONG_AGO, asked_at=LONG_AGO, asked_by="ann", stage=stage, try_at=LONG_AGO, unclear=unclear
    )


def test_a_plan_is_made_and_told_anew() -> None:
    record = left_stopped()
    assert deallocates(decided(record, NOON))
    again = decided(taken_back(record, NOON), NOON).record
    assert again
    assert again.flag
    assert (again.flag.deallocate_after, again.flag.told) == (NOON + WARNING, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (asked(Stage.ASKED), None),
        (asked(Stage.ASKED, unclear=True), Stage.UNCONFIRMED),
        (asked(Stage.BEGUN), Stage.UNCONFIRMED),
        (asked(Stage.ACCEPTED), Stage.ACCEPTED),
        (asked(Stage.FAILED), Stage.FAILED),
    ],
)
def test_what_was_asked_for_has_to_be_asked_for_again(before: Deallocation, after: Stage | None) -> None:
    back = taken_back(left_stopped(before), NOON)
    assert (back.deallocation.stage if back.deallocation else None) == after
