"""The decision on one look at one VM. Pure and total: every record × every look gives one, with its reason.

The new record is put together in a fixed order, each step a function from record to record:

1. `with_look`    what the look saw
2. `settle`       the settled state, since when, and why
3. `with_signal`  what the signal adds: the cause of the present state, or word of one not seen yet
4. `answered`, `followed`   what came of a deallocation
5. `_flagged`     the flag, by the rules for what is found
6. `_snoozed`, `planned`, `asked`, `withdrawn`   the deallocation that follows from the flag, or that a person asks for
7. `_retried`     when to look again at a VM that is not at rest
8. `_noticed`     the notices that follow from both

Without a look, or with one that is older than the record, steps 1 to 3 only take in the signal. Actions follow from
the record, not from the event: whatever a crash left undone, the next look does.
"""

from copy import replace
from datetime import datetime, timedelta

from msgspec import Struct

from shared.domain import reasons
from shared.domain.actions import Deallocation, Entry, Refusal, Stage
from shared.domain.deallocation import answered, asked, followed, planned, withdrawn
from shared.domain.exemptions import strongest
from shared.domain.log import entries
from shared.domain.news import Accepted, Ask, Exempt, Failed, LookAsked, News, NotSent, Snooze
from shared.domain.noticing import noticed
from shared.domain.observations import Gone, Observation
from shared.domain.policy import Channel, Policy, Terms, terms_for
from shared.domain.records import (
    Episode,
    Flag,
    FlagKind,
    Notice,
    Record,
    Retry,
    Transition,
)
from shared.domain.safety import Case
from shared.domain.safety import refusal as refusal_of
from shared.domain.settling import settle, with_look, with_signal
from shared.domain.signals import Signal
from shared.domain.states import PowerState

FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=10)
"""A VM that is not at rest is looked at after 15 s, then at twice the distance each time, up to 10 minutes."""


class LookAgain(Struct, frozen=True):
    """Look at the VM again, not before this time."""

    at: datetime


class Send(Struct, frozen=True):
    """Send a notice, then record what came of it."""

    notice: Notice


class Deallocate(Struct, frozen=True):
    """Attempt the deallocation that was asked for, not before this time."""

    asked_at: datetime
    at: datetime


type Action = LookAgain | Send | Deallocate


class Decision(Struct, frozen=True):
    """What to remember and what to do."""

    record: Record | None
    """The new record; None: there is nothing to remember."""
    reason: str
    changed: bool = False
    """Whether there is more to remember than before; if not, nothing is written."""
    transition: Transition | None = None
    episodes: tuple[Episode, ...] = ()
    entries: tuple[Entry, ...] = ()
    """For the log of the VM's actions."""
    actions: tuple[Action, ...] = ()
    refusal: Refusal | None = None
    """Why what a person asked for will not be done."""


def decide(
    previous: Record | None,
    seen: Observation | Gone | None,
    signal: Signal | None,
    policy: Policy,
    now: datetime,
    news: News | None = None,
) -> Decision:
    """Decide on one look at one VM.

    Args:
        previous: The record in the ledger.
        seen: The look. One older than the record changes nothing of what the record says of the VM's state, nor does
            None, which needs a record: there was no look.
        signal: The event that asked for the look, if one did.
        policy: The operator's defaults.
        now: The time, UTC; not before `seen.observed_at`.
        news: What a person asks for, or what came of asking Azure.
    """
    if previous is None and (seen is None or isinstance(seen, Gone)):
        return Decision(None, reasons.NEVER_SEEN)
    record = _taken_in(previous, seen, signal)
    if isinstance(news, Accepted | Failed | NotSent):
        record = answered(record, news, now)
    record = followed(previous, record, signal, now)
    # An end has to be told before a new beginning takes its place.
    ended = previous is not None and previous.under_way is not None and record.under_way is None
    record, refusal = _judged(record, news, policy, now, ended=ended)
    record = _retried(record, now)
    terms = terms_for(policy, record.tags)
    record = noticed(record, previous, terms, now, again=isinstance(news, LookAsked))
    closed, reason = _closed(previous, record), reasons.of(record, terms)
    if (closed, reason) != (record.closed, record.reason):
        record = replace(record, closed=closed, reason=reason)
    log = entries(previous, record, news, refusal, now)
    if previous and not log and replace(record, observed_at=previous.observed_at) == previous:
        return Decision(previous, previous.reason, actions=_actions(previous, previous, now), refusal=refusal)
    return Decision(
        record=record,
        reason=record.reason,
        changed=True,
        transition=_transition(previous, record),
        episodes=_episodes(previous, record),
        entries=log,
        actions=_actions(previous, record, now),
        refusal=refusal,
    )


