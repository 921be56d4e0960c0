"""Do events of VMs reach the app? The system topics of a subscription, and the event subscriptions under them.

Shapes: Event Grid's REST reference, 2025-02-15. How retries are spread: "Event Grid message delivery and retry".
"""

import json
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from local.doctor.arm import Row, mend_of
from local.doctor.filters import lets_through, some
from local.doctor.findings import Finding, failed, not_checked, ok, warning, wrong
from local.doctor.installation import Installation
from local.doctor.needs import KINDS, PROBE, Kind, Need
from shared.domain import probes
from shared.domain.malformed import Malformed, shown
from shared.ports import PortError, Refused

API_VERSION = "2025-02-15"
FUNCTION = "vm_event"
WEBHOOK_PATH = "/runtime/webhooks/eventgrid"

ENOUGH_ATTEMPTS, ENOUGH_MINUTES = 8, 60
"""What outlasts an hour in which the app is away: the eighth attempt comes after 1 h 46 min."""

UNDER_WAY = {"creating", "updating", "awaitingmanualaction"}

PROBES = "stopgap-probe"
"""What the event subscription is called that lets probes through, and nothing else."""

type Way = tuple[Row, Row]
"""A system topic, and an event subscription of it."""


async def look(installation: Installation, subscription: str) -> list[Finding]:
    """Both kinds of topics of a subscription, and what is under them."""
    try:
        topics = await _topics(installation, subscription)
        under = [
            (kind, await _with_those_under(installation, _of(topics, kind, subscription))) for kind in KINDS
        ]
    except (PortError, Malformed) as fault:
        return [_unseen(fault, subscription, installation.settings.arm_endpoint)]
    found = [finding for kind, each in under for finding in judged(kind, each, subscription)]
    if installation.asked.probing:
        deployed = installation.asked.deployed
        found += judged_for_probes(under[0][1], subscription, deployed.id if deployed else None)
    return found


async def ways_of_probes(installation: Installation, subscription: str) -> list[Way]:
    """The event subscriptions that lead to us and may let a probe through. Raises port errors and `Malformed`."""
    topics = _of(await _topics(installation, subscription), KINDS[0], subscription)
    return _for_probes(await _with_those_under(installation, topics), subscription)


def judged_for_probes(
    topics: Sequence[tuple[Row, Sequence[Row]]], subscription: str, site: str | None
) -> list[Finding]:
    """What is to be said of the way that a probe takes.

    Args:
        topics: Those for resource events, each with its event subscriptions. That there is none is told otherwise.
        subscription: The probe's.
        site: ARM id of the function app; None: not known.
    """
    if not topics:
        return []
    ways = _for_probes(topics, subscription)
    if not ways:
        topic, _ = topics[0]
        return [
            wrong(
                f"no event subscription of topic {topic['name']} lets doctor's probes through to function {FUNCTION}",
                f"az eventgrid system-topic event-subscription create {_at(topic)} --name {PROBES} "
                f"--endpoint-type azurefunction --endpoint {site or '<id of the function app>'}/functions/{FUNCTION} "
                f"--included-event-types {PROBE.type} --subject-begins-with {probes.subject_prefix(subscription)}",
            )
        ]
    by = ", ".join(each["name"] for _, each in ways)
    # Of those that let VMs' events through as well, their state is told with these.
    states = [found for _, each in ways if _only_for_probes(each, subscription) for found in _state(each)]
    return states or [ok(f"doctor's probes are let through, by {by}")]


def _for_probes(topics: Sequence[tuple[Row, Sequence[Row]]], subscription: str) -> list[Way]:
    sample = PROBE.sample(subscription)
    return [
        (topic, each)
        for topic, others in topics
        for each in others
        if leads_to_us(each) and lets_through(_filter(each), sample) is not False
    ]


def _only_for_probes(each: Row, subscription: str) -> bool:
    """Whether an event subscription lets probes through and certainly nothing that is about VMs."""
    condition = _filter(each)
    needs = (need for kind in KINDS for need in (*kind.vital, *kind.others))
    return lets_through(condition, PROBE.sample(subscription)) is not False and all(
        lets_through(condition, need.sample(subscription)) is False for need in needs
    )


