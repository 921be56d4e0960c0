"""The life of a VM as spans and marks: whatever looks, people and clocks did, it is whole and in order."""

from copy import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.actions import Entry, What
from shared.domain.exemptions import Exemption
from shared.domain.news import Exempt, LookAsked
from shared.domain.records import Record, Settled, Transition
from shared.domain.signals import Source, Verb
from shared.domain.transitions import KINDS
from shared.ports import History
from shared.web.captions import Shape
from shared.web.timeline import Timeline, timeline
from tests import strategies
from tests.domain.life import NOON, VERBS, VM, Life, annotation, event, look, minutes

NOTHING = History((), ())


def history(life: Life) -> History:
    """As the ledger gives it: latest first."""
    return History(
        tuple(life.transitions[at] for at in sorted(life.transitions, reverse=True)),
        tuple(life.episodes[at] for at in sorted(life.episodes, reverse=True)),
        tuple(sorted(life.entries, key=lambda entry: (entry.at, entry.what.rank), reverse=True)),
    )


def line(life: Life, now: datetime) -> Timeline:
    return timeline(life.now, history(life), now)


def states(seen: Timeline) -> list[tuple[str, datetime, datetime]]:
    """The spans, the first first."""
    return [(span.state.value, span.began_at, span.ended_at) for span in reversed(seen.spans)]


def test_a_life_of_one_span_is_at_least_as_old_as_its_first_look() -> None:
    life = Life()
    life.see(look("running"))
    seen = line(life, minutes(5))
    (span,) = seen.spans
    assert states(seen) == [("running", NOON, minutes(5))]
    assert (span.at_least, span.label, span.story) == (True, "Running, billed", "First seen.")
    assert (span.lasted, span.billed, span.marks) == (timedelta(minutes=5), True, ())
    assert seen.before == "Stopgap had not seen it before that."


def test_a_span_begins_by_the_signal_that_explains_it_and_says_what_it_does_to_the_bill() -> None:
    life = Life()
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(1)), annotation("stopped", NOON))
    life.see(look("deallocated", minutes(31)), event("deallocated", minutes(30)))
    life.see(look("running", minutes(61)))
    seen = line(life, minutes(70))
    assert states(seen) == [
        ("running", minutes(-60), NOON),
        ("stopped", NOON, minutes(30)),
        ("deallocated", minutes(30), minutes(61)),
        ("running", minutes(61), minutes(70)),
    ]
    assert [span.at_least for span in reversed(seen.spans)] == [True, False, False, True]
    assert [span.story for span in seen.spans] == [
        "Started, cause unknown. Billing starts.",
        "Deallocated through Azure by caller-1 (op/deallocated). Billing stops.",
        "Powered off from inside the guest (note/stopped). Billing goes on.",
        "First seen.",
    ]


def test_what_the_cause_does_not_tell_the_looks_do() -> None:
    life = Life()
    life.see(look("deallocated", minutes(-60)))
    life.see(look("stopped", minutes(1)), event("stopped", NOON, caller="x"))
    life.see(look("deleted", minutes(30)))
    life.see(look("running", minutes(60)))
    life.see(look("running", minutes(91)), event(None, minutes(90), verb=Verb.RESTART))
    assert [span.story for span in line(life, minutes(99)).spans] == [
        "Restarted through Azure by caller-1 (op/None). Billing goes on.",
        "Created again under its name, cause unknown. Billing starts.",
        "Deleted, cause unknown. Billing stops.",
        "Started and powered off between two looks: powered off through Azure by x (op/stopped). Billing starts.",
        "First seen.",
    ]


def test_a_state_that_passes_is_a_span_until_the_vm_settles() -> None:
    life = Life()
    life.see(look("stopped"))
    life.see(look("starting", minutes(10)))
    seen = line(life, minutes(11))
    assert states(seen) == [("stopped", NOON, minutes(10)), ("starting", minutes(10), minutes(11))]
    assert seen.spans[0].at_least
    assert seen.spans[0].story == "It is not at rest: it passes into another state."
    life.see(look("running", minutes(12)))
    assert [state for state, *_ in states(line(life, minutes(13)))] == ["stopped", "running"]


