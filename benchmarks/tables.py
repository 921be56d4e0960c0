"""Figures as tables: what was measured by its name, one column a case. On a terminal and on a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table as Drawn

from benchmarks.targets import TARGETS, Figure, Table

MISS = "✗"
"""Stands beside what is not as promised."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row."""

    name: str
    cells: Sequence[str]
    """One for each case."""
    promised: str
    met: bool = True
    aside: bool = False
    """Whether it only tells what the row above is made of."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One table."""

    title: str
    cases: Sequence[str]
    lines: Sequence[Line]

    @property
    def heads(self) -> Sequence[str]:
        """Of all columns but the first, the last one for what is promised, if anything is."""
        cases = [case or "measured" for case in self.cases]
        return [*cases, "promised"] if any(line.promised for line in self.lines) else cases

    def cells(self, line: Line) -> Sequence[str]:
        """Of a row, under those heads."""
        return [*line.cells, line.promised][: len(self.heads)]


def shown(figures: Sequence[Figure]) -> list[Shown]:
    """All tables that there are figures for."""
    found = {figure.key: figure for figure in figures}
    return [
        each for table in Table if (each := shown_as(table, [found[key] for key in TARGETS if key in found]))
    ]


def shown_as(table: Table, figures: Sequence[Figure]) -> Shown | None:
    """One table, of those of the figures that belong into it; None if none does."""
    own = [figure for figure in figures if figure.target.table is table]
    cases = list(dict.fromkeys(figure.target.column for figure in own))
    rows = dict[str, dict[str, Figure]]()
    for figure in own:
        target = figure.target
        rows.setdefault(_name(target.row, target.unit), {})[target.column] = figure
    lines = [line for name, row in rows.items() for line in _lines(name, row, cases)]
    return Shown(table, cases, lines) if own else None


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def markdown(table: Shown) -> str:
    """For a page."""
    heads = ["", *table.heads]
    lines = [[f"*{line.name}*" if line.aside else line.name, *table.cells(line)] for line in table.lines]
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def drawn(table: Shown) -> Drawn:
    """For a terminal."""
    made = Drawn(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    made.add_column(table.title, header_style="bold")
    for head in table.heads:
        made.add_column(head, justify="right", no_wrap=True)
    for line in table.lines:
        style = "dim" if line.aside else None if line.met else "bold red"
        name = f"  {line.name}" if line.aside else line.name
        made.add_row(name, *table.cells(line), style=style)
    return made


def _name(row: str, unit: str) -> str:
    return f"{row}, {unit}" if unit else row


def _lines(name: str, row: Mapping[str, Figure], cases: Sequence[str]) -> Iterator[Line]:
    cells = [_cell(row[case]) if case in row else "" for case in cases]
    limits = dict.fromkeys(
        f"≤ {figure.target.most:g}" for figure in row.values() if figure.target.most is not None
    )
    yield Line(name, cells, ", ".join(limits), all(figure.met for figure in row.values()))
    made_of = next((figure.compared.what for figure in row.values() if figure.compared), None)
    if made_of:
        yield Line(made_of, [_pair(row.get(case)) for case in cases], "", aside=True)


def _cell(figure: Figure) -> str:
    return number(figure.value) if figure.met else f"{MISS} {number(figure.value)}"


def _pair(figure: Figure | None) -> str:
    if figure is None or figure.compared is None:
        return ""
    return f"{number(figure.compared.ours)} : {number(figure.compared.floor)}"
