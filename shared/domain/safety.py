"""The safety table: what forbids that a VM is deallocated. Pure; each row with its reason in words.

It is asked three times: when a deallocation is planned or asked for, when it is due, and on a fresh look just before
Azure is asked. The first row that forbids it is the one that is told.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from shared.domain import phrases
from shared.domain.actions import Refusal, Stage
from shared.domain.policy import Mode, Terms
from shared.domain.records import FlagKind, NoticeKind, Record
from shared.domain.states import SETTLED_PROVISIONING, PowerState, ProvisioningState


class Rule(StrEnum):
    """The rows, in the order in which they are asked."""

    NOT_ALLOWED = "not_allowed"
    OBSERVE = "observe"
    MODE = "mode"
    NOT_STOPPED = "not_stopped"
    IN_PROGRESS = "in_progress"
    TOLD_OF_A_CHANGE = "told_of_a_change"
    FAILED_PROVISIONING = "failed_provisioning"
    EPHEMERAL_OS_DISK = "ephemeral_os_disk"
    EXEMPT = "exempt"
    SNOOZED = "snoozed"
    DEDICATED_HOST = "dedicated_host"
    CAPACITY_RESERVATION = "capacity_reservation"
    NOT_FLAGGED = "not_flagged"
    TRIED = "tried"
    NOT_TOLD = "not_told"
    TOO_EARLY = "too_early"
    CAP = "cap"


class Scope(StrEnum):
    """Where a row holds."""

    ALWAYS = "always"
    """Also where a person asks."""
    UNASKED = "unasked"
    """Where Stopgap acts by itself."""
    UNASKED_AND_DUE = "unasked_and_due"
    """The same, but not yet when it only plans."""


class Case(Struct, frozen=True):
    """A deallocation that somebody asks for, or that Stopgap plans or has come to do."""

    record: Record
    """As of the look that it is judged by."""
    terms: Terms
    now: datetime
    by: str | None = None
    """Who asks; None: Stopgap itself."""
    planning: bool = False
    free_at: datetime | None = None
    """When the cap allows the next one; None: now, or it was not asked."""


class Row(Struct, frozen=True):
    """One row of the table."""

    scope: Scope
    forbids: Callable[[Case], bool]
    reason: Callable[[Case], str]
    passes: bool = False
    """Whether it passes by itself: the plan stands, and is tried again."""


def _flagged(case: Case) -> bool:
    flag = case.record.flag
    return flag is not None and flag.kind is FlagKind.LEFT_STOPPED


def _exempt(case: Case) -> bool:
    exemption = case.record.exemption
    return exemption is not None and exemption.holds(case.now)


def _snoozed(case: Case) -> bool:
    until = case.record.flag.snoozed_until if case.record.flag else None
    return until is not None and case.now < until


def _tried(case: Case) -> bool:
    closing = case.record.closing
    return closing is not None and closing.stage in {Stage.FAILED, Stage.UNCONFIRMED, Stage.OVERTAKEN}


def _told(case: Case) -> bool:
    """Whether it was told of wherever notices go, and not only somewhere."""
    flag = case.record.flag
    unsent = any(notice.kind is NoticeKind.LEFT_STOPPED for notice in case.record.outbox)
    return flag is not None and flag.told and not unsent


def _too_early(case: Case) -> bool:
    after = case.record.flag.deallocate_after if case.record.flag else None
    return after is None or case.now < after


def _why_told_of_a_change(case: Case) -> str:
    heard = case.record.heard
    what = f"{heard.cause.operation} at {phrases.moment(heard.cause.at)}" if heard else "a change"
    return f"Azure told of {what}, which no look has seen yet"


def _why_exempt(case: Case) -> str:
    return f"it is {phrases.exempt(case.record.exemption)}" if case.record.exemption else ""


def _why_snoozed(case: Case) -> str:
    flag = case.record.flag
    return f"it is {phrases.snoozed(flag)}" if flag else ""


def _why_too_early(case: Case) -> str:
    after = case.record.flag.deallocate_after if case.record.flag else None
    return (
        f"its owner was told that it happens after {phrases.moment(after)}" if after else "it is not planned"
    )


def _why_cap(case: Case) -> str:
    most = case.terms.policy.most_per_hour
    again = f"; tried again after {phrases.moment(case.free_at)}" if case.free_at and most else ""
    return f"STOPGAP_MAX_DEALLOCATIONS_PER_HOUR is {most}, and as many were sent within an hour{again}"


RULES: Mapping[Rule, Row] = {
    Rule.NOT_ALLOWED: Row(
        Scope.ALWAYS,
        lambda case: not case.terms.policy.allow_deallocate,
        lambda _: "STOPGAP_ALLOW_DEALLOCATE is not true",
    ),
    Rule.OBSERVE: Row(
        Scope.ALWAYS,
        lambda case: case.terms.mode is Mode.OBSERVE,
        lambda _: "in mode observe VMs are only watched",
    ),
    Rule.MODE: Row(
        Scope.UNASKED,
        lambda case: case.terms.mode is not Mode.DEALLOCATE,
        lambda case: f"in mode {case.terms.mode} only a person may ask for it",
    ),
    Rule.NOT_STOPPED: Row(
        Scope.ALWAYS,
        lambda case: case.record.reading.power_state is not PowerState.STOPPED,
        lambda case: f"it is not Stopped: Azure shows it as {case.record.reading.power_state}",
        passes=True,
    ),
    Rule.IN_PROGRESS: Row(
        Scope.ALWAYS,
        lambda case: case.record.reading.provisioning_state not in SETTLED_PROVISIONING,
        lambda case: f"an operation on it is in progress ({case.record.reading.provisioning_state})",
        passes=True,
    ),
    Rule.TOLD_OF_A_CHANGE: Row(
        Scope.ALWAYS, lambda case: case.record.heard is not None, _why_told_of_a_change, passes=True
    ),
    Rule.FAILED_PROVISIONING: Row(
        Scope.UNASKED,
        lambda case: case.record.reading.provisioning_state is ProvisioningState.FAILED,
        lambda case: f"its last operation failed ({case.record.reading.error_code or 'no code'})",
    ),
    Rule.EPHEMERAL_OS_DISK: Row(
        Scope.ALWAYS,
        lambda case: case.record.model.ephemeral_os_disk,
        lambda _: "its OS disk is ephemeral: Azure cannot deallocate such a VM, only delete it",
    ),
    Rule.EXEMPT: Row(Scope.ALWAYS, _exempt, _why_exempt),
    Rule.SNOOZED: Row(Scope.ALWAYS, _snoozed, _why_snoozed),
    Rule.DEDICATED_HOST: Row(
        Scope.UNASKED,
        lambda case: case.record.model.dedicated_host,
        lambda _: "it is on a dedicated host, which is paid for as a whole: nothing would be saved",
    ),
    Rule.CAPACITY_RESERVATION: Row(
        Scope.UNASKED,
        lambda case: case.record.model.capacity_reservation,
        lambda _: (
            "it draws on a capacity reservation, which is paid for all the same: nothing would be saved"
        ),
    ),
    Rule.NOT_FLAGGED: Row(
        Scope.UNASKED,
        lambda case: not _flagged(case),
        lambda _: "it is not flagged as left Stopped",
        passes=True,
    ),
    Rule.TRIED: Row(
        Scope.UNASKED,
        _tried,
        lambda _: "an earlier attempt did not succeed; a person may ask for another",
    ),
    Rule.NOT_TOLD: Row(
        Scope.UNASKED_AND_DUE,
        lambda case: not _told(case),
        lambda _: "the notice that tells of it could not be sent everywhere yet",
        passes=True,
    ),
    Rule.TOO_EARLY: Row(Scope.UNASKED_AND_DUE, _too_early, _why_too_early, passes=True),
    Rule.CAP: Row(Scope.ALWAYS, lambda case: case.free_at is not None, _why_cap, passes=True),
}
"""Each rule. What is not known of a VM's kind (its disk, its host) does not forbid: Azure itself refuses then."""


def refusal(case: Case) -> Refusal | None:
    """What forbids a deallocation, by the first row that does; None: nothing."""
    for rule, row in RULES.items():
        if _holds(row.scope, case) and row.forbids(case):
            return Refusal(rule.value, row.reason(case))
    return None


def passes(refused: Refusal) -> bool:
    """Whether what refused it passes by itself."""
    return refused.rule in set(Rule) and RULES[Rule(refused.rule)].passes


def _holds(scope: Scope, case: Case) -> bool:
    match scope:
        case Scope.ALWAYS:
            return True
        case Scope.UNASKED:
            return case.by is None
        case Scope.UNASKED_AND_DUE:
            return case.by is None and not case.planning
