"""The page's part on provisioning states, OS provisioning, hibernation and words that are not known."""

from collections.abc import Iterable

from local.states.document import Document, Subject
from local.states.documents import DOCUMENTS
from local.states.markdown import bullets, code, listed, paragraph, table
from local.states.quotations import quoted
from local.states.spellings import ERROR_CODE, spellings
from shared.domain.records import FlagKind
from shared.domain.states import SETTLED_PROVISIONING, ProvisioningState


def provisioning() -> list[str]:
    """Each spelling of a provisioning state and of an OS provisioning substate, and how it is read."""
    read = spellings()
    operations = dict.fromkeys(
        f"{operation.written} ({operation.shows})"
        for document in DOCUMENTS
        for operation in document.operations
    )
    return [
        "## Provisioning states",
        paragraph(
            "How the last control-plane operation on the VM went. Read in any letter case from "
            "`ProvisioningState/<state>[/<detail>]` in the instance view or, where that has none, from the model's "
            "`provisioningState`."
        ),
        table(
            ["read as", "kept with it", "settled or passing", "spelled", "by"],
            (
                [f"**{state}**", detail or "–", _settled(state), *_spelled(written)]
                for (state, detail), written in read.items()
                if detail in {None, ERROR_CODE}
            ),
        ),
        paragraph(
            f"**{ProvisioningState.UNKNOWN}** is any other word, and none at all: Azure may be at work, so the VM is "
            f"not at rest. Operations show, while at work: {listed(operations)}. Start and restart are updates too."
        ),
        "### OS provisioning substates",
        paragraph(
            "Only of a VM made from a generalized image, and only in the instance view. With or without `creating/`, "
            "they are read as that state."
        ),
        table(
            ["read as", "kept with it", "settled or passing", "spelled", "by"],
            (
                [f"**{state}**", f"{code(detail)}, as spelled", _settled(state), *_spelled(written)]
                for (state, detail), written in read.items()
                if detail and detail != ERROR_CODE
            ),
        ),
        *_failures(),
    ]


def _failures() -> list[str]:
    return [
        "### When OS provisioning fails",
        paragraph(
            "The VM runs and is billed:",
            quoted(Subject.OS_FAILED),
            "An error code that begins with `OSProvisioning`, or a failure without any right after creating, tells "
            f"it from other failures. Stopgap flags it as `{FlagKind.FAILED_PROVISIONING}` when two looks a grace "
            "apart find it so. The flag ends when the VM is found otherwise, as it may be without anyone's doing:",
        ),
        bullets([quoted(Subject.OS_RECOVERS), quoted(Subject.OS_ADVICE)]),
        "### When another operation fails",
        paragraph(
            quoted(Subject.OPERATION_FAILED),
            "It is Running and billed as before, and not left Stopped: a provisioning state says nothing of power. "
            "What counts is the power state beside it.",
        ),
        "## Hibernation",
        paragraph(
            quoted(Subject.HIBERNATED),
            "In the instance view it is `PowerState/deallocated` with `HibernationState/Hibernated`: a kind of "
            "Deallocated, so its compute is not billed.",
        ),
        "## Words that are not known",
        paragraph(
            "A power state that is missing, `--` or a word that is not on this page is read as unknown, and never as "
            "Stopped. Whether such a VM is billed is not known either. Only statuses that are no list of statuses "
            "are an error."
        ),
    ]


def _settled(state: ProvisioningState) -> str:
    return "settled" if state in SETTLED_PROVISIONING else "passing"


def _spelled(written: dict[str, list[Document]]) -> tuple[str, str]:
    """The spellings, and the names of the documents that have any of them."""
    documents = [by for all_by in written.values() for by in all_by]
    return listed(map(_shown, _plain_first(written))), listed(
        document.name for document in DOCUMENTS if document in documents
    )


def _plain_first(written: Iterable[str]) -> list[str]:
    return sorted(written, key=lambda spelling: ("/" in spelling, spelling != spelling.strip()))


def _shown(written: str) -> str:
    """To the letter; a space at the beginning would not be seen without what is before it."""
    return code(written if written == written.strip() else f"ProvisioningState/{written}")
