from typing import Any

import aiohttp
import pytest

from local.azure.delivery import DeliverySettings
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from local.azure.system_topics import EVENT_TYPES
from tests.local.azure.receiver import Receiver

OTHER = "11111111-0000-4000-8000-000000000002"
RESOURCES, HEALTH = EVENT_TYPES
FUNCTION = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Web/sites/stopgap/functions/vm_event"
ACTION, ANNOTATED = EVENT_TYPES[RESOURCES][6], EVENT_TYPES[HEALTH][1]
DEALLOCATED = {
    "operatorType": "StringIn",
    "key": "Data.OperationName",
    "values": ["x", "microsoft.compute/VIRTUALMACHINES/deallocate/action"],
}


async def ask(azure: SimulatedAzure, http: aiohttp.ClientSession, path: str, status: int = 200) -> Any:  # noqa: ANN401 - JSON
    async with http.get(f"{azure.url}{path}?api-version=2025-02-15") as response:
        answer = await response.json()
    assert response.status == status, answer
    return answer


async def topics(
    azure: SimulatedAzure, http: aiohttp.ClientSession, subscription: str = SUB
) -> dict[str, Any]:
    """The system topics of an Azure subscription, by type."""
    path = f"/subscriptions/{subscription}/providers/Microsoft.EventGrid/systemTopics"
    return {topic["properties"]["topicType"]: topic for topic in (await ask(azure, http, path))["value"]}


async def under(azure: SimulatedAzure, http: aiohttp.ClientSession, topic: dict[str, Any]) -> dict[str, Any]:
    """The event subscriptions of a topic, by name."""
    found = (await ask(azure, http, f"{topic['id']}/eventSubscriptions"))["value"]
    return {each["name"]: each for each in found}


async def test_without_an_event_subscription_there_is_no_topic(
    azure: SimulatedAzure, http: aiohttp.ClientSession
) -> None:
    assert await topics(azure, http) == {}


async def test_a_topic_looks_as_recorded(
    azure: SimulatedAzure, http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url)

    found = await topics(azure, http)

    assert set(found) == {RESOURCES, HEALTH}
    topic = found[HEALTH]
    assert topic == {
        "properties": {
            "provisioningState": "Succeeded",
            "source": f"/subscriptions/{SUB}",
            "topicType": "Microsoft.ResourceNotifications.HealthResources",
            "metricResourceId": topic["properties"]["metricResourceId"],
        },
        "location": "global",
        "tags": None,
        "id": f"/subscriptions/{SUB}/resourceGroups/rg-events/providers/Microsoft.EventGrid/systemTopics/"
        "microsoft-resourcenotifications-healthresources",
        "name": "microsoft-resourcenotifications-healthresources",
        "type": "Microsoft.EventGrid/systemTopics",
    }
    assert found[RESOURCES]["properties"]["metricResourceId"] != topic["properties"]["metricResourceId"]


