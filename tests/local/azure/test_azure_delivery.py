import pytest

from local.azure.delivery import DeliverySettings
from local.azure.handshake import HandshakeError, Schema
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver

ACTIONS = ("Microsoft.Resources.ResourceActionSuccess",)
SCHEMAS: tuple[Schema, ...] = ("EventGridSchema", "CloudEventSchemaV1_0")


def steady(delivery: DeliverySettings) -> SimulatedAzure:
    return SimulatedAzure(operation_seconds=0.01, delivery=delivery)


async def power_off(azure: SimulatedAzure, count: int = 1) -> None:
    for number in range(count):
        azure.power_off(azure.add_vm(SUB, "rg", f"vm-{number}"))
    await azure.settle()


async def test_event_grid_schema_comes_as_an_array_of_one(azure: SimulatedAzure, receiver: Receiver) -> None:
    await azure.subscribe(receiver.url, name="all", event_types=ACTIONS)

    await power_off(azure)

    [body], [headers] = receiver.bodies, receiver.headers
    assert isinstance(body, list)
    assert len(body) == 1
    assert headers["aeg-event-type"] == "Notification"
    assert headers["aeg-subscription-name"] == "ALL"
    assert headers["aeg-delivery-count"] == "0"
    assert headers["Content-Type"].startswith("application/json")


async def test_cloud_events_come_as_bare_objects(azure: SimulatedAzure, receiver: Receiver) -> None:
    await azure.subscribe(receiver.url, "CloudEventSchemaV1_0", event_types=ACTIONS)

    await power_off(azure)

    [body], [headers] = receiver.bodies, receiver.headers
    assert isinstance(body, dict)
    assert body["specversion"] == "1.0"
    assert headers["Content-Type"].startswith("application/cloudevents+json")


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_an_endpoint_that_does_not_prove_itself_gets_nothing(
    azure: SimulatedAzure, receiver: Receiver, schema: Schema
) -> None:
    receiver.echoes_code = False

    with pytest.raises(HandshakeError, match=f"{schema} validation handshake"):
        await azure.subscribe(receiver.url, schema)
    await power_off(azure)

    assert receiver.bodies == []


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("path", ["/nothing/here", "/_sim/vms"])
async def test_an_endpoint_that_is_no_webhook_fails_the_handshake(
    azure: SimulatedAzure, schema: Schema, path: str
) -> None:
    with pytest.raises(HandshakeError, match="expected 200"):
        await azure.subscribe(azure.url + path, schema)


async def test_an_endpoint_that_is_not_there_fails_the_handshake(azure: SimulatedAzure) -> None:
    with pytest.raises(HandshakeError, match="ClientConnectorError"):
        await azure.subscribe("http://127.0.0.1:1/hook")


async def test_what_is_not_accepted_is_tried_again(receiver: Receiver) -> None:
    async with steady(DeliverySettings(retry_factor=0.0001)) as azure:
        await azure.subscribe(receiver.url, event_types=ACTIONS)
        receiver.answers = [500, 404, 302, 429]
        await power_off(azure)

        assert azure.dead_letters == []

    assert [headers["aeg-delivery-count"] for headers in receiver.headers] == ["0", "1", "2", "3", "4"]
    assert len(receiver.events) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 413])
async def test_what_can_never_succeed_is_dead_lettered_at_once(
    azure: SimulatedAzure, receiver: Receiver, status: int
) -> None:
    await azure.subscribe(receiver.url, event_types=ACTIONS)
    receiver.answers = [status]

    await power_off(azure)

    [letter] = azure.dead_letters
    assert letter["deliveryAttempts"] == 1
    assert letter["deadLetterReason"].startswith("UndeliverableDueToHttp")


async def test_what_is_never_accepted_is_dead_lettered_in_the_end(receiver: Receiver) -> None:
    async with steady(DeliverySettings(retry_factor=0.0001, max_attempts=3)) as azure:
        await azure.subscribe(receiver.url, "CloudEventSchemaV1_0", event_types=ACTIONS)
        receiver.answers = [404] * 5
        await power_off(azure)

        [letter] = azure.dead_letters
        assert letter["deadletterreason"] == "MaxDeliveryAttemptsExceeded"
        assert (letter["deliveryattempts"], letter["lastdeliveryoutcome"]) == (3, "NotFound")


async def test_what_grows_too_old_is_dead_lettered(receiver: Receiver) -> None:
    async with steady(DeliverySettings(retry_factor=0)) as azure:
        await azure.subscribe(receiver.url, event_types=ACTIONS)
        receiver.answers = [500] * 5
        await power_off(azure)

        assert azure.dead_letters[0]["deadLetterReason"] == "TimeToLiveExceeded"


async def test_an_answer_that_does_not_come_is_a_failure(receiver: Receiver) -> None:
    async with steady(DeliverySettings(response_seconds=0.05, max_attempts=1)) as azure:
        await azure.subscribe(receiver.url, event_types=ACTIONS)
        receiver.answers = [0]
        await power_off(azure)

        assert azure.dead_letters[0]["lastDeliveryOutcome"] == "TimedOut"


async def test_duplicates_and_disorder(receiver: Receiver) -> None:
    chaos = DeliverySettings(seed=7, duplicates=1, disorder=0.5, held_back_seconds=0.1, delay_seconds=0.01)
    async with steady(chaos) as azure:
        await azure.subscribe(receiver.url)
        await power_off(azure, 20)

    ids = [event["id"] for event in receiver.events]
    times = [event["eventTime"] for event in receiver.events]
    assert len(ids) == 2 * len(set(ids)) == 2 * 3 * 20
    assert times != sorted(times)


async def test_losses(receiver: Receiver) -> None:
    async with steady(DeliverySettings(losses=1)) as azure:
        await azure.subscribe(receiver.url)
        await power_off(azure)

    assert receiver.bodies == []