def _filter(each: Row) -> Row:
    condition: Row = each["properties"].get("filter") or {}
    return condition


def judged(kind: Kind, topics: Sequence[tuple[Row, Sequence[Row]]], subscription: str) -> list[Finding]:
    """What is to be said of the topics of a kind, each with its event subscriptions; of VMs' events, not of probes."""
    if not topics:
        source = f"--source /subscriptions/{subscription} --topic-type {kind.type} --location global"
        make = f"az eventgrid system-topic create --subscription {subscription} --resource-group <group>"
        return [wrong(f"there is no system topic of {kind.type}", f"{make} --name <name> {source}")]
    ours = [
        (topic, each)
        for topic, others in topics
        for each in others
        if leads_to_us(each) and not _only_for_probes(each, subscription)
    ]
    if not ours:
        topic, others = topics[0]
        elsewhere = f" ({', '.join(_elsewhere(each, subscription) for each in others)})" if others else ""
        return [
            wrong(
                f"no event subscription of topic {topic['name']} leads to function {FUNCTION}{elsewhere}",
                f"az eventgrid system-topic event-subscription create {_at(topic)} --name stopgap "
                f"--endpoint-type azurefunction --endpoint <id of the function app>/functions/{FUNCTION} "
                f"{kind.wanted}",
            )
        ]
    found = [finding for _, each in ours for finding in (*_state(each), *_safety(each))]
    return [*_gaps(kind, ours, subscription), *found]


def leads_to_us(each: Row) -> bool:
    """Whether an event subscription leads to the function: as one, or as the webhook that the host makes of it."""
    destination = _destination(each)
    kind, properties = str(destination.get("endpointType")).lower(), destination.get("properties") or {}
    if kind == "azurefunction":
        return str(properties.get("resourceId")).lower().endswith(f"/functions/{FUNCTION}")
    address = properties.get("endpointBaseUrl") or properties.get("endpointUrl")
    return kind == "webhook" and urlsplit(str(address)).path.lower() == WEBHOOK_PATH


def _gaps(kind: Kind, ours: Sequence[tuple[Row, Row]], subscription: str) -> list[Finding]:
    """What the event subscriptions that lead to us let through, together."""
    filters = [_filter(each) for _, each in ours]
    answers = {
        need: some(lets_through(condition, need.sample(subscription)) for condition in filters)
        for need in (*kind.vital, *kind.others)
    }
    topic, first = ours[0]
    mend = f"az eventgrid system-topic event-subscription update {_at(topic)} --name {first['name']} "
    mend += f'--subject-begins-with "" --subject-ends-with "" {kind.wanted}'
    found = list[Finding]()
    if kept := _names(need for need in kind.vital if answers[need] is False):
        found.append(wrong(f"no events reach the app of: {kept}", mend))
    if kept := _names(need for need in kind.others if answers[need] is False):
        found.append(warning(f"no events reach the app of: {kept}", mend))
    if unsure := _names(need for need, answer in answers.items() if answer is None):
        found.append(warning(f"a filter may keep back some events of: {unsure}", mend))
    if not found:
        by = ", ".join(each["name"] for _, each in ours)
        return [ok(f"events reach the app, by {by} of {topic['name']}: {_names(kind.vital)}")]
    return found


def _names(needs: Iterable[Need]) -> str:
    return ", ".join(need.name for need in needs)


def _state(each: Row) -> list[Finding]:
    state = str(each["properties"].get("provisioningState"))
    if state.lower() == "succeeded":
        return []
    fact = f"event subscription {each['name']} is {state}"
    if state.lower() in UNDER_WAY:
        return [warning(fact, "wait until it has Succeeded")]
    return [wrong(fact, f"delete it and make it anew: az resource delete --ids {each['id']}")]


