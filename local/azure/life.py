"""A VM's life as a table: every operation, and the conditions it passes through from each power state.

A row's `paths` has one entry per power state that the operation may begin in: the steps it takes, or none
at all where there is nothing to do (a success, as in Azure). A power state without an entry is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from local.azure.model import PowerState, ProvisioningState, Step

STARTING, RUNNING = PowerState.STARTING, PowerState.RUNNING
STOPPING, STOPPED = PowerState.STOPPING, PowerState.STOPPED
DEALLOCATING, DEALLOCATED = PowerState.DEALLOCATING, PowerState.DEALLOCATED
CREATING, UPDATING = ProvisioningState.CREATING, ProvisioningState.UPDATING
DELETING, SUCCEEDED, FAILED = (
    ProvisioningState.DELETING,
    ProvisioningState.SUCCEEDED,
    ProvisioningState.FAILED,
)

OS_PROVISIONING = "OSProvisioningInprogress"
OS_PROVISIONING_TIMED_OUT = "OSProvisioningTimedOut"


class Verb(StrEnum):
    """The operations by name; control-plane verbs as a Python client would spell them."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    START = "start"
    POWER_OFF = "power_off"
    RESTART = "restart"
    DEALLOCATE = "deallocate"
    REDEPLOY = "redeploy"
    REAPPLY = "reapply"
    REIMAGE = "reimage"
    RESIZE = "resize"
    GUEST_SHUTDOWN = "guest_shutdown"
    GUEST_RESTART = "guest_restart"
    GUEST_CRASH = "guest_crash"
    EVICT = "evict"
    HOST_CRASH = "host_crash"
    HOST_REPAIR = "host_repair"
    SERVICE_HEALING = "service_healing"
    LIVE_MIGRATION = "live_migration"
    FAIL_PROVISIONING = "fail_provisioning"
    RECOVER_PROVISIONING = "recover_provisioning"


type Paths = Mapping[PowerState | None, tuple[Step, ...]]
"""The steps from each power state that the operation may begin in."""


@dataclass(frozen=True, slots=True)
class ArmCall:
    """The control-plane request behind an operation, as its event names it."""

    method: str
    action: str
    """Tail of the operation name: `write`, `delete` or `<verb>/action`."""
    kind: str
    """Which event tells of it: `Write`, `Action` or `Delete`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of the table."""

    seconds: float
    """How long it takes in real life, roughly."""
    paths: Paths
    arm: ArmCall | None = None
    """None: nobody called ARM, so no Microsoft.Resources event tells of it."""
    annotation: str | None = None
    """The Resource Health annotation sent when it begins."""
    removes: bool = False


SETTLED = (RUNNING, STOPPED, DEALLOCATED)
_WRITE = ArmCall("PUT", "write", "Write")
_PATCH = ArmCall("PATCH", "write", "Write")

# No document says what these show on their way; the two -ing states are the harder case for a reader.
_DOWN_AND_UP = (Step(STOPPING, UPDATING), Step(STARTING, UPDATING), Step(RUNNING, SUCCEEDED))
_UP = (Step(STARTING, UPDATING), Step(RUNNING, SUCCEEDED))
_UP_BY_ITSELF: Paths = {RUNNING: (Step(STARTING), Step(RUNNING))}
_STAYS: Paths = {power: (Step(power, UPDATING), Step(power, SUCCEEDED)) for power in (None, *SETTLED)}

