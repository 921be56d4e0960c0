import base64
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.azurite import Azurite
from local.host.process import HostProcess
from tests.eventually import eventually, logged


@pytest.fixture(scope="module")
async def queue(azurite: Azurite, host: HostProcess) -> AsyncIterator[QueueClient]:  # noqa: ARG001 - it makes the queue
    async with QueueClient.from_connection_string(azurite.connection_string, "sample") as client:
        await eventually(lambda: exists(client))
        yield client


async def exists(queue: QueueClient) -> bool:
    """Whether the host has made it: it listens before."""
    with suppress(ResourceNotFoundError):
        await queue.get_queue_properties()
        return True
    return False


@pytest.fixture(scope="module")
async def poison(azurite: Azurite) -> AsyncIterator[QueueClient]:
    async with QueueClient.from_connection_string(azurite.connection_string, "sample-poison") as client:
        yield client


async def send(queue: QueueClient, what: str) -> str:
    """The text of a new message that begins with what the function shall do."""
    text = f"{what} {uuid.uuid4()}"
    await queue.send_message(base64.b64encode(text.encode()).decode())
    return text


async def runs(web: aiohttp.ClientSession, text: str) -> list[dict[str, Any]]:
    """Every time that the function saw this message."""
    async with web.get("/v1/seen") as answer:
        return [seen for seen in (await answer.json())["messages"] if seen["text"] == text]


async def waiting(queue: QueueClient) -> int:
    """How many messages there are, hidden ones included."""
    return (await queue.get_queue_properties()).approximate_message_count or 0


async def take_poison(poison: QueueClient, content: str) -> bool:
    with suppress(ResourceNotFoundError):  # it is made when it is first needed
        async for message in poison.receive_messages():
            if message.content == content:
                await poison.delete_message(message)
                return True
    return False


async def test_messages_are_run_once_and_deleted(web: aiohttp.ClientSession, queue: QueueClient) -> None:
    texts = [await send(queue, "succeed") for _ in range(10)]

    async def is_empty() -> bool:
        return await waiting(queue) == 0

    await eventually(is_empty)
    for text in texts:
        [run] = await runs(web, text)
        assert run.pop("id")
        assert run == {"text": text, "tries": 1, "pop_receipt": True, "in_order": True}


async def test_a_failing_message_is_tried_again_and_then_poison(
    web: aiohttp.ClientSession, queue: QueueClient, poison: QueueClient
) -> None:
    text = await send(queue, "fail")

    async def tried() -> bool:
        return len(await runs(web, text)) == 3

    await eventually(tried)
    content = base64.b64encode(text.encode()).decode()
    await eventually(lambda: take_poison(poison, content))
    assert [run["tries"] for run in await runs(web, text)] == [1, 2, 3]
    assert await waiting(queue) == 0


async def test_a_message_that_cannot_be_decoded_is_poison_too(
    queue: QueueClient, poison: QueueClient, host: HostProcess
) -> None:
    await queue.send_message("not base64!")
    await eventually(lambda: take_poison(poison, "not base64!"))
    assert await logged(host, "is not base64, which messageEncoding of host.json asks for: 'not base64!'")


async def test_a_run_longer_than_the_lease_keeps_its_message(
    web: aiohttp.ClientSession, queue: QueueClient
) -> None:
    text = await send(queue, "slow")

    async def is_done() -> bool:
        return await waiting(queue) == 0

    await eventually(is_done)
    assert [run["tries"] for run in await runs(web, text)] == [1]


async def test_a_message_outlives_the_host(
    azurite: Azurite, sample_app: Path, sample_settings: Mapping[str, str]
) -> None:
    settings = {**sample_settings, "SAMPLE_QUEUE": "outlives"}
    arguments = ["--queue-lease", "2"]
    async with QueueClient.from_connection_string(azurite.connection_string, "outlives") as queue:
        await queue.create_queue()
        text = await send(queue, "hang")
        async with (
            HostProcess(settings, app=sample_app, arguments=arguments) as host,
            aiohttp.ClientSession(host.url) as web,
        ):
            await eventually(lambda: runs(web, text))
            await host.kill()
        async with (
            HostProcess(settings, app=sample_app, arguments=arguments) as host,
            aiohttp.ClientSession(host.url) as web,
        ):
            [run] = await eventually(lambda: runs(web, text))
            assert run["tries"] == 2

            async def is_done() -> bool:
                return await waiting(queue) == 0

            await eventually(is_done)


async def test_an_outage_is_logged_once_and_survived(
    sample_app: Path, sample_settings: Mapping[str, str]
) -> None:
    async with Azurite() as storage:
        ports = (storage.ports["Blob"], storage.ports["Queue"], storage.ports["Table"])
    settings = {**sample_settings, "AzureWebJobsStorage": storage.connection_string}
    async with HostProcess(settings, app=sample_app) as host, aiohttp.ClientSession(host.url) as web:
        await logged(host, "trying until it answers")
        async with (
            Azurite(ports=ports),
            QueueClient.from_connection_string(storage.connection_string, "sample") as queue,
        ):
            await logged(host, "queue sample: answers again")
            text = await send(queue, "succeed")
            await eventually(lambda: runs(web, text))
            assert host.log.count("trying until it answers") == 1
