"""What state a VM is in, since when and why: looks and signals put together, without policy.

Looks are samples and signals are hints: the state is what a look sees; a signal may tell since when and by whom.
"""

from copy import replace
from datetime import datetime, timedelta

from shared.domain.observations import Gone, Model, Observation
from shared.domain.policy import our_tags
from shared.domain.records import Heard, Record, Settled
from shared.domain.signals import RENEWS, Cause, Signal, Source
from shared.domain.states import PowerState, ProvisioningState

HEARSAY = timedelta(minutes=15)
"""How far a signal's time and the looks around it may lie apart for the signal to explain what they saw: an
annotation marks a beginning, an event an end, and "usually delayed in the order of few minutes" is Azure's word
for the latter. An older signal is a late duplicate. Also how long a state that was only told of is looked for."""


def with_look(previous: Record | None, seen: Observation | Gone) -> Record:
    """The record with what a look saw, and with the first sight of the VM outside its settled state."""
    reading, at = seen.reading, seen.observed_at
    model = seen.model if isinstance(seen, Observation) else None
    tags = our_tags(seen.tags) if isinstance(seen, Observation) else {}
    if previous is None:
        return Record(
            vm=seen.vm,
            observed_at=at,
            reading=reading,
            model=model or Model(),
            tags=tags,
            power_state=reading.power_state,
            appeared_at=at,
            not_before=None,
            os_failed_at=at if reading.os_failed else None,
        )
    record = replace(previous, observed_at=at, reading=reading, model=model or previous.model, tags=tags)
    known = previous.model.uid
    if known and model and model.uid is None:
        record = replace(record, model=replace(model, uid=known))
    elif known and model and model.uid != known and previous.power_state is not PowerState.DELETED:
        record = _recreated(previous, record)
    record = _with_os_failure(previous, record)
    power = reading.power_state
    if power is PowerState.UNKNOWN and record.power_state is not PowerState.DELETED:
        power = record.power_state  # no word is no news
    if power is not record.power_state:
        record = replace(record, power_state=power, appeared_at=at, not_before=previous.observed_at)
    settled = record.settled
    if settled and settled.left_at is None and settled.power_state is not power:
        record = replace(record, settled=replace(settled, left_at=at))
    return record


def _recreated(previous: Record, record: Record) -> Record:
    """A VM with the name of one that we knew: that one was deleted at some time since, unseen."""
    deleted = Settled(
        power_state=PowerState.DELETED,
        before=previous.settled.power_state if previous.settled else None,
        since=record.observed_at,
        since_source=Source.OBSERVED,
        seen_at=record.observed_at,
        not_before=previous.observed_at,
    )
    return replace(record, power_state=PowerState.UNKNOWN, settled=deleted, heard=None, os_failed_at=None)


def _with_os_failure(previous: Record, record: Record) -> Record:
    """Keep the first sight of a failed OS provisioning while it lasts.

    A failure without an error code, as the oldest document shows it, is one of OS provisioning if the VM was seen
    creating just before; of any other operation, it leaves the VM running as it was.
    """
    reading = record.reading
    if not reading.settled:
        return record
    no_code = (
        reading.power_state is PowerState.RUNNING
        and reading.provisioning_state is ProvisioningState.FAILED
        and reading.error_code is None
    )
    creating = previous.reading.provisioning_state is ProvisioningState.CREATING
    failed = reading.os_failed or (no_code and (creating or record.os_failed_at is not None))
    failed_at = (record.os_failed_at or record.observed_at) if failed else None
    return record if failed_at == record.os_failed_at else replace(record, os_failed_at=failed_at)


def settle(record: Record) -> Record:
    """Settle a VM at rest in the state that it is in."""
    if not record.reading.settled:
        return record
    before, heard = record.settled, record.heard
    settled = record.present or Settled(
        power_state=record.power_state,
        before=before.power_state if before else None,
        since=record.appeared_at,
        since_source=Source.OBSERVED,
        seen_at=record.observed_at,
        # Nor before the state that it follows, though that be only a guess at when the VM of before was deleted.
        not_before=max((at for at in (record.not_before, before and before.since) if at), default=None),
    )
    if heard and heard.leads_to is settled.power_state:
        settled = _explained(settled, heard.cause)
    if settled.power_state is PowerState.DEALLOCATED and record.reading.hibernated:
        settled = replace(settled, hibernated=True)
    return _forgotten(record if settled is record.settled else replace(record, settled=settled))


