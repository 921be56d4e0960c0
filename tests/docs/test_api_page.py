"""The calls of docs/api.md, as written but for the port."""

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any

import aiohttp

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from tests.e2e.town import App, power_off_event, settings_for

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


async def test_every_call_is_taken_as_written() -> None:
    async with (
        Azurite() as storage,
        SimulatedAzure(operation_seconds=0.2, subscriptions=(DEFAULT_SUBSCRIPTION,)) as azure,
    ):
        settings = settings_for(storage.connection_string, azure) | {"STOPGAP_ALLOW_DEALLOCATE": "true"}
        async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
            vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-shop", "vm-001", state="stopped")
            app = App(host, http)
            await app.post([power_off_event(vm)])
            await app.flagged(vm)
            for line in re.findall(r"^curl .*", PAGE, re.MULTILINE):
                answer = await run(line.replace("http://127.0.0.1:7071", host.url))
                assert answer.get("id") == vm.lower(), answer
            assert (await app.vm(vm))["deallocation"]["asked_by"] == "function key"


async def run(line: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(*shlex.split(line), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    answer: dict[str, Any] = json.loads(output)
    return answer