def forbidden(
    record: Record,
    seen: Observation | Gone | None,
    policy: Policy,
    now: datetime,
    *,
    by: str | None,
    free_at: datetime | None = None,
) -> Refusal | None:
    """What forbids a deallocation that is under way, on a look just before Azure is asked; None: nothing.

    Args:
        record: The record in the ledger.
        seen: The look; None: by what the record says.
        policy: The operator's defaults.
        now: The time.
        by: Who asked for it; None: Stopgap itself.
        free_at: When the cap allows the next one; None: now, or it was not asked.
    """
    record, _ = _judged(_taken_in(record, seen, None), None, policy, now)
    return refusal_of(Case(record, terms_for(policy, record.tags), now, by=by, free_at=free_at))


def _taken_in(previous: Record | None, seen: Observation | Gone | None, signal: Signal | None) -> Record:
    """The record with a look, unless it is older than the record, and with a signal."""
    if previous and (seen is None or seen.observed_at < previous.observed_at):
        return with_signal(previous, signal)
    assert seen  # noqa: S101 - there is a record or a look
    return with_signal(settle(with_look(previous, seen)), signal)


def _judged(
    record: Record, news: News | None, policy: Policy, now: datetime, *, ended: bool = False
) -> tuple[Record, Refusal | None]:
    """The record with flag and plan; and what refuses what a person asks for.

    Args:
        record: With all that is known of the VM.
        news: What a person asks for, if anybody does.
        policy: The operator's defaults.
        now: The time.
        ended: Whether a deallocation has just ended.
    """
    terms, refusal = terms_for(policy, record.tags), _too_late(record, news)
    news = None if refusal else news
    if isinstance(news, Exempt):
        record = replace(record, exempted=news.exemption)
    record = _snoozed(_flagged(record, terms, now), news, now)
    record = planned(record, terms, now, again=isinstance(news, LookAsked), may_ask=not ended)
    if isinstance(news, Ask) and ended:
        refusal = Refusal(
            "under_way", "an earlier deallocation has only just ended: see what came of it first"
        )
    elif isinstance(news, Ask):
        record, refusal = asked(record, terms, news.by, now)
    return withdrawn(record, terms, now), refusal


def _too_late(record: Record, news: News | None) -> Refusal | None:
    """Why a person cannot snooze or exempt a VM now.

    Decided here, where the record is saved only if nobody saved it since: who was told that a VM is exempt can rely
    on it, as an attempt that begins later sees it.
    """
    if not isinstance(news, Snooze | Exempt):
        return None
    if record.under_way and record.under_way.stage is not Stage.ASKED:
        return Refusal("under_way", "its deallocation is under way: Azure may have been asked already")
    if isinstance(news, Snooze) and record.flag is None:
        return Refusal("not_flagged", "it is not flagged, so there is nothing to snooze")
    return None


def _retried(record: Record, now: datetime) -> Record:
    """Plan the next look at a VM that is not at rest, or of which we were told, or asked, what we do not see."""
    if record.present and record.heard is None and not record.under_way:
        return replace(record, retry=None) if record.retry else record
    retry = record.retry
    if retry and record.observed_at < retry.at:
        return record
    looks = retry.looks if retry else 0
    distance = min(FIRST_RETRY * 2 ** min(looks, 16), LONGEST_RETRY)
    return replace(record, retry=Retry(now + distance, looks + 1))


def _flagged(record: Record, terms: Terms, now: datetime) -> Record:
    """Flag what was found at two looks a grace apart, on a VM that is not exempt; clear the flag of any other."""
    at, flag = record.observed_at, record.flag
    entered = record.exempted if record.exempted and record.exempted.holds(now) else None
    exemption = strongest(terms.exemption, entered, at)
    if (exemption, entered, None, None) != (record.exemption, record.exempted, flag, record.due_at):
        record = replace(record, exemption=exemption, exempted=entered, flag=None, due_at=None)
    found = _finding(record)
    if found is None:
        return record
    if exemption and exemption.holds(at):
        return replace(record, due_at=exemption.until)
    if flag and (flag.kind, flag.seen_at) == found:
        return replace(record, flag=flag)
    if record.present is None:
        return record
    kind, seen_at = found
    if at < seen_at + terms.grace:
        return replace(record, due_at=seen_at + terms.grace)
    settled = record.present
    if kind is FlagKind.LEFT_STOPPED:
        settled = replace(settled, flagged_at=settled.flagged_at or now)
    flag = Flag(
        kind, seen_at, flagged_at=now, snoozed_until=settled.snoozed_until, snoozed_by=settled.snoozed_by
    )
    return replace(record, flag=flag, settled=settled)


