"""What is photographed: the function app over a fleet with a month behind it, on the demo's kind of parts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from local.parts import CannotStart
from local.pictures.fleet import DAYS, month, play, settle
from local.pictures.past import past

_SWEPT_WITHIN = timedelta(seconds=60)


@asynccontextmanager
async def stage() -> AsyncIterator[str]:
    """The address of the app, once it has gone on from its past and swept the fleet."""
    now = datetime.now(UTC)
    begins_at = now - timedelta(days=DAYS)
    async with AsyncExitStack() as parts:
        storage = await parts.enter_async_context(Azurite())
        azure = await parts.enter_async_context(
            SimulatedAzure(operation_seconds=0, subscriptions=(DEFAULT_SUBSCRIPTION,))
        )
        settings = {
            "AzureWebJobsStorage": storage.connection_string,
            "STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION,
            "STOPGAP_ALLOW_DEALLOCATE": "true",
            "STOPGAP_KEEP_CALLER": "true",
            "STOPGAP_SWEEP_SCHEDULE": "*/5 * * * * *",
            "STOPGAP_ARM_ENDPOINT": azure.url,
            "STOPGAP_PRICES_ENDPOINT": azure.prices_url,
        }
        ids = settle(azure, begins_at - timedelta(days=9))
        async with past(azure, settings, begins_at) as weeks:
            await weeks.sweep()
            await play(weeks, ids, month(now))
            await weeks.until(now)
        host = await parts.enter_async_context(HostProcess(settings))
        http = await parts.enter_async_context(aiohttp.ClientSession(host.url))
        await _swept(http)
        yield host.url


async def _swept(http: aiohttp.ClientSession) -> None:
    """Wait until the app itself has seen the whole fleet; `CannotStart` with its own words if it does not."""
    began_at = datetime.now(UTC)
    while datetime.now(UTC) < began_at + _SWEPT_WITHIN:
        health = await _json(http, "/api/health")
        sweep = (health.get("sweeps") or {}).get(DEFAULT_SUBSCRIPTION) or {}
        if sweep.get("complete") and datetime.fromisoformat(sweep["began_at"]) > began_at:
            return
    raise CannotStart(f"the function app has not swept the fleet: {health}")


async def _json(http: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with http.get(path) as answer:
        body: dict[str, Any] = await answer.json()
        return body
