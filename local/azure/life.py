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
    GUEST_SHUTDOWN = "guest_shutdown"
    GUEST_CRASH = "guest_crash"
    EVICT = "evict"
    FAIL_PROVISIONING = "fail_provisioning"


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
    paths: Mapping[PowerState | None, tuple[Step, ...]]
    arm: ArmCall | None = None
    """None: nobody called ARM, so no Microsoft.Resources event tells of it."""
    annotation: str | None = None
    """The Resource Health annotation sent when it begins."""
    removes: bool = False


SETTLED = (RUNNING, STOPPED, DEALLOCATED)
_WRITE = ArmCall("PUT", "write", "Write")

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
        arm=ArmCall("PATCH", "write", "Write"),
        annotation="VirtualMachineConfigurationUpdated",
        paths={power: (Step(power, UPDATING), Step(power, SUCCEEDED)) for power in (None, *SETTLED)},
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
            STOPPED: (Step(STARTING, UPDATING), Step(RUNNING, SUCCEEDED)),
            DEALLOCATED: (Step(STOPPED, UPDATING), Step(STARTING, UPDATING), Step(RUNNING, SUCCEEDED)),
            RUNNING: (),
        },
    ),
    Verb.POWER_OFF: Operation(
        seconds=20,
        arm=ArmCall("POST", "powerOff/action", "Action"),
        annotation="VirtualMachineStopInitiatedByControlPlane",
        paths={RUNNING: (Step(STOPPING, UPDATING), Step(STOPPED, SUCCEEDED)), STOPPED: ()},
    ),
    # No document says what a restart shows on its way; the two -ing states are the harder case for a reader.
    Verb.RESTART: Operation(
        seconds=30,
        arm=ArmCall("POST", "restart/action", "Action"),
        annotation="VirtualMachineRestarted",
        paths={
            RUNNING: (Step(STOPPING, UPDATING), Step(STARTING, UPDATING), Step(RUNNING, SUCCEEDED)),
            STOPPED: (Step(STARTING, UPDATING), Step(RUNNING, SUCCEEDED)),
        },
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
    Verb.GUEST_SHUTDOWN: Operation(
        seconds=15,
        annotation="VirtualMachineStoppedInternally",
        paths={RUNNING: (Step(STOPPING), Step(STOPPED))},
    ),
    # Azure's own words for the annotation: "undergoing a reboot due to a guest OS crash".
    Verb.GUEST_CRASH: Operation(
        seconds=30,
        annotation="VirtualMachineCrashed",
        paths={RUNNING: (Step(STARTING), Step(RUNNING))},
    ),
    Verb.EVICT: Operation(
        seconds=30,
        annotation="VirtualMachinePreempted",
        paths={
            RUNNING: (Step(DEALLOCATING), Step(DEALLOCATED)),
            STOPPED: (Step(DEALLOCATING), Step(DEALLOCATED)),
        },
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
}
