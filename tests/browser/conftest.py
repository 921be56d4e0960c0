from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext

from local.azure.model import VmOptions
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.browser import chromium
from local.host.process import HostProcess
from tests.browser.watched import Watched
from tests.e2e.town import App, power_off_event, settings_for

NASTY = "<img src=x onerror=alert(1)>\u202eevil\u2066 \N{GRINNING FACE}\N{ARABIC LETTER ALEF}" + "x" * 440
"""A reason of 500 characters that must stay text."""

KINDS: tuple[VmOptions, ...] = (
    {"size": "Standard_D2s_v5"},
    {"size": "Standard_D4s_v5", "os_type": "Windows"},
    {"size": "Standard_E8s_v5", "location": "northeurope"},
    {"size": "Standard_Unheard_of"},
)
LEFT = 9
"""How many VMs are Stopped and flagged, beside one that is exempt."""

RUNNING = 40


@dataclass(frozen=True)
class Town:
    """The app with a fleet in it, and the Azure that it watches."""

    app: App
    azure: SimulatedAzure

    def id_of(self, name: str) -> str:
        """The id of a VM of the fleet."""
        return (
            f"/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.Compute"
            f"/virtualMachines/{name}"
        )


@pytest.fixture(scope="module")
async def town() -> AsyncIterator[Town]:
    """VMs that are Stopped for some days, as events told, one that is exempt for a nasty reason, and many that run."""
    async with Azurite() as storage, SimulatedAzure(operation_seconds=0.2) as azure:
        settings = settings_for(storage.connection_string, azure) | {
            "STOPGAP_ALLOW_DEALLOCATE": "true",
            "STOPGAP_SWEEP_SCHEDULE": "*/3 * * * * *",
        }
        async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
            app = App(host, http)
            for number in range(LEFT + 1):
                since = datetime.now(UTC) - timedelta(days=number, hours=5)
                options: VmOptions = {**KINDS[number % len(KINDS)]}
                if number == LEFT:
                    options["tags"] = {"stopgap:exempt": NASTY[:256]}
                vm = azure.add_vm(
                    DEFAULT_SUBSCRIPTION, "rg-shop", f"web-{number}", state="stopped", since=since, **options
                )
                await app.post([power_off_event(vm, at=since)])
            for number in range(RUNNING):
                azure.add_vm(DEFAULT_SUBSCRIPTION, f"rg-run-{number % 3}", f"run-{number:02}")
            made = Town(app, azure)
            for number in range(LEFT):
                await app.flagged(made.id_of(f"web-{number}"))
            for number in range(RUNNING):
                await app.seen(
                    made.id_of(f"run-{number:02}").replace("rg-shop", f"rg-run-{number % 3}"), "running"
                )
            yield made


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


async def context_of(browser: Browser, width: int, scheme: str) -> BrowserContext:
    return await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]  # a text
        reduced_motion="reduce",
    )


@pytest.fixture(params=[f"{width}-{scheme}" for width, scheme in product((1280, 390), ("light", "dark"))])
async def each(request: pytest.FixtureRequest, browser: Browser, town: Town) -> AsyncIterator[Watched]:
    """A page in each width and colour scheme; nothing may go wrong on it."""
    width, scheme = str(request.param).split("-")
    context = await context_of(browser, int(width), scheme)
    watched = await Watched.of(context, town.app.host.url, str(request.param))
    yield watched
    await context.close()
    assert watched.wrong == []


@pytest.fixture
async def page(browser: Browser, town: Town) -> AsyncIterator[Watched]:
    """A page in a window of usual size; nothing may go wrong on it."""
    context = await context_of(browser, 1280, "light")
    watched = await Watched.of(context, town.app.host.url, "1280-light")
    yield watched
    await context.close()
    assert watched.wrong == []
