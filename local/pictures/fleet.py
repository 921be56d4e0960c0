"""The fleet of the pictures, and what a month does to it. Made up, and the same each time but for the dates."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal, NamedTuple

from local.azure.model import VmOptions
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.pictures.past import Past
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId, parse_vm_id

DAYS = 30
"""How long Stopgap has been watching."""

_OFFICE = timedelta(hours=10.5)
"""What time it is in the office: the nights there are told from it, whatever time it is here."""

_THURSDAY = 3
"""And the day of the week."""

_AUTOMATIC = 17
"""So many days ago the owners of the build agents let Stopgap deallocate them."""

ADA, GRACE, EDSGER, BARBARA = "Ada Lovelace", "Grace Hopper", "Edsger Dijkstra", "Barbara Liskov"

_DEALLOCATE = {"stopgap:mode": "deallocate"}


@dataclass(frozen=True, slots=True)
class Kind:
    """VMs of a kind."""

    group: str
    names: tuple[str, ...]
    size: str
    os_type: Literal["Linux", "Windows"] = "Linux"
    location: str = "westeurope"
    state: str = "running"
    tags: Mapping[str, str] = field(default_factory=dict)


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}-{number:02}" for number in range(1, count + 1))


_AGENTS = _numbered("agent", 10)
_DESKTOPS = ("desk-ada", "desk-grace", "desk-edsger", "desk-barbara", "desk-katherine", "desk-alan")

FLEET = (
    Kind("rg-shop", _numbered("web", 8), "Standard_D4s_v5"),
    Kind("rg-shop", _numbered("api", 5), "Standard_D8s_v5"),
    Kind("rg-shop", _numbered("cache", 2), "Standard_E4s_v5"),
    Kind("rg-data", _numbered("sql", 3), "Standard_E16s_v5", "Windows"),
    Kind("rg-data", _numbered("etl", 2), "Standard_E8s_v5", location="northeurope"),
    Kind("rg-build", _AGENTS, "Standard_D8s_v5", location="northeurope"),
    Kind("rg-build", ("signing-01",), "Standard_D2s_v5", "Windows", tags={"stopgap:exempt": "hardware key"}),
    Kind("rg-render", _numbered("render", 4), "Standard_NC16as_T4_v3", location="eastus"),
    Kind("rg-desktops", _DESKTOPS, "Standard_D4s_v5", "Windows"),
    Kind("rg-lab", _numbered("lab", 5), "Standard_D4s_v3", location="northeurope"),
    Kind("rg-lab", ("trial-spark",), "Standard_E8s_v5", location="northeurope"),
    Kind("rg-lab", ("attic-01",), "Standard_D4s_v3", "Windows", state="stopped"),
    Kind("rg-lab", _numbered("spare", 5), "Standard_B4ms", location="northeurope", state="deallocated"),
)

type Doing = Callable[[Past, str], Awaitable[object]]


class Step(NamedTuple):
    """What happens to a VM at a time."""

    at: datetime
    vm: str
    does: Doing


def settle(azure: SimulatedAzure, since: datetime) -> dict[str, str]:
    """Put the fleet in place; its ids by name."""
    return {
        name: azure.add_vm(
            DEFAULT_SUBSCRIPTION,
            kind.group,
            name,
            state=kind.state,
            since=since,
            **VmOptions(size=kind.size, os_type=kind.os_type, location=kind.location, tags=kind.tags),
        )
        for kind in FLEET
        for name in kind.names
    }


def month(now: datetime) -> list[Step]:
    """What happens in the month before `now`, in the order of time."""
    office = _Office(now, Random(7))  # noqa: S311 - a made-up fleet, the same each time
    steps = [*office.adoption(), *office.nights(), *office.renderings(), *office.present()]
    return sorted(steps, key=lambda step: step.at)


async def play(past: Past, ids: Mapping[str, str], steps: list[Step]) -> None:
    """Let it happen, with a sweep on each day."""
    swept_on = past.now.date()
    for step in steps:
        await past.until(step.at)
        if past.now.date() > swept_on:
            swept_on = past.now.date()
            await past.sweep()
        await step.does(past, ids[step.vm])


class _Office(NamedTuple):
    """People who work by day, and what they leave running, or Stopped."""

    now: datetime
    chance: Random

    def at(self, days_ago: int, hour: float) -> datetime:
        """That hour in the office, so many days ago."""
        return self.now - timedelta(days=days_ago) - _OFFICE + timedelta(hours=hour)

    def adoption(self) -> Iterator[Step]:
        """Once they trust it, the owners of the build agents let Stopgap deallocate them."""
        for agent in _AGENTS:
            yield Step(self.at(_AUTOMATIC, 9.5), agent, _tag(_DEALLOCATE))

    def nights(self) -> Iterator[Step]:
        """At the end of a working day agents and desktops are shut down; somebody starts them the next one."""
        for days_ago in reversed(range(1, DAYS)):
            weekday = (_THURSDAY - days_ago) % 7
            if weekday in {5, 6}:
                continue
            back = days_ago - (3 if weekday == 4 else 1)
            for agent in self.chance.sample(_AGENTS, self.chance.randint(6, 9)):
                yield Step(self._about(days_ago, 18.2), agent, _shut_down)
                # Some are not needed this morning.
                if back > 0 or agent not in _AGENTS[:3]:
                    yield Step(self._about(back, 7.5), agent, _start(None))
            for desktop in self.chance.sample(_DESKTOPS[1:], 2):
                yield Step(self._about(days_ago, 17.5), desktop, _shut_down)
                if back > 0 or desktop != "desk-edsger":
                    yield Step(self._about(back, 8.5), desktop, _start(GRACE))

    def renderings(self) -> Iterator[Step]:
        """A rendering ends with a shutdown; at first nobody notices for days, later the notice helps."""
        for number, (days_ago, hours) in enumerate(
            ((27, 52), (23, 44), (19, 30), (15, 9), (11, 3), (6, 1.2))
        ):
            machine = f"render-{number % 3 + 1:02}"
            began_at = self._about(days_ago, 15)
            yield Step(began_at, machine, _shut_down)
            yield Step(began_at + timedelta(hours=hours), machine, _deallocate(BARBARA))
            yield Step(began_at + timedelta(hours=hours + 20), machine, _start(BARBARA))

    def present(self) -> Iterator[Step]:
        """What is so now: Stopped for reasons of all kinds, and what people made of it."""
        yield Step(self.at(3, 2.2), "sql-02", _shut_down)
        yield Step(self.at(6, 16.9), "desk-ada", _power_off(ADA))
        yield Step(self.at(1, 17.8), "render-04", _power_off(BARBARA))
        yield Step(self.at(0, 1.5), "etl-01", _power_off(None))
        yield Step(self.at(4, 14.1), "lab-03", _shut_down)
        yield Step(self.at(3, 9.1), "lab-03", _snooze(timedelta(days=5), ADA))
        yield Step(self.at(8, 10.2), "trial-spark", _power_off(EDSGER))
        yield Step(
            self.at(8, 10.9), "trial-spark", _exempt("load test until Friday", timedelta(days=10), EDSGER)
        )
        yield Step(self.at(9, 13.0), "signing-01", _power_off(ADA))
        # Flagged, and its owner warned: it will be deallocated within the hour.
        yield Step(self.now - timedelta(minutes=47), "agent-09", _shut_down)
        yield Step(self.now - timedelta(minutes=6), "web-08", _power_off(GRACE))

    def _about(self, days_ago: int, hour: float) -> datetime:
        """About that hour."""
        return self.at(days_ago, hour + self.chance.uniform(-0.6, 0.6))


async def _shut_down(past: Past, vm: str) -> None:
    """From inside the guest."""
    if past.azure.vm(vm).condition.power == "running":
        await past.see(past.azure.guest_shutdown(vm))


def _power_off(by: str | None) -> Doing:
    return lambda past, vm: past.see(past.azure.power_off(vm, by=by))


def _start(by: str | None) -> Doing:
    return lambda past, vm: past.see(past.azure.start(vm, by=by))


def _deallocate(by: str | None) -> Doing:
    return lambda past, vm: past.see(past.azure.deallocate(vm, by=by))


def _tag(tags: Mapping[str, str]) -> Doing:
    return lambda past, vm: past.see(past.azure.set_tags(vm, tags, by=GRACE))


def _snooze(time: timedelta, by: str) -> Doing:
    return lambda past, vm: past.requests.snooze(_named(vm), past.now + time, by)


def _exempt(reason: str, time: timedelta, by: str) -> Doing:
    return lambda past, vm: past.requests.exempt(_named(vm), Exemption(past.now + time, reason, by), by)


def _named(vm: str) -> VmId:
    named = parse_vm_id(vm)
    if named is None:
        raise ValueError(f"{vm} is not the id of a VM")
    return named