def test_a_vm_that_left_its_state_and_came_back_unsettled_is_in_a_span_of_its_own() -> None:
    life = Life()
    life.see(look("running"))
    life.see(look("stopping", minutes(10)))
    life.see(look("running", minutes(11), provisioning="updating"))
    assert states(line(life, minutes(12))) == [
        ("running", NOON, minutes(11)),
        ("running", minutes(11), minutes(12)),
    ]


def test_an_operation_at_work_does_not_end_a_span() -> None:
    life = Life()
    life.see(look("running"))
    life.see(look("running", minutes(10), provisioning="updating"))
    assert states(line(life, minutes(11))) == [("running", NOON, minutes(11))]


def test_a_vm_that_was_never_seen_at_rest_is_in_one_span() -> None:
    life = Life()
    life.see(look("creating"))
    assert states(line(life, minutes(1))) == [("creating", NOON, minutes(1))]
    assert line(life, minutes(1)).spans[0].label == "Creating, not billed"


def test_marks_are_in_the_span_that_they_happened_in_latest_first() -> None:
    life = Life()
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(1)), event("stopped", NOON))
    life.see(look("stopped", minutes(20)))
    life.hear(LookAsked("ada"), minutes(25))
    life.hear(Exempt(Exemption(minutes(100), "kept warm", "ada"), "ada"), minutes(30))
    life.see(look("running", minutes(40)))
    running, stopped, before = line(life, minutes(50)).spans
    assert [(mark.at, mark.shape, mark.what, mark.by) for mark in stopped.marks] == [
        (minutes(30) + timedelta(microseconds=7), Shape.NOTICE, "Notice sent", None),
        (minutes(30), Shape.WISH, "Exempted", "ada"),
        (minutes(25), Shape.WISH, "Look asked for", "ada"),
        (minutes(20) + timedelta(microseconds=5), Shape.NOTICE, "Notice sent", None),
        (minutes(20), Shape.FLAG, "Flagged: left Stopped", None),
    ]
    assert (running.marks, before.marks) == ((), ())


def test_what_happened_before_the_first_span_that_is_kept_is_told_apart() -> None:
    life = Life()
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(1)), event("stopped", NOON))
    entry = Entry(VM, minutes(-30), What.LOOK_ASKED, None, "why")
    kept = History(history(life).transitions[:1], (), (entry,))
    seen = timeline(life.now, kept, minutes(5))
    assert [mark.text for mark in seen.earlier] == ["why"]
    assert seen.before.startswith("Before that: Running, billed.")
    assert seen.spans[0].marks == ()


def test_a_span_whose_transition_is_too_old_to_be_kept_is_known_from_the_record() -> None:
    life = Life()
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(1)), event("stopped", NOON))
    seen = timeline(life.now, NOTHING, minutes(600_000))
    assert states(seen) == [("stopped", NOON, minutes(600_000))]
    assert seen.spans[0].story.startswith("Powered off through Azure")


def test_a_history_that_was_read_after_the_record_knows_more() -> None:
    life = Life()
    life.see(look("running", minutes(-60)))
    record = life.now
    life.see(look("stopped", minutes(1)), event("stopped", NOON))
    seen = timeline(record, history(life), minutes(5))
    assert [state for state, *_ in states(seen)] == ["running", "stopped"]


def test_of_times_that_contradict_each_other_the_later_transitions_holds() -> None:
    life = Life()
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(60)), event("stopped", minutes(50)))
    life.see(look("running", minutes(90)))
    latest, stopped, first = history(life).transitions
    jumped = replace(history(life), transitions=(replace(latest, at=minutes(10)), stopped, first))
    assert states(timeline(life.now, jumped, minutes(95))) == [
        ("running", minutes(-60), minutes(10)),
        ("stopped", minutes(10), minutes(10)),
        ("running", minutes(10), minutes(95)),
    ]
    assert states(timeline(life.now, jumped, minutes(-99))) == [
        ("running", minutes(-99), minutes(-99)),
        ("stopped", minutes(-99), minutes(-99)),
        ("running", minutes(-99), minutes(-99)),
    ], "a clock that went back"


