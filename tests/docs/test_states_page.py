"""docs/states.md is what the tables and the product make of it, and leaves nothing out."""

import argparse
import re
from pathlib import Path

import pytest

from local.states import command
from local.states.document import Document, Subject
from local.states.documents import CONTRADICTIONS, DOCUMENTS
from local.states.lifecycle import diagram
from local.states.page import COMMAND
from local.states.page import page as make_page
from shared.domain.states import BILLED, SETTLED_POWER, PowerState, ProvisioningState
from shared.domain.transitions import KINDS, Effect, Kind, effect


@pytest.fixture(scope="module")
def page() -> str:
    return command.PAGE.read_text("utf-8")


def plain(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


def section(page: str, heading: str) -> str:
    """What stands under a heading of the second level; before the first one for an empty heading."""
    (found,) = (
        body
        for title, _, body in (
            part.partition("\n") for part in re.split(r"^## ", f"## \n{page}", flags=re.MULTILINE)
        )
        if title.strip() == heading and body
    )
    return found


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in a text, by their first cell without its stars; a later table wins."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {line[0].strip("*"): line[1:] for line in cells}


def test_it_is_up_to_date(page: str) -> None:
    assert page == make_page(), f"stale: make it anew with {COMMAND}"


class TestCommand:
    def run(self, *words: str) -> int:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        return command.run(parser.parse_args(words))

    def test_it_writes_the_page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command, "PAGE", tmp_path / "states.md")
        assert self.run() == 0
        assert (tmp_path / "states.md").read_text("utf-8") == make_page()
        assert self.run("--check") == 0

    @pytest.mark.parametrize("content", [None, "", "# States"])
    def test_a_check_tells_how_to_mend_a_stale_page(
        self,
        content: str | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        stale = tmp_path / "states.md"
        monkeypatch.setattr(command, "PAGE", stale)
        if content is not None:
            stale.write_text(content, "utf-8")
        assert self.run("--check") == 1
        assert ".venv/bin/python -m local states" in capsys.readouterr().err
        assert (stale.read_text("utf-8") if stale.exists() else None) == content


@pytest.mark.parametrize("state", PowerState)
def test_every_power_state_is_answered_at_once(page: str, state: PowerState) -> None:
    billed, who, hardware, licence, settled = rows(section(page, ""))[state.capitalize()]
    words = {True: ("yes", "charged"), False: ("no", "not charged"), None: ("not known", "not known")}
    assert (billed, hardware) == words[BILLED[state]]
    assert who
    assert licence in {"charged", "not charged", "not known"}
    at_rest = {*SETTLED_POWER, PowerState.DELETED}
    assert settled == ("settled" if state in at_rest else "–" if state is PowerState.UNKNOWN else "passing")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
class TestEveryWordOfADocument:
    def test_of_billing(self, page: str, document: Document) -> None:
        table = rows(section(page, "What each document says of billing"))
        column = table["power state"].index(document.name)
        for row in document.power:
            cell = table[row.means.capitalize()][column]
            assert cell.removeprefix("**≠** ") == (
                f"`{row.wording}`" if row.wording else "`--`: –" if row.written == "--" else "–"
            )
        for state in set(PowerState) - {row.means for row in document.power}:
            assert table[state.capitalize()][column] == "–"

    def test_of_provisioning(self, page: str, document: Document) -> None:
        part = section(page, "Provisioning states")
        written = [row.written for row in (*document.provisioning, *document.os_provisioning)]
        written += [code for example in document.examples for code in example.codes if "/ " in code]
        for word in written:
            (line,) = (line for line in part.splitlines() if line.startswith("| ") and f"`{word}`" in line)
            *_, documents = line.strip("| ").split(" | ")
            assert document.name in documents.split(", ")

    def test_quotations_and_other_names(self, page: str, document: Document) -> None:
        for words in document.quotations.values():
            assert f"“{words}”" in plain(page)
        for shown in document.shown_as:
            assert f"| `{shown.written}` | {shown.means.capitalize()}" in page
        for operation in document.operations:
            assert f"{operation.written} ({operation.shows})" in plain(page)

    def test_its_source(self, page: str, document: Document) -> None:
        title, dated, note = rows(section(page, "Sources"))[document.name]
        assert f"]({document.link})" in title
        assert (dated, note) == (document.dated, document.note)


def test_disagreements_are_marked_and_told(page: str) -> None:
    part = section(page, "What each document says of billing")
    marked = {state for state in PowerState if any("≠" in cell for cell in rows(part)[state.capitalize()])}
    assert marked == set(CONTRADICTIONS)
    for sentence in CONTRADICTIONS.values():
        assert sentence in plain(part)


def test_what_is_done_in_every_power_state(page: str) -> None:
    table = rows(section(page, "What Stopgap does, and why"))
    for state in PowerState:
        taken_for, does, why = table[state.capitalize()]
        assert taken_for == {True: "billed", False: "not billed", None: "not known"}[BILLED[state]]
        assert does
        assert why


@pytest.mark.parametrize("state", ProvisioningState)
def test_every_provisioning_state_is_there(page: str, state: ProvisioningState) -> None:
    assert f"**{state}**" in section(page, "Provisioning states")


def test_the_diagram_has_every_transition(page: str) -> None:
    drawn = re.findall(r"^    (\S+) --> (\S+): (.+) \((.+)\)$", diagram(), re.MULTILINE)
    words = {
        Effect.STARTS: "bill starts",
        Effect.STOPS: "bill stops",
        Effect.STAYS_BILLED: "stays billed",
        Effect.STAYS_FREE: "stays free",
        Effect.UNKNOWN: "bill unknown",
    }
    assert {(before, after): bill for before, after, _, bill in drawn} == {
        (before.capitalize() if before else "[*]", after.capitalize()): words[effect(before, after)]
        for before, after in KINDS
    }
    assert len(drawn) == len(KINDS)
    for (_, _, names, _), told in zip(drawn, KINDS.values(), strict=True):
        assert names.split(" or ")[0] == told.replace("_", " ")
    assert f"```mermaid\n{diagram()}\n```" in page


def test_the_transition_table_has_every_transition_and_kind(page: str) -> None:
    table = section(page, "Transitions")
    for (before, after), told in KINDS.items():
        first = before.capitalize() if before else "not seen before"
        assert f"| {first} | {after.capitalize()} | `{told}`" in table
    assert {told for told in Kind if f"`{told}`" in table} == set(Kind)


def test_links_are_secure_or_lead_into_the_page(page: str) -> None:
    links = re.findall(r"\]\(([^\s)]+)\)", page)
    assert len(links) > len(DOCUMENTS)
    headings = {
        f"#{heading.lower().replace(' ', '-').replace(',', '')}"
        for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    }
    assert all(link.startswith("https://") or link in headings for link in links)


def test_every_subject_is_quoted_by_someone() -> None:
    assert {subject for document in DOCUMENTS for subject in document.quotations} == set(Subject)
