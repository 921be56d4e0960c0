"""How a deallocation goes, from the plan to its outcome: functions from record to record, without I/O.

    planned ─> asked ─> begun ─> accepted ─> confirmed | unconfirmed
                 │  <─── │ failed, tried again     │
                 └> refused   └> failed            └> overtaken

A plan is a time on the flag. It becomes a `Deallocation` when it is due, or when a person asks. Whoever saves `begun`
makes the attempt, nobody else before `try_at`; `answered` takes in what came of it, `followed` what looks and signals
tell of it afterwards.
"""

from copy import replace
from datetime import datetime, timedelta

from shared.domain.actions import Deallocation, Refusal, Stage
from shared.domain.news import Accepted, Answer, Failed, NotSent
from shared.domain.policy import Mode, Terms
from shared.domain.records import FlagKind, Notice, NoticeKind, Record
from shared.domain.safety import Case, Rule, passes, refusal
from shared.domain.signals import Cause, Signal, Source
from shared.domain.states import PowerState

ATTEMPTS = 3
"""How often Azure is asked at most."""

SPACING = (timedelta(minutes=2), timedelta(minutes=10))
"""Time to the second and to the third attempt, at least."""

LEASE = timedelta(minutes=5)
"""How long an attempt may take: after that its answer is taken for lost, and another may begin."""

SENDING = timedelta(minutes=1)
"""How much of the lease has to be left when Azure is asked: its answer must be saved before the lease ends."""

CONFIRM_WITHIN = timedelta(minutes=30)
"""How long a VM may take from the answer to being seen Deallocated, until it is told that it was not."""

BELIEVE_WITHIN = timedelta(hours=2)
"""Until when it is believed, if it is seen Deallocated at last, that it is so by this deallocation."""

LAG = timedelta(seconds=5)
"""How old ARM's answer to a look may be, and how far its clock and ours may lie apart."""

_UP = {PowerState.STARTING, PowerState.RUNNING}
_DOWN = {PowerState.DEALLOCATING, PowerState.DEALLOCATED}


def planned(
    record: Record, terms: Terms, now: datetime, *, again: bool = False, may_ask: bool = True
) -> Record:
    """Plan the deallocation of a flagged VM, or say what forbids it; ask for it when it is due.

    Args:
        record: With its flag.
        terms: What holds for the VM.
        now: The time.
        again: Whether notices that were given up are tried once more.
        may_ask: Whether a deallocation that is due may be asked for now.
    """
    flag = record.flag
    if flag is None or flag.kind is not FlagKind.LEFT_STOPPED:
        return record
    if terms.mode is not Mode.DEALLOCATE:
        return replace(record, flag=replace(flag, deallocate_after=None, refusal=None))
    after = now + terms.policy.warning
    if flag.deallocate_after and any(_tells_now(notice, now, again=again) for notice in record.outbox):
        # Told late, it happens late: the warning counts from when it is given.
        flag = replace(flag, deallocate_after=after)
        record = replace(record, flag=flag)
    if record.under_way:
        return record
    forbidden = refusal(Case(record, terms, now, planning=True))
    if forbidden:
        kept = flag.deallocate_after if passes(forbidden) else None
        return replace(record, flag=replace(flag, deallocate_after=kept, refusal=forbidden))
    if flag.deallocate_after is None:
        # Whoever was told of the flag as it was before has to be told of this.
        tell_at = flag.tell_at if flag.flagged_at == now else now
        return replace(record, flag=replace(flag, deallocate_after=after, refusal=None, tell_at=tell_at))
    if now < flag.deallocate_after:
        return replace(record, flag=replace(flag, refusal=None))
    forbidden = refusal(Case(record, terms, now))
    record = replace(record, flag=replace(flag, refusal=forbidden))
    return _to_be_done(record, None, now) if may_ask and not forbidden else record


def asked(record: Record, terms: Terms, by: str, now: datetime) -> tuple[Record, Refusal | None]:
    """Take in that a person asks; asking again while it is under way changes nothing."""
    if record.under_way:
        return record, None
    forbidden = refusal(Case(record, terms, now, by=by))
    return (record, forbidden) if forbidden else (_to_be_done(record, by, now), None)


