"""The queries of the alerts are those on docs/operations.md, and ask for what there is."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.metrics import METRICS
from tests.registered import FUNCTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
ALERTS = {path.stem: path.read_text("utf-8") for path in (ROOT / "infra" / "alerts").glob("*.kql")}
QUERIES = re.findall(r"```kusto\n(.*?)```", PAGE, re.DOTALL)

COLUMNS: Mapping[str, set[str]] = {
    "AppMetrics": {"TimeGenerated", "Name", "Sum", "ItemCount", "Min", "Max", "Properties"},
    "AppRequests": {
        "TimeGenerated",
        "Name",
        "Success",
        "ResultCode",
        "ItemCount",
        "DurationMs",
        "OperationId",
    },
    "AppTraces": {"TimeGenerated", "Message", "ItemCount", "SeverityLevel"},
    "AppExceptions": {"TimeGenerated", "OperationId", "InnermostMessage"},
}
"""Of https://learn.microsoft.com/azure/azure-monitor/reference/tables-index, those that a query may use."""

TABLE = {
    name: (measured, lookback)
    for name, measured, lookback in re.findall(
        r"^\| \[`([\w-]+)`\]\(#\1\) \| [^|]+ \| ([^|]+) \| \d+ min \| ([^|]+) \|$", PAGE, re.MULTILINE
    )
}
"""The alerts of the page: by what, and how far back."""


def test_every_alert_is_in_the_table_and_has_a_section_that_says_all() -> None:
    assert list(TABLE) == [
        "function-failures",
        "poison-messages",
        "queue-age",
        "no-sweep",
        "dead-letters",
        "dropped-events",
        "delivery-failures",
    ]
    assert set(ALERTS) == {name for name, (measured, _) in TABLE.items() if "infra/alerts" in measured}
    for name in TABLE:
        section = re.search(rf"^### {name}\n(.*?)^##", PAGE, re.MULTILINE | re.DOTALL)
        assert section, name
        for part in ("**It means**", "**At risk:**", "**Look at**", "**Do:**", "**It is over**"):
            assert part in section[1], (name, part)


@pytest.mark.parametrize("name", ALERTS)
def test_the_query_on_the_page_is_the_one_that_is_asked(name: str) -> None:
    assert f"### {name}\n\n```kusto\n{ALERTS[name]}```\n" in PAGE
    assert f"../infra/alerts/{name}.kql" in TABLE[name][0]


@pytest.mark.parametrize("query", [*ALERTS.values(), *QUERIES])
def test_queries_use_columns_that_their_tables_have(query: str) -> None:
    bare = re.sub(r'"[^"]*"', '""', query)
    tables = set(re.findall(r"\bApp\w+", bare))
    assert tables
    assert tables <= COLUMNS.keys()
    made = set(re.findall(r"\b([A-Z]\w*) = ", bare))
    used = set(re.findall(r"\b[A-Z]\w*", bare)) - tables
    assert used <= made.union(*(COLUMNS[table] for table in tables))


@pytest.mark.parametrize("name", ALERTS)
def test_alerts_ask_for_metrics_and_attributes_that_there_are(name: str) -> None:
    known = {metric.name: metric for metric in METRICS}
    asked = set(re.findall(r'"(stopgap\.[\w.]+)"', ALERTS[name]))
    assert asked <= known.keys()
    assert bool(asked) == ALERTS[name].startswith("AppMetrics\n")
    attributes = {each for metric in asked for each in known[metric].attributes}
    assert set(re.findall(r"\bProperties\.(\w+)", ALERTS[name])) <= attributes


@pytest.mark.parametrize("name", ALERTS)
def test_what_an_alert_finds_has_a_time(name: str) -> None:
    """A rule of Azure Monitor groups what a query gives by its time."""
    last = ALERTS[name].rstrip("\n").splitlines()
    shown = next(line for line in reversed(last) if line.startswith(("| project", "| summarize")))
    assert "TimeGenerated" in shown


def test_functions_that_are_asked_for_are_there() -> None:
    asked = {
        name
        for query in QUERIES
        for names in re.findall(r"Name in \((.*?)\)", query)
        for name in names.split(", ")
    }
    assert asked
    assert {name.strip('"') for name in asked} <= FUNCTIONS.keys()
