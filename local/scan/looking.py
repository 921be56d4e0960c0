"""Looking at subscriptions, read-only, by the code of a sweep."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import batched

from local.doctor.arm import Arm
from local.scan.scanned import Looked
from shared.adapters.compute import ComputeVms
from shared.domain.decision import decide
from shared.domain.fleet import Sighted
from shared.domain.ids import VmId, parse_subscription
from shared.domain.malformed import Malformed, shown
from shared.domain.observations import Gone, Observation
from shared.domain.policy import Policy
from shared.domain.states import PowerState
from shared.ports import Clock, NotNow, PortError, Refused, Throttled

API_VERSION = "2022-12-01"
USABLE = {"enabled", "warned", "pastdue"}
"""States of a subscription in which its VMs can be there."""

AT_ONCE = 4
"""How many subscriptions are looked at at once."""

SINGLY_AT_ONCE = 8
SINGLY = 200
"""How many VMs of a subscription are looked at singly, where no list tells their state."""

WAITS = 3
"""How often a subscription is begun anew that Azure throttles."""

LONGEST_WAIT = timedelta(minutes=2)

_NOT_HERE = "is its id right, and are you signed in to its tenant (az login --tenant)?"
_MENDS = {
    None: "it takes the role Reader of the subscription",
    "SubscriptionNotFound": _NOT_HERE,
    "InvalidAuthenticationTokenTenant": _NOT_HERE,
}
"""By Azure's code; `ComputeVms` gives none where a permission is wanting."""

type Told = Callable[[Looked, str], None]
"""Hears how far a subscription has got: what was seen so far, and what is being done."""


async def visible(arm: Arm) -> tuple[dict[str, str], dict[str, str]]:
    """The subscriptions that can be looked at, by id with their names; and those left out, by id with why.

    Raises `NotNow`, `Refused` or `Malformed`.
    """
    usable, left_out = dict[str, str](), dict[str, str]()
    for row in await arm.listed("/subscriptions", API_VERSION):
        found, state = row.get("subscriptionId"), str(row.get("state"))
        if not isinstance(found, str):
            raise Malformed(f"ARM, GET /subscriptions: expected a subscriptionId, got {shown(row)}")
        subscription = parse_subscription(found)
        if state.lower() in USABLE:
            usable[subscription] = str(row.get("displayName") or subscription)
        else:
            left_out[subscription] = f"it is {state}"
    return usable, left_out


async def look_at(
    vms: ComputeVms, subscriptions: Mapping[str, str], policy: Policy, clock: Clock, told: Told
) -> list[Looked]:
    """What came of looking at all of them, a few at once, in their order."""
    place = asyncio.Semaphore(AT_ONCE)

    async def one(subscription: str, name: str) -> Looked:
        async with place:
            return await _look(vms, Looked(subscription, name), policy, clock, told)

    return await asyncio.gather(*(one(*each) for each in subscriptions.items()))


async def _look(vms: ComputeVms, looked: Looked, policy: Policy, clock: Clock, told: Told) -> Looked:
    for left in reversed(range(WAITS + 1)):
        try:
            await _sight(vms, looked, policy, clock, told)
        except Throttled as fault:
            wait = fault.retry_after or timedelta(seconds=10)
            if left and wait <= LONGEST_WAIT:
                looked.vms, looked.found, looked.faults = 0, [], []
                told(looked, f"throttled by Azure: begins anew in {wait.total_seconds():g} s")
                await asyncio.sleep(wait.total_seconds())
                continue
            looked.readable = False
            when = (
                "again and again: try later" if wait <= LONGEST_WAIT else f"try in {wait.total_seconds():g} s"
            )
            looked.faults.append(f"throttled by Azure, {when} ({fault})")
        except Refused as fault:
            looked.readable = False
            looked.faults.append("; ".join(filter(None, [str(fault), _MENDS.get(fault.code)])))
        except (NotNow, Malformed) as fault:
            looked.readable = False
            looked.faults.append(str(fault))
        break
    told(looked, "done" if looked.readable else "could not be looked at")
    return looked


async def _sight(vms: ComputeVms, looked: Looked, policy: Policy, clock: Clock, told: Told) -> None:
    """All VMs of a subscription. Raises as `Fleet.sight`."""
    singly = 0
    async for sighted in vms.sight(looked.subscription):
        _take_in(looked, sighted.seen, policy, clock)
        looked.faults += sighted.faults
        turn = sighted.unclear[: SINGLY - singly]
        singly += len(turn)
        if len(turn) < len(sighted.unclear):
            left = len(sighted.unclear) - len(turn)
            looked.faults.append(f"{left} VMs whose state no list tells: too many to be looked at singly")
        await _look_singly(vms, looked, turn, policy, clock)
        told(looked, _doing(sighted))


def _doing(sighted: Sighted) -> str:
    return "reading their states" if not sighted.seen else "reading VMs"


async def _look_singly(
    vms: ComputeVms, looked: Looked, some: Sequence[VmId], policy: Policy, clock: Clock
) -> None:
    for few in batched(some, SINGLY_AT_ONCE, strict=False):
        found = await asyncio.gather(*(vms.look(vm) for vm in few), return_exceptions=True)
        for vm, came in zip(few, found, strict=True):
            match came:
                case Observation():
                    _take_in(looked, [came], policy, clock)
                    if came.reading.power_state is PowerState.UNKNOWN:
                        looked.faults.append(f"{vm}: Azure tells no power state of it")
                case Gone():
                    pass
                case Throttled():
                    raise came
                case PortError() | Malformed():
                    looked.faults.append(f"{vm}: {came}")
                case BaseException():
                    raise came


def _take_in(looked: Looked, seen: Sequence[Observation], policy: Policy, clock: Clock) -> None:
    looked.vms += len(seen)
    for each in seen:
        record = decide(None, each, None, policy, clock()).record
        if record and (record.power_state is PowerState.STOPPED or record.os_failed_at):
            looked.found.append(record)
