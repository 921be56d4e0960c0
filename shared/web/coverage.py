"""What sweeps saw and what not, and the probes that arrived, for health and summary: plain JSON values, and words."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.accounts import Figures, Money
from shared.domain.money import sum_view
from shared.domain.observations import CLOCKS_DIFFER
from shared.domain.schedule import last_but_one
from shared.domain.states import PowerState
from shared.domain.views import time_view
from shared.ports import Arrival, Coverage
from shared.summaries import Summary

BASIS = "list prices, before reservations, savings plans and agreements"
"""What all costs are told by."""

FAULTS = 3
"""How many faults of a sweep are shown in words."""

REMARKS = 10
"""Of how many subscriptions is told in words; the others are counted."""


def coverage_view(coverage: Coverage | None) -> dict[str, object] | None:
    """What the latest sweep of a subscription came to; None when there was none."""
    if coverage is None:
        return None
    return {
        "began_at": time_view(coverage.began_at),
        "ended_at": time_view(coverage.ended_at),
        "complete": coverage.complete,
        "covered_at": time_view(coverage.covered_at),
        "vms": coverage.vms,
        "changed": coverage.changed,
        "gone": coverage.gone,
        "fault_count": coverage.fault_count,
        "faults": list(coverage.faults[:FAULTS]),
    }


def probe_view(arrival: Arrival | None) -> dict[str, object] | None:
    """The latest probe that arrived from a subscription; None when none did."""
    if arrival is None:
        return None
    return {
        "token": arrival.probe.token,
        "at": time_view(arrival.probe.at),
        "recorded_at": time_view(arrival.recorded_at),
    }


def remarks(
    swept: Mapping[str, Coverage],
    subscriptions: Sequence[str],
    schedule: str,
    *,
    since: datetime,
    now: datetime,
) -> list[str]:
    """What of the subscriptions is not covered, and why, a line each.

    Args:
        swept: What the latest sweeps came to.
        subscriptions: Those that are watched.
        schedule: When sweeps are asked for, in NCRONTAB.
        since: How long it is certain that sweeps are asked for: one that has not been due since then is not missing.
        now: The time.
    """
    due_at = last_but_one(schedule, now)
    missing = due_at is None or since <= due_at
    found = [
        line
        for each in subscriptions
        if (line := _remark(each, swept.get(each), due_at, missing=missing, now=now))
    ]
    more = len(found) - REMARKS
    return found[:REMARKS] + ([f"and {more} subscriptions more are not covered"] if more > 0 else [])


def summary_view(summary: Summary) -> dict[str, object]:
    """The answer of `GET /summary`."""
    return {
        "at": time_view(summary.at),
        "whole": summary.whole,
        **_counts(summary.power_states, summary.flagged),
        "cost": money_view(summary.money),
        "subscriptions": [
            {
                "subscription": subscription,
                "whole": bool(tally and tally.whole),
                "counted_at": time_view(tally.at or summary.at) if tally else None,
                **(_counts(tally.power_states, tally.flagged) if tally else NOT_COUNTED),
                "sweep": coverage_view(summary.sweeps.get(subscription)),
            }
            for subscription, tally in summary.tallies.items()
        ],
    }


def money_view(money: Money) -> dict[str, object]:
    """What VMs left Stopped cost all together."""
    return {
        "currency": money.currency,
        "basis": BASIS,
        "stopped": money.stopped,
        "hourly": sum_view(money.hourly, 4),
        "monthly": sum_view(money.monthly),
        "wasted": _figures(money.wasted),
        "avoided": _figures(money.avoided),
        "deallocated": money.deallocated,
        "whole": money.whole,
        "days": [
            {
                "day": each.day.isoformat(),
                "hours": round(each.hours, 2),
                "wasted": sum_view(each.wasted),
                "avoided": sum_view(each.avoided),
            }
            for each in money.days
        ],
    }


def _figures(figures: Figures) -> dict[str, object]:
    return {"this_month": sum_view(figures.this_month), "total": sum_view(figures.total)}


def _counts(power_states: Mapping[PowerState, int], flagged: int) -> dict[str, object]:
    there = sum(count for state, count in power_states.items() if state is not PowerState.DELETED)
    return {
        "vms": there,
        "power_states": {state.value: power_states.get(state, 0) for state in PowerState},
        "flagged": flagged,
    }


NOT_COUNTED: Mapping[str, None] = dict.fromkeys(_counts({}, 0))


def _remark(
    subscription: str, swept: Coverage | None, due_at: datetime | None, *, missing: bool, now: datetime
) -> str | None:
    """What of one subscription is not covered; None: nothing is known to be.

    Args:
        subscription: Which.
        swept: What its latest sweep came to.
        due_at: When sweeps were last but once to begin.
        missing: Whether one of which nothing is known is late by now.
        now: The time.
    """
    if swept is None:
        return f"{subscription}: not swept yet, so only VMs that events named are known" if missing else None
    why = f": {swept.faults[0]}" if swept.faults else ""
    if swept.covered_at is None:
        return f"{subscription}: no sweep was complete yet{why}"
    if swept.covered_at > now + CLOCKS_DIFFER:
        at = time_view(swept.covered_at)
        return f"{subscription}: no sweep was complete since {at}, which is still to come: a clock was ahead{why}"
    if due_at and swept.covered_at < due_at:
        return f"{subscription}: no sweep was complete since {time_view(swept.covered_at)}{why}"
    if swept.fault_count:
        return f"{subscription}: {swept.fault_count} not covered by the latest sweep{why}"
    return None
