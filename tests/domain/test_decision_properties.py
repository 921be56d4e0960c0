"""What holds of every decision: over every life that random looks and signals can give a VM."""

from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.actions import Deallocation, Refusal, Stage
from shared.domain.deallocation import begun
from shared.domain.decision import Deallocate, Decision, LookAgain, Send, decide
from shared.domain.exemptions import Exemption
from shared.domain.news import Accepted, Ask, Exempt, Failed, LookAsked, News, NotSent, Snooze
from shared.domain.noticing import mark_sent
from shared.domain.observations import Gone, Model, Observation
from shared.domain.policy import Channel, Mode, Policy, terms_for
from shared.domain.records import Episode, FlagKind, Record
from shared.domain.signals import Actor, Cause, Signal, Source, Verb
from shared.domain.states import PowerState, ProvisioningState, Reading
from tests.domain.life import GRACE, NOON, VM, Life, look, minutes

TAGS: list[Mapping[str, str]] = [
    {},
    {"stopgap:exempt": "keep"},
    {"stopgap:exempt": "2026-11-21T14:00:00Z"},
    {"stopgap:exempt": "2026-99-99"},
    {"stopgap:grace": "1h"},
    {"stopgap:grace": "soon"},
    {"stopgap:mode": "observe"},
]


def nothing(_: Record | None, __: datetime) -> News | None:
    return None


@dataclass(frozen=True)
class Step:
    """What happens at one moment of a VM's life."""

    after: timedelta
    late: timedelta
    seen: Observation | Gone
    signal: Signal | None
    news: Callable[[Record | None, datetime], News | None] = nothing

    def at(self, now: datetime) -> tuple[Observation | Gone, Signal | None]:
        signal = self.signal
        if signal:
            told_at = now + (signal.cause.at - NOON)
            signal = replace(signal, cause=replace(signal.cause, at=told_at))
        seen: Observation | Gone = replace(self.seen, observed_at=now - self.late)  # type: ignore[assignment]  # of the same kind
        return seen, signal


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
policies = st.builds(
    Policy,
    st.sampled_from([Mode.OBSERVE, Mode.NOTIFY, *[Mode.DEALLOCATE] * 4]),
    st.just(GRACE),
    st.just(timedelta(minutes=20)),
    st.sampled_from([True, True, False]),
    channels=st.sampled_from([(Channel.TOPIC,), (Channel.TOPIC, Channel.WEBHOOK)]),
)


def on_an_attempt(
    make: Callable[[Deallocation, datetime], News],
) -> Callable[[Record | None, datetime], News | None]:
    """What comes of the attempt that is under way, if one is."""

    def news(record: Record | None, now: datetime) -> News | None:
        closing = record.deallocation if record else None
        return make(closing, now) if closing else None

    return news


def said(news: Callable[[datetime], News]) -> Callable[[Record | None, datetime], News | None]:
    return lambda record, now: news(now) if record else None


newses = st.sampled_from(
    [
        said(lambda _: Ask("ada")),
        said(lambda now: Snooze(now + timedelta(minutes=30), "ada")),
        said(lambda _: Snooze(None, "ada")),
        said(lambda now: Exempt(Exemption(now + timedelta(minutes=30), "keep", "ada"), "ada")),
        said(lambda _: Exempt(None, "ada")),
        said(lambda _: LookAsked("ada")),
        on_an_attempt(lambda closing, now: Accepted(closing.asked_at, closing.attempts, now, now)),
        on_an_attempt(lambda closing, now: Failed(closing.asked_at, closing.attempts, now, "Conflict", "no")),
        on_an_attempt(
            lambda closing, now: Failed(closing.asked_at, closing.attempts, now, None, "no", unknown=True)
        ),
        on_an_attempt(
            lambda closing, now: Failed(closing.asked_at, closing.attempts, now, "Locked", "no", final=True)
        ),
        on_an_attempt(lambda closing, _: NotSent(closing.asked_at, closing.attempts, Refusal("x", "y"))),
        on_an_attempt(lambda closing, now: NotSent(closing.asked_at, closing.attempts, None, now + GRACE)),
    ]
)
# Few but telling: a deallocation needs a VM that stays Stopped, while other things happen.
stays = st.builds(
    Observation,
    st.just(VM),
    st.just(NOON),
    st.builds(
        Reading,
        st.sampled_from(
            [*[PowerState.STOPPED] * 8, PowerState.DEALLOCATING, PowerState.DEALLOCATED, PowerState.RUNNING]
        ),
        st.sampled_from([*[ProvisioningState.SUCCEEDED] * 8, ProvisioningState.UPDATING]),
        st.none(),
        st.just(value=False),
    ),
    st.just(Model(uid="uid-1")),
    st.sampled_from([*[{}] * 8, {"stopgap:exempt": "keep"}, {"stopgap:mode": "notify"}]),
)
starts = st.builds(
    Cause,
    st.just(Actor.CONTROL_PLANE),
    st.just("start/action"),
    st.timedeltas(timedelta(minutes=-3), timedelta()).map(lambda offset: NOON + offset),
    st.sampled_from([Source.EVENT, Source.ANNOTATION]),
    st.just(Verb.START),
)
eventful = st.lists(
    st.builds(
        Step,
        st.sampled_from([timedelta(seconds=20), timedelta(minutes=3), timedelta(minutes=16)]),
        st.sampled_from([*[timedelta()] * 5, timedelta(minutes=1)]),
        st.one_of(stays, stays, stays, looks),
        st.one_of(st.none(), st.none(), st.none(), st.builds(Signal, st.just(VM), starts), signals),
        st.one_of(st.just(nothing), st.just(nothing), st.just(nothing), newses),
    ),
    min_size=5,
    max_size=25,
)
NEXT = {
    None: {None, *Stage},
    Stage.ASKED: {Stage.ASKED, Stage.REFUSED},
    Stage.BEGUN: {*Stage},
    Stage.ACCEPTED: {Stage.ACCEPTED, Stage.CONFIRMED, Stage.UNCONFIRMED, Stage.OVERTAKEN},
    Stage.CONFIRMED: {Stage.CONFIRMED, Stage.OVERTAKEN},
    Stage.UNCONFIRMED: {Stage.UNCONFIRMED, Stage.CONFIRMED, Stage.OVERTAKEN},
    Stage.FAILED: {Stage.FAILED},
    Stage.REFUSED: {Stage.REFUSED},
    Stage.OVERTAKEN: {Stage.OVERTAKEN},
}
"""How a deallocation may go on in one decision; only `begun` takes it from asked to begun."""


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


