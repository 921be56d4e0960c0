"""Signals: Event Grid events that name a VM. Hints that it may have changed, never the truth.

Sources: "Azure subscription as an Event Grid source" and "Azure Resource Notifications - Health Resources
events in Azure Event Grid" (learn.microsoft.com/azure/event-grid), and the list of VM annotations in "Resource
Health virtual machine health annotations" (learn.microsoft.com/azure/service-health).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from shared.domain.ids import ScaleSetId, VmId, parse_scale_set_id, parse_vm_id
from shared.domain.malformed import Malformed, shown
from shared.domain.states import PowerState


class Actor(StrEnum):
    """Who or what changed a VM."""

    CONTROL_PLANE = "control_plane"
    """A call to ARM: portal, CLI, SDK, automation."""
    GUEST = "guest"
    """The VM's own operating system."""
    PLATFORM = "platform"
    """Azure itself."""
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where we know a thing from, weakest first."""

    OBSERVED = "observed"
    """A look: "at least since"."""
    ANNOTATION = "annotation"
    """A health annotation; marks that something began."""
    EVENT = "event"
    """A resource event; marks that an operation ended, and carries its caller."""

    @property
    def weight(self) -> int:
        """The weaker, the less."""
        return list(Source).index(self)


class Verb(StrEnum):
    """What was done to a VM, whoever told of it and in whatever words."""

    POWER_OFF = "power_off"
    SHUT_DOWN = "shut_down"
    """From inside the guest."""
    DEALLOCATE = "deallocate"
    """Hibernation too: it is a parameter of the same operation."""
    START = "start"
    RESTART = "restart"
    REDEPLOY = "redeploy"
    EVICT = "evict"
    DELETE = "delete"


LEADS_TO: Mapping[Verb, PowerState] = {
    Verb.POWER_OFF: PowerState.STOPPED,
    Verb.SHUT_DOWN: PowerState.STOPPED,
    Verb.DEALLOCATE: PowerState.DEALLOCATED,
    Verb.START: PowerState.RUNNING,
    Verb.RESTART: PowerState.RUNNING,
    Verb.REDEPLOY: PowerState.RUNNING,
    Verb.EVICT: PowerState.DEALLOCATED,
    Verb.DELETE: PowerState.DELETED,
}
"""Where a VM is once that is done."""

RENEWS = frozenset({Verb.RESTART, Verb.REDEPLOY})
"""What takes a Running VM down and up again, which no look may happen to see."""


class Cause(Struct, frozen=True):
    """Who or what changed a VM, when, and how we know."""

    actor: Actor
    operation: str
    """The operation or the annotation, in Azure's own words."""
    at: datetime
    source: Source
    verb: Verb | None = None
    """None: something that leaves a VM in the power state that it is in, or that we do not know."""
    caller: str | None = None
    """Object id of the principal that called ARM."""
    caller_name: str | None = None
    """Its name, which is personal data: kept only if the operator wants it."""
    correlation_id: str | None = None

    @property
    def weight(self) -> tuple[object, ...]:
        """Orders what is told of one change: an event before an annotation, the earlier before the later.

        The rest only makes the order total, so that it does not matter who was heard first.
        """
        rest = (
            self.operation,
            self.actor,
            self.correlation_id or "",
            self.caller or "",
            self.caller_name or "",
        )
        return (self.source.weight, -self.at.timestamp(), *rest)


class Event(Struct, frozen=True):
    """An Event Grid event of either schema, its envelope already parsed."""

    type: object
    subject: object
    time: datetime | None
    data: object


class Signal(Struct, frozen=True):
    """What an event says of a VM."""

    vm: VmId
    cause: Cause
    believed: bool = True
    """Whether what it tells of was done. A failed operation may have got half-way: look, but believe nothing."""

    @property
    def leads_to(self) -> PowerState | None:
        """The state that the VM is in, or will soon be in, if the event tells the truth; None: just look."""
        return LEADS_TO[self.cause.verb] if self.believed and self.cause.verb else None


