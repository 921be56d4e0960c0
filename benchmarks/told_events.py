"""Events about VMs, as the simulated Azure words them."""

from datetime import UTC, datetime

from local.azure.callers import WORKLOAD
from local.azure.events import ControlPlaneCall, Event, annotation_event, resource_event
from local.azure.life import OPERATIONS, Verb
from local.azure.model import VM_TYPE, VirtualMachine, VmSpec
from local.azure.settings import DEFAULT_SUBSCRIPTION


def event_of(verb: Verb, vm_id: str) -> Event:
    """What is told when an operation on a VM has just ended."""
    call = OPERATIONS[verb].arm
    if call is None:
        raise ValueError(f"{verb} is told by no event of its end")
    ended = ControlPlaneCall(
        call=call,
        resource_type=VM_TYPE,
        subscription=DEFAULT_SUBSCRIPTION,
        caller=WORKLOAD,
        correlation_id="00000000-0000-4000-8000-0000000000c0",
        outcome="Success",
        at=datetime.now(UTC),
    )
    return resource_event(ended, vm_id)


def annotation_of(name: str, vm_id: str) -> Event:
    """What is told of a VM's health: by Azure itself, with no operation."""
    _, _, subscription, _, group, *_, vm = vm_id.split("/")
    spec = VmSpec(subscription=subscription, resource_group=group, name=vm)
    return annotation_event(VirtualMachine(spec=spec, vm_id="", history=[]), name, datetime.now(UTC))
