"""What travels on queue `sweeps`, and that it does."""

import json
from base64 import b64decode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from azure.storage.queue.aio import QueueClient
from hypothesis import given
from hypothesis import strategies as st

from local.azurite import Azurite
from shared.adapters import queues
from shared.adapters.queues import open_sweeps
from shared.domain.malformed import Malformed
from shared.messages import read_sweep, write_sweep
from shared.ports import Sweep
from tests import strategies
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import NOON

ID = "00000000-0000-4000-8000-00000000000a"


async def test_a_sweep_waits_in_the_queue_and_is_told_from_another_by_its_subscription(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "SWEEPS", f"sweeps-{uuid4()}")
    sweeps = open_sweeps(azurite.connection_string, None, NOBODY)
    asked = [Sweep(str(uuid4()), NOON), Sweep(str(uuid4()), NOON, again=True)]
    for each in asked:
        await sweeps.put(each, timedelta())
    await sweeps.put(asked[0], timedelta(hours=1))
    async with QueueClient.from_connection_string(
        azurite.connection_string, sweeps._queue.queue_name
    ) as client:
        taken = [read_sweep(b64decode(message.content)) async for message in client.receive_messages()]
    await sweeps.close()
    assert sorted(taken, key=asked.index) == asked


@given(subscription=strategies.subscriptions, at=strategies.times, again=st.booleans())
def test_any_sweep_survives_the_journey(subscription: str, at: datetime, again: bool) -> None:
    sweep = Sweep(subscription, at, again)
    assert read_sweep(write_sweep(sweep)) == sweep


@pytest.mark.parametrize(
    "message",
    [
        f'{{"subscription": "{ID}", "asked_at": "2026-11-21T12:00:00Z"}}',
        f'{{"asked_at": "2026-11-21T14:00:00+02:00", "subscription": "{ID.upper()}", "why": {{"a": []}}}}',
    ],
)
def test_a_message_of_an_older_or_a_newer_version_is_read(message: str) -> None:
    sweep = read_sweep(message)
    assert sweep == Sweep(ID, NOON)
    assert sweep.asked_at.tzinfo is UTC


def test_a_first_message_says_no_more_than_it_has_to() -> None:
    assert json.loads(write_sweep(Sweep(ID, NOON))) == {
        "subscription": ID,
        "asked_at": "2026-11-21T12:00:00Z",
    }


@pytest.mark.parametrize(
    "message",
    [
        "",
        "null",
        "[]",
        "{}",
        f'{{"subscription": "{ID}"}}',
        '{"subscription": "production", "asked_at": "2026-11-21T12:00:00Z"}',
        f'{{"subscription": "{ID}", "asked_at": "2026-11-21T12:00:00"}}',
        f'{{"subscription": "{ID}", "asked_at": "2026-11-21T12:00:00Z", "again": "yes"}}',
        f'{{"subscription": "{ID}", "asked_at": "0001-01-01T00:00:00+14:00"}}',
        b"\xff\xfe",
    ],
)
def test_what_asks_for_no_sweep_is_malformed(message: str | bytes) -> None:
    with pytest.raises(Malformed, match="expected") as caught:
        read_sweep(message)
    assert "\n" not in str(caught.value)


@given(message=st.text() | st.binary())
def test_anything_is_a_sweep_or_malformed(message: str | bytes) -> None:
    with suppress(Malformed):
        read_sweep(message)
