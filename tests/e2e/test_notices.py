"""Notices to a topic and to a chat at once, from Azure's event to what is read there."""

from collections.abc import AsyncIterator
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azure.webhook import FlavourName
from local.host.process import HostProcess
from shared.adapters.tables import open_ledger
from shared.domain.ids import parse_vm_id
from shared.domain.noticing import MOST_SENDS
from shared.domain.policy import Channel
from shared.ports import Change
from tests.chat.seen import in_slack, in_teams
from tests.contracts.conftest import NOBODY
from tests.e2e.town import App, power_off_event, settings_for
from tests.eventually import eventually

LONG_AGO = timedelta(hours=10)


@pytest.fixture(scope="module")
def flavour(request: pytest.FixtureRequest) -> FlavourName:
    return cast("FlavourName", getattr(request, "param", "slack"))


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure, flavour: FlavourName) -> AsyncIterator[App]:
    """The function app, which tells a topic and a chat."""
    settings = settings_for(storage, azure) | {
        "STOPGAP_WEBHOOK_URL": azure.webhook_url(flavour),
        "WEBSITE_HOSTNAME": "stopgap.example",
    }
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        yield App(host, http)


@pytest.fixture
async def vm(
    azure: SimulatedAzure, flavour: FlavourName, request: pytest.FixtureRequest
) -> AsyncIterator[str]:
    """A VM of the test's own, Stopped for hours."""
    name = f"{request.function.__name__.removeprefix('test_')[:40]}-{flavour}".replace("_", "-")
    since = datetime.now(UTC) - LONG_AGO
    yield azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-chat", name, state="stopped", since=since)
    await azure.set_webhook_mode("ok")
    await azure.set_prices_mode("ok")


def seen(azure: SimulatedAzure, vm: str) -> list[list[str]]:
    """What the chat shows of a VM, message by message."""
    readers = {"slack": in_slack, "teams": in_teams}
    shown = [readers[message.flavour](message.body) for message in azure.webhook_messages]
    name = vm.rpartition("/")[2].lower()
    return [lines for lines in shown if any(name in line for line in lines[:2])]


def published(azure: SimulatedAzure, vm: str) -> list[dict[str, Any]]:
    return [event for event in azure.topic_events if event["subject"] == vm.lower()]


async def told(azure: SimulatedAzure, vm: str, times: int = 1) -> list[list[str]]:
    async def look() -> list[list[str]]:
        shown = seen(azure, vm)
        return shown if len(shown) >= times else []

    return await eventually(look, within=60)


async def unsent(app: App, vm: str) -> dict[str, Any]:
    """The notice that could not be sent, once an attempt is known to have failed."""

    async def look() -> dict[str, Any]:
        notices = (await app.vm(vm)).get("unsent", [])
        return notices[0] if notices and notices[0]["fault"] else {}

    return await eventually(look, within=60)


async def change_notice(storage: str, vm: str, **changes: object) -> None:
    """Play time: change the one notice that waits in the record of a VM."""
    ledger, named = open_ledger(storage, None, NOBODY), parse_vm_id(vm)
    assert named
    stored = await ledger.latest(named)
    assert stored
    (notice,) = stored.record.outbox
    changed = cast("Any", replace)(notice, **changes)
    await ledger.save(Change(replace(stored.record, outbox=(changed,))), stored)
    await ledger.close()


@pytest.mark.parametrize("flavour", ["slack", "teams"], indirect=True)
async def test_people_and_systems_are_told_of_it_and_of_its_end(
    app: App, azure: SimulatedAzure, vm: str
) -> None:
    await app.post([power_off_event(vm, at=datetime.now(UTC) - LONG_AGO)])
    await app.flagged(vm)
    (message,) = await told(azure, vm)
    page = f"https://stopgap.example/api/dashboard/{DEFAULT_SUBSCRIPTION}/rg-chat/{vm.rpartition('/')[2].lower()}"
    assert f"[Deallocate]({page}#deallocate)" in message[-1]
    assert any(line.startswith("State: Stopped since ") for line in message)
    (event,) = published(azure, vm)
    cost = event["data"]["cost"]
    assert cost["so_far"]["lower"] > 0
    assert f"Cost a month: {cost['monthly']['lower']:,.2f} USD" in message

    azure.start(vm)
    await azure.settle()
    await app.post([power_off_event(vm, eventType="Microsoft.Resources.ResourceActionFailure")])
    (_, cleared) = await told(azure, vm, 2)
    assert cleared[0].startswith("🔵 No longer flagged")
    assert [each["type"] for each in published(azure, vm)] == [
        "Stopgap.Vm.LeftStopped",
        "Stopgap.Vm.FlagCleared",
    ]

    async def on_record() -> list[str]:
        lines = [line["text"] for line in (await app.vm(vm))["actions"] if line["what"] == "notice_sent"]
        return lines if len(lines) == 4 else []

    assert sorted(await eventually(on_record)) == [
        "“flag cleared” to the topic",
        "“flag cleared” to the webhook",
        "“left stopped” to the topic",
        "“left stopped” to the webhook",
    ]


