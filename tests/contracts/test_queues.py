"""The contract of port `Queue`, in memory and in Queue Storage, for each of the two kinds of messages."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.azurite import Azurite
from shared.adapters import queues
from shared.adapters.memory import MemoryQueue
from shared.adapters.queues import StorageQueue
from shared.ports import PortError, Refused, Unavailable
from shared.ports import Queue as QueuePort
from tests.contracts.canned import Answer, canned_service, said
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import NOON, minutes, new_vm
from tests.contracts.kinds import KINDS, Kind
from tests.eventually import eventually

VM = new_vm("web-1", "rg-日本", "00000000-0000-4000-8000-000000000001")
ID = str(VM)


PUT = """<QueueMessagesList><QueueMessage><MessageId>1</MessageId><PopReceipt>2</PopReceipt>
<InsertionTime>Sat, 21 Nov 2026 12:00:00 GMT</InsertionTime>
<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime>
<TimeNextVisible>Sat, 21 Nov 2026 12:00:00 GMT</TimeNextVisible></QueueMessage></QueueMessagesList>"""
"""What Azure answers to a put."""


@dataclass
class Queue:
    port: QueuePort[Any]
    take: Callable[[], Awaitable[list[Any]]]
    """Take what is due now off the queue."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.queue)
def kind(request: pytest.FixtureRequest) -> Kind:
    of: Kind = request.param
    return of


@pytest.fixture
async def stored(
    azurite: Azurite, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StorageQueue[Any]]:
    """A queue of the test's own, which is not there yet."""
    monkeypatch.setattr(queues, kind.named_by, f"{kind.queue}-{uuid4()}")
    queue = kind.open(azurite.connection_string, None, NOBODY)
    yield queue
    await queue.close()


@pytest.fixture
async def client(azurite: Azurite, stored: StorageQueue[Any]) -> AsyncIterator[QueueClient]:
    """Another reader of that queue, which leaves messages as they are."""
    async with QueueClient.from_connection_string(
        azurite.connection_string, stored._queue.queue_name
    ) as client:
        yield client


@pytest.fixture
async def poison(azurite: Azurite, stored: StorageQueue[Any]) -> AsyncIterator[QueueClient]:
    """Where the host puts what it gave up on. It is not there yet."""
    async with QueueClient.from_connection_string(
        azurite.connection_string, f"{stored._queue.queue_name}-poison"
    ) as client:
        yield client


@pytest.fixture(params=["memory", "storage"])
def queue(request: pytest.FixtureRequest, kind: Kind) -> Queue:
    if request.param == "memory":
        memory = MemoryQueue[Any](lambda: NOON)

        async def due() -> list[Any]:
            return memory.due(NOON)

        return Queue(memory, due)

    stored: StorageQueue[Any] = request.getfixturevalue("stored")
    client: QueueClient = request.getfixturevalue("client")

    async def receive() -> list[Any]:
        return [kind.read(b64decode(message.content)) async for message in client.receive_messages()]

    return Queue(stored, receive)


async def test_a_message_without_delay_is_there_at_once(queue: Queue, kind: Kind) -> None:
    messages = [kind.made(VM, minutes(3)), kind.made(new_vm(), NOON)]
    for message in messages:
        await queue.port.put(message, timedelta())
    taken = await queue.take()
    assert sorted(taken, key=lambda each: getattr(each, kind.time), reverse=True) == messages
    assert await queue.take() == []


async def test_a_message_comes_no_earlier_than_its_delay(queue: Queue, kind: Kind) -> None:
    await queue.port.put(kind.made(VM, NOON), timedelta(hours=1))
    assert await queue.take() == []


async def test_a_delay_below_zero_is_none(queue: Queue, kind: Kind) -> None:
    await queue.port.put(kind.made(VM, NOON), timedelta(minutes=-1))
    assert await queue.take() == [kind.made(VM, NOON)]


