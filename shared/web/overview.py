"""The overview page's figures, rows and chart, as plain values: what its template shows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from shared.domain.actions import Deallocation
from shared.domain.durations import words
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed, shown
from shared.domain.money import Cost, Sum
from shared.domain.policy import Policy
from shared.domain.reasons import by_whom
from shared.domain.records import FlagKind, Record
from shared.domain.signals import Source
from shared.domain.states import PowerState
from shared.ports import Page, Query
from shared.summaries import Summary
from shared.web import api, links, rows
from shared.web.asked import Asking
from shared.web.captions import DONE_THERE, TONES
from shared.web.offers import refusals
from shared.web.prospects import prospects

FLAGGED = 1000
"""How many flagged VMs are read, so that the dearest come first."""

ROUND = 100.0
"""From this amount on, the figures at the top have no cents."""

FLAGGED_SHOWN = 25
FLEET_SHOWN = 25


class Wanted(Struct, frozen=True):
    """What of the fleet is to be seen."""

    fleet: Query
    flagged: Query
    page: int
    """Which page of the flagged VMs, from 1. After the last one comes none: then it is the last."""
    given: Mapping[str, str]
    """The filters that were given, as they were."""


class Overview(Struct, frozen=True, kw_only=True):
    """What is known of all VMs, as one caller may see it at one moment."""

    summary: Summary
    flagged: Page
    fleet: Page
    costs: Mapping[VmId, Cost]
    """Of the VMs of both pages, where it is known."""
    wanted: Wanted
    remarks: Sequence[str]
    """What is not covered, in words."""
    schedule: str
    """When sweeps begin, in NCRONTAB."""
    subscriptions: Sequence[str]
    policy: Policy
    now: datetime
    may_change: bool
    key: str | None = None
    """The function key that the page was opened with: its links and forms need it too."""
    done: str | None = None
    """What a form of the page has just asked for, as the address says: anybody's word."""
    done_of: Record | None = None
    """Of which VM, if that is known."""


def read_wanted(parameters: Mapping[str, str], watched: tuple[str, ...]) -> Wanted:
    """What of the fleet is asked for; `Malformed` names the parameter, what it is and what is expected."""
    # A form sends what was left empty as well.
    given = {name: value for name, value in parameters.items() if value.strip()}
    fleet = api.read_query(
        {name: given[name] for name in ("power_state", "subscription", "name", "next") if name in given}
        | {"limit": str(FLEET_SHOWN)},
        watched,
    )
    text = given.get("flagged_page", "1")
    if (
        not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= FLAGGED // FLAGGED_SHOWN)
        or len(text) > 4
    ):
        raise Malformed(
            f"flagged_page: expected a number from 1 to {FLAGGED // FLAGGED_SHOWN}, got {shown(text)}"
        )
    flagged = Query(watched, flagged=True, limit=FLAGGED)
    filters: dict[str, str] = {
        name: given[name] for name in ("power_state", "subscription", "name") if name in given
    }
    return Wanted(fleet, flagged, int(text), filters)


BORNE_OUT: Mapping[Asking, Callable[[Record, datetime], bool]] = {
    Asking.DEALLOCATE: lambda record, _: record.deallocation is not None,
    Asking.SNOOZE: lambda record, now: bool(
        record.flag and record.flag.snoozed_until and now < record.flag.snoozed_until
    ),
    Asking.EXEMPT: lambda record, now: bool(record.exemption and record.exemption.holds(now)),
    Asking.LOOK: lambda _record, _now: True,
}
"""Whether a record is as it would be if a form had just asked for this. A look leaves nothing behind."""


def done(view: Overview) -> str | None:
    """What a form has just asked for, after the VM's name; None: nothing, or the record does not bear it out."""
    asking, record = next((each for each in Asking if each == view.done), None), view.done_of
    told = asking and record and BORNE_OUT[asking](record, view.now)
    return DONE_THERE[asking] if asking and told else None


