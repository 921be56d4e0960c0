"""Whatever a VM's life, the weather and what people ask for: no VM is deallocated unearned, and the truth is told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import event, given, settings
from hypothesis import strategies as st

from shared.attempts import FRESH
from shared.domain import phrases
from shared.domain.actions import Deallocation, Entry, Stage, What
from shared.domain.deallocation import ATTEMPTS, SPACING
from shared.domain.decision import forbidden
from shared.domain.exemptions import Exemption
from shared.domain.observations import Observation
from shared.domain.policy import Mode, Policy, terms_for
from shared.domain.records import Flag, FlagKind, Notice, NoticeKind, Record
from shared.domain.signals import Verb, read_event
from shared.domain.states import PowerState, ProvisioningState
from tests.domain.test_true_life import (
    TAGS,
    ends,
    episodes_are_right,
    flags_were_earned,
    found,
    gaps,
    notices_were_sent_once,
    record_is_the_truth,
    share,
    steps,
)
from tests.domain.true_life import Condition, Deed
from tests.domain.true_operations import OPERATIONS
from tests.domain.true_ports import LAG, Asked, Saved
from tests.domain.true_world import WISHES, Weather, Wish, World

ARMED = Policy(
    mode=Mode.DEALLOCATE,
    grace=timedelta(minutes=15),
    warning=timedelta(minutes=20),
    allow_deallocate=True,
)
DAY = timedelta(days=1)
MOMENT = timedelta(seconds=10)
"""What passes between a decision and what follows from it, at most."""

beginnings = st.builds(Condition, st.just("stopped"), tags=st.sampled_from([{}, {}, {}, *TAGS]))
# Those that are hours away come in a hurry, when Stopgap is at work; those that are not possible then are not done.
waits = gaps | st.just(timedelta(hours=5)) | st.just(timedelta(hours=5))
deeds = st.lists(
    st.builds(
        Deed,
        st.sampled_from([*["start"] * 20, *["power off", "shut down in the guest"] * 4, *OPERATIONS]),
        waits,
        st.sampled_from([timedelta(), timedelta(), timedelta(seconds=2)]) | steps,
        ends,
        st.sampled_from([{}, {}, *TAGS]),
    ),
    max_size=8,
)
wishes = st.lists(
    st.builds(
        Wish,
        st.sampled_from(sorted(WISHES)),
        waits,
        st.sampled_from([timedelta(minutes=10), timedelta(hours=1), timedelta(hours=5)]),
    ),
    max_size=4,
)
weathers = st.builds(
    Weather,
    seed=st.integers(0, 2**32),
    lost=share,
    repeated=st.sampled_from([0, 0.1, 0.5]),
    late=share,
    lagging=share,
    blank=share,
    refused=share,
    throttled=share,
    unanswered=share,
    failing=share,
    slow=share,
    raced=st.sampled_from([0, 0.1, 0.2, 0.3]),
    overtaken=st.sampled_from([0, 0.3, 0.5]),
    deadly=st.sampled_from([0, 0.02, 0.1]),
    deaf=share,
)


@settings(max_examples=max(500, settings().max_examples))
@given(beginnings, deeds, weathers, wishes)
def test_no_vm_is_deallocated_unearned_and_the_truth_is_told(
    first: Condition, deeds: list[Deed], weather: Weather, wishes: list[Wish]
) -> None:
    world = World(first, deeds, weather, ARMED, wishes)
    world.live()
    world.run(world.now + DAY)
    world.weather = Weather()
    world.sweep()
    world.run(world.now + DAY)
    for stage in {closing.stage for closing in deallocations(world)}:
        event(stage)
    event(f"asked {bool(world.asked)}")
    for power in {asked.met.power for asked in world.asked if asked.taken}:
        event(f"met {power}")
    requests_were_allowed(world, ARMED)
    grants_were_recorded(world)
    grants_were_kept(world)
    requests_were_few(world)
    outcomes_are_true(world)
    log_is_right(world)
    record_is_the_truth(world)
    flags_were_earned(world)
    notices_were_sent_once(world)
    episodes_are_right(world)
    by_stopgap_is_true(world)
    savings_are_true(world)


def deallocations(world: World) -> list[Deallocation]:
    """Each that there was, as it was in the end."""
    closings = (saved.change.record.deallocation for saved in world.saved)
    return list({closing.asked_at: closing for closing in closings if closing}.values())


def of(asked: Asked) -> Deallocation:
    """The deallocation that Azure was asked for."""
    assert asked.record.deallocation
    return asked.record.deallocation


def requests_were_allowed(world: World, policy: Policy) -> None:
    """Each relied on a fresh look that saw the VM Stopped at rest, with nothing against it that was seen or stored."""
    for asked in world.asked:
        assert asked.looked_at
        assert asked.sent_at - asked.looked_at <= FRESH
        answer, record, flag, closing = (
            world.seen[asked.looked_at].answer,
            asked.record,
            asked.record.flag,
            of(asked),
        )
        assert isinstance(answer, Observation)
        assert found(answer) == FlagKind.LEFT_STOPPED
        assert answer.model.uid == record.model.uid, "another VM than it was decided on"
        assert closing.stage is Stage.BEGUN
        assert forbidden(record, answer, policy, asked.sent_at, by=closing.asked_by) is None
        terms = terms_for(policy, answer.tags)
        assert policy.allow_deallocate
        assert terms.mode is not Mode.OBSERVE
        for exemption in (terms.exemption, record.exempted):
            assert not (exemption and exemption.holds(asked.sent_at))
        assert not (flag and flag.snoozed_until and asked.sent_at < flag.snoozed_until)
        if closing.asked_by is None:
            assert terms.mode is Mode.DEALLOCATE
            assert answer.reading.provisioning_state is not ProvisioningState.FAILED
            assert flag
            assert flag.kind is FlagKind.LEFT_STOPPED
            was_told(world, flag, asked, policy.warning)


def was_told(world: World, flag: Flag, asked: Asked, warning: timedelta) -> None:
    """It was told in time that the VM would be deallocated, and never that this would be later."""
    name = f"left_stopped:{(flag.tell_at or flag.flagged_at).isoformat()}"
    told = [
        (sent_at, record.flag.deallocate_after)
        for sent_at, (notice, record) in zip(world.notices.sent_at, world.notices.sent, strict=True)
        if notice.id.startswith(name) and sent_at <= asked.sent_at and record.flag
    ]
    assert told
    assert told[0][0] + warning <= asked.sent_at + MOMENT
    assert all(after and after <= asked.sent_at for _, after in told)


def grants_were_recorded(world: World) -> None:
    """What a person was granted is in the record."""
    for granted in world.granted:
        record = granted.record
        match granted.what:
            case "exempt" | "exempt for good":
                assert record.exempted
                assert record.exempted.until == (granted.until if granted.what == "exempt" else None)
            case "exempt no longer":
                assert record.exempted is None
            case "snooze":
                assert record.flag
                assert record.flag.snoozed_until == granted.until


@dataclass
class Grants:
    """What people were granted, as the saves tell of it."""

    exempted: Exemption | None = None
    snoozed: datetime | None = None
    stretch: datetime | None = None

    def take_in(self, record: Record, entries: Sequence[Entry]) -> None:
        if record.settled and record.settled.seen_at != self.stretch:
            self.snoozed, self.stretch = None, record.settled.seen_at
        for entry in entries:
            match entry.what:
                case What.EXEMPTED:
                    self.exempted = record.exempted
                case What.EXEMPTION_ENDED if entry.by:
                    self.exempted = None
                case What.SNOOZED if record.flag:
                    self.snoozed = record.flag.snoozed_until
                case What.SNOOZE_ENDED if entry.by:
                    self.snoozed = None

    def forbid(self, at: datetime) -> bool:
        return bool((self.exempted and self.exempted.holds(at)) or (self.snoozed and at < self.snoozed))


def grants_were_kept(world: World) -> None:
    """Azure is asked for nothing until what a person was granted ends."""
    grants = Grants()
    events: list[tuple[datetime, Saved | Asked]] = [
        *((saved.at, saved) for saved in world.saved),
        *((asked.at, asked) for asked in world.asked),
    ]
    for at, happened in sorted(events, key=lambda each: each[0]):
        if isinstance(happened, Asked):
            assert not grants.forbid(at)
        else:
            grants.take_in(happened.change.record, happened.change.entries)


@dataclass(frozen=True)
class Try:
    """An attempt, as the ledger tells of it."""

    begun: Deallocation
    at: datetime
    after: Saved | None
    """The next that was saved of it; None: nothing was."""

    @property
    def told(self) -> bool:
        """Whether what came of asking was saved, though it be that nobody knows."""
        entries = self.after.change.entries if self.after else ()
        return any(entry.what in ANSWERS for entry in entries)

    @property
    def lost(self) -> bool:
        """Whether nobody knows if Azure took it: no clear answer was got and saved."""
        closing = self.after.change.record.deallocation if self.after else None
        if closing is None or not self.told or closing.stage is Stage.BEGUN:
            return True
        # Seen on its way to Deallocated, it is taken for accepted.
        return closing.stage is Stage.ACCEPTED and (closing.looked_at is None or closing.said is not None)


ANSWERS = {
    What.DEALLOCATION_ACCEPTED,
    What.DEALLOCATION_ATTEMPT_FAILED,
    What.DEALLOCATION_REFUSED,
    What.DEALLOCATION_FAILED,
}


def tries(world: World) -> list[Try]:
    """Each attempt that was begun, in this order."""
    found = list[Try]()
    for place, saved in enumerate(world.saved):
        begun = saved.change.record.deallocation
        if begun and What.DEALLOCATION_BEGUN in {entry.what for entry in saved.change.entries}:
            after = (later for later in world.saved[place + 1 :] if goes_on(begun, later))
            found.append(Try(begun, saved.at, next(after, None)))
    return found


def goes_on(begun: Deallocation, later: Saved) -> bool:
    closing = later.change.record.deallocation
    parts = [(each.asked_at, each.attempts, each.stage, each.said) for each in (begun, closing) if each]
    return parts[0] != parts[-1]


def requests_were_few(world: World) -> None:
    """At most three of a deallocation, each a while after the one before; or its lease was over, if that was lost."""
    assert max(Counter(of(asked).asked_at for asked in world.asked).values(), default=0) <= ATTEMPTS
    attempts = tries(world)
    for earlier, later in pairwise(world.asked):
        attempt = [each for each in attempts if each.at <= earlier.sent_at][-1]
        if not (attempt.told and attempt.after and attempt.after.at <= later.sent_at):
            assert later.sent_at >= attempt.begun.try_at
        elif of(later).asked_at == of(earlier).asked_at:
            assert later.sent_at - earlier.at >= SPACING[of(earlier).attempts - 1]


def outcomes_are_true(world: World) -> None:
    """Each has an end, and that is told as it was, as far as Azure's answers were got and signals were heard."""
    for closing in deallocations(world):
        assert not closing.stage.pending
        taken = [asked for asked in world.asked if asked.taken and of(asked).asked_at == closing.asked_at]
        lost = was_lost(world, closing)
        if closing.stage is Stage.CONFIRMED:
            assert taken or lost
            assert closing.ended_at
            assert was_deallocated(world, closing.asked_at, closing.ended_at)
        if closing.stage is Stage.OVERTAKEN:
            assert lost or any(was_started(world, asked) for asked in taken)
        for asked in taken:
            if asked.met.power != "stopped" and start_was_heard(world, asked):
                assert closing.stage is Stage.OVERTAKEN or (lost and closing.stage is Stage.UNCONFIRMED)
            if asked.done_at:
                assert closing.stage in {Stage.CONFIRMED, Stage.OVERTAKEN, Stage.UNCONFIRMED}
    for sent_at, (notice, record) in zip(world.notices.sent_at, world.notices.sent, strict=True):
        if notice.kind is NoticeKind.DEALLOCATED:
            assert record.deallocation
            assert was_deallocated(world, record.deallocation.asked_at, sent_at)


