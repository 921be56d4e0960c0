"""The true life of one VM: what happens to it, what Azure tells of that, and what ARM answers when asked.

A pure simulation. Deeds, one at a time, make a history, the truth: from each moment on, one condition. Whoever calls
ARM is told of by a resource event at the end of the operation and, like the guest and the platform, by a health
annotation at its beginning. Events and bodies have the shape of the documented and recorded samples.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared.domain.ids import VmId
from shared.domain.signals import Event
from tests.domain.true_operations import OPERATIONS, OS_FAILED

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
ARM_ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-Shop/providers/Microsoft.Compute/virtualMachines/Web-1"
)
VM = VmId.of(SUBSCRIPTION, "rg-shop", "web-1")
BEGIN = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOMEBODY, STOPGAP = "object-id-of-somebody", "object-id-of-stopgap"
"""Who calls ARM."""

AT_REST = {"succeeded", "failed", "canceled"}
"""The provisioning states in which no operation runs."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is so under the name of the VM."""

    power: str | None
    """As in `PowerState/…`. None: its view shows none, or there is no VM."""
    provisioning: str = "succeeded"
    """As in `ProvisioningState/…`, with substate or error code."""
    uid: int | None = 1
    """Which of the VMs that ever had the name; None: there is no VM."""
    hibernated: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def at_rest(self) -> bool:
        """A power state in which a VM stays, with no operation at work."""
        return (
            self.power in {"running", "stopped", "deallocated"} and self.provisioning.split("/")[0] in AT_REST
        )


GONE = Condition(power=None, uid=None)


class End(StrEnum):
    """How a call to ARM ends."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    CANCEL = "Cancel"


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that happens, if it can, some time after the one before."""

    what: str
    after: timedelta
    step: timedelta = timedelta(seconds=20)
    """How long it takes to each of the conditions on the way."""
    end: End = End.SUCCESS
    """Other than success: it got half-way, and the VM is back where it was."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What "tag" sets."""
    by: str = SOMEBODY
    shown: timedelta | None = None
    """How long it takes to the first of them, if not as long."""


@dataclass(frozen=True, slots=True)
class Moment:
    """From when on what was so."""

    at: datetime
    condition: Condition


type Sent = tuple[datetime, Event]
"""An event, and when it was sent."""


class TrueLife:
    """The truth of one VM, as far as it has come."""

    def __init__(self, first: Condition) -> None:
        self.history = [Moment(BEGIN, first)]
        self.free_at = BEGIN
        """When the latest deed ends, or ended; no other is possible before."""
        self._uids = first.uid or 0

    @property
    def now(self) -> Condition:
        """What is so once the latest deed has ended."""
        return self.history[-1].condition

    def at(self, time: datetime) -> Condition:
        """What was so at a time."""
        return self.history[self._index(time)].condition

    def stretch(self, time: datetime) -> tuple[datetime, datetime | None]:
        """From when to when the VM was in the power state that it was in at a time; to None: it still is."""
        first = last = self._index(time)
        alike = [
            (moment.condition.power, moment.condition.uid) == (self.at(time).power, self.at(time).uid)
            for moment in self.history
        ]
        while first > 0 and alike[first - 1]:
            first -= 1
        while last < len(alike) and alike[last]:
            last += 1
        return self.history[first].at, self.history[last].at if last < len(alike) else None

    def _index(self, time: datetime) -> int:
        return max(bisect_right(self.history, time, key=lambda moment: moment.at) - 1, 0)

    def can(self, what: str) -> bool:
        """Whether an operation is possible once the latest deed has ended; Azure refuses it if not."""
        if what == "OS provisioning succeeds late" and self.now.provisioning != OS_FAILED:
            return False
        return ("gone" if self.now.uid is None else self.now.power) in OPERATIONS[what].paths

    def do(self, deed: Deed, at: datetime) -> list[Sent]:
        """Let something happen, if it can, not before `free_at`; what will be told of it."""
        if not self.can(deed.what):
            return []
        operation, before, told = OPERATIONS[deed.what], self.now, list[Sent]()
        path = operation.paths["gone" if before.uid is None else before.power]
        if operation.annotation and path:
            told.append((at, annotation(operation.annotation, at, operation.context)))
        if before.uid is None:
            self._uids += 1
        words = path.split()
        if deed.end is not End.SUCCESS and operation.call and before.uid and words:
            outcome = "failed/InternalOperationError" if deed.end is End.FAILURE else "canceled"
            words = [*words[:-1], f"{before.power or '-'}/{outcome}"]
        for place, word in enumerate(words):
            at += deed.step if place or deed.shown is None else deed.shown
            self.history.append(Moment(at, self._condition(word, before, deed)))
        if operation.call:
            end = End.FAILURE if words and "failed/" in self.now.provisioning else deed.end
            told.append((at, resource_event(operation.call, end, at, deed.by)))
        self.free_at = at
        return told

    def _condition(self, word: str, before: Condition, deed: Deed) -> Condition:
        if word == "gone":
            return GONE
        power, _, provisioning = word.partition("/")
        shown = {"-": None, "=": before.power}.get(power, power)
        return Condition(
            power=shown,
            provisioning=before.provisioning if provisioning == "=" else provisioning,
            uid=before.uid or self._uids,
            hibernated=shown == "deallocated" and (deed.what == "hibernate" or before.hibernated),
            tags=deed.tags if deed.what == "tag" else before.tags,
        )


