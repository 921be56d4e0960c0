"""The command that makes docs/performance.md of a report."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import page as command
from benchmarks.report import NoReport, Report
from benchmarks.targets import TARGETS, Compared, Figure

WHOLE = Report(
    datetime(2026, 11, 21, 12, tzinfo=UTC),
    "x86_64, 2 cores, Linux",
    "3.13.0",
    0.2,
    tuple(
        Figure(key, target.most or 0, Compared("ms, app : floor", 2, 1)) for key, target in TARGETS.items()
    ),
)
TEXT = "# Page\n\n<!-- made: measured -->\nold\n<!-- /made -->\n\nProse.\n\n<!-- made: missed -->\n<!-- /made -->\n"


@pytest.fixture
def to(tmp_path: Path) -> Path:
    page = tmp_path / "performance.md"
    page.write_text(TEXT, "utf-8")
    return page


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "performance.json"


def test_a_report_is_read_as_it_was_written(kept: Path) -> None:
    WHOLE.write(kept)
    assert Report.read(kept) == WHOLE
    assert not WHOLE.missing


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"figures": []}', WHOLE.machine, '{"measured_at": "x", "figures": [{"key": "y"}]}'],
)
def test_what_is_no_report_is_named(text: str, kept: Path) -> None:
    kept.write_text(text, "utf-8")
    with pytest.raises(NoReport, match=r"performance\.json: expected a report of `make bench`"):
        Report.read(kept)


def test_it_keeps_a_report_and_makes_what_stands_between_marks(to: Path, kept: Path, tmp_path: Path) -> None:
    run = tmp_path / "bench.json"
    WHOLE.write(run)
    assert command.main(["--keep", str(run)], to=to, kept=kept) == 0
    told = to.read_text("utf-8")
    assert "old" not in told
    assert "Measured on 2026-11-21 with Python 3.13.0 on x86_64, 2 cores, Linux; before it began, 0.2" in told
    assert "Prose." in told
    assert "Nothing." in told
    assert kept.read_text("utf-8") == run.read_text("utf-8")
    assert command.main(["--check"], to=to, kept=kept) == 0


def test_a_check_tells_of_a_stale_page_and_changes_nothing(
    to: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    WHOLE.write(kept)
    assert command.main(["--check"], to=to, kept=kept) == 1
    assert "make performance" in capsys.readouterr().err
    assert to.read_text("utf-8") == TEXT


def test_a_report_of_one_chapter_is_not_kept(
    to: Path, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "bench.json"
    Report(WHOLE.measured_at, "", "", 0, [each for each in WHOLE.figures if each.key != "cold.cpu"]).write(
        run
    )
    assert command.main(["--keep", str(run)], to=to, kept=kept) == 2
    assert "1 figures are missing, such as cold.cpu" in capsys.readouterr().err
    assert not kept.exists()
    assert to.read_text("utf-8") == TEXT


def test_a_mark_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing is called weather"):
        command.page("<!-- made: weather -->\n<!-- /made -->\n", WHOLE)
