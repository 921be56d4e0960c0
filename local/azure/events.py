"""Building the events that Azure sends about VMs, in both schemas Event Grid can deliver.

Shapes: the documented samples of `Microsoft.Resources.*` and of Azure Resource Notifications.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from local.azure.callers import CLIENT_IP, TENANT_ID, Caller
from local.azure.life import ArmCall
from local.azure.model import VirtualMachine, azure_time

VM_TYPE = "Microsoft.Compute/virtualMachines"
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
    caller: Caller
    correlation_id: str
    succeeded: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Annotation:
    """A row of the documented table of VM health annotations."""

    reason: str
    summary: str
    context: str = "Customer Initiated"
    category: str = "Not Applicable"


_AS_REQUESTED = "as requested by an authorized user or process."

ANNOTATIONS: Mapping[str, Annotation] = {
    "VirtualMachineAllocated": Annotation(
        "Setting up", f"This virtual machine is being set up {_AS_REQUESTED}"
    ),
    "VirtualMachineConfigurationUpdated": Annotation(
        "Configuration updated", f"This virtual machine's configuration is being updated {_AS_REQUESTED}"
    ),
    "VirtualMachineStartInitiatedByControlPlane": Annotation(
        "Starting", f"This virtual machine is starting {_AS_REQUESTED}"
    ),
    "VirtualMachineStopInitiatedByControlPlane": Annotation(
        "Stopping", f"This virtual machine is stopping {_AS_REQUESTED}"
    ),
    "VirtualMachineRestarted": Annotation("Restarting", f"This virtual machine is rebooting {_AS_REQUESTED}"),
    "VirtualMachineDeallocationInitiated": Annotation(
        "Stopping and deallocating", f"This virtual machine is stopped and deallocated {_AS_REQUESTED}"
    ),
    "VirtualMachineStoppedInternally": Annotation(
        "Stopping",
        "This virtual machine is stopping as requested by an authorized user or process, or due to a guest "
        "activity from within the virtual machine.",
    ),
    "VirtualMachineCrashed": Annotation(
        "Guest crashed", "This virtual machine is rebooting due to a guest OS crash.", "VM Initiated"
    ),
    "VirtualMachinePreempted": Annotation(
        "Preempted",
        "This Spot virtual machine was preempted because Azure needed the capacity back.",
        "Platform Initiated",
        "Unplanned",
    ),
    "VirtualMachineProvisioningTimedOut": Annotation(
        "Provisioning timed out",
        "This virtual machine's provisioning failed due to problems with the guest OS.",
        "Platform Initiated",
        "Unplanned",
    ),
}


def resource_event(
    vm: VirtualMachine, ended: ControlPlaneCall, subject: str, *, is_new: bool = False
) -> Event:
    """A `Microsoft.Resources.Resource{Write,Action,Delete}{Success,Failure}` event about a VM.

    The `status` of a failure is not documented; `Failed` is the activity log's word.
    """
    operation = f"{VM_TYPE}/{ended.call.action}"
    data = _resource_data(vm, ended, subject, operation)
    if not is_new:  # documented: only when updating an existing resource or deleting one
        path = "" if ended.call.kind != "Action" else f"/{ended.call.action.removesuffix('/action')}"
        data["httpRequest"] = {
            "clientRequestId": str(uuid4()),
            "clientIpAddress": CLIENT_IP,
            "method": ended.call.method,
            "url": f"https://management.azure.com{subject}{path}?api-version={ARM_API_VERSION}",
        }
    return _resources_event(vm, ended, subject, data)


def deployment_event(vm: VirtualMachine, ended: ControlPlaneCall) -> Event:
    """The write of the deployment that creates a VM: it comes first, under the same correlation id."""
    spec = vm.spec
    subject = (
        f"/subscriptions/{spec.subscription}/resourceGroups/{spec.resource_group}"
        f"/providers/Microsoft.Resources/deployments/create-{spec.name}"
    )
    data = _resource_data(vm, ended, subject, "Microsoft.Resources/deployments/write")
    return _resources_event(vm, ended, subject, {**data, "resourceProvider": "Microsoft.Resources"})


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


def _resource_data(
    vm: VirtualMachine, ended: ControlPlaneCall, subject: str, operation: str
) -> dict[str, Any]:
    subscription = vm.spec.subscription
    return {
        "authorization": ended.caller.authorization(subject, operation, subscription),
        "claims": ended.caller.claims(ended.at),
        "correlationId": ended.correlation_id,
        "resourceProvider": "Microsoft.Compute",
        "resourceUri": subject,
        "operationName": operation,
        "status": "Succeeded" if ended.succeeded else "Failed",
        "subscriptionId": subscription,
        "tenantId": TENANT_ID,
    }


def _resources_event(
    vm: VirtualMachine, ended: ControlPlaneCall, subject: str, data: Mapping[str, Any]
) -> Event:
    outcome = "Success" if ended.succeeded else "Failure"
    return Event(
        id=str(uuid4()),
        type=f"Microsoft.Resources.Resource{ended.call.kind}{outcome}",
        subject=subject,
        subscription=vm.spec.subscription,
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
                "targetResourceType": VM_TYPE,
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
