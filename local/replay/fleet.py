"""A simulated Azure with the VMs that events name, each in the state that the last of them leads to."""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from local.azure.cloud import Cloud
from local.azure.model import PowerState as AzurePower
from local.azure.model import VmSpec
from local.azure.scale_sets import ScaleSet
from local.replay.recordings import Recorded
from shared.domain.ids import VmId
from shared.domain.states import PowerState

POWERS = {
    PowerState.RUNNING: AzurePower.RUNNING,
    PowerState.STOPPED: AzurePower.STOPPED,
    PowerState.DEALLOCATED: AzurePower.DEALLOCATED,
    PowerState.DELETED: None,
}
"""Where a VM is in the simulated Azure; None: nowhere."""


class Rest(Struct, frozen=True):
    """Where a VM has come to."""

    power_state: PowerState
    since: datetime


def at_the_end(events: Iterable[Recorded]) -> dict[VmId, Rest]:
    """Where the events leave each VM that they name, by the order in which what they tell of happened.

    A VM of which no event tells where it goes is taken for Running.
    """
    rests = dict[VmId, Rest]()
    for signal in sorted(
        (signal for each in events if (signal := each.signal)), key=lambda signal: signal.cause.at
    ):
        if signal.leads_to:
            rests[signal.vm] = Rest(signal.leads_to, signal.cause.at)
        else:
            rests.setdefault(signal.vm, Rest(PowerState.RUNNING, signal.cause.at))
    return rests


def settle(azure: Cloud, rests: dict[VmId, Rest]) -> None:
    """Let those VMs exist. Nobody is told."""
    now = datetime.now(UTC)
    for vm, rest in rests.items():
        # Of a VM that is gone, Azure still knows the resource group.
        azure.compute.add_resource_group(vm.subscription, vm.resource_group)
        power = POWERS[rest.power_state]
        if power is not None:
            azure.compute.add(_spec(azure, vm), power, min(rest.since, now))


def _spec(azure: Cloud, vm: VmId) -> VmSpec:
    if vm.instance is None:
        return VmSpec(subscription=vm.subscription, resource_group=vm.resource_group, name=vm.name)
    name, instance_id = vm.instance
    model = VmSpec(subscription=vm.subscription, resource_group=vm.resource_group, name=name)
    scale_set = ScaleSet(model, "Uniform")
    if scale_set.id.lower() not in azure.scale_sets:
        azure.compute.add_scale_set(scale_set)
    return VmSpec(
        subscription=vm.subscription,
        resource_group=vm.resource_group,
        name=f"{name}_{instance_id}",
        scale_set=name,
        instance_id=instance_id,
    )
