"""The parts of a VM's model.

Keys and their order are those of the recorded responses (api-version 2020-12-01).
"""

from collections.abc import Mapping
from typing import Any

from local.azure.instance_view import boot_diagnostics_uri, computer_name, os_disk_name
from local.azure.model import VirtualMachine, VmSpec

_IMAGES: Mapping[str, tuple[str, str, str, str]] = {
    "Linux": ("Canonical", "ubuntu-24_04-lts", "server", "24.04.202607150"),
    "Windows": ("MicrosoftWindowsServer", "WindowsServer", "2025-datacenter", "26100.4652.250710"),
}


def diagnostics_profile(vm: VirtualMachine) -> dict[str, Any]:
    """Where screenshots and the serial log go."""
    return {"bootDiagnostics": {"enabled": True, "storageUri": boot_diagnostics_uri(vm)}}


def placement(vm: VirtualMachine) -> dict[str, Any]:
    """What only some VMs have: what `purchase` tells, a host, a scale set."""
    spec = vm.spec
    shown = purchase(spec)
    if spec.host_id is not None:
        shown["host"] = {"id": spec.host_id}
    if spec.scale_set_id is not None:
        shown["virtualMachineScaleSet"] = {"id": spec.scale_set_id}
    return shown


def purchase(spec: VmSpec) -> dict[str, Any]:
    """What only some VMs, or all of a scale set, have: a Spot price, a licence of one's own, a capacity reservation."""
    shown: dict[str, Any] = {}
    if spec.priority == "Spot":
        shown |= {
            "priority": "Spot",
            "evictionPolicy": spec.eviction_policy,
            "billingProfile": {"maxPrice": -1},
        }
    if spec.license_type is not None:
        shown["licenseType"] = spec.license_type
    if spec.capacity_reservation_id is not None:
        shown["capacityReservation"] = {"capacityReservationGroup": {"id": spec.capacity_reservation_id}}
    return shown


def image_reference(spec: VmSpec) -> dict[str, str]:
    """The image that is asked for."""
    publisher, offer, sku, _ = _IMAGES[spec.os_type]
    return {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"}


def storage_profile(vm: VirtualMachine) -> dict[str, Any]:
    """Image and disks."""
    disk = os_disk_name(vm)
    ephemeral = vm.spec.ephemeral_os_disk
    return {
        "imageReference": image_reference(vm.spec) | {"exactVersion": _IMAGES[vm.spec.os_type][-1]},
        "osDisk": {
            "osType": vm.spec.os_type,
            "name": disk,
            "createOption": "FromImage",
            "caching": "ReadOnly" if ephemeral else "ReadWrite",
            **({"diffDiskSettings": {"option": "Local"}} if ephemeral else {}),
            "managedDisk": {
                "storageAccountType": "Standard_LRS",
                "id": f"{vm.spec.group_id}/providers/Microsoft.Compute/disks/{disk}",
            },
            "diskSizeGB": 30,
        },
        "dataDisks": [],
    }


def os_profile(vm: VirtualMachine) -> dict[str, Any]:
    """What the operating system is to be told."""
    configuration: dict[str, Any] = {"linuxConfiguration": {"disablePasswordAuthentication": True}}
    if vm.spec.os_type == "Windows":
        configuration = {"windowsConfiguration": {"provisionVMAgent": True, "enableAutomaticUpdates": True}}
    for kind in configuration.values():
        kind["patchSettings"] = {"patchMode": "ImageDefault"}
    return {"computerName": computer_name(vm), "adminUsername": "operator", **configuration, "secrets": []}


def extension(vm: VirtualMachine) -> dict[str, Any]:
    """The one extension that every VM has."""
    return {
        "name": "bootstrap",
        "id": extension_id(vm),
        "type": f"{vm.spec.type}/extensions",
        "location": vm.spec.location,
        "tags": {"displayName": "bootstrap"},
        "properties": {
            "autoUpgradeMinorVersion": True,
            "provisioningState": "Succeeded",
            "publisher": "Microsoft.Azure.Extensions",
            "type": "CustomScript",
            "typeHandlerVersion": "2.1",
            "settings": {},
        },
    }


def extension_id(vm: VirtualMachine) -> str:
    """Its ARM id."""
    return f"{vm.spec.id}/extensions/bootstrap"
