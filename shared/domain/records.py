"""What Stopgap remembers of a VM: the record, and the transitions and episodes of its life."""

from collections.abc import Mapping
from copy import replace
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

from shared.domain.actions import Deallocation, Refusal, Stage
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.observations import Model
from shared.domain.policy import Channel
from shared.domain.signals import Cause, Source
from shared.domain.states import BILLED, PowerState, Reading
from shared.domain.transitions import Effect, Kind, effect, kind


class FlagKind(StrEnum):
    """What a flag says of a VM."""

    LEFT_STOPPED = "left_stopped"
    FAILED_PROVISIONING = "failed_provisioning"
    """The operating system was not installed in time; the VM runs and is billed. Never deallocated by itself."""


class NoticeKind(StrEnum):
    """What a notice tells people and systems."""

    LEFT_STOPPED = "left_stopped"
    FAILED_PROVISIONING = "failed_provisioning"
    FLAG_CLEARED = "flag_cleared"
    DEALLOCATED = "deallocated"
    DEALLOCATION_FAILED = "deallocation_failed"
    """Or not seen to be done, or done just after a start."""


class Settled(Struct, frozen=True):
    """The state in which a VM was last seen at rest."""

    power_state: PowerState
    before: PowerState | None
    """The settled state that came before; None: none was seen."""
    since: datetime
    """When it began: as a signal told, else when a look first saw it."""
    since_source: Source
    seen_at: datetime
    """When a look first saw it settled. Names its transition and episode in the ledger."""
    not_before: datetime | None
    """The last look that saw another state: `since` cannot be earlier. None: there was no look before."""
    cause: Cause | None = None
    hibernated: bool = False
    """Deallocated with its memory kept."""
    flagged_at: datetime | None = None
    """When it was first flagged as left Stopped in this state."""
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    """Of its flag. Kept here as well, as it outlasts a flag that an exemption clears."""
    left_at: datetime | None = None
    """The first look that saw the VM in another power state, passing ones included. None: it is still in this."""


class Heard(Struct, frozen=True):
    """A signal of a state that no look has seen yet: ARM's answer may lag, an annotation marks a beginning."""

    leads_to: PowerState
    cause: Cause


class Retry(Struct, frozen=True):
    """The next of the looks, ever further apart, at a VM that is not at rest."""

    at: datetime
    looks: int
    """How many have been asked for."""


class Flag(Struct, frozen=True):
    """Our mark on a VM left Stopped past grace, not exempt."""

    kind: FlagKind
    seen_at: datetime
    """The first look that saw what the flag is for."""
    flagged_at: datetime
    notified_at: datetime | None = None
    """When somebody was last told of it."""
    tell_at: datetime | None = None
    """When it came to be told again: its snooze ended, or it will be deallocated. None: since `flagged_at`."""
    deallocate_after: datetime | None = None
    """When it will be deallocated, as its owner is told. None: it will not, or not as things are."""
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    refusal: Refusal | None = None
    """In mode `deallocate`: what keeps the VM from being deallocated."""

    @property
    def told(self) -> bool:
        """Whether somebody was told of it as it is now."""
        return self.notified_at is not None and self.notified_at >= (self.tell_at or self.flagged_at)


class Notice(Struct, frozen=True):
    """Something to be told, kept in the record until it has been."""

    kind: NoticeKind
    id: str
    """The same for every attempt, so that a receiver can tell a repetition."""
    made_at: datetime
    try_at: datetime
    """When the next look may send it, if it is still here by then: whoever saved this attempt is sending it."""
    attempts: int = 1
    channel: Channel = Channel.TOPIC
    fault: str | None = None
    """Why the latest attempt that is known to have failed did."""
    parked: bool = False
    """Whether it was given up. It stays here, to be seen, until a person asks for a look."""


