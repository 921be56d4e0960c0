"""Event Grid's system topics and their event subscriptions as ARM resources, to read only.

They show the delivery as it is: a topic exists, in each Azure subscription, for each kind of event that an event
subscription wants from there. Shapes: the REST examples of 2025-02-15, and responses recorded for the tests of Azure's
own command line: a webhook's address is shown without its query, and event types that are not chosen are all named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.azure import errors
from local.azure.callers import guid
from local.azure.delivery import TIME_TO_LIVE_SECONDS
from local.azure.event_subscriptions import EventSubscription
from local.azure.events import ANNOTATED, AVAILABILITY_CHANGED
from local.azure.routing import GROUP, SUBSCRIPTION, Route, route

TOPIC_TYPE = "Microsoft.EventGrid/systemTopics"
SUBSCRIPTION_TYPE = f"{TOPIC_TYPE}/eventSubscriptions"
RESOURCE_GROUP = "rg-events"

EVENT_TYPES: Mapping[str, tuple[str, ...]] = {
    "Microsoft.Resources.Subscriptions": tuple(
        f"Microsoft.Resources.Resource{kind}{outcome}"
        for kind in ("Write", "Delete", "Action")
        for outcome in ("Success", "Failure", "Cancel")
    ),
    "Microsoft.ResourceNotifications.HealthResources": (AVAILABILITY_CHANGED, ANNOTATED),
}
"""The event types of each topic type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTopics:
    """The handlers."""

    event_subscriptions: Mapping[str, EventSubscription]
    max_attempts: int

    def routes(self) -> tuple[Route, ...]:
        """The route table."""
        topics, topic = f"providers/{TOPIC_TYPE}", f"(?P<id>{GROUP}/providers/{TOPIC_TYPE}/{{name}})"
        return (
            route("GET", f"{SUBSCRIPTION}/{topics}", "systemTopics", self.list_topics, f"{TOPIC_TYPE}/read"),
            route(
                "GET",
                f"{topic}/eventSubscriptions",
                "eventSubscriptions",
                self.list_event_subscriptions,
                f"{SUBSCRIPTION_TYPE}/read",
            ),
        )

    async def list_topics(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """The system topics of an Azure subscription."""
        subscription = match["subscription"]
        return web.json_response(
            {"value": [_topic(subscription, kind) for kind in EVENT_TYPES if self._under(subscription, kind)]}
        )

    async def list_event_subscriptions(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """The event subscriptions of a topic. Raises ArmError (404) if there is no such topic."""
        subscription = match["subscription"]
        for kind in EVENT_TYPES:
            topic, under = _topic(subscription, kind), self._under(subscription, kind)
            if under and topic["id"].lower() == match["id"].lower():
                return web.json_response({"value": [self._shown(each, topic["id"], kind) for each in under]})
        raise errors.no_resource(match["id"])

    def _under(self, subscription: str, kind: str) -> list[EventSubscription]:
        """The event subscriptions that want events of a topic of this kind."""
        return [
            each
            for each in self.event_subscriptions.values()
            if each.covers(subscription) and any(map(each.wants_type, EVENT_TYPES[kind]))
        ]

    def _shown(self, each: EventSubscription, topic_id: str, kind: str) -> dict[str, Any]:
        filters: dict[str, Any] = {
            "subjectBeginsWith": each.subject_begins_with,
            "subjectEndsWith": "",
            "includedEventTypes": [name for name in EVENT_TYPES[kind] if each.wants_type(name)],
        }
        if each.advanced_filters:
            filters["advancedFilters"] = [
                {"operatorType": one.operator_type, "key": one.key, "values": list(one.values)}
                for one in each.advanced_filters
            ]
        properties: dict[str, Any] = {
            "topic": topic_id,
            "provisioningState": "Succeeded",
            "destination": _destination(each),
            "filter": filters,
            "labels": None,
            "eventDeliverySchema": each.schema,
            "retryPolicy": {
                "maxDeliveryAttempts": self.max_attempts,
                "eventTimeToLiveInMinutes": TIME_TO_LIVE_SECONDS // 60,
            },
        }
        if each.dead_letters:
            properties["deadLetterDestination"] = _dead_letter_destination(topic_id)
        return {
            "properties": properties,
            "systemData": None,
            "id": f"{topic_id}/eventSubscriptions/{each.name}",
            "name": each.name,
            "type": SUBSCRIPTION_TYPE,
        }


def _topic(subscription: str, kind: str) -> dict[str, Any]:
    group, name = (
        f"/subscriptions/{subscription}/resourceGroups/{RESOURCE_GROUP}",
        kind.lower().replace(".", "-"),
    )
    return {
        "properties": {
            "provisioningState": "Succeeded",
            "source": f"/subscriptions/{subscription}",
            "topicType": kind,
            "metricResourceId": guid("system topic", subscription, kind),
        },
        "location": "global",
        "tags": None,
        "id": f"{group}/providers/{TOPIC_TYPE}/{name}",
        "name": name,
        "type": TOPIC_TYPE,
    }


def _destination(each: EventSubscription) -> dict[str, Any]:
    if each.function_id is not None:
        batches = {"maxEventsPerBatch": 1, "preferredBatchSizeInKilobytes": 64}
        return {"properties": {"resourceId": each.function_id, **batches}, "endpointType": "AzureFunction"}
    base = each.endpoint.partition("?")[0]
    return {"properties": {"endpointUrl": None, "endpointBaseUrl": base}, "endpointType": "WebHook"}


def _dead_letter_destination(topic_id: str) -> dict[str, Any]:
    group = topic_id.partition("/providers/")[0]
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/deadletters"
    return {
        "properties": {"resourceId": account, "blobContainerName": "deadletters"},
        "endpointType": "StorageBlob",
    }
