"""Building the events that Azure sends about VMs, in both schemas Event Grid can deliver.

Shapes: the documented samples of `Microsoft.Resources.*` and of Azure Resource Notifications. None is about an
instance of a Uniform scale set. Its operations are named as in Compute's list of operations
(`Microsoft.Compute/virtualMachineScaleSets/virtualMachines/powerOff/action`), and health events are said to be raised
for VMs in scale sets as well; that subject and target are the instance, by id and type, is inferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from local.azure.annotations import ANNOTATIONS
from local.azure.callers import CLIENT_IP, TENANT_ID, Caller
from local.azure.life import ArmCall
from local.azure.model import VirtualMachine, azure_time

Outcome = Literal["Success", "Failure", "Cancel"]

ANNOTATED = "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"
AVAILABILITY_CHANGED = "Microsoft.ResourceNotifications.HealthResources.AvailabilityStatusChanged"
ARM_API_VERSION = "2026-04-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event before it has a schema."""

    id: str
    type: str
    subject: str
    subscription: str
    at: datetime
    data: Mapping[str, Any]
    data_version: str

    def as_event_grid(self) -> dict[str, Any]:
        """The Event Grid schema."""
        return {
            "subject": self.subject,
            "eventType": self.type,
            "eventTime": azure_time(self.at),
            "id": self.id,
            "data": self.data,
            "dataVersion": self.data_version,
            "metadataVersion": "1",
            "topic": f"/subscriptions/{self.subscription}",
        }

    def as_cloud_event(self) -> dict[str, Any]:
        """CloudEvents 1.0."""
        return {
            "subject": self.subject,
            "source": f"/subscriptions/{self.subscription}",
            "type": self.type,
            "time": azure_time(self.at),
            "id": self.id,
            "data": self.data,
            "specversion": "1.0",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneCall:
    """One request to ARM that has come to its end."""

    call: ArmCall
    resource_type: str
    subscription: str
    caller: Caller
    correlation_id: str
    outcome: Outcome
    at: datetime
    query: str = ""
    """What the URL's query says before the api-version."""


def resource_event(ended: ControlPlaneCall, subject: str, *, is_new: bool = False) -> Event:
    """A `Microsoft.Resources.Resource{Write,Action,Delete}{Success,Failure,Cancel}` event about a resource."""
    data = _resource_data(ended, subject, f"{ended.resource_type}/{ended.call.action}")
    if not is_new:  # documented: only when updating an existing resource or deleting one
        path = "" if ended.call.kind != "Action" else f"/{ended.call.action.removesuffix('/action')}"
        query = f"{ended.query}api-version={ARM_API_VERSION}"
        data["httpRequest"] = {
            "clientRequestId": str(uuid4()),
            "clientIpAddress": CLIENT_IP,
            "method": ended.call.method,
            "url": f"https://management.azure.com{subject}{path}?{query}",
        }
    return _resources_event(ended, subject, data)


def deployment_event(vm: VirtualMachine, ended: ControlPlaneCall) -> Event:
    """The write of the deployment that creates a VM: it comes first, under the same correlation id."""
    spec = vm.spec
    subject = (
        f"/subscriptions/{spec.subscription}/resourceGroups/{spec.resource_group}"
        f"/providers/Microsoft.Resources/deployments/create-{spec.name}"
    )
    data = _resource_data(ended, subject, "Microsoft.Resources/deployments/write")
    return _resources_event(ended, subject, {**data, "resourceProvider": "Microsoft.Resources"})


def annotation_event(vm: VirtualMachine, name: str, at: datetime) -> Event:
    """The Resource Health annotation `name`, one of `ANNOTATIONS`."""
    annotation = ANNOTATIONS[name]
    details = {
        "annotationName": name,
        "reason": annotation.reason,
        "summary": annotation.summary,
        "context": annotation.context,
        "category": annotation.category,
    }
    return _health_event(vm, at, ANNOTATED, "resourceAnnotations", "2022-08-01", details)


def availability_event(vm: VirtualMachine, before: str, after: str, at: datetime) -> Event:
    """The change between `Available` and `Unavailable`."""
    details = {"previousAvailabilityState": before, "availabilityState": after}
    return _health_event(vm, at, AVAILABILITY_CHANGED, "availabilityStatuses", "2023-12-01", details)


# Only `Succeeded` is documented; the other two are the activity log's words.
_STATUSES: Mapping[Outcome, str] = {"Success": "Succeeded", "Failure": "Failed", "Cancel": "Canceled"}


def _resource_data(ended: ControlPlaneCall, subject: str, operation: str) -> dict[str, Any]:
    return {
        "authorization": ended.caller.authorization(subject, operation, ended.subscription),
        "claims": ended.caller.claims(ended.at),
        "correlationId": ended.correlation_id,
        "resourceProvider": ended.resource_type.partition("/")[0],
        "resourceUri": subject,
        "operationName": operation,
        "status": _STATUSES[ended.outcome],
        "subscriptionId": ended.subscription,
        "tenantId": TENANT_ID,
    }


def _resources_event(ended: ControlPlaneCall, subject: str, data: Mapping[str, Any]) -> Event:
    return Event(
        id=str(uuid4()),
        type=f"Microsoft.Resources.Resource{ended.call.kind}{ended.outcome}",
        subject=subject,
        subscription=ended.subscription,
        at=ended.at,
        data=data,
        data_version="2",
    )


def _health_event(
    vm: VirtualMachine, at: datetime, event_type: str, kind: str, api_version: str, details: Mapping[str, str]
) -> Event:
    event_id, occurred_at = str(uuid4()), azure_time(at)
    data = {
        "resourceInfo": {
            "id": f"{vm.spec.id}/providers/Microsoft.ResourceHealth/{kind}/{event_id}",
            "name": event_id,
            "type": f"Microsoft.ResourceHealth/{kind}",
            "properties": {
                "targetResourceId": vm.spec.id,
                "targetResourceType": vm.spec.type,
                "occurredTime": occurred_at,
                **details,
            },
        },
        "operationalInfo": {"resourceEventTime": occurred_at},
        "apiVersion": api_version,
    }
    return Event(
        id=event_id,
        type=event_type,
        subject=vm.spec.id,
        subscription=vm.spec.subscription,
        at=at,
        data=data,
        data_version="1",
    )
