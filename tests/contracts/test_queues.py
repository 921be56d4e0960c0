"""The contract of port `Looks`, in memory and in Queue Storage, and the message that travels."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from azure.storage.queue.aio import QueueClient
from hypothesis import given
from hypothesis import strategies as st

from local.azurite import Azurite
from shared.adapters import queues
from shared.adapters.memory import MemoryQueue
from shared.adapters.queues import StorageQueue, open_looks
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.messages import read_look, write_look
from shared.ports import Look
from shared.ports import Queue as QueuePort
from tests import strategies
from tests.contracts.canned import canned_service, said
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import NOON, minutes, new_vm

VM = new_vm("web-1", "rg-日本", "00000000-0000-4000-8000-000000000001")
ID = str(VM)


PUT = """<QueueMessagesList><QueueMessage><MessageId>1</MessageId><PopReceipt>2</PopReceipt>
<InsertionTime>Sat, 21 Nov 2026 12:00:00 GMT</InsertionTime>
<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime>
<TimeNextVisible>Sat, 21 Nov 2026 12:00:00 GMT</TimeNextVisible></QueueMessage></QueueMessagesList>"""
"""What Azure answers to a put."""


@dataclass
class Queue:
    looks: QueuePort[Look]
    take: Callable[[], Awaitable[list[Look]]]
    """Take what is due now off the queue."""


@pytest.fixture
async def queue_looks(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StorageQueue[Look]]:
    """On a queue of the test's own, which is not there yet."""
    monkeypatch.setattr(queues, "LOOKS", f"looks-{uuid4()}")
    looks = open_looks(azurite.connection_string, None, NOBODY)
    yield looks
    await looks.close()


@pytest.fixture
async def client(azurite: Azurite, queue_looks: StorageQueue[Look]) -> AsyncIterator[QueueClient]:
    """Another reader of that queue, which leaves messages as they are."""
    async with QueueClient.from_connection_string(
        azurite.connection_string, queue_looks._queue.queue_name
    ) as client:
        yield client


@pytest.fixture(params=["memory", "queue"])
def queue(request: pytest.FixtureRequest) -> Queue:
    if request.param == "memory":
        memory = MemoryQueue[Look](lambda: NOON)

        async def due() -> list[Look]:
            return memory.due(NOON)

        return Queue(memory, due)

    looks: StorageQueue[Look] = request.getfixturevalue("queue_looks")
    client: QueueClient = request.getfixturevalue("client")

    async def receive() -> list[Look]:
        return [read_look(b64decode(message.content)) async for message in client.receive_messages()]

    return Queue(looks, receive)


async def test_a_look_without_delay_is_there_at_once(queue: Queue) -> None:
    looks = [Look(VM, minutes(3)), Look(new_vm(), NOON)]
    for look in looks:
        await queue.looks.put(look, timedelta())
    taken = await queue.take()
    assert sorted(taken, key=lambda look: look.at, reverse=True) == looks
    assert await queue.take() == []


async def test_a_look_comes_no_earlier_than_its_delay(queue: Queue) -> None:
    await queue.looks.put(Look(VM, NOON), timedelta(hours=1))
    assert await queue.take() == []


async def test_a_delay_below_zero_is_none(queue: Queue) -> None:
    await queue.looks.put(Look(VM, NOON), timedelta(minutes=-1))
    assert await queue.take() == [Look(VM, NOON)]


async def test_the_same_look_may_be_asked_for_twice(queue: Queue) -> None:
    for _ in range(2):
        await queue.looks.put(Look(VM, NOON), timedelta())
    assert await queue.take() == [Look(VM, NOON)] * 2


async def test_a_queue_that_works_passes_its_check(queue: Queue) -> None:
    await queue.looks.check()
    await queue.looks.put(Look(VM, NOON), timedelta())
    await queue.looks.check()
    assert await queue.take() == [Look(VM, NOON)]


async def test_looks_in_memory_become_due_in_the_order_of_their_time() -> None:
    looks = MemoryQueue[Look](lambda: NOON)
    for number in (2, 1, 3):
        await looks.put(Look(VM, minutes(number)), timedelta(minutes=number))
    assert looks.next_at == minutes(1)
    assert [look.at for look in looks.due(minutes(2))] == [minutes(1), minutes(2)]
    assert [look.at for look in looks.due(minutes(9))] == [minutes(3)]
    assert looks.next_at is None


async def test_looks_in_memory_come_early_like_those_in_the_queue() -> None:
    looks = MemoryQueue[Look](lambda: NOON)
    await looks.put(Look(VM, NOON + timedelta(days=30)), timedelta(days=30))
    assert looks.next_at == NOON + queues.LONGEST_DELAY


