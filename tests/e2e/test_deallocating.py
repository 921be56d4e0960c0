"""A person asks for a deallocation over HTTP, where it is allowed."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from tests.e2e.town import App, power_off_event, settings_for
from tests.eventually import eventually


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    settings = settings_for(storage, azure) | {"STOPGAP_ALLOW_DEALLOCATE": "true"}
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        yield App(host, http)


async def test_a_stopped_vm_is_deallocated_once_however_often_that_is_asked(
    app: App, azure: SimulatedAzure
) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-closing", "stopped", state="stopped")
    await app.post([power_off_event(vm)])
    for _ in range(2):
        status, body = await app.ask(vm, "deallocate")
        assert status == 202, body
        assert body["deallocation"]["asked_by"] == "function key"
        assert body["deallocation"]["stage"] in {"asked", "begun", "accepted"}

    async def confirmed() -> dict[str, Any]:
        found = await app.vm(vm)
        return found if found["deallocation"]["stage"] == "confirmed" else {}

    found = await eventually(confirmed, within=90)
    assert (found["power_state"], found["billed"], found["flag"]) == ("deallocated", False, None)
    assert "Stopgap did it, as function key asked." in found["reason"]
    posts = [request for request in azure.requests if request.method == "POST"]
    assert len([request for request in posts if request.path.lower().startswith(vm.lower())]) == 1
    assert [what for what, _ in await app.history(vm)] == [
        "deallocation_asked",
        "deallocation_begun",
        "deallocation_accepted",
        "deallocation_confirmed",
    ]
    status, body = await app.ask(vm, "deallocate")
    assert (status, body["rule"]) == (409, "not_stopped")


@pytest.mark.parametrize("state", ["running", "deallocated"])
async def test_a_vm_that_is_not_stopped_is_left_alone(app: App, azure: SimulatedAzure, state: str) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-closing", f"is-{state}", state=state)
    status, body = await app.ask(vm, "deallocate")
    assert (status, body["rule"]) == (409, "not_stopped")
    assert body["detail"] == f"it is not Stopped: Azure shows it as {state}"


async def test_who_exempts_a_vm_can_rely_on_it(app: App, azure: SimulatedAzure) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-closing", "exempt", state="stopped")
    await app.ask(vm, "look")
    assert (await app.ask(vm, "exempt", reason="kept warm"))[0] == 202
    status, body = await app.ask(vm, "deallocate")
    assert (status, body["rule"]) == (409, "exempt")
    assert body["detail"] == "it is exempt (kept warm, entered by function key)"
