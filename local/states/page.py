"""docs/states.md, made from the documents and from what the product does."""

from local.states import billing
from local.states.documents import DOCUMENTS
from local.states.lifecycle import lifecycle
from local.states.markdown import paragraph, table
from local.states.provisioning import provisioning

COMMAND = ".venv/bin/python -m local states"
"""Makes the page anew."""


def page() -> str:
    """The whole page, with a newline at its end."""
    parts = [
        "# States: which are billed, and who says so",
        f"<!-- Made by `{COMMAND}` from local/states/ and shared/domain/: change those, not this. -->",
        *billing.answer(),
        *billing.wordings(),
        *billing.conduct(),
        *provisioning(),
        *lifecycle(),
        *_sources(),
    ]
    return "\n\n".join(parts) + "\n"


def _sources() -> list[str]:
    return [
        "## Sources",
        table(
            ["called here", "title", "date", "of note"],
            (
                [document.name, f"[{document.title}]({document.link})", document.dated, document.note]
                for document in DOCUMENTS
            ),
        ),
        paragraph(
            "The words in quotation marks are Microsoft's, from its documentation, which is licensed under [CC BY "
            "4.0](https://creativecommons.org/licenses/by/4.0/)."
        ),
    ]
