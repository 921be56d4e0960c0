"""What was given up is not lost: poison messages and parked notices are to be seen, and what to do about them."""

from copy import replace
from datetime import UTC, datetime

import pytest
from azure.identity.aio import DefaultAzureCredential
from azure.storage.queue.aio import QueueServiceClient

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from shared.adapters.tables import open_ledger
from shared.domain.ids import parse_vm_id
from shared.domain.policy import Channel
from shared.domain.records import Notice, NoticeKind
from shared.ports import Change
from tests.e2e.town import App, power_off_event
from tests.eventually import eventually


@pytest.mark.parametrize("queue", ["looks", "deallocations", "sweeps"])
async def test_a_poison_message_is_to_be_seen_in_health(app: App, storage: str, queue: str) -> None:
    assert (await app.get("/api/health"))[1]["poison"][f"{queue}-poison"] == 0
    async with QueueServiceClient.from_connection_string(storage) as service:
        await (await service.create_queue(f"{queue}-poison")).send_message("bm9uc2Vuc2U=")
    status, body = await app.get("/api/health")
    assert (status, body["status"]) == (200, "ok")
    assert body["poison"][f"{queue}-poison"] == 1
    assert f"{queue}-poison holds about 1" in body["remarks"]


async def test_a_parked_notice_is_listed_shown_and_sent_once_a_look_is_asked_for(
    app: App, azure: SimulatedAzure, storage: str
) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-given-up", "parked", state="stopped")
    await app.post([power_off_event(vm)])
    await app.flagged(vm)
    await park_a_notice(vm, storage)

    status, body = await app.get("/api/vms?parked=true")
    assert (status, [found["id"] for found in body["vms"]]) == (200, [vm.lower()])
    (unsent,) = (await app.vm(vm))["unsent"]
    assert (unsent["parked"], unsent["fault"]) == (True, "HTTP 410 Gone")
    _, body = await app.get("/api/health")
    assert f"notices given up, of {vm.lower()}: ask for a look to have them sent" in body["remarks"]

    assert (await app.ask(vm, "look"))[0] == 202

    async def sent() -> bool:
        return not (await app.vm(vm))["unsent"]

    assert await eventually(sent)
    assert "parked-1" in [event["id"] for event in azure.topic_events]
    assert (await app.get("/api/vms?parked=true"))[1]["vms"] == []


async def park_a_notice(vm_id: str, storage: str) -> None:
    """What five hours of failures would have left in the ledger."""
    vm = parse_vm_id(vm_id)
    assert vm
    now = datetime.now(UTC)
    notice = Notice(
        NoticeKind.FLAG_CLEARED, "parked-1", now, now, 12, Channel.TOPIC, fault="HTTP 410 Gone", parked=True
    )
    async with DefaultAzureCredential() as credential:
        ledger = open_ledger(storage, None, credential)
        stored = await ledger.latest(vm)
        assert stored
        await ledger.save(Change(replace(stored.record, outbox=(notice,))), stored)
        await ledger.close()


@pytest.mark.parametrize("parked", ["false", "maybe", ""])
async def test_only_those_with_a_parked_notice_can_be_asked_for(app: App, parked: str) -> None:
    status, body = await app.get(f"/api/vms?parked={parked}")
    assert (status, "parked: expected true" in body["detail"]) == (400, True)
