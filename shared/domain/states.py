"""Power and provisioning states: the words, what they mean for billing, and how a view is read.

The words are those of "States and billing status of Azure Virtual Machines"
(learn.microsoft.com/azure/virtual-machines/states-billing), the newest of Azure's documents on the matter.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Self

from msgspec import Struct

from shared.domain.malformed import Malformed, shown


class _Word(StrEnum):
    """A word of Azure's: read in any letter case, and as `unknown` when it is none that we know."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        word = str(value).strip().lower()
        word = _SAME.get(word, word)
        return next((member for member in cls if member.value == word), cls("unknown"))


_SAME = {"success": "succeeded"}
"""The oldest document's prose says Success; the code beside it is `ProvisioningState/succeeded`."""


class PowerState(_Word):
    """What the hypervisor says of a VM."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"
    DELETED = "deleted"
    """Ours, not Azure's: ARM answered that there is no such VM."""
    UNKNOWN = "unknown"


class ProvisioningState(_Word):
    """How the last control-plane operation on a VM went."""

    CREATING = "creating"
    UPDATING = "updating"
    DELETING = "deleting"
    MIGRATING = "migrating"
    IN_PROGRESS = "inprogress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


BILLED: Mapping[PowerState, bool | None] = {
    PowerState.CREATING: False,
    PowerState.STARTING: True,
    PowerState.RUNNING: True,
    PowerState.STOPPING: True,
    PowerState.STOPPED: True,
    PowerState.DEALLOCATING: False,
    PowerState.DEALLOCATED: False,
    PowerState.DELETED: False,
    PowerState.UNKNOWN: None,
}
"""Whether the VM's compute is billed in a power state; None where that cannot be known."""

SETTLED_POWER = frozenset({PowerState.RUNNING, PowerState.STOPPED, PowerState.DEALLOCATED})
"""The power states in which a VM stays; the others pass."""

SETTLED_PROVISIONING = frozenset(
    {ProvisioningState.SUCCEEDED, ProvisioningState.FAILED, ProvisioningState.CANCELED}
)
"""The provisioning states in which no operation runs. An unknown word is not one of them: Azure may be at work."""

_OS_PROVISIONING = {"osprovisioninginprogress", "osprovisioningcomplete"}
"""Substates of Creating; the oldest document shows them without their `creating/`."""


class Reading(Struct, frozen=True):
    """What a VM's top-level statuses say."""

    power_state: PowerState
    provisioning_state: ProvisioningState
    detail: str | None
    """What follows the provisioning state: an OS provisioning substate or, when it failed, the error code."""
    hibernated: bool

    @property
    def settled(self) -> bool:
        """A state in which the VM stays, with no operation at work on it."""
        if self.power_state is PowerState.DELETED:
            return True
        return self.power_state in SETTLED_POWER and self.provisioning_state in SETTLED_PROVISIONING

    @property
    def os_failed(self) -> bool:
        """Whether it runs and its OS provisioning failed, by the error code: `OSProvisioningTimedOut` and others."""
        failed = self.power_state is PowerState.RUNNING and self.error_code is not None
        return failed and str(self.error_code).lower().startswith("osprovisioning")

    @property
    def error_code(self) -> str | None:
        """The code with which the last operation failed."""
        return self.detail if self.provisioning_state is ProvisioningState.FAILED else None


NO_SUCH_VM = Reading(PowerState.DELETED, ProvisioningState.UNKNOWN, None, hibernated=False)
"""What is read of a VM that is not there."""


def read_statuses(statuses: object, model_state: object = None) -> Reading:
    """Read the `statuses` array of an instance view.

    Entries are found by the prefix of their code, in any order and letter case; other prefixes are none of
    our business. No `PowerState/` entry means unknown, never Stopped.

    Args:
        statuses: The view's top-level array; None when the view has none.
        model_state: The model's `properties.provisioningState`, for a view that has none of its own.
    """
    return _reading(tuple(_codes(statuses)), model_state if isinstance(model_state, str) else None)


@lru_cache(maxsize=1024)
def _reading(codes: tuple[str, ...], model_state: str | None) -> Reading:
    """What codes say. Of a fleet, most say the same."""
    power, provisioning, hibernated = "", list[str](), False
    for code in codes:
        kind, _, rest = code.partition("/")
        match kind.strip().lower():
            case "powerstate":
                power = power or rest
            case "provisioningstate":
                provisioning.append(rest)
            case "hibernationstate":
                hibernated = hibernated or rest.strip().lower() == "hibernated"
    if not provisioning and model_state is not None:
        provisioning.append(model_state)
    state, detail = _provisioning(provisioning)
    return Reading(_power(power), state, detail, hibernated)


def _codes(statuses: object) -> Iterable[str]:
    if statuses is None:
        return
    if not isinstance(statuses, list):
        raise Malformed(f"instance view: expected `statuses` to be an array, got {shown(statuses)}")
    for entry in statuses:
        if not isinstance(entry, dict):
            raise Malformed(f"instance view: expected each of `statuses` to be an object, got {shown(entry)}")
        code = entry.get("code")
        if not isinstance(code, str):
            raise Malformed(f"instance view: expected a status with a text `code`, got {shown(dict(entry))}")
        yield code


def _power(word: str) -> PowerState:
    state = PowerState(word)
    return PowerState.UNKNOWN if state is PowerState.DELETED else state


def _provisioning(entries: list[str]) -> tuple[ProvisioningState, str | None]:
    """The state of the first entry, with the detail of the first that has one."""
    state, detail = ProvisioningState.UNKNOWN, None
    for position, entry in enumerate(entries):
        word, _, rest = (part.strip() for part in entry.partition("/"))
        if word.lower() in _OS_PROVISIONING:
            word, rest = ProvisioningState.CREATING, word
        if position == 0:
            state = ProvisioningState(word)
        detail = detail or rest or None
    return state, detail
