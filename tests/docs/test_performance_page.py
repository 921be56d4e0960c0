"""docs/performance.md has every figure, as its report says, and the promises are the design's."""

import re
from collections.abc import Mapping

import pytest

from benchmarks.__main__ import CHAPTERS
from benchmarks.page import COMMAND, KEPT, PAGE, page
from benchmarks.report import Report
from benchmarks.targets import BURSTS, SIZES, TARGETS, Table

PROMISES: Mapping[str, float] = {
    # One GET of ARM, one read of the ledger, and a transaction if something changed.
    **{f"event.{kind}.{what}": 1 for kind in ("same", "changed") for what in ("arm", "reads")},
    "event.same.writes": 0,
    "event.changed.writes": 1,
    # CPU of an event and of a sweep: twice the floor. Time as well, one round trip each.
    "event.same.cpu": 2,
    "event.changed.cpu": 2,
    "event.changed.wall": 2,
    # Of ARM, a sweep asks for the pages of two lists.
    **{f"sweep.{kind}.{size}.arm": 1 for kind in ("first", "same", "some") for size in SIZES},
    **{f"sweep.{kind}.{size}.cpu": 2 for kind in ("first", "same", "some") for size in SIZES},
    "sweep.growth": 1.5,
    # In a burst no 429, a tenth of the events at most, and all VMs right at its end.
    **{
        f"burst.{size}.{what}": most
        for size in BURSTS
        for what, most in (("throttled", 0), ("arm", 0.1), ("wrong", 0))
    },
    # A cold start takes twice an app with one empty function.
    "cold.cpu": 2,
    "cold.wall": 2,
    "cold.resident": 2,
    # A signal to record in one round trip, a flag within 5 s after the grace.
    "detection.arm": 1,
    "detection.power_off": 2,
    "detection.shutdown": 2,
    "detection.flag": 5,
    "detection.silent": 5,
}
TEXT = PAGE.read_text("utf-8")


def made(mark: str) -> str:
    """What stands between marks."""
    (found,) = re.findall(rf"<!-- made: {mark} -->\n(.*?)<!-- /made -->", TEXT, re.DOTALL)
    return str(found)


def rows(table: str) -> dict[str, dict[str, str]]:
    """The cells of a table, by row and column; what has no name of its own belongs to the row above."""
    head, _, *lines = [line.strip("|").split("|") for line in table.strip().splitlines()]
    return {
        line[0].strip(): dict(
            zip((each.strip() for each in head[1:]), (each.strip() for each in line[1:]), strict=True)
        )
        for line in lines
    }


def test_what_the_design_promises_is_what_is_held_to() -> None:
    assert {key: target.most for key, target in TARGETS.items() if target.most is not None} == PROMISES


@pytest.mark.parametrize("key", TARGETS)
def test_every_target_has_its_place_on_the_page(key: str) -> None:
    target = TARGETS[key]
    name = f"{target.row}, {target.unit}" if target.unit else target.row
    row = rows(made(target.table.name.lower()))[name]
    assert re.search(r"\d", row[target.column or "measured"])
    if target.most is not None:
        assert f"≤ {target.most:g}" in row["promised"].split(", ")


def test_every_table_is_on_the_page_once() -> None:
    assert sorted(re.findall(r"<!-- made: (\w+) -->", TEXT)) == sorted(
        ["measured", "missed", *(table.name.lower() for table in Table)]
    )


def test_it_is_what_its_report_says() -> None:
    report = Report.read(KEPT)
    assert not report.missing
    assert page(TEXT, report) == TEXT, f"stale: make it anew with `{COMMAND}`"


def test_every_chapter_is_documented() -> None:
    assert re.findall(
        r"^\| `(\w+)` \| [^|]+ \|$", TEXT.partition("## How to run it")[0], re.MULTILINE
    ) == list(CHAPTERS)