def covers(record: Record, signal: Signal) -> bool:
    """Whether a look has seen already what a signal tells of, so that it can only add a cause.

    The VM is at rest in the state that the signal leads to, by a look that began after what it tells of.
    """
    present = record.present
    return (
        present is not None
        and record.heard is None
        and present.power_state is signal.leads_to
        and record.observed_at >= signal.cause.at
        and not _renews(present, signal.cause, record.observed_at)
    )


def with_signal(record: Record, signal: Signal | None) -> Record:
    """Take in a signal that explains the present state, or tells of one not seen yet; leave out a stale one."""
    if signal is None or signal.leads_to is None:
        return record
    cause, present = signal.cause, record.present
    if signal.leads_to is not record.power_state:
        fresh = abs(record.observed_at - cause.at) <= HEARSAY
        return _forgotten(_hear(record, signal.leads_to, cause)) if fresh else record
    if present and _renews(present, cause, record.observed_at):
        return _forgotten(replace(record, settled=_renewed(present, cause, record.observed_at)))
    state = present or record
    seen_at = present.seen_at if present else record.observed_at
    if cause.at - seen_at > HEARSAY or (state.not_before and state.not_before - cause.at > HEARSAY):
        return record
    if present is None:
        return _hear(record, signal.leads_to, cause)
    return _forgotten(replace(record, settled=_explained(present, cause)))


def _renews(present: Settled, cause: Cause, observed_at: datetime) -> bool:
    """Whether a Running VM was restarted since, which no look has to have seen.

    The annotation at a restart's beginning and the event at its end tell of one and the same.
    """
    if present.power_state is not PowerState.RUNNING or cause.verb not in RENEWS:
        return False
    known = present.cause
    same = known is not None and known.verb in RENEWS and abs(known.at - cause.at) <= HEARSAY
    return present.since < cause.at <= observed_at and not same


def _renewed(present: Settled, cause: Cause, observed_at: datetime) -> Settled:
    return Settled(
        power_state=present.power_state,
        before=present.power_state,
        since=cause.at,
        since_source=cause.source,
        seen_at=observed_at,
        not_before=max(present.since, cause.at - HEARSAY),
        cause=cause,
    )


def _hear(record: Record, leads_to: PowerState, cause: Cause) -> Record:
    """Keep the weightiest word on one state; of two states, the one told of later."""
    heard = record.heard
    if heard and heard.leads_to is leads_to:
        keep = heard.cause.weight >= cause.weight
    else:
        keep = heard is not None and (heard.cause.at, heard.leads_to) > (cause.at, leads_to)
    return record if keep else replace(record, heard=Heard(leads_to, cause))


def _forgotten(record: Record) -> Record:
    """Forget word of another state if the VM, at rest, is in that one, or got to its own since, or too late."""
    heard, present = record.heard, record.present
    if heard is None or present is None:
        return record
    seen = heard.leads_to is present.power_state
    outdated = present.since_source is not Source.OBSERVED and heard.cause.at <= present.since
    given_up = record.observed_at - heard.cause.at > HEARSAY
    return replace(record, heard=None) if seen or outdated or given_up else record


def _explained(settled: Settled, cause: Cause) -> Settled:
    """The settled state with a cause added. `since` may move earlier by it, never later."""
    at = max(cause.at, settled.not_before) if settled.not_before else cause.at
    if at < settled.since or (at == settled.since and cause.source.weight > settled.since_source.weight):
        settled = replace(settled, since=at, since_source=cause.source)
    if settled.cause is None or cause.weight > settled.cause.weight:
        settled = replace(settled, cause=cause)
    return settled