pairs = st.sampled_from(list(KINDS))
settled = st.builds(
    lambda each, pair: replace(each, before=pair[0], power_state=pair[1]), strategies.settled, pairs
)
transitions = st.builds(
    lambda each, pair: replace(each, before=pair[0], after=pair[1]), strategies.transitions, pairs
)
near = st.integers(-5, 5).map(minutes)
"""Times that often are the same."""
close = st.builds(lambda each, seen_at, at: replace(each, seen_at=seen_at, at=at), transitions, near, near)


def records_with(settled: st.SearchStrategy[Settled | None]) -> st.SearchStrategy[Record]:
    return st.builds(lambda record, state: replace(record, settled=state), strategies.records, settled)


def in_order(found: list[Transition]) -> tuple[Transition, ...]:
    """As a ledger keeps them: one of each time, the latest first."""
    by_time = {each.seen_at: each for each in found}
    return tuple(by_time[at] for at in sorted(by_time, reverse=True))


records = records_with(st.none() | settled)
histories = st.builds(
    History,
    st.lists(transitions | close, max_size=30).map(in_order),
    st.lists(strategies.episodes, max_size=5).map(tuple),
    st.lists(
        st.builds(lambda each, at: replace(each, at=at), strategies.entries, near | strategies.times),
        max_size=10,
    ).map(tuple),
)
moments = strategies.times | near


@given(records, histories, moments)
def test_any_life_is_without_gaps_and_overlaps_and_ends_now(
    record: Record, life: History, now: datetime
) -> None:
    seen = timeline(record, life, now)
    assert seen.spans[0].ended_at == now
    for later, earlier in zip(seen.spans, seen.spans[1:], strict=False):
        assert earlier.ended_at == later.began_at
    for span in seen.spans:
        assert span.began_at <= span.ended_at
        assert span.story
    assert len(seen.spans) >= max(len(life.transitions), 1)
    assert sum((span.lasted for span in seen.spans), timedelta()) == now - seen.began_at


@given(records, histories, moments)
def test_nothing_that_happened_is_lost_or_out_of_its_time(
    record: Record, life: History, now: datetime
) -> None:
    seen = timeline(record, life, now)
    flagged = {each.flagged_at for each in life.episodes if each.flagged_at}
    marks = [*seen.marks, *seen.earlier]
    shapes = [mark.shape for mark in marks]
    assert len(marks) - shapes.count(Shape.FLAG) == len(life.entries)
    assert {mark.at for mark in marks if mark.shape is Shape.FLAG} >= flagged
    assert [mark.at for mark in marks] == sorted((mark.at for mark in marks), reverse=True)
    for span in seen.spans:
        latest = span is seen.spans[0]
        assert all(span.began_at <= mark.at and (latest or mark.at < span.ended_at) for mark in span.marks)
    assert all(mark.at < seen.began_at for mark in seen.earlier)


powers = ["running", "stopped", "deallocated", "deleted", "starting", "stopping", "creating", "unknown"]
steps = st.lists(
    st.tuples(st.sampled_from(powers), st.booleans(), st.sampled_from(["succeeded", "updating"])), min_size=1
)


@given(steps)
def test_the_latest_span_is_what_the_page_says_of_the_vm(steps: list[tuple[str, bool, str]]) -> None:
    life = Life()
    for number, (power, told, provisioning) in enumerate(steps):
        at = minutes(10 * number)
        tells = event(power, at - timedelta(minutes=2)) if told and power in VERBS else None
        life.see(look(power, at, provisioning=provisioning), tells)
        if life.record is None:
            continue
        record, seen = life.now, line(life, at)
        assert seen.spans[0].state is record.power_state
        if record.present:
            assert seen.spans[0].began_at == record.since
            assert seen.spans[0].at_least is (record.since_source is Source.OBSERVED)
        kept = {each.seen_at for each in life.transitions.values()}
        assert len(kept) <= len(seen.spans) <= len(kept) + 1
