"""What exists in the simulated Azure, and what is answered for what does not."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from local.azure import errors
from local.azure.model import Condition, VirtualMachine, VmSpec
from local.azure.scale_sets import ScaleSet
from local.azure.sorted_ids import SortedIds

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
    _ordinary: SortedIds = field(default_factory=SortedIds)
    """Of the VMs that are in lists of VMs: instances of Uniform scale sets have lists of their own."""
    _members: dict[str, dict[str, VirtualMachine]] = field(default_factory=dict)
    """The VMs of each scale set, by what they are called in it."""

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
        if spec.instance_id is None:
            self._ordinary.add(spec.key)
        if spec.scale_set_id is not None:
            self._members.setdefault(spec.scale_set_id.lower(), {})[_called(spec)] = vm
        return vm

    def remove(self, vm: VirtualMachine) -> None:
        """Let a VM exist no longer, if it still does."""
        spec = vm.spec
        if self.vms.get(spec.key) is not vm:
            return
        del self.vms[spec.key]
        if spec.instance_id is None:
            self._ordinary.remove(spec.key)
        if spec.scale_set_id is not None:
            del self._members[spec.scale_set_id.lower()][_called(spec)]

    def remove_scale_set(self, scale_set: ScaleSet) -> None:
        """Let a scale set exist no longer, nor any VM of it."""
        for vm in self.members(scale_set):
            self.remove(vm)
        del self.scale_sets[scale_set.id.lower()]

    def clear(self) -> None:
        """Let nothing exist but the subscriptions."""
        self.vms.clear()
        self.scale_sets.clear()
        self.resource_groups.clear()
        self._ordinary.clear()
        self._members.clear()

    def ordinary(self, prefix: str, after: str) -> Iterator[tuple[str, VirtualMachine]]:
        """The VMs of lists of VMs below an id, in the order of their ids, that come after one of them."""
        return ((key, self.vms[key]) for key in self._ordinary.below(prefix.lower(), after))

    def sets(self, prefix: str, after: str) -> Iterator[tuple[str, ScaleSet]]:
        """The scale sets below an id, in the order of their ids, that come after one of them."""
        keys = (key for key in self.scale_sets if key.startswith(prefix.lower()) and key > after)
        return ((key, self.scale_sets[key]) for key in sorted(keys))

    def instances(self, scale_set: ScaleSet, after: str) -> Iterator[tuple[str, VirtualMachine]]:
        """The VMs of a scale set, in the order of their ids, that come after one of them."""
        vms = {vm.spec.key: vm for vm in self.members(scale_set)}
        return ((key, vms[key]) for key in sorted(vms) if key > after)

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
        vms: Mapping[str, VirtualMachine] = self._members.get(scale_set.id.lower(), {})
        for instance_id in instance_ids or ():
            if instance_id not in vms:
                raise errors.no_instance(instance_id)
        return [vm for name, vm in vms.items() if instance_ids is None or name in instance_ids]


def _called(spec: VmSpec) -> str:
    """What a VM of a scale set is called in it."""
    return spec.instance_id or spec.name


def _group_and_name(resource_id: str) -> tuple[str, str]:
    parts = resource_id.split("/")
    return (parts[4], parts[-1]) if len(parts) > 4 else ("", resource_id)
