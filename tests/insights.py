"""An Application Insights on loopback, which keeps what it is sent."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

KEY = "00000000-0000-4000-8000-000000000099"
QUIET = ("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "APPLICATIONINSIGHTS_SDKSTATS_DISABLED")
"""The exporter's statistics of itself are for Microsoft, not for tests."""


class Insights:
    """What an Application Insights was sent."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.url = ""

    @property
    def connection_string(self) -> str:
        return f"InstrumentationKey={KEY};IngestionEndpoint={self.url}/"

    async def track(self, request: web.Request) -> web.Response:
        body = await request.read()
        items = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        self.items += items
        return web.json_response({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []})

    def metric(self, name: str) -> list[dict[str, Any]]:
        """Each value that came of a metric, with its properties."""
        data = [item["data"]["baseData"] for item in self.items]
        return [
            point | {"properties": each["properties"]}
            for each in data
            for point in each.get("metrics", ())
            if point["name"] == name
        ]


@asynccontextmanager
async def running_insights() -> AsyncIterator[Insights]:
    insights = Insights()
    app = web.Application()
    app.router.add_post("/{path:.*}", insights.track)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    insights.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield insights
    finally:
        await runner.cleanup()
