"""The arithmetic: what a sweep costs, what peaks reach, what a month comes to. Pure functions of a fleet."""

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from local.scale import inputs as given
from local.scale.inputs import Fleet, Given
from shared.domain.budget import LOOKS_A_SECOND, spacing

SUBSCRIPTION_ID = len("00000000-0000-4000-8000-000000000000,")


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep of one subscription."""

    vms: int
    calls: int
    """Requests to ARM: two lists of VMs, the scale sets, and the instances of each Uniform one."""
    seconds: float
    queries: int
    """Of the ledger, if nothing is new."""

    @property
    def ends(self) -> bool:
        """Whether the platform lets it come to its end."""
        return self.seconds <= given.TIMEOUT.value

    @property
    def apart(self) -> float:
        """Seconds between two that events ask for, from beginning to beginning."""
        return spacing(self.calls, timedelta(seconds=self.seconds)).total_seconds()

    def seen_within(self, fleet: Fleet) -> float:
        """Seconds after which what was left to a sweep is on record at the latest: until the next begins, and ends."""
        return min(self.apart, fleet.sweep_minutes * 60) + self.seconds


def sweep(vms: int, scale_sets: int) -> Sweep:
    """What a sweep of so many VMs comes to. Lists go page by page, as each names the next."""
    pages = math.ceil(vms / given.ROWS_A_PAGE.value)
    calls = 2 * pages + 1 + scale_sets
    queries = math.ceil(vms / given.ROWS_A_QUERY)
    seconds = (
        calls * given.PAGE_SECONDS.value + queries * given.QUERY_SECONDS.value + vms * given.VM_CPU.value
    )
    return Sweep(vms, calls, seconds, queries)


@dataclass(frozen=True, slots=True)
class Rates:
    """What happens in a second."""

    changes: float
    events: float
    looks: float
    flags: float


def burst(fleet: Fleet, vms: int) -> Rates:
    """In the evening's burst, among so many VMs."""
    changes = vms * fleet.office / (fleet.burst_minutes * 60)
    return _rates(fleet, changes, stopped=changes * fleet.stopped)


def rest(fleet: Fleet, vms: int) -> Rates:
    """At any other time."""
    changes = vms * fleet.other_changes / 86_400
    return _rates(fleet, changes, stopped=changes / 2 * fleet.stopped)


def asks_for_sweeps(fleet: Fleet, vms: int) -> bool:
    """Whether a burst among so many VMs of a subscription is more than one instance may look at singly.

    More instances may look at more, as long as Azure says that reads are left.
    """
    return burst(fleet, vms).events > LOOKS_A_SECOND


def _rates(fleet: Fleet, changes: float, *, stopped: float) -> Rates:
    return Rates(changes, changes * fleet.events, changes * fleet.looks + stopped, stopped)


@dataclass(frozen=True, slots=True)
class Peak:
    """How near a peak comes to a limit."""

    name: str
    used: float
    limit: Given
    unit: str
    size: int
    """The VMs that it is the peak of: those of the largest subscription, or all."""
    of: str
    remedy: str
    most: int | None = None
    """Up to how many VMs it holds, where it does not grow with their number; None: it does."""

    @property
    def share(self) -> float:
        """Of the limit; above 1, it breaks."""
        return self.used / self.limit.value

    @property
    def holds(self) -> float:
        """Up to how many VMs it holds, all else as it is."""
        return self.most or self.size / self.share


def peaks(fleet: Fleet) -> list[Peak]:
    """What is reached of each limit, the nearest first."""
    return sorted([*_of_one(fleet), *_of_all(fleet)], key=lambda peak: -peak.share)


