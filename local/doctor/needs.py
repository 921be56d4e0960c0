"""The events that have to reach the app: of VMs, by the kind of system topic that has them, and doctor's own probes.

Shapes: see `shared.domain.signals` and `shared.domain.probes`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.doctor.filters import HOLE, Sample
from shared.domain import probes

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
    subject: Callable[[str], str] | None = None
    """Its subject in a subscription; None: that of a resource in any group, with any name."""

    def sample(self, subscription: str) -> Sample:
        """It, about any resource of a subscription."""
        source = f"/subscriptions/{subscription}"
        kind, _, rest = self.resource.partition("/")
        segments = "".join(f"/{segment}/{HOLE}" for segment in rest.split("/"))
        of_any = f"{source}/resourceGroups/{HOLE}/providers/{kind}{segments}"
        subject = self.subject(subscription) if self.subject else of_any
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


_DEPLOYMENT = "Microsoft.Resources/deployments"
PROBE = Need(
    "probe",
    probes.EVENT_TYPE,
    _DEPLOYMENT,
    {
        "operationName": f"{_DEPLOYMENT}/write",
        "authorization.action": f"{_DEPLOYMENT}/write",
        "resourceProvider": "Microsoft.Resources",
        "resourceUri": "",
        "status": "Succeeded",
    },
    _RESOURCE_DATA,
    subject=lambda subscription: f"{probes.subject_prefix(subscription)}{HOLE}",
)
"""What doctor provokes, to see whether it arrives."""
