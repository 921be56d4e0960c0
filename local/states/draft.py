"""The undated draft: the only document that tells hardware and software charges apart."""

from local.states.document import Document, Example, Operation, PowerRow, ProvisioningRow, Subject, View
from shared.domain.states import PowerState, ProvisioningState

DRAFT = Document(
    key="states-and-lifecycle-draft",
    name="undated draft",
    title="Virtual Machines Lifecycle and States",
    dated="none; it reads as a draft of the 2018 article",
    link="https://github.com/MicrosoftDocs/azure-docs/blob/8eda351d1f2456f76bdf855d465207918a44076e/articles/virtual-machines/Virtual-machines-States-and-lifecycle.md",
    note="The only one that tells hardware and software charges apart. The link leads to another revision of it, with "
    "the same rows.",
    power=(
        PowerRow("Starting", PowerState.STARTING, "Not Billed", billed=False),
        PowerRow("Running", PowerState.RUNNING, "Billed (Hardware + Software)", billed=True),
        PowerRow("Stopping", PowerState.STOPPING, "Billed (Hardware + Software)", billed=True),
        PowerRow("Stopped", PowerState.STOPPED, "Billed (Hardware only)", billed=True),
        PowerRow("Deallocating", PowerState.DEALLOCATING, "Billed (Hardware only)", billed=True),
        PowerRow("Deallocated", PowerState.DEALLOCATED, "Not billed", billed=False),
    ),
    provisioning=(
        ProvisioningRow("Creating", ProvisioningState.CREATING),
        ProvisioningRow("Updating", ProvisioningState.UPDATING),
        ProvisioningRow("Deleting", ProvisioningState.DELETING),
        ProvisioningRow("InProgress", ProvisioningState.IN_PROGRESS),
        ProvisioningRow("Canceled", ProvisioningState.CANCELED),
        ProvisioningRow("Success", ProvisioningState.SUCCEEDED),
        ProvisioningRow("Failed", ProvisioningState.FAILED),
    ),
    os_provisioning=(
        ProvisioningRow(
            "OSProvisioningInprogress", ProvisioningState.CREATING, "OSProvisioningInprogress", View.INSTANCE
        ),
        ProvisioningRow(
            "OSProvisioningComplete", ProvisioningState.CREATING, "OSProvisioningComplete", View.INSTANCE
        ),
    ),
    operations=(
        Operation("Create", ProvisioningState.CREATING),
        Operation("Update", ProvisioningState.UPDATING),
        Operation("Delete", ProvisioningState.DELETING),
        Operation("Deallocate", ProvisioningState.UPDATING),
    ),
    examples=(
        Example(
            "Starting",
            ("ProvisioningState/creating", "PowerState/starting"),
            PowerState.STARTING,
            ProvisioningState.CREATING,
        ),
        Example(
            "Running",
            ("ProvisioningState/succeeded", "PowerState/running"),
            PowerState.RUNNING,
            ProvisioningState.SUCCEEDED,
        ),
        Example(
            "Stopping",
            ("ProvisioningState/updating", "PowerState/stopping"),
            PowerState.STOPPING,
            ProvisioningState.UPDATING,
        ),
        Example(
            "Stopped",
            ("ProvisioningState/succeeded", "PowerState/stopped"),
            PowerState.STOPPED,
            ProvisioningState.SUCCEEDED,
        ),
        Example(
            "Deallocating",
            ("ProvisioningState/updating", "PowerState/deallocating"),
            PowerState.DEALLOCATING,
            ProvisioningState.UPDATING,
        ),
        Example(
            "Deallocated",
            ("ProvisioningState/succeeded", "PowerState/deallocated"),
            PowerState.DEALLOCATED,
            ProvisioningState.SUCCEEDED,
        ),
        Example("Creating", ("ProvisioningState/creating",), provisioning=ProvisioningState.CREATING),
        Example("Updating", ("ProvisioningState/updating",), provisioning=ProvisioningState.UPDATING),
        Example("Deleting", ("ProvisioningState/deleting",), provisioning=ProvisioningState.DELETING),
        Example(
            "OSProvisioningInprogress",
            ("ProvisioningState/ OSProvisioningInprogress",),
            provisioning=ProvisioningState.CREATING,
            detail="OSProvisioningInprogress",
        ),
        Example(
            "OSProvisioningComplete",
            ("ProvisioningState/ OSProvisioningComplete",),
            provisioning=ProvisioningState.CREATING,
            detail="OSProvisioningComplete",
        ),
        Example("Success", ("ProvisioningState/succeeded",), provisioning=ProvisioningState.SUCCEEDED),
        Example("Failed", ("ProvisioningState/failed",), provisioning=ProvisioningState.FAILED),
    ),
    quotations={
        Subject.OS_FAILED: "At this time, customers will be billed for the deployed VM on the infrastructure.",
        Subject.OS_RECOVERS: "In cases where OS takes longer than expected to complete the installation, the platform "
        "will automatically transition to success from failure.",
        Subject.OS_ADVICE: "In other cases, restarting a VM can resolve the issue.",
        Subject.OPERATION_FAILED: "In cases where a VM was running and in a good state, a failed management operation "
        "will typically leave the VM running with the original VM model (configuration).",
    },
)
