"""Talking to the function app as Event Grid and as a user do."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from shared.domain.ids import parse_vm_id
from tests.eventually import eventually

WEBHOOK = "/runtime/webhooks/eventgrid?functionName=vm_event"
KEY = "se+sam&e"
"""A function key that has to be escaped in an address."""

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


def settings_for(storage: str, azure: SimulatedAzure) -> dict[str, str]:
    return {
        "AzureWebJobsStorage": storage,
        "STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION,
        "STOPGAP_GRACE": "2s",
        # At no time that a test could see: it would find what no event has told of.
        "STOPGAP_SWEEP_SCHEDULE": "0 0 0 29 2 *",
        "STOPGAP_ARM_ENDPOINT": azure.url,
        "STOPGAP_TOPIC_ENDPOINT": azure.topic_url(),
        "STOPGAP_PRICES_ENDPOINT": azure.prices_url,
    }


def deeds(actions: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """Lines of a VM's log that tell of no notice, which comes in its own time: what, and by whom."""
    return [(line["what"], line["by"]) for line in actions if not line["what"].startswith("notice_")]


@dataclass(frozen=True)
class App:
    """The function app, as those outside see it."""

    host: HostProcess
    http: aiohttp.ClientSession

    async def post(self, body: object) -> tuple[int, str]:
        """Deliver a body to the webhook; the answer's status and text."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(WEBHOOK, data=data, headers={"aeg-event-type": "Notification"}) as answer:
            return answer.status, await answer.text()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(path) as answer:
            return answer.status, await answer.json(content_type=None)

    async def vm(self, vm_id: str) -> dict[str, Any]:
        """A VM's JSON; empty while there is no record."""
        status, body = await self.get(path(vm_id))
        return body if status == 200 else {}

    async def ask(
        self,
        vm_id: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,  # noqa: ANN401 - JSON
    ) -> tuple[int, Any]:
        """Ask for something, as a program does; the answer's status and JSON."""
        async with self.http.post(f"{path(vm_id)}/{what}", json=members, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def history(self, vm_id: str) -> list[tuple[str, str | None]]:
        """What the log of a VM tells but for notices, the first first: what, and by whom."""
        return deeds((await self.vm(vm_id))["actions"])[::-1]

    async def counts(self) -> dict[str, int]:
        _, body = await self.get("/api/health")
        counts: dict[str, int] = body["counts"]
        return counts

    async def seen(self, vm_id: str, power_state: str) -> dict[str, Any]:
        """A VM's page once it says this."""

        async def look() -> dict[str, Any]:
            vm = await self.vm(vm_id)
            return vm if vm.get("power_state") == power_state else {}

        return await eventually(look, within=60)

    async def flagged(self, vm_id: str) -> dict[str, Any]:
        """A VM's page once it is flagged and its owner told."""

        async def look() -> dict[str, Any]:
            vm = await self.vm(vm_id)
            return vm if vm and vm["flag"] and vm["flag"]["notified_at"] else {}

        return await eventually(look, within=60)


@asynccontextmanager
async def app_with_key(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    """The app with a function key, as on the platform, where VMs may be deallocated."""
    settings = settings_for(storage, azure) | {"STOPGAP_ALLOW_DEALLOCATE": "true"}
    async with (
        HostProcess(settings, arguments=["--function-key", KEY]) as host,
        aiohttp.ClientSession(host.url, headers={"x-functions-key": KEY}) as http,
    ):
        yield App(host, http)


async def flagged_vm_of_a_hard_name(app: App, azure: SimulatedAzure) -> str:
    """The id of a VM left Stopped whose names have to be escaped in an address."""
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-Größe(1)", "Web-ü", state="stopped")
    await app.post([power_off_event(vm)])
    await app.flagged(vm)
    return vm


def path(vm_id: str) -> str:
    """Where a VM's JSON is."""
    vm = parse_vm_id(vm_id)
    assert vm
    return f"/api/vms/{vm.subscription}/{vm.resource_group}/{vm.name}"


def power_off_event(vm_id: str, *, at: datetime | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The documented action event, about a VM that was powered off."""
    event = sample("eventgrid-subscription-ResourceActionSuccess.eventgridschema.json", vm_id)
    operation = "Microsoft.Compute/virtualMachines/powerOff/action"
    event["data"] |= {"operationName": operation, "resourceUri": vm_id}
    event["eventTime"] = (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    return event | changes


def sample(name: str, vm_id: str) -> dict[str, Any]:
    """A documented event with a VM's id in the place of its resource's."""
    body = json.loads((SAMPLES / name).read_text("utf-8"))
    event: dict[str, Any] = deepcopy(body[0] if isinstance(body, list) else body)
    event["subject"] = vm_id
    info = event["data"].get("resourceInfo")
    if info:
        info["properties"]["targetResourceId"] = vm_id
    return event


def as_delivered(event: dict[str, Any]) -> object:
    """The body of a delivery: Event Grid's own schema comes in an array, a CloudEvent as it is."""
    return event if "specversion" in event else [event]