async def test_the_same_may_be_asked_for_twice(queue: Queue, kind: Kind) -> None:
    for _ in range(2):
        await queue.port.put(kind.made(VM, NOON), timedelta())
    assert await queue.take() == [kind.made(VM, NOON)] * 2


async def test_a_queue_that_works_passes_its_check(queue: Queue, kind: Kind) -> None:
    await queue.port.check()
    await queue.port.put(kind.made(VM, NOON), timedelta())
    await queue.port.check()
    assert await queue.take() == [kind.made(VM, NOON)]


async def test_a_queue_of_which_nothing_was_given_up_has_no_poison(queue: Queue, kind: Kind) -> None:
    assert await queue.port.poisoned() == 0
    await queue.port.put(kind.made(VM, NOON), timedelta())
    assert await queue.port.poisoned() == 0


async def test_nothing_is_due_in_a_queue_that_is_not_there_or_empty(queue: Queue, kind: Kind) -> None:
    assert await queue.port.oldest() is None
    await queue.port.put(kind.made(VM, NOON), timedelta())
    await queue.take()
    assert await queue.port.oldest() is None, "somebody is at work on it"


async def test_what_is_hidden_is_not_due(queue: Queue, kind: Kind) -> None:
    await queue.port.put(kind.made(VM, NOON), timedelta(hours=1))
    assert await queue.port.oldest() is None


class TestInMemory:
    async def test_the_oldest_is_due_since_its_delay_was_over(self, kind: Kind) -> None:
        now = NOON
        queue = MemoryQueue[Any](lambda: now)
        for number in (2, 1, 3):
            await queue.put(kind.made(VM, NOON), timedelta(minutes=number))
        now = minutes(9)
        assert await queue.oldest() == minutes(1)
        queue.due(minutes(2))
        assert await queue.oldest() == minutes(3)

    async def test_messages_become_due_in_the_order_of_their_time(self, kind: Kind) -> None:
        queue = MemoryQueue[Any](lambda: NOON)
        for number in (2, 1, 3):
            await queue.put(kind.made(VM, minutes(number)), timedelta(minutes=number))
        assert queue.next_at == minutes(1)
        assert queue.due(minutes(2)) == [kind.made(VM, minutes(1)), kind.made(VM, minutes(2))]
        assert queue.due(minutes(9)) == [kind.made(VM, minutes(3))]
        assert queue.next_at is None

    async def test_messages_come_early_like_those_in_storage(self, kind: Kind) -> None:
        queue = MemoryQueue[Any](lambda: NOON)
        await queue.put(kind.made(VM, NOON + timedelta(days=30)), timedelta(days=30))
        assert queue.next_at == NOON + queues.LONGEST_DELAY


