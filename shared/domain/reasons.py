"""Why a record is as it is, in words fit for the VM's owner. They hold still as long as the record does."""

from collections.abc import Callable

from shared.domain import phrases
from shared.domain.actions import Deallocation, Stage
from shared.domain.deallocation import CONFIRM_WITHIN
from shared.domain.durations import words
from shared.domain.phrases import moment
from shared.domain.policy import Mode, Terms
from shared.domain.records import Record
from shared.domain.signals import Actor, Cause, Source, Verb
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


def by_whom(cause: Cause | None) -> str:
    """The cause in a few words."""
    if cause is None:
        return "cause unknown"
    told = cause.operation.rpartition("irtualMachines/")[2]
    done = _DONE[cause.verb] if cause.verb else "changed"
    match cause.actor:
        case Actor.GUEST:
            return f"{done} from inside the guest ({told})"
        case Actor.PLATFORM:
            return f"{done} by Azure itself ({told})"
        case Actor.CONTROL_PLANE:
            caller = cause.caller_name or cause.caller
            return f"{done} through Azure{f' by {caller}' if caller else ''} ({told})"
        case Actor.UNKNOWN:
            return f"{done} ({told})"


_DONE = {
    Verb.POWER_OFF: "powered off",
    Verb.SHUT_DOWN: "shut down",
    Verb.DEALLOCATE: "deallocated",
    Verb.START: "started",
    Verb.RESTART: "restarted",
    Verb.REDEPLOY: "redeployed",
    Verb.EVICT: "evicted",
    Verb.DELETE: "deleted",
}


def _since(record: Record) -> str:
    at_least = "at least since" if record.since_source is Source.OBSERVED else "since"
    return f"{at_least} {moment(record.since)}, {by_whom(record.cause)}"


def _stopped(record: Record, terms: Terms) -> str:
    start = f"Stopped {_since(record)}; still billed."
    if _exempt(record):
        return f"{start} {_exempt(record)}"
    if record.flag:
        flagged = f"Flagged: left Stopped for longer than its grace of {words(terms.grace)}."
        return f"{start} {flagged}{_next(record)}{_quiet(terms)}"
    return f"{start} Flagged if it is not started and not Deallocated by {_due(record)}."


def _running(record: Record, terms: Terms) -> str:
    start, code = f"Running {_since(record)}; billed.{_closed(record)}", record.reading.error_code
    if record.reading.provisioning_state is not ProvisioningState.FAILED:
        return start
    failed = f"failed ({code})" if code else "failed"
    if record.os_failed_at is None:
        return f"{start} Its last operation {failed}: it may run on an older model than the one that Azure shows."
    start = (
        f"{start} Its OS provisioning {failed}; the VM is billed all the same. Azure may yet turn this into success; "
        "else restart the VM, or see what Azure says of the error code."
    )
    if _exempt(record):
        return f"{start} {_exempt(record)}"
    return (
        f"{start} Flagged.{_quiet(terms)}"
        if record.flag
        else f"{start} Flagged if it lasts until {_due(record)}."
    )


def _deallocated(record: Record, _: Terms) -> str:
    state = "Hibernated" if record.reading.hibernated else "Deallocated"
    return f"{state} {_since(record)}; compute is not billed.{_closed(record)}"


def _deleted(record: Record, _: Terms) -> str:
    return f"Deleted {_since(record)}; not billed."


def _exempt(record: Record) -> str:
    exemption = record.exemption
    if exemption is None or not exemption.holds(record.observed_at):
        return ""
    return f"Not flagged: {phrases.exempt(exemption)}."


def _next(record: Record) -> str:
    """What is to become of a flagged VM."""
    flag, closing = record.flag, record.closing
    if closing and closing.stage is not Stage.REFUSED:
        return f" {_progress(closing)}"
    if flag and flag.snoozed_until:
        return f" It is {phrases.snoozed(flag)}."
    if flag and flag.refusal:
        return f" Not deallocated: {flag.refusal.reason}."
    if closing and closing.refusal:
        return f" Not deallocated: {closing.refusal.reason}."
    if flag and flag.deallocate_after:
        return f" It will be deallocated after {moment(flag.deallocate_after)}, if it is still Stopped then."
    return ""


_NO_MORE = "Nothing more is tried unless a person asks."


def _progress(closing: Deallocation) -> str:
    asked = f"Its deallocation, asked for by {closing.asked_by or 'Stopgap'}"
    match closing.stage:
        case Stage.ASKED if closing.refusal:
            return f"{asked}, waits: {closing.refusal.reason}."
        case Stage.ASKED if closing.said:
            return f"{asked}, is tried again after {moment(closing.try_at)}: {phrases.of_azure(closing)}."
        case Stage.ASKED | Stage.BEGUN:
            return f"{asked}, is under way."
        case Stage.ACCEPTED:
            return f"{asked}, was accepted by Azure; not seen Deallocated yet."
        case Stage.FAILED:
            return f"{asked}, failed: {phrases.of_azure(closing)}. {_NO_MORE}"
        case Stage.UNCONFIRMED:
            return f"{asked}, is not confirmed: {phrases.unconfirmed(closing)}. {_NO_MORE}"
        case Stage.OVERTAKEN:
            return f"{asked}, went wrong: {phrases.overtaken(closing)}."
        case _:
            return f"{asked}, is {closing.stage}."


def _closed(record: Record) -> str:
    """What a deallocation had to do with the state in which the VM now is."""
    closing, settled = record.deallocation, record.settled
    if closing is None or settled is None or closing.ended_at is None:
        return ""
    if closing.after_at == settled.seen_at and closing.stage is Stage.CONFIRMED:
        return f" Stopgap did it, {f'as {closing.asked_by} asked' if closing.asked_by else 'in mode deallocate'}."
    told = closing.stage in {Stage.OVERTAKEN, Stage.UNCONFIRMED}
    fresh = closing.asked_at <= settled.seen_at <= closing.ended_at + CONFIRM_WITHIN
    return f" {_progress(closing)}" if told and fresh else ""


def _quiet(terms: Terms) -> str:
    return " No notice: mode observe." if terms.mode is Mode.OBSERVE else ""


def _due(record: Record) -> str:
    return moment(record.due_at) if record.due_at else "its next look"


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
