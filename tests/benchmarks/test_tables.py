"""The tables that figures are shown in."""

import io

import pytest
from rich.console import Console

from benchmarks.tables import drawn, markdown, number, shown, shown_as
from benchmarks.targets import TARGETS, Compared, Figure, Table

WIDE = Compared("µs a VM, app : floor", 123.4, 123.4)


def test_cases_are_columns_and_a_ratio_is_followed_by_what_it_is_made_of() -> None:
    figures = [
        Figure("event.same.cpu", 1.66, Compared("ms, app : floor", 0.4, 0.25)),
        Figure("event.changed.cpu", 2.04, Compared("ms, app : floor", 1.2, 0.6)),
        Figure("event.changed.wall", 1.1),
    ]
    table = shown_as(Table.EVENT, figures)
    assert table
    assert markdown(table).splitlines() == [
        "|  | nothing new | a change | promised |",
        "| --- | --- | --- | --- |",
        "| CPU, × floor | 1.66 | ✗ 2.04 | ≤ 2 |",
        "| *ms, app : floor* | 0.4 : 0.25 | 1.2 : 0.6 |  |",
        "| time until it is on record, × floor |  | 1.1 | ≤ 2 |",
    ]


def test_where_nothing_is_promised_there_is_no_column_for_it() -> None:
    table = shown_as(Table.IMPORTS, [Figure("imports.own.ms", 57.0)])
    assert table
    assert markdown(table).splitlines()[0] == "|  | ms |"


def test_what_was_not_measured_is_not_shown() -> None:
    assert [table.title for table in shown([Figure("cold.cpu", 2.0)])] == [Table.COLD]
    assert shown_as(Table.EVENT, [Figure("cold.cpu", 2.0)]) is None


def test_all_that_is_promised_fits_a_terminal() -> None:
    lines = shown([Figure(key, 12_345.0, WIDE) for key in TARGETS])
    for table in lines:
        screen = io.StringIO()
        Console(file=screen, width=80).print(drawn(table))
        told = screen.getvalue().splitlines()
        assert len(told) == len(table.lines) + 2, screen.getvalue()
        assert max(map(len, told)) <= 80


def test_no_two_targets_share_a_place() -> None:
    places = [(target.table, target.row, target.unit, target.column) for target in TARGETS.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (2.345, "2.35"), (46.19, "46.2"), (0.00104, "0.00104"), (8_645, "8,645")]
)
def test_figures_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text
