"""Towns of their own: storage, a simulated Azure, and the function app set to deallocate, or not."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from azure.storage.queue.aio import QueueClient

from local.azure.arm import LoggedRequest
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from tests.e2e.town import WEBHOOK, App, power_off_event, settings_for
from tests.eventually import eventually

GRACE = WARNING = timedelta(seconds=1)
EVENTS = [f"Microsoft.Resources.Resource{verb}Success" for verb in ("Write", "Action", "Delete")]


@dataclass(frozen=True)
class Town(App):
    """The function app, and what is around it."""

    azure: SimulatedAzure
    storage: str
    settings: Mapping[str, str]

    def left_stopped(self, name: str, tags: Mapping[str, str] | None = None) -> str:
        """The id of a new VM that somebody powers off."""
        vm = self.azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-town", name, tags=dict(tags or {}))
        self.azure.power_off(vm)
        return vm

    def asked_of(self, vm_id: str) -> list[LoggedRequest]:
        """What ARM was asked of a VM."""
        path = vm_id.lower()
        return [each for each in self.azure.requests if f"{each.path}/".lower().startswith(f"{path}/")]

    def posts(self, vm_id: str) -> list[LoggedRequest]:
        """The times that ARM was asked to deallocate it."""
        return [each for each in self.asked_of(vm_id) if each.method == "POST"]

    def told(self, vm_id: str) -> list[dict[str, Any]]:
        """What the topic was told of it."""
        return [event for event in self.azure.topic_events if event["subject"] == vm_id.lower()]

    async def hint(self, vm_id: str, times: int = 1) -> None:
        """An event about it, so many times at once."""
        event = power_off_event(vm_id, eventType="Microsoft.Resources.ResourceActionFailure")
        answers = await asyncio.gather(*(self.post([event]) for _ in range(times)))
        assert {status for status, _ in answers} == {202}, self.host.log

    async def reached(self, vm_id: str, stage: str, *, hinted: bool = False) -> dict[str, Any]:
        """A VM's page once its deallocation has got so far; `hinted`: sooner, by events that make looks."""

        async def look() -> dict[str, Any]:
            if hinted:
                await self.hint(vm_id)
            vm = await self.vm(vm_id)
            return vm if (vm.get("deallocation") or {}).get("stage") == stage else {}

        return await eventually(look, within=60)

    async def past_its_warning(self, vm_id: str) -> dict[str, Any]:
        """The page of a VM that was looked at when it would have been deallocated, had nothing been against it."""

        async def look() -> dict[str, Any]:
            await self.hint(vm_id)
            vm = await self.vm(vm_id)
            if not vm.get("flag") and not vm.get("exemption"):
                return {}
            began = vm["flag"]["flagged_at"] if vm["flag"] else vm["since"]
            late = datetime.now(UTC) > datetime.fromisoformat(began) + 2 * (GRACE + WARNING)
            return vm if late else {}

        return await eventually(look, within=60)


@asynccontextmanager
async def town(
    settings: Mapping[str, str], *, malformed: Sequence[str] = (), lease: int = 30
) -> AsyncIterator[Town]:
    """A town with these settings, in whose queue `deallocations` are messages that were tried four times before.

    `lease`: after how many seconds a message comes again whose host has died.
    """
    async with (
        Azurite() as storage,
        SimulatedAzure(operation_seconds=0.2, subscriptions=(DEFAULT_SUBSCRIPTION,)) as azure,
    ):
        connection = storage.connection_string
        await _leave(connection, malformed)
        short = {"STOPGAP_GRACE": "1s", "STOPGAP_WARNING": "1s"}
        environment = settings_for(connection, azure) | short | dict(settings)
        async with (
            HostProcess(environment, arguments=["--queue-lease", str(lease)]) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            await azure.subscribe(host.url + WEBHOOK, event_types=EVENTS)
            yield Town(host, http, azure, connection, environment)


@asynccontextmanager
async def deallocations(storage: str) -> AsyncIterator[QueueClient]:
    """The queue itself, to put messages into by hand."""
    async with QueueClient.from_connection_string(storage, "deallocations") as queue:
        yield queue


async def repeat(storage: str, message: str, times: int) -> None:
    """Put copies of a message into the queue, as when a delivery is repeated."""
    async with deallocations(storage) as queue:
        for _ in range(times):
            await queue.send_message(b64encode(message.encode()).decode())


async def left_in_queue(storage: str, count: int) -> None:
    """Wait until no more than so many messages are left, those that are being worked on included."""
    async with deallocations(storage) as queue:

        async def few() -> bool:
            return ((await queue.get_queue_properties()).approximate_message_count or 0) <= count

        await eventually(few)


async def _leave(storage: str, messages: Sequence[str]) -> None:
    async with deallocations(storage) as queue:
        await queue.create_queue()
        for message in messages:
            await queue.send_message(b64encode(message.encode()).decode())
            for _ in range(4):
                delivered = await queue.receive_message(visibility_timeout=60)
                assert delivered
                await queue.update_message(delivered, visibility_timeout=0)
