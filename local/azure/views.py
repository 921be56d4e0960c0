"""What ARM shows of a VM: the model, alone or in a list, and the rows of `statusOnly=true`.

Keys and their order are those of the recorded responses (api-version 2020-12-01, and 2026-03-01 for the rows).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.azure.events import VM_TYPE
from local.azure.instance_view import (
    boot_diagnostics_uri,
    os_disk_name,
    overridden,
    statuses,
    whole_instance_view,
)
from local.azure.model import VirtualMachine

_IMAGES: Mapping[str, tuple[str, str, str, str]] = {
    "Linux": ("Canonical", "ubuntu-24_04-lts", "server", "24.04.202607150"),
    "Windows": ("MicrosoftWindowsServer", "WindowsServer", "2025-datacenter", "26100.4652.250710"),
}


def model(vm: VirtualMachine, *, with_instance_view: bool, now: datetime) -> object:
    """The VM as `GET` answers; with `$expand=instanceView` the instance view is among its properties."""
    if vm.override is not None and vm.override.kind == "body":
        return vm.override.value
    shown = _plain_model(vm)
    shown["resources"] = [_extension(vm)]
    hidden = vm.override is not None and vm.override.kind == "no-instance-view"
    if with_instance_view and not hidden:
        shown["properties"]["instanceView"] = whole_instance_view(vm, now)
    return shown


def listed(vm: VirtualMachine) -> dict[str, Any]:
    """The VM as a list shows it: without instance view, and of its extensions only the ids."""
    return {**_plain_model(vm), "resources": [{"id": _extension_id(vm)}]}


def status_row(vm: VirtualMachine) -> dict[str, Any]:
    """A row of `statusOnly=true`: no tags, no storage profile, an empty hardware profile."""
    properties: dict[str, Any] = {"hardwareProfile": {}}
    if vm.override is None or vm.override.kind != "no-instance-view":
        rows = [dict(sorted(row.items())) for row in statuses(vm)]
        properties["instanceView"] = {"platformFaultDomain": 0, "statuses": overridden(vm, rows)}
    return {
        "id": vm.spec.id,
        "location": vm.spec.location,
        "name": vm.spec.name,
        "properties": {
            **properties,
            "provisioningState": vm.condition.provisioning.capitalize(),
            "vmId": vm.vm_id,
        },
        "type": VM_TYPE,
    }


def _plain_model(vm: VirtualMachine) -> dict[str, Any]:
    spec = vm.spec
    nic = f"{_scope(vm)}/Microsoft.Network/networkInterfaces/{spec.name}-nic"
    shown: dict[str, Any] = {
        "name": spec.name,
        "id": spec.id,
        "type": VM_TYPE,
        "location": spec.location,
        "tags": dict(spec.tags),
        "properties": {
            "vmId": vm.vm_id,
            "hardwareProfile": {"vmSize": spec.size},
            "storageProfile": _storage_profile(vm),
            "osProfile": _os_profile(vm),
            "networkProfile": {"networkInterfaces": [{"id": nic}]},
            "diagnosticsProfile": {
                "bootDiagnostics": {"enabled": True, "storageUri": boot_diagnostics_uri(vm)}
            },
            **_placement(vm),
            "provisioningState": vm.condition.provisioning.capitalize(),
        },
    }
    return shown | ({"zones": list(spec.zones)} if spec.zones else {})


def _placement(vm: VirtualMachine) -> dict[str, Any]:
    """What only some VMs have: a Spot price, a licence of one's own, a host, a capacity reservation."""
    spec = vm.spec
    shown: dict[str, Any] = {}
    if spec.priority == "Spot":
        shown |= {
            "priority": "Spot",
            "evictionPolicy": spec.eviction_policy,
            "billingProfile": {"maxPrice": -1},
        }
    if spec.license_type is not None:
        shown["licenseType"] = spec.license_type
    if spec.host_id is not None:
        shown["host"] = {"id": spec.host_id}
    if spec.capacity_reservation_id is not None:
        shown["capacityReservation"] = {"capacityReservationGroup": {"id": spec.capacity_reservation_id}}
    return shown


def _storage_profile(vm: VirtualMachine) -> dict[str, Any]:
    publisher, offer, sku, version = _IMAGES[vm.spec.os_type]
    disk = os_disk_name(vm)
    ephemeral = vm.spec.ephemeral_os_disk
    return {
        "imageReference": {
            "publisher": publisher,
            "offer": offer,
            "sku": sku,
            "version": "latest",
            "exactVersion": version,
        },
        "osDisk": {
            "osType": vm.spec.os_type,
            "name": disk,
            "createOption": "FromImage",
            "caching": "ReadOnly" if ephemeral else "ReadWrite",
            **({"diffDiskSettings": {"option": "Local"}} if ephemeral else {}),
            "managedDisk": {
                "storageAccountType": "Standard_LRS",
                "id": f"{_scope(vm)}/Microsoft.Compute/disks/{disk}",
            },
            "diskSizeGB": 30,
        },
        "dataDisks": [],
    }


def _os_profile(vm: VirtualMachine) -> dict[str, Any]:
    configuration: dict[str, Any] = {"linuxConfiguration": {"disablePasswordAuthentication": True}}
    if vm.spec.os_type == "Windows":
        configuration = {"windowsConfiguration": {"provisionVMAgent": True, "enableAutomaticUpdates": True}}
    for kind in configuration.values():
        kind["patchSettings"] = {"patchMode": "ImageDefault"}
    return {"computerName": vm.spec.name, "adminUsername": "operator", **configuration, "secrets": []}


def _extension(vm: VirtualMachine) -> dict[str, Any]:
    return {
        "name": "bootstrap",
        "id": _extension_id(vm),
        "type": f"{VM_TYPE}/extensions",
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


def _extension_id(vm: VirtualMachine) -> str:
    return f"{vm.spec.id}/extensions/bootstrap"


def _scope(vm: VirtualMachine) -> str:
    return f"/subscriptions/{vm.spec.subscription}/resourceGroups/{vm.spec.resource_group}/providers"
