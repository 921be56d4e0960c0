"""What ARM shows of a VM: the model, alone or in a list, and the rows of `statusOnly=true`.

Keys and their order are those of the recorded responses (api-version 2020-12-01, and 2026-03-01 for the rows). Of an
instance of a Uniform scale set: a list as a user of Azure published it (MicrosoftDocs/azure-docs, issue 94444), with
the parts that REST's example of `VirtualMachineScaleSetVMs_Get` has as well.
"""

import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from local.azure.instance_view import overridden, statuses, whole_instance_view
from local.azure.model import Row, VirtualMachine
from local.azure.vm_parts import (
    diagnostics_profile,
    extension,
    extension_id,
    os_profile,
    placement,
    storage_profile,
)


def model(vm: VirtualMachine, *, with_instance_view: bool, now: datetime) -> object:
    """The VM as `GET` answers; with `$expand=instanceView` the instance view is among its properties."""
    if vm.override is not None and vm.override.kind == "body":
        return vm.override.value
    shown = _plain_model(vm) if vm.spec.instance_id is None else _instance_model(vm)
    shown["resources"] = [extension(vm)]
    hidden = vm.override is not None and vm.override.kind == "no-instance-view"
    if with_instance_view and not hidden:
        shown["properties"]["instanceView"] = whole_instance_view(vm, now)
    return shown


def listed(vm: VirtualMachine) -> dict[str, Any]:
    """The VM as a list shows it: without instance view, and of its extensions only the ids."""
    return {**_plain_model(vm), "resources": [{"id": extension_id(vm)}]}


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
        "type": vm.spec.type,
    }


def listed_json(vm: VirtualMachine) -> bytes:
    """`listed`, as JSON."""
    return _kept(vm, "model", listed)


def status_row_json(vm: VirtualMachine) -> bytes:
    """`status_row`, as JSON."""
    return _kept(vm, "status", status_row)


def _kept(vm: VirtualMachine, kind: str, made_by: Callable[[VirtualMachine], object]) -> bytes:
    """A row's JSON, made anew when what it shows is another: lists of many VMs are asked for often."""
    shows = (vm.spec, vm.condition, vm.hibernated, vm.override)
    row = vm.rows.get(kind)
    if row is None or not all(map(operator.is_, row.shows, shows)):
        row = vm.rows[kind] = Row(shows, msgspec.json.encode(made_by(vm)))
    return row.json


def _plain_model(vm: VirtualMachine) -> dict[str, Any]:
    spec = vm.spec
    nic = f"{spec.group_id}/providers/Microsoft.Network/networkInterfaces/{spec.name}-nic"
    shown: dict[str, Any] = {
        "name": spec.name,
        "id": spec.id,
        "type": vm.spec.type,
        "location": spec.location,
        "tags": dict(spec.tags),
        "properties": {
            "vmId": vm.vm_id,
            "hardwareProfile": {"vmSize": spec.size},
            "storageProfile": storage_profile(vm),
            "osProfile": os_profile(vm),
            "networkProfile": {"networkInterfaces": [{"id": nic}]},
            "diagnosticsProfile": diagnostics_profile(vm),
            **placement(vm),
            "provisioningState": vm.condition.provisioning.capitalize(),
        },
    }
    return shown | ({"zones": list(spec.zones)} if spec.zones else {})


def _instance_model(vm: VirtualMachine) -> dict[str, Any]:
    """An instance of a Uniform scale set: no size but its set's, of which `sku` tells."""
    spec = vm.spec
    nic = f"{spec.scale_set}-nic"
    configuration = {
        "name": nic,
        "properties": {
            "primary": True,
            "enableAcceleratedNetworking": False,
            "dnsSettings": {"dnsServers": []},
            "enableIPForwarding": False,
        },
    }
    licence = {} if spec.license_type is None else {"licenseType": spec.license_type}
    shown: dict[str, Any] = {
        "name": spec.name,
        "id": spec.id,
        "type": spec.type,
        "location": spec.location,
        "tags": dict(spec.tags),
        "instanceId": spec.instance_id,
        "sku": {"name": spec.size, "tier": "Standard"},
        "properties": {
            "latestModelApplied": True,
            "modelDefinitionApplied": "VirtualMachineScaleSet",
            "networkProfileConfiguration": {"networkInterfaceConfigurations": [configuration]},
            "vmId": vm.vm_id,
            "hardwareProfile": {},
            "storageProfile": storage_profile(vm),
            "osProfile": os_profile(vm),
            "networkProfile": {"networkInterfaces": [{"id": f"{spec.id}/networkInterfaces/{nic}"}]},
            "diagnosticsProfile": diagnostics_profile(vm),
            **licence,
            "provisioningState": vm.condition.provisioning.capitalize(),
        },
    }
    return shown | ({"zones": list(spec.zones)} if spec.zones else {})