_RESOURCES = (
    "microsoft.compute/virtualmachines/",
    "microsoft.compute/virtualmachinescalesets/virtualmachines/",
)

OPERATIONS: Mapping[str, Verb | None] = {
    "poweroff/action": Verb.POWER_OFF,
    "deallocate/action": Verb.DEALLOCATE,
    "start/action": Verb.START,
    "restart/action": Verb.RESTART,
    "redeploy/action": Verb.REDEPLOY,
    "delete": Verb.DELETE,
    "write": None,
    "reapply/action": None,
    "reimage/action": None,
    "reimageall/action": None,
    "performmaintenance/action": None,
    "simulateeviction/action": None,
    "generalize/action": None,
    "capture/action": None,
}
"""What an operation on a VM, or on an instance of a Uniform scale set, does to its power state; None: nothing that
could be foretold. Any other operation is a hint as well."""

ANNOTATIONS: Mapping[str, tuple[Verb | None, Actor]] = {
    "virtualmachinestoppedinternally": (Verb.SHUT_DOWN, Actor.GUEST),
    "virtualmachinestopinitiatedbycontrolplane": (Verb.POWER_OFF, Actor.CONTROL_PLANE),
    "virtualmachinedeallocationinitiated": (Verb.DEALLOCATE, Actor.CONTROL_PLANE),
    "virtualmachinestartinitiatedbycontrolplane": (Verb.START, Actor.CONTROL_PLANE),
    "virtualmachineallocated": (None, Actor.CONTROL_PLANE),
    "virtualmachinerestarted": (Verb.RESTART, Actor.GUEST),
    "virtualmachinerebootinitiatedbycontrolplane": (Verb.RESTART, Actor.CONTROL_PLANE),
    "virtualmachineredeployinitiatedbycontrolplane": (Verb.REDEPLOY, Actor.CONTROL_PLANE),
    "virtualmachinesizechanged": (None, Actor.CONTROL_PLANE),
    "virtualmachineconfigurationupdated": (None, Actor.CONTROL_PLANE),
    "virtualmachinepreempted": (Verb.EVICT, Actor.PLATFORM),
    "virtualmachinecrashed": (None, Actor.GUEST),
    "virtualmachinehostcrashed": (None, Actor.PLATFORM),
    "virtualmachinehostrebootedforrepair": (None, Actor.PLATFORM),
    "virtualmachinemigrationinitiatedforrepair": (None, Actor.PLATFORM),
    "virtualmachineprovisioningtimedout": (None, Actor.PLATFORM),
    "accelnetunhealthy": (None, Actor.PLATFORM),
}
"""What an annotation tells of, and who does it unless its context says otherwise. Any other one is a hint as well."""

_CONTEXTS = {"platform initiated": Actor.PLATFORM, "vm initiated": Actor.GUEST}

_RESOURCE_EVENTS = {
    f"microsoft.resources.resource{verb}{end}": end == "success"
    for verb in ("write", "action", "delete")
    for end in ("success", "failure", "cancel")
}
_ANNOTATED = "microsoft.resourcenotifications.healthresources.resourceannotated"
_AVAILABILITY = "microsoft.resourcenotifications.healthresources.availabilitystatuschanged"

