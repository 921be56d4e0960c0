"""Signals: Event Grid events that name a VM. Hints that it may have changed, never the truth.

Sources: "Azure subscription as an Event Grid source" and "Azure Resource Notifications - Health Resources
events in Azure Event Grid" (learn.microsoft.com/azure/event-grid), and the list of VM annotations in "Resource
Health virtual machine health annotations" (learn.microsoft.com/azure/service-health).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shared.domain.ids import VmId, parse_vm_id
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


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what changed a VM, when, and how we know."""

    actor: Actor
    operation: str
    """The operation or the annotation, in Azure's own words."""
    at: datetime
    source: Source
    caller: str | None = None
    """Object id of the principal that called ARM. Never a name: names are personal data."""
    correlation_id: str | None = None

    @property
    def weight(self) -> tuple[int, float, str, str]:
        """Orders what is told of one change: an event before an annotation, the earlier before the later."""
        return (
            list(Source).index(self.source),
            -self.at.timestamp(),
            self.operation,
            self.correlation_id or "",
        )


@dataclass(frozen=True, slots=True)
class Event:
    """An Event Grid event of either schema, its envelope already parsed."""

    type: object
    subject: object
    time: datetime | None
    data: object


@dataclass(frozen=True, slots=True)
class Signal:
    """What an event says of a VM."""

    vm: VmId
    cause: Cause
    leads_to: PowerState | None
    """The state that a VM is in, or will soon be in, if the event tells the truth; None: just look."""


OPERATIONS: Mapping[str, PowerState] = {
    "microsoft.compute/virtualmachines/poweroff/action": PowerState.STOPPED,
    "microsoft.compute/virtualmachines/deallocate/action": PowerState.DEALLOCATED,
    "microsoft.compute/virtualmachines/start/action": PowerState.RUNNING,
    "microsoft.compute/virtualmachines/restart/action": PowerState.RUNNING,
    "microsoft.compute/virtualmachines/redeploy/action": PowerState.RUNNING,
    "microsoft.compute/virtualmachines/delete": PowerState.DELETED,
}
"""Where a VM is once an operation has succeeded. Operations that are not here leave it where it was."""

ANNOTATIONS: Mapping[str, tuple[PowerState, Actor]] = {
    "virtualmachinestoppedinternally": (PowerState.STOPPED, Actor.GUEST),
    "virtualmachinestopinitiatedbycontrolplane": (PowerState.STOPPED, Actor.CONTROL_PLANE),
    "virtualmachinedeallocationinitiated": (PowerState.DEALLOCATED, Actor.CONTROL_PLANE),
    "virtualmachinestartinitiatedbycontrolplane": (PowerState.RUNNING, Actor.CONTROL_PLANE),
    "virtualmachinerestarted": (PowerState.RUNNING, Actor.GUEST),
    "virtualmachinerebootinitiatedbycontrolplane": (PowerState.RUNNING, Actor.CONTROL_PLANE),
    "virtualmachineredeployinitiatedbycontrolplane": (PowerState.RUNNING, Actor.CONTROL_PLANE),
    "virtualmachinepreempted": (PowerState.DEALLOCATED, Actor.PLATFORM),
}
"""Where a VM goes when an annotation tells the truth, and who sends it there."""

_CONTEXTS = {"platform initiated": Actor.PLATFORM, "vm initiated": Actor.GUEST}

_RESOURCE_EVENTS = {
    f"microsoft.resources.resource{verb}{end}": end == "success"
    for verb in ("write", "action", "delete")
    for end in ("success", "failure", "cancel")
}
_ANNOTATED = "microsoft.resourcenotifications.healthresources.resourceannotated"
_AVAILABILITY = "microsoft.resourcenotifications.healthresources.availabilitystatuschanged"

_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def read_event(event: Event) -> Signal | None:
    """What an event says of a VM; None when it is not about a VM, or of a kind that says nothing of one.

    Raises `Malformed` when it is not an event, or one of ours without what makes it so.
    """
    if not isinstance(event.type, str) or not event.type:
        raise Malformed(
            f"event: expected an event type (`eventType` or `type`), got {shown(event.type)}; is it an event?"
        )
    kind = event.type.lower()
    if kind in _RESOURCE_EVENTS:
        return _resource_event(event, succeeded=_RESOURCE_EVENTS[kind])
    if kind in {_ANNOTATED, _AVAILABILITY}:
        return _health_event(event, annotated=kind == _ANNOTATED)
    return None


def _resource_event(event: Event, *, succeeded: bool) -> Signal | None:
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
        caller=_caller(data),
        correlation_id=_text(data.get("correlationId")),
    )
    # A failed or cancelled operation may have got half-way: look, but believe nothing.
    return Signal(vm, cause, OPERATIONS.get(operation.lower()) if succeeded else None)


def _health_event(event: Event, *, annotated: bool) -> Signal | None:
    properties = _object(_object(_data(event), "resourceInfo"), "properties")
    vm = parse_vm_id(properties.get("targetResourceId", event.subject))
    if vm is None:
        return None
    name = (
        _text(properties.get("annotationName")) if annotated else _text(properties.get("availabilityState"))
    )
    if name is None:
        wanted = "annotationName" if annotated else "availabilityState"
        raise Malformed(
            f"event: expected `data.resourceInfo.properties.{wanted}` to be a text, got {shown(None)}"
        )
    leads_to, actor = (annotated and ANNOTATIONS.get(name.lower())) or (None, Actor.UNKNOWN)
    context = _text(properties.get("context")) or ""
    cause = Cause(
        actor=_CONTEXTS.get(context.lower(), actor),
        operation=name if annotated else f"AvailabilityStatusChanged to {name}",
        at=_occurred(properties.get("occurredTime")) or _time(event),
        source=Source.ANNOTATION,
    )
    return Signal(vm, cause, leads_to)


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
