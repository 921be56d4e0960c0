"""Lives of VMs, from Azure's event to the notice, through the real worker library and storage."""

from datetime import timedelta

import aiohttp
import pytest

from local.azure.delivery import DeliverySettings
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from tests.e2e.town import WEBHOOK, App, power_off_event, settings_for
from tests.eventually import eventually
from tests.schemas import problems

ROUGH = DeliverySettings(
    seed=3,
    duplicates=0.6,
    disorder=0.5,
    held_back_seconds=1.0,
    delay_seconds=0.2,
    losses=0.2,
    retry_factor=0.01,
)
"""Worse than Event Grid, which loses nothing: every fifth event never comes."""


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
async def test_every_life_ends_as_azure_knows_it(storage: str, schema: str) -> None:
    async with (
        SimulatedAzure(operation_seconds=0.4, delivery=ROUGH) as azure,
        HostProcess(settings_for(storage, azure)) as host,
        aiohttp.ClientSession(host.url) as http,
    ):
        app = App(host, http)
        await azure.subscribe(host.url + WEBHOOK, schema)  # type: ignore[arg-type]
        group = f"rg-{schema}".lower()
        off, shut, back, gone, freed, born = (
            azure.add_vm(DEFAULT_SUBSCRIPTION, group, name) if name != "born" else ""
            for name in ("off", "shut", "back", "gone", "freed", "born")
        )
        assert born == ""
        azure.power_off(off)
        azure.guest_shutdown(shut)
        await azure.power_off(back)
        azure.start(back)
        azure.delete(gone)
        azure.deallocate(freed)
        born = azure.create(DEFAULT_SUBSCRIPTION, group, "born").vm.spec.id
        await azure.settle()
        # What a lost event did not tell, another look does: this is the sweep's part, played by hand.
        for vm in (off, shut, back, freed, born):
            await app.post([power_off_event(vm, eventType="Microsoft.Resources.ResourceActionFailure")])
        for vm in (off, shut):
            flagged = await app.flagged(vm)
            assert (flagged["power_state"], flagged["billed"]) == ("stopped", True), host.log
        assert azure.left_stopped(timedelta(seconds=2)) == {off.lower(), shut.lower()}
        _, body = await app.get("/api/vms?flagged=true&limit=1000")
        assert {vm["id"] for vm in body["vms"] if vm["resource_group"] == group} == {
            off.lower(),
            shut.lower(),
        }
        for vm, state in ((back, "running"), (freed, "deallocated"), (born, "running")):
            found = await app.seen(vm, state)
            assert found["flag"] is None
        told = sorted(event["subject"] for event in azure.topic_events)
        assert told == sorted({off.lower(), shut.lower()})
        assert not [problem for event in azure.topic_events for problem in problems(event)]


async def test_a_guest_shutdown_is_known_by_its_annotation_alone(storage: str) -> None:
    async with (
        SimulatedAzure(operation_seconds=0.3) as azure,
        HostProcess(settings_for(storage, azure)) as host,
        aiohttp.ClientSession(host.url) as http,
    ):
        await azure.subscribe(
            host.url + WEBHOOK,
            event_types=["Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"],
        )
        vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-guest", "shut")
        await azure.guest_shutdown(vm)
        flagged = await App(host, http).flagged(vm)
        assert flagged["cause"]["actor"] == "guest"
        assert flagged["since_source"] == "annotation"
        assert "from inside the guest" in flagged["reason"]


async def test_os_provisioning_that_fails_is_flagged_and_cleared_when_azure_recovers(storage: str) -> None:
    async with (
        SimulatedAzure(operation_seconds=0.3) as azure,
        HostProcess(settings_for(storage, azure)) as host,
        aiohttp.ClientSession(host.url) as http,
    ):
        app = App(host, http)
        await azure.subscribe(host.url + WEBHOOK)
        vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-failed", "failed")
        await azure.fail_provisioning(vm)
        flagged = await app.flagged(vm)
        assert flagged["flag"]["kind"] == "failed_provisioning"
        assert (flagged["power_state"], flagged["billed"]) == ("running", True)
        assert flagged["error_code"] == "OSProvisioningTimedOut"
        assert "billed all the same" in flagged["reason"]

        await azure.recover_provisioning(vm)
        # Azure does it by itself and tells no one: this is the sweep's part, played by hand.
        await app.post([power_off_event(vm, eventType="Microsoft.Resources.ResourceActionFailure")])
        assert (await app.vm(vm))["flag"] is None

        async def told() -> bool:
            return len(azure.topic_events) == 2

        assert await eventually(told)
        assert [event["type"] for event in azure.topic_events] == [
            "Stopgap.Vm.ProvisioningFailed",
            "Stopgap.Vm.FlagCleared",
        ]
        assert not [problem for event in azure.topic_events for problem in problems(event)]


async def test_a_kill_between_save_and_act_costs_neither_flag_nor_notice() -> None:
    async with Azurite() as own, SimulatedAzure() as azure:
        settings = settings_for(own.connection_string, azure)
        vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-kill", "killed", state="stopped")
        await azure.set_topic_mode("hang")
        async with (
            HostProcess(settings, arguments=["--queue-lease", "2"]) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            app = App(host, http)
            await app.post([power_off_event(vm)])

            async def saved_but_not_told() -> bool:
                found = await app.vm(vm)
                return bool(found["flag"]) and azure.topic.waiting > 0

            assert await eventually(saved_but_not_told, within=60)
            flagged_at = (await app.vm(vm))["flag"]["flagged_at"]
            await host.kill()
        await azure.set_topic_mode("fail")  # what hangs fails, as a request does whose sender is gone

        async def let_go() -> bool:
            return azure.topic.waiting == 0

        assert await eventually(let_go)
        await azure.set_topic_mode("ok")
        assert azure.topic_events == []
        async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
            app = App(host, http)
            told = await app.flagged(vm)
            assert told["flag"]["flagged_at"] == flagged_at
            for _ in range(5):
                await app.post([power_off_event(vm)])
            assert (await app.vm(vm))["flag"] == told["flag"]
        assert [event["type"] for event in azure.topic_events] == ["Stopgap.Vm.LeftStopped"]