def was_deallocated(world: World, first: datetime, last: datetime) -> bool:
    return any(
        moment.condition.power == "deallocated" and first <= moment.at <= last
        for moment in world.life.history
    )


def was_lost(world: World, closing: Deallocation) -> bool:
    return any(attempt.lost for attempt in tries(world) if attempt.begun.asked_at == closing.asked_at)


def was_started(world: World, asked: Asked) -> bool:
    """Whether the VM was started after the last look and before Azure got it, or just before, within ARM's lag."""
    assert asked.looked_at
    return any(
        moment.condition.power in {"starting", "running"} and asked.looked_at - LAG <= moment.at <= asked.at
        for moment in world.life.history
    )


def start_was_heard(world: World, asked: Asked) -> bool:
    """Whether a signal of such a start was taken in while the deallocation was the latest of the VM."""
    assert asked.looked_at
    first, name = world.seen[asked.looked_at].of, of(asked).asked_at
    until = min(
        (other.asked_at for other in deallocations(world) if other.asked_at > name), default=world.now
    )
    return any(
        told.time
        and first <= told.time <= asked.at
        and heard_at < until
        and (signal := read_event(told))
        and signal.cause.verb is Verb.START
        for heard_at, told in world.heard
    )


STAGES = {
    Stage.ASKED: {What.DEALLOCATION_ATTEMPT_FAILED, What.DEALLOCATION_REFUSED},
    Stage.BEGUN: {What.DEALLOCATION_BEGUN},
    Stage.ACCEPTED: {What.DEALLOCATION_ACCEPTED},
    Stage.CONFIRMED: {What.DEALLOCATION_CONFIRMED},
    Stage.UNCONFIRMED: {What.DEALLOCATION_UNCONFIRMED},
    Stage.FAILED: {What.DEALLOCATION_FAILED},
    Stage.REFUSED: {What.DEALLOCATION_REFUSED},
    Stage.OVERTAKEN: {What.DEALLOCATION_OVERTAKEN},
}
"""What tells of each stage; the first is told of by `DEALLOCATION_ASKED`, when it comes back to it by these."""


