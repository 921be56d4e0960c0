"""The newest document, which decides."""

from local.states.document import Document, Example, PowerRow, ProvisioningRow, ShownAs, Subject, View
from shared.domain.states import PowerState, ProvisioningState

CURRENT_PAGE = Document(
    key="states-billing",
    name="current page",
    title="States and billing status of Azure Virtual Machines",
    dated="no date on the page; its source in MicrosoftDocs/azure-compute-docs is of 2023-10-31",
    link="https://learn.microsoft.com/azure/virtual-machines/states-billing",
    note="The newest: it decides.",
    power=(
        PowerRow("Creating", PowerState.CREATING, "Not Billed*", billed=False),
        PowerRow("Starting", PowerState.STARTING, "Billed", billed=True),
        PowerRow("Running", PowerState.RUNNING, "Billed", billed=True),
        PowerRow("Stopping", PowerState.STOPPING, "Billed", billed=True),
        PowerRow("Stopped", PowerState.STOPPED, "Billed", billed=True),
        PowerRow("Deallocating", PowerState.DEALLOCATING, "Not billed*", billed=False),
        PowerRow("Deallocated", PowerState.DEALLOCATED, "Not billed*", billed=False),
    ),
    provisioning=(
        ProvisioningRow("Creating", ProvisioningState.CREATING),
        ProvisioningRow("Updating", ProvisioningState.UPDATING),
        ProvisioningRow("Failed", ProvisioningState.FAILED),
        ProvisioningRow("Succeeded", ProvisioningState.SUCCEEDED),
        ProvisioningRow("Deleting", ProvisioningState.DELETING),
        ProvisioningRow("Migrating", ProvisioningState.MIGRATING),
    ),
    os_provisioning=(
        ProvisioningRow(
            "OSProvisioningInProgress", ProvisioningState.CREATING, "OSProvisioningInProgress", View.INSTANCE
        ),
        ProvisioningRow(
            "OSProvisioningComplete", ProvisioningState.CREATING, "OSProvisioningComplete", View.INSTANCE
        ),
        # The same as a code, in its text.
        ProvisioningRow(
            "creating/osProvisioningComplete",
            ProvisioningState.CREATING,
            "osProvisioningComplete",
            View.INSTANCE,
        ),
        ProvisioningRow("Succeeded", ProvisioningState.SUCCEEDED, view=View.INSTANCE),
        ProvisioningRow("Failed", ProvisioningState.FAILED, view=View.INSTANCE),
    ),
    shown_as=(
        ShownAs("PoweredOff", PowerState.STOPPED),
        ShownAs("Stopped (Allocated)", PowerState.STOPPED),
        ShownAs("Stopped (Deallocated)", PowerState.DEALLOCATED),
        ShownAs("Hibernated (Deallocated)", PowerState.DEALLOCATED, hibernated=True),
    ),
    examples=(Example("Example of PowerState in JSON", ("PowerState/running",), power=PowerState.RUNNING),),
    quotations={
        Subject.OTHER_CHARGES: "Some Azure resources, such as Disks and Networking continue to incur charges.",
        Subject.BRIEF_STOPPED: "The Stopped state might also be observed briefly during VM creation or while "
        "starting a VM from Stopped (Deallocated) state.",
        Subject.HIBERNATED: "If it has entered hibernation it is shown as Hibernated (Deallocated)",
    },
)
