"""Does this machine's clock agree with Azure's?"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest

from local.doctor.arm import AGENT, CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS, mend_of
from local.doctor.findings import Finding, not_checked, ok, warning
from local.doctor.installation import Installation
from shared.exchange import exchange, plain_client, port_error

TOLERANCE = timedelta(seconds=5)
_SECOND = timedelta(seconds=1)


async def look(installation: Installation) -> list[Finding]:
    """Ask ARM anything, without a token: every answer, a refusal too, says what time it is there."""
    endpoint = installation.settings.arm_endpoint
    client = plain_client(endpoint, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS, agent=AGENT)
    request = HttpRequest("GET", f"{endpoint}/subscriptions?api-version=2022-12-01")
    try:
        asked_at = installation.now()
        response = await exchange(lambda: client.send_request(request), seconds=REQUEST_SECONDS)
        answered_at = installation.now()
    except (AzureError, TimeoutError) as error:
        return [not_checked(str(port_error("ARM, its time", error)), mend_of(endpoint))]
    finally:
        await client.close()
    told = _time(response.headers.get("Date", ""))
    if told is None:
        return [not_checked("ARM's answer does not tell the time", mend_of(endpoint))]
    return [_judged(asked_at - told - _SECOND, answered_at - told)]


def _judged(least: timedelta, most: timedelta) -> Finding:
    """By how much this clock is at least and at most ahead of Azure's, which tells whole seconds."""
    if least <= timedelta() <= most:
        return ok("this clock agrees with Azure's")
    off = least if least > timedelta() else most
    words = f"{abs(off.total_seconds()):.0f} s {'ahead of' if off > timedelta() else 'behind'} Azure's"
    if abs(off) <= TOLERANCE:
        return ok(f"this clock is within {TOLERANCE.seconds} s of Azure's")
    return warning(f"this clock is {words}", "sudo chronyc makestep, or sudo timedatectl set-ntp true")


def _time(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
