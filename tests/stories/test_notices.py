"""What those who are told of a VM get to know, and what keeps nobody from being told."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from copy import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from local.azure.server import SimulatedAzure
from shared import costs as costs_module
from shared.adapters.memory import MemoryPrices
from shared.adapters.webhook import WebhookNotices
from shared.domain.malformed import Malformed
from shared.domain.money import Amount, Rates
from shared.domain.noticing import FIRST_RESEND, MOST_SENDS
from shared.domain.observations import Model, Observation
from shared.domain.policy import Channel, Policy
from shared.domain.telling import Telling
from shared.ports import Query, Unavailable
from shared.requests import Requests
from shared.web import api
from tests.eventually import eventually
from tests.stories.world import SUBSCRIPTION, WEB, World

GRACE = timedelta(minutes=15)
PLACE = ("westeurope", "Standard_D2s_v5")


async def left_stopped(prices: MemoryPrices) -> World:
    """A VM with a size and a region that was powered off at noon, and flagged after its grace."""
    world = World(prices=prices)
    put(world, "stopped")
    await world.tell()
    await world.wait(GRACE)
    return world


def put(world: World, power: str) -> None:
    world.put(power)
    seen = world.vms.vms[WEB]
    assert isinstance(seen, Observation)
    model = Model(uid="uid-1", location=PLACE[0], size=PLACE[1], os_type="Linux")
    world.vms.vms[WEB] = replace(seen, model=model)


async def test_the_owner_is_told_what_it_costs() -> None:
    world = await left_stopped(MemoryPrices({PLACE: Rates("USD", 0.2)}))
    (told,) = world.notices.told
    assert told.cost
    assert told.cost.hourly == Amount("USD", 0.2, 0.2)
    assert told.cost.so_far == Amount("USD", 0.05, 0.05)


async def test_a_vm_that_is_not_stopped_any_more_has_no_cost_and_its_price_is_not_asked_for() -> None:
    world = await left_stopped(MemoryPrices({PLACE: Rates("USD", 0.2)}))
    put(world, "running")
    await world.tell("start/action")
    assert world.told() == ["left_stopped", "flag_cleared"]
    assert world.notices.told[-1].cost is None
    assert world.prices.asked == {PLACE: 1}


@pytest.mark.parametrize(
    "fault",
    [Unavailable("price list: HTTP 503"), Malformed("price list: no JSON"), ZeroDivisionError("a bug")],
)
async def test_a_price_that_is_not_to_be_had_keeps_nobody_from_being_told(
    caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    with caplog.at_level(logging.WARNING):
        world = await left_stopped(MemoryPrices({PLACE: fault}))
    (told,) = world.notices.told
    assert told.cost is None
    assert str(fault) in caplog.text


async def test_a_price_list_that_hangs_holds_a_notice_up_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(costs_module, "WITHIN", 0.01)

    class Stuck(MemoryPrices):
        async def rates(self, location: str, size: str) -> Rates | None:
            await asyncio.Event().wait()
            return await super().rates(location, size)

    world = await left_stopped(Stuck())
    assert [told.cost for told in world.notices.told] == [None]
    assert "not within 0.01 s" in caplog.text


class Chat(WebhookNotices):
    """A real webhook, which remembers when it was tried."""

    def __init__(self, url: str, world: World) -> None:
        super().__init__(url, "https://stopgap.example")
        self.world = world
        self.tried_at = list[datetime]()

    async def send(self, telling: Telling) -> None:
        self.tried_at.append(self.world.now)
        await super().send(telling)


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure() as azure:
        yield azure


@pytest.fixture
def world() -> World:
    return World(policy=Policy(channels=(Channel.TOPIC, Channel.WEBHOOK)))


@pytest.fixture
async def chat(world: World, azure: SimulatedAzure) -> AsyncIterator[Chat]:
    chat = Chat(azure.webhook_url("slack"), world)
    world.watch.notices = {Channel.TOPIC: world.notices, Channel.WEBHOOK: chat}
    yield chat
    await chat.close()


async def test_a_dead_webhook_delays_nobody_else_and_is_given_up_in_the_end(
    world: World, azure: SimulatedAzure, chat: Chat
) -> None:
    await azure.set_webhook_mode("fail")
    put(world, "stopped")
    await world.tell()
    await world.wait(GRACE)
    assert world.told() == ["left_stopped"], "the topic has it at once"
    record = await world.record()
    assert record.flag
    assert record.flag.notified_at == world.now
    (unsent,) = record.outbox
    assert (unsent.channel, unsent.attempts, unsent.parked) == (Channel.WEBHOOK, 1, False)
    assert "HTTP 500 'rollup_error'" in str(unsent.fault)

    assert await world.noticed() == [("notice_sent", "“left stopped” to the topic")]

    await world.wait(timedelta(days=1))
    pauses = [later - earlier for earlier, later in pairwise(chat.tried_at)]
    assert len(chat.tried_at) == MOST_SENDS
    assert pauses[:4] == [timedelta(seconds=30 * 2**tried) for tried in range(4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)
    assert world.told() == ["left_stopped"]
    (*_, (what, text)) = told = await world.noticed()
    assert (len(told), what) == (2, "notice_given_up")
    assert text.startswith("“left stopped” to the webhook, after 12 attempts (")
    assert "HTTP 500 'rollup_error'" in text
    (parked,) = (await world.ledger.page(Query((SUBSCRIPTION,), parked=True))).records
    body = json.loads(api.vm(parked, await world.ledger.history(WEB, 1), None, [None]))
    (shown,) = body["unsent"]
    assert shown.pop("fault").endswith("HTTP 500 'rollup_error'")
    assert shown == {
        "kind": "left_stopped",
        "channel": "webhook",
        "attempts": MOST_SENDS,
        "parked": True,
        "try_at": None,
    }

    await azure.set_webhook_mode("ok")
    await world.wait(timedelta(days=1))
    assert azure.webhook_messages == [], "given up is given up"
    await Requests(world.watch).look(WEB, "ada")
    assert [each.body["text"] for each in azure.webhook_messages] == [
        "🟠 Left Stopped, still billed: web-1"
    ], "until a person asks for a look"
    assert (await world.noticed())[2:] == [("notice_sent", "“left stopped” to the webhook")]
    assert (await world.record()).outbox == ()


@pytest.mark.usefixtures("chat")
async def test_what_channels_take_at_one_time_is_a_line_for_each(world: World) -> None:
    put(world, "stopped")
    await world.tell()
    await world.wait(GRACE)
    put(world, "running")
    await world.tell("start/action")
    lines = Counter(await world.noticed())
    assert lines == {
        ("notice_sent", f"“{kind}” to the {channel}"): 1
        for kind in ("left stopped", "flag cleared")
        for channel in ("topic", "webhook")
    }
    assert world.watch.counts["notice_sent"] == 4


async def test_a_notice_that_was_sent_by_two_instances_is_told_of_once() -> None:
    world = await left_stopped(MemoryPrices())
    (telling,) = world.notices.told
    world.now += timedelta(seconds=1)
    await world.watch._send(telling)
    assert len(world.notices.told) == 2
    assert await world.noticed() == [("notice_sent", "“left stopped” to the topic")]


async def test_a_webhook_that_hangs_keeps_neither_record_nor_topic_waiting(
    world: World, azure: SimulatedAzure, chat: Chat
) -> None:
    await azure.set_webhook_mode("hang")
    put(world, "stopped")
    await world.tell()
    world.now += GRACE
    delivered = asyncio.create_task(world.deliver())

    async def hangs() -> bool:
        return azure.webhook.waiting > 0 and world.told() == ["left_stopped"]

    await eventually(hangs)
    assert not delivered.done()
    flag = (await world.record()).flag
    assert flag
    assert flag.notified_at == world.now
    assert world.looks.next_at == world.now + FIRST_RESEND, "asked for before, in case this instance dies"
    await azure.set_webhook_mode("ok")
    await delivered
    assert (await world.record()).outbox == ()
    assert len(azure.webhook_messages) == len(chat.tried_at) == 1
