"""The log of a VM's actions: who asked for what, and what came of it. What is new in a record makes its lines."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from shared.domain import phrases
from shared.domain.actions import Deallocation, Entry, Refusal, Stage, What
from shared.domain.news import Ask, LookAsked, News, Snooze
from shared.domain.news import Exempt as ExemptNews
from shared.domain.policy import Channel
from shared.domain.records import Flag, Notice, NoticeKind, Record


def entries(
    previous: Record | None, record: Record, news: News | None, refused: Refusal | None, now: datetime
) -> tuple[Entry, ...]:
    """The lines that a decision adds.

    Args:
        previous: The record before; None: there was none.
        record: The record as decided.
        news: What a person asked for, if that is what it was decided on.
        refused: Why that is not done.
        now: The time.
    """
    lines = list[_Line]()
    if isinstance(news, LookAsked):
        lines.append((What.LOOK_ASKED, news.by, "", None))
    if isinstance(news, Ask) and refused:
        lines.append((What.DEALLOCATION_REFUSED, news.by, refused.reason, refused.rule))
    person = news.by if isinstance(news, Snooze | ExemptNews) else None
    if previous:
        lines += _of_snooze(previous.flag, record.flag, person)
        lines += _of_exemption(previous, record, person)
    lines += _of_refusal(previous.flag if previous else None, record.flag)
    lines += _of_deallocation(previous.deallocation if previous else None, record.deallocation)
    lines += _of_notices(previous.outbox if previous else (), record.outbox)
    # A microsecond apart, so that they stay in this order wherever they are kept.
    return tuple(
        Entry(record.vm, now + timedelta(microseconds=place), *line) for place, line in enumerate(lines)
    )


def sent(record: Record, notice: Notice, now: datetime) -> Entry:
    """The line that tells of a notice which has been sent.

    Args:
        record: Of which VM.
        notice: What was sent, and where.
        now: The time.
    """
    # Of several at one time, each has a microsecond of its own: two lines of one kind and time would be one.
    place = list(Channel).index(notice.channel) * len(NoticeKind) + list(NoticeKind).index(notice.kind)
    at = now + timedelta(microseconds=place)
    return Entry(record.vm, at, What.NOTICE_SENT, None, phrases.notice(notice))


type _Line = tuple[What, str | None, str, str | None]


def _of_snooze(before: Flag | None, flag: Flag | None, person: str | None) -> Iterator[_Line]:
    until = flag.snoozed_until if flag else None
    if flag is None or before is None or until == before.snoozed_until:
        return
    if until:
        yield What.SNOOZED, person, f"until {phrases.moment(until)}", None
    else:
        yield What.SNOOZE_ENDED, person, "", None


def _of_exemption(previous: Record, record: Record, person: str | None) -> Iterator[_Line]:
    if previous.exempted == record.exempted:
        return
    if record.exempted:
        yield What.EXEMPTED, person, phrases.exempt(record.exempted), None
    else:
        yield What.EXEMPTION_ENDED, person, "", None


def _of_refusal(before: Flag | None, flag: Flag | None) -> Iterator[_Line]:
    refused, known = (each.refusal if each else None for each in (flag, before))
    if refused and not (known and known.rule == refused.rule):
        yield What.DEALLOCATION_REFUSED, None, refused.reason, refused.rule


def _of_notices(before: tuple[Notice, ...], outbox: tuple[Notice, ...]) -> Iterator[_Line]:
    known = {(notice.id, notice.channel) for notice in before if notice.parked}
    for notice in outbox:
        if notice.parked and (notice.id, notice.channel) not in known:
            yield What.NOTICE_GIVEN_UP, None, phrases.given_up(notice), None


def _of_deallocation(before: Deallocation | None, closing: Deallocation | None) -> Iterator[_Line]:
    if closing is None:
        return
    by = closing.asked_by
    if before is None or before.asked_at != closing.asked_at:
        yield What.DEALLOCATION_ASKED, by, "", None
        before = None
    was = before.stage if before else Stage.ASKED
    if closing.stage in {Stage.ASKED, Stage.BEGUN} and was is Stage.BEGUN:
        if closing.refusal:
            yield What.DEALLOCATION_REFUSED, by, closing.refusal.reason, closing.refusal.rule
        elif closing.said and before != closing:
            yield What.DEALLOCATION_ATTEMPT_FAILED, by, phrases.of_azure(closing), None
        elif before and closing.attempts > before.attempts:
            yield What.DEALLOCATION_BEGUN, by, f"attempt {closing.attempts}", None
    elif closing.stage is not was:
        what, text = _ENDS[closing.stage]
        rule = closing.refusal.rule if closing.refusal and closing.stage is Stage.REFUSED else None
        yield what, by, text(closing), rule


_ENDS: Mapping[Stage, tuple[What, Callable[[Deallocation], str]]] = {
    Stage.BEGUN: (What.DEALLOCATION_BEGUN, lambda closing: f"attempt {closing.attempts}"),
    Stage.ACCEPTED: (What.DEALLOCATION_ACCEPTED, lambda _: ""),
    Stage.CONFIRMED: (What.DEALLOCATION_CONFIRMED, lambda _: ""),
    Stage.UNCONFIRMED: (What.DEALLOCATION_UNCONFIRMED, phrases.unconfirmed),
    Stage.FAILED: (What.DEALLOCATION_FAILED, phrases.of_azure),
    Stage.REFUSED: (
        What.DEALLOCATION_REFUSED,
        lambda closing: closing.refusal.reason if closing.refusal else "",
    ),
    Stage.OVERTAKEN: (What.DEALLOCATION_OVERTAKEN, phrases.overtaken),
}
"""What is told of each stage but the first."""
