"""Whatever a VM's life and the weather: in the end the record is the truth, and nobody was accused wrongly.

What is promised of an episode, as far as looks can know it. Of the looks that were written into the record (one that
finds nothing new is not), let F be the first that saw the VM Stopped, L the last, E the last before F that saw it
elsewhere, and N the next after L that did. Then

- it began, in truth and in the ledger, after E and not after F; in the ledger at the time of the signal that
  explains it, where that lies in between, else at F. Without an E, a signal's word is all there is;
- it ended, in truth and in the ledger, after L and not after N.

So the hours of an episode are never more than E to N and never less than F to L, and nor are they in truth; where
signals arrive within seconds and ARM answers as fast, so are the bounds. What happened between two looks that agree
is not known: a VM started and powered off again between them was Stopped all the time, as far as Stopgap can tell.
The ledger goes by when a look began, and ARM's answer may be a few seconds older: `LAG`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.exemptions import Exemption
from shared.domain.observations import Gone, Observation
from shared.domain.policy import Policy, terms_for
from shared.domain.records import Episode, Flag, FlagKind
from shared.domain.states import PowerState
from tests.domain.true_life import GONE, Condition, Deed, End, TrueLife
from tests.domain.true_operations import OPERATIONS, OS_FAILED
from tests.domain.true_ports import Saved
from tests.domain.true_world import Weather, World

POLICY = Policy(grace=timedelta(minutes=15))
LONGEST_GRACE = timedelta(hours=2)
TAGS: list[Mapping[str, str]] = [
    {},
    {"stopgap:exempt": "keep"},
    {"stopgap:exempt": "2026-11-21T20:00:00Z"},
    {"stopgap:exempt": "2026-11-23"},
    {"stopgap:grace": "3m"},
    {"stopgap:grace": "2h"},
]
OFTEN = ["power off", "shut down in the guest", "start", "start", "tag"]

seconds = st.integers(0, 120)
gaps = (seconds | seconds.map(lambda n: n * 15) | seconds.map(lambda n: n * 180)).map(
    lambda n: timedelta(seconds=n)
)
ends = st.sampled_from([*[End.SUCCESS] * 8, End.FAILURE, End.CANCEL])
powers = st.sampled_from(["running", "stopped", "deallocated"])
beginnings = st.builds(Condition, powers, tags=st.sampled_from(TAGS)) | st.just(GONE)
steps = st.integers(0, 60).map(lambda n: timedelta(seconds=n)) | st.just(timedelta(minutes=11))
choices = st.lists(st.tuples(st.integers(0, 99), gaps, steps, ends, st.sampled_from(TAGS)), max_size=5)


@st.composite
def scripts(draw: st.DrawFn) -> tuple[Condition, list[Deed]]:
    """How a VM begins, and deeds each of which is possible after those before."""
    first = draw(beginnings)
    life, script = TrueLife(first), list[Deed]()
    for number, after, step, end, tags in chain.from_iterable(draw(st.lists(choices, max_size=5))):
        possible = [what for what in [*OFTEN, *OPERATIONS] if life.can(what)]
        what = possible[number % len(possible)]
        script.append(Deed(what, after, step, end, tags if what == "tag" else {}))
        life.do(script[-1], life.free_at + after)
    return first, script


share = st.sampled_from([0, 0, 0.1, 0.3])
weathers = st.builds(
    Weather,
    seed=st.integers(0, 2**32),
    lost=share,
    repeated=st.sampled_from([0, 0.1, 0.5]),
    late=share,
    lagging=share,
    blank=share,
    refused=share,
    overtaken=st.sampled_from([0, 0.3, 0.5]),
    deadly=st.sampled_from([0, 0.02, 0.1]),
    deaf=share,
)


@settings(max_examples=max(500, settings().max_examples))
@given(scripts(), weathers)
def test_the_truth_wins(script: tuple[Condition, list[Deed]], weather: Weather) -> None:
    world = World(*script, weather, POLICY)
    world.live()
    world.run(world.now + timedelta(days=1))
    if was_told_of_all(script[1], weather):
        record_is_the_truth(world)
    world.sweep()
    world.run(world.now + 3 * LONGEST_GRACE)
    record_is_the_truth(world)
    flags_were_earned(world)
    notices_were_sent_once(world)
    episodes_are_right(world)


def was_told_of_all(deeds: list[Deed], weather: Weather) -> bool:
    """Whether signals, and the looks that follow from them, have to be enough without any sweep."""
    silent = {"OS provisioning succeeds late"} & {deed.what for deed in deeds}
    return bool(deeds) and not silent and not weather.lost and not weather.lagging


def record_is_the_truth(world: World) -> None:
    record, truth = world.record, world.life.now
    if record is None:
        assert truth.uid is None
        return
    assert (record.flag.kind if record.flag else None) == deserved(truth, world.now, record.exempted)
    if truth.uid is None:
        assert record.power_state is PowerState.DELETED
    else:
        assert record.power_state == (truth.power or "unknown")
        assert record.model.uid == f"uid-{truth.uid}"
    if truth.at_rest or truth.uid is None:
        assert record.present
        assert record.present.power_state is record.power_state
        assert record.reading.hibernated == truth.hibernated
        snoozed = record.flag and record.flag.snoozed_until
        assert record.exemption or snoozed or record.look_at is None, "nothing is left to wait for"


def deserved(truth: Condition, at: datetime, entered: Exemption | None = None) -> str | None:
    """The flag of a VM that has been as it is for long, and for which an operator may have entered an exemption."""
    exemptions = (terms_for(POLICY, truth.tags).exemption, entered)
    if any(exemption and exemption.holds(at) for exemption in exemptions) or not truth.at_rest:
        return None
    if truth.power == "running" and truth.provisioning == OS_FAILED:
        return FlagKind.FAILED_PROVISIONING
    return FlagKind.LEFT_STOPPED if truth.power == "stopped" else None


def opened(world: World) -> list[tuple[Saved, Flag]]:
    """Each flag, with the save that opened it."""
    return [
        (saved, flag)
        for saved in world.saved
        if (flag := saved.change.record.flag)
        and not (saved.before and saved.before.flag and saved.before.flag.flagged_at == flag.flagged_at)
    ]


def flags_were_earned(world: World) -> None:
    """Each was opened on a look that found what it is for, on a VM that is not exempt, at least a grace after another
    look that did, with none in between that saw otherwise; and it was so."""
    for saved, flag in opened(world):
        at = saved.change.record.observed_at
        answer = world.seen[at].answer
        assert isinstance(answer, Observation)
        terms, entered = terms_for(POLICY, answer.tags), saved.change.record.exempted
        assert not (terms.exemption and terms.exemption.holds(at))
        assert deserved(world.life.at(world.seen[at].of), at, entered) == flag.kind
        assert found(answer) == flag.kind
        for look in reversed([look for look in written(world) if look < at]):
            earlier = world.seen[look].answer
            assert not is_elsewhere(earlier, flag.kind, answer.model.uid), "it was not so all the time"
            if found(earlier) == flag.kind and look + terms.grace <= at:
                break
        else:
            raise AssertionError("no look a grace earlier found it")


def written(world: World) -> list[datetime]:
    """The looks that were ever written into the record, by when they began."""
    return sorted({saved.change.record.observed_at for saved in world.saved})


def found(answer: Observation | Gone) -> FlagKind | None:
    """What there was to flag."""
    if answer.reading.os_failed:
        return FlagKind.FAILED_PROVISIONING
    at_rest = answer.reading.settled and answer.reading.power_state is PowerState.STOPPED
    return FlagKind.LEFT_STOPPED if at_rest else None


def is_elsewhere(answer: Observation | Gone, kind: FlagKind, uid: str | None) -> bool:
    """Whether a look saw that there is no reason for such a flag, or another VM. No word is no news."""
    if isinstance(answer, Gone) or answer.model.uid != uid:
        return True
    if kind is FlagKind.FAILED_PROVISIONING:
        return answer.reading.settled and found(answer) != kind
    return answer.reading.power_state not in {PowerState.STOPPED, PowerState.UNKNOWN}


def notices_were_sent_once(world: World) -> None:
    sent, record = [notice.id for notice, _ in world.notices.sent], world.record
    for notice in set(sent):
        assert sent.count(notice) <= 1 + world.doubtful[notice]
    for flag in {flag.flagged_at: flag for _, flag in opened(world)}.values():
        told = any(notice.startswith(f"{flag.kind}:{flag.flagged_at.isoformat()}") for notice in sent)
        cleared = any(notice.startswith(f"flag_cleared:{flag.flagged_at.isoformat()}") for notice in sent)
        if record and record.flag and record.flag.flagged_at == flag.flagged_at:
            assert told
            assert record.flag.notified_at
            assert not cleared
        else:
            assert cleared or not told
    assert record is None or not record.outbox


def episodes_are_right(world: World) -> None:
    by_name = {e.seen_at: e for saved in world.saved for e in saved.change.episodes}
    episodes = [episode for _, episode in sorted(by_name.items())]
    for earlier, later in pairwise(episodes):
        assert earlier.ended_at
        assert earlier.ended_at <= later.started_at
    record = world.record
    if episodes and episodes[-1].ended_at is None:
        assert record
        assert record.settled
        assert record.settled.power_state is PowerState.STOPPED
    for episode in episodes:
        bounds_hold(world, episode)
    for look in written(world):
        if found(world.seen[look].answer) == FlagKind.LEFT_STOPPED:
            assert any(e.started_at <= look and (e.ended_at is None or look <= e.ended_at) for e in episodes)


def bounds_hold(world: World, episode: Episode) -> None:
    looks, kind = written(world), FlagKind.LEFT_STOPPED
    answer = world.seen[episode.seen_at].answer
    assert isinstance(answer, Observation)
    elsewhere = [look for look in looks if is_elsewhere(world.seen[look].answer, kind, answer.model.uid)]
    before = max((look for look in elsewhere if look < episode.seen_at), default=None)
    after = min((look for look in elsewhere if look > episode.seen_at), default=None)
    inside = [
        look
        for look in looks
        if (before is None or before < look)
        and (after is None or look < after)
        and world.seen[look].answer.reading.power_state is PowerState.STOPPED
    ]
    of = {look: world.seen[look].of for look in looks}
    begun, over = world.life.stretch(of[inside[0]])[0], world.life.stretch(of[inside[-1]])[1]
    assert episode.started_at <= inside[0]
    # ARM may answer with what is older than its answer before: then there was no such stretch, only a reflection.
    if before:
        assert before <= episode.started_at
        assert of[before] < begun <= of[inside[0]] or of[before] > of[inside[0]]
    if episode.ended_at:
        assert after
        assert inside[-1] <= episode.ended_at <= after
        assert (over and of[inside[-1]] < over <= of[after]) or of[inside[-1]] > of[after]
