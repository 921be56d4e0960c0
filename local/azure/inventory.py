"""What exists in the simulated Azure, and what is answered for what does not."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from local.azure import errors
from local.azure.model import Condition, VirtualMachine, VmSpec
from local.azure.scale_sets import ScaleSet

_INSTANCE = re.compile(r"(.*/virtualMachineScaleSets/[^/]+)/virtualMachines/([^/]+)", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Inventory:
    """Subscriptions, resource groups, scale sets and VMs."""

    subscriptions: set[str]
    """Lower-case ids of the subscriptions that exist."""
    resource_groups: set[tuple[str, str]] = field(default_factory=set)
    """(subscription, resource group), both lower-case."""
    vms: dict[str, VirtualMachine] = field(default_factory=dict)
    """By lower-case id."""
    scale_sets: dict[str, ScaleSet] = field(default_factory=dict)
    """By lower-case id."""

    def add_resource_group(self, subscription: str, resource_group: str) -> None:
        """Make a resource group, and its subscription, known."""
        self.subscriptions.add(subscription.lower())
        self.resource_groups.add((subscription.lower(), resource_group.lower()))

    def add_scale_set(self, scale_set: ScaleSet) -> None:
        """Let a scale set exist, without instances yet."""
        self.add_resource_group(scale_set.model.subscription, scale_set.model.resource_group)
        self.scale_sets[scale_set.id.lower()] = scale_set

    def check_group(self, subscription: str, resource_group: str) -> None:
        """Raise ArmError (404) if there is no such resource group."""
        if (subscription.lower(), resource_group.lower()) not in self.resource_groups:
            raise errors.no_resource_group(resource_group)

    def keep(self, spec: VmSpec, condition: Condition, at: datetime) -> VirtualMachine:
        """Let a VM exist, in this condition."""
        self.add_resource_group(spec.subscription, spec.resource_group)
        vm = VirtualMachine(spec=spec, vm_id=str(uuid4()), history=[])
        vm.become(condition, at)
        self.vms[spec.key] = vm
        return vm

    def find(self, vm_id: str) -> VirtualMachine:
        """The VM of that id, in any letter case. Raises the ArmError of what is missing if there is none."""
        vm = self.vms.get(vm_id.lower())
        if vm is not None:
            return vm
        instance = _INSTANCE.fullmatch(vm_id)
        if instance is None:
            raise errors.no_vm(*_group_and_name(vm_id))
        self.uniform_set(instance[1])
        raise errors.no_instance(instance[2])

    def scale_set(self, set_id: str) -> ScaleSet:
        """The scale set of that id, in any letter case. Raises ArmError if there is none."""
        found = self.scale_sets.get(set_id.lower())
        if found is None:
            raise errors.no_scale_set(*_group_and_name(set_id))
        return found

    def uniform_set(self, set_id: str) -> ScaleSet:
        """The scale set in which instances are looked for. Raises ArmError if there can be none."""
        found = self.scale_sets.get(set_id.lower())
        if found is None:
            raise errors.no_parent(set_id)
        if found.mode != "Uniform":
            raise errors.not_uniform(found.model.name)
        return found

    def members(
        self, scale_set: ScaleSet, instance_ids: Collection[str] | None = None
    ) -> list[VirtualMachine]:
        """The VMs of a scale set that exist; of those, only the ones named, if any are.

        Instances of a Flexible scale set are named by their own names. Raises ArmError for a name that is none's.
        """
        key = scale_set.id.lower()
        vms = {
            vm.spec.instance_id or vm.spec.name: vm
            for vm in self.vms.values()
            if (vm.spec.scale_set_id or "").lower() == key
        }
        for instance_id in instance_ids or ():
            if instance_id not in vms:
                raise errors.no_instance(instance_id)
        return [vm for name, vm in vms.items() if instance_ids is None or name in instance_ids]


def _group_and_name(resource_id: str) -> tuple[str, str]:
    parts = resource_id.split("/")
    return (parts[4], parts[-1]) if len(parts) > 4 else ("", resource_id)
