"""What the documents say of a subject, in their words."""

from local.states.document import Subject
from local.states.documents import DOCUMENTS


def quoted(subject: Subject) -> str:
    """Each different sentence, with the names of the documents that have it."""
    said: dict[str, list[str]] = {}
    for document in DOCUMENTS:
        if subject in document.quotations:
            said.setdefault(document.quotations[subject], []).append(document.name)
    return "; ".join(f"“{words}” ({', '.join(names)})" for words, names in said.items()) + "."
