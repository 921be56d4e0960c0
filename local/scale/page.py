"""docs/scale.md, and its tables on a terminal."""

import math
from collections.abc import Iterator, Sequence
from copy import replace
from dataclasses import fields

from local.scale import inputs as given
from local.scale.inputs import ASSUMED, Fleet, Given
from local.scale.model import (
    asks_for_sweeps,
    burst,
    costs,
    instances,
    kept_days,
    month,
    peaks,
    rest,
    sweep,
    to_pay,
    worst_time,
)
from local.states.markdown import bullets, paragraph, table
from shared.domain.budget import LAPS, LOOKS, LOOKS_A_SECOND, PAGES_A_SECOND, RESERVE, SPACING

COMMAND = ".venv/bin/python -m local scale --write"
"""Makes the page anew."""

RUN = (
    Fleet(vms=100, subscriptions=1, largest=100),
    Fleet(vms=10_000, subscriptions=10, largest=2_000),
    Fleet(vms=100_000, subscriptions=50, largest=10_000),
)
"""Fleets for which it is told what Stopgap costs."""

SIZES = (200, 2_000, 20_000, 50_000, 100_000)
"""VMs of a subscription that a sweep is worked out for."""


def figure(value: float) -> str:
    """A figure with three digits that count: these are estimates."""
    if math.isinf(value):
        return "endless"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def page(fleet: Fleet) -> str:
    """The whole page, with a newline at its end."""
    parts = [
        f"# Scale: {figure(fleet.vms)} VMs in {fleet.subscriptions} subscriptions",
        f"<!-- Made by `{COMMAND}` from local/scale/: change that, not this. -->",
        paragraph(
            "Worked out on paper, from Azure's limits, list prices and what was measured on a laptop; nobody has",
            "run it. Each figure that goes in is below, with its source. For another fleet:",
        ),
        "```console\n.venv/bin/python -m local scale --vms 50000 --subscriptions 40 --largest 10000\n```",
        *_in_short(fleet),
        *_sweeps(fleet),
        *_peaks(fleet),
        *_month(fleet),
        "## What it costs to run",
        running(),
        *_given(fleet),
    ]
    return "\n\n".join(parts) + "\n"


def tables(fleet: Fleet) -> str:
    """The tables alone."""
    return "\n\n".join([*_sweeps(fleet), *_peaks(fleet), *_month(fleet)]) + "\n"


def _in_short(fleet: Fleet) -> Iterator[str]:
    one, loud = sweep(fleet.mean, fleet.scale_sets), burst(fleet, fleet.vms)
    first, second, third, *_ = (peak.name for peak in peaks(fleet))
    bill = costs(month(fleet))
    total, dearest = sum(line.dollars for line in bill), max(bill, key=lambda line: line.dollars)
    share = one.calls / (fleet.sweep_minutes * given.LISTS.value)
    yield "## In short"
    told = [
        [
            f"A sweep of a subscription of {figure(one.vms)} VMs takes {figure(one.calls)} requests and",
            f"{figure(one.seconds)} s. Every {fleet.sweep_minutes:g} minutes, that is {figure(share * 100)} % of the",
            "lists that Azure allows.",
        ],
        [
            f"At 08:00 and 18:00, {figure(loud.events)} events a second come in. That takes",
            f"{figure(instances(fleet))} instances; at other times one or two of each function are enough.",
        ],
        [
            f"These break first: {first}; then {second}; then {third}.",
            "[What to do](#what-breaks-first) is below.",
        ],
        [
            f"A month costs about {figure(total)} USD at list prices, {figure(total / fleet.vms * 1_000)} for each",
            f"1,000 VMs; most of it for {dearest.what}.",
        ],
    ]
    yield bullets(" ".join(sentences) for sentences in told)


