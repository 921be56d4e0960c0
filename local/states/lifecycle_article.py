"""The lifecycle article of 2018, and a file of the Dutch documentation that holds an early form of it.

The two differ in the billing of Stopped and in one footnote; their states and examples are the same.
"""

from local.states.document import Document, Example, Operation, PowerRow, ProvisioningRow, Subject, View
from shared.domain.states import PowerState, ProvisioningState

_PROVISIONING = (
    ProvisioningRow("Creating", ProvisioningState.CREATING),
    ProvisioningRow("Updating", ProvisioningState.UPDATING),
    ProvisioningRow("Deleting", ProvisioningState.DELETING),
    ProvisioningRow("Succeeded", ProvisioningState.SUCCEEDED),
    ProvisioningRow("Failed", ProvisioningState.FAILED),
)

_OS_PROVISIONING = (
    ProvisioningRow(
        "OSProvisioningInprogress", ProvisioningState.CREATING, "OSProvisioningInprogress", View.INSTANCE
    ),
    ProvisioningRow(
        "OSProvisioningComplete", ProvisioningState.CREATING, "OSProvisioningComplete", View.INSTANCE
    ),
)

_OPERATIONS = (
    Operation("Create", ProvisioningState.CREATING),
    Operation("Update", ProvisioningState.UPDATING),
    Operation("Delete", ProvisioningState.DELETING),
    Operation("Deallocate", ProvisioningState.UPDATING),
)

_EXAMPLES = (
    Example("Starting", ("PowerState/starting",), power=PowerState.STARTING),
    Example("Running", ("PowerState/running",), power=PowerState.RUNNING),
    Example("Stopping", ("PowerState/stopping",), power=PowerState.STOPPING),
    Example("Stopped", ("PowerState/stopped",), power=PowerState.STOPPED),
    Example("Deallocating", ("PowerState/deallocating",), power=PowerState.DEALLOCATING),
    Example("Deallocated", ("PowerState/deallocated",), power=PowerState.DEALLOCATED),
    Example("Creating", ("ProvisioningState/creating",), provisioning=ProvisioningState.CREATING),
    Example("Updating", ("ProvisioningState/updating",), provisioning=ProvisioningState.UPDATING),
    Example("Deleting", ("ProvisioningState/deleting",), provisioning=ProvisioningState.DELETING),
    Example(
        "OSProvisioningInprogress",
        ("ProvisioningState/creating/OSProvisioningInprogress",),
        provisioning=ProvisioningState.CREATING,
        detail="OSProvisioningInprogress",
    ),
    Example(
        "OSProvisioningComplete",
        ("ProvisioningState/creating/OSProvisioningComplete",),
        provisioning=ProvisioningState.CREATING,
        detail="OSProvisioningComplete",
    ),
    Example("Succeeded", ("ProvisioningState/succeeded",), provisioning=ProvisioningState.SUCCEEDED),
    Example(
        "Failed",
        ("ProvisioningState/failed/InternalOperationError",),
        provisioning=ProvisioningState.FAILED,
        detail="InternalOperationError",
    ),
)

_OS_FAILED = "Customers will be billed for the deployed VM on the infrastructure."
_HARDWARE_KEPT = "Hardware is still allocated to the VM and it remains on the host."

ARTICLE = Document(
    key="states-lifecycle-2018",
    name="2018 article",
    title="Lifecycle and states of a VM in Azure",
    dated="2018-08-09, in its front matter",
    link="https://github.com/MicrosoftDocs/azure-docs/blob/cb42187741d5e04c04a857a19b3b79319622cb7e/articles/virtual-machines/states-lifecycle.md",
    note="The predecessor of the current page.",
    power=(
        PowerRow("Starting", PowerState.STARTING, "Not billed", billed=False),
        PowerRow("Running", PowerState.RUNNING, "Billed", billed=True),
        PowerRow("Stopping", PowerState.STOPPING, "Billed", billed=True),
        PowerRow("Stopped", PowerState.STOPPED, "Billed*", billed=True),
        PowerRow("Deallocating", PowerState.DEALLOCATING, "Not billed*", billed=False),
        PowerRow("Deallocated", PowerState.DEALLOCATED, "Not billed", billed=False),
    ),
    provisioning=_PROVISIONING,
    os_provisioning=_OS_PROVISIONING,
    operations=_OPERATIONS,
    examples=_EXAMPLES,
    quotations={
        Subject.OTHER_CHARGES: "Some Azure resources, such as Disks and Networking, incur charges.",
        Subject.LICENCE: "Software licenses on the instance do not incur charges.",
        Subject.HARDWARE_KEPT: _HARDWARE_KEPT,
        Subject.OS_FAILED: _OS_FAILED,
    },
)

DUTCH_FILE = Document(
    key="states-lifecycle-2018-nl",
    name="2018 Dutch file",
    title="include file (virtual-machines-common-states-lifecycle.md, nl-NL)",
    dated="2018-08-09, in its front matter; machine translation handed over on 2018-09-13",
    link="https://github.com/rekha-balan/azure-docs-test2-pr.nl-NL/blob/5be9fca7db3ea30012f174ef98ea0e5731f5c31d/includes/virtual-machines-common-states-lifecycle.md",
    note="Meant to be Dutch, but its sentences are still English: an early form of the article.",
    power=(
        PowerRow("Starting", PowerState.STARTING, "Not billed", billed=False),
        PowerRow("Running", PowerState.RUNNING, "Billed", billed=True),
        PowerRow("Stopping", PowerState.STOPPING, "Billed", billed=True),
        PowerRow("Stopped", PowerState.STOPPED, "Not billed*", billed=False),
        PowerRow("Deallocating", PowerState.DEALLOCATING, "Not billed*", billed=False),
        PowerRow("Deallocated", PowerState.DEALLOCATED, "Not billed", billed=False),
    ),
    provisioning=_PROVISIONING,
    os_provisioning=_OS_PROVISIONING,
    operations=_OPERATIONS,
    examples=_EXAMPLES,
    quotations={
        Subject.OTHER_CHARGES: "Some Azure resources, such as Disks and Networking, incur charges regardless of "
        "the instance's state.",
        Subject.HARDWARE_KEPT: _HARDWARE_KEPT,
        Subject.OS_FAILED: _OS_FAILED,
    },
)
