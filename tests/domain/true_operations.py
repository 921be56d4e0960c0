"""What can happen to a VM: each operation, and the conditions that it takes the VM through."""

from collections.abc import Mapping
from dataclasses import dataclass

OS_FAILED = "failed/OSProvisioningTimedOut"


@dataclass(frozen=True, slots=True)
class Operation:
    """What happens to a VM, from each power state in which it can."""

    paths: Mapping[str | None, str]
    """The conditions passed through, as `power/provisioning`: `-` no power state, `=` as it was before, `gone`
    no VM. Nothing at all: a success that changes nothing, as Azure has it."""
    call: str | None = None
    """The end of the operation's name in ARM; None: nobody called ARM, no resource event tells of it."""
    annotation: str | None = None
    context: str = "Customer Initiated"


_CREATE = "-/creating stopped/creating starting/creating running/creating/OSProvisioningInprogress"
_ANY = ("running", "stopped", "deallocated", None)

OPERATIONS: Mapping[str, Operation] = {
    "power off": Operation(
        {"running": "stopping/updating stopped/updating stopped/succeeded", "stopped": ""},
        "powerOff/action",
        "VirtualMachineStopInitiatedByControlPlane",
    ),
    "shut down in the guest": Operation(
        {"running": "stopping/= stopped/="},
        annotation="VirtualMachineStoppedInternally",
        context="VM Initiated",
    ),
    "start": Operation(
        {
            "stopped": "starting/updating running/updating running/succeeded",
            "deallocated": "stopped/updating starting/updating running/succeeded",
            "running": "",
        },
        "start/action",
        "VirtualMachineStartInitiatedByControlPlane",
    ),
    "start, for a moment as if at rest": Operation(
        {"deallocated": "stopped/succeeded starting/updating running/succeeded"},
        "start/action",
        "VirtualMachineStartInitiatedByControlPlane",
    ),
    "deallocate": Operation(
        {
            "running": "deallocating/updating deallocated/updating deallocated/succeeded",
            "stopped": "deallocating/updating deallocated/succeeded",
            "deallocated": "",
        },
        "deallocate/action",
        "VirtualMachineDeallocationInitiated",
    ),
    "hibernate": Operation(
        {"running": "deallocating/updating deallocated/succeeded"},
        "deallocate/action",
        "VirtualMachineDeallocationInitiated",
    ),
    "restart": Operation(
        {"running": "stopping/updating starting/updating running/succeeded"},
        "restart/action",
        "VirtualMachineRebootInitiatedByControlPlane",
    ),
    "restart in the guest": Operation(
        {"running": "stopping/= starting/= running/="}, annotation="VirtualMachineRestarted"
    ),
    "crash": Operation(
        {"running": "starting/= running/="}, annotation="VirtualMachineCrashed", context="VM Initiated"
    ),
    "redeploy": Operation(
        {"running": "deallocating/updating stopped/updating starting/updating running/succeeded"},
        "redeploy/action",
        "VirtualMachineRedeployInitiatedByControlPlane",
    ),
    "resize": Operation(
        {
            "running": "stopping/updating starting/updating running/succeeded",
            "stopped": "stopped/updating stopped/succeeded",
            "deallocated": "deallocated/updating deallocated/succeeded",
        },
        "write",
        "VirtualMachineSizeChanged",
    ),
    "tag": Operation(
        dict.fromkeys(_ANY, "=/updating =/succeeded"), "write", "VirtualMachineConfigurationUpdated"
    ),
    "evict": Operation(
        dict.fromkeys(("running", "stopped"), "deallocating/= deallocated/="),
        annotation="VirtualMachinePreempted",
        context="Platform Initiated",
    ),
    "evict and delete": Operation(
        dict.fromkeys(("running", "stopped"), "deallocating/deleting gone"),
        annotation="VirtualMachinePreempted",
        context="Platform Initiated",
    ),
    "delete": Operation(dict.fromkeys(_ANY, "=/deleting gone"), "delete"),
    "create": Operation({"gone": f"{_CREATE} running/succeeded"}, "write", "VirtualMachineAllocated"),
    "create, OS provisioning fails": Operation(
        {"gone": f"{_CREATE} running/{OS_FAILED}"}, "write", "VirtualMachineProvisioningTimedOut"
    ),
    "OS provisioning succeeds late": Operation({"running": "running/succeeded"}),
    "create, not allocated": Operation({"gone": "-/creating -/failed/AllocationFailed"}, "write"),
}
"""After "States and billing status of Azure Virtual Machines" and the list of VM health annotations. Where no
document says what is shown on the way, what is harder to read right."""
