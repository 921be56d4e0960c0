"""What happens to a VM next and when, in words for people."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from shared.domain.actions import Deallocation, Stage
from shared.domain.records import Notice, Record


class Prospect(Struct, frozen=True):
    """Something that is to happen."""

    at: datetime | None
    """When; None: there is no time for it."""
    text: str
    """A sentence."""


def prospects(record: Record) -> tuple[Prospect, ...]:
    """What is to happen, in order of time; what has none comes last. Empty: only a signal brings anything."""
    found = [*_of_deallocation(record), *_of_flag(record)]
    found += [_of_notice(notice) for notice in record.outbox if not notice.parked]
    if record.retry:
        found.append(Prospect(record.retry.at, "Stopgap looks at it again."))
    return tuple(sorted(found, key=lambda each: each.at.timestamp() if each.at else float("inf")))


def _of_deallocation(record: Record) -> Iterator[Prospect]:
    flag = record.flag
    if record.under_way:
        yield _of_pending(record.under_way)
    elif flag and flag.deallocate_after:
        text = "Stopgap deallocates it, if it is still Stopped then and nothing else forbids it."
        yield Prospect(flag.deallocate_after, text)


def _of_pending(closing: Deallocation) -> Prospect:
    match closing.stage:
        case Stage.ACCEPTED:
            return Prospect(None, "Stopgap looks until it sees the VM Deallocated.")
        case Stage.BEGUN:
            return Prospect(None, "An attempt to deallocate it is under way.")
        case _:
            return Prospect(closing.try_at, "Azure is asked to deallocate it, if a fresh look allows that.")


def _of_flag(record: Record) -> Iterator[Prospect]:
    if record.flag and record.flag.snoozed_until:
        text = "The snooze ends: if the VM is still flagged, people are told again."
        yield Prospect(record.flag.snoozed_until, text)
    if record.due_at:
        wrong = "its OS provisioning still fails" if record.os_failed_at else "it is still Stopped"
        exempt = record.exemption and record.exemption.until == record.due_at
        yield Prospect(
            record.due_at, f"{'Its exemption ends: it' if exempt else 'It'} is flagged, if {wrong}."
        )


def _of_notice(notice: Notice) -> Prospect:
    what = f"The notice “{notice.kind.replace('_', ' ')}” to the {notice.channel}"
    why = f" ({notice.fault})" if notice.fault else ""
    return Prospect(notice.try_at, f"{what} is sent again, unless confirmed by then{why}.")
