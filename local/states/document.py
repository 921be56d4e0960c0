"""The shape of a document of Azure's on VM states, row by row in its own spelling.

What a row means is written down here by hand, so that tests can hold Stopgap's reading against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.states import PowerState, ProvisioningState


class View(StrEnum):
    """Where ARM shows a provisioning state."""

    MODEL = "model"
    """`properties.provisioningState`, a bare word."""
    INSTANCE = "instance"
    """A code among the instance view's `statuses`."""
    BOTH = "both"


class Subject(StrEnum):
    """What a quotation is about."""

    OTHER_CHARGES = "other charges"
    LICENCE = "licence"
    HARDWARE_KEPT = "hardware kept while Stopped"
    BRIEF_STOPPED = "brief Stopped"
    HIBERNATED = "hibernated"
    OS_FAILED = "OS provisioning failed"
    OS_RECOVERS = "OS provisioning recovers"
    OS_ADVICE = "OS provisioning advice"
    OPERATION_FAILED = "operation failed"


@dataclass(frozen=True, slots=True)
class PowerRow:
    """A power state."""

    written: str
    means: PowerState
    wording: str | None = None
    """What it says of billing, to the letter: the billing cell or, where there is none, the description."""
    billed: bool | None = None
    """What that wording means for the compute; None: it says nothing."""


@dataclass(frozen=True, slots=True)
class ProvisioningRow:
    """A provisioning state or OS provisioning substate; as a code it is `ProvisioningState/{written}`."""

    written: str
    means: ProvisioningState
    detail: str | None = None
    """What is kept beside the state: the substate or, when it failed, the error code."""
    view: View = View.BOTH

    @property
    def code(self) -> str:
        """How an instance view would show it."""
        return f"ProvisioningState/{self.written}"


@dataclass(frozen=True, slots=True)
class Operation:
    """A user's operation, and the provisioning state that it shows while it runs."""

    written: str
    shows: ProvisioningState


@dataclass(frozen=True, slots=True)
class ShownAs:
    """What portals call a state. It is no word of an instance view: as a code it would be read as unknown."""

    written: str
    means: PowerState
    hibernated: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A JSON snippet, by the heading under which it stands, and how it is to be read."""

    heading: str
    codes: tuple[str, ...] = ()
    power: PowerState = PowerState.UNKNOWN
    provisioning: ProvisioningState = ProvisioningState.UNKNOWN
    detail: str | None = None
    model_state: str | None = None
    """The model's `provisioningState`, in the one example of it."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document."""

    key: str
    """Names its examples: `tests/data/documents/{key}.json`."""
    name: str
    """What the page calls it."""
    title: str
    dated: str
    """Its date, and where that is from."""
    link: str
    note: str
    power: tuple[PowerRow, ...]
    provisioning: tuple[ProvisioningRow, ...]
    os_provisioning: tuple[ProvisioningRow, ...] = ()
    operations: tuple[Operation, ...] = ()
    shown_as: tuple[ShownAs, ...] = ()
    examples: tuple[Example, ...] = ()
    quotations: Mapping[Subject, str] = field(default_factory=dict)

    def row(self, state: PowerState) -> PowerRow | None:
        """Its row for a power state; None when it has none."""
        return next((row for row in self.power if row.means is state), None)
