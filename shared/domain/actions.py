"""What is asked for, and what came of it: deallocations, and the log of a VM's actions."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from shared.domain.ids import VmId
from shared.domain.signals import Cause
from shared.domain.states import PowerState


class Refusal(Struct, frozen=True):
    """Why a VM is not deallocated, as one row of the safety table says."""

    rule: str
    """The row's name, see `shared.domain.safety.Rule`."""
    reason: str
    """In words that go on from "Not deallocated: "."""


class Stage(StrEnum):
    """How far a deallocation has got."""

    ASKED = "asked"
    """It is to be done; nothing is under way."""
    BEGUN = "begun"
    """An attempt is being made, or its answer was lost."""
    ACCEPTED = "accepted"
    """Azure took it. The VM was not seen Deallocated yet."""
    CONFIRMED = "confirmed"
    """A look saw the VM Deallocated."""
    UNCONFIRMED = "unconfirmed"
    """Azure took it, or may have, and no look saw the VM Deallocated in time."""
    FAILED = "failed"
    """Azure refused: for good, or each of three attempts."""
    REFUSED = "refused"
    """Not sent: a safety rule forbade it when it was to be."""
    OVERTAKEN = "overtaken"
    """Azure took it just after the VM had been started, which the last look before could not see."""

    @property
    def pending(self) -> bool:
        """Whether more is to come."""
        return self in {Stage.ASKED, Stage.BEGUN, Stage.ACCEPTED}


class Deallocation(Struct, frozen=True, kw_only=True):
    """The latest deallocation of a VM that was asked for."""

    seen_at: datetime
    """The first look that saw the VM Stopped: names the stretch of time that this is to end."""
    asked_at: datetime
    """With the VM, its name."""
    asked_by: str | None
    """Who asked for it; None: Stopgap itself, in mode `deallocate`."""
    stage: Stage = Stage.ASKED
    try_at: datetime
    """When the next attempt may begin. While one is under way: when it is taken for lost."""
    attempts: int = 0
    """Attempts begun, at most three."""
    unclear: bool = False
    """Whether Azure may have taken an attempt before the latest: its answer was lost."""
    looked_at: datetime | None = None
    """The look that the latest attempt relied on."""
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    code: str | None = None
    """Azure's code for why the latest attempt failed."""
    said: str | None = None
    """What Azure said of that, or what failed before it could be asked."""
    after: PowerState | None = None
    """The settled state in which the VM was next seen; None: it was not seen to leave Stopped for another."""
    after_at: datetime | None = None
    """The look that saw it."""
    refusal: Refusal | None = None
    """Why it was not sent, or what keeps it waiting."""
    overtaken_at: datetime | None = None
    """When the VM was started or seen started, after the look that the latest attempt relied on."""
    overtaken_by: Cause | None = None
    """What told of that start; None: a look."""


class What(StrEnum):
    """What the log of a VM's actions tells of."""

    DEALLOCATION_ASKED = "deallocation_asked"
    DEALLOCATION_BEGUN = "deallocation_begun"
    DEALLOCATION_ACCEPTED = "deallocation_accepted"
    DEALLOCATION_ATTEMPT_FAILED = "deallocation_attempt_failed"
    DEALLOCATION_REFUSED = "deallocation_refused"
    """By a safety rule: planned, asked for or due, and not done."""
    DEALLOCATION_CONFIRMED = "deallocation_confirmed"
    DEALLOCATION_UNCONFIRMED = "deallocation_unconfirmed"
    DEALLOCATION_FAILED = "deallocation_failed"
    DEALLOCATION_OVERTAKEN = "deallocation_overtaken"
    SNOOZED = "snoozed"
    SNOOZE_ENDED = "snooze_ended"
    EXEMPTED = "exempted"
    EXEMPTION_ENDED = "exemption_ended"
    LOOK_ASKED = "look_asked"
    NOTICE_SENT = "notice_sent"
    NOTICE_GIVEN_UP = "notice_given_up"
    """Parked: sent again only when a person asks for a look."""

    @property
    def rank(self) -> int:
        """The order of what happens at one time. A part of names in the ledger: new words come last."""
        return list(What).index(self)


class Entry(Struct, frozen=True):
    """One line of the log of a VM's actions."""

    vm: VmId
    at: datetime
    what: What
    by: str | None
    """Who; None: Stopgap itself."""
    text: str = ""
    """The circumstances, in words."""
    rule: str | None = None
    """The safety rule, where one refused."""