def _finding(record: Record) -> tuple[FlagKind, datetime] | None:
    """What there is to flag and the first look that saw it; while the VM is not at rest, what there was."""
    settled = record.settled
    if settled and settled.power_state is PowerState.STOPPED and (record.present or settled.left_at is None):
        return FlagKind.LEFT_STOPPED, settled.seen_at
    if record.os_failed_at:
        return FlagKind.FAILED_PROVISIONING, record.os_failed_at
    return None


def _snoozed(record: Record, news: News | None, now: datetime) -> Record:
    """Begin or end the snooze of a flagged VM; when it ends, the flag is told of again."""
    flag = record.flag
    if flag is None:
        return record
    if isinstance(news, Snooze) and news.until:
        flag = replace(flag, snoozed_until=news.until, snoozed_by=news.by, deallocate_after=None)
    over = isinstance(news, Snooze) and news.until is None
    if flag.snoozed_until and (over or flag.snoozed_until <= now):
        flag = replace(flag, snoozed_until=None, snoozed_by=None, tell_at=now)
    settled = record.settled
    if settled and flag != record.flag:
        settled = replace(settled, snoozed_until=flag.snoozed_until, snoozed_by=flag.snoozed_by)
    return replace(record, flag=flag, settled=settled)


def _transition(previous: Record | None, record: Record) -> Transition | None:
    now = Transition.to(record.vm, record.settled) if record.settled else None
    before = Transition.to(record.vm, previous.settled) if previous and previous.settled else None
    return now if now != before else None


def _episodes(previous: Record | None, record: Record) -> tuple[Episode, ...]:
    """The episodes that this look ended, began, or tells more of."""
    old = Episode.of(previous.vm, previous.settled) if previous and previous.settled else None
    new = Episode.of(record.vm, record.settled) if record.settled else None
    closed = record.closed if record.closed != (previous.closed if previous else None) else None
    told = (_ended(previous, record), closed, new if new != old else None)
    return tuple({episode.seen_at: episode for episode in told if episode}.values())


def _ended(previous: Record | None, record: Record) -> Episode | None:
    """The episode that this look ended."""
    was, now = previous.settled if previous else None, record.settled
    if was is None or now is None:
        return None
    old, new = Episode.of(record.vm, was), Episode.of(record.vm, now)
    if old is None or (new and new.seen_at == old.seen_at):
        return None
    return old.ended(was.left_at, now)


def _closed(previous: Record | None, record: Record) -> Episode | None:
    """The episode that the deallocation was of, once it has ended: by Stopgap, if that was confirmed."""
    closing = record.deallocation
    for episode in (_ended(previous, record), record.closed):
        if episode and closing and episode.seen_at == closing.seen_at:
            resumed_at = episode.resumed_at or _resumed_at(previous, closing, record)
            return replace(episode, by_stopgap=closing.stage is Stage.CONFIRMED, resumed_at=resumed_at)
    return None


def _resumed_at(previous: Record | None, closing: Deallocation, record: Record) -> datetime | None:
    """When the VM left the Deallocated that followed; None while it is in it, or if nothing of the kind followed."""
    was, now = previous.settled if previous else None, record.settled
    if closing.after is not PowerState.DEALLOCATED or now is None or now.seen_at == closing.after_at:
        return None
    left_at = was.left_at if was and was.seen_at == closing.after_at else None
    return min(now.since, left_at) if left_at else now.since


def _actions(previous: Record | None, record: Record, now: datetime) -> tuple[Action, ...]:
    """What follows from the record. The next look is asked for each time: the last asking may have been lost."""
    known = (
        {(notice.id, notice.channel, notice.attempts) for notice in previous.outbox}
        if previous
        else set[tuple[str, Channel, int]]()
    )
    look = (LookAgain(record.look_at),) if record.look_at else ()
    sends = tuple(
        Send(notice)
        for notice in record.outbox
        if not notice.parked and (notice.id, notice.channel, notice.attempts) not in known
    )
    return look + _attempt(previous.deallocation if previous else None, record.deallocation, now) + sends


def _attempt(
    before: Deallocation | None, closing: Deallocation | None, now: datetime
) -> tuple[Deallocate, ...]:
    """The attempt that a deallocation waits for: asked for when it comes to wait, and again if it is overdue."""
    if closing is None or closing.stage not in {Stage.ASKED, Stage.BEGUN}:
        return ()
    waits = closing.stage is Stage.ASKED and closing != before
    return (Deallocate(closing.asked_at, max(closing.try_at, now)),) if waits or closing.try_at <= now else ()
