"""What the controls show, as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from local.azure.arm import LoggedRequest
from local.azure.locks import Lock
from local.azure.model import Condition, VirtualMachine
from local.azure.permissions import Permissions


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


def _condition(condition: Condition) -> dict[str, str | None]:
    return {"power": condition.power, "provisioning": condition.provisioning, "detail": condition.detail}
