"""The story: a fleet, and what happens to it. Who is left Stopped at the end is for Azure to know, not for us."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION

type Doing = Callable[[SimulatedAzure, str], object]


@dataclass(frozen=True, slots=True)
class Member:
    """A VM that is there when the story begins."""

    name: str
    group: str
    state: str = "running"
    size: str = "Standard_D4s_v5"
    os_type: str = "Linux"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that somebody or something does to a VM."""

    vm: str
    says: str
    does: Doing
    then: float = 0.4
    """Seconds until the next step."""


FLEET = (
    Member("web-1", "rg-shop"),
    Member("web-2", "rg-shop"),
    Member("build-7", "rg-build", size="Standard_D16s_v5"),
    Member("sql-3", "rg-data", size="Standard_E8s_v5", os_type="Windows"),
    Member("batch-3", "rg-data", size="Standard_E8s_v5"),
    Member("nightly-2", "rg-build", state="deallocated"),
    Member("api-2", "rg-shop"),
    Member(
        "jump-1",
        "rg-lab",
        size="Standard_B2s",
        tags={"stopgap:mode": "deallocate", "stopgap:exempt": "license dongle host"},
    ),
    Member("render-4", "rg-build", size="Standard_D16s_v5", tags={"stopgap:mode": "deallocate"}),
    Member("lab-5", "rg-lab", size="Standard_NC4as_T4_v3"),
    Member("idle-9", "rg-lab"),
    Member("attic-8", "rg-lab", state="stopped"),
)

STEPS = (
    Step("attic-8", "Stopped since before Stopgap came: no event tells of it", lambda _azure, _vm: None),
    Step("web-1", "Ada powers it off in the portal", lambda azure, vm: azure.power_off(vm)),
    Step("build-7", "shutdown -h now, from inside the guest", lambda azure, vm: azure.guest_shutdown(vm)),
    Step("batch-3", "Ada deallocates it", lambda azure, vm: azure.deallocate(vm)),
    Step("nightly-2", "a schedule starts it: a brief Stopped", lambda azure, vm: azure.start(vm, by=None)),
    Step(
        "jump-1",
        "Grace powers it off; it may be deallocated, but its tag exempts it",
        lambda azure, vm: azure.power_off(vm, by="Grace Hopper"),
    ),
    Step(
        "render-4",
        "done for today: shutdown -h now; its tag asks Stopgap to deallocate it",
        lambda azure, vm: azure.guest_shutdown(vm),
    ),
    Step("api-2", "Ada powers it off …", lambda azure, vm: azure.power_off(vm), then=3),
    Step("api-2", "… and starts it again, within the grace", lambda azure, vm: azure.start(vm)),
    Step("sql-3", "Windows Update shuts it down from inside", lambda azure, vm: azure.guest_shutdown(vm)),
    Step("lab-5", "az vm stop", lambda azure, vm: azure.power_off(vm, by="Grace Hopper"), then=0),
)
"""Played one after the other."""

LATER = (
    Step(
        "lab-5",
        "Grace sees the notice and deallocates it",
        lambda azure, vm: azure.deallocate(vm, by="Grace Hopper"),
    ),
)
"""Played once what is left Stopped is flagged: a flag has to go as well."""

NEW_VM = "new-1"


def create_new_vm(azure: SimulatedAzure) -> None:
    """A VM that is created while the story goes on; it shows a brief Stopped on its way."""
    azure.create(DEFAULT_SUBSCRIPTION, "rg-shop", NEW_VM)


def settle_fleet(azure: SimulatedAzure) -> dict[str, str]:
    """Put the fleet in place; its ids by name."""
    ids = dict[str, str]()
    for member in FLEET:
        options: dict[str, Any] = {"size": member.size, "os_type": member.os_type, "tags": member.tags}
        ids[member.name] = azure.add_vm(
            DEFAULT_SUBSCRIPTION, member.group, member.name, state=member.state, **options
        )
    return ids
