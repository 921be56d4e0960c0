"""What was wasted and avoided day by day, as a chart: geometry for the template, in units of its viewBox. Pure."""

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from shared.accounts import Day, Money
from shared.domain.money import Sum
from shared.web import rows

WIDTH, HEIGHT = 960.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 16.0, 12.0, 26.0
"""What is left for the axes."""

TICKS = 4
"""How many lines there are above zero at most."""

LABELS_APART = 5
"""Each day of so many is named."""


class Bar(Struct, frozen=True):
    """One day."""

    label: str
    """`Nov 21`, where it is named; else empty."""
    title: str
    """The day and its figures, in words."""
    x: float
    width: float
    middle: float
    sure: float
    """Height of what is sure: the lower bound."""
    perhaps: float
    """Height of what it may be beyond that: up to the upper bound."""
    avoided: float
    """Height of what was avoided, by its lower bound."""


class Tick(Struct, frozen=True):
    """A line across."""

    y: float
    label: str


class Chart(Struct, frozen=True):
    """The whole of it."""

    unit: str
    """What is shown: a currency, or hours where no price is known."""
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    base: float
    """The y of zero."""


def chart(money: Money) -> Chart | None:
    """The chart of the latest days; None: there is nothing to show."""
    amounts = [amount for day in money.days for amount in (day.wasted.amount, day.avoided.amount)]
    priced = any(amount.lower or amount.upper for amount in amounts)
    if not priced and not any(day.hours for day in money.days):
        return None
    read, unit = (_money, money.currency) if priced else (_hours, "hours")
    figures = [read(day) for day in money.days]
    top, step = _scale(max(max(upper, avoided) for _, upper, avoided in figures))
    base, height = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    slot = (WIDTH - LEFT - RIGHT) / len(money.days)
    bars = [
        Bar(
            label=f"{day.day:%b} {day.day.day}" if (len(money.days) - 1 - number) % LABELS_APART == 0 else "",
            title=_title(day, money.currency),
            x=round(LEFT + slot * number + slot * 0.14, 2),
            width=round(slot * 0.72, 2),
            middle=round(LEFT + slot * (number + 0.5), 2),
            sure=round(lower / top * height, 2),
            perhaps=round((upper - lower) / top * height, 2),
            avoided=round(avoided / top * height, 2),
        )
        for number, (day, (lower, upper, avoided)) in enumerate(zip(money.days, figures, strict=True))
    ]
    ticks = [
        Tick(round(base - step * number / top * height, 2), _label(step * number, step))
        for number in range(round(top / step) + 1)
    ]
    return Chart(unit, bars, ticks, base)


def figures(money: Money, text: Callable[[Sum], str]) -> list[tuple[str, str, str, str]]:
    """The same as a table, the latest day first: day, hours, wasted, avoided."""
    return [
        (day.day.isoformat(), f"{day.hours:,.1f}", text(day.wasted), text(day.avoided))
        for day in reversed(money.days)
    ]


def _money(day: Day) -> tuple[float, float, float]:
    wasted = day.wasted.amount
    return wasted.lower or 0.0, wasted.upper or 0.0, day.avoided.amount.lower or 0.0


def _hours(day: Day) -> tuple[float, float, float]:
    return day.hours, day.hours, 0.0


def _scale(most: float) -> tuple[float, float]:
    """The top of the axis and the distance of its lines: 1, 2 or 5 times a power of ten."""
    rough = max(most, 0.01) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return step * max(math.ceil(most / step - 1e-9), 1), step


def _label(value: float, step: float) -> str:
    digits = 0 if step >= 1 else max(-math.floor(math.log10(step)), 0)
    return f"{value:,.{digits}f}"


def _title(day: Day, currency: str) -> str:
    amount, avoided = day.wasted.amount, day.avoided.amount.lower
    bounds = {"currency": currency, "lower": amount.lower, "upper": amount.upper}
    told = rows.amount(bounds, 2)
    wasted = f"{told} wasted" if told else "at no known price"
    saved = f", {currency} {avoided:,.2f} avoided" if avoided else ""
    return f"{day.day:%Y-%m-%d}: {day.hours:,.1f} hours Stopped, {wasted}{saved}"
