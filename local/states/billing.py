"""The page's part on billing: which power states are billed, and what each document says."""

from local.states.document import Document, Subject
from local.states.documents import (
    CONDUCT,
    CONTRADICTIONS,
    DOCUMENTS,
    LICENCE_CHARGED,
    agreeing,
    contradicting,
)
from local.states.markdown import bullets, code, paragraph, table
from local.states.quotations import quoted
from shared.domain.states import BILLED, SETTLED_POWER, PowerState


def answer() -> list[str]:
    """Is this state billed, and who says so: in one table."""
    return [
        paragraph(
            "The newest of Azure's documents decides; older ones add what it leaves out. *Billed* is about the VM's "
            "compute: disks and networking are charged in every state."
        ),
        table(
            ["power state", "billed?", "who says so", "hardware", "licence", "settled or passing"],
            (
                [
                    _name(state),
                    _word(BILLED[state], "yes", "no"),
                    _who(state),
                    _word(BILLED[state], "charged", "not charged"),
                    _word(LICENCE_CHARGED[state], "charged", "not charged"),
                    _settled(state),
                ]
                for state in PowerState
            ),
        ),
        paragraph(
            "A VM is at rest in a settled power state with no operation at work on it (see [provisioning "
            "states](#provisioning-states)). Only then is it judged; in a passing state Stopgap looks again."
        ),
        paragraph(
            f"**The licence while Stopped.** {quoted(Subject.LICENCE)} The undated draft calls the state “Billed "
            "(Hardware only)”, and Running and Stopping “Billed (Hardware + Software)”. The current page does not "
            "tell the two apart. So an hour Stopped costs at least the base compute (Linux) rate of the VM's size, "
            "and at most the rate with the licence included."
        ),
    ]


def wordings() -> list[str]:
    """What each document says, in its own words, and where they disagree."""
    return [
        "## What each document says of billing",
        paragraph(
            "To the letter; **≠** where it contradicts the current page, – where it says nothing or does not have "
            "the state. The 2017 reference has no billing column: its words are from the descriptions."
        ),
        table(
            ["power state", *(document.name for document in DOCUMENTS)],
            ([_name(state), *(_cell(document, state) for document in DOCUMENTS)] for state in PowerState),
        ),
        "What `*` leads to:",
        bullets(
            f"{document.name}: {' '.join(f'“{note}”' for note in _footnote(document))}"
            for document in DOCUMENTS
            if _footnote(document)
        ),
        "Where they disagree, the current page decides:",
        bullets(CONTRADICTIONS.values()),
    ]


def conduct() -> list[str]:
    """What Stopgap does with a VM in a power state."""
    return [
        "## What Stopgap does, and why",
        table(
            ["power state", "taken for", "Stopgap", "why"],
            (
                [_name(state), _word(BILLED[state], "billed", "not billed"), *CONDUCT[state]]
                for state in PowerState
            ),
        ),
        paragraph("One look is not enough for a flag:", quoted(Subject.BRIEF_STOPPED)),
        paragraph(
            "Portals and other tools show some states under other names. None is a word of the instance view; as "
            "one, it would be read as unknown."
        ),
        table(
            ["shown", "is"],
            (
                [
                    code(shown.written),
                    f"{shown.means.capitalize()}{' and `HibernationState/Hibernated`' if shown.hibernated else ''}",
                ]
                for document in DOCUMENTS
                for shown in document.shown_as
            ),
        ),
    ]


def _name(state: PowerState) -> str:
    return f"**{state.capitalize()}**"


def _word(value: bool | None, yes: str, no: str) -> str:
    return "not known" if value is None else yes if value else no


def _settled(state: PowerState) -> str:
    if state is PowerState.UNKNOWN:
        return "–"
    return "settled" if state in {*SETTLED_POWER, PowerState.DELETED} else "passing"


def _who(state: PowerState) -> str:
    said = ", ".join(document.name for document in agreeing(state)) or "no document"
    against = ", ".join(document.name for document in contradicting(state))
    return f"{said}; not so: {against}" if against else said


def _cell(document: Document, state: PowerState) -> str:
    row = document.row(state)
    if row is None:
        return "–"
    if row.wording is None:
        return f"{code(row.written)}: –" if state is PowerState.UNKNOWN else "–"
    return f"**≠** {code(row.wording)}" if document in contradicting(state) else code(row.wording)


def _footnote(document: Document) -> list[str]:
    said = (document.quotations.get(subject) for subject in (Subject.OTHER_CHARGES, Subject.LICENCE))
    return [note for note in said if note]
