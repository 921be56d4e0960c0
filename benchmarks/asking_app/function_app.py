"""The least that asks Azure anything: an app with one function, which looks at the VM by bare aiohttp and `json`."""

import json
import os

import aiohttp
import azure.functions as func

app = func.FunctionApp()


@app.function_name("vm_event")
@app.event_grid_trigger(arg_name="event")
async def vm_event(event: func.EventGridEvent) -> None:
    """One look, which nothing comes of."""
    address = (
        f"{os.environ['STOPGAP_ARM_ENDPOINT']}{event.subject}?$expand=instanceView&api-version=2026-04-01"
    )
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        json.loads(await answer.read())
