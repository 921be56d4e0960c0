"""The decision on one look at one VM. Pure and total: every record × every look gives one, with its reason.

The new record is put together in a fixed order, each step a function from record to record:

1. `with_look`    what the look saw
2. `settle`       the settled state, since when, and why
3. `with_signal`  what the signal adds: the cause of the present state, or word of one not seen yet
4. `_retried`     when to look again at a VM that is not at rest
5. `_flagged`     the flag, by the rules for what is found
6. `_noticed`     the notices that follow from the flag

Actions follow from the record, not from the event: whatever a crash left undone, the next look does.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain import reasons
from shared.domain.observations import Gone, Observation
from shared.domain.policy import Mode, Policy, Terms, terms_for
from shared.domain.records import (
    Episode,
    Flag,
    FlagKind,
    Notice,
    NoticeKind,
    Record,
    Retry,
    Transition,
)
from shared.domain.settling import settle, with_look, with_signal
from shared.domain.signals import Signal
from shared.domain.states import PowerState

FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=10)
"""A VM that is not at rest is looked at after 15 s, then at twice the distance each time, up to 10 minutes."""

FIRST_RESEND = timedelta(seconds=30)
LONGEST_RESEND = timedelta(hours=1)
"""A notice that was not confirmed as sent is sent again after 30 s, then at twice the distance, up to an hour."""


TOLD_BY = {
    FlagKind.LEFT_STOPPED: NoticeKind.LEFT_STOPPED,
    FlagKind.FAILED_PROVISIONING: NoticeKind.FAILED_PROVISIONING,
}
"""The notice of each kind of flag."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Look at the VM again, not before this time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Send:
    """Send a notice, then record that it was sent."""

    notice: Notice


type Action = LookAgain | Send


@dataclass(frozen=True, slots=True)
class Decision:
    """What to remember and what to do."""

    record: Record | None
    """The new record; None: there is nothing to remember."""
    reason: str
    changed: bool = False
    """Whether the record says more than the one before; if not, nothing is written."""
    transition: Transition | None = None
    episodes: tuple[Episode, ...] = ()
    actions: tuple[Action, ...] = ()


def decide(
    previous: Record | None,
    seen: Observation | Gone,
    signal: Signal | None,
    policy: Policy,
    now: datetime,
) -> Decision:
    """Decide on one look at one VM.

    Args:
        previous: The record in the ledger.
        seen: The look. One older than the record changes nothing of what the record says of the VM's state.
        signal: The event that asked for the look, if one did.
        policy: The operator's defaults.
        now: The time, UTC; not before `seen.observed_at`.
    """
    if previous is None and isinstance(seen, Gone):
        return Decision(None, reasons.NEVER_SEEN)
    terms = terms_for(policy, seen.tags if isinstance(seen, Observation) else {})
    if previous is not None and seen.observed_at < previous.observed_at:
        record = _retried(with_signal(previous, signal), now)
    else:
        record = _retried(with_signal(settle(with_look(previous, seen)), signal), now)
        record = _flagged(record, terms, now)
        record = _noticed(record, previous, terms.mode, now)
    record = replace(record, reason=reasons.of(record, terms))
    if previous is not None and replace(record, observed_at=previous.observed_at) == previous:
        return Decision(previous, previous.reason, actions=_actions(previous, previous))
    return Decision(
        record=record,
        reason=record.reason,
        changed=True,
        transition=_transition(previous, record),
        episodes=_episodes(previous, record),
        actions=_actions(previous, record),
    )


def mark_sent(record: Record, notice_id: str, now: datetime) -> Record:
    """The record once a notice has been sent: out of the outbox and, if it told of the flag, on the flag."""
    flag = record.flag
    rest = tuple(notice for notice in record.outbox if notice.id != notice_id)
    if len(rest) == len(record.outbox):
        return record
    if flag and notice_id == _notice_id(TOLD_BY[flag.kind], record, flag):
        flag = replace(flag, notified_at=now)
    return replace(record, outbox=rest, flag=flag)


