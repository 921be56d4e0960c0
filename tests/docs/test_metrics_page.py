"""docs/metrics.md is held against the table of metrics."""

import re
from pathlib import Path

import pytest

from shared.metrics import METRICS, Metric

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
QUERIES = re.findall(r"```kusto\n(.*?)```", PAGE, re.DOTALL)


def row(metric: Metric) -> str:
    """A metric's row on the page."""
    kind = (
        f"distribution: {', '.join(f'{bound:g}' for bound in metric.bounds)}" if metric.bounds else "counter"
    )
    attributes = "<br>".join(f"**{name}**: {about}" for name, about in metric.attributes.items()) or "–"
    return f"| `{metric.name}` | {kind} | `{metric.unit}` | {metric.about} | {attributes} |"


def test_the_table_is_the_one_in_the_code() -> None:
    told = re.findall(r"^\| `stopgap\..*$", PAGE, re.MULTILINE)
    assert told == [row(metric) for metric in METRICS]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_ask_for_what_is_measured(query: str) -> None:
    asked = set(re.findall(r'"(stopgap\.[\w.]+)"', query))
    known = {metric.name: metric for metric in METRICS}
    assert asked <= known.keys()
    attributes = {name for metric in asked for name in known[metric].attributes}
    assert set(re.findall(r"\bAttributes\.(\w+)", query)) <= attributes


def test_there_is_a_query_for_most_metrics() -> None:
    asked = {name for query in QUERIES for name in re.findall(r'"(stopgap\.[\w.]+)"', query)}
    assert {metric.name for metric in METRICS} - asked <= {"stopgap.looks"}
