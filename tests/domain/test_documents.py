"""Every row and every example of Azure's documents, read as the tables in local/states say that it is meant."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.states.document import Document, Example, Operation, PowerRow, ProvisioningRow, ShownAs, View
from local.states.documents import CONTRADICTIONS, DOCUMENTS, LICENCE_CHARGED, NEWEST, contradicting
from shared.domain.states import BILLED, SETTLED_PROVISIONING, PowerState, ProvisioningState, read_statuses

DATA = Path(__file__).parents[1] / "data" / "documents"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as written": lambda word: word,
    "lower": str.lower,
    "upper": str.upper,
    "spaces around": " {} ".format,
}


def examples_of(document: Document) -> dict[str, dict[str, Any]]:
    """The JSON examples of a document, by heading."""
    entries: list[dict[str, Any]] = json.loads((DATA / f"{document.key}.json").read_text("utf-8"))
    examples = {entry["heading"]: entry for entry in entries}
    assert len(examples) == len(entries), "a heading names one example"
    return examples


def statuses_of(entry: dict[str, Any]) -> list[dict[str, str]]:
    statuses: list[dict[str, str]] = [entry["status"]] if "status" in entry else entry.get("statuses", [])
    return statuses


def provisioning_rows(*views: View) -> list[Any]:
    return [
        pytest.param(row, id=f"{document.name}: {part}{row.written} ({row.view})")
        for document in DOCUMENTS
        for part, rows in (("", document.provisioning), ("OS ", document.os_provisioning))
        for row in rows
        if row.view in views
    ]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{document.name}: {row.written}")
        for document in DOCUMENTS
        for row in document.power
    ],
)
def test_power_state(row: PowerRow, spelling: str) -> None:
    reading = read_statuses([{"code": f"PowerState/{SPELLINGS[spelling](row.written)}"}])
    assert reading.power_state is row.means


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("row", provisioning_rows(*View))
def test_provisioning_state_as_a_code(row: ProvisioningRow, spelling: str) -> None:
    spell = SPELLINGS[spelling]
    reading = read_statuses([{"code": f"ProvisioningState/{spell(row.written)}"}])
    assert reading.provisioning_state is row.means
    assert reading.detail == (row.detail and spell(row.detail).strip())
    assert reading.error_code == (reading.detail if row.means is ProvisioningState.FAILED else None)


@pytest.mark.parametrize("row", provisioning_rows(View.MODEL, View.BOTH))
def test_provisioning_state_in_the_model(row: ProvisioningRow) -> None:
    reading = read_statuses([{"code": "PowerState/stopped"}], row.written)
    assert (reading.provisioning_state, reading.detail) == (row.means, row.detail)
    assert reading.settled is (row.means in SETTLED_PROVISIONING)


@pytest.mark.parametrize(
    ("document", "example"),
    [
        pytest.param(document, example, id=f"{document.name}: {example.heading}")
        for document in DOCUMENTS
        for example in document.examples
    ],
)
def test_example(document: Document, example: Example) -> None:
    entry = examples_of(document)[example.heading]
    for order in (statuses_of(entry), statuses_of(entry)[::-1]):
        reading = read_statuses(order, entry.get("provisioningState"))
        assert (reading.power_state, reading.provisioning_state, reading.detail, reading.hibernated) == (
            example.power,
            example.provisioning,
            example.detail,
            False,
        )


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(shown, id=f"{document.name}: {shown.written}")
        for document in DOCUMENTS
        for shown in document.shown_as
    ],
)
def test_what_portals_show_is_no_word_of_a_view(shown: ShownAs) -> None:
    assert read_statuses([{"code": f"PowerState/{shown.written}"}]).power_state is PowerState.UNKNOWN
    view = [{"code": f"PowerState/{shown.means}"}, {"code": "ProvisioningState/succeeded"}]
    hibernated = [{"code": "HibernationState/Hibernated"}] if shown.hibernated else []
    reading = read_statuses(view + hibernated)
    assert (reading.power_state, reading.hibernated, reading.settled) == (shown.means, shown.hibernated, True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
class TestTheTablesAreWhole:
    def test_every_example_is_in_the_tables_and_the_other_way_round(self, document: Document) -> None:
        assert [
            (heading, tuple(status["code"] for status in statuses_of(entry)), entry.get("provisioningState"))
            for heading, entry in examples_of(document).items()
        ] == [(example.heading, example.codes, example.model_state) for example in document.examples]

    def test_examples_have_what_azure_gives_a_status(self, document: Document) -> None:
        for entry in examples_of(document).values():
            for status in statuses_of(entry):
                assert (
                    {"code", "level", "displayStatus"}
                    <= set(status)
                    <= {
                        "code",
                        "level",
                        "displayStatus",
                        "message",
                        "time",
                    }
                )

    def test_a_row_is_there_once(self, document: Document) -> None:
        rows: tuple[tuple[PowerRow | ProvisioningRow | Operation, ...], ...] = (
            document.power,
            document.provisioning,
            document.os_provisioning,
            document.operations,
        )
        for part in rows:
            assert len(set(part)) == len(part)
        assert len({row.means for row in document.power}) == len(document.power)

    def test_what_is_exemplified_has_a_row(self, document: Document) -> None:
        power = {row.means for row in document.power}
        provisioning = {
            (row.means, row.detail) for row in (*document.provisioning, *document.os_provisioning)
        }
        for example in document.examples:
            kept = None if example.provisioning is ProvisioningState.FAILED else example.detail
            assert example.power in power | {PowerState.UNKNOWN}
            assert example.provisioning is ProvisioningState.UNKNOWN or (
                (example.provisioning, kept) in provisioning
                or (example.provisioning, "error_code") in provisioning
            )

    def test_wordings_say_what_the_tables_take_them_for(self, document: Document) -> None:
        for row in document.power:
            assert (row.wording is None) is (row.billed is None)
            if row.wording is not None:
                assert ("not" in row.wording.lower().split()) is not row.billed


def test_every_file_of_examples_is_a_documents() -> None:
    assert {path.stem for path in DATA.glob("*.json")} == {document.key for document in DOCUMENTS}


def test_every_state_has_a_row() -> None:
    assert {row.means for document in DOCUMENTS for row in document.power} == set(PowerState) - {
        PowerState.DELETED
    }
    assert {row.means for document in DOCUMENTS for row in document.provisioning} == set(
        ProvisioningState
    ) - {ProvisioningState.UNKNOWN}


def test_the_newest_document_decides_what_is_billed() -> None:
    assert {row.means: row.billed for row in NEWEST.power} == {
        state: billed
        for state, billed in BILLED.items()
        if state not in {PowerState.DELETED, PowerState.UNKNOWN}
    }


def test_every_contradiction_is_told() -> None:
    assert {state: {document.name for document in contradicting(state)} for state in CONTRADICTIONS} == {
        PowerState.STARTING: {"2018 article", "2018 Dutch file", "undated draft"},
        PowerState.STOPPED: {"2018 Dutch file"},
        PowerState.DEALLOCATING: {"undated draft"},
    }
    assert {state for state in PowerState if contradicting(state)} == set(CONTRADICTIONS)


def test_licences_are_charged_where_a_document_says_so_and_the_compute_is_billed() -> None:
    assert set(LICENCE_CHARGED) == set(PowerState)
    for state, charged in LICENCE_CHARGED.items():
        wordings = {row.wording for document in DOCUMENTS if (row := document.row(state))}
        assert (charged is True) is ("Billed (Hardware + Software)" in wordings)
        if charged is False:
            assert not BILLED[state] or "Billed (Hardware only)" in wordings
        if not BILLED[state]:
            assert charged is BILLED[state]