def _of_one(fleet: Fleet) -> Iterator[Peak]:
    """Limits of one subscription: the largest comes nearest."""
    loud, large = burst(fleet, fleet.largest), sweep(fleet.largest, fleet.scale_sets)
    of = (fleet.largest, "the largest subscription")
    yield Peak(
        "looks at single VMs",
        loud.events + loud.looks,
        given.ARM_READS,
        "a second",
        *of,
        "what is more is left to sweeps, and seen later for it: of that subscription, within "
        f"{large.seen_within(fleet) / 60:.0f} minutes. Nothing is lost",
    )
    yield Peak(
        "lists, while events ask for sweeps",
        _lists_in_a_burst(fleet, fleet.largest),
        given.LISTS,
        "a minute",
        *of,
        "Azure answers 429, and the sweep comes when it says: nothing is lost, but the burst is seen later. Those that "
        "events ask for keep to their distance whatever their size (`spacing` in shared/domain/budget.py), so it is "
        "those of the schedule that have to be fewer",
        bisect_right(range(1, MOST_VMS), given.LISTS.value, key=lambda vms: _lists_in_a_burst(fleet, vms)),
    )
    yield Peak(
        "time of a sweep",
        large.seconds,
        given.TIMEOUT,
        "s",
        *of,
        "the platform ends the sweep, and the queue delivers it again, to the same end. Set `functionTimeout` in "
        "host.json higher: the plan allows any",
    )
    yield Peak(
        "lists, by schedule",
        large.calls / fleet.sweep_minutes,
        given.LISTS,
        "a minute",
        *of,
        "Azure answers 429. Have `STOPGAP_SWEEP_SCHEDULE` ask less often; events tell of most changes anyway",
    )
    yield Peak(
        "rows of a partition",
        loud.events + loud.changes * ROWS_A_CHANGE,
        given.PARTITION,
        "a second",
        *of,
        "storage answers 503, and what failed is delivered again. Partitions would have to be made smaller than a "
        "subscription",
    )


MOST_VMS = 10_000_000
"""Of one subscription: more than anybody has."""


def _lists_in_a_burst(fleet: Fleet, vms: int) -> float:
    """Pages a minute of a subscription: of sweeps that events ask for, and of those of the schedule, which goes on."""
    one = sweep(vms, fleet.scale_sets)
    return one.calls * 60 / one.apart + one.calls / fleet.sweep_minutes


def _of_all(fleet: Fleet) -> Iterator[Peak]:
    """Limits of an app, and of its storage account."""
    loud, count = burst(fleet, fleet.vms), instances(fleet)
    of = (fleet.vms, "the fleet")
    half = "Run a second app, with storage of its own, for half of the subscriptions"
    yield Peak(
        "requests to the ledger",
        loud.events + loud.changes + loud.looks + _sweep_queries(fleet),
        given.ACCOUNT,
        "a second",
        *of,
        f"storage answers 503, and what failed is delivered again. {half}",
    )
    yield Peak(
        "messages of queue `looks`",
        loud.looks * OPERATIONS_A_MESSAGE,
        given.QUEUE,
        "a second",
        *of,
        f"looks come later than they are due. {half}",
    )
    yield Peak(
        "new rows, for retention to look at",
        _rows_a_day(fleet, changes_a_day(fleet)),
        given.OLD_ROWS,
        "a night",
        *of,
        "rows are there for twice as long as they are to be kept, and with twice as many of them for ever. Have more "
        "looked at in a night (`MOST` in shared/retention.py)",
    )
    yield Peak(
        "instances",
        count,
        given.INSTANCES,
        "",
        *of,
        "events wait at Event Grid, which tries for a day. Set `maximumInstanceCount` higher",
    )
    yield Peak(
        "memory of the instances",
        count * given.INSTANCE_MB,
        given.MEMORY,
        "MB",
        *of,
        "events wait at Event Grid. Ask Azure for a higher quota, or take instances of 512 MB",
    )
    yield Peak(
        "notices to a topic",
        loud.flags,
        given.TOPIC,
        "a second",
        *of,
        "Event Grid refuses some, and they are sent again later",
    )
    yield Peak(
        "notices to a chat",
        loud.flags,
        given.SLACK,
        "a second",
        *of,
        "the chat refuses some, they are sent again later, and given up after twelve times. Nobody reads so many: "
        "tell a chat only where the fleet is small, and let systems listen to the topic",
    )
    yield Peak(
        "`STOPGAP_SUBSCRIPTIONS`",
        fleet.subscriptions * SUBSCRIPTION_ID,
        given.VARIABLE,
        "characters",
        *of,
        f"the app does not start. {half}",
    )


ROWS_A_CHANGE = 6
"""The record, its places among what is flagged and what is Stopped, a transition, an episode, what is over of it."""

OPERATIONS_A_MESSAGE = 2
"""It is put, and later got and deleted; the two ends lie apart, but in a long burst they meet."""