class TestInStorage:
    async def test_a_message_is_base64_and_does_not_expire(
        self, stored: StorageQueue[Any], client: QueueClient, kind: Kind
    ) -> None:
        await stored.put(kind.made(VM, NOON.astimezone(timezone(timedelta(hours=2)))), timedelta())

        message = await client.receive_message()

        assert message
        assert json.loads(b64decode(message.content)) == {"vm": ID, kind.time: "2026-11-21T12:00:00Z"}
        assert message.expires_on
        assert message.expires_on.year == 9999

    async def test_a_delayed_message_waits_in_the_queue(
        self, stored: StorageQueue[Any], client: QueueClient, kind: Kind
    ) -> None:
        await stored.put(kind.made(VM, NOON), timedelta(days=30))
        assert await client.receive_message() is None
        assert (await client.get_queue_properties()).approximate_message_count == 1

    async def test_a_message_is_due_since_its_delay_was_over_and_not_since_it_was_put(
        self, stored: StorageQueue[Any], client: QueueClient, kind: Kind
    ) -> None:
        await stored.put(kind.made(VM, NOON), timedelta(seconds=1.5))
        put_at = await inserted_at(client)

        async def oldest() -> datetime | None:
            return await stored.oldest()

        assert await eventually(oldest) == put_at + timedelta(seconds=2)
        # It is due for as long when a delivery has failed, and says so again and again: a look takes nothing off.
        assert await client.receive_message(visibility_timeout=1)
        assert await eventually(oldest) == put_at + timedelta(seconds=2)

    @pytest.mark.parametrize("text", ["not base64!", "bm9uc2Vuc2U=", "eyJoaWRkZW4iOiAtN30=", "//79"])
    async def test_a_message_of_others_is_due_since_it_was_put(
        self, stored: StorageQueue[Any], client: QueueClient, text: str
    ) -> None:
        await client.create_queue()
        await client.send_message(text)
        assert await stored.oldest() == await inserted_at(client)

    async def test_of_many_the_oldest_is_told(
        self, stored: StorageQueue[Any], client: QueueClient, kind: Kind
    ) -> None:
        for _ in range(40):
            await stored.put(kind.made(VM, NOON), timedelta())
        first, *_ = await client.peek_messages(max_messages=1)
        assert await stored.oldest() == first.inserted_on

    async def test_an_age_that_is_refused_is_an_error_and_not_none(self, kind: Kind) -> None:
        async with canned_service() as service:
            service.answer(no_queue("AuthorizationPermissionMismatch", 403))
            account = f"AccountName=shop;AccountKey=c2VjcmV0;QueueEndpoint={service.url}/shop"
            queue = kind.open(account, None, NOBODY)
            with pytest.raises(Refused, match=f"^queue {kind.queue}, peek: HTTP 403"):
                await queue.oldest()
            await queue.close()
        (asked,) = service.requests
        assert asked.query == {"peekonly": "true", "numofmessages": "32"}

    async def test_a_message_without_its_time_is_an_error(self, kind: Kind) -> None:
        body = "<QueueMessagesList><QueueMessage><MessageId>1</MessageId></QueueMessage></QueueMessagesList>"
        async with canned_service() as service:
            service.answer(said(200, body, content_type="application/xml"))
            account = f"AccountName=shop;AccountKey=c2VjcmV0;QueueEndpoint={service.url}/shop"
            queue = kind.open(account, None, NOBODY)
            with pytest.raises(PortError, match="without the time that it was put"):
                await queue.oldest()
            await queue.close()

    @pytest.mark.parametrize("given_up", [0, 1, 40])
    async def test_what_the_host_gave_up_on_is_counted(
        self, stored: StorageQueue[Any], poison: QueueClient, given_up: int
    ) -> None:
        await poison.create_queue()
        for number in range(given_up):
            await poison.send_message(f"poison {number}", visibility_timeout=60 * (number % 2))
        assert await stored.poisoned() == given_up

    async def test_what_is_poison_to_another_queue_is_not_counted(
        self, azurite: Azurite, stored: StorageQueue[Any], poison: QueueClient, kind: Kind
    ) -> None:
        await poison.create_queue()
        await poison.send_message("poison")
        (other,) = (each for each in KINDS if each is not kind)
        elsewhere = other.open(azurite.connection_string, None, NOBODY)
        assert (await stored.poisoned(), await elsewhere.poisoned()) == (1, 0)
        await elsewhere.close()

    @pytest.mark.parametrize(
        ("status", "code"), [(403, "AuthorizationPermissionMismatch"), (404, "AccountNotFound")]
    )
    async def test_a_count_that_is_refused_is_an_error_and_not_none(
        self, kind: Kind, status: int, code: str
    ) -> None:
        async with canned_service() as service:
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>"
            service.answer(said(status, body, {"x-ms-error-code": code}, "application/xml"))
            queue = kind.open(
                f"AccountName=shop;AccountKey=c2VjcmV0;QueueEndpoint={service.url}/shop", None, NOBODY
            )
            with pytest.raises(Refused, match=f"^queue {kind.queue}-poison, count: HTTP {status} {code}"):
                await queue.poisoned()
            await queue.close()
        (asked,) = service.requests
        assert (asked.method, asked.path) == ("GET", f"/shop/{kind.queue}-poison")


