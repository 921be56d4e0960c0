"""ARM ids of virtual machines, parsed once at the door."""

import re
from dataclasses import dataclass

from shared.domain.malformed import Malformed, shown

_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Resource groups may hold letters and digits of any script; VM names are narrower still. What this refuses
# (/ \ # ? and control characters among it) can be in no Azure name, and in no Table Storage key either; nor can
# a name be of punctuation alone: `..` would make another address of ARM's.
_NAME = re.compile(r"(?=.*\w)[\w().-]{1,90}")


@dataclass(frozen=True, slots=True, order=True)
class VmId:
    """A standalone VM (or an instance of a Flexible scale set), all parts lower-case.

    ARM compares ids without regard to case and returns them in any; Stopgap keeps them lower-case.
    """

    subscription: str
    resource_group: str
    name: str

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourcegroups/{self.resource_group}"
            f"/providers/microsoft.compute/virtualmachines/{self.name}"
        )

    @classmethod
    def of(cls, subscription: str, resource_group: str, name: str) -> "VmId":
        """A VM's id from its parts, in any letter case; `Malformed` names the part that cannot be right."""
        return cls(
            parse_subscription(subscription),
            _part("resource group", resource_group),
            _part("VM name", name),
        )


def parse_vm_id(text: object) -> VmId | None:
    """Read an ARM resource id: any letter case, with or without a trailing slash.

    None: a well-formed id of something that is not a VM (another type, or a part of a VM such as an
    extension). `Malformed`: not a resource id, or a VM's id with a part that no VM can have.
    """
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
            "virtualmachines",
            name,
        ]:
            return VmId.of(subscription, group, name)
        case _:
            return None


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
