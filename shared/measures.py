"""What is measured of events, decisions and sweeps. See `shared.metrics` for the table."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from shared import metrics
from shared.domain.actions import Entry
from shared.domain.decision import Decision
from shared.domain.news import Accepted, Failed, News, NotSent
from shared.domain.observations import Gone, Observation
from shared.domain.records import Record
from shared.domain.signals import Signal, Source
from shared.ports import Coverage


class Why(StrEnum):
    """What a look was had for."""

    SIGNAL = "signal"
    DUE = "due"
    PERSON = "person"
    DEALLOCATION = "deallocation"
    SWEEP = "sweep"


def why(signal: Signal | None, news: News | None) -> Why:
    """What a single look was had for."""
    match news:
        case None:
            return Why.SIGNAL if signal else Why.DUE
        case Accepted() | Failed() | NotSent():
            return Why.DEALLOCATION
        case _:
            return Why.PERSON


def delivered(signal: Signal | None) -> None:
    """Measure an event; None: one that says nothing of a VM."""
    cause = signal.cause if signal else None
    metrics.EVENTS.add(
        source=cause.source if cause else "none", verb=(cause.verb if cause else None) or "none"
    )


def decided(
    why: Why, previous: Record | None, seen: Observation | Gone | None, decision: Decision, now: datetime
) -> None:
    """Measure a decision, once what it changed has been saved.

    Args:
        why: What its look was had for.
        previous: The record before.
        seen: The look, if there was one.
        decision: What came of it.
        now: The time.
    """
    if seen:
        metrics.LOOKS.add(why=why, found="changed" if decision.changed else "unchanged")
    if not decision.changed or decision.record is None:
        return
    _transition(seen, decision, now)
    _flag(previous, decision.record)
    before = {(notice.id, notice.channel) for notice in previous.outbox if notice.parked} if previous else ()
    for notice in decision.record.outbox:
        if notice.parked and (notice.id, notice.channel) not in before:
            metrics.NOTICES.add(channel=notice.channel, outcome="parked")


def _transition(seen: Observation | Gone | None, decision: Decision, now: datetime) -> None:
    """Measure the transition that a look saw. One that an earlier look saw is only told again, with a better cause."""
    transition = decision.transition
    if transition is None or seen is None or transition.seen_at != seen.observed_at:
        return
    metrics.TRANSITIONS.add(kind=transition.kind, billing=transition.billing)
    if transition.at_source is not Source.OBSERVED:
        lag = (now - transition.at).total_seconds()
        metrics.LAG.add(max(lag, 0.0), source=transition.at_source)  # clocks differ


def _flag(previous: Record | None, record: Record) -> None:
    before, flag = previous.flag if previous else None, record.flag
    if (before and (before.kind, before.flagged_at)) == (flag and (flag.kind, flag.flagged_at)):
        return
    if before:
        metrics.FLAGS.add(kind=before.kind, change="cleared")
    if flag:
        metrics.FLAGS.add(kind=flag.kind, change="set")


def logged(entries: Sequence[Entry]) -> None:
    """Measure what was added to the log of a VM's actions."""
    for entry in entries:
        metrics.ACTIONS.add(what=entry.what, by="person" if entry.by else "stopgap")
        if entry.rule:
            metrics.REFUSALS.add(rule=entry.rule)


def swept(coverage: Coverage) -> None:
    """Measure a sweep, or what it came to before it broke off."""
    seconds = (coverage.ended_at - coverage.began_at).total_seconds()
    metrics.SWEEP_DURATION.add(max(seconds, 0.0), complete="true" if coverage.complete else "false")
    changed = coverage.changed - coverage.gone
    found = {"changed": changed, "gone": coverage.gone, "unchanged": max(coverage.vms - changed, 0)}
    for what, count in found.items():
        if count:
            metrics.SWEEP_VMS.add(count, found=what)
    if coverage.fault_count:
        metrics.SWEEP_FAULTS.add(coverage.fault_count)