def _sweeps(fleet: Fleet) -> Iterator[str]:
    yield "## A sweep"
    yield table(
        [
            "VMs of the subscription",
            "requests to Azure",
            "time",
            "of the lists that Azure allows meanwhile",
            "queries of the ledger",
            "while events ask for sweeps, one every",
            "what is left to them is seen within",
        ],
        (
            [
                figure(each.vms),
                figure(each.calls),
                f"{figure(each.seconds)} s",
                f"{figure(each.calls / (fleet.sweep_minutes * given.LISTS.value) * 100)} %",
                figure(each.queries),
                f"{figure(each.apart)} s",
                f"{figure(each.seen_within(fleet))} s" if each.ends else "not all: it takes too long",
            ]
            for each in (sweep(vms, fleet.scale_sets) for vms in SIZES)
        ),
    )
    rows_a_second = given.ROWS_A_PAGE.value / (2 * given.PAGE_SECONDS.value)
    mean, large = burst(fleet, fleet.mean), burst(fleet, fleet.largest)
    yield paragraph(
        "Two lists show all VMs, and each page names the next, so that pages cannot be had side by side: the time is",
        f"theirs. `functionTimeout` ends a sweep after {figure(given.TIMEOUT.value / 60)} minutes, which is enough for",
        f"{figure(given.TIMEOUT.value * rows_a_second)} VMs in a subscription, and for more where Azure's pages are",
        f"larger than the {figure(given.ROWS_A_PAGE.value)} rows reckoned with here. Of more than",
        f"{figure(fleet.sweep_minutes * 60 * rows_a_second)}, one is not over when the next is due: have them less",
        "often. Where nothing is new, nothing is written.",
    )
    yield paragraph(
        f"Of all reads, a subscription has {figure(given.ARM_READS.value)} a second. An instance looks at",
        f"{LOOKS} VMs of it singly at once and at {figure(LOOKS_A_SECOND)} a second, and at none while Azure says that",
        f"fewer than {RESERVE} reads are left. In a burst a subscription of {figure(fleet.mean)} VMs has",
        f"{figure(mean.events)} events a second, {_seen_to(fleet, fleet.mean)}; the largest one has",
        f"{figure(large.events)}, {_seen_to(fleet, fleet.largest)}. Sweeps that events ask for begin",
        f"{figure(SPACING.total_seconds())} s apart, or as far as their pages are at {figure(PAGES_A_SECOND)} a",
        f"second, or {figure(LAPS)} times as far as the latest took, whichever is most.",
    )
    yield paragraph(
        "By default all subscriptions are swept at the full hour, too, when bursts come. Have it at another time where",
        "there are many, such as `STOPGAP_SWEEP_SCHEDULE=0 7,22,37,52 * * * *`.",
    )


def _seen_to(fleet: Fleet, vms: int) -> str:
    """What becomes of the events of a burst among so many VMs of a subscription."""
    if asks_for_sweeps(fleet, vms):
        return "of which sweeps see to what is more than the reads allow"
    return "which are all looked at singly"


def _peaks(fleet: Fleet) -> Iterator[str]:
    loud, calm = burst(fleet, fleet.vms), rest(fleet, fleet.vms)
    one = burst(fleet, fleet.largest)
    yield "## What happens in a second"
    yield table(
        ["", "changes", "events", "queued looks", "flags"],
        (
            [name, *(figure(value) for value in (rates.changes, rates.events, rates.looks, rates.flags))]
            for name, rates in (
                ("the fleet, at 18:00", loud),
                ("the largest subscription, at 18:00", one),
                ("the fleet, at another time", calm),
            )
        ),
    )
    found = peaks(fleet)
    yield "## What breaks first"
    yield table(
        ["", "peak", "limit", "share", "of", "holds up to, all else as it is"],
        (
            [
                f"{place}. {peak.name}",
                f"{figure(peak.used)} {peak.unit}".strip(),
                f"{figure(peak.limit.value)} {peak.unit}".strip(),
                f"{figure(peak.share * 100)} %",
                peak.of,
                f"{figure(peak.holds)} VMs",
            ]
            for place, peak in enumerate(found, start=1)
        ),
    )
    yield "What happens then, and what to do:"
    yield _numbered(f"**{_capital(peak.name)}:** {peak.remedy}." for peak in found)
    yield paragraph(
        "What only takes patience: a page of `GET /api/vms` asks one subscription after the other until it is full, so",
        "that a list of a few VMs takes up to",
        f"{figure(fleet.subscriptions * given.QUERY_SECONDS.value)} s. Retention takes many nights for all rows that",
        f"there are: what is to be kept for {figure(fleet.retention_days)} days is there for",
        f"{figure(kept_days(fleet))}, on the average.",
    )


