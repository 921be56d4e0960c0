"""What is to be said of a probe that was waited for, and why one may not have arrived.

The metrics of system topics: "Azure Event Grid - Monitor data reference (push delivery)".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from local.doctor import delivery
from local.doctor.arm import Row
from local.doctor.delivery import Way
from local.doctor.deployed import Deployed
from local.doctor.findings import Finding, not_checked, ok, warning, wrong
from shared.domain.malformed import Malformed
from shared.domain.probes import PREFIX
from shared.domain.views import time_view
from shared.ports import Arrival, PortError
from shared.settings import Settings

METRICS = (
    "MatchedEventCount",
    "DeliverySuccessCount",
    "DeliveryAttemptFailCount",
    "DroppedEventCount",
    "DeadLetteredCount",
)
"""Of a system topic, by event subscription ("Monitor data reference (push delivery)")."""

AGAIN = "run doctor again"

_APPLICATION = re.compile(r"(?:^|;)\s*ApplicationId=([0-9a-f-]{36})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How waiting for a probe ended."""

    seconds: float
    """How long it lasted."""
    arrival: Arrival | None
    """The latest probe then, ours or another; None: none is known of."""
    before: Arrival | None = None
    """The latest probe before ours was sent."""
    fault: PortError | Malformed | None = None
    """What kept the last look from being had."""

    def has(self, token: str) -> bool:
        """Whether the probe with this token is the one."""
        return self.arrival is not None and self.arrival.probe.token == token


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
        seen = f"seen {ended.seconds:.1f} s after it was asked for"
        return ok(f"an event arrived: {name}, {_recorded(arrival)}, {seen} ({witness})")
    fact = f"{name} was not seen within {ended.seconds:.0f} s ({witness}); {state}"
    if ended.fault:
        return not_checked(f"not known whether an event arrived: {fact}; the last look: {ended.fault}", AGAIN)
    latest = f"{PREFIX}{arrival.probe.token}, {_recorded(arrival)}" if arrival else ""
    if arrival and arrival.probe.follows(ended.before.probe if ended.before else None):
        # Which may have taken the place of ours.
        fact = f"not known whether an event arrived: {fact}; meanwhile another did, {latest}"
        return not_checked(fact, f"does somebody else run doctor? Else it is an earlier one, late. {AGAIN}")
    last = f"the latest that arrived is {latest}" if latest else "none ever arrived"
    return wrong(
        f"no event arrived: {fact}; {last}",
        "see the lines below; if Azure is slow, wait for longer: --wait 10m",
    )


def _recorded(arrival: Arrival) -> str:
    return f"recorded at {time_view(arrival.recorded_at)}"


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
            f"perhaps function {delivery.FUNCTION} is not there, switched off, or of a version that knows no probes",
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
