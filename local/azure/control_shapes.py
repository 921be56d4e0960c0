"""What the controls show, as JSON."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from local.azure.arm import LoggedRequest
from local.azure.burst import Burst
from local.azure.events import Event
from local.azure.locks import Lock
from local.azure.model import Condition, VirtualMachine
from local.azure.permissions import Permissions
from local.azure.topic import CustomTopic
from local.azure.webhook import WebhookInbox


def truth(vm: VirtualMachine) -> dict[str, Any]:
    """All that is true of a VM, and was."""
    return {
        **asdict(vm.spec),
        "id": vm.spec.id,
        "vm_id": vm.vm_id,
        "power": vm.condition.power,
        "provisioning": vm.condition.provisioning,
        "hibernated": vm.hibernated,
        "busy_with": vm.busy_with,
        "history": [{"at": moment.at.isoformat(), **_condition(moment.condition)} for moment in vm.history],
    }


def logged(request: LoggedRequest) -> dict[str, Any]:
    """A request of the log."""
    condition = None if request.condition is None else _condition(request.condition)
    return {**asdict(request), "at": request.at.isoformat(), "condition": condition}


def locks(in_force: Mapping[str, Lock]) -> dict[str, Any]:
    """The locks."""
    return {"locks": [asdict(lock) for lock in in_force.values()]}


def permissions(granted: Permissions) -> dict[str, Any]:
    """What the caller may do."""
    return {"actions": granted.actions, "not_actions": granted.not_actions}


def topic(received: CustomTopic) -> dict[str, Any]:
    """The custom topics' mode and events."""
    events = zip(received.topics, received.events, strict=True)
    return {"mode": received.mode, "events": [{"topic": name, "event": event} for name, event in events]}


def webhook(inbox: WebhookInbox) -> dict[str, Any]:
    """The webhooks' mode and messages."""
    messages = [{**asdict(message), "at": message.at.isoformat()} for message in inbox.messages]
    return {"mode": inbox.mode, "messages": messages}


def burst(begun: Burst) -> dict[str, Any]:
    """A burst before it begins."""
    return {
        "operations": len(begun.plan),
        "begins_at": begun.begins_at.isoformat(),
        "ends_at": begun.ends_at.isoformat(),
    }


def played(going_on: Burst, events: Collection[Event]) -> dict[str, Any]:
    """What a burst has delivered, in the Event Grid schema, and how it stands."""
    return {
        "events": [event.as_event_grid() for event in events],
        "next_at": going_on.next_at and going_on.next_at.isoformat(),
        "refused": going_on.refused,
    }


def _condition(condition: Condition) -> dict[str, str | None]:
    return {"power": condition.power, "provisioning": condition.provisioning, "detail": condition.detail}
