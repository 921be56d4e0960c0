"""What ARM shows of a VM's state: the instance view, and the statuses in it.

Keys and their order are those of the recorded response (api-version 2020-12-01); of an instance of a Uniform scale
set, those that REST's `VirtualMachineScaleSetVMInstanceView` shares with it, and the domains it always has.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.azure.model import Condition, PowerState, ProvisioningState, VirtualMachine, azure_time

_DISPLAYED: Mapping[ProvisioningState, str] = {
    ProvisioningState.CREATING: "Creating",
    ProvisioningState.UPDATING: "Updating",
    ProvisioningState.DELETING: "Deleting",
    ProvisioningState.SUCCEEDED: "Provisioning succeeded",
    ProvisioningState.FAILED: "Provisioning failed",
    ProvisioningState.CANCELED: "Provisioning canceled",  # no document shows its words
}
_OS_PROVISIONING = "OS Provisioning In progress"
_FAILURE = "Operation abandoned due to internal error. Please try again later."
_GUEST_RUNS_IN = frozenset({PowerState.RUNNING, PowerState.STOPPING})
_EXTENSION = "Microsoft.Azure.Extensions.CustomScript"
_SYSTEMS: Mapping[str, tuple[str, str]] = {
    "Linux": ("ubuntu", "24.04"),
    "Windows": ("Windows Server 2025 Datacenter", "Microsoft Windows NT 10.0.26100.0"),
}


def statuses(vm: VirtualMachine) -> list[dict[str, str]]:
    """The top-level statuses: provisioning (with a time once settled), power (never with a time), hibernation."""
    condition = vm.condition
    rows = [_provisioning_status(condition)]
    if condition.power is not None:
        rows.append(_status(f"PowerState/{condition.power}", f"VM {condition.power}"))
    if vm.hibernated:
        rows.append(_status("HibernationState/Hibernated", "VM hibernated"))
    return rows


def instance_view(vm: VirtualMachine, now: datetime) -> object:
    """The instance view, as `GET …/instanceView` answers."""
    if vm.override is not None and vm.override.kind == "body":
        return vm.override.value
    if vm.override is not None and vm.override.kind == "no-instance-view":
        return {}
    return whole_instance_view(vm, now)


def os_disk_name(vm: VirtualMachine) -> str:
    """The disk that the VM boots from."""
    return f"{vm.spec.name}_OsDisk_1_{vm.vm_id.replace('-', '')}"


def computer_name(vm: VirtualMachine) -> str:
    """The host name inside the guest; in a Uniform scale set that is the set's, and six digits."""
    spec = vm.spec
    return spec.name if spec.instance_id is None else f"{spec.scale_set}{spec.instance_id:0>6}"


def boot_diagnostics_uri(vm: VirtualMachine) -> str:
    """Where screenshots and the serial log go."""
    return f"https://{vm.vm_id.replace('-', '')[:24]}.blob.core.windows.net/"


def _status(code: str, displayed: str, **more: str) -> dict[str, str]:
    return {"code": code, "level": "Info", "displayStatus": displayed, **more}


def _provisioning_status(condition: Condition) -> dict[str, str]:
    code = f"ProvisioningState/{condition.provisioning}"
    displayed = _DISPLAYED[condition.provisioning]
    time = (
        {} if condition.provisioned_at is None else {"time": azure_time(condition.provisioned_at, "+00:00")}
    )
    if condition.provisioning is ProvisioningState.FAILED:
        status = _status(f"{code}/{condition.detail}", displayed, message=_FAILURE, **time)
        return {**status, "level": "Error"}
    if condition.detail is not None:
        return _status(f"{code}/{condition.detail}", _OS_PROVISIONING, **time)
    return _status(code, displayed, **time)


def overridden(vm: VirtualMachine, own: object) -> object:
    """The statuses to show: the VM's own, or the broken ones put in their place."""
    return vm.override.value if vm.override is not None and vm.override.kind == "statuses" else own


def whole_instance_view(vm: VirtualMachine, now: datetime) -> dict[str, Any]:
    """The instance view with everything in it.

    Agent, disks and extensions have statuses of their own, which look like the VM's and are not.
    """
    created = azure_time(vm.history[0].at, "+00:00")
    done = _status("ProvisioningState/succeeded", "Provisioning succeeded")
    storage_uri = boot_diagnostics_uri(vm)
    guest: dict[str, Any] = {}
    if vm.condition.power in _GUEST_RUNS_IN:
        name, version = _SYSTEMS[vm.spec.os_type]
        ready = _status("ProvisioningState/succeeded", "Ready", message="Guest Agent is running")
        plugin = _status("ProvisioningState/succeeded", "Ready", message="Plugin enabled")
        guest = {
            "computerName": computer_name(vm),
            "osName": name,
            "osVersion": version,
            "vmAgent": {
                "vmAgentVersion": "2.14.0.1",
                "statuses": [{**ready, "time": f"{now:%Y-%m-%dT%H:%M:%S}+00:00"}],
                "extensionHandlers": [{"type": _EXTENSION, "typeHandlerVersion": "2.1.13", "status": plugin}],
            },
        }
    domains = {"platformUpdateDomain": 0, "platformFaultDomain": 0} if vm.spec.instance_id is not None else {}
    return {
        **domains,
        **guest,
        "disks": [{"name": os_disk_name(vm), "statuses": [{**done, "time": created}]}],
        "bootDiagnostics": {
            "consoleScreenshotBlobUri": f"{storage_uri}{vm.vm_id}.screenshot.bmp",
            "serialConsoleLogBlobUri": f"{storage_uri}{vm.vm_id}.serialconsole.log",
        },
        "extensions": [
            {
                "name": "bootstrap",
                "type": _EXTENSION,
                "typeHandlerVersion": "2.1.13",
                "statuses": [{**done, "message": "Enable succeeded: \n[stdout]\n\n[stderr]\n"}],
            }
        ],
        "hyperVGeneration": "V2",
        "statuses": overridden(vm, statuses(vm)),
    }
