"""Scale sets, and the VMs that are made from them.

A Uniform scale set's instances are resources below it (`…/virtualMachineScaleSets/{set}/virtualMachines/{id}`); a
Flexible one's are ordinary VMs with a name of their own, whose model names the set.
"""

from copy import replace
from dataclasses import dataclass
from typing import Literal, get_args

from local.azure.callers import guid
from local.azure.model import SCALE_SET_TYPE, VmSpec

Mode = Literal["Uniform", "Flexible"]


@dataclass(frozen=True, slots=True)
class ScaleSet:
    """A scale set that exists."""

    model: VmSpec
    """What its instances are made from; its name is the set's."""
    mode: Mode

    def __post_init__(self) -> None:
        """Raise ValueError for an orchestration mode that does not exist."""
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode is {self.mode!r}; expected one of {', '.join(get_args(Mode))}")

    @property
    def id(self) -> str:
        """The ARM id."""
        return f"{self.model.group_id}/providers/{SCALE_SET_TYPE}/{self.model.name}"

    def instance(self, number: int) -> VmSpec:
        """The model of one instance.

        Uniform instances are named `{set}_{instance id}`. Flexible ones have eight hexadecimal digits for the id,
        here the same ones for the same number.
        """
        name = self.model.name
        if self.mode == "Uniform":
            return replace(self.model, name=f"{name}_{number}", scale_set=name, instance_id=str(number))
        return replace(self.model, name=f"{name}_{guid(self.id, str(number))[:8]}", scale_set=name)