SWEEPS_START = 60
"""Seconds in which all sweeps of a schedule read the ledger, at the worst."""


def _sweep_queries(fleet: Fleet) -> float:
    return fleet.subscriptions * sweep(fleet.mean, fleet.scale_sets).queries / SWEEPS_START


def instances(fleet: Fleet) -> int:
    """How many instances of the app a burst takes while all subscriptions are swept. Each function scales by itself."""
    found = burst(fleet, fleet.vms)
    one = sweep(fleet.mean, fleet.scale_sets)
    sweeps = one.seconds * (fleet.subscriptions / (fleet.sweep_minutes * 60) + _asked_for(fleet))
    return _by_cpu(found.events) + _by_cpu(found.looks) + math.ceil(sweeps / given.AT_ONCE)


def _asked_for(fleet: Fleet) -> float:
    """Sweeps a second that events ask for in a burst: of all subscriptions if the mean one is too loud, else of one."""
    if asks_for_sweeps(fleet, fleet.mean):
        return fleet.subscriptions / sweep(fleet.mean, fleet.scale_sets).apart
    loud = asks_for_sweeps(fleet, fleet.largest)
    return 1 / sweep(fleet.largest, fleet.scale_sets).apart if loud else 0.0


def _by_cpu(rate: float) -> int:
    """Instances for so many events a second."""
    return max(1, math.ceil(rate * given.EVENT_CPU.value / given.BUSY))


@dataclass(frozen=True, slots=True)
class Month:
    """What a month comes to."""

    changes: float
    events: float
    looks: float
    sweeps: float
    timers: float
    """Runs of timers: what asks for sweeps, and what is done by night."""
    active: float
    """Seconds in which an instance is at work, of all instances together."""
    gb_seconds: float
    table_operations: float
    table_gb: float
    """Once the retention is reached."""
    queue_operations: float
    grid_operations: float
    log_gb: float
    log_alerts: float
    metric_alerts: float
    """Time series."""

    @property
    def executions(self) -> float:
        """Of all functions."""
        return self.events + self.looks + self.sweeps + self.timers


def month(fleet: Fleet) -> Month:
    """What a month of a fleet comes to."""
    seconds = fleet.month_days * 86_400
    bursts = 2 * fleet.workdays * fleet.burst_minutes * 60
    quiet = seconds - bursts
    loud, calm = burst(fleet, fleet.vms), rest(fleet, fleet.vms)

    def all_of(rate: str) -> float:
        high: float = getattr(loud, rate)
        low: float = getattr(calm, rate)
        return high * bursts + low * seconds

    changes, events, looks = all_of("changes"), all_of("events"), all_of("looks")
    scheduled = fleet.subscriptions * seconds / (fleet.sweep_minutes * 60)
    sweeps = scheduled + bursts * _asked_for(fleet)
    one = sweep(fleet.mean, fleet.scale_sets)
    schedules = seconds / (fleet.sweep_minutes * 60)
    timers = schedules + NIGHTLY * fleet.month_days
    active = (
        timers * MINIMUM
        + _active(loud.events, bursts)
        + _active(calm.events, quiet)
        + _active(loud.looks, bursts)
        + _active(calm.looks, quiet)
        + seconds * _together(sweeps / seconds, one.seconds)
    )
    executions = events + looks + sweeps + timers
    kept = min(4 * executions, given.SAMPLED * active) + executions + METRIC_ROWS * active / 60
    return Month(
        changes=changes,
        events=events,
        looks=looks,
        sweeps=sweeps,
        timers=timers,
        active=active,
        gb_seconds=active * given.INSTANCE_MB / 1_024,
        table_operations=events
        + looks
        + changes * ROWS_A_CHANGE
        + _rows_a_day(fleet, changes)  # as many are removed
        + sweeps * (one.queries + 1)
        + schedules,
        table_gb=_stored(fleet),
        queue_operations=3 * (looks + sweeps) + POLLS * seconds + BACKLOG * schedules,
        grid_operations=events * (2 + fleet.other_events) + events,
        log_gb=kept * given.LOG_BYTES.value / 1e9,
        log_alerts=given.LOG_ALERTS,
        metric_alerts=given.METRIC_ALERTS * fleet.subscriptions,
    )


