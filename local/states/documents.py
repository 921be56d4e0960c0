"""The five documents together: who says what of a power state's billing, where they disagree, and what settles it."""

from collections.abc import Mapping

from local.states.current_page import CURRENT_PAGE
from local.states.document import Document, Subject
from local.states.draft import DRAFT
from local.states.lifecycle_article import ARTICLE, DUTCH_FILE
from local.states.rest_reference import REST_REFERENCE
from shared.domain.states import PowerState

DOCUMENTS: tuple[Document, ...] = (CURRENT_PAGE, ARTICLE, DUTCH_FILE, REST_REFERENCE, DRAFT)
"""The newest first: it decides. The draft has no date."""

NEWEST = DOCUMENTS[0]

LICENCE_CHARGED: Mapping[PowerState, bool | None] = {
    PowerState.CREATING: False,
    PowerState.STARTING: None,
    PowerState.RUNNING: True,
    PowerState.STOPPING: True,
    PowerState.STOPPED: False,
    PowerState.DEALLOCATING: False,
    PowerState.DEALLOCATED: False,
    PowerState.DELETED: False,
    PowerState.UNKNOWN: None,
}
"""Whether software licences are charged on top of the compute, which older documents say and the newest leaves out.

By the draft's "(Hardware + Software)" and "(Hardware only)", and the article's footnote to "Billed*". Where the compute
is not billed, they are not. None: no document that bills the state says.
"""

_ENGLISH_FILE = (
    "https://github.com/MicrosoftDocs/azure-docs/blob/e38b0c2485dbb4cdc036e27ff2cf2c0fe45f4435"
    "/includes/virtual-machines-common-states-lifecycle.md"
)
_LATER_DUTCH_FILE = (
    "https://github.com/whaakman/azure-docs.nl-nl/blob/3596aea54313ad725ef08ee2e207f0d83426f245"
    "/includes/virtual-machines-common-states-lifecycle.md"
)

CONTRADICTIONS: Mapping[PowerState, str] = {
    PowerState.STARTING: "Starting is billed by the current page, and not billed by the 2018 article, the 2018 Dutch "
    "file and the undated draft.",
    PowerState.STOPPED: "Stopped is billed by the current page and three others, and not billed by the 2018 Dutch "
    f"file, which is an error of that file: the same row says “{DUTCH_FILE.quotations[Subject.HARDWARE_KEPT]}”, its "
    f"[English counterpart]({_ENGLISH_FILE}) of the same date says `Billed*`, and its [Dutch "
    f"successor]({_LATER_DUTCH_FILE}) says that in Dutch.",
    PowerState.DEALLOCATING: "Deallocating is not billed by the current page, the 2018 article and the 2018 Dutch "
    "file, and billed for its hardware by the undated draft.",
}
"""Where a document contradicts the newest, in a sentence for each state."""

CONDUCT: Mapping[PowerState, tuple[str, str]] = {
    PowerState.CREATING: (
        "looks again until the VM is at rest",
        "only the current page has it as a power state",
    ),
    PowerState.STARTING: ("looks again until the VM is at rest", "the current page decides"),
    PowerState.RUNNING: (
        "records it; flags it only when its OS provisioning failed",
        "all that say anything agree",
    ),
    PowerState.STOPPING: ("looks again until the VM is at rest", "all that say anything agree"),
    PowerState.STOPPED: (
        "flags the VM when two looks a grace apart saw it so, with no operation at work and no exemption",
        "the current page decides, and all but one erroneous file agree",
    ),
    PowerState.DEALLOCATING: (
        "looks again: a VM counts as Deallocated only when it is seen so",
        "the current page decides",
    ),
    PowerState.DEALLOCATED: (
        "records it, and clears a flag",
        "all agree; disks and networking are charged all the same",
    ),
    PowerState.DELETED: (
        "records it, and clears a flag",
        "Stopgap's own word, for Azure's answer that there is no such VM",
    ),
    PowerState.UNKNOWN: (
        "lets the last record stand and looks again; never takes it for Stopped",
        "no document says what such a VM costs",
    ),
}
"""What Stopgap does with a VM in a power state, and why it takes the state for billed, not billed or unknown."""


def agreeing(state: PowerState) -> tuple[Document, ...]:
    """The newest and those that say the same of the state's billing as it; none when it says nothing."""
    decided = NEWEST.row(state)
    if decided is None:
        return ()
    return tuple(
        document for document in DOCUMENTS if (row := document.row(state)) and row.billed is decided.billed
    )


def contradicting(state: PowerState) -> tuple[Document, ...]:
    """Those that say something else of the state's billing than the newest."""
    decided = NEWEST.row(state)
    return tuple(
        document
        for document in DOCUMENTS
        if decided
        and (row := document.row(state))
        and row.billed is not None
        and row.billed is not decided.billed
    )
