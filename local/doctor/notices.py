"""Do notices arrive? Nothing is sent unless doctor is told to."""

from urllib.parse import urlsplit

from local.doctor.arm import mend_of
from local.doctor.findings import Finding, failed, not_checked, ok
from local.doctor.installation import Installation
from shared import bootstrap
from shared.domain.policy import Channel
from shared.ports import PortError, Refused, Trial

ROLE = "EventGrid Data Sender"


async def look(installation: Installation) -> list[Finding]:
    """Try each channel out."""
    return [await _tried(channel, installation) for channel in installation.settings.policy.channels]


async def _tried(channel: Channel, installation: Installation) -> Finding:
    if channel is Channel.LOG:
        return not_checked("notices are lines of the app's log")
    if not installation.asked.send_test_notice:
        return not_checked(f"{channel}: --send-test-notice sends one")
    port = bootstrap.notices_to(channel, installation.settings, installation.credential)
    if not isinstance(port, Trial):
        return not_checked(f"{channel}: this version has nothing to try it out with")
    began_at = installation.now()
    try:
        await port.try_out(began_at)
    except PortError as fault:
        return failed(fault, _mend(channel, fault, installation.settings.topic_endpoint))
    finally:
        await port.close()
    took = (installation.now() - began_at).total_seconds()
    return ok(f"{channel}: a test notice was taken in {took:.2f} s; look whether it arrived")


def _mend(channel: Channel, fault: PortError, topic: str | None) -> str:
    if channel is Channel.WEBHOOK:
        return "make the webhook anew where its messages go, and set STOPGAP_WEBHOOK_URL"
    if topic and topic.startswith("http:"):
        return mend_of(topic)
    host = urlsplit(topic or "").hostname or ""
    name = host.partition(".")[0] if ".eventgrid." in host else "<topic>"
    show = f"az eventgrid topic show --resource-group <group> --name {name}"
    if isinstance(fault, Refused) and "HTTP 400" in str(fault):
        return f"its inputSchema has to be CloudEventSchemaV1_0, from its creation on: {show} --query inputSchema"
    if isinstance(fault, Refused):
        scope = f'"$({show} --query id --output tsv)"'
        return (
            f'az role assignment create --assignee <whoever sends> --role "{ROLE}" --scope {scope}, '
            f"or correct STOPGAP_TOPIC_ENDPOINT: {show} --query endpoint"
        )
    return f"is it there, and does it let this machine in? {show} --query '[endpoint, publicNetworkAccess]'"