def _sample(name: str) -> dict[str, Any]:
    body = json.loads((SAMPLES / name).read_text("utf-8"))
    sample: dict[str, Any] = body[0] if isinstance(body, list) else body
    return sample


_RESOURCE_DATA = _sample("eventgrid-subscription-ResourceActionSuccess.eventgridschema.json")["data"]
_HEALTH_DATA = _sample("eventgrid-arn-health-ResourceAnnotated.eventgridschema.json")["data"]
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_BODY = _sample("arm-vm-get-expand-instanceview.running.recorded.json")


def resource_event(call: str, end: End, at: datetime, by: str) -> Event:
    """The event of an operation on the VM that ended."""
    kind = {"write": "Write", "delete": "Delete"}.get(call, "Action")
    data = {
        **_RESOURCE_DATA,
        "operationName": f"Microsoft.Compute/virtualMachines/{call}",
        "correlationId": at.isoformat(),
        "resourceUri": ARM_ID,
        "claims": {**_RESOURCE_DATA["claims"], _OBJECT_ID: by},
    }
    return Event(f"Microsoft.Resources.Resource{kind}{end}", ARM_ID, at, data)


def annotation(name: str, at: datetime, context: str) -> Event:
    """The health annotation of something that begins."""
    info = _HEALTH_DATA["resourceInfo"]
    properties = info["properties"] | {
        "targetResourceId": ARM_ID,
        "annotationName": name,
        "context": context,
        "occurredTime": f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z",
    }
    data = {**_HEALTH_DATA, "resourceInfo": {**info, "properties": properties}}
    return Event("Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated", ARM_ID, at, data)


def body(condition: Condition, *, blank: bool) -> dict[str, Any]:
    """What ARM answers for a VM that is there.

    Args:
        condition: What is so.
        blank: Whether the answer lacks the power state, as happens "in some rare situations".
    """
    codes = [f"ProvisioningState/{condition.provisioning}"]
    if condition.power and not blank:
        codes.append(f"PowerState/{condition.power}")
    if condition.hibernated:
        codes.append("HibernationState/Hibernated")
    properties = _BODY["properties"]
    view = {**properties["instanceView"], "statuses": [{"code": code, "level": "Info"} for code in codes]}
    return {
        **_BODY,
        "id": ARM_ID,
        "tags": {**_BODY["tags"], **condition.tags},
        "properties": {
            **properties,
            "vmId": f"uid-{condition.uid}",
            "provisioningState": condition.provisioning.split("/")[0].capitalize(),
            "instanceView": view,
        },
    }