def begun(record: Record, asked_at: datetime, now: datetime) -> Record | None:
    """The record with an attempt begun; None: it was done, it is being done, or it is not time."""
    closing = record.closing
    if closing is None or closing.asked_at != asked_at or now < closing.try_at:
        return None
    if closing.stage not in {Stage.ASKED, Stage.BEGUN} or closing.attempts >= ATTEMPTS:
        return None
    return replace(
        record,
        deallocation=replace(
            closing,
            stage=Stage.BEGUN,
            attempts=closing.attempts + 1,
            unclear=closing.unclear or closing.stage is Stage.BEGUN,
            try_at=now + LEASE,
            looked_at=None,
            code=None,
            said=None,
            refusal=None,
            overtaken_at=None,
            overtaken_by=None,
        ),
    )


def answered(record: Record, answer: Answer, now: datetime) -> Record:
    """Take in what came of an attempt; one that was taken for lost meanwhile no longer counts."""
    closing = record.deallocation
    if closing is None or closing.stage is not Stage.BEGUN:
        return record
    if (closing.asked_at, closing.attempts) != (answer.asked_at, answer.attempt):
        return record
    match answer:
        case Accepted(looked_at=looked_at, at=at):
            closing = replace(closing, stage=Stage.ACCEPTED, looked_at=looked_at, accepted_at=at)
        case Failed():
            closing = _failed(closing, answer, now)
        case NotSent(refusal=forbidden, again_at=again_at):
            attempts = closing.attempts - 1
            closing = replace(closing, attempts=attempts, said=answer.said, refusal=forbidden)
            closing = (
                replace(closing, stage=Stage.ASKED, try_at=again_at)
                if again_at
                else _given_up(closing, Stage.REFUSED, now)
            )
    # The next look is not as far away as those before had become.
    return replace(record, deallocation=closing, retry=None)


def followed(previous: Record | None, record: Record, signal: Signal | None, now: datetime) -> Record:
    """Take in what a look and a signal tell of a deallocation: done, not done, or done just after a start.

    Args:
        previous: The record before the look.
        record: With the look and the signal.
        signal: The event that asked for the look, if one did.
        now: The time.
    """
    closing = record.deallocation
    if closing is None or previous is None:
        return record
    was = previous.settled
    if (
        closing.after is None
        and record.settled
        and was
        and was.seen_at == closing.seen_at != record.settled.seen_at
    ):
        closing = replace(closing, after=record.settled.power_state, after_at=record.settled.seen_at)
    closing = _overtaken(closing, previous, record, signal)
    return replace(record, deallocation=_outcome(closing, record, now))


def withdrawn(record: Record, terms: Terms, now: datetime) -> Record:
    """End a deallocation that waits and has come to be forbidden by what does not pass by itself."""
    closing = record.closing
    if closing is None or closing.stage is not Stage.ASKED:
        return record
    forbidden = refusal(Case(record, terms, now, by=closing.asked_by))
    if forbidden is None or passes(forbidden):
        return record
    ended = _given_up(replace(closing, refusal=forbidden), Stage.REFUSED, now)
    return replace(record, deallocation=ended)


def taken_back(record: Record, now: datetime) -> Record:
    """The record without what was still to be done: for one that comes from a backup, made who knows when.

    Whoever exempted the VM since then did so in vain, and may have relied on it. So a plan is made and told anew, what
    was asked for has to be asked for again, and what became of an attempt that had begun nobody knows. One that Azure
    took asks it for nothing more: looks tell what became of it.
    """
    flag, closing = record.flag, record.deallocation
    if flag and flag.deallocate_after:
        record = replace(record, flag=replace(flag, deallocate_after=None))
    if closing is None or closing.stage not in {Stage.ASKED, Stage.BEGUN}:
        return record
    if closing.stage is Stage.ASKED and not closing.unclear:
        return replace(record, deallocation=None)
    return replace(record, deallocation=replace(closing, stage=Stage.UNCONFIRMED, ended_at=now))


def _tells_now(notice: Notice, now: datetime, *, again: bool) -> bool:
    """Whether the notice of a VM left Stopped is sent once more now."""
    due = again if notice.parked else notice.try_at <= now
    return due and notice.kind is NoticeKind.LEFT_STOPPED


def _to_be_done(record: Record, by: str | None, now: datetime) -> Record:
    if record.settled is None:
        return record
    deallocation = Deallocation(seen_at=record.settled.seen_at, asked_at=now, asked_by=by, try_at=now)
    return replace(record, deallocation=deallocation, retry=None)


def _given_up(closing: Deallocation, stage: Stage, now: datetime) -> Deallocation:
    """Ended without Azure having taken it; but if it may have taken an earlier attempt, nobody knows."""
    return replace(closing, stage=Stage.UNCONFIRMED if closing.unclear else stage, ended_at=now)


