"""The parts of the demo: storage, a simulated Azure and the function app, started, joined and ended together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from local.azure.delivery import DeliverySettings
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.demo.core_tools import CoreToolsProcess
from local.host.process import HostProcess
from local.parts import CannotStart

WEBHOOK = "/runtime/webhooks/eventgrid?functionName=vm_event"
_EVENTS = ("ResourceWriteSuccess", "ResourceActionSuccess", "ResourceDeleteSuccess")


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts."""

    azure: SimulatedAzure
    url: str
    """Of the function app."""
    http: aiohttp.ClientSession

    async def vms(self, query: str = "") -> list[dict[str, Any]]:
        """All VMs that Stopgap knows, by its own API."""
        found, after = list[dict[str, Any]](), ""
        while True:
            async with self.http.get(f"{self.url}/api/vms?limit=1000{query}{after}") as answer:
                body = await answer.json()
                if answer.status != 200:
                    raise RuntimeError(f"GET /api/vms: {answer.status} {body}")
            found += body["vms"]
            if body["next"] is None:
                return found
            after = f"&next={body['next']}"


@asynccontextmanager
async def stage(*, grace: timedelta, warning: timedelta, host: str, port: int) -> AsyncIterator[Stage]:
    """Start everything, on free ports except the function app's where one is given.

    Args:
        grace: The operator's grace.
        warning: The operator's warning before a deallocation.
        host: `local`, our own driver of the worker library, or `func`, the official host.
        port: Of the function app; 0 is any free one.
    """
    # At least once, in no order: as Event Grid promises, and worse than it usually does.
    delivery = DeliverySettings(
        seed=1, duplicates=0.5, disorder=0.3, held_back_seconds=1.5, delay_seconds=0.2, retry_factor=0.05
    )
    async with AsyncExitStack() as parts:
        storage = await parts.enter_async_context(Azurite())
        azure = await parts.enter_async_context(
            SimulatedAzure(operation_seconds=1.5, delivery=delivery, subscriptions=(DEFAULT_SUBSCRIPTION,))
        )
        settings = {
            "AzureWebJobsStorage": storage.connection_string,
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION,
            "STOPGAP_GRACE": f"{int(grace.total_seconds())}s",
            "STOPGAP_WARNING": f"{int(warning.total_seconds())}s",
            "STOPGAP_SWEEP_SCHEDULE": "*/5 * * * * *",
            # Allowed, but in mode notify: only what an owner's tag asks for is deallocated.
            "STOPGAP_ALLOW_DEALLOCATE": "true",
            "STOPGAP_ARM_ENDPOINT": azure.url,
            "STOPGAP_TOPIC_ENDPOINT": azure.topic_url(),
            "STOPGAP_WEBHOOK_URL": azure.webhook_url("teams"),
            "STOPGAP_PRICES_ENDPOINT": azure.prices_url,
        }
        app: CoreToolsProcess | HostProcess
        if host == "func":
            app = await parts.enter_async_context(CoreToolsProcess(settings, port=port))
        else:
            app = await parts.enter_async_context(HostProcess(settings, port=port))
        http = await parts.enter_async_context(aiohttp.ClientSession())
        await _healthy(http, app.url)
        await azure.subscribe(
            app.url + WEBHOOK,
            "EventGridSchema",
            name="operations",
            event_types=[f"Microsoft.Resources.{kind}" for kind in _EVENTS],
        )
        await azure.subscribe(
            app.url + WEBHOOK,
            "CloudEventSchemaV1_0",
            name="health",
            event_types=[
                f"Microsoft.ResourceNotifications.HealthResources.{kind}"
                for kind in ("ResourceAnnotated", "AvailabilityStatusChanged")
            ],
        )
        yield Stage(azure, app.url, http)


async def _healthy(http: aiohttp.ClientSession, url: str) -> None:
    """Wait until the app says that it can work; `CannotStart` with its own words when it does not."""
    said = "no answer"
    for _ in range(60):
        try:
            async with http.get(f"{url}/api/health") as answer:
                if answer.status == 200:
                    return
                said = await answer.text()
        except aiohttp.ClientError as fault:
            said = str(fault)
        await asyncio.sleep(0.5)
    raise CannotStart(f"the function app at {url} is not healthy: {said}")
