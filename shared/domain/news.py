"""What changes a record beside looks and signals: what a person asks for, and what came of asking Azure."""

from datetime import datetime, timedelta

from msgspec import Struct

from shared.domain.actions import Refusal
from shared.domain.exemptions import Exemption


class Ask(Struct, frozen=True):
    """A person asks that the VM be deallocated."""

    by: str


class Snooze(Struct, frozen=True):
    """A person wants to hear nothing of a flagged VM, and no deallocation of it, until a time."""

    until: datetime | None
    """None: a snooze is over at once."""
    by: str


class Exempt(Struct, frozen=True):
    """A person exempts the VM."""

    exemption: Exemption | None
    """None: an exemption that was entered is over at once."""
    by: str


class LookAsked(Struct, frozen=True):
    """A person asks for a look: notices that were given up are tried once more, too."""

    by: str


class Accepted(Struct, frozen=True):
    """Azure took an attempt to deallocate."""

    asked_at: datetime
    attempt: int
    looked_at: datetime
    """The look that the attempt relied on."""
    at: datetime
    """When Azure's answer came."""


class Failed(Struct, frozen=True):
    """Azure did not take an attempt to deallocate, or nobody knows whether it did."""

    asked_at: datetime
    attempt: int
    looked_at: datetime
    code: str | None
    said: str
    final: bool = False
    """Whether another attempt would meet the same."""
    unknown: bool = False
    """Whether Azure may have taken it all the same: it did not answer, or not clearly."""
    retry_after: timedelta | None = None


class NotSent(Struct, frozen=True):
    """An attempt to deallocate ended before Azure was asked."""

    asked_at: datetime
    attempt: int
    refusal: Refusal | None
    """The safety rule that forbade it; None: something failed on the way, and it is tried again."""
    again_at: datetime | None = None
    """When it is tried again; None: it is not."""
    said: str | None = None
    """What failed on the way, if it did."""


type Answer = Accepted | Failed | NotSent
type News = Ask | Snooze | Exempt | LookAsked | Answer