async def inserted_at(client: QueueClient) -> datetime:
    """When the queue got its one message, hidden or not: the message is put back as it was."""

    async def received() -> QueueMessage | None:
        return await client.receive_message(visibility_timeout=1)

    message = await eventually(received)
    assert message
    assert message.inserted_on
    await client.update_message(message, visibility_timeout=0)
    return message.inserted_on


def no_queue(code: str, status: int) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>It is {code}.</Message></Error>"
    return said(status, f"\ufeff{body}", content_type="application/xml")


NOT_THERE = no_queue("QueueNotFound", 404)
DONE = said(201, PUT, content_type="application/xml")


class TestMaking:
    """A queue is made when a first message is put into it."""

    async def put(self, kind: Kind, *answers: Answer) -> list[str]:
        """What is asked of a storage account that answers so; its last answer is given to all that follows."""
        async with canned_service() as service:
            service.answer(*answers)
            account = f"AccountName=shop;AccountKey=c2VjcmV0;QueueEndpoint={service.url}/shop"
            queue = kind.open(account, None, NOBODY)
            try:
                await queue.put(kind.made(VM, NOON), timedelta())
            finally:
                await queue.close()
        return [
            f"{asked.method} {asked.path.removeprefix(f'/shop/{kind.queue}')}" for asked in service.requests
        ]

    @pytest.mark.parametrize("made", [said(201), said(204), no_queue("QueueAlreadyExists", 409)])
    async def test_whether_it_is_made_by_us_or_by_others(self, kind: Kind, made: Answer) -> None:
        asked = await self.put(kind, NOT_THERE, made, DONE)
        assert asked == ["POST /messages", "PUT ", "POST /messages"]

    @pytest.mark.parametrize(
        ("made", "fault"),
        [
            (no_queue("QueueBeingDeleted", 409), Unavailable),
            (no_queue("AuthorizationPermissionMismatch", 403), Refused),
        ],
    )
    async def test_one_that_cannot_be_made(self, kind: Kind, made: Answer, fault: type[PortError]) -> None:
        with pytest.raises(fault, match=f"^queue {kind.queue}, .*: HTTP 4"):
            await self.put(kind, NOT_THERE, made)

    async def test_one_that_is_not_there_even_then(self, kind: Kind) -> None:
        with pytest.raises(Refused, match="404 QueueNotFound It is QueueNotFound"):
            await self.put(kind, NOT_THERE, said(201), NOT_THERE)


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
async def test_the_delay_is_sent_in_whole_seconds_rounded_up(
    kind: Kind, delay: timedelta, hidden: int
) -> None:
    async with canned_service() as service:
        service.answer(said(201, PUT, content_type="application/xml"))
        account = f"AccountName=shop;AccountKey=c2VjcmV0;QueueEndpoint={service.url}/shop"
        queue = kind.open(account, None, NOBODY)
        await queue.put(kind.made(VM, NOON), delay)
        await queue.close()
    [asked] = service.requests
    assert asked.path == f"/shop/{kind.queue}/messages"
    assert asked.query == {"visibilitytimeout": str(hidden), "messagettl": "-1"}


async def test_the_emulator_and_an_account_are_found(kind: Kind) -> None:
    emulator = kind.open("UseDevelopmentStorage=true", None, NOBODY)
    assert emulator._queue.url == f"http://127.0.0.1:10001/devstoreaccount1/{kind.queue}"
    account = kind.open("AccountName=shop;AccountKey=c2VjcmV0", None, NOBODY)
    assert account._queue.url == f"https://shop.queue.core.windows.net/{kind.queue}"


@pytest.mark.parametrize("text", ["nonsense", "AccountName=;x"])
async def test_what_is_no_connection_string_is_a_value_error(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)connection string"):
        kind.open(text, None, NOBODY)
