"""A VM and what is true of it, moment by moment. No I/O and no clock: time is an argument."""

from collections.abc import Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypedDict

VM_TYPE = "Microsoft.Compute/virtualMachines"
SCALE_SET_TYPE = "Microsoft.Compute/virtualMachineScaleSets"
INSTANCE_TYPE = f"{SCALE_SET_TYPE}/virtualMachines"


class PowerState(StrEnum):
    """What the hypervisor says; the value is the code's tail (`PowerState/<value>`)."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"


class ProvisioningState(StrEnum):
    """How the last control-plane operation went; the value is the code's tail, in the instance view's case."""

    CREATING = "creating"
    UPDATING = "updating"
    DELETING = "deleting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


SETTLED_PROVISIONING = frozenset(
    {ProvisioningState.SUCCEEDED, ProvisioningState.FAILED, ProvisioningState.CANCELED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is true of a VM at one moment."""

    power: PowerState | None
    """None while the VM has no place on a host yet."""
    provisioning: ProvisioningState
    detail: str | None = None
    """OS provisioning substate while creating, error code when failed."""
    provisioned_at: datetime | None = None
    """When the provisioning state settled; None while an operation is under way."""

    @property
    def is_settled(self) -> bool:
        """Whether no control-plane operation is under way."""
        return self.provisioning in SETTLED_PROVISIONING


@dataclass(frozen=True, slots=True)
class Moment:
    """A change of condition, and when it came."""

    at: datetime
    condition: Condition


@dataclass(frozen=True, slots=True)
class Step:
    """One change on the way of an operation. A provisioning state of None leaves that state as it is."""

    power: PowerState | None
    provisioning: ProvisioningState | None = None
    detail: str | None = None

    def after(self, before: Condition, at: datetime) -> Condition:
        """The condition that this step makes of the one before.

        The provisioning time moves only with the provisioning state: a shutdown inside the guest leaves it alone.
        """
        if self.provisioning is None:
            return replace(before, power=self.power)
        settled = self.provisioning in SETTLED_PROVISIONING
        return Condition(
            power=self.power,
            provisioning=self.provisioning,
            detail=self.detail,
            provisioned_at=at if settled else None,
        )


class VmOptions(TypedDict, total=False):
    """The optional fields of `VmSpec`, as keyword arguments."""

    size: str
    os_type: Literal["Linux", "Windows"]
    location: str
    tags: Mapping[str, str]
    priority: Literal["Regular", "Spot"]
    eviction_policy: Literal["Deallocate", "Delete"] | None
    license_type: str | None
    ephemeral_os_disk: bool
    zones: tuple[str, ...]
    host_id: str | None
    capacity_reservation_id: str | None
    resource_group_in_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSpec:
    """What its owner asked for: the VM's model."""

    subscription: str
    resource_group: str
    name: str
    size: str = "Standard_D2s_v5"
    os_type: Literal["Linux", "Windows"] = "Linux"
    location: str = "westeurope"
    tags: Mapping[str, str] = field(default_factory=dict)
    priority: Literal["Regular", "Spot"] = "Regular"
    eviction_policy: Literal["Deallocate", "Delete"] | None = None
    license_type: str | None = None
    ephemeral_os_disk: bool = False
    zones: tuple[str, ...] = ()
    host_id: str | None = None
    """Dedicated host that the VM is pinned to."""
    capacity_reservation_id: str | None = None
    """Capacity reservation group that the VM draws on."""
    resource_group_in_id: str | None = None
    """The resource group's casing in the ids that ARM returns, where it is not the one given (`TEST_VM`)."""
    scale_set: str | None = None
    """Name of the scale set that it is an instance of."""
    instance_id: str | None = None
    """Its id in a Uniform scale set. None: an ordinary VM, as instances of a Flexible scale set are."""

    def __post_init__(self) -> None:
        """Raise ValueError if the casing given for the ids spells another resource group."""
        cased = self.resource_group_in_id
        if cased is not None and cased.lower() != self.resource_group.lower():
            raise ValueError(
                f"resource_group_in_id is {cased!r}; expected {self.resource_group!r} in another letter case"
            )

    @property
    def type(self) -> str:
        """The resource type."""
        return VM_TYPE if self.instance_id is None else INSTANCE_TYPE

    @property
    def id(self) -> str:
        """The ARM id, cased as ARM returns it."""
        if self.instance_id is not None:
            return f"{self.scale_set_id}/virtualMachines/{self.instance_id}"
        return f"{self.group_id}/providers/{VM_TYPE}/{self.name}"

    @property
    def scale_set_id(self) -> str | None:
        """The ARM id of the scale set that it is an instance of."""
        return f"{self.group_id}/providers/{SCALE_SET_TYPE}/{self.scale_set}" if self.scale_set else None

    @property
    def group_id(self) -> str:
        """The resource group's ARM id, cased as in the ids of what is in it."""
        group = self.resource_group_in_id or self.resource_group
        return f"/subscriptions/{self.subscription}/resourceGroups/{group}"

    @property
    def key(self) -> str:
        """The lower-case ARM id: what names the VM whatever the casing."""
        return self.id.lower()


@dataclass(frozen=True, slots=True)
class Override:
    """A broken answer to give in place of the VM's own.

    `statuses` replaces the top-level statuses by `value`, `body` the whole body of the model or instance view;
    `no-instance-view` takes `instanceView` out of the model (and empties the instance view itself).
    """

    kind: Literal["statuses", "body", "no-instance-view"]
    value: object = None


@dataclass(frozen=True, slots=True)
class Row:
    """The JSON of a row, and what it shows: while that is the same, so is the JSON."""

    shows: tuple[object, ...]
    json: bytes


@dataclass(slots=True, kw_only=True)
class VirtualMachine:
    """A VM that exists: its model, its identity, and its true history, oldest moment first."""

    spec: VmSpec
    vm_id: str
    """A GUID of this creation: a VM created anew under the same name has another."""
    history: list[Moment]
    hibernated: bool = False
    busy_with: str | None = None
    """The verb of the operation under way."""
    fails_next: str | None = None
    """Error code with which the next operation is to fail."""
    cancels_next: bool = False
    """Whether the next operation is to be cancelled."""
    override: Override | None = None
    rows: dict[str, Row] = field(default_factory=dict, repr=False, compare=False)
    """Its rows in lists, by the kind of list, as they were last shown."""

    @property
    def condition(self) -> Condition:
        """What is true now."""
        return self.history[-1].condition

    def become(self, condition: Condition, at: datetime) -> None:
        """Record a change; a condition that is the same as before is none."""
        if not self.history or condition != self.condition:
            self.history.append(Moment(at, condition))
        if condition.power is not PowerState.DEALLOCATED:
            self.hibernated = False

    def stopped_since(self) -> datetime | None:
        """When it became Stopped for good; None while it is not, or while an operation is under way.

        An update of a Stopped VM (new tags) does not begin the time anew: the power state has not changed.
        """
        if self.condition.power is not PowerState.STOPPED or not self.condition.is_settled:
            return None
        since = self.history[-1].at
        for moment in reversed(self.history):
            if moment.condition.power is not PowerState.STOPPED:
                break
            since = moment.at
        return since

    def is_left_stopped(self, grace: timedelta, now: datetime) -> bool:
        """Whether it is settled at Stopped, and has been Stopped for longer than grace."""
        since = self.stopped_since()
        return since is not None and now - since > grace


def azure_time(at: datetime, zone: str = "Z") -> str:
    """A UTC time as Azure writes it, with seven fractional digits (`2023-07-24T19:20:37.9245071Z`)."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}1{zone}"
