"""What others are shown of a VM: its record, transitions and episodes as plain JSON values.

The HTTP API and the notices show the same. Times are ISO 8601 in UTC (`2027-01-31T09:00:00Z`), ids and states
lower-case words; what is not known is null.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.domain.actions import Deallocation, Entry, Refusal
from shared.domain.exemptions import Exemption
from shared.domain.money import Amount, Cost, amount_view, cost_view
from shared.domain.records import Episode, Notice, NoticeKind, Record, Transition
from shared.domain.signals import Cause
from shared.domain.telling import Telling

NOTICE_TYPES: Mapping[NoticeKind, str] = {
    NoticeKind.LEFT_STOPPED: "Stopgap.Vm.LeftStopped",
    NoticeKind.FAILED_PROVISIONING: "Stopgap.Vm.ProvisioningFailed",
    NoticeKind.FLAG_CLEARED: "Stopgap.Vm.FlagCleared",
    NoticeKind.DEALLOCATED: "Stopgap.Vm.Deallocated",
    NoticeKind.DEALLOCATION_FAILED: "Stopgap.Vm.DeallocationFailed",
}
"""The CloudEvents type of each notice."""

TRIAL_TYPE = "Stopgap.Test"


def vm_view(record: Record, cost: Cost | None = None) -> dict[str, object]:
    """The latest word on one VM, and what it costs: None when it is not Stopped or that could not be told."""
    return {
        "id": str(record.vm),
        "subscription": record.vm.subscription,
        "resource_group": record.vm.resource_group,
        "name": record.vm.name,
        "scale_set": record.model.scale_set,
        "location": record.model.location,
        "size": record.model.size,
        "os_type": record.model.os_type,
        "power_state": record.power_state.value,
        "provisioning_state": record.reading.provisioning_state.value,
        "error_code": record.reading.error_code,
        "billed": record.billed,
        "since": _time(record.since),
        "since_source": record.since_source.value,
        "cause": _cause(record.cause),
        "flag": _flag(record),
        "deallocation": _deallocation(record.deallocation),
        "exemption": _exemption(record.exemption),
        "reason": record.reason,
        "observed_at": _time(record.observed_at),
        "cost": cost_view(cost),
    }


def transition_view(transition: Transition) -> dict[str, object]:
    """A change between two settled states; `seen_at` tells it from the others of its VM."""
    return {
        "kind": transition.kind.value,
        "billing": transition.billing.value,
        "before": transition.before.value if transition.before else None,
        "after": transition.after.value,
        "at": _time(transition.at),
        "at_source": transition.at_source.value,
        "seen_at": _time(transition.seen_at),
        "cause": _cause(transition.cause),
    }


def episode_view(episode: Episode, cost: Amount | None = None) -> dict[str, object]:
    """A stretch of time spent Stopped and billed; `seen_at` tells it from the others of its VM.

    Its cost is None while it lasts, or when it could not be told.
    """
    return {
        "started_at": _time(episode.started_at),
        "started_source": episode.started_source.value,
        "seen_at": _time(episode.seen_at),
        "cause": _cause(episode.cause),
        "flagged_at": _time(episode.flagged_at),
        "ended_at": _time(episode.ended_at),
        "ended_as": episode.ended_as.value if episode.ended_as else None,
        "ended_by": _cause(episode.ended_by),
        "hours": episode.hours,
        "by_stopgap": episode.by_stopgap,
        "resumed_at": _time(episode.resumed_at),
        "cost": amount_view(cost),
    }


def entry_view(entry: Entry) -> dict[str, object]:
    """One line of the log of a VM's actions."""
    return {
        "at": _time(entry.at),
        "what": entry.what.value,
        "by": entry.by,
        "text": entry.text,
        "rule": entry.rule,
    }


def notice_view(telling: Telling) -> dict[str, object]:
    """A notice as a CloudEvent 1.0 in JSON, with the VM as its data."""
    notice, record = telling.notice, telling.record
    return {
        "specversion": "1.0",
        "id": notice.id,
        "type": NOTICE_TYPES[notice.kind],
        "source": f"/subscriptions/{record.vm.subscription}",
        "subject": str(record.vm),
        "time": _time(notice.made_at),
        "datacontenttype": "application/json",
        "data": vm_view(record, telling.cost),
    }


def trial_view(at: datetime) -> dict[str, object]:
    """A CloudEvent that is about no VM, by which it is seen whether events arrive."""
    return {
        "specversion": "1.0",
        "id": f"test:{_time(at)}",
        "type": TRIAL_TYPE,
        "source": "/stopgap",
        "subject": "test",
        "time": _time(at),
        "datacontenttype": "application/json",
        "data": {"text": "Somebody tries out whether notices of Stopgap arrive. It is about no VM."},
    }


def _cause(cause: Cause | None) -> dict[str, object] | None:
    if cause is None:
        return None
    return {
        "actor": cause.actor.value,
        "operation": cause.operation,
        "verb": cause.verb.value if cause.verb else None,
        "caller": cause.caller,
        "caller_name": cause.caller_name,
        "correlation_id": cause.correlation_id,
        "at": _time(cause.at),
        "source": cause.source.value,
    }


def _flag(record: Record) -> dict[str, object] | None:
    flag, closing = record.flag, record.closing
    if flag is None:
        return None
    return {
        "kind": flag.kind.value,
        "flagged_at": _time(flag.flagged_at),
        "notified_at": _time(flag.notified_at),
        "deallocate_after": _time(flag.deallocate_after),
        "snoozed_until": _time(flag.snoozed_until),
        "snoozed_by": flag.snoozed_by,
        "outcome": closing.stage.value if closing else None,
        "refusal": _refusal(flag.refusal or (closing.refusal if closing else None)),
    }


def _deallocation(closing: Deallocation | None) -> dict[str, object] | None:
    if closing is None:
        return None
    return {
        "stage": closing.stage.value,
        "asked_at": _time(closing.asked_at),
        "asked_by": closing.asked_by,
        "attempts": closing.attempts,
        "looked_at": _time(closing.looked_at),
        "accepted_at": _time(closing.accepted_at),
        "ended_at": _time(closing.ended_at),
        "after": closing.after.value if closing.after else None,
        "refusal": _refusal(closing.refusal),
        "azure": {"code": closing.code, "message": closing.said} if closing.said else None,
        "overtaken_at": _time(closing.overtaken_at),
        "overtaken_by": _cause(closing.overtaken_by),
    }


def _refusal(refused: Refusal | None) -> dict[str, object] | None:
    return {"rule": refused.rule, "reason": refused.reason} if refused else None


def unsent_view(notice: Notice) -> dict[str, object]:
    """A notice that has not been sent, or is not known to have been."""
    return {
        "kind": notice.kind.value,
        "channel": notice.channel.value,
        "attempts": notice.attempts,
        "parked": notice.parked,
        "try_at": None if notice.parked else _time(notice.try_at),
        "fault": notice.fault,
    }


def _exemption(exemption: Exemption | None) -> dict[str, object] | None:
    if exemption is None:
        return None
    return {"until": _time(exemption.until), "reason": exemption.reason, "by": exemption.by}


def time_view(at: datetime | None) -> str | None:
    """A time as all others are shown; None when it is not known."""
    return _time(at)


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
