import uuid
from typing import Any

import aiohttp
import pytest

from local.host.process import HostProcess
from tests.eventually import logged

PATH = "/runtime/webhooks/EventGrid?functionName=on_event"


def event(**data: object) -> dict[str, Any]:
    """One of the Event Grid schema."""
    return {
        "id": str(uuid.uuid4()),
        "topic": "/subscriptions/s",
        "subject": "/subscriptions/s/resourceGroups/g",
        "eventType": "Sample.Happened",
        "eventTime": "2026-01-01T00:00:00.1234567Z",
        "data": data,
        "dataVersion": "2",
        "metadataVersion": "1",
    }


def cloud_event(**data: object) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "source": "/subscriptions/s",
        "type": "Sample.Happened",
        "time": "2026-01-01T00:00:00Z",
        "specversion": "1.0",
        "data": data,
    }


async def post(web: aiohttp.ClientSession, body: object, path: str = PATH, **headers: str) -> tuple[int, str]:
    async with web.post(path, json=body, headers=headers) as answer:
        return answer.status, await answer.text()


async def seen(web: aiohttp.ClientSession, *events: dict[str, Any]) -> dict[str, str]:
    """The class as which the function saw each of these events, by id."""
    wanted = {event["id"] for event in events}
    async with web.get("/v1/seen") as answer:
        return {
            found["id"]: found["kind"] for found in (await answer.json())["events"] if found["id"] in wanted
        }


async def test_each_event_of_an_array_is_handled(web: aiohttp.ClientSession) -> None:
    events = [event(number=number) for number in range(3)]
    assert await post(web, events, **{"aeg-event-type": "Notification"}) == (202, "")
    assert await seen(web, *events) == {one["id"]: "EventGridEvent" for one in events}


async def test_one_cloud_event_is_handled(web: aiohttp.ClientSession) -> None:
    one = cloud_event(number=1)
    assert await post(web, one, **{"content-type": "application/cloudevents+json"}) == (202, "")
    assert await seen(web, one) == {one["id"]: "CloudEvent"}


async def test_a_batch_of_cloud_events_is_handled(web: aiohttp.ClientSession) -> None:
    events = [cloud_event(number=number) for number in range(2)]
    assert await post(web, events) == (202, "")
    assert await seen(web, *events) == {one["id"]: "CloudEvent" for one in events}


@pytest.mark.parametrize(
    "path",
    [
        "/runtime/webhooks/eventgrid?functionName=on_event",
        "/RUNTIME/WebHooks/EventGrid/?functionname=On_Event",
        "/runtime/webhooks/EventGrid?FUNCTIONNAME=ON_EVENT",
    ],
)
async def test_letter_case_does_not_matter(web: aiohttp.ClientSession, path: str) -> None:
    assert await post(web, [event()], path) == (202, "")


async def test_one_failure_fails_the_delivery_and_is_explained(
    web: aiohttp.ClientSession, host: HostProcess
) -> None:
    good, bad = event(), event(fail=True)
    status, text = await post(web, [good, bad])
    assert status == 500
    assert text == f"on_event failed for 1 of 2 events: ValueError: event {bad['id']} is\nnot wanted"
    assert set(await seen(web, good, bad)) == {good["id"], bad["id"]}
    [line] = await logged(host, f"failed: ValueError: event {bad['id']} is not wanted (function_app.py:")
    assert "ERROR host: on_event " in line


async def test_what_the_function_logs_is_shown(web: aiohttp.ClientSession, host: HostProcess) -> None:
    one = event()
    await post(web, [one])
    assert await logged(host, f"INFO sample: saw event {one['id']}")


VALIDATION = {
    **event(validationCode="512d38b6-c7b8-40c8-89fe-f46f9e9622b6"),
    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
}


@pytest.mark.parametrize("headers", [{"aeg-event-type": "SubscriptionValidation"}, {}])
async def test_the_event_grid_handshake_is_answered(
    web: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with web.post(PATH, json=[VALIDATION], headers=headers) as answer:
        assert answer.status == 200
        assert await answer.json() == {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}
    assert not await seen(web, VALIDATION)


async def test_a_handshake_without_code_is_refused(web: aiohttp.ClientSession) -> None:
    status, text = await post(web, [event()], **{"aeg-event-type": "SubscriptionValidation"})
    assert (status, text) == (400, "the validation event has no data.validationCode")


async def test_the_cloud_events_handshake_is_answered(web: aiohttp.ClientSession) -> None:
    async with web.options(PATH, headers={"WebHook-Request-Origin": "eventgrid.azure.net"}) as answer:
        assert answer.status == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
        assert answer.headers["WebHook-Allowed-Rate"] == "*"


async def test_unsubscribe_is_acknowledged(web: aiohttp.ClientSession) -> None:
    async with web.post(PATH, headers={"aeg-event-type": "Unsubscribe"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"", "the body is not JSON"),
        (b"[]", "the body is an empty array"),
        (b"3", "the body is 3"),
        (b'[{}, "x"]', 'item 1 of the body is "x"'),
    ],
)
async def test_a_body_without_events_is_refused(web: aiohttp.ClientSession, body: bytes, reason: str) -> None:
    async with web.post(PATH, data=body) as answer:
        assert answer.status == 400
        text = await answer.text()
    assert text.startswith(reason)
    assert text.endswith("expected an array of Event Grid events or one CloudEvent")
    assert "\n" not in text


async def test_unknown_functions_and_methods_are_refused(web: aiohttp.ClientSession) -> None:
    assert await post(web, [event()], "/runtime/webhooks/eventgrid?functionName=echo") == (
        404,
        "no Event Grid function is called 'echo'; there are: on_event",
    )
    assert await post(web, [event()], "/runtime/webhooks/eventgrid") == (400, "the query has no functionName")
    async with web.get(PATH) as answer:
        assert answer.status == 405
