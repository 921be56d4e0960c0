"""Whole fleets, the same every time: what a subscription may hold, in all its variety."""

from collections.abc import Iterator

from local.azure.model import PowerState, VmOptions, VmSpec

_GROUPS = ("rg-shop", "rg-data", "rg-build", "rg-lab")
_KINDS: tuple[VmOptions, ...] = (
    {"size": "Standard_D2s_v5", "os_type": "Linux", "tags": {"owner": "ada@example.com"}},
    {"size": "Standard_D4s_v5", "os_type": "Windows", "tags": {"owner": "grace@example.com"}},
    {"size": "Standard_E8s_v5", "os_type": "Linux", "location": "northeurope"},
    {"size": "Standard_B2ms", "os_type": "Linux", "priority": "Spot", "eviction_policy": "Deallocate"},
    {"size": "Standard_F4s_v2", "os_type": "Windows", "license_type": "Windows_Server"},
)
_STATES = tuple(
    map(PowerState, ("running", "running", "running", "deallocated", "running", "running", "stopped"))
)


def fleet(subscription: str, count: int, first: int) -> Iterator[tuple[VmSpec, PowerState]]:
    """The VMs numbered from `first` on, each with the state it is in; four groups, five kinds, seven states in turn."""
    for number in range(first - 1, first - 1 + count):
        spec = VmSpec(
            subscription=subscription,
            resource_group=_GROUPS[number % len(_GROUPS)],
            name=f"vm-{number + 1:03}",
            **_KINDS[number % len(_KINDS)],
        )
        yield spec, _STATES[number % len(_STATES)]
