"""What a webhook was told, sorted out."""

from typing import Any

from tests.local.azure.receiver import Receiver

HEALTH = "Microsoft.ResourceNotifications.HealthResources."


def resource_events(receiver: Receiver) -> list[dict[str, Any]]:
    found = [event for event in receiver.events if event["eventType"].startswith("Microsoft.Resources.")]
    return sorted(found, key=lambda event: str(event["eventTime"]))


def annotations(receiver: Receiver) -> dict[str, list[str]]:
    """The names of the annotations of each VM, oldest first."""
    return _health(receiver, "ResourceAnnotated", "annotationName")


def availability(receiver: Receiver) -> dict[str, list[str]]:
    """The states that each VM's availability changed to, oldest first."""
    return _health(receiver, "AvailabilityStatusChanged", "availabilityState")


def _health(receiver: Receiver, kind: str, key: str) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for event in sorted(receiver.events, key=lambda event: str(event["eventTime"])):
        if event["eventType"] == HEALTH + kind:
            details = event["data"]["resourceInfo"]["properties"]
            told.setdefault(details["targetResourceId"], []).append(details[key])
    return told
