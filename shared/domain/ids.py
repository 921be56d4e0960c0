"""ARM ids of virtual machines, parsed once at the door."""

import re
from functools import lru_cache

from msgspec import Struct

from shared.domain.malformed import Malformed, shown

_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Resource groups may hold letters and digits of any script; VM names are narrower still. What this refuses
# (/ \ # ? and control characters among it) can be in no Azure name, and in no Table Storage key either; nor can
# a name be of punctuation alone: `..` would make another address of ARM's.
_NAME = re.compile(r"(?=.*\w)[\w().-]{1,90}")


class VmId(Struct, frozen=True, order=True):
    """A VM, all parts lower-case.

    An ordinary VM (standalone, or an instance of a Flexible scale set) has its name; an instance of a Uniform
    scale set has none of its own in ARM and is named `{scale set}~{instance id}` here: `~` is in no Azure name.
    ARM compares ids without regard to case and returns them in any; Stopgap keeps them lower-case.
    """

    subscription: str
    resource_group: str
    name: str

    @property
    def instance(self) -> tuple[str, str] | None:
        """The scale set and the instance id of an instance of a Uniform scale set; None for an ordinary VM."""
        scale_set, tilde, instance_id = self.name.partition("~")
        return (scale_set, instance_id) if tilde else None

    def __str__(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourcegroups/{self.resource_group}"
        kind, name = "virtualmachines", self.name
        if self.instance:
            kind, name = "virtualmachinescalesets", "/virtualmachines/".join(self.instance)
        return f"{group}/providers/microsoft.compute/{kind}/{name}"

    @classmethod
    def of(cls, subscription: str, resource_group: str, name: str) -> "VmId":
        """A VM's id from its parts, in any letter case; `Malformed` names the part that cannot be right."""
        scale_set, tilde, instance_id = name.partition("~")
        if not tilde:
            last = _part("VM name", name)
        else:
            last = f"{_part('scale set', scale_set)}~{_part('instance id', instance_id)}"
        return cls(parse_subscription(subscription), _part("resource group", resource_group), last)


class ScaleSetId(Struct, frozen=True, order=True):
    """A scale set as a whole, all parts lower-case."""

    subscription: str
    resource_group: str
    name: str


def parse_scale_set_id(text: object) -> ScaleSetId | None:
    """Read the ARM resource id of a scale set; None when it is another's. `Malformed` as of `parse_vm_id`."""
    match _segments(text):
        case [subscription, group, "virtualmachinescalesets", name]:
            return ScaleSetId(
                parse_subscription(subscription), _part("resource group", group), _part("scale set", name)
            )
    return None


def parse_vm_id(text: object) -> VmId | None:
    """Read an ARM resource id: any letter case, with or without a trailing slash.

    None: a well-formed id of something that is not a VM (another type, a scale set as a whole, or a part of a VM
    such as an extension). `Malformed`: not a resource id, or a VM's id with a part that no VM can have.
    """
    match _segments(text):
        case [subscription, group, "virtualmachines", name]:
            return VmId(
                parse_subscription(subscription), _part("resource group", group), _part("VM name", name)
            )
        case [subscription, group, "virtualmachinescalesets", scale_set, "virtualmachines", instance_id]:
            scale_set, instance_id = _part("scale set", scale_set), _part("instance id", instance_id)
            return VmId.of(subscription, group, f"{scale_set}~{instance_id}")
    return None


def _segments(text: object) -> list[str]:
    """Subscription, resource group, and what follows the compute provider; empty for an id of another's."""
    if not isinstance(text, str) or not text.startswith("/"):
        raise Malformed(f"resource id: expected a text that starts with '/', got {shown(text)}")
    match text.removesuffix("/").lower().split("/"):
        case [
            "",
            "subscriptions",
            subscription,
            "resourcegroups",
            group,
            "providers",
            "microsoft.compute",
            *rest,
        ]:
            return [subscription, group, *rest]
    return []


@lru_cache(maxsize=1024)
def parse_subscription(text: str) -> str:
    """A subscription id, lower-case; `Malformed` when it is not a GUID."""
    lowered = text.strip().lower()
    if not _SUBSCRIPTION.fullmatch(lowered):
        raise Malformed(
            f"subscription: expected a GUID such as 00000000-0000-4000-8000-000000000001, got {shown(text)}"
        )
    return lowered


def _part(what: str, text: str) -> str:
    lowered = text.lower()
    if not _NAME.fullmatch(lowered):
        raise Malformed(f"{what}: expected 1 to 90 letters, digits or - _ . ( ), got {shown(text)}")
    return lowered