async def test_a_price_list_that_is_away_holds_up_no_notice(app: App, azure: SimulatedAzure) -> None:
    await azure.set_prices_mode("hang")
    size = f"Standard_E{len(azure.vms) + 100}s_v9"
    vm = azure.add_vm(
        DEFAULT_SUBSCRIPTION, "rg-chat", f"unpriced-{len(azure.vms)}", state="stopped", size=size
    )
    await app.post([power_off_event(vm)])
    (message,) = await told(azure, vm)
    assert "Cost so far: unknown" in message
    assert published(azure, vm)[0]["data"]["cost"] is None


async def test_a_webhook_that_hangs_delays_neither_ledger_nor_topic(
    app: App, azure: SimulatedAzure, storage: str, vm: str
) -> None:
    await azure.set_webhook_mode("hang")
    await app.post([power_off_event(vm)])

    async def hangs() -> bool:
        return azure.webhook.waiting > 0

    assert await eventually(hangs, within=60)
    flagged = await app.flagged(vm)
    assert flagged["flag"]["notified_at"], "by the topic"
    assert [event["type"] for event in published(azure, vm)] == ["Stopgap.Vm.LeftStopped"]
    waiting = await unsent(app, vm)
    assert (waiting["channel"], waiting["attempts"], waiting["parked"]) == ("webhook", 1, False)
    assert "no answer: Timeout" in waiting["fault"]
    assert datetime.fromisoformat(waiting["try_at"]) > datetime.now(UTC)

    await azure.set_webhook_mode("ok")
    before = len(seen(azure, vm))  # what hung is taken now, though nobody waits for the answer any more
    await change_notice(storage, vm, try_at=datetime.now(UTC))
    await app.post([power_off_event(vm)])
    await told(azure, vm, before + 1)
    assert (await app.vm(vm))["unsent"] == []
    assert len(published(azure, vm)) == 1, "the topic was told once"


async def test_a_webhook_that_stays_away_is_given_up_and_shown(
    app: App, azure: SimulatedAzure, storage: str, vm: str
) -> None:
    await azure.set_webhook_mode("fail")
    await app.post([power_off_event(vm)])
    first = await unsent(app, vm)
    assert (first["attempts"], first["parked"]) == (1, False)

    await change_notice(storage, vm, attempts=MOST_SENDS - 1, try_at=datetime.now(UTC))
    await app.post([power_off_event(vm)])
    last = await unsent(app, vm)
    assert (last["attempts"], last["parked"]) == (MOST_SENDS, False)
    assert datetime.fromisoformat(last["try_at"]) - datetime.now(UTC) > timedelta(minutes=55), "ever later"

    await change_notice(storage, vm, try_at=datetime.now(UTC))
    await app.post([power_off_event(vm)])
    parked = await unsent(app, vm)
    assert parked.pop("fault").startswith("webhook at 127.0.0.1, notice left_stopped:")
    assert parked == {
        "kind": "left_stopped",
        "channel": Channel.WEBHOOK,
        "attempts": MOST_SENDS,
        "parked": True,
        "try_at": None,
    }
    _, health = await app.get("/api/health")
    (remark,) = health["remarks"]
    assert remark.startswith("notices given up, of ")
    assert vm.lower() in remark
    assert seen(azure, vm) == []
    assert len(published(azure, vm)) == 1


async def test_nobody_reads_the_address_of_the_webhook(
    app: App, azure: SimulatedAzure, flavour: FlavourName, vm: str
) -> None:
    await azure.set_webhook_mode("fail")
    await app.post([power_off_event(vm)])
    shown = str(await unsent(app, vm)) + str(await app.get("/api/health")) + app.host.log
    assert "webhook at 127.0.0.1" in shown
    assert azure.webhook_url(flavour).removeprefix(azure.url).partition("?")[0] not in shown
    assert "simulated" not in shown
