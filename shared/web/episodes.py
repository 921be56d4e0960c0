"""Episodes as a table for spreadsheets: what is asked for, and the lines."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from shared.accounts import Period, Told
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed, shown
from shared.domain.signals import Cause
from shared.domain.spending import ONE_DAY
from shared.web import sheet
from shared.web.sheet import Cell

DAYS = 31
"""How many days it tells of if nobody says how many, the present one among them."""


def read_period(parameters: Mapping[str, str], watched: tuple[str, ...], now: datetime) -> Period:
    """What is asked for; `Malformed` names the parameter, what it is and what is expected."""
    wanted = parameters.get("subscription")
    if wanted is not None and parse_subscription(wanted) not in watched:
        raise Malformed(f"subscription: {shown(wanted)} is not watched; see STOPGAP_SUBSCRIPTIONS")
    today = now.date()
    until = _day("until", parameters) or today
    since = _day("since", parameters) or until - ONE_DAY * (DAYS - 1)
    if since > until:
        raise Malformed(f"since: expected a day up to {until.isoformat()}, got {since.isoformat()}")
    return Period((parse_subscription(wanted),) if wanted else watched, since, until, lasting=until >= today)


def to_csv(told: Iterable[Told]) -> str:
    """The lines, under a line of headings."""
    return sheet.to_csv(COLUMNS, told)


def _actor(cause: Cause | None) -> str | None:
    return cause.actor.value if cause else None


def _operation(cause: Cause | None) -> str | None:
    return cause.operation if cause else None


def _caller(cause: Cause | None) -> str | None:
    return (cause.caller_name or cause.caller) if cause else None


COLUMNS: Mapping[str, Callable[[Told], Cell]] = {
    "subscription": lambda told: told.episode.vm.subscription,
    "resource_group": lambda told: told.episode.vm.resource_group,
    "name": lambda told: told.episode.vm.name,
    "location": lambda told: told.tariff.location,
    "size": lambda told: told.tariff.size,
    "os_type": lambda told: told.tariff.os_type,
    "started_at": lambda told: told.episode.started_at,
    "started_source": lambda told: told.episode.started_source.value,
    "cause_actor": lambda told: _actor(told.episode.cause),
    "cause_operation": lambda told: _operation(told.episode.cause),
    "cause_caller": lambda told: _caller(told.episode.cause),
    "flagged_at": lambda told: told.episode.flagged_at,
    "ended_at": lambda told: told.episode.ended_at,
    "ended_as": lambda told: told.episode.ended_as.value if told.episode.ended_as else None,
    "ended_by_actor": lambda told: _actor(told.episode.ended_by),
    "ended_by_operation": lambda told: _operation(told.episode.ended_by),
    "ended_by_caller": lambda told: _caller(told.episode.ended_by),
    "by_stopgap": lambda told: told.episode.by_stopgap,
    "resumed_at": lambda told: told.episode.resumed_at,
    "hours": lambda told: round(told.hours, 4),
    "currency": lambda told: told.cost.currency if told.cost else None,
    "cost_lower": lambda told: _bound(told.cost.lower if told.cost else None),
    "cost_upper": lambda told: _bound(told.cost.upper if told.cost else None),
}
"""Each column, and what is in it."""


def _bound(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 2)


def _day(name: str, parameters: Mapping[str, str]) -> date | None:
    text = parameters.get(name)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat() or day.year < 2000 or day.year > 9000:
        raise Malformed(f"{name}: expected a day such as 2027-01-31, got {shown(text)}")
    return day
