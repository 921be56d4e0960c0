"""Every spelling of a provisioning state in the documents, rows and examples, gathered by what it is read as."""

from collections.abc import Iterator

from local.states.document import Document
from local.states.documents import DOCUMENTS
from shared.domain.states import ProvisioningState

ERROR_CODE = "the error code"

Reading = tuple[ProvisioningState, str | None]
"""The state and what follows it: a substate in lower case, as one is spelled in several ways, or `ERROR_CODE`."""

_PREFIX = "ProvisioningState/"


def spellings() -> dict[Reading, dict[str, list[Document]]]:
    """For each reading its spellings, and who has them; in the order of `ProvisioningState` and of `DOCUMENTS`."""
    found: dict[Reading, dict[str, list[Document]]] = {}
    for document in DOCUMENTS:
        for written, state, detail in _written(document):
            documents = found.setdefault((state, _follows(state, detail)), {}).setdefault(written, [])
            if document not in documents:
                documents.append(document)
    order = list(ProvisioningState)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1] or "")))


def _written(document: Document) -> Iterator[tuple[str, ProvisioningState, str | None]]:
    for row in (*document.provisioning, *document.os_provisioning):
        yield row.written, row.means, row.detail
    for example in document.examples:
        for code in example.codes:
            if code.startswith(_PREFIX):
                yield code.removeprefix(_PREFIX), example.provisioning, example.detail


def _follows(state: ProvisioningState, detail: str | None) -> str | None:
    if detail is None:
        return None
    return ERROR_CODE if state is ProvisioningState.FAILED else detail.lower()