METRIC_ROWS = 40
"""Series that an instance at work sends in a minute."""

POLLS = 3 * 0.5
"""Looks into empty queues, a second: three queues, every two seconds."""


BACKLOG = 3 * 2
"""Requests to queues with each schedule: since when a message waits, and how many were given up."""

NIGHTLY = 2
"""Timers that run once a night."""


def _active(rate: float, seconds: float) -> float:
    """Seconds of instances at work on events that come at a rate for so long."""
    count = _by_cpu(rate)
    return seconds * count * _together(rate / count, max(given.EVENT_SECONDS.value, MINIMUM))


MINIMUM = 1.0
"""Seconds that are billed when an instance has worked at all."""


def _together(rate: float, each: float) -> float:
    """The share of time in which at least one is under way, of those that come by chance at a rate and take so long."""
    return 1 - math.exp(-rate * each)


def changes_a_day(fleet: Fleet) -> float:
    """On the average of a month."""
    return fleet.vms * (2 * fleet.office * fleet.workdays / fleet.month_days + fleet.other_changes)


def _rows_a_day(fleet: Fleet, changes: float) -> float:
    """Transitions and episodes that come of so many changes."""
    return changes * (1 + fleet.stopped / 2)


def kept_days(fleet: Fleet) -> float:
    """How long rows are there, on the average: until retention, which takes its time for all rows, gets to them.

    All rows there are, of D days, are looked at once in D * new / most nights; half of that is what a row waits.
    """
    waited = _rows_a_day(fleet, changes_a_day(fleet)) / given.OLD_ROWS.value
    return fleet.retention_days / (1 - waited / 2) if waited < 2 else math.inf


def _stored(fleet: Fleet) -> float:
    """Gigabytes, once the first rows have been removed. An episode is there twice: of its VM, and by its end."""
    a_day = changes_a_day(fleet)
    sizes = a_day * (given.TRANSITION_BYTES.value + fleet.stopped * given.EPISODE_BYTES.value)
    history = sizes * kept_days(fleet) if a_day else 0.0
    return (fleet.vms * given.RECORD_BYTES.value + history) / 1e9


@dataclass(frozen=True, slots=True)
class Cost:
    """A line of the bill, for a month."""

    what: str
    amount: float
    unit: str
    price: Given
    dollars: float
    free: float
    """Dollars of it that free grants cover, as long as nothing else draws on them."""


def costs(month: Month) -> list[Cost]:
    """The bill for a month at list prices; what free grants cover of it is told beside."""
    lines: list[tuple[str, float, str, Given, float, Given | None]] = [
        ("Functions, time", month.gb_seconds, "GB-s", given.GB_SECOND, 1.0, given.FREE_GB_SECONDS),
        ("Functions, executions", month.executions, "", given.EXECUTION, 1e6, given.FREE_EXECUTIONS),
        ("tables, space", month.table_gb, "GB", given.TABLE_GB, 1.0, None),
        ("tables, operations", month.table_operations, "", given.TABLE_OPERATION, 1e4, None),
        ("queues, operations", month.queue_operations, "", given.QUEUE_OPERATION, 1e4, None),
        ("Event Grid, operations", month.grid_operations, "", given.GRID_OPERATION, 1e6, given.FREE_GRID),
        ("logs and metrics", month.log_gb, "GB", given.LOG_GB, 1.0, given.FREE_LOG_GB),
        ("alerts on logs", month.log_alerts, "", given.LOG_ALERT, 1.0, None),
        ("alerts on metrics", month.metric_alerts, "", given.METRIC_ALERT, 1.0, None),
    ]
    return [
        Cost(what, amount, unit, price, amount / per * price.value, _free(amount, grant) / per * price.value)
        for what, amount, unit, price, per, grant in lines
    ]


def _free(amount: float, grant: Given | None) -> float:
    return min(amount, grant.value) if grant else 0.0


def to_pay(month: Month) -> float:
    """Dollars for a month, once the free grants are used up, as long as nothing else draws on them."""
    return sum(line.dollars - line.free for line in costs(month))


def worst_time(month: Month) -> float:
    """Dollars for the time of Functions if no two executions ever shared an instance's second."""
    seconds = month.executions * MINIMUM
    return seconds * given.INSTANCE_MB / 1_024 * given.GB_SECOND.value
