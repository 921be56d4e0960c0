import asyncio
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid.aio import EventGridPublisherClient

from local.azure.server import SimulatedAzure


def notice(number: int = 1) -> CloudEvent[dict[str, int]]:
    return CloudEvent(
        source="/stopgap", type="Stopgap.Vm.LeftStopped", subject=f"vm-{number}", data={"number": number}
    )


async def test_events_are_kept_in_order(azure: SimulatedAzure, publisher: EventGridPublisherClient) -> None:
    await publisher.send(notice(1))
    await publisher.send([notice(2), notice(3)])

    assert [event["subject"] for event in azure.topic_events] == ["vm-1", "vm-2", "vm-3"]
    assert azure.topic_events[0]["data"] == {"number": 1}
    assert azure.topic_events[0]["specversion"] == "1.0"


async def test_a_sas_token_will_do_as_well(azure: SimulatedAzure) -> None:
    async with EventGridPublisherClient(azure.topic_url("other"), AzureSasCredential("any")) as client:
        await client.send(notice())

    assert azure.topic.topics == ["other"]


async def test_a_topic_that_fails(azure: SimulatedAzure, publisher: EventGridPublisherClient) -> None:
    await azure.set_topic_mode("fail")
    with pytest.raises(HttpResponseError) as caught:
        await publisher.send(notice())
    await azure.set_topic_mode("ok")
    await publisher.send(notice())

    assert caught.value.status_code == 500
    assert len(azure.topic_events) == 1


async def test_a_topic_that_hangs_until_told_otherwise(
    azure: SimulatedAzure, publisher: EventGridPublisherClient
) -> None:
    await azure.set_topic_mode("hang")
    sending: asyncio.Future[None] = asyncio.ensure_future(publisher.send(notice()))
    done, _ = await asyncio.wait({sending}, timeout=0.1)
    await azure.set_topic_mode("ok")
    await sending

    assert not done
    assert len(azure.topic_events) == 1


async def test_a_slow_topic_answers_all_the_same() -> None:
    async with (
        SimulatedAzure(slow_seconds=0.05) as azure,
        EventGridPublisherClient(azure.topic_url(), AzureSasCredential("any")) as client,
    ):
        await azure.set_topic_mode("slow")
        await client.send(notice())

        assert len(azure.topic_events) == 1


async def test_an_unknown_mode_is_named(azure: SimulatedAzure) -> None:
    unknown: Any = "broken"
    with pytest.raises(ValueError, match="'broken'; expected one of ok, fail, hang, slow"):
        await azure.set_topic_mode(unknown)


GOOD = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0"}


@pytest.mark.parametrize(
    ("content_type", "query", "body", "problem"),
    [
        ("application/cloudevents+json", "", GOOD, "api-version"),
        ("application/json", "?api-version=2018-01-01", [GOOD], "content type"),
        ("application/cloudevents-batch+json", "?api-version=2018-01-01", GOOD, "array"),
        ("application/cloudevents+json", "?api-version=2018-01-01", {"id": "1"}, "needs id"),
        ("application/cloudevents+json", "?api-version=2018-01-01", {**GOOD, "specversion": "0.3"}, "'0.3'"),
    ],
)
async def test_what_is_no_cloud_event_is_refused(
    azure: SimulatedAzure,
    http: aiohttp.ClientSession,
    content_type: str,
    query: str,
    body: object,
    problem: str,
) -> None:
    headers = {"Content-Type": content_type}
    async with http.post(azure.topic_url() + query, json=body, headers=headers) as response:
        answer = await response.json()

    assert response.status == 400
    assert problem in answer["error"]["message"]
    assert azure.topic_events == []