class Headline(Struct, frozen=True):
    """One of the figures at the top."""

    name: str
    figure: str
    more: str
    tone: str = ""


def headlines(summary: Summary) -> list[Headline]:
    """The figures at the top."""
    money = summary.money
    atleast = "" if money.whole else "at least "
    return [
        Headline(
            "Stopped and still billed",
            f"{atleast}{money.stopped:,}",
            f"{summary.flagged:,} flagged, of {_count(summary)} VMs",
            "ill" if money.stopped else "well",
        ),
        Headline(
            "What they cost now",
            round_text(money.monthly),
            f"a month; {sum_text(money.hourly, 2)} an hour{_unpriced(money.hourly, 'VM')}",
        ),
        Headline(
            "Wasted this month",
            f"{atleast}{round_text(money.wasted.this_month)}",
            f"{round_text(money.wasted.total)} since Stopgap watches{_unpriced(money.wasted.total, 'hour')}",
        ),
        Headline(
            "Avoided by deallocating",
            f"{atleast}{round_text(money.avoided.total)}",
            f"{round_text(money.avoided.this_month)} this month; {money.deallocated:,} deallocated by Stopgap now"
            f"{_unpriced(money.avoided.total, 'hour')}",
            "well" if money.avoided.total.amount.lower else "",
        ),
    ]


def sum_text(added: Sum, digits: int = 2) -> str:
    """`USD 1.23–4.56`, or that it is not known."""
    return rows.of_sum(added, digits) or "unknown"


def round_text(added: Sum) -> str:
    """The same, without cents where they say nothing."""
    return sum_text(added, 0 if (added.amount.lower or 0.0) >= ROUND else 2)


def _unpriced(added: Sum, unit: str) -> str:
    """What is left out of a sum, if anything is."""
    count = added.unpriced
    if not count:
        return ""
    number = f"{count:,.0f}" if count >= 1 else f"{count:.1f}"
    return f"; without {number} {unit}{'' if number == '1' else 's'} of no known price"


def _count(summary: Summary) -> str:
    there = sum(count for state, count in summary.power_states.items() if state is not PowerState.DELETED)
    return f"{there:,}" if summary.whole else f"at least {there:,}"


class FlaggedRow(Struct, frozen=True):
    """A flagged VM in the list."""

    vm: VmId
    path: str
    id: str
    """A name for it within the page."""
    place: str
    """Size and region."""
    observed: bool
    """Whether it is "at least" since."""
    since: datetime
    lasting: str
    cause: str
    badges: Sequence[tuple[str, str]]
    """Its marks, but for those that most have in this list: Stopped, and flagged as left so."""
    stopped: bool
    """Whether it is Stopped: only then its cost is counted."""
    monthly: str | None
    so_far: str | None
    under_way: Deallocation | None
    """Its deallocation, if that is under way: then no other can be asked for."""
    due: str
    next: str
    """What happens next."""
    actions: Mapping[str, str]
    """Where its forms go."""
    refused: Mapping[str, str | None]
    """Why each cannot be asked for; None: it can."""


