"""Does an event of Azure's arrive? One is provoked, and its way is followed to the ledger: decision 23.

What provokes it is an empty deployment at the subscription. It makes no resource and touches no VM; its record in the
subscription's list of deployments is removed afterwards. Shapes: the REST reference of Deployments, 2022-09-01.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from secrets import token_hex
from typing import Annotated

import msgspec
from azure.core.exceptions import ClientAuthenticationError

from local.doctor import app, delivery
from local.doctor.arm import mend_of
from local.doctor.delivery import Way
from local.doctor.deployed import Deployed
from local.doctor.findings import Finding, Verdict, failed, not_checked, warning
from local.doctor.installation import Installation
from local.doctor.probe_findings import AGAIN, Wait, judged, likely
from local.doctor.storage import has_table, unreadable
from shared.domain.malformed import Malformed, shown
from shared.domain.probes import PREFIX, Probe, subject_prefix
from shared.ports import Arrival, PortError, Refused

API_VERSION = "2022-09-01"
TEMPLATE = {
    "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [],
}

LEDGER_PAUSE, HEALTH_PAUSE = 1.0, 3.0
"""Seconds between two looks: health costs the app some requests of its own."""

OF_GUESTS = (
    "shutdowns inside a guest cannot be tried without touching a VM: of these, `events` looks at the topic, its event "
    "subscription and their filters"
)


@dataclass(frozen=True, slots=True)
class Witness:
    """Who tells which probe of a subscription arrived last."""

    name: str
    look: Callable[[], Awaitable[Arrival | None]]
    """Raises port errors and `Malformed`."""
    pause: float
    before: Arrival | None = None
    """What it told before ours was sent."""


class _Shown(msgspec.Struct):
    """A probe as health shows it."""

    token: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    recorded_at: Annotated[datetime, msgspec.Meta(tz=True)]


async def look(installation: Installation, subscription: str) -> list[Finding]:
    """Send a probe, and wait for it."""
    asked = installation.asked
    if asked.deployed is None:
        return [not_checked("--resource-group NAME makes Azure emit an event, to see whether it arrives")]
    if not asked.probe:
        return [not_checked("no event is provoked: --no-probe")]
    witness = await _witness(installation, subscription)
    if isinstance(witness, Finding):
        return [witness]
    try:
        ways = await delivery.ways_of_probes(installation, subscription)
    except (PortError, Malformed):
        ways = None  # which `events` tells of; whether the probe arrives is to be seen all the same
    if ways == []:
        return [
            not_checked("no event is provoked, as no event subscription would let it through: see `events`")
        ]
    return await _tried(installation, asked.deployed, subscription, witness, ways or [])


async def _tried(
    installation: Installation,
    deployed: Deployed,
    subscription: str,
    witness: Witness,
    ways: Sequence[Way],
) -> list[Finding]:
    token = token_hex(6)
    path = f"{subject_prefix(subscription)}{token}"
    body = {"location": deployed.location, "properties": {"mode": "Incremental", "template": TEMPLATE}}
    began = asyncio.get_running_loop().time()
    try:
        await installation.arm.asked("PUT", path, API_VERSION, body)
    except Refused as fault:
        return [_refused(fault, installation, subscription)]
    except (PortError, Malformed) as fault:
        # ARM may have made it all the same.
        found = failed(fault, mend_of(installation.settings.arm_endpoint))
        return [found, *await _removed(installation, subscription, path)]
    try:
        ended = await _waited(installation, witness, token, began)
        state = "" if ended.has(token) else await _state(installation, path)
    finally:
        untidy = await _removed(installation, subscription, path)
    found = judged(ended, witness.name, token, state)
    reasons = likely(ways, deployed, installation.settings) if found.verdict is Verdict.WRONG else []
    return [found, *reasons, *untidy, not_checked(OF_GUESTS)]


async def _waited(installation: Installation, witness: Witness, token: str, began: float) -> Wait:
    """Look until the probe has arrived, or the time is up."""
    most = installation.asked.wait.total_seconds()
    clock = asyncio.get_running_loop().time
    while True:
        fault, arrival = None, None
        try:
            arrival = await witness.look()
        except (PortError, Malformed) as unseen:
            fault = unseen
        ended = Wait(seconds=clock() - began, arrival=arrival, before=witness.before, fault=fault)
        left = most - ended.seconds
        if ended.has(token) or left <= 0:
            return ended
        installation.say(f"{PREFIX}{token} for {ended.seconds:.0f} s of {most:.0f} s")
        await asyncio.sleep(min(witness.pause, left))


async def _state(installation: Installation, path: str) -> str:
    """How the deployment went, in words."""
    try:
        shown_as = await installation.arm.asked("GET", path, API_VERSION)
    except (PortError, Malformed) as fault:
        return f"of the deployment is not known how it went: {fault}"
    properties = shown_as.get("properties")
    state = properties.get("provisioningState") if isinstance(properties, dict) else None
    return f"the deployment is {state}"


async def _removed(installation: Installation, subscription: str, path: str) -> list[Finding]:
    """Remove the record of the deployment; what is to be said if that cannot be done."""
    try:
        await installation.arm.removed(path, API_VERSION)
    except (PortError, Malformed) as fault:
        name = path.rpartition("/")[2]
        return [
            warning(
                f"the record of deployment {name} is left: {fault}",
                f"az deployment sub delete --subscription {subscription} --name {name}",
            )
        ]
    return []


def _refused(fault: Refused, installation: Installation, subscription: str) -> Finding:
    if fault.code == "AuthorizationFailed":
        return not_checked(
            str(fault),
            "--no-probe leaves it out; or: az role assignment create --assignee <whoever runs doctor> "
            f"--role Contributor --scope /subscriptions/{subscription}",
        )
    if isinstance(fault.__cause__, ClientAuthenticationError):
        return failed(fault, mend_of(installation.settings.arm_endpoint))
    return not_checked(str(fault), "see to what Azure says; or leave it out: --no-probe")


async def _witness(installation: Installation, subscription: str) -> Witness | Finding:
    """Who can tell: the ledger, else the app; else why nobody can, so that no probe is sent in vain."""
    by_ledger = Witness("in the ledger", partial(_by_ledger, installation, subscription), LEDGER_PAUSE)
    try:
        before = await by_ledger.look()
    except PortError as fault:
        unread = unreadable(fault, installation.settings.storage, "Table")
    else:
        return replace(by_ledger, before=before)
    if installation.asked.app is None:
        return unread
    by_app = Witness("by the app's health", partial(_by_health, installation, subscription), HEALTH_PAUSE)
    try:
        before = await by_app.look()
    except (PortError, Malformed) as fault:
        fact = f"nobody can tell whether an event arrives, and none is provoked: {unread.fact}; {fault}"
        return not_checked(fact, unread.mend or AGAIN)
    return replace(by_app, before=before)


async def _by_ledger(installation: Installation, subscription: str) -> Arrival | None:
    # Reading a row would make the table where there is none.
    if not await has_table(installation):
        return None
    return (await installation.ledger.probes([subscription])).get(subscription)


async def _by_health(installation: Installation, subscription: str) -> Arrival | None:
    asked = installation.asked
    assert asked.app  # noqa: S101 - see `_witness`
    answer = await app.ask(asked.app, asked.key)
    health = app.read_health(answer)
    probes = health.get("probes") if health else None
    if not isinstance(probes, Mapping) or subscription not in probes:
        raise Malformed(
            f"GET {asked.app}{app.PATH}: HTTP {answer.status_code}: expected `probes` of subscription {subscription}, "
            f"got {shown(answer.content)}"
        )
    return read_arrival(probes[subscription], subscription)


def read_arrival(told: object, subscription: str) -> Arrival | None:
    """A probe as health shows it; None: none arrived. Raises `Malformed`."""
    if told is None:
        return None
    try:
        shown_as = msgspec.convert(told, _Shown)
    except msgspec.ValidationError:
        raise Malformed(
            f"health: expected token, at and recorded_at of a probe of {subscription}, got {shown(told)}"
        ) from None
    return Arrival(Probe(subscription, shown_as.token, shown_as.at), shown_as.recorded_at)
