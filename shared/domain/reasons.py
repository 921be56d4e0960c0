"""Why a record is as it is, in words fit for the VM's owner. They hold still as long as the record does."""

from collections.abc import Callable
from datetime import datetime

from shared.domain.durations import words
from shared.domain.policy import Mode, Terms
from shared.domain.records import Record
from shared.domain.signals import Actor, Cause, Source
from shared.domain.states import SETTLED_POWER, SETTLED_PROVISIONING, PowerState, ProvisioningState

NEVER_SEEN = "There is no such VM, and none was known."


def of(record: Record, terms: Terms) -> str:
    """One to three sentences: the state, since when and by whom, what it costs, what happens next."""
    present = record.present
    sentences = [_AT_REST[present.power_state](record, terms) if present else _unsettled(record)]
    if present and record.heard:
        told = record.heard
        sentences.append(
            f"Told of {told.cause.operation} at {moment(told.cause.at)}, but not seen {told.leads_to} yet: "
            "looking again."
        )
    sentences += [f"Note: {remark}." for remark in terms.remarks]
    return " ".join(sentences)


def moment(at: datetime) -> str:
    """A time for people: to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def by_whom(cause: Cause | None) -> str:
    """The cause in a few words."""
    if cause is None:
        return "cause unknown"
    told = cause.operation.removeprefix("Microsoft.Compute/virtualMachines/")
    match cause.actor:
        case Actor.GUEST:
            return f"from inside the guest ({told})"
        case Actor.PLATFORM:
            return f"by Azure itself ({told})"
        case Actor.CONTROL_PLANE:
            return f"through Azure by {cause.caller or 'an unknown caller'} ({told})"
        case Actor.UNKNOWN:
            return told


def _since(record: Record) -> str:
    at_least = "at least since" if record.since_source is Source.OBSERVED else "since"
    return f"{at_least} {moment(record.since)}, {by_whom(record.cause)}"


def _stopped(record: Record, terms: Terms) -> str:
    start = f"Stopped {_since(record)}; still billed."
    exemption = record.exemption
    if exemption and exemption.holds(record.observed_at):
        until = f" until {moment(exemption.until)}" if exemption.until else ""
        return f"{start} Not flagged: exempt{until} ({exemption.reason})."
    if record.flag is None:
        next_look = f" and not Deallocated by {moment(record.due_at)}" if record.due_at else ""
        return f"{start} Flagged if it is not started{next_look}."
    quiet = " No notice: mode observe." if terms.mode is Mode.OBSERVE else ""
    return f"{start} Flagged: left Stopped for longer than its grace of {words(terms.grace)}.{quiet}"


def _running(record: Record, _: Terms) -> str:
    failed = f" Its last operation failed ({record.reading.error_code})." if record.reading.error_code else ""
    return f"Running {_since(record)}; billed.{failed}"


def _deallocated(record: Record, _: Terms) -> str:
    state = "Hibernated" if record.reading.hibernated else "Deallocated"
    return f"{state} {_since(record)}; compute is not billed."


def _deleted(record: Record, _: Terms) -> str:
    return f"Deleted {_since(record)}; not billed."


_AT_REST: dict[PowerState, Callable[[Record, Terms], str]] = {
    PowerState.RUNNING: _running,
    PowerState.STOPPED: _stopped,
    PowerState.DEALLOCATED: _deallocated,
    PowerState.DELETED: _deleted,
}


def _unsettled(record: Record) -> str:
    power, provisioning = record.reading.power_state, record.reading.provisioning_state
    if power is PowerState.UNKNOWN:
        stands = (
            "none was known"
            if record.power_state is power
            else f"the last known, {record.power_state}, stands"
        )
        return f"Azure gave no power state that we know; {stands}. Looking again."
    if power not in SETTLED_POWER:
        return f"{power.capitalize()}, on its way to another state. Looking again."
    if provisioning is ProvisioningState.UNKNOWN:
        return f"{power.capitalize()}, but Azure gave no provisioning state that we know. Looking again."
    assert provisioning not in SETTLED_PROVISIONING  # noqa: S101 - or it would be at rest
    return f"{power.capitalize()} while an operation is in progress ({provisioning}). Looking again."
