"""The Resource Health annotations of VMs: what Azure says of them, by name.

Source: "Resource Health virtual machine Health Annotations". Reasons are those of the documented samples where
there is one; the summaries say in short what the documented ones say.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Annotation:
    """A row of the documented table."""

    reason: str
    summary: str
    context: str = "Customer Initiated"
    category: str = "Not Applicable"


def _by_platform(reason: str, summary: str, category: str = "Unplanned") -> Annotation:
    return Annotation(reason, summary, "Platform Initiated", category)


_AS_REQUESTED = "as requested by an authorized user or process."

ANNOTATIONS: Mapping[str, Annotation] = {
    "VirtualMachineAllocated": Annotation(
        "Setting up", f"This virtual machine is being set up {_AS_REQUESTED}"
    ),
    "VirtualMachineConfigurationUpdated": Annotation(
        "Configuration updated", f"This virtual machine's configuration is being updated {_AS_REQUESTED}"
    ),
    "VirtualMachineSizeChanged": Annotation(
        "Size changed", f"This virtual machine is being resized {_AS_REQUESTED}"
    ),
    "VirtualMachineStartInitiatedByControlPlane": Annotation(
        "Starting", f"This virtual machine is starting {_AS_REQUESTED}"
    ),
    "VirtualMachineStopInitiatedByControlPlane": Annotation(
        "Stopping", f"This virtual machine is stopping {_AS_REQUESTED}"
    ),
    "VirtualMachineRebootInitiatedByControlPlane": Annotation(
        "Rebooted by user", f"This virtual machine is rebooting {_AS_REQUESTED}"
    ),
    "VirtualMachineRestarted": Annotation(
        "Restarting", "This virtual machine is rebooting, as requested from within the virtual machine."
    ),
    "VirtualMachineRedeployInitiatedByControlPlane": Annotation(
        "Redeploying", f"This virtual machine is being moved to another host {_AS_REQUESTED}"
    ),
    "VirtualMachineDeallocationInitiated": Annotation(
        "Stopping and deallocating", f"This virtual machine is stopped and deallocated {_AS_REQUESTED}"
    ),
    "VirtualMachineStoppedInternally": Annotation(
        "Stopping",
        "This virtual machine is stopping as requested by an authorized user or process, or due to a guest "
        "activity from within the virtual machine.",
    ),
    "VirtualMachineCrashed": Annotation(
        "Guest crashed", "This virtual machine is rebooting due to a guest OS crash.", "VM Initiated"
    ),
    "VirtualMachinePreempted": _by_platform(
        "Preempted", "This Spot virtual machine was preempted because Azure needed the capacity back."
    ),
    "VirtualMachineProvisioningTimedOut": _by_platform(
        "Provisioning timed out",
        "This virtual machine's provisioning failed due to problems with the guest OS.",
    ),
    "VirtualMachineHostCrashed": _by_platform(
        "Host crashed", "This virtual machine crashed with its host, and is rebooting."
    ),
    "VirtualMachineHostRebootedForRepair": _by_platform(
        "Host rebooted", "This virtual machine is rebooting because its host failed."
    ),
    "VirtualMachineMigrationInitiatedForRepair": _by_platform(
        "Migrating", "This virtual machine is being moved to another host because its host failed."
    ),
    "LiveMigrationSucceeded": _by_platform(
        "Live migration", "This virtual machine was paused for a moment while it was moved to another host."
    ),
    "LiveMigrationFailure": _by_platform(
        "Live migration", "This virtual machine could not be moved to another host."
    ),
    "AccelnetUnhealthy": _by_platform(
        "Accelerated networking unhealthy", "Accelerated networking does not work as it should."
    ),
    "VirtualMachinePossiblyDegradedDueToHardwareFailure": _by_platform(
        "Degraded hardware", "The host of this virtual machine may be failing: redeploy it."
    ),
    "VirtualMachineRebootInitiatedForPlannedMaintenance": _by_platform(
        "Planned maintenance", "This virtual machine is rebooting for planned maintenance.", "Planned"
    ),
}
