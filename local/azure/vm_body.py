"""Reading the body of `PUT` and `PATCH` on a VM."""

from collections.abc import Mapping
from copy import replace
from typing import Any, Literal

from local.azure.errors import bad_request
from local.azure.model import VmSpec


def spec_from_put(body: object, subscription: str, resource_group: str, name: str) -> VmSpec:
    """The VM asked for. Raises ArmError (400) naming what is missing or not as expected."""
    model = _mapping(body, "the body")
    properties = _mapping(model.get("properties", {}), "properties")
    location, size = model.get("location"), _at(properties, "hardwareProfile", "vmSize")
    if not isinstance(location, str):
        raise bad_request("Required parameter 'location' is missing (null).")
    if not isinstance(size, str):
        raise bad_request("Required parameter 'hardwareProfile.vmSize' is missing (null).")
    os_disk = _mapping(_at(properties, "storageProfile", "osDisk") or {}, "storageProfile.osDisk")
    spot = properties.get("priority") == "Spot"
    evicted: Literal["Delete", "Deallocate"] = (
        "Delete" if properties.get("evictionPolicy") == "Delete" else "Deallocate"
    )
    return VmSpec(
        subscription=subscription,
        resource_group=resource_group,
        name=name,
        size=size,
        os_type="Windows" if _is_windows(properties, os_disk) else "Linux",
        location=location,
        tags=_tags(model.get("tags")),
        priority="Spot" if spot else "Regular",
        eviction_policy=evicted if spot else None,
        license_type=properties.get("licenseType"),
        ephemeral_os_disk=_at(os_disk, "diffDiskSettings", "option") == "Local",
        zones=tuple(model.get("zones") or ()),
        host_id=_at(properties, "host", "id"),
        capacity_reservation_id=_at(properties, "capacityReservation", "capacityReservationGroup", "id"),
    )


def spec_from_patch(body: object, spec: VmSpec) -> VmSpec:
    """The VM with the body's tags, which replace all it had, and size. Raises ArmError (400) for any other change."""
    change = _mapping(body, "the body")
    size = _at(change, "properties", "hardwareProfile", "vmSize")
    expected: dict[str, Any] = {} if size is None else {"properties": {"hardwareProfile": {"vmSize": size}}}
    if "tags" in change:
        expected["tags"] = change["tags"]
    if change != expected or not expected or not isinstance(size or "", str):
        raise bad_request(
            f"The simulated Azure can only PATCH tags and hardwareProfile.vmSize; the body has {sorted(change)}."
        )
    tags = _tags(change["tags"]) if "tags" in change else spec.tags
    return replace(spec, tags=tags, size=size or spec.size)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(f"{name} must be a JSON object.")
    return value


def _at(value: object, *path: str) -> Any:  # noqa: ANN401 - JSON of any kind
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _tags(value: object) -> dict[str, str]:
    tags = _mapping(value or {}, "tags")
    if not all(isinstance(text, str) for text in tags.values()):
        raise bad_request("tags must be a JSON object of texts.")
    return dict(tags)


def _is_windows(properties: Mapping[str, Any], os_disk: Mapping[str, Any]) -> bool:
    told = os_disk.get("osType") or (
        "Windows" if _at(properties, "osProfile", "windowsConfiguration") else ""
    )
    return str(told).lower() == "windows"