def _month(fleet: Fleet) -> Iterator[str]:
    a_month = month(fleet)
    bill = costs(a_month)
    yield "## A month, and what it costs"
    yield table(
        ["", "a month"],
        [
            ["changes of a power state", figure(a_month.changes)],
            ["events", figure(a_month.events)],
            ["queued looks", figure(a_month.looks)],
            ["sweeps, of one subscription each", figure(a_month.sweeps)],
            ["hours of instances at work", figure(a_month.active / 3_600)],
        ],
    )
    yield table(
        ["", "amount", "unit price", "USD"],
        [
            *(
                [
                    line.what,
                    f"{figure(line.amount)} {line.unit}".strip(),
                    f"{_exact(line.price.value)} {line.price.unit}",
                    figure(line.dollars),
                ]
                for line in bill
            ),
            ["**together**", "", "", f"**{figure(sum(line.dollars for line in bill))}**"],
        ],
    )
    yield paragraph(
        f"An instance is billed while anything runs on it, for {figure(given.INSTANCE_MB / 1_024)} GB and at least a",
        "second. The line for its time supposes that events come by chance and share instances; if no two ever shared",
        f"a second, it would be {figure(worst_time(a_month))} USD. Instances of 512 MB cost a quarter, and are slower.",
        "Free grants are left out, and so is the platform's own use of storage. Table Storage is taken to bill each",
        "row of a transaction. Of the sweeps that events ask for, those of the largest subscription are counted, and",
        "those of all others if one of the mean size would ask for any.",
    )
    yield paragraph(
        "The logs keep a row for every request (`excludedTypes` in [host.json](../host.json)), and a sample of all",
        "other lines under load. To have less of them, let requests be sampled as well: [metrics](metrics.md) are",
        "exact all the same.",
    )


def running() -> str:
    """What it costs to run, for some fleets: a table and what it says, for this page and for that on operations."""
    months = [month(fleet) for fleet in RUN]
    bills = [costs(each) for each in months]
    small = [replace(each, gb_seconds=each.gb_seconds / 4) for each in months]
    hourly = [month(replace(fleet, sweep_minutes=60.0)) for fleet in RUN]
    told = table(
        ["USD a month, at list prices", *(f"{figure(fleet.vms)} VMs" for fleet in RUN)],
        [
            ["subscriptions", *(figure(fleet.subscriptions) for fleet in RUN)],
            *(
                [lines[0].what, *(dollars(line.dollars) for line in lines)]
                for lines in zip(*bills, strict=True)
            ),
            ["together", *(dollars(sum(line.dollars for line in bill)) for bill in bills)],
            [
                "of that free, if nothing else uses it up",
                *(dollars(sum(line.free for line in bill)) for bill in bills),
            ],
            ["**to pay**", *(f"**{dollars(to_pay(each))}**" for each in months)],
            ["the same, with instances of 512 MB", *(dollars(to_pay(each)) for each in small)],
            ["the same, with sweeps once an hour", *(dollars(to_pay(each)) for each in hourly)],
            [
                f"besides, for {given.ENDPOINTS} private endpoints, where there are any",
                *[dollars(given.ENDPOINTS * given.ENDPOINT.value)] * len(RUN),
            ],
        ],
    )
    dearest = [max(bill, key=lambda line: line.dollars - line.free) for bill in bills]
    most = "; ".join(
        f"at {figure(fleet.vms)} VMs it is {_small(line.what)}, {dollars(line.dollars - line.free)} USD"
        for fleet, line in zip(RUN, dearest, strict=True)
    )
    return f"{told}\n\n" + paragraph(f"What is dearest, free grants taken off: {most}.")


def _small(text: str) -> str:
    return text.replace("Functions, time", "the time of Functions")


def dollars(value: float) -> str:
    """Dollars with two digits that count, cents at the least: nobody has run it."""
    rounded = round(value, 2 if value < 1 else 1 if value < 10 else -max(int(math.log10(value)) - 1, 0))
    if value and not rounded:
        return "< 0.01"
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _given(fleet: Fleet) -> Iterator[str]:
    yield "## What goes in"
    yield "Assumed of the fleet:"
    yield table(["", ""], ([ASSUMED[each.name], _exact(getattr(fleet, each.name))] for each in fields(fleet)))
    yield "Azure's limits:"
    yield _sources(given.LIMITS)
    yield "List prices, of regions of the US, at second hand:"
    yield _sources((*given.PRICES, given.ENDPOINT))
    yield "Free each month: of a subscription, but for the logs. Other apps may have used it up already."
    yield _sources(given.GRANTS)
    yield "The app, and what Azure takes:"
    yield _sources(given.MEASURED)


def _sources(rows: Sequence[Given]) -> str:
    return table(
        ["", "value", "source", "date", "verified"],
        (
            [
                row.what,
                f"{_exact(row.value)} {row.unit}".strip(),
                row.source,
                row.dated or "–",
                "yes" if row.verified else "**no**",
            ]
            for row in rows
        ),
    )


def _exact(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}" if value >= 0.001 else f"{value:f}".rstrip("0")


def _numbered(items: Iterator[str]) -> str:
    return "\n".join(paragraph(f"{place}. {item}", indent="   ") for place, item in enumerate(items, start=1))


def _capital(text: str) -> str:
    return text if text.startswith("`") else text[0].upper() + text[1:]
