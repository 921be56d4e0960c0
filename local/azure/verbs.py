"""What can be done to VMs and scale sets: in the portal, inside the guest, and by the platform."""

from collections.abc import Collection, Mapping
from copy import replace
from typing import Unpack

from local.azure.annotations import ANNOTATIONS
from local.azure.callers import Caller
from local.azure.compute import Compute
from local.azure.events import annotation_event
from local.azure.life import INSTANCE_ACTIONS, Verb
from local.azure.model import VirtualMachine, VmOptions, VmSpec
from local.azure.operations import RunningOperation, SetOperation

SOMEBODY = "Ada Lovelace"


class Verbs:
    """Things to do to VMs, instances of Uniform scale sets included; ids are ARM's, in any letter case.

    Each begins an operation and returns it: await that to wait for its end. `by` is a person's full name, or None for
    a workload. They raise `ArmError` where ARM would refuse.
    """

    compute: Compute

    def vm(self, vm_id: str) -> VirtualMachine:
        """The VM of that id. Raises ArmError if there is none."""
        return self.compute.find(vm_id)

    def create(
        self,
        subscription: str,
        resource_group: str,
        name: str,
        *,
        by: str | None = SOMEBODY,
        **options: Unpack[VmOptions],
    ) -> RunningOperation:
        """Create a VM; its id is `vm.spec.id` of what is returned."""
        spec = VmSpec(subscription=subscription, resource_group=resource_group, name=name, **options)
        return self.compute.create(spec, Caller(by))

    def start(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Start."""
        return self.compute.begin(Verb.START, self.vm(vm_id), Caller(by))

    def power_off(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Power off: to Stopped, still billed."""
        return self.compute.begin(Verb.POWER_OFF, self.vm(vm_id), Caller(by))

    def restart(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Restart."""
        return self.compute.begin(Verb.RESTART, self.vm(vm_id), Caller(by))

    def deallocate(
        self, vm_id: str, by: str | None = SOMEBODY, *, hibernate: bool = False
    ) -> RunningOperation:
        """Deallocate, or hibernate."""
        return self.compute.begin(Verb.DEALLOCATE, self.vm(vm_id), Caller(by), hibernate=hibernate)

    def delete(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Delete."""
        return self.compute.begin(Verb.DELETE, self.vm(vm_id), Caller(by))

    def redeploy(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Move to another host, which restarts it."""
        return self.compute.begin(Verb.REDEPLOY, self.vm(vm_id), Caller(by))

    def reapply(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Apply the model once more: what mends a failed provisioning state."""
        return self.compute.begin(Verb.REAPPLY, self.vm(vm_id), Caller(by))

    def reimage(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Put the OS disk back to its image, which restarts it."""
        return self.compute.begin(Verb.REIMAGE, self.vm(vm_id), Caller(by))

    def resize(self, vm_id: str, size: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Change the size, which shows at once; a VM that runs is restarted."""
        vm = self.vm(vm_id)
        return self.compute.update(vm, replace(vm.spec, size=size), Caller(by))

    def set_tags(self, vm_id: str, tags: Mapping[str, str], by: str | None = SOMEBODY) -> RunningOperation:
        """Replace the tags, which show at once."""
        vm = self.vm(vm_id)
        return self.compute.update(vm, replace(vm.spec, tags=dict(tags)), Caller(by))

    def guest_shutdown(self, vm_id: str) -> RunningOperation:
        """Shut down from inside: Stopped without any call to ARM; only an annotation tells."""
        return self.compute.begin(Verb.GUEST_SHUTDOWN, self.vm(vm_id))

    def guest_restart(self, vm_id: str) -> RunningOperation:
        """Restart from inside."""
        return self.compute.begin(Verb.GUEST_RESTART, self.vm(vm_id))

    def guest_crash(self, vm_id: str) -> RunningOperation:
        """Crash the guest, which then reboots."""
        return self.compute.begin(Verb.GUEST_CRASH, self.vm(vm_id))

    def evict(self, vm_id: str) -> RunningOperation:
        """Take the capacity of a Spot VM back: deallocated or deleted by the platform, no call to ARM."""
        return self.compute.begin(Verb.EVICT, self.vm(vm_id))

    def host_crash(self, vm_id: str) -> RunningOperation:
        """Crash the host: the VM reboots."""
        return self.compute.begin(Verb.HOST_CRASH, self.vm(vm_id))

    def host_repair(self, vm_id: str) -> RunningOperation:
        """Reboot the failing host, and the VM with it."""
        return self.compute.begin(Verb.HOST_REPAIR, self.vm(vm_id))

    def service_healing(self, vm_id: str) -> RunningOperation:
        """Move the VM away from a failed host: it reboots."""
        return self.compute.begin(Verb.SERVICE_HEALING, self.vm(vm_id))

    def live_migration(self, vm_id: str) -> RunningOperation:
        """Move the VM to another host while it runs."""
        return self.compute.begin(Verb.LIVE_MIGRATION, self.vm(vm_id))

    def annotate(self, vm_id: str, name: str) -> None:
        """Publish a health annotation of which nothing else comes. Raises ValueError for one that does not exist."""
        if name not in ANNOTATIONS:
            raise ValueError(f"annotation is {name!r}; expected one of {', '.join(sorted(ANNOTATIONS))}")
        self.compute.publish(annotation_event(self.vm(vm_id), name, self.compute.clock()))

    def fail_provisioning(self, vm_id: str) -> RunningOperation:
        """Let OS provisioning of a running VM time out: `failed/OSProvisioningTimedOut`, and still running."""
        return self.compute.begin(Verb.FAIL_PROVISIONING, self.vm(vm_id))

    def recover_provisioning(self, vm_id: str) -> RunningOperation:
        """Let the platform turn a failed OS provisioning into success after all."""
        return self.compute.begin(Verb.RECOVER_PROVISIONING, self.vm(vm_id))

    def fail_next(self, vm_id: str, code: str = "InternalOperationError") -> None:
        """Let the VM's next operation, or the one under way, fail and leave the power state as it was."""
        self.vm(vm_id).fails_next = code

    def cancel_next(self, vm_id: str) -> None:
        """Let the VM's next operation, or the one under way, be cancelled and leave the power state as it was."""
        self.vm(vm_id).cancels_next = True

    # Scale sets as a whole

    def on_scale_set(
        self,
        set_id: str,
        verb: Verb | str,
        instance_ids: Collection[str] | None = None,
        by: str | None = SOMEBODY,
    ) -> SetOperation:
        """Start, power off, restart, deallocate, redeploy or reimage instances of a scale set, or all of them.

        Raises ValueError for another verb.
        """
        if verb not in INSTANCE_ACTIONS.values():
            raise ValueError(
                f"verb is {verb!r}; expected one of {', '.join(sorted(INSTANCE_ACTIONS.values()))}"
            )
        scale_set = self.compute.scale_set(set_id)
        vms = self.compute.members(scale_set, instance_ids)
        return self.compute.begin_on_set(Verb(verb), scale_set, vms, Caller(by))
