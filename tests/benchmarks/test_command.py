"""`python -m benchmarks` as people and machines meet it: its exit codes, what it shows, and what it cannot measure."""

import io
import json
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import stage as stage_module
from benchmarks.stage import CannotMeasure, Stage
from benchmarks.targets import Compared, Figure
from local import azurite as azurite_module
from local.parts import CannotStart

MET = Figure("event.same.cpu", 1.9, Compared("ms, app : floor", 0.38, 0.2))
MISSED = Figure("event.same.cpu", 2.1, Compared("ms, app : floor", 0.42, 0.2))

type Run = Callable[..., tuple[int, str]]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "build" / "bench.json"


@pytest.fixture
def run(report: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with a chapter in place of those that measure; its exit code, and what it showed."""

    def run(chapter: Callable[[], Awaitable[list[Figure]]], *words: str) -> tuple[int, str]:
        monkeypatch.setattr(command, "CHAPTERS", {"events": ("what an event costs", chapter)})
        screen = io.StringIO()
        console = Console(file=screen, width=80)
        code = command.main(["--json", str(report), *words], console)
        return code, screen.getvalue()

    return run


def giving(*figures: Figure) -> Callable[[], Awaitable[list[Figure]]]:
    async def chapter() -> list[Figure]:
        return list(figures)

    return chapter


def failing(fault: BaseException) -> Callable[[], Awaitable[list[Figure]]]:
    async def chapter() -> list[Figure]:
        raise fault

    return chapter


def test_what_is_as_promised_ends_well(run: Run, report: Path) -> None:
    code, shown = run(giving(MET))
    assert code == 0
    assert "✗" not in shown
    assert report.exists()


def test_a_miss_is_told_and_is_exit_code_1(run: Run, report: Path) -> None:
    code, shown = run(giving(MISSED))
    assert code == 1
    assert re.search(r"^CPU, × floor +✗ 2\.1 +≤ 2$", shown, re.MULTILINE)
    assert re.search(r"^  ms, app : floor +0\.42 : 0\.2", shown, re.MULTILINE)
    assert "✗ An event: nothing new, CPU: 2.1 × floor, promised ≤ 2" in shown
    assert json.loads(report.read_text("utf-8"))["figures"][0]["met"] is False


def test_the_report_has_the_documented_shape(run: Run, report: Path) -> None:
    run(giving(MET, Figure("cold.token.cpu", 0.07)))
    told: dict[str, Any] = json.loads(report.read_text("utf-8"))
    assert list(told) == ["measured_at", "machine", "python", "load", "figures"]
    assert datetime.fromisoformat(told["measured_at"]).utcoffset() is not None
    assert isinstance(told["load"], float)
    assert told["figures"] == [
        {
            "key": "event.same.cpu",
            "what": "An event: nothing new, CPU",
            "value": 1.9,
            "unit": "× floor",
            "most": 2,
            "met": True,
            "compared": {"what": "ms, app : floor", "ours": 0.38, "floor": 0.2},
        },
        {
            "key": "cold.token.cpu",
            "what": "A cold start, the first event included: the first token adds: CPU",
            "value": 0.07,
            "unit": "s",
            "most": None,
            "met": True,
            "compared": None,
        },
    ]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (CannotStart("Azurite exited with code 3"), "bench: Azurite exited with code 3\n"),
        (CannotMeasure("the app asked for more"), "bench: the app asked for more\n"),
        (ConnectionRefusedError("nobody listens"), "bench: events: nobody listens\n"),
        (TimeoutError(), "bench: events: TimeoutError\n"),
    ],
)
def test_what_cannot_be_measured_is_exit_code_2_in_one_line(
    fault: Exception, told: str, run: Run, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run(failing(fault))
    assert (code, capsys.readouterr().err) == (2, told)
    assert not report.exists()


def test_what_nobody_expected_is_exit_code_2_with_its_trace(
    run: Run, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run(failing(KeyError("rows")))
    assert code == 2
    assert "KeyError: 'rows'" in capsys.readouterr().err
    assert not report.exists()


def test_an_interrupted_run_writes_nothing(run: Run, report: Path) -> None:
    code, _ = run(failing(KeyboardInterrupt()))
    assert code == 130
    assert not report.exists()


def test_an_unknown_chapter_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "evens"])
    assert ended.value.code == 2
    assert (
        "there is no chapter 'evens': expected events, sweeps, burst, cold, detection"
        in capsys.readouterr().err
    )


def test_the_help_tells_of_every_chapter_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    told = capsys.readouterr().out
    assert all(f"\n  {name} " in told for name in command.CHAPTERS)
    assert all(f"\n  {code} " in told for code in (0, 1, 2, 130))


def test_without_azurite_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(azurite_module, "ROOT", tmp_path)
    assert command.main(["--only", "events"], Console(file=io.StringIO())) == 2
    assert "run `make setup`" in capsys.readouterr().err


async def test_a_measured_process_that_fails_is_quoted() -> None:
    with pytest.raises(CannotMeasure, match=r"(?s)benchmarks\.nothing: exit code 1\n.*No module named"):
        await Stage().run("nothing", {})


async def test_a_measured_process_that_is_killed_is_told() -> None:
    killed = ("-c", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(CannotMeasure, match=r"benchmarks\.events: exit code -9"):
        await Stage().run("events", {}, options=killed)


async def test_a_measured_process_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "LONGEST", 0.3)
    with pytest.raises(CannotMeasure, match=r"benchmarks\.events did not end within 0\.3 s"):
        await Stage().run("events", {}, options=("-c", "import time; time.sleep(60)"))
