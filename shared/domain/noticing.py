"""The notices that follow from a record: each once on each channel, sent again while unconfirmed, then parked."""

from collections.abc import Iterator, Sequence
from copy import replace
from datetime import datetime, timedelta

from shared.domain.actions import Deallocation, Stage
from shared.domain.policy import Channel, Mode, Terms
from shared.domain.records import Flag, FlagKind, Notice, NoticeKind, Record

FIRST_RESEND = timedelta(seconds=30)
LONGEST_RESEND = timedelta(hours=1)
"""A notice that was not confirmed as sent is sent again after 30 s, then at twice the distance, up to an hour."""

MOST_SENDS = 12
"""Then it is parked, after about five hours: shown, and sent again only when a person asks for a look."""

KEPT_PARKED = timedelta(days=30)
"""A notice of what is over that was parked, and that nobody sent again, is forgotten after this."""

TOLD_BY = {
    FlagKind.LEFT_STOPPED: NoticeKind.LEFT_STOPPED,
    FlagKind.FAILED_PROVISIONING: NoticeKind.FAILED_PROVISIONING,
}
"""The notice of each kind of flag."""

ENDED_BY = {
    Stage.CONFIRMED: NoticeKind.DEALLOCATED,
    Stage.UNCONFIRMED: NoticeKind.DEALLOCATION_FAILED,
    Stage.FAILED: NoticeKind.DEALLOCATION_FAILED,
    Stage.OVERTAKEN: NoticeKind.DEALLOCATION_FAILED,
}
"""The notice of each end of a deallocation that anybody has to be told of. What was not sent changed nothing."""


def noticed(
    record: Record, previous: Record | None, terms: Terms, now: datetime, *, again: bool = False
) -> Record:
    """The record with the notices that are to be sent.

    Args:
        record: As decided otherwise.
        previous: The record before.
        terms: What holds for the VM.
        now: The time.
        again: Whether parked notices are tried once more.
    """
    if terms.mode is Mode.OBSERVE:
        return replace(record, outbox=())
    channels = terms.policy.channels
    outbox = [_resent(notice, now, again=again) for notice in record.outbox if _kept(notice, channels, now)]
    had, flag = previous.flag if previous else None, record.flag
    if had and (flag is None or flag.flagged_at != had.flagged_at):
        # A notice of the flag that is still unconfirmed may have got through: take back either.
        told = had.notified_at or any(_tells(notice) for notice in outbox)
        outbox = [notice for notice in outbox if not _tells(notice)]
        if told:
            outbox += _made(
                NoticeKind.FLAG_CLEARED,
                record,
                had.flagged_at.isoformat(),
                _of_a_clearing(had, record, channels),
                now,
            )
    if flag and not flag.told and not flag.snoozed_until:
        kind, name = TOLD_BY[flag.kind], _told_as(flag)
        outbox = [notice for notice in outbox if not _tells(notice) or notice.id == _id(kind, record, name)]
        if not any(_tells(notice) for notice in outbox):
            outbox += _made(kind, record, name, channels, now)
    ended = _ended(previous.deallocation if previous else None, record.deallocation)
    if ended:
        outbox += _made(ENDED_BY[ended.stage], record, _name(ended), channels, now)
    return record if tuple(outbox) == record.outbox else replace(record, outbox=tuple(outbox))


def mark_sent(record: Record, notice: Notice, now: datetime) -> Record:
    """The record once a notice has been sent: out of the outbox and, if it told of the flag, on the flag."""
    rest = tuple(kept for kept in record.outbox if not _same(kept, notice))
    if len(rest) == len(record.outbox):
        return record
    flag = record.flag
    if flag and notice.id == _id(TOLD_BY[flag.kind], record, _told_as(flag)):
        flag = replace(flag, notified_at=now)
    return replace(record, outbox=rest, flag=flag)


def mark_failed(record: Record, notice: Notice, fault: str) -> Record:
    """The record once an attempt to send a notice has failed: why, for people to see."""
    outbox = tuple(replace(kept, fault=fault) if _same(kept, notice) else kept for kept in record.outbox)
    return replace(record, outbox=outbox)


def _of_a_clearing(had: Flag, record: Record, channels: Sequence[Channel]) -> Sequence[Channel]:
    """Where a flag that is gone is told of: not to people who will be told how its deallocation ends."""
    closing = record.deallocation
    told = closing and closing.seen_at == had.seen_at and closing.stage in {Stage.ACCEPTED, Stage.CONFIRMED}
    return [channel for channel in channels if not (told and channel is Channel.WEBHOOK)]


def _ended(before: Deallocation | None, closing: Deallocation | None) -> Deallocation | None:
    """The deallocation, if it has just ended in a way to be told of."""
    if closing is None or closing.stage not in ENDED_BY:
        return None
    same = before and (before.asked_at, before.stage) == (closing.asked_at, closing.stage)
    return None if same else closing


def _made(
    kind: NoticeKind, record: Record, name: str, channels: Sequence[Channel], now: datetime
) -> Iterator[Notice]:
    """A notice, for each channel one.

    Args:
        kind: What it tells.
        record: Of which VM.
        name: Tells it from others of its kind about the VM.
        channels: Where it goes.
        now: The time.
    """
    for channel in channels:
        yield Notice(
            kind=kind, id=_id(kind, record, name), made_at=now, try_at=now + FIRST_RESEND, channel=channel
        )


def _told_as(flag: Flag) -> str:
    return (flag.tell_at or flag.flagged_at).isoformat()


def _name(ended: Deallocation) -> str:
    """One deallocation can be told to have ended twice: unconfirmed, then confirmed or overtaken."""
    return f"{ended.asked_at.isoformat()}/{ended.stage}"


def _id(kind: NoticeKind, record: Record, name: str) -> str:
    return f"{kind}:{name}:{record.vm}"


def _tells(notice: Notice) -> bool:
    return notice.kind in TOLD_BY.values()


def _same(one: Notice, other: Notice) -> bool:
    return (one.id, one.channel) == (other.id, other.channel)


def _kept(notice: Notice, channels: Sequence[Channel], now: datetime) -> bool:
    # What tells of a flag stays as long as the flag: nobody whom it did not reach may be taken for warned.
    old = notice.parked and not _tells(notice) and now - notice.made_at > KEPT_PARKED
    return notice.channel in channels and not old


def _resent(notice: Notice, now: datetime, *, again: bool) -> Notice:
    if notice.parked and again:
        return replace(notice, attempts=notice.attempts + 1, try_at=now + FIRST_RESEND, parked=False)
    if notice.parked or now < notice.try_at:
        return notice
    if notice.attempts >= MOST_SENDS:
        return replace(notice, parked=True)
    distance = min(FIRST_RESEND * 2 ** min(notice.attempts, 16), LONGEST_RESEND)
    return replace(notice, attempts=notice.attempts + 1, try_at=now + distance)