async def test_an_event_subscription_looks_as_recorded(
    http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    async with SimulatedAzure(delivery=DeliverySettings(max_attempts=7)) as azure:
        await azure.subscribe(
            f"{receiver.url}?functionName=vm_event&code=secret",
            "CloudEventSchemaV1_0",
            event_types=[ACTION.upper(), ANNOTATED],
            advanced_filters=[DEALLOCATED],
            dead_letters=False,
        )
        topic = (await topics(azure, http))[RESOURCES]
        found = await under(azure, http, topic)

    assert found["stopgap"] == {
        "properties": {
            "topic": topic["id"],
            "provisioningState": "Succeeded",
            "destination": {
                "properties": {"endpointUrl": None, "endpointBaseUrl": receiver.url},
                "endpointType": "WebHook",
            },
            "filter": {
                "subjectBeginsWith": "",
                "subjectEndsWith": "",
                "includedEventTypes": [ACTION],
                "advancedFilters": [DEALLOCATED],
            },
            "labels": None,
            "eventDeliverySchema": "CloudEventSchemaV1_0",
            "retryPolicy": {"maxDeliveryAttempts": 7, "eventTimeToLiveInMinutes": 1440},
        },
        "systemData": None,
        "id": f"{topic['id']}/eventSubscriptions/stopgap",
        "name": "stopgap",
        "type": "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    }


async def test_all_event_types_are_named_where_none_is_chosen(
    azure: SimulatedAzure, http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url, function_id=FUNCTION)

    for kind, topic in (await topics(azure, http)).items():
        shown = (await under(azure, http, topic))["stopgap"]["properties"]
        assert shown["filter"]["includedEventTypes"] == list(EVENT_TYPES[kind])
        assert "advancedFilters" not in shown["filter"]
        assert shown["destination"]["endpointType"] == "AzureFunction"
        assert shown["destination"]["properties"]["resourceId"] == FUNCTION
        assert shown["deadLetterDestination"]["endpointType"] == "StorageBlob"


async def test_each_is_under_the_topics_whose_events_it_wants(
    azure: SimulatedAzure, http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url, name="all")
    await azure.subscribe(receiver.url, name="actions", event_types=[ACTION])
    await azure.subscribe(receiver.url, name="health", event_types=[ANNOTATED])
    await azure.subscribe(receiver.url, name="stray", event_types=["Microsoft.Storage.BlobCreated"])

    found = await topics(azure, http)

    assert list(await under(azure, http, found[RESOURCES])) == ["all", "actions"]
    assert list(await under(azure, http, found[HEALTH])) == ["all", "health"]


async def test_a_subscription_that_is_not_covered_has_no_topic_and_sends_nothing(
    http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    async with SimulatedAzure(operation_seconds=0, subscriptions=(SUB, OTHER)) as azure:
        await azure.subscribe(receiver.url, subscriptions=[SUB.upper()])
        for subscription in (SUB, OTHER):
            azure.power_off(azure.add_vm(subscription, "rg", "vm-1"))
        await azure.settle()

        assert set(await topics(azure, http)) == {RESOURCES, HEALTH}
        assert await topics(azure, http, OTHER) == {}
    assert {event["topic"] for event in receiver.events} == {f"/subscriptions/{SUB}"}


@pytest.mark.parametrize(
    ("operator_type", "key", "value"),
    [
        ("StringIn", "data.operationName", "Microsoft.Compute/virtualMachines/powerOff/action"),
        ("StringBeginsWith", "DATA.operationname", "Microsoft.Compute/virtualMachines/power"),
        ("StringEndsWith", "eventType", "ActionSuccess"),
        ("StringContains", "subject", "/VM-1"),
    ],
)
async def test_what_an_advanced_filter_admits_is_delivered(
    azure: SimulatedAzure, receiver: Receiver, operator_type: str, key: str, value: str
) -> None:
    await azure.subscribe(
        receiver.url,
        event_types=[ACTION],
        advanced_filters=[
            {"operatorType": operator_type, "key": key, "values": ["nothing of the kind", value]}
        ],
    )
    vm_id = azure.add_vm(SUB, "rg", "vm-1")
    await azure.power_off(vm_id)
    await azure.settle()

    assert [event["data"]["operationName"].rsplit("/", 2)[1] for event in receiver.events] == ["powerOff"]


@pytest.mark.parametrize(
    ("key", "values", "admitted"),
    [
        ("data.operationName", ["/extensions/", "/runCommand"], True),
        ("data.operationName", ["/extensions/", "/POWEROFF/"], False),
        ("data.none", ["anything"], True),
    ],
)
async def test_the_opposite_admits_what_holds_none_of_its_values(
    azure: SimulatedAzure, receiver: Receiver, key: str, values: list[str], admitted: bool
) -> None:
    condition = {"operatorType": "StringNotContains", "key": key, "values": values}
    await azure.subscribe(receiver.url, event_types=[ACTION], advanced_filters=[condition])
    await azure.power_off(azure.add_vm(SUB, "rg", "vm-1"))
    await azure.settle()

    assert bool(receiver.events) is admitted


@pytest.mark.parametrize(
    "key", ["data.operationName", "data.none", "data", "subject.none", "data.claims.aud"]
)
async def test_what_no_advanced_filter_admits_is_not(
    azure: SimulatedAzure, receiver: Receiver, key: str
) -> None:
    condition = {
        "operatorType": "StringIn",
        "key": key,
        "values": ["Microsoft.Compute/virtualMachines/start/action"],
    }
    await azure.subscribe(receiver.url, advanced_filters=[condition])
    await azure.power_off(azure.add_vm(SUB, "rg", "vm-1"))
    await azure.settle()

    assert receiver.events == []


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (
            {"operatorType": "NumberIn", "key": "data", "values": [1]},
            "'NumberIn'; the simulated Azure knows StringIn",
        ),
        ({"operatorType": "StringIn", "values": ["x"]}, "expected a key"),
        ({"operatorType": "StringIn", "key": "subject", "values": "x"}, "as a list of texts"),
        ({"operatorType": "StringIn", "key": "subject", "values": [1]}, "as a list of texts"),
    ],
)
async def test_a_filter_that_is_none_is_named(
    azure: SimulatedAzure, receiver: Receiver, condition: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        await azure.subscribe(receiver.url, advanced_filters=[condition])


async def test_without_a_place_for_dead_letters_they_are_dropped(receiver: Receiver) -> None:
    receiver.answers = [400] * 4
    async with SimulatedAzure(operation_seconds=0) as azure:
        await azure.subscribe(receiver.url, dead_letters=False, event_types=[ACTION])
        await azure.power_off(azure.add_vm(SUB, "rg", "vm-1"))
        await azure.settle()

        assert azure.dead_letters == []
    assert len(receiver.bodies) == 1


async def test_a_topic_that_is_not_there_and_one_that_may_not_be_read(
    azure: SimulatedAzure, http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    await azure.subscribe(receiver.url, event_types=[ACTION])
    topic = (await topics(azure, http))[RESOURCES]

    elsewhere = topic["id"].replace("rg-events", "rg")
    missing = await ask(azure, http, f"{elsewhere}/eventSubscriptions", 404)
    azure.permit(["Microsoft.EventGrid/systemTopics/read"])
    refused = await ask(azure, http, f"{topic['id']}/eventSubscriptions", 403)

    assert missing["error"]["code"] == "ResourceNotFound"
    assert "systemTopics/eventSubscriptions/read" in refused["error"]["message"]
    assert set(await topics(azure, http)) == {RESOURCES}