def _retried(record: Record, now: datetime) -> Record:
    """Plan the next look at a VM that is not at rest, or of which we were told what we do not see."""
    if record.present and record.heard is None:
        return replace(record, retry=None)
    retry = record.retry
    if retry and record.observed_at < retry.at:
        return record
    looks = retry.looks if retry else 0
    distance = min(FIRST_RETRY * 2 ** min(looks, 16), LONGEST_RETRY)
    return replace(record, retry=Retry(now + distance, looks + 1))


def _flagged(record: Record, terms: Terms, now: datetime) -> Record:
    """Flag what was found at two looks a grace apart, on a VM that is not exempt; clear the flag of any other."""
    at, exemption, flag = record.observed_at, terms.exemption, record.flag
    record = replace(record, exemption=exemption, flag=None, due_at=None)
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
    return replace(record, flag=Flag(kind, seen_at, flagged_at=now), settled=settled)


def _finding(record: Record) -> tuple[FlagKind, datetime] | None:
    """What there is to flag and the first look that saw it; while the VM is not at rest, what there was."""
    settled = record.settled
    if settled and settled.power_state is PowerState.STOPPED and (record.present or settled.left_at is None):
        return FlagKind.LEFT_STOPPED, settled.seen_at
    if record.os_failed_at:
        return FlagKind.FAILED_PROVISIONING, record.os_failed_at
    return None


def _noticed(record: Record, previous: Record | None, mode: Mode, now: datetime) -> Record:
    """The notices that follow from the flag: each once, sent again only while unconfirmed."""
    if mode is Mode.OBSERVE:
        return replace(record, outbox=())
    outbox = [_resent(notice, now) for notice in record.outbox]
    had, flag = previous.flag if previous else None, record.flag
    if had and (flag is None or flag.flagged_at != had.flagged_at):
        # A notice of the flag that is still unconfirmed may have got through: take back either.
        told = had.notified_at or any(notice.kind is not NoticeKind.FLAG_CLEARED for notice in outbox)
        outbox = [notice for notice in outbox if notice.kind is NoticeKind.FLAG_CLEARED]
        if told:
            outbox.append(_notice(NoticeKind.FLAG_CLEARED, record, had, now))
    if flag and not flag.notified_at and all(notice.kind is NoticeKind.FLAG_CLEARED for notice in outbox):
        outbox.append(_notice(TOLD_BY[flag.kind], record, flag, now))
    return replace(record, outbox=tuple(outbox))


def _notice(kind: NoticeKind, record: Record, flag: Flag, now: datetime) -> Notice:
    return Notice(
        kind=kind,
        id=_notice_id(kind, record, flag),
        made_at=now,
        try_at=now + FIRST_RESEND,
    )


def _notice_id(kind: NoticeKind, record: Record, flag: Flag) -> str:
    return f"{kind}:{flag.flagged_at.isoformat()}:{record.vm}"


def _resent(notice: Notice, now: datetime) -> Notice:
    if now < notice.try_at:
        return notice
    distance = min(FIRST_RESEND * 2 ** min(notice.attempts, 16), LONGEST_RESEND)
    return replace(notice, attempts=notice.attempts + 1, try_at=now + distance)


def _transition(previous: Record | None, record: Record) -> Transition | None:
    now = Transition.to(record.vm, record.settled) if record.settled else None
    before = Transition.to(record.vm, previous.settled) if previous and previous.settled else None
    return now if now != before else None


def _episodes(previous: Record | None, record: Record) -> tuple[Episode, ...]:
    """The episodes that this look ended, began, or tells more of."""
    old = Episode.of(previous.vm, previous.settled) if previous and previous.settled else None
    new = Episode.of(record.vm, record.settled) if record.settled else None
    episodes = list[Episode]()
    if (
        previous
        and previous.settled
        and record.settled
        and old
        and (new is None or new.seen_at != old.seen_at)
    ):
        episodes.append(old.ended(previous.settled.left_at, record.settled))
    if new and new != old:
        episodes.append(new)
    return tuple(episodes)


def _actions(previous: Record | None, record: Record) -> tuple[Action, ...]:
    """What follows from the record. The next look is asked for each time: the last asking may have been lost."""
    known = (
        {(notice.id, notice.attempts) for notice in previous.outbox} if previous else set[tuple[str, int]]()
    )
    look = (LookAgain(record.look_at),) if record.look_at else ()
    return look + tuple(Send(notice) for notice in record.outbox if (notice.id, notice.attempts) not in known)