def _safety(each: Row) -> list[Finding]:
    """What becomes of events that are not taken at once."""
    properties, found = each["properties"], list[Finding]()
    kept = properties.get("deadLetterWithResourceIdentity") or properties.get("deadLetterDestination")
    if not kept:
        destination = {
            "endpointType": "StorageBlob",
            "properties": {"resourceId": "<storage account id>", "blobContainerName": "deadletters"},
        }
        found.append(
            warning(
                f"event subscription {each['name']} has no dead-letter destination: what is given up is lost",
                _patch(each, {"deadLetterDestination": destination}),
            )
        )
    policy = properties.get("retryPolicy") or {}
    attempts, minutes = policy.get("maxDeliveryAttempts"), policy.get("eventTimeToLiveInMinutes")
    if _less(attempts, ENOUGH_ATTEMPTS) or _less(minutes, ENOUGH_MINUTES):
        found.append(
            warning(
                f"event subscription {each['name']} gives up after {attempts} attempts or {minutes} min: "
                "an hour's outage of the app loses events",
                _patch(each, {"retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}}),
            )
        )
    return found


def _less(value: object, enough: int) -> bool:
    return isinstance(value, int) and value < enough


def _of(topics: Sequence[Row], kind: Kind, subscription: str) -> list[Row]:
    """The topics of a kind that tell of a subscription."""
    return [
        topic
        for topic in topics
        if str(_properties(topic).get("topicType")).lower() == kind.type.lower()
        and str(_properties(topic).get("source")).lower() == f"/subscriptions/{subscription}"
    ]


async def _topics(installation: Installation, subscription: str) -> list[Row]:
    """All system topics of a subscription. Raises port errors and `Malformed`."""
    path = f"/subscriptions/{subscription}/providers/Microsoft.EventGrid/systemTopics"
    return await installation.arm.listed(path, API_VERSION)


async def _with_those_under(installation: Installation, topics: Sequence[Row]) -> list[tuple[Row, list[Row]]]:
    """Topics, each with its event subscriptions."""
    return [(topic, await _under(installation, topic)) for topic in topics]


async def _under(installation: Installation, topic: Row) -> list[Row]:
    found = await installation.arm.listed(f"{topic['id']}/eventSubscriptions", API_VERSION)
    for each in found:
        _properties(each)
    return found


def dead_letters_of(each: Row) -> tuple[str, str] | None:
    """Storage account and container of what an event subscription gives up; None: it is lost."""
    properties = each["properties"]
    by_identity = properties.get("deadLetterWithResourceIdentity") or {}
    kept = by_identity.get("deadLetterDestination") or properties.get("deadLetterDestination") or {}
    where = kept.get("properties") or {}
    account, container = where.get("resourceId"), where.get("blobContainerName")
    if not isinstance(account, str) or not isinstance(container, str):
        return None
    return account.rpartition("/")[2], container


def _properties(row: Row) -> Row:
    """The properties of what has an id and a name as well. Raises `Malformed`."""
    properties = row.get("properties")
    if not isinstance(properties, dict) or not all(isinstance(row.get(name), str) for name in ("id", "name")):
        raise Malformed(f"ARM's answer: expected id, name and properties of a resource, got {shown(row)}")
    return properties


def _destination(each: Row) -> Row:
    properties = each["properties"]
    by_identity = properties.get("deliveryWithResourceIdentity") or {}
    return properties.get("destination") or by_identity.get("destination") or {}


def _elsewhere(each: Row, subscription: str) -> str:
    if leads_to_us(each) and _only_for_probes(each, subscription):
        return f"{each['name']} is for doctor's probes alone"
    return f"{each['name']} leads to a {_destination(each).get('endpointType')}"


def _at(topic: Row) -> str:
    """Where a topic is, as options of the Azure CLI."""
    parts = str(topic["id"]).split("/")
    return f"--subscription {parts[2]} --resource-group {parts[4]} --system-topic-name {topic['name']}"


def _patch(each: Row, change: object) -> str:
    return (
        f"az rest --method patch --url '{each['id']}?api-version={API_VERSION}' --body '{json.dumps(change)}'"
    )


def _unseen(fault: PortError | Malformed, subscription: str, endpoint: str) -> Finding:
    if isinstance(fault, Refused):
        return not_checked(
            str(fault),
            "az role assignment create --assignee <whoever runs doctor> --role Reader "
            f"--scope /subscriptions/{subscription}",
        )
    return failed(fault, mend_of(endpoint))
