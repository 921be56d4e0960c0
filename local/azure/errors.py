"""The errors that ARM answers with: status, code and message, in ARM's shape.

Messages follow Azure's wording where a public source shows it. The codes of refusals that no public source
shows are `OperationNotAllowed`, Compute's code for a verb that the VM's state forbids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any

from local.azure.model import SCALE_SET_TYPE, VM_TYPE, VmSpec

REMAINING_RESOURCE = "x-ms-ratelimit-remaining-resource"


@dataclass(slots=True)
class ArmError(Exception):
    """A request that ARM refuses. Raised by the compute model; an HTTP answer at the edge."""

    status: int
    code: str
    message: str
    target: str | None = None
    """What of the request is wrong."""
    details: tuple[Mapping[str, str], ...] = ()
    """What Compute has to add; its own errors are not wrapped in `error`."""
    headers: tuple[tuple[str, str], ...] = ()
    """What is sent along."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self) -> dict[str, Any]:
        """ARM's error shape, or Compute's."""
        if self.details:
            return {"code": self.code, "message": self.message, "details": list(self.details)}
        error = {"code": self.code, "message": self.message}
        return {"error": error if self.target is None else {**error, "target": self.target}}


def missing_api_version() -> ArmError:
    """No `api-version` in the query."""
    return ArmError(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests.",
    )


def bad_request(message: str) -> ArmError:
    """A body or a query that cannot be read."""
    return ArmError(400, "InvalidParameter", message)


def no_subscription(subscription: str) -> ArmError:
    """The subscription is not one of the simulated ones."""
    return ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def no_resource_group(resource_group: str) -> ArmError:
    """The subscription has no such resource group."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{resource_group}' could not be found.")


def no_vm(resource_group: str, name: str) -> ArmError:
    """The resource group has no such VM."""
    return _not_found(f"{VM_TYPE}/{name}", resource_group)


def no_scale_set(resource_group: str, name: str) -> ArmError:
    """The resource group has no such scale set."""
    return _not_found(f"{SCALE_SET_TYPE}/{name}", resource_group)


def no_resource(resource_id: str) -> ArmError:
    """There is nothing of that id in its resource group."""
    group, _, resource = resource_id.partition("/providers/")
    return _not_found(resource, group.rpartition("/")[2])


def no_parent(scale_set_id: str) -> ArmError:
    """There is no such scale set, and so no instance: ARM's answer to what is asked of something in it."""
    return ArmError(
        404,
        "ParentResourceNotFound",
        "Failed to perform 'read' on resource(s) of type 'virtualMachineScaleSets/virtualMachines', because the "
        f"parent resource '{scale_set_id}' could not be found.",
    )


def no_instance(instance_id: str) -> ArmError:
    """The scale set has no such instance.

    Status, code and target are those recorded for writes; that a GET is answered alike is an assumption.
    """
    return ArmError(
        400,
        "InvalidParameter",
        f"The provided instanceId {instance_id} is not an active Virtual Machine Scale Set VM instanceId.",
        target="instanceIds",
    )


def not_uniform(scale_set: str) -> ArmError:
    """Instances of a Flexible scale set are ordinary VMs, and are not served as instances."""
    return ArmError(
        400,
        "BadRequest",
        "Operation 'VirtualMachineScaleSets.virtualMachines.GET' is not allowed on Virtual Machine Scale Set "
        f"'{scale_set}'.",
    )


def no_operation(operation_id: str) -> ArmError:
    """Nothing is known of the long-running operation that is asked about."""
    return ArmError(404, "NotFound", f"The entity was not found: operation '{operation_id}'.")


def no_route(method: str, path: str) -> ArmError:
    """Azure has this call, perhaps; the simulated one does not."""
    return ArmError(404, "InvalidResourceType", f"The simulated Azure does not know {method} {path}.")


def conflict() -> ArmError:
    """Another operation is under way on the VM."""
    return ArmError(
        409,
        "Conflict",
        "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
        "https://aka.ms/activitylog to get more details on the conflicting requests.",
    )


def not_allowed(verb: str, spec: VmSpec, why: str) -> ArmError:
    """The state or the kind of the VM forbids the verb."""
    return ArmError(
        409, "OperationNotAllowed", f"Operation '{verb}' is not allowed on VM '{spec.name}' since {why}."
    )


def not_authorized(action: str, scope: str) -> ArmError:
    """The caller lacks the permission."""
    return ArmError(
        403,
        "AuthorizationFailed",
        "The client '00000000-0000-4000-8000-00000000c11e' with object id "
        "'00000000-0000-4000-8000-00000000c11e' does not have authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
        "please refresh your credentials.",
    )


def scope_locked(operation: str, scope: str, locked: Sequence[str]) -> ArmError:
    """A lock forbids the operation, `write` or `delete`."""
    return ArmError(
        409,
        "ScopeLocked",
        f"The scope '{scope}' cannot perform {operation} operation because following scope(s) are locked: "
        f"'{','.join(locked)}'. Please remove the lock and try again.",
    )


def subscription_throttled(subscription: str, operation: str, seconds: int) -> ArmError:
    """The subscription's token bucket is empty."""
    return ArmError(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of '{operation}' requests for subscription '{subscription}' exceeded. "
        f"Please try again after '{seconds}' seconds.",
        headers=(("Retry-After", str(seconds)),),
    )


def compute_throttled(
    policy: str, measured: Mapping[str, object], left: Mapping[str, int], seconds: int
) -> ArmError:
    """A bucket of the compute resource provider is empty.

    Args:
        policy: Which one.
        measured: What came of measuring it, told as JSON in a text.
        left: The requests that are left, by bucket; one header line each, as documented.
        seconds: How long to wait.
    """
    return ArmError(
        429,
        "OperationNotAllowed",
        "The server rejected the request because too many requests have been received for this subscription.",
        details=({"code": "TooManyRequests", "target": policy, "message": dumps(measured)},),
        headers=(
            *((REMAINING_RESOURCE, f"Microsoft.Compute/{name};{count}") for name, count in left.items()),
            ("Retry-After", str(seconds)),
        ),
    )


def _not_found(resource: str, resource_group: str) -> ArmError:
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource}' under resource group '{resource_group}' was not found. For more details please "
        "go to https://aka.ms/ARMResourceNotFoundFix",
    )
