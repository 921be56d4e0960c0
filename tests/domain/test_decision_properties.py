"""What holds of every decision: over every life that random looks and signals can give a VM."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.decision import Decision, LookAgain, Send, decide
from shared.domain.observations import Gone, Model, Observation
from shared.domain.policy import Mode, Policy
from shared.domain.records import Episode, FlagKind, Record
from shared.domain.signals import Actor, Cause, Signal, Source, Verb
from shared.domain.states import PowerState, ProvisioningState, Reading
from tests.domain.life import GRACE, NOON, VM

TAGS: list[Mapping[str, str]] = [
    {},
    {"stopgap:exempt": "keep"},
    {"stopgap:exempt": "2026-11-21T14:00:00Z"},
    {"stopgap:exempt": "2026-99-99"},
    {"stopgap:grace": "1h"},
    {"stopgap:grace": "soon"},
    {"stopgap:mode": "observe"},
]


@dataclass(frozen=True)
class Step:
    """What happens at one moment of a VM's life."""

    after: timedelta
    late: timedelta
    seen: Observation | Gone
    signal: Signal | None

    def at(self, now: datetime) -> tuple[Observation | Gone, Signal | None]:
        signal = self.signal
        if signal:
            told_at = now + (signal.cause.at - NOON)
            signal = replace(signal, cause=replace(signal.cause, at=told_at))
        return replace(self.seen, observed_at=now - self.late), signal


moments = st.timedeltas(timedelta(), timedelta(hours=2))
powers = st.sampled_from(sorted(set(PowerState) - {PowerState.DELETED}))
readings = st.builds(
    Reading,
    powers,
    st.sampled_from(list(ProvisioningState)),
    st.sampled_from([None, "code", "OSProvisioningTimedOut"]),
    st.booleans(),
)
# Mostly at rest: a life of passing states alone proves little.
at_rest = st.builds(
    Reading,
    st.sampled_from([PowerState.RUNNING, PowerState.STOPPED, PowerState.STOPPED, PowerState.DEALLOCATED]),
    st.just(ProvisioningState.SUCCEEDED),
    st.none(),
    st.just(value=False),
)
failed = st.builds(
    Reading,
    st.just(PowerState.RUNNING),
    st.just(ProvisioningState.FAILED),
    st.sampled_from([None, "code", "OSProvisioningTimedOut", "OSProvisioningTimedOut"]),
    st.just(value=False),
)
looks = st.one_of(
    st.builds(
        Observation,
        st.just(VM),
        st.just(NOON),
        st.one_of(at_rest, at_rest, failed, readings),
        st.builds(Model, uid=st.sampled_from(["uid-1", "uid-1", "uid-1", "uid-2", None])),
        st.sampled_from(TAGS),
    ),
    st.just(Gone(VM, NOON)),
)
causes = st.builds(
    Cause,
    st.sampled_from(list(Actor)),
    st.sampled_from(["powerOff/action", "VirtualMachineStoppedInternally"]),
    st.timedeltas(timedelta(hours=-3), timedelta(minutes=30)).map(lambda offset: NOON + offset),
    st.sampled_from([Source.EVENT, Source.ANNOTATION]),
    st.one_of(st.none(), st.sampled_from(list(Verb))),
    st.sampled_from([None, "caller-1", "caller-2"]),
)
signals = st.builds(Signal, st.just(VM), causes, st.booleans())
lateness = st.one_of(
    st.just(timedelta()), st.just(timedelta()), st.timedeltas(timedelta(), timedelta(hours=1))
)
steps = st.lists(st.builds(Step, moments, lateness, looks, st.one_of(st.none(), signals)), max_size=25)
policies = st.builds(Policy, st.sampled_from(list(Mode)), st.just(GRACE))


def exempt(seen: Observation | Gone) -> bool:
    tags = seen.tags if isinstance(seen, Observation) else {}
    until = tags.get("stopgap:exempt")
    return until is not None and (
        until != "2026-11-21T14:00:00Z" or seen.observed_at < NOON + timedelta(hours=2)
    )


def check(before: Record | None, seen: Observation | Gone, decision: Decision, now: datetime) -> None:
    """All that must be so of any decision, whatever went before."""
    record = decision.record
    assert decision.reason
    if record is None:
        assert before is None
        assert not decision.actions
        return
    assert record.reason == decision.reason
    assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record
    assert decision.changed or record == before
    assert before is None or record.observed_at >= before.observed_at
    if record.settled:
        assert record.settled.since <= record.settled.seen_at
        if record.settled.not_before:
            assert record.settled.since >= record.settled.not_before
    if before and before.settled and record.settled and before.settled.seen_at == record.settled.seen_at:
        assert record.settled.since <= before.settled.since, "since never moves later"
    if record.flag and (before is None or before.flag is None):
        assert not exempt(seen)
        assert before, "one look is not enough"
        assert seen.observed_at - record.flag.seen_at >= GRACE
        if record.flag.kind is FlagKind.LEFT_STOPPED:
            assert record.stopped
            assert record.flag.seen_at == record.stopped.seen_at
            assert now - record.since >= GRACE
            assert before.settled
            assert before.settled.power_state is PowerState.STOPPED
        else:
            assert record.power_state is PowerState.RUNNING
            assert record.reading.provisioning_state is ProvisioningState.FAILED
            assert before.os_failed_at
    if record.flag and record.flag.kind is FlagKind.LEFT_STOPPED:
        assert record.settled
        assert record.settled.power_state is PowerState.STOPPED
    if (
        record.present is None
        or record.heard
        or (record.stopped and not record.flag and not record.exemption)
    ):
        assert record.look_at, "what is not at an end is looked at again"
    asked = [action.at for action in decision.actions if isinstance(action, LookAgain)]
    assert asked == ([record.look_at] if record.look_at else [])
    for episode in decision.episodes:
        assert episode.ended_at is None or episode.ended_at >= episode.started_at


@given(steps, policies)
def test_every_decision_of_every_life(life: list[Step], policy: Policy) -> None:
    record, now = None, NOON
    sends = set[tuple[str, int]]()
    for step in life:
        now += step.after
        seen, signal = step.at(now)
        decision = decide(record, seen, signal, policy, now)
        check(record, seen, decision, now)
        for action in decision.actions:
            if isinstance(action, Send):
                assert policy.mode is Mode.NOTIFY
                attempt = (action.notice.id, action.notice.attempts)
                assert attempt not in sends, "an attempt is made by one decision only"
                sends.add(attempt)
        record = decision.record


@given(steps, policies)
def test_the_same_look_and_signal_twice_is_the_same_as_once(life: list[Step], policy: Policy) -> None:
    record, now = None, NOON
    for step in life:
        now += step.after
        seen, signal = step.at(now)
        once = decide(record, seen, signal, policy, now)
        again = decide(once.record, seen, signal, policy, now)
        assert again.record == once.record
        assert not again.changed
        assert not any(isinstance(action, Send) for action in again.actions)
        record = once.record


@given(steps)
def test_episodes_neither_overlap_nor_stay_open(life: list[Step]) -> None:
    record, now = None, NOON
    episodes = dict[datetime, Episode]()
    for step in life:
        now += step.after
        decision = decide(record, *step.at(now), Policy(), now)
        record = decision.record
        episodes |= {episode.seen_at: episode for episode in decision.episodes}
    in_order = [episode for _, episode in sorted(episodes.items())]
    for earlier, later in pairwise(in_order):
        assert earlier.ended_at
        assert earlier.ended_at <= later.started_at
    if in_order and in_order[-1].ended_at is None:
        assert record
        assert record.settled
        assert record.settled.power_state is PowerState.STOPPED