def log_is_right(world: World) -> None:
    """Each change of a stage is told of once, and all in the order in which it happened; no line hides another."""
    lines = [entry for saved in world.saved for entry in saved.change.entries]
    assert len({(entry.at, entry.what) for entry in lines}) == len(lines)
    # Channels are told side by side: what they took within one moment has no order.
    decided = [(entry.at, entry.what.rank) for entry in lines if entry.what is not What.NOTICE_SENT]
    assert decided == sorted(decided)
    for saved in world.saved:
        before = saved.before.deallocation if saved.before else None
        after = saved.change.record.deallocation
        told = [entry.what for entry in saved.change.entries]
        if What.NOTICE_SENT in told:
            assert [entry.text for entry in saved.change.entries] == [phrases.notice(taken_out(saved))]
        new = after and (before is None or before.asked_at != after.asked_at)
        assert told.count(What.DEALLOCATION_ASKED) == (1 if new else 0)
        if after is None:
            continue
        was = (Stage.ASKED, 0) if new or before is None else (before.stage, before.attempts)
        expected = STAGES[after.stage] if was != (after.stage, after.attempts) else set()
        tells = [what for what in told if what in expected]
        assert len(tells) >= bool(expected)


def taken_out(saved: Saved) -> Notice:
    """The notice that a save took out of the record."""
    assert saved.before
    rest = {(each.id, each.channel) for each in saved.change.record.outbox}
    (notice,) = [each for each in saved.before.outbox if (each.id, each.channel) not in rest]
    return notice


def by_stopgap_is_true(world: World) -> None:
    episodes = {e.seen_at: e for saved in world.saved for e in saved.change.episodes}
    for episode in episodes.values():
        closings = [closing for closing in deallocations(world) if closing.seen_at == episode.seen_at]
        if episode.by_stopgap:
            taken = [a for a in world.asked if a.taken and of(a).seen_at == episode.seen_at]
            assert taken or any(was_lost(world, closing) for closing in closings)


def savings_are_true(world: World) -> None:
    """What Stopgap ended is avoided until the VM leaves Deallocated, and by nobody else's doing."""
    episodes = {e.seen_at: e for saved in world.saved for e in saved.change.episodes}
    record = world.saved[-1].change.record if world.saved else None
    for episode in episodes.values():
        if episode.resumed_at:
            assert episode.ended_at
            assert episode.resumed_at >= episode.ended_at
        elif episode.by_stopgap:
            assert record
            assert record.saving == episode
    if record and record.saving:
        assert record.power_state is PowerState.DEALLOCATED
