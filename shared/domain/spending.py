"""What was spent on VMs left Stopped, and avoided by deallocating them: hours of each tariff, day by day.

Hours are what is kept. What they cost is told by the prices of the day on which somebody asks: a price that could not
be had, or another currency, spoils nothing that was counted before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct

from shared.domain.money import Tariff
from shared.domain.records import Episode, Record
from shared.domain.states import PowerState

ONE_DAY = timedelta(days=1)


class Spell(Struct, frozen=True):
    """A stretch of time that counts."""

    tariff: Tariff
    began_at: datetime
    ended_at: datetime | None = None
    """None: it lasts."""
    avoided: bool = False
    """Whether the VM was Deallocated by Stopgap then. If not, it was Stopped, and billed without use."""


class Past(Struct, frozen=True):
    """A spell that is over, with the episode that it is of."""

    episode: Episode
    tariff: Tariff
    avoided: bool = False

    @property
    def spell(self) -> Spell:
        """The stretch of time: the episode itself, or what followed on it."""
        episode = self.episode
        if not self.avoided:
            return Spell(self.tariff, episode.started_at, episode.ended_at)
        return Spell(self.tariff, episode.ended_at or episode.started_at, episode.resumed_at, avoided=True)

    @property
    def counts(self) -> bool:
        """Whether it is what it seems: that Stopgap ended an episode can turn out otherwise."""
        return self.episode.by_stopgap or not self.avoided


class Hours(Struct, frozen=True):
    """Hours of each tariff."""

    wasted: tuple[tuple[Tariff, float], ...] = ()
    avoided: tuple[tuple[Tariff, float], ...] = ()

    def __add__(self, other: "Hours") -> "Hours":
        return Hours(_added(self.wasted, other.wasted), _added(self.avoided, other.avoided))


class DaySpent(Struct, frozen=True):
    """A day in UTC that is over and added up."""

    day: date
    hours: Hours
    total: Hours
    """Of this day and all before it."""


def pasts(episode: Episode, tariff: Tariff) -> tuple[Past, ...]:
    """The spells of an episode that are over."""
    ended = (Past(episode, tariff),) if episode.ended_at else ()
    resumed = (Past(episode, tariff, avoided=True),) if episode.ended_at and episode.resumed_at else ()
    return ended + resumed


def lasting(record: Record) -> Spell | None:
    """The spell that a VM is in; None: it is in none."""
    tariff = Tariff.of(record.model)
    if record.power_state is PowerState.STOPPED:
        return Spell(tariff, record.since)
    if record.saving and record.saving.ended_at:
        return Spell(tariff, record.saving.ended_at, avoided=True)
    return None


def by_day(spells: Iterable[Spell], first: date, until: datetime) -> Mapping[date, Hours]:
    """The hours of spells on each day from `first` to that of `until`, in this order; those before are left out.

    Args:
        spells: At any time, in any order.
        first: The first day, in UTC.
        until: The time up to which is counted: what lasts, lasts until then.
    """
    days = [first + ONE_DAY * number for number in range((until.astimezone(UTC).date() - first).days + 1)]
    counted = {day: (defaultdict[Tariff, float](float), defaultdict[Tariff, float](float)) for day in days}
    for spell in spells:
        began_at = max(spell.began_at, midnight(first))
        ended_at = min(spell.ended_at or until, until)
        while began_at < ended_at:
            day = began_at.astimezone(UTC).date()
            end = min(midnight(day + ONE_DAY), ended_at)
            counted[day][spell.avoided][spell.tariff] += (end - began_at) / timedelta(hours=1)
            began_at = end
    return {
        day: Hours(tuple(wasted.items()), tuple(avoided.items()))
        for day, (wasted, avoided) in counted.items()
    }


def midnight(day: date) -> datetime:
    """When a day begins, in UTC."""
    return datetime.combine(day, time(), UTC)


def _added(
    one: Iterable[tuple[Tariff, float]], other: Iterable[tuple[Tariff, float]]
) -> tuple[tuple[Tariff, float], ...]:
    together = dict[Tariff, float]()
    for hours in (one, other):
        for tariff, count in hours:
            together[tariff] = together.get(tariff, 0.0) + count
    return tuple(together.items())
