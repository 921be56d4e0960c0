"""The safety table, row by row: what forbids a deallocation, of whom, and when."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.actions import Deallocation, Stage
from shared.domain.exemptions import Exemption
from shared.domain.noticing import mark_sent
from shared.domain.policy import Mode, Policy, terms_for
from shared.domain.records import Heard, Record
from shared.domain.safety import RULES, Case, Rule, Scope, passes, refusal
from shared.domain.states import PowerState, ProvisioningState, Reading
from tests import strategies
from tests.domain.life import GRACE, Life, event, look, minutes

ARMED = Policy(mode=Mode.DEALLOCATE, grace=GRACE, allow_deallocate=True, warning=timedelta(hours=1))
DUE = minutes(15 + 60)


def ripe() -> Record:
    """A VM left Stopped, told of, whose warning is over: nothing forbids its deallocation."""
    life = Life(ARMED)
    life.see(look("stopped"))
    life.see(look("stopped", minutes(15)))
    return life.now


def case(record: Record | None = None, **changes: object) -> Case:
    policy = changes.pop("policy", ARMED)
    assert isinstance(policy, Policy)
    record = record or ripe()
    return replace(Case(record, terms_for(policy, record.tags), DUE), **changes)  # type: ignore[arg-type]


def with_reading(power: str = "stopped", provisioning: str = "succeeded") -> Record:
    return replace(
        ripe(), reading=Reading(PowerState(power), ProvisioningState(provisioning), None, hibernated=False)
    )


def with_model(**kind: Any) -> Record:  # noqa: ANN401 - whatever a model has
    return replace(ripe(), model=replace(ripe().model, **kind))


def with_flag(**changes: object) -> Record:
    record = ripe()
    assert record.flag
    return replace(record, flag=replace(record.flag, **changes))  # type: ignore[arg-type]


def tried(stage: Stage) -> Record:
    record = ripe()
    assert record.settled
    seen_at = record.settled.seen_at
    closing = Deallocation(seen_at=seen_at, asked_at=seen_at, asked_by=None, stage=stage, try_at=seen_at)
    return replace(record, deallocation=closing)


def untold() -> Record:
    life = Life(ARMED, deliver=False)
    life.see(look("stopped"))
    life.see(look("stopped", minutes(15)))
    return life.now


def heard() -> Record:
    return replace(ripe(), heard=Heard(PowerState.RUNNING, event("running", DUE).cause))


type Made = Callable[[], Case]

ROWS: dict[Rule, tuple[Made, str]] = {
    Rule.NOT_ALLOWED: (
        lambda: case(policy=replace(ARMED, allow_deallocate=False)),
        "STOPGAP_ALLOW_DEALLOCATE is not true",
    ),
    Rule.OBSERVE: (lambda: case(policy=replace(ARMED, mode=Mode.OBSERVE)), "in mode observe"),
    Rule.MODE: (lambda: case(policy=replace(ARMED, mode=Mode.NOTIFY)), "in mode notify only a person"),
    Rule.NOT_STOPPED: (lambda: case(with_reading("running")), "not Stopped: Azure shows it as running"),
    Rule.IN_PROGRESS: (lambda: case(with_reading("stopped", "updating")), "in progress (updating)"),
    Rule.TOLD_OF_A_CHANGE: (lambda: case(heard()), "Azure told of op/running at 2026-11-21 13:15:00 UTC"),
    Rule.FAILED_PROVISIONING: (lambda: case(with_reading("stopped", "failed")), "last operation failed"),
    Rule.EPHEMERAL_OS_DISK: (lambda: case(with_model(ephemeral_os_disk=True)), "OS disk is ephemeral"),
    Rule.EXEMPT: (
        lambda: case(replace(ripe(), exemption=Exemption(None, "a dongle", "ada"))),
        "it is exempt (a dongle, entered by ada)",
    ),
    Rule.SNOOZED: (
        lambda: case(with_flag(snoozed_until=DUE + timedelta(seconds=1), snoozed_by="ada")),
        "it is snoozed until 2026-11-21 13:15:01 UTC by ada",
    ),
    Rule.DEDICATED_HOST: (lambda: case(with_model(dedicated_host=True)), "dedicated host"),
    Rule.CAPACITY_RESERVATION: (lambda: case(with_model(capacity_reservation=True)), "capacity reservation"),
    Rule.NOT_FLAGGED: (lambda: case(replace(ripe(), flag=None)), "not flagged"),
    Rule.TRIED: (lambda: case(tried(Stage.FAILED)), "an earlier attempt did not succeed"),
    Rule.NOT_TOLD: (lambda: case(untold()), "could not be sent everywhere yet"),
    Rule.TOO_EARLY: (
        lambda: case(now=DUE - timedelta(seconds=1)),
        "its owner was told that it happens after 2026-11-21 13:15:00 UTC",
    ),
    Rule.CAP: (
        lambda: case(free_at=minutes(90)),
        "is 20, and as many were sent within an hour; tried again after 2026-11-21 13:30:00 UTC",
    ),
}
"""For each rule a case that only this one forbids, and what is said of it."""

EVEN_WHEN_ASKED = {
    Rule.NOT_ALLOWED,
    Rule.OBSERVE,
    Rule.NOT_STOPPED,
    Rule.IN_PROGRESS,
    Rule.TOLD_OF_A_CHANGE,
    Rule.EPHEMERAL_OS_DISK,
    Rule.EXEMPT,
    Rule.SNOOZED,
    Rule.CAP,
}
"""What a person cannot override."""

PASSES = {
    Rule.NOT_STOPPED,
    Rule.IN_PROGRESS,
    Rule.TOLD_OF_A_CHANGE,
    Rule.NOT_FLAGGED,
    Rule.NOT_TOLD,
    Rule.TOO_EARLY,
    Rule.CAP,
}
"""What leaves the plan standing."""


def test_the_table_is_whole_and_in_order() -> None:
    assert list(RULES) == list(Rule) == list(ROWS)


def test_nothing_forbids_a_vm_that_is_ripe() -> None:
    assert refusal(case()) is None


@pytest.mark.parametrize("rule", Rule)
def test_each_row_forbids_with_its_reason(rule: Rule) -> None:
    made, says = ROWS[rule]
    refused = refusal(made())
    assert refused
    assert refused.rule == rule
    assert says in refused.reason
    assert passes(refused) == (rule in PASSES)


@pytest.mark.parametrize("rule", Rule)
def test_what_a_person_can_override(rule: Rule) -> None:
    refused = refusal(replace(ROWS[rule][0](), by="ada"))
    assert (refused.rule if refused else None) == (rule if rule in EVEN_WHEN_ASKED else None)


@pytest.mark.parametrize("rule", Rule)
def test_what_does_not_keep_from_planning(rule: Rule) -> None:
    refused = refusal(replace(ROWS[rule][0](), planning=True))
    later = {rule for rule, row in RULES.items() if row.scope is Scope.UNASKED_AND_DUE}
    assert later == {Rule.NOT_TOLD, Rule.TOO_EARLY}
    assert (refused.rule if refused else None) == (None if rule in later else rule)


@pytest.mark.parametrize("power", sorted(set(PowerState) - {PowerState.STOPPED}))
def test_no_other_power_state_will_do(power: PowerState) -> None:
    for by in (None, "ada"):
        refused = refusal(replace(case(with_reading(power)), by=by))
        assert refused
        assert refused.rule == Rule.NOT_STOPPED


@pytest.mark.parametrize("provisioning", ProvisioningState)
def test_only_an_end_of_operations_will_do(provisioning: ProvisioningState) -> None:
    refused = refusal(replace(case(with_reading("stopped", provisioning)), by="ada"))
    at_rest = provisioning in {"succeeded", "failed", "canceled"}
    assert (refused.rule if refused else None) == (None if at_rest else Rule.IN_PROGRESS)


@pytest.mark.parametrize("stage", Stage)
def test_after_which_end_stopgap_does_not_try_again_by_itself(stage: Stage) -> None:
    refused = refusal(case(tried(stage)))
    gave_up = {Stage.FAILED, Stage.UNCONFIRMED, Stage.OVERTAKEN}
    assert (refused.rule if refused else None) == (Rule.TRIED if stage in gave_up else None)


def test_a_notice_that_was_given_up_on_one_channel_is_not_told() -> None:
    record = untold()
    (notice,) = record.outbox
    other = replace(notice, id="another channel's", parked=True)
    told = mark_sent(replace(record, outbox=(notice, other)), notice, minutes(16))
    refused = refusal(case(told))
    assert told.flag
    assert told.flag.told
    assert refused
    assert refused.rule == Rule.NOT_TOLD


def test_no_cap_is_no_deallocation_and_says_no_time() -> None:
    refused = refusal(case(policy=replace(ARMED, most_per_hour=0), free_at=minutes(90)))
    assert refused
    assert refused.reason.endswith("is 0, and as many were sent within an hour")


@given(strategies.records, strategies.times, st.sampled_from([None, "ada"]), st.booleans())
def test_any_record_is_judged_and_only_what_is_stopped_at_rest_is_let_through(
    record: Record, now: object, by: str | None, planning: object
) -> None:
    refused = refusal(case(record, now=now, by=by, planning=planning))
    if refused:
        assert refused.reason
    else:
        assert record.reading.power_state is PowerState.STOPPED
        assert record.reading.settled
        assert not record.model.ephemeral_os_disk
        assert record.heard is None


@given(strategies.records, strategies.times, st.sampled_from([None, "ada"]))
def test_a_person_is_never_refused_what_stopgap_does_by_itself(
    record: Record, now: object, by: str | None
) -> None:
    if refusal(case(record, now=now, by=by)):
        assert refusal(case(record, now=now))
