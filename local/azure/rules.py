"""Which operation may begin on which VM."""

from local.azure import errors
from local.azure.life import OPERATIONS, OS_PROVISIONING_TIMED_OUT, Verb
from local.azure.model import Step, VirtualMachine, VmSpec


def steps_of(verb: Verb, vm: VirtualMachine, *, hibernate: bool = False) -> tuple[Step, ...]:
    """The way that the operation takes. Raises ArmError (409) where it may not begin."""
    if vm.busy_with is not None:
        raise errors.conflict()
    why_not = _why_not(verb, vm, hibernate=hibernate)
    if why_not is not None:
        raise errors.not_allowed(verb, vm.spec, why_not)
    power = vm.condition.power
    steps = OPERATIONS[verb].paths.get(power)
    if steps is None:
        raise errors.not_allowed(verb, vm.spec, f"the VM is {power or 'not provisioned'}")
    return steps


def _why_not(verb: Verb, vm: VirtualMachine, *, hibernate: bool) -> str | None:
    """What of the VM's kind forbids the operation, whatever its power state."""
    spec = vm.spec
    if verb is Verb.DEALLOCATE and spec.ephemeral_os_disk:
        return "its OS disk is ephemeral: it can only be deleted"
    if hibernate and spec.instance_id is not None:
        return "instances of Uniform scale sets cannot hibernate"
    if verb is Verb.EVICT and spec.eviction_policy is None:
        return "it is no Spot VM with an eviction policy"
    if verb is Verb.RECOVER_PROVISIONING and vm.condition.detail != OS_PROVISIONING_TIMED_OUT:
        return "its OS provisioning has not failed"
    return None


def removes(verb: Verb, spec: VmSpec) -> bool:
    """Whether the VM is gone once the operation has ended."""
    evicted = verb is Verb.EVICT and spec.eviction_policy == "Delete"
    return evicted or OPERATIONS[verb].removes