class Record(Struct, frozen=True, kw_only=True):
    """The latest word on one VM."""

    vm: VmId
    observed_at: datetime
    """The look that this record is from. Later looks that found nothing new are not written."""
    reading: Reading
    """What that look read."""
    model: Model
    power_state: PowerState
    """The last known power state, passing ones included: a look that reads none leaves the word that stood."""
    appeared_at: datetime
    """The first look that saw the present power state."""
    not_before: datetime | None
    """The last look that saw another."""
    settled: Settled | None = None
    """The last settled state, whether or not the VM is still in it."""
    heard: Heard | None = None
    os_failed_at: datetime | None = None
    """The first look that saw it run with its OS provisioning failed, if it still does."""
    flag: Flag | None = None
    exemption: Exemption | None = None
    """What forbids flagging, the owner's or the operator's; if its end has passed, the owner's last."""
    exempted: Exemption | None = None
    """What an operator entered."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The tags that are for Stopgap, as last seen."""
    deallocation: Deallocation | None = None
    """The latest that was asked for, of whatever stretch of time."""
    closed: "Episode | None" = None
    """The stretch of time that it was asked for, once that is over: who ended it may come out later."""
    due_at: datetime | None = None
    """When a VM with something to flag is to be looked at for that: its grace or its exemption ends."""
    retry: Retry | None = None
    outbox: tuple[Notice, ...] = ()
    reason: str = ""
    """Why the record is as it is, in words fit for the VM's owner."""

    @property
    def billed(self) -> bool | None:
        """Whether compute is billed in the present state; None when that is not known."""
        return BILLED[self.power_state]

    @property
    def present(self) -> Settled | None:
        """The settled state, if the VM is at rest in it now."""
        at_rest = self.settled and self.reading.settled and self.settled.left_at is None
        return self.settled if at_rest else None

    @property
    def stopped(self) -> Settled | None:
        """The settled state, if the VM is at rest in it now and it is Stopped."""
        present = self.present
        return present if present and present.power_state is PowerState.STOPPED else None

    @property
    def since(self) -> datetime:
        """When the present power state began."""
        return self.present.since if self.present else self.appeared_at

    @property
    def since_source(self) -> Source:
        """How we know `since`; `observed` means "at least since"."""
        return self.present.since_source if self.present else Source.OBSERVED

    @property
    def cause(self) -> Cause | None:
        """Who or what brought the present state about, as far as we were told."""
        if self.present:
            return self.present.cause
        return self.heard.cause if self.heard else None

    @property
    def parked(self) -> bool:
        """Whether a notice of it was given up."""
        return any(notice.parked for notice in self.outbox)

    @property
    def closing(self) -> Deallocation | None:
        """The deallocation of the stretch of time that the VM is in, or that it came back to Stopped from."""
        closing, settled = self.deallocation, self.settled
        if closing is None or settled is None or settled.power_state is not PowerState.STOPPED:
            return None
        return closing if settled.seen_at in {closing.seen_at, closing.after_at} else None

    @property
    def under_way(self) -> Deallocation | None:
        """The deallocation that more is to come of; None: there is none."""
        return self.deallocation if self.deallocation and self.deallocation.stage.pending else None

    @property
    def saving(self) -> "Episode | None":
        """The episode that Stopgap ended, while the VM is still as Stopgap left it: Deallocated."""
        closed = self.closed
        return closed if closed and closed.by_stopgap and closed.resumed_at is None else None

    @property
    def look_at(self) -> datetime | None:
        """When the VM has to be looked at next; None: when a signal or a sweep asks for it."""
        flag, closing = self.flag, self.closing
        # What refuses a deallocation, or follows one, asks for looks of its own.
        planned = flag and not flag.refusal and not (closing and closing.stage is not Stage.REFUSED)
        times = [
            self.due_at,
            self.retry.at if self.retry else None,
            self.exempted.until if self.exempted else None,
            *(notice.try_at for notice in self.outbox if not notice.parked),
            flag.snoozed_until if flag else None,
            flag.deallocate_after if flag and planned else None,
        ]
        return min((at for at in times if at), default=None)


class Transition(Struct, frozen=True):
    """The change between two settled observations of a VM."""

    vm: VmId
    seen_at: datetime
    """The look that saw it. With the VM, its name in the ledger: told again with a better cause, it is replaced."""
    at: datetime
    at_source: Source
    before: PowerState | None
    after: PowerState
    cause: Cause | None
    hibernated: bool = False

    @classmethod
    def to(cls, vm: VmId, settled: Settled) -> "Transition":
        """The transition to a settled state."""
        return cls(
            vm,
            settled.seen_at,
            settled.since,
            settled.since_source,
            settled.before,
            settled.power_state,
            settled.cause,
            settled.hibernated,
        )

    @property
    def kind(self) -> Kind:
        """What happened, as far as two looks and a signal can tell."""
        return kind(
            self.before, self.after, self.cause.verb if self.cause else None, hibernated=self.hibernated
        )

    @property
    def billing(self) -> Effect:
        """What it does to the bill."""
        return effect(self.before, self.after)


class Episode(Struct, frozen=True):
    """One stretch of time that a VM spent Stopped and billed."""

    vm: VmId
    seen_at: datetime
    """The look that first saw it. With the VM, its name in the ledger."""
    started_at: datetime
    started_source: Source
    cause: Cause | None
    flagged_at: datetime | None = None
    ended_at: datetime | None = None
    """None: it lasts."""
    ended_as: PowerState | None = None
    """The state that ended it."""
    ended_by: Cause | None = None
    by_stopgap: bool = False
    """Whether it was Stopgap that ended it, by a deallocation that was confirmed."""
    resumed_at: datetime | None = None
    """When the VM left Deallocated again, if a deallocation that was asked for brought it there. None: it has not."""

    @classmethod
    def of(cls, vm: VmId, settled: Settled) -> "Episode | None":
        """The episode of a settled state, which lasts; None when the state is not Stopped."""
        if settled.power_state is not PowerState.STOPPED:
            return None
        return cls(
            vm, settled.seen_at, settled.since, settled.since_source, settled.cause, settled.flagged_at
        )

    def ended(self, left_at: datetime | None, after: Settled) -> "Episode":
        """The episode once the VM has settled in another state, or come back to Stopped.

        Args:
            left_at: The first look that saw the VM elsewhere, if one did before it settled again.
            after: The state that it settled in.
        """
        recreated = after.before is PowerState.DELETED
        at = min(after.since, left_at) if left_at else after.since
        return replace(
            self,
            ended_at=max(at, self.started_at),
            ended_as=PowerState.DELETED if recreated else after.power_state,
            ended_by=None if recreated else after.cause,
        )

    @property
    def hours(self) -> float | None:
        """How long it lasted; None while it lasts."""
        return (self.ended_at - self.started_at).total_seconds() / 3600 if self.ended_at else None
