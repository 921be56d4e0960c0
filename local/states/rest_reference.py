"""The page of the REST reference of 2017: no billing column, but the only one with both views and `--`."""

from local.states.document import Document, Example, PowerRow, ProvisioningRow, View
from shared.domain.states import PowerState, ProvisioningState

REST_REFERENCE = Document(
    key="state-information-2017",
    name="2017 reference",
    title="Virtual machine state information | Microsoft Azure",
    dated="2017-03-09, in its front matter",
    link="https://docs.microsoft.com/rest/api/compute/virtualmachines/virtualmachines-state",
    note="Has no billing column: what it says of billing is in its descriptions. The only one that lists the model's "
    "view apart from the instance view, and `--`.",
    power=(
        PowerRow("Starting", PowerState.STARTING),
        PowerRow("Running", PowerState.RUNNING),
        PowerRow("Stopping", PowerState.STOPPING),
        PowerRow(
            "Stopped",
            PowerState.STOPPED,
            "virtual machines in the stopped state still incur compute charges",
            billed=True,
        ),
        PowerRow("Deallocating", PowerState.DEALLOCATING),
        PowerRow(
            "Deallocated",
            PowerState.DEALLOCATED,
            "Virtual machines in the Deallocated state do not incur compute charges",
            billed=False,
        ),
        PowerRow("--", PowerState.UNKNOWN),
    ),
    provisioning=(
        ProvisioningRow("Creating", ProvisioningState.CREATING, view=View.MODEL),
        ProvisioningRow("Updating", ProvisioningState.UPDATING, view=View.MODEL),
        ProvisioningRow("Succeeded", ProvisioningState.SUCCEEDED, view=View.MODEL),
        ProvisioningRow("Deleting", ProvisioningState.DELETING, view=View.MODEL),
        ProvisioningRow("Failed", ProvisioningState.FAILED, view=View.MODEL),
        ProvisioningRow("Creating", ProvisioningState.CREATING, view=View.INSTANCE),
        ProvisioningRow("Updating", ProvisioningState.UPDATING, view=View.INSTANCE),
        ProvisioningRow("Succeeded", ProvisioningState.SUCCEEDED, view=View.INSTANCE),
        ProvisioningRow("Deleting", ProvisioningState.DELETING, view=View.INSTANCE),
        ProvisioningRow("Failed/error_code", ProvisioningState.FAILED, "error_code", View.INSTANCE),
    ),
    os_provisioning=(
        ProvisioningRow(
            "Creating/osProvisioningInProgress",
            ProvisioningState.CREATING,
            "osProvisioningInProgress",
            View.INSTANCE,
        ),
        ProvisioningRow(
            "Creating/osProvisioningComplete",
            ProvisioningState.CREATING,
            "osProvisioningComplete",
            View.INSTANCE,
        ),
    ),
    examples=(
        Example("VM in running state", ("PowerState/running",), power=PowerState.RUNNING),
        Example("VM in deallocated state", ("PowerState/deallocated",), power=PowerState.DEALLOCATED),
        Example(
            "ProvisioningState in the model view",
            model_state="Succeeded",
            provisioning=ProvisioningState.SUCCEEDED,
        ),
        Example(
            "VM in ProvisioningState succeeded",
            ("ProvisioningState/succeeded", "PowerState/deallocated"),
            power=PowerState.DEALLOCATED,
            provisioning=ProvisioningState.SUCCEEDED,
        ),
        Example(
            "VM in ProvisioningState failed",
            ("ProvisioningState/failed/StorageAccountSubscriptionMismatch", "PowerState/running"),
            power=PowerState.RUNNING,
            provisioning=ProvisioningState.FAILED,
            detail="StorageAccountSubscriptionMismatch",
        ),
    ),
)