def _failed(closing: Deallocation, answer: Failed, now: datetime) -> Deallocation:
    closing = replace(closing, looked_at=answer.looked_at, code=answer.code, said=answer.said)
    if answer.final or (closing.attempts >= ATTEMPTS and not answer.unknown):
        return _given_up(closing, Stage.FAILED, now)
    pause = max(SPACING[min(closing.attempts, len(SPACING)) - 1], answer.retry_after or timedelta())
    return replace(closing, stage=Stage.BEGUN if answer.unknown else Stage.ASKED, try_at=now + pause)


def _overtaken(
    closing: Deallocation, previous: Record, record: Record, signal: Signal | None
) -> Deallocation:
    """Remember a start that the attempt's own look could not see.

    Azure refuses what conflicts with an operation under way. A start that Azure did not refuse the attempt for had
    therefore ended before; one that began later was refused, until the VM was Deallocated.
    """
    if closing.overtaken_at and not _in_between(closing, closing.overtaken_at, closing.overtaken_by):
        closing = replace(closing, overtaken_at=None, overtaken_by=None)
    if closing.overtaken_at or closing.stage in {Stage.ASKED, Stage.REFUSED, Stage.FAILED}:
        return closing
    if closing.stage is Stage.BEGUN and record.power_state in _UP and previous.power_state not in _UP:
        at, cause = record.observed_at, None
    elif signal and signal.leads_to is PowerState.RUNNING:
        at, cause = signal.cause.at, signal.cause
    else:
        return closing
    return (
        replace(closing, overtaken_at=at, overtaken_by=cause) if _in_between(closing, at, cause) else closing
    )


def _in_between(closing: Deallocation, at: datetime, cause: Cause | None) -> bool:
    """Whether a start lies between the look that an attempt relied on and Azure's answer, as far as these are known.

    Args:
        closing: The deallocation.
        at: When the start was told, or seen.
        cause: What told of it. A resource event marks an end, by Azure's clock; all else marks a beginning.
    """
    first = closing.asked_at if closing.unclear else closing.looked_at or closing.try_at - LEASE
    last = _answered_by(closing)
    if cause and cause.source is Source.EVENT:
        last += LAG
    return first - LAG <= at <= last


def _answered_by(closing: Deallocation) -> datetime:
    """By when Azure had taken the latest attempt, if it did."""
    if closing.accepted_at:
        return closing.accepted_at
    seen = closing.after_at if closing.after is PowerState.DEALLOCATED else None
    return min(closing.try_at, seen - LAG) if seen else closing.try_at


def _outcome(closing: Deallocation, record: Record, now: datetime) -> Deallocation:
    """How far it has got, by what is known now."""
    ended = replace(closing, ended_at=closing.ended_at or now)
    done = _is_done(closing)
    match closing.stage:
        case Stage.ACCEPTED | Stage.CONFIRMED | Stage.UNCONFIRMED if closing.overtaken_at and (
            closing.accepted_at or done
        ):
            return replace(ended, stage=Stage.OVERTAKEN)
        case Stage.ASKED if closing.after:
            shown = Refusal(Rule.NOT_STOPPED.value, f"it is not Stopped any more, but {closing.after}")
            return _given_up(replace(closing, refusal=shown), Stage.REFUSED, now)
        case Stage.ACCEPTED | Stage.UNCONFIRMED if done:
            return replace(closing, stage=Stage.CONFIRMED, ended_at=now)
        case Stage.ACCEPTED if closing.after or now - (closing.accepted_at or now) >= CONFIRM_WITHIN:
            return replace(ended, stage=Stage.UNCONFIRMED)
        case Stage.BEGUN if closing.said or now >= closing.try_at:
            return _unanswered(closing, record, now)
        case _:
            return closing


def _is_done(closing: Deallocation) -> bool:
    """Whether the VM was seen Deallocated next, and soon enough to be so by this."""
    if closing.after is not PowerState.DEALLOCATED or closing.after_at is None:
        return False
    return closing.after_at <= (closing.accepted_at or closing.try_at) + BELIEVE_WITHIN


def _unanswered(closing: Deallocation, record: Record, now: datetime) -> Deallocation:
    """An attempt of which nobody knows whether Azure took it: what the VM shows tells."""
    if _is_done(closing):
        return replace(closing, stage=Stage.CONFIRMED, ended_at=now)
    if record.power_state in _DOWN:
        return replace(closing, stage=Stage.ACCEPTED, accepted_at=now)
    if now >= closing.try_at and (closing.after or closing.attempts >= ATTEMPTS):
        return replace(closing, stage=Stage.UNCONFIRMED, ended_at=now)
    return closing
