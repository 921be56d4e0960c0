"""What infra/events.bicep subscribes to, delivered: by a simulated Azure, to the real app, into real storage."""

import asyncio
import json
import sys

import aiohttp

from local.azure.server import SimulatedAzure
from local.azurite import Azurite
from local.host.process import HostProcess
from local.parts import ROOT, plain_environment
from tests.e2e.town import WEBHOOK, App, settings_for
from tests.infra.conftest import GROUP, HOME, OTHER
from tests.infra.deployed import Deployment

SUBSCRIPTION = "Microsoft.EventGrid/systemTopics/eventSubscriptions"


async def subscribe(azure: SimulatedAzure, host: HostProcess, events: Deployment) -> None:
    """Have the simulated Azure deliver as the Bicep says."""
    for made in events.of_type(SUBSCRIPTION):
        told = made.body["properties"]
        await azure.subscribe(
            host.url + WEBHOOK,
            told["eventDeliverySchema"],
            name=f"{made.name} of {made.id.split('/')[8]} of {made.scope.subscription}",
            event_types=told["filter"]["includedEventTypes"],
            subject_begins_with=told["filter"]["subjectBeginsWith"],
            advanced_filters=told["filter"]["advancedFilters"],
            subscriptions=[made.scope.subscription],
            function_id=told["destination"]["properties"]["resourceId"],
        )


async def test_what_bicep_subscribes_to_reaches_the_ledger_and_doctor_proves_it(
    most: Deployment, events: Deployment
) -> None:
    async with (
        Azurite() as storage,
        SimulatedAzure(subscriptions=(HOME, OTHER), poll_after_seconds=0, operation_seconds=0.2) as azure,
    ):
        settings = settings_for(storage.connection_string, azure) | {
            "STOPGAP_SUBSCRIPTIONS": f"{HOME},{OTHER}"
        }
        async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
            app = App(host, http)
            await app.counts()  # by which the app has made its table and queues
            azure.add_function_app(
                HOME,
                GROUP,
                most.outputs["STOPGAP_FUNCTION_APP"],
                host_name=host.url.removeprefix("http://"),
                settings=settings,
                tags=most.one("Microsoft.Web/sites").body["tags"],
                keys={"default": "a key"},
            )
            await subscribe(azure, host, events)

            off = azure.add_vm(HOME, "rg-shop", "powered-off")
            shut = azure.add_vm(OTHER, "rg-bank", "shut-down")
            await azure.power_off(off)
            await azure.guest_shutdown(shut)
            assert (await app.seen(off, "stopped"))["cause"]["actor"] == "control_plane"
            assert (await app.seen(shut, "stopped"))["cause"]["actor"] == "guest"

            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local", "doctor", "--json"),
                *("--resource-group", GROUP, "--deployed-in", HOME),
                cwd=ROOT,
                env=plain_environment() | {"STOPGAP_ARM_ENDPOINT": azure.url},
                stdout=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(90):
                output, _ = await process.communicate()
            findings = json.loads(output)["findings"]
            proven = {
                each["subscription"]
                for each in findings
                if each["check"] == "probe" and each["fact"].startswith("an event arrived")
            }
            assert proven == {HOME, OTHER}
            assert {each["verdict"] for each in findings if each["check"] == "events"} == {"ok"}
            # Nothing came that the app has no use for.
            counts = await app.counts()
            assert counts.get("ignored_not_a_vm", 0) == 0
            assert counts["probe_recorded"] == 2
