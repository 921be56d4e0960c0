"""What people and systems are told of a VM."""

from msgspec import Struct

from shared.domain.money import Cost
from shared.domain.records import Notice, Record


class Telling(Struct, frozen=True):
    """A notice, with what its receiver wants to know."""

    notice: Notice
    record: Record
    """As it is when the notice is sent, which may be later than when it was made."""
    cost: Cost | None = None
    """None: the VM is not Stopped, or its price was not to be had in time."""