OPERATIONS: Mapping[Verb, Operation] = {
    Verb.CREATE: Operation(
        seconds=60,
        arm=_WRITE,
        annotation="VirtualMachineAllocated",
        paths={
            None: (
                Step(None, CREATING),
                Step(STOPPED, CREATING),
                Step(STARTING, CREATING),
                Step(RUNNING, CREATING, OS_PROVISIONING),
                Step(RUNNING, SUCCEEDED),
            ),
        },
    ),
    Verb.UPDATE: Operation(
        seconds=2,
        arm=_PATCH,
        annotation="VirtualMachineConfigurationUpdated",
        paths=_STAYS,
    ),
    Verb.DELETE: Operation(
        seconds=45,
        arm=ArmCall("DELETE", "delete", "Delete"),
        removes=True,
        paths={power: (Step(power, DELETING),) for power in (None, *SETTLED)},
    ),
    Verb.START: Operation(
        seconds=30,
        arm=ArmCall("POST", "start/action", "Action"),
        annotation="VirtualMachineStartInitiatedByControlPlane",
        paths={
            STOPPED: _UP,
            DEALLOCATED: (Step(STOPPED, UPDATING), *_UP),
            RUNNING: (),
        },
    ),
    Verb.POWER_OFF: Operation(
        seconds=20,
        arm=ArmCall("POST", "powerOff/action", "Action"),
        annotation="VirtualMachineStopInitiatedByControlPlane",
        paths={RUNNING: (Step(STOPPING, UPDATING), Step(STOPPED, SUCCEEDED)), STOPPED: ()},
    ),
    Verb.RESTART: Operation(
        seconds=30,
        arm=ArmCall("POST", "restart/action", "Action"),
        annotation="VirtualMachineRebootInitiatedByControlPlane",
        paths={RUNNING: _DOWN_AND_UP, STOPPED: _UP},
    ),
    Verb.DEALLOCATE: Operation(
        seconds=45,
        arm=ArmCall("POST", "deallocate/action", "Action"),
        annotation="VirtualMachineDeallocationInitiated",
        paths={
            RUNNING: (Step(DEALLOCATING, UPDATING), Step(DEALLOCATED, SUCCEEDED)),
            STOPPED: (Step(DEALLOCATING, UPDATING), Step(DEALLOCATED, SUCCEEDED)),
            DEALLOCATED: (),
        },
    ),
    # "Shuts down the virtual machine, moves it to a new node, and powers it back on."
    Verb.REDEPLOY: Operation(
        seconds=60,
        arm=ArmCall("POST", "redeploy/action", "Action"),
        annotation="VirtualMachineRedeployInitiatedByControlPlane",
        paths={RUNNING: _DOWN_AND_UP},
    ),
    Verb.REAPPLY: Operation(
        seconds=10, arm=ArmCall("POST", "reapply/action", "Action"), paths={p: _STAYS[p] for p in SETTLED}
    ),
    Verb.REIMAGE: Operation(
        seconds=60, arm=ArmCall("POST", "reimage/action", "Action"), paths={RUNNING: _DOWN_AND_UP}
    ),
    # Documented: a running VM is restarted by it.
    Verb.RESIZE: Operation(
        seconds=30,
        arm=_PATCH,
        annotation="VirtualMachineSizeChanged",
        paths={**_STAYS, RUNNING: _DOWN_AND_UP},
    ),
    Verb.GUEST_SHUTDOWN: Operation(
        seconds=15,
        annotation="VirtualMachineStoppedInternally",
        paths={RUNNING: (Step(STOPPING), Step(STOPPED))},
    ),
    Verb.GUEST_RESTART: Operation(seconds=20, annotation="VirtualMachineRestarted", paths=_UP_BY_ITSELF),
    # Azure's own words for the annotation: "undergoing a reboot due to a guest OS crash".
    Verb.GUEST_CRASH: Operation(seconds=30, annotation="VirtualMachineCrashed", paths=_UP_BY_ITSELF),
    # Where the eviction policy is Delete, the VM is removed in place of the last step.
    Verb.EVICT: Operation(
        seconds=30,
        annotation="VirtualMachinePreempted",
        paths={
            RUNNING: (Step(DEALLOCATING), Step(DEALLOCATED)),
            STOPPED: (Step(DEALLOCATING), Step(DEALLOCATED)),
        },
    ),
    Verb.HOST_CRASH: Operation(seconds=60, annotation="VirtualMachineHostCrashed", paths=_UP_BY_ITSELF),
    Verb.HOST_REPAIR: Operation(
        seconds=60, annotation="VirtualMachineHostRebootedForRepair", paths=_UP_BY_ITSELF
    ),
    Verb.SERVICE_HEALING: Operation(
        seconds=60, annotation="VirtualMachineMigrationInitiatedForRepair", paths=_UP_BY_ITSELF
    ),
    # A pause of some seconds, which no state shows.
    Verb.LIVE_MIGRATION: Operation(
        seconds=5, annotation="LiveMigrationSucceeded", paths={RUNNING: (Step(RUNNING),)}
    ),
    Verb.FAIL_PROVISIONING: Operation(
        seconds=60,
        arm=_WRITE,
        annotation="VirtualMachineProvisioningTimedOut",
        paths={
            RUNNING: (
                Step(RUNNING, CREATING, OS_PROVISIONING),
                Step(RUNNING, FAILED, OS_PROVISIONING_TIMED_OUT),
            ),
        },
    ),
    # The oldest document on the states: where the OS takes longer than expected, "the platform will automatically
    # transition to success from failure". Nobody calls ARM for that, and no event is documented.
    Verb.RECOVER_PROVISIONING: Operation(seconds=1, paths={RUNNING: (Step(RUNNING, SUCCEEDED),)}),
}

INSTANCE_ACTIONS = {
    "start": Verb.START,
    "powerOff": Verb.POWER_OFF,
    "restart": Verb.RESTART,
    "deallocate": Verb.DEALLOCATE,
    "redeploy": Verb.REDEPLOY,
    "reimage": Verb.REIMAGE,
}
"""What can be asked for of instances of a scale set, one by one or many at once, by the last word of ARM's path."""

VM_ACTIONS = {**INSTANCE_ACTIONS, "reapply": Verb.REAPPLY}
"""What can be asked for of a VM."""