async def test_a_message_is_base64_and_does_not_expire(
    queue_looks: StorageQueue[Look], client: QueueClient
) -> None:
    await queue_looks.put(Look(VM, NOON.astimezone(timezone(timedelta(hours=2)))), timedelta())

    message = await client.receive_message()

    assert message
    assert json.loads(b64decode(message.content)) == {"vm": ID, "at": "2026-11-21T12:00:00Z"}
    assert message.expires_on
    assert message.expires_on.year == 9999


async def test_a_delayed_message_waits_in_the_queue(
    queue_looks: StorageQueue[Look], client: QueueClient
) -> None:
    await queue_looks.put(Look(VM, NOON), timedelta(days=30))
    assert await client.receive_message() is None
    assert (await client.get_queue_properties()).approximate_message_count == 1


@pytest.mark.parametrize(
    ("delay", "hidden"),
    [
        (timedelta(days=-1), 0),
        (timedelta(), 0),
        (timedelta(microseconds=1), 1),
        (timedelta(seconds=1.5), 2),
        (timedelta(minutes=15), 900),
        (timedelta(days=6), 518_400),
        (timedelta(days=6, seconds=1), 518_400),
        (timedelta.max, 518_400),
    ],
)
async def test_the_delay_is_sent_in_whole_seconds_rounded_up(delay: timedelta, hidden: int) -> None:
    async with canned_service() as service:
        service.answer(said(201, PUT, content_type="application/xml"))
        account = f"AccountName=shop;AccountKey=c2VjcmV0;QueueEndpoint={service.url}/shop"
        looks = open_looks(account, None, NOBODY)
        await looks.put(Look(VM, NOON), delay)
        await looks.close()
    [asked] = service.requests
    assert asked.query == {"visibilitytimeout": str(hidden), "messagettl": "-1"}


@given(vm=strategies.vm_ids, at=strategies.times)
def test_any_look_survives_the_journey(vm: VmId, at: datetime) -> None:
    assert read_look(write_look(Look(vm, at))) == Look(vm, at)


@pytest.mark.parametrize(
    "message",
    [
        f'{{"vm": "{ID}", "at": "2026-11-21T12:00:00Z"}}',
        f'{{"at": "2026-11-21T14:00:00+02:00", "vm": "{ID.upper()}/", "attempt": 2, "why": {{"a": []}}}}',
        f'{{"vm": "{ID}", "at": "2026-11-21T12:00:00Z"}}'.encode(),
    ],
)
def test_a_message_is_read_with_what_else_is_in_it_left_alone(message: str | bytes) -> None:
    look = read_look(message)
    assert look == Look(VM, NOON)
    assert look.at.tzinfo is UTC


@pytest.mark.parametrize(
    "message",
    [
        "",
        "looks",
        "null",
        "[]",
        '"text"',
        "{}",
        f'{{"vm": "{ID}"}}',
        '{"at": "2026-11-21T12:00:00Z"}',
        f'{{"vm": "{ID}", "at": "2026-11-21T12:00:00"}}',
        f'{{"vm": "{ID}", "at": "soon"}}',
        f'{{"vm": "{ID}", "at": 1795262400}}',
        f'{{"vm": "{ID}", "at": null}}',
        f'{{"vm": "{ID}", "at": "0001-01-01T00:00:00+14:00"}}',
        '{"vm": "web-1", "at": "2026-11-21T12:00:00Z"}',
        '{"vm": 5, "at": "2026-11-21T12:00:00Z"}',
        f'{{"vm": "{ID}/extensions/agent", "at": "2026-11-21T12:00:00Z"}}',
        f'{{"vm": "{ID.replace("00000000-", "")}", "at": "2026-11-21T12:00:00Z"}}',
        f'{{"vm": "{ID}", "at": "2026-11-21T12:00:00Z", "deep": {"[" * 30_000}',
        b"\xff\xfe",
        "\ud800",
    ],
)
def test_what_asks_for_no_look_is_malformed(message: str | bytes) -> None:
    with pytest.raises(Malformed, match="expected") as caught:
        read_look(message)
    assert "\n" not in str(caught.value)


@given(message=st.text() | st.binary())
def test_anything_is_a_look_or_malformed(message: str | bytes) -> None:
    with suppress(Malformed):
        read_look(message)


async def test_the_emulator_and_an_account_are_found() -> None:
    emulator = open_looks("UseDevelopmentStorage=true", None, NOBODY)
    assert emulator._queue.url == "http://127.0.0.1:10001/devstoreaccount1/looks"
    account = open_looks("AccountName=shop;AccountKey=c2VjcmV0", None, NOBODY)
    assert account._queue.url == "https://shop.queue.core.windows.net/looks"


@pytest.mark.parametrize("text", ["nonsense", "AccountName=;x"])
async def test_what_is_no_connection_string_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)connection string"):
        open_looks(text, None, NOBODY)
