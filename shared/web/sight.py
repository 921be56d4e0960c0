"""What the page of a VM is made from."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from shared.domain.money import Amount, Cost
from shared.domain.policy import Policy
from shared.domain.records import Record
from shared.ports import History


class Sight(Struct, frozen=True, kw_only=True):
    """One VM, as one caller may see it at one moment."""

    record: Record
    history: History
    cost: Cost | None
    """What it costs now; None: nothing, or it is not known."""
    spent: Sequence[Amount | None]
    """What each of the episodes cost."""
    policy: Policy
    """The operator's defaults."""
    now: datetime
    may_change: bool
    """Whether the caller may change things."""
    key: str | None = None
    """The function key that the page was opened with: its links and forms need it too."""
    done: str | None = None
    """What a form of the page has just asked for, as the address says: anybody's word."""
