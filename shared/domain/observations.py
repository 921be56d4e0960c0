"""One look at one VM at one moment: its model and instance view, as ARM's GET returns them together."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict

from msgspec import Struct

from shared.domain.ids import VmId
from shared.domain.malformed import Malformed, shown
from shared.domain.states import NO_SUCH_VM, Reading, read_statuses

_NOTHING: Mapping[object, object] = {}
CLOCKS_DIFFER = timedelta(minutes=1)
"""By how much the clocks of two instances may differ without a word."""


class Model(Struct, frozen=True):
    """What a VM is, as far as Stopgap cares. None where Azure says nothing."""

    uid: str | None = None
    """Azure's `vmId`: a VM deleted and created again under its name has another."""
    location: str | None = None
    size: str | None = None
    os_type: str | None = None
    priority: str | None = None
    """`Regular`, `Low` or `Spot`; Azure leaves it out for Regular."""
    scale_set: str | None = None
    """Name of the scale set that the VM is an instance of, lower-case; None: it stands alone."""
    license_type: str | None = None
    """A licence that the owner brings along (`Windows_Server`: Azure Hybrid Benefit); it is not in the VM's price."""
    ephemeral_os_disk: bool = False
    """Whether the OS disk is the host's own: such a VM cannot be deallocated, only deleted."""
    dedicated_host: bool = False
    """Whether it runs on a host that is paid for as a whole."""
    capacity_reservation: bool = False
    """Whether it draws on capacity that is reserved, and paid for, with or without it."""


class Observation(Struct, frozen=True):
    """A VM that was there."""

    vm: VmId
    observed_at: datetime
    """When the look began: what it saw is no older than this."""
    reading: Reading
    model: Model
    tags: Mapping[str, str]


class Gone(Struct, frozen=True):
    """ARM answered 404: there is no such VM. A fact, not a failure."""

    vm: VmId
    observed_at: datetime

    @property
    def reading(self) -> Reading:
        """As of a VM that is not there."""
        return NO_SUCH_VM


class _OsDisk(TypedDict, total=False):
    osType: Any
    diffDiskSettings: Any


class _Storage(TypedDict, total=False):
    osDisk: _OsDisk | None


class _Status(TypedDict, total=False):
    code: Any


class _View(TypedDict, total=False):
    statuses: list[_Status] | None
    assignedHost: Any


class _Properties(TypedDict, total=False):
    vmId: Any
    provisioningState: Any
    instanceView: _View | None
    storageProfile: _Storage | None
    hardwareProfile: Any
    priority: Any
    licenseType: Any
    virtualMachineScaleSet: Any
    host: Any
    hostGroup: Any
    capacityReservation: Any


class VmJson(TypedDict, total=False):
    """What is read of ARM's JSON of a VM, by `read_vm` and in lists.

    It tells a decoder what to leave out: most of what ARM says of a VM, which costs more to decode than all the rest
    of a sweep. It promises nothing of what it does not name more closely.
    """

    id: Any
    location: Any
    sku: Any
    tags: Any
    properties: _Properties | None


def read_vm(vm: VmId, body: object, observed_at: datetime, *, view: object = None) -> Observation:
    """Read the JSON of a GET with `$expand=instanceView`, of a VM or of an instance of a Uniform scale set.

    A part that is missing is None, a power state that is missing is unknown; a part of the wrong type is
    `Malformed`. Only the view's top-level statuses are read: agents, disks and extensions have their own
    `ProvisioningState/` entries, which say nothing of the VM.

    Args:
        vm: Which.
        body: The JSON.
        observed_at: When the look began.
        view: The instance view, where it was told apart from the rest.
    """
    if body is None:
        raise Malformed("ARM's answer: expected a VM, got null")
    model = _object(body, "the VM")
    properties = _object(model.get("properties"), "properties")
    view = _object(properties.get("instanceView") if view is None else view, "properties.instanceView")
    disk = _object(
        _object(properties.get("storageProfile"), "storageProfile").get("osDisk"), "storageProfile.osDisk"
    )
    hardware = _object(properties.get("hardwareProfile"), "hardwareProfile")
    # The size of a Uniform instance is its set's, and is told beside the properties.
    sku = _object(model.get("sku"), "sku")
    return Observation(
        vm=vm,
        observed_at=observed_at,
        reading=read_statuses(view.get("statuses"), properties.get("provisioningState")),
        model=Model(
            uid=_text(properties.get("vmId"), "properties.vmId"),
            location=_text(model.get("location"), "location"),
            size=_text(hardware.get("vmSize"), "hardwareProfile.vmSize")
            or _text(sku.get("name"), "sku.name"),
            os_type=_text(disk.get("osType"), "osDisk.osType"),
            priority=_text(properties.get("priority"), "properties.priority"),
            scale_set=_scale_set(vm, properties),
            license_type=_text(properties.get("licenseType"), "properties.licenseType"),
            ephemeral_os_disk=_is_local(disk.get("diffDiskSettings")),
            dedicated_host=_names(properties.get("host"))
            or _names(properties.get("hostGroup"))
            or bool(view.get("assignedHost")),
            capacity_reservation=_names(
                _object(properties.get("capacityReservation"), "capacityReservation").get(
                    "capacityReservationGroup"
                )
            ),
        ),
        tags=_tags(model.get("tags")),
    )


def _tags(tags: object) -> dict[str, str]:
    told = _object(tags, "tags").items()
    return {key: value for key, value in told if isinstance(key, str) and isinstance(value, str)}


def _scale_set(vm: VmId, properties: Mapping[object, object]) -> str | None:
    """The set's name: in the id of a Uniform instance, in the model of a Flexible one."""
    if vm.instance:
        return vm.instance[0]
    joined = _object(properties.get("virtualMachineScaleSet"), "virtualMachineScaleSet")
    set_id = _text(joined.get("id"), "virtualMachineScaleSet.id") or ""
    return set_id.removesuffix("/").rpartition("/")[2].lower() or None


def _is_local(settings: object) -> bool:
    """Whether an OS disk's `diffDiskSettings` make it ephemeral (`option` is `Local`)."""
    option = _text(_object(settings, "osDisk.diffDiskSettings").get("option"), "diffDiskSettings.option")
    return option is not None and option.lower() == "local"


def _names(reference: object) -> bool:
    """Whether a reference (`{"id": …}`) names a resource."""
    return reference is not None and bool(_object(reference, "a reference to a resource").get("id"))


def _object(value: object, where: str) -> Mapping[object, object]:
    if value is None:
        return _NOTHING
    if not isinstance(value, dict):
        raise Malformed(f"ARM's answer: expected {where} to be an object, got {shown(value)}")
    return value


def _text(value: object, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise Malformed(f"ARM's answer: expected {where} to be a text, got {shown(value)}")
