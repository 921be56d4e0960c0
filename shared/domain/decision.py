"""The decision on one look at one VM. Pure and total: every record × every look gives one, with its reason.

The new record is put together in a fixed order, each step a function from record to record:

1. `with_look`    what the look saw
2. `settle`       the settled state, since when, and why
3. `with_signal`  what the signal adds: the cause of the present state, or word of one not seen yet
4. `_retried`     when to look again at a VM that is not at rest
5. `_flagged`     the flag, by the rules for a VM left Stopped
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
    sent = next((notice for notice in record.outbox if notice.id == notice_id), None)
    if sent is None:
        return record
    record = replace(record, outbox=tuple(notice for notice in record.outbox if notice is not sent))
    if sent.kind is NoticeKind.LEFT_STOPPED and record.flag:
        record = replace(record, flag=replace(record.flag, notified_at=now))
    return record


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
    """Flag a VM seen Stopped at two looks a grace apart and not exempt; clear the flag of any other."""
    at, exemption = record.observed_at, terms.exemption
    record = replace(record, exemption=exemption, due_at=None)
    if record.present is None:
        stays = record.settled and record.settled.power_state is PowerState.STOPPED
        return record if stays else replace(record, flag=None)
    exempt = exemption is not None and exemption.holds(at)
    stopped = record.stopped
    if stopped is None or exempt:
        due_at = exemption.until if stopped and exemption else None
        return replace(record, flag=None, due_at=due_at)
    if stopped.flagged_at and record.flag:
        return record
    due_at = stopped.seen_at + terms.grace
    if at < due_at:
        return replace(record, flag=None, due_at=due_at)
    return replace(
        record,
        flag=Flag(FlagKind.LEFT_STOPPED, flagged_at=now),
        settled=replace(stopped, flagged_at=stopped.flagged_at or now),
    )


def _noticed(record: Record, previous: Record | None, mode: Mode, now: datetime) -> Record:
    """The notices that follow from the flag: each once, sent again only while unconfirmed."""
    if mode is Mode.OBSERVE:
        return replace(record, outbox=())
    outbox = [_resent(notice, now) for notice in record.outbox]
    had, flag = previous.flag if previous else None, record.flag
    if had and (flag is None or flag.flagged_at != had.flagged_at):
        # A notice of the flag that is still unconfirmed may have got through: take back either.
        told = had.notified_at or any(notice.kind is NoticeKind.LEFT_STOPPED for notice in outbox)
        outbox = [notice for notice in outbox if notice.kind is not NoticeKind.LEFT_STOPPED]
        if told:
            outbox.append(_notice(NoticeKind.FLAG_CLEARED, record, had, now))
    announced = flag is None or flag.notified_at or any(n.kind is NoticeKind.LEFT_STOPPED for n in outbox)
    if flag and not announced:
        outbox.append(_notice(NoticeKind.LEFT_STOPPED, record, flag, now))
    return replace(record, outbox=tuple(outbox))


def _notice(kind: NoticeKind, record: Record, flag: Flag, now: datetime) -> Notice:
    return Notice(
        kind=kind,
        id=f"{kind}:{flag.flagged_at.isoformat()}:{record.vm}",
        made_at=now,
        try_at=now + FIRST_RESEND,
    )


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
