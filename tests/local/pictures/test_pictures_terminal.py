import io

import pytest
from rich.console import Console
from rich.text import Text

from local.pictures.terminal import page


def console(*lines: str | Text) -> Console:
    recording = Console(record=True, width=80, file=io.StringIO())
    for line in lines:
        recording.print(line)
    return recording


def test_the_part_of_interest_is_shown_and_stays_text() -> None:
    shown = page(
        console("Starting", Text("web-1 FLAGGED <b>", "bold red"), "…", "Left as they are, they cost", "bye"),
        "make <demo>",
    )
    assert "Starting" not in shown
    assert "bye" not in shown
    assert "web-1 FLAGGED &lt;b&gt;" in shown
    assert "they cost" in shown
    assert "<p>make &lt;demo&gt;</p>" in shown
    assert shown.count("<span") == shown.count("</span")
    assert "http" not in shown, "it fetches nothing"


@pytest.mark.parametrize(
    "lines", [(), ("FLAGGED",), ("Left as they are",), ("Left as they are", "FLAGGED")], ids=str
)
def test_an_output_without_it_is_an_error(lines: tuple[str, ...]) -> None:
    with pytest.raises(RuntimeError, match="'FLAGGED' and then 'Left as they are'"):
        page(console(*lines), "make demo")
