"""Do events of VMs reach the app? The system topics of a subscription, and the event subscriptions under them.

Shapes: Event Grid's REST reference, 2025-02-15. How retries are spread: "Event Grid message delivery and retry".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from local.doctor.arm import Row, mend_of
from local.doctor.filters import HOLE, Sample, lets_through, some
from local.doctor.findings import Finding, failed, not_checked, ok, warning, wrong
from local.doctor.installation import Installation
from shared.domain.malformed import Malformed, shown
from shared.ports import PortError, Refused

API_VERSION = "2025-02-15"
FUNCTION = "vm_event"
WEBHOOK_PATH = "/runtime/webhooks/eventgrid"

ENOUGH_ATTEMPTS, ENOUGH_MINUTES = 8, 60
"""What outlasts an hour in which the app is away: the eighth attempt comes after 1 h 46 min."""

UNDER_WAY = {"creating", "updating", "awaitingmanualaction"}

_RESOURCES = "Microsoft.Resources"
_VM = "Microsoft.Compute/virtualMachines"
_INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
_ANNOTATED = "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """An event that the app has to hear of."""

    name: str
    type: str
    resource: str
    data: Mapping[str, str]
    """What is known of its `data`, by path. Empty: the VM's id."""
    members: frozenset[str]
    """All that its `data` can have."""

    def sample(self, subscription: str) -> Sample:
        """It, about any VM of a subscription."""
        source = f"/subscriptions/{subscription}"
        kind, _, rest = self.resource.partition("/")
        segments = "".join(f"/{segment}/{HOLE}" for segment in rest.split("/"))
        subject = f"{source}/resourceGroups/{HOLE}/providers/{kind}{segments}"
        fields = {
            "subject": subject,
            "topic": source,
            "source": source,
            "eventType": self.type,
            "type": self.type,
        }
        fields |= {f"data.{key}": value or subject for key, value in self.data.items()}
        return Sample(self.type, {key.lower(): value.lower() for key, value in fields.items()}, self.members)


_RESOURCE_DATA = frozenset({
    "authorization", "claims", "correlationid", "httprequest", "operationname", "resourceprovider", "resourceuri",
    "status", "subscriptionid", "tenantid",
})  # fmt: skip
_HEALTH_DATA = frozenset({"resourceinfo", "operationalinfo", "apiversion"})


def _told(name: str, kind: str, resource: str, operation: str) -> Need:
    data = {
        "operationName": f"{resource}/{operation}",
        "authorization.action": f"{resource}/{operation}",
        "resourceProvider": "Microsoft.Compute",
        "resourceUri": "",
        "status": "Succeeded",
    }
    return Need(name, f"{_RESOURCES}.Resource{kind}Success", resource, data, _RESOURCE_DATA)


_OPERATIONS = (
    ("power off", "Action", "powerOff/action"),
    ("deallocate", "Action", "deallocate/action"),
    ("start", "Action", "start/action"),
    ("delete", "Delete", "delete"),
    ("write", "Write", "write"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of system topic."""

    type: str
    vital: tuple[Need, ...]
    """Without them VMs left Stopped are not found."""
    others: tuple[Need, ...] = ()
    wanted: str = ""
    """The options by which the Azure CLI makes an event subscription let them all through."""


KINDS = (
    Kind(
        "Microsoft.Resources.Subscriptions",
        vital=tuple(_told(name, kind, _VM, operation) for name, kind, operation in _OPERATIONS),
        others=tuple(
            _told(f"{name} in scale sets", kind, _INSTANCE, operation)
            for name, kind, operation in _OPERATIONS
        ),
        wanted="--included-event-types "
        + " ".join(f"{_RESOURCES}.Resource{kind}Success" for kind in ("Write", "Delete", "Action"))
        + " --advanced-filter data.operationName StringBeginsWith "
        "Microsoft.Compute/virtualMachines/ Microsoft.Compute/virtualMachineScaleSets/",
    ),
    Kind(
        "Microsoft.ResourceNotifications.HealthResources",
        vital=(
            Need(
                "shut down inside the guest",
                _ANNOTATED,
                _VM,
                {
                    "resourceInfo.type": "Microsoft.ResourceHealth/resourceAnnotations",
                    "resourceInfo.properties.annotationName": "VirtualMachineStoppedInternally",
                    "resourceInfo.properties.targetResourceType": _VM,
                    "resourceInfo.properties.targetResourceId": "",
                },
                _HEALTH_DATA,
            ),
        ),
        wanted=f"--included-event-types {_ANNOTATED} --advanced-filter "
        "data.resourceInfo.properties.targetResourceType StringBeginsWith "
        "Microsoft.Compute/virtualMachines Microsoft.Compute/virtualMachineScaleSets",
    ),
)


async def look(installation: Installation, subscription: str) -> list[Finding]:
    """Both kinds of topics of a subscription, and what is under them."""
    try:
        topics = await installation.arm.listed(
            f"/subscriptions/{subscription}/providers/Microsoft.EventGrid/systemTopics", API_VERSION
        )
        under = [
            (kind, [(topic, await _under(installation, topic)) for topic in _of(topics, kind, subscription)])
            for kind in KINDS
        ]
    except (PortError, Malformed) as fault:
        return [_unseen(fault, subscription, installation.settings.arm_endpoint)]
    return [finding for kind, found in under for finding in judged(kind, found, subscription)]


def judged(kind: Kind, topics: Sequence[tuple[Row, Sequence[Row]]], subscription: str) -> list[Finding]:
    """What is to be said of the topics of a kind, each with its event subscriptions."""
    if not topics:
        source = f"--source /subscriptions/{subscription} --topic-type {kind.type} --location global"
        make = f"az eventgrid system-topic create --subscription {subscription} --resource-group <group>"
        return [wrong(f"there is no system topic of {kind.type}", f"{make} --name <name> {source}")]
    ours = [(topic, each) for topic, others in topics for each in others if leads_to_us(each)]
    if not ours:
        topic, others = topics[0]
        elsewhere = f" ({', '.join(_elsewhere(each) for each in others)})" if others else ""
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
    filters = [each["properties"].get("filter") or {} for _, each in ours]
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


async def _under(installation: Installation, topic: Row) -> list[Row]:
    found = await installation.arm.listed(f"{topic['id']}/eventSubscriptions", API_VERSION)
    for each in found:
        _properties(each)
    return found


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


def _elsewhere(each: Row) -> str:
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