def flagged_pages(view: Overview) -> tuple[int, int]:
    """The page of flagged VMs that is shown, and how many there are: at least one."""
    last = max(-(-len(view.flagged.records) // FLAGGED_SHOWN), 1)
    return min(view.wanted.page, last), last


def flagged_rows(view: Overview) -> list[FlaggedRow]:
    """The flagged VMs of the page that is shown, the dearest of all first; those of no known price last."""

    def price(record: Record) -> float:
        cost = view.costs.get(record.vm)
        bounds = (cost.hourly.upper, cost.hourly.lower) if cost else ()
        return max((bound for bound in bounds if bound is not None), default=-1.0)

    ordered = sorted(view.flagged.records, key=lambda record: (-price(record), record.since, str(record.vm)))
    first = (flagged_pages(view)[0] - 1) * FLAGGED_SHOWN
    return [
        _flagged_row(view, record, f"f{number}")
        for number, record in enumerate(ordered[first : first + FLAGGED_SHOWN], first + 1)
    ]


def _flagged_row(view: Overview, record: Record, name: str) -> FlaggedRow:
    cost = rows.costs_of(view.costs.get(record.vm))
    usual = (record.power_state, record.flag and record.flag.kind) == (
        PowerState.STOPPED,
        FlagKind.LEFT_STOPPED,
    )
    ahead = next(iter(prospects(record)), None)
    back = {api.KEY: view.key, "back": links.BACK}
    refused = refusals(record, view.policy, view.now)
    return FlaggedRow(
        vm=record.vm,
        path=links.with_query(links.page_path(record.vm), {api.KEY: view.key}),
        id=name,
        place=_place(record),
        observed=record.since_source is Source.OBSERVED,
        since=record.since,
        lasting=rows.lasting(view.now - record.since),
        cause=by_whom(record.cause),
        badges=rows.badges(record)[2 if usual else 0 :],
        stopped=record.power_state is PowerState.STOPPED,
        monthly=cost.get("monthly"),
        so_far=cost.get("so_far"),
        under_way=record.under_way,
        due=rows.due(ahead.at, view.now) if ahead else "",
        next=ahead.text if ahead else "Nothing by itself.",
        actions={
            asking: links.with_query(f"{links.vm_path(record.vm)}/{asking}", back) for asking in refused
        },
        refused={asking: found.reason if found else None for asking, found in refused.items()},
    )


class FleetRow(Struct, frozen=True):
    """A VM in the list of all."""

    vm: VmId
    path: str
    badges: Sequence[tuple[str, str]]
    stopped: bool
    observed: bool
    """Whether it is "at least" since."""
    since: datetime
    place: str
    monthly: str | None


def fleet_rows(view: Overview) -> list[FleetRow]:
    """The VMs of the page that is asked for."""
    return [
        FleetRow(
            record.vm,
            links.with_query(links.page_path(record.vm), {api.KEY: view.key}),
            rows.badges(record),
            record.power_state is PowerState.STOPPED,
            record.since_source is Source.OBSERVED,
            record.since,
            _place(record),
            rows.costs_of(view.costs.get(record.vm)).get("monthly"),
        )
        for record in view.fleet.records
    ]


def _place(record: Record) -> str:
    parts = (record.model.size, record.model.location)
    return ", ".join(part for part in parts if part) or "size unknown"


class Part(Struct, frozen=True):
    """A power state's part of the fleet."""

    state: str
    tone: str
    count: int
    x: float
    """Where it begins, of a width of 1000."""
    width: float
    path: str
    """The list of those in it."""
    current: bool
    """Whether that is what is shown."""


def parts(view: Overview) -> list[Part]:
    """The fleet by power state, without those that none is in."""
    counts = {
        state: count
        for state in PowerState
        if state is not PowerState.DELETED and (count := view.summary.power_states.get(state, 0))
    }
    whole, x, found = sum(counts.values()), 0.0, list[Part]()
    for state, count in counts.items():
        width = count / whole * 1000
        given = {"power_state": state.value, "subscription": view.wanted.given.get("subscription")}
        path = links.with_query(links.DASHBOARD, {api.KEY: view.key, **given}) + "#fleet"
        current = view.wanted.given.get("power_state", "").lower() == state
        found.append(
            Part(state.value.capitalize(), TONES[state], count, round(x, 2), round(width, 2), path, current)
        )
        x += width
    return found


def counted(summary: Summary) -> list[datetime]:
    """When what is counted was seen, where that was not now."""
    return [tally.at for tally in summary.tallies.values() if tally and tally.at]


def grace(policy: Policy) -> str:
    """How long a VM may be Stopped before it is flagged, as nobody says otherwise."""
    return words(policy.grace)
