"""Does an event of Azure's arrive? One is provoked, and its way is followed to the ledger: decision 23.

What provokes it is an empty deployment at the subscription. It makes no resource and touches no VM; its record in the
subscription's list of deployments is removed afterwards. Shapes: the REST reference of Deployments, 2022-09-01.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from secrets import token_hex
from typing import Annotated

import msgspec
from azure.core.exceptions import ClientAuthenticationError

from local.doctor import app, delivery
from local.doctor.arm import Row, mend_of
from local.doctor.delivery import Way
from local.doctor.deployed import Deployed
from local.doctor.findings import Finding, Verdict, failed, not_checked, ok, warning, wrong
from local.doctor.installation import Installation
from local.doctor.storage import has_table, unreadable
from shared.domain.malformed import Malformed, shown
from shared.domain.probes import PREFIX, Probe, subject_prefix
from shared.domain.views import time_view
from shared.ports import Arrival, PortError, Refused
from shared.settings import Settings

API_VERSION = "2022-09-01"
TEMPLATE = {
    "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [],
}

LEDGER_PAUSE, HEALTH_PAUSE = 1.0, 3.0
"""Seconds between two looks: health costs the app some requests of its own."""

METRICS = (
    "MatchedEventCount",
    "DeliverySuccessCount",
    "DeliveryAttemptFailCount",
    "DroppedEventCount",
    "DeadLetteredCount",
)
"""Of a system topic, by event subscription ("Monitor data reference (push delivery)")."""

AGAIN = "run doctor again with a longer --wait; the lines below say what may be the reason, and which command tells"

_APPLICATION = re.compile(r"(?:^|;)\s*ApplicationId=([0-9a-f-]{36})", re.IGNORECASE)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How waiting for a probe ended."""

    seconds: float
    """How long it lasted."""
    arrival: Arrival | None
    """The latest probe then, ours or another; None: none is known of."""
    fault: PortError | Malformed | None = None
    """What kept the last look from being had."""

    def has(self, token: str) -> bool:
        """Whether the probe with this token is the one."""
        return self.arrival is not None and self.arrival.probe.token == token


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
        ended = Wait(seconds=clock() - began, arrival=arrival, fault=fault)
        left = most - ended.seconds
        if ended.has(token) or left <= 0:
            return ended
        installation.say(f"{PREFIX}{token} for {ended.seconds:.0f} s of {most:.0f} s")
        await asyncio.sleep(min(witness.pause, left))


def judged(ended: Wait, witness: str, token: str, state: str) -> Finding:
    """What is to be said of a probe.

    Args:
        ended: How the wait for it ended.
        witness: Where it was looked for.
        token: Its.
        state: That of its deployment, in words, where it did not arrive.
    """
    name, arrival = f"{PREFIX}{token}", ended.arrival
    if arrival and ended.has(token):
        recorded = f"recorded at {time_view(arrival.recorded_at)}"
        return ok(
            f"an event arrived: {name}, {recorded}, seen {ended.seconds:.1f} s after it was asked for ({witness})"
        )
    fact = f"no event arrived: {name} was not seen within {ended.seconds:.0f} s ({witness}); {state}"
    if ended.fault:
        return not_checked(f"{fact}; the last look failed: {ended.fault}", AGAIN)
    if arrival is None:
        return wrong(f"{fact}; none ever arrived", AGAIN)
    latest = f"{PREFIX}{arrival.probe.token}, recorded at {time_view(arrival.recorded_at)}"
    return wrong(f"{fact}; the latest that arrived is {latest}", AGAIN)


def likely(ways: Sequence[Way], deployed: Deployed, settings: Settings) -> list[Finding]:
    """Why a probe may not have arrived, each with the command that tells.

    Args:
        ways: The event subscriptions that may have let it through; none where these could not be read.
        deployed: The app.
        settings: Its settings.
    """
    app_id = _APPLICATION.search(settings.insights or "")
    group = f"--resource-group {deployed.place.resource_group} --name {deployed.name}"
    if app_id:
        query = "union exceptions, requests | where timestamp > ago(15m) | order by timestamp desc | take 20"
        failures = f"az monitor app-insights query --apps {app_id[1]} --analytics-query '{query}'"
    else:
        failures = f"az webapp log tail --subscription {deployed.place.subscription} {group}"
    found = [
        warning(
            f"perhaps function {delivery.FUNCTION} is not there, or switched off",
            f"az functionapp function list --subscription {deployed.place.subscription} {group} --output table",
        ),
        warning(f"perhaps function {delivery.FUNCTION} fails: its failures tell why", failures),
    ]
    if not ways:
        return [warning("perhaps there is no event subscription that lets it through: see `events`"), *found]
    for topic, each in ways:
        found.append(
            warning(
                f"perhaps event subscription {each['name']} of {topic['name']} had it (matched) and could not hand "
                "it over (failed), or gave it up (dropped, dead-lettered)",
                f"az monitor metrics list --resource {topic['id']} --interval PT1M --aggregation Total "
                f"--filter \"EventSubscriptionName eq '{each['name']}'\" --metrics {' '.join(METRICS)}",
            )
        )
        found += _dead_letters(each)
    return found


def _dead_letters(each: Row) -> list[Finding]:
    """Where those are that an event subscription gives up."""
    kept = delivery.dead_letters_of(each)
    if kept is None:
        return []
    account, container = kept
    return [
        warning(
            f"perhaps it is among the dead letters of event subscription {each['name']}: these come 5 min late",
            f"az storage blob list --auth-mode login --account-name {account} --container-name {container} "
            "--query '[].name' --output tsv",
        )
    ]


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
    return not_checked(str(fault), "--no-probe leaves it out, where a policy or a lock forbids deployments")


async def _witness(installation: Installation, subscription: str) -> Witness | Finding:
    """Who can tell: the ledger, else the app; else why nobody can, so that no probe is sent in vain."""
    by_ledger = Witness("in the ledger", partial(_by_ledger, installation, subscription), LEDGER_PAUSE)
    try:
        await by_ledger.look()
    except PortError as fault:
        unread = unreadable(fault, installation.settings.storage, "Table")
    else:
        return by_ledger
    if installation.asked.app is None:
        return unread
    by_app = Witness("by the app's health", partial(_by_health, installation, subscription), HEALTH_PAUSE)
    try:
        await by_app.look()
    except (PortError, Malformed) as fault:
        fact = f"nobody can tell whether an event arrives, and none is provoked: {unread.fact}; {fault}"
        return not_checked(fact, unread.mend or AGAIN)
    return by_app


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