_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_NAMES = ("name", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn")


def read_event(event: Event, *, keep_name: bool = False) -> Signal | None:
    """What an event says of a VM; None when it is not about a VM, or of a kind that says nothing of one.

    Raises `Malformed` when it is not an event, or one of ours without what makes it so.

    Args:
        event: As delivered.
        keep_name: Whether the caller's name may be kept, and not only its object id.
    """
    if not isinstance(event.type, str) or not event.type:
        raise Malformed(
            f"event: expected an event type (`eventType` or `type`), got {shown(event.type)}; is it an event?"
        )
    kind = event.type.lower()
    if kind in _RESOURCE_EVENTS:
        return _resource_event(event, succeeded=_RESOURCE_EVENTS[kind], keep_name=keep_name)
    if kind in {_ANNOTATED, _AVAILABILITY}:
        return _health_event(event, annotated=kind == _ANNOTATED)
    return None


def read_scale_set_event(event: Event) -> ScaleSetId | None:
    """The scale set that a resource event is about as a whole; None for any other event.

    Such an event names no instance: each that is known may have changed. `Malformed` as of `read_event`.
    """
    is_ours = isinstance(event.type, str) and event.type.lower() in _RESOURCE_EVENTS
    return parse_scale_set_id(event.subject) if is_ours else None


def _resource_event(event: Event, *, succeeded: bool, keep_name: bool) -> Signal | None:
    vm = parse_vm_id(event.subject)
    if vm is None:
        return None
    data = _data(event)
    operation = _text(data.get("operationName")) or _text(_told(data, "authorization").get("action"))
    if operation is None:
        raise Malformed(
            f"event: expected `data.operationName` to be a text, got {shown(data.get('operationName'))}"
        )
    cause = Cause(
        actor=Actor.CONTROL_PLANE,
        operation=operation,
        at=_time(event),
        source=Source.EVENT,
        verb=_verb(operation),
        caller=_caller(data),
        caller_name=_name(data) if keep_name else None,
        correlation_id=_text(data.get("correlationId")),
    )
    return Signal(vm, cause, believed=succeeded)


def _verb(operation: str) -> Verb | None:
    lowered = operation.lower()
    return next(
        (OPERATIONS.get(lowered.removeprefix(prefix)) for prefix in _RESOURCES if lowered.startswith(prefix)),
        None,
    )


def _health_event(event: Event, *, annotated: bool) -> Signal | None:
    properties = _object(_object(_data(event), "resourceInfo"), "properties")
    vm = parse_vm_id(properties.get("targetResourceId", event.subject))
    if vm is None:
        return None
    wanted = "annotationName" if annotated else "availabilityState"
    found = properties.get(wanted)
    name = _text(found)
    if name is None:
        raise Malformed(
            f"event: expected `data.resourceInfo.properties.{wanted}` to be a text, got {shown(found)}"
        )
    verb, actor = (annotated and ANNOTATIONS.get(name.lower())) or (None, Actor.UNKNOWN)
    context = _text(properties.get("context")) or ""
    cause = Cause(
        actor=_CONTEXTS.get(context.lower(), actor),
        operation=name if annotated else f"AvailabilityStatusChanged to {name}",
        at=_occurred(properties.get("occurredTime")) or _time(event),
        source=Source.ANNOTATION,
        verb=verb,
    )
    return Signal(vm, cause)


def _data(event: Event) -> Mapping[str, object]:
    if not isinstance(event.data, Mapping):
        raise Malformed(f"event: expected `data` to be an object, got {shown(event.data)}")
    return event.data


def _object(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = parent.get(name)
    if not isinstance(value, Mapping):
        raise Malformed(f"event: expected `{name}` in `data` to be an object, got {shown(value)}")
    return value


def _time(event: Event) -> datetime:
    if event.time is None:
        raise Malformed("event: expected a time (`eventTime` or `time`), got none")
    return _utc(event.time)


def _occurred(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return _utc(datetime.fromisoformat(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise Malformed(
            f"event: expected `occurredTime` to be a time of ISO 8601, got {shown(value)}"
        ) from None


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _caller(data: Mapping[str, object]) -> str | None:
    """The caller's object id: from the claims or, where they are left out, from the evidence of its role."""
    evidence = _told(data, "authorization").get("evidence")
    principal = evidence.get("principalId") if isinstance(evidence, Mapping) else None
    return _text(_told(data, "claims").get(_OBJECT_ID)) or _text(principal)


def _name(data: Mapping[str, object]) -> str | None:
    claims = _told(data, "claims")
    return next((name for name in (_text(claims.get(claim)) for claim in _NAMES) if name), None)


def _told(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    """`claims` and `authorization` come as an object or as JSON in a text, or not at all.

    They only tell who did it: what cannot be read of them is no reason to refuse the event.
    """
    value = data.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
