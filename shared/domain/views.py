"""What others are shown of a VM: its record, transitions and episodes as plain JSON values.

The HTTP API and the notices show the same. Times are ISO 8601 in UTC (`2027-01-31T09:00:00Z`), ids and states
lower-case words; what is not known is null.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.domain.exemptions import Exemption
from shared.domain.money import Amount, Cost, amount_view, cost_view
from shared.domain.records import Episode, Flag, Notice, NoticeKind, Record, Transition
from shared.domain.signals import Cause

NOTICE_TYPES: Mapping[NoticeKind, str] = {
    NoticeKind.LEFT_STOPPED: "Stopgap.Vm.LeftStopped",
    NoticeKind.FAILED_PROVISIONING: "Stopgap.Vm.ProvisioningFailed",
    NoticeKind.FLAG_CLEARED: "Stopgap.Vm.FlagCleared",
}
"""The CloudEvents type of each notice."""


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
        "flag": _flag(record.flag),
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
        "cost": amount_view(cost),
    }


def notice_view(notice: Notice, record: Record) -> dict[str, object]:
    """A notice as a CloudEvent 1.0 in JSON, with the VM as its data."""
    return {
        "specversion": "1.0",
        "id": notice.id,
        "type": NOTICE_TYPES[notice.kind],
        "source": f"/subscriptions/{record.vm.subscription}",
        "subject": str(record.vm),
        "time": _time(notice.made_at),
        "datacontenttype": "application/json",
        "data": vm_view(record),
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


def _flag(flag: Flag | None) -> dict[str, object] | None:
    if flag is None:
        return None
    return {
        "kind": flag.kind.value,
        "flagged_at": _time(flag.flagged_at),
        "notified_at": _time(flag.notified_at),
        # Stopgap neither deallocates nor snoozes yet.
        "deallocate_after": None,
        "snoozed_until": None,
        "outcome": None,
    }


def _exemption(exemption: Exemption | None) -> dict[str, object] | None:
    return {"until": _time(exemption.until), "reason": exemption.reason} if exemption else None


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