def check_deallocation(
    before: Record | None, decision: Decision, policy: Policy, now: datetime, news: News | None
) -> None:
    """All that must be so of a deallocation."""
    record = decision.record
    closing = record.deallocation if record else None
    was = before.deallocation if before else None
    if record is None or closing is None:
        assert was is None
        return
    assert 0 <= closing.attempts <= 3
    assert closing.stage.pending or closing.ended_at
    new = was is None or was.asked_at != closing.asked_at
    if not new and was:
        assert closing.stage in NEXT[was.stage]
        return
    assert was is None or not was.stage.pending, "never two at once"
    terms = terms_for(policy, record.tags)
    assert policy.allow_deallocate
    assert terms.mode is not Mode.OBSERVE
    assert record.stopped
    assert not (record.exemption and record.exemption.holds(now))
    if closing.asked_by:
        assert isinstance(news, Ask)
        return
    assert terms.mode is Mode.DEALLOCATE
    assert before
    assert before.flag
    assert before.flag.told
    assert before.flag.notified_at
    assert now >= before.flag.notified_at + policy.warning
    assert before.flag.snoozed_until is None


def left_stopped(policy: Policy) -> tuple[Record, datetime]:
    """A VM that is flagged, as many are when a deallocation begins."""
    beginning = Life(policy)
    beginning.see(look("stopped"))
    beginning.see(look("stopped", minutes(15)))
    return beginning.now, minutes(15)


@settings(max_examples=max(500, settings().max_examples))
@given(eventful, policies)
def test_every_deallocation_of_every_life(life: list[Step], policy: Policy) -> None:
    record: Record | None
    record, now = left_stopped(policy)
    episodes = dict[datetime, Episode]()
    for step in life:
        now += step.after
        seen, signal = step.at(now)
        news = step.news(record, now)
        decision = decide(record, seen, signal, policy, now, news)
        check_deallocation(record, decision, policy, now, news)
        check_told(decision, now)
        record = decision.record
        episodes |= {episode.seen_at: episode for episode in decision.episodes}
        closing = record.deallocation if record else None
        if closing and closing.after:
            assert episodes[closing.seen_at].by_stopgap is (closing.stage is Stage.CONFIRMED)
        if record:
            assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record
        # Notices get through at once, as a rule, and attempts begin.
        for action in decision.actions:
            if isinstance(action, Send) and record and now.second % 5:
                record = mark_sent(record, action.notice, now)
            if isinstance(action, Deallocate) and record:
                record = begun(record, action.asked_at, now) or record


def check_told(decision: Decision, now: datetime) -> None:
    """Who asks, is answered: done, or refused with a reason; and what is waited for is looked at."""
    record = decision.record
    if record is None:
        return
    if decision.refusal:
        assert decision.refusal.reason
    for entry in decision.entries:
        assert entry.vm == record.vm
        assert entry.at >= now
    assert len({(entry.at, entry.what) for entry in decision.entries}) == len(decision.entries)
    if record.deallocation and record.deallocation.stage.pending:
        assert record.look_at, "what is under way is looked at again"
        assert record.look_at >= now or record.observed_at < now, "and not at once, over and over"
    ids = [(notice.id, notice.channel) for notice in record.outbox]
    assert len(set(ids)) == len(ids), "one notice of a kind on a channel"


@given(steps, policies)
def test_every_decision_of_every_life(life: list[Step], policy: Policy) -> None:
    record: Record | None = None
    now = NOON
    sends = set[tuple[str, Channel, int]]()
    for step in life:
        now += step.after
        seen, signal = step.at(now)
        decision = decide(record, seen, signal, policy, now)
        check(record, seen, decision, now)
        for action in decision.actions:
            if isinstance(action, Send):
                assert policy.mode is not Mode.OBSERVE
                attempt = (action.notice.id, action.notice.channel, action.notice.attempts)
                assert attempt not in sends, "an attempt is made by one decision only"
                sends.add(attempt)
        had, record = record, decision.record
        if had and had.flag and had.flag.flagged_at == now and not (record and record.flag):
            # A flag that ends at the moment at which it began is another one if it begins again, by the same name.
            sends = {each for each in sends if now.isoformat() not in each[0]}


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
