"""Doctor proves that events arrive: the real app, its storage and a simulated Azure, asked as a user does."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest

from local.azure.delivery import DeliverySettings
from local.azure.faults import Fault
from local.azure.permissions import WATCH
from local.azure.server import SimulatedAzure
from local.azurite import Azurite
from local.host.process import HostProcess
from local.parts import ROOT, plain_environment
from shared.domain.probes import EVENT_TYPE, subject_prefix
from tests.e2e.town import WEBHOOK

SHOP, BANK = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
GROUP, NAME = "rg-stopgap-dev", "func-stopgap"
SITE = f"/subscriptions/{SHOP}/resourceGroups/{GROUP}/providers/Microsoft.Web/sites/{NAME}"
FUNCTION = f"{SITE}/functions/vm_event"
KEY = "a key of the app"
VMS = {
    "operatorType": "StringBeginsWith",
    "key": "data.operationName",
    "values": ["Microsoft.Compute/virtualMachines/", "Microsoft.Compute/virtualMachineScaleSets/"],
}
HEALTH = {
    "operatorType": "StringBeginsWith",
    "key": "data.resourceInfo.properties.targetResourceType",
    "values": ["Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets"],
}
RIGHTS = (
    *WATCH,
    "*/read",
    "Microsoft.Web/sites/config/list/action",
    "Microsoft.Web/sites/host/listkeys/action",
    "Microsoft.Resources/deployments/write",
    "Microsoft.Resources/deployments/delete",
)


class Said(NamedTuple):
    code: int | None
    report: dict[str, Any]
    err: str

    def of(self, check: str, subscription: str | None = None) -> list[tuple[str, str]]:
        """What was found by a check, about a subscription or the whole."""
        return [
            (found["verdict"], found["fact"])
            for found in self.report["findings"]
            if (found["check"], found["subscription"]) == (check, subscription)
        ]


async def doctor(azure: SimulatedAzure, *arguments: str, **environment: str) -> Said:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "doctor", "--json", "--resource-group", GROUP),
        *("--deployed-in", SHOP, *arguments),
        cwd=ROOT,
        env=plain_environment() | {"STOPGAP_ARM_ENDPOINT": azure.url} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    return Said(process.returncode, json.loads(out), err.decode())


async def subscribe(azure: SimulatedAzure, host: HostProcess, *, probes: bool = True) -> None:
    """As infra/ does: VMs' events, health's, and doctor's probes, each by an event subscription of its own."""
    endpoint = f"{host.url}{WEBHOOK}"
    kinds = [f"Microsoft.Resources.Resource{kind}Success" for kind in ("Write", "Delete", "Action")]
    await azure.subscribe(
        endpoint, name="stopgap", event_types=kinds, advanced_filters=[VMS], function_id=FUNCTION
    )
    annotated = ["Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"]
    await azure.subscribe(
        endpoint,
        "CloudEventSchemaV1_0",
        name="stopgap-health",
        event_types=annotated,
        advanced_filters=[HEALTH],
        function_id=FUNCTION,
    )
    for number, subscription in enumerate((SHOP, BANK) if probes else ()):
        await azure.subscribe(
            endpoint,
            "CloudEventSchemaV1_0" if number else "EventGridSchema",
            name=f"stopgap-probe-{number}",
            event_types=[EVENT_TYPE],
            subject_begins_with=subject_prefix(subscription),
            subscriptions=[subscription],
            function_id=FUNCTION,
        )


@pytest.fixture(scope="module")
async def storage() -> AsyncIterator[str]:
    async with Azurite() as running:
        yield running.connection_string


class Town(NamedTuple):
    azure: SimulatedAzure
    host: HostProcess
    http: aiohttp.ClientSession

    async def health(self) -> dict[str, Any]:
        async with self.http.get("/api/health", headers={"x-functions-key": KEY}) as answer:
            health: dict[str, Any] = await answer.json()
        assert answer.status == 200
        return health


@pytest.fixture(scope="module")
async def running(storage: str) -> AsyncIterator[Town]:
    async with SimulatedAzure(subscriptions=(SHOP, BANK), poll_after_seconds=0) as azure:
        settings = settings_for(storage, azure)
        async with (
            HostProcess(settings, arguments=["--function-key", KEY]) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            yield Town(azure, host, http)


@pytest.fixture
async def town(running: Town, storage: str) -> AsyncIterator[Town]:
    """An installation in Azure, not yet told of events."""
    azure = running.azure
    azure.add_vm(SHOP, "rg-shop", "web-1", state="stopped")
    azure.add_function_app(
        SHOP,
        GROUP,
        NAME,
        host_name=running.host.url.removeprefix("http://"),
        settings=settings_for(storage, azure) | {"AzureWebJobsStorage__clientId": "nobody-here"},
        tags={"azd-service-name": "stopgap", "azd-env-name": "dev"},
        keys={"default": KEY},
    )
    azure.permit(RIGHTS)
    await running.health()  # by which the app has made its table and queues
    yield running
    await azure.settle()
    await azure.reset()


def settings_for(storage: str, azure: SimulatedAzure) -> dict[str, str]:
    return {
        "AzureWebJobsStorage": storage,
        "STOPGAP_SUBSCRIPTIONS": f"{SHOP},{BANK}",
        "STOPGAP_SWEEP_SCHEDULE": "0 0 0 29 2 *",
        "STOPGAP_ARM_ENDPOINT": azure.url,
        "STOPGAP_TOPIC_ENDPOINT": azure.topic_url(),
        "STOPGAP_PRICES_ENDPOINT": azure.prices_url,
    }


def asked_by_doctor(azure: SimulatedAzure) -> list[tuple[str, str]]:
    return [
        (request.method, request.operation)
        for request in azure.requests
        if request.agent.startswith("stopgap-doctor")
    ]


async def test_it_is_proven_for_each_subscription(town: Town) -> None:
    azure = town.azure
    await subscribe(azure, town.host)
    before, powers = (await town.health())["counts"], azure.powers()

    said = await doctor(azure)

    assert (said.code, said.err) == (0, ""), said.report
    ((read, source), *_) = said.of("settings")
    assert (read, source) == (
        "ok",
        f"read from function app {NAME} of resource group {GROUP}, subscription {SHOP}",
    )
    assert said.of("app") == [("ok", f"{town.host.url} can do its work: mode notify, grace 15m")]
    health = await town.health()
    for subscription in (SHOP, BANK):
        (proof, proven), (untried, guests) = said.of("probe", subscription)
        token = health["probes"][subscription]["token"]
        assert proof == "ok"
        assert proven.startswith(f"an event arrived: stopgap-probe-{token}, recorded at 20")
        assert proven.endswith(" s after it was asked for (in the ledger)")
        assert (untried, guests.partition(" without touching")[0]) == (
            "not checked",
            "shutdowns inside a guest cannot be tried",
        )
        assert {verdict for verdict, _ in said.of("events", subscription)} == {"ok"}
        assert said.of("events", subscription)[-1][1].startswith("doctor's probes are let through, by ")
    assert health["counts"]["probe_recorded"] - before.get("probe_recorded", 0) == 2

    asked = asked_by_doctor(azure)
    assert azure.deployments.records == {}, "their records are removed"
    assert {operation for method, operation in asked if method != "GET"} == {
        "deployment.put",
        "deployment.delete",
        "appSettings",
        "hostKeys",
    }
    assert not [request for request in azure.requests if "/microsoft.compute/" in request.path.lower()]
    assert azure.powers() == powers, "no VM was touched"


async def test_without_an_event_subscription_for_them_none_is_sent(town: Town) -> None:
    await subscribe(town.azure, town.host, probes=False)

    said = await doctor(town.azure)

    assert said.code == 1
    for subscription in (SHOP, BANK):
        (kept_back,) = [fact for verdict, fact in said.of("events", subscription) if verdict == "wrong"]
        topic = "topic microsoft-resources-subscriptions"
        assert kept_back == (
            f"no event subscription of {topic} lets doctor's probes through to function vm_event"
        )
        ((verdict, fact),) = said.of("probe", subscription)
        assert verdict == "not checked"
        assert fact.startswith("no event is provoked, as no event subscription would let it through")
    (mend,) = {
        found["mend"]
        for found in said.report["findings"]
        if (found["subscription"], found["verdict"]) == (BANK, "wrong")
    }
    assert f"--endpoint {FUNCTION} " in mend
    assert mend.endswith(f"--subject-begins-with {subject_prefix(BANK)}")
    assert ("PUT", "deployment.put") not in asked_by_doctor(town.azure)


async def test_one_that_is_lost_on_its_way_is_wrong(town: Town) -> None:
    azure = town.azure
    await subscribe(azure, town.host)
    kept, azure.delivery.settings = azure.delivery.settings, DeliverySettings(losses=1.0)
    latest = (await town.health())["probes"][SHOP]
    try:
        said = await doctor(azure, "--wait", "1s", "--subscription", SHOP)
    finally:
        azure.delivery.settings = kept

    assert said.code == 1
    (verdict, fact), *reasons, _ = said.of("probe", SHOP)
    assert verdict == "wrong"
    assert fact.startswith("no event arrived: stopgap-probe-")
    assert "(in the ledger); the deployment is Succeeded; " in fact
    assert f"stopgap-probe-{latest['token']}" in fact if latest else fact.endswith("none ever arrived")
    assert [verdict for verdict, _ in reasons] == ["warning"] * len(reasons)
    told = [found["mend"] for found in said.report["findings"] if found["check"] == "probe"][1:-1]
    assert any("az functionapp function list" in mend for mend in told)
    assert any("EventSubscriptionName eq 'stopgap-probe-0'" in mend for mend in told)
    assert any("az storage blob list --auth-mode login --account-name deadletters" in mend for mend in told)
    assert azure.deployments.records == {}
    assert (await town.health())["probes"][SHOP] == latest


async def test_where_storage_cannot_be_read_the_app_tells(town: Town, storage: str) -> None:
    """From where private networking keeps doctor out of the storage account."""
    azure = town.azure
    await subscribe(azure, town.host)
    closed = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==;TableEndpoint=http://127.0.0.1:9/x;"
    closed += "QueueEndpoint=http://127.0.0.1:9/x;"
    azure.add_function_app(
        SHOP,
        GROUP,
        NAME,
        host_name=town.host.url.removeprefix("http://"),
        settings=settings_for(storage, azure) | {"AzureWebJobsStorage": closed},
        tags={"azd-service-name": "stopgap"},
        keys={"default": KEY},
    )

    said = await doctor(azure, "--subscription", BANK)

    ((verdict, fact), _) = said.of("probe", BANK)
    assert (verdict, fact.rpartition(" (")[2]) == ("ok", "by the app's health)")
    assert said.code == 1, "storage is wrong, as seen from here"


async def test_a_record_that_cannot_be_removed_is_told(town: Town) -> None:
    azure = town.azure
    await subscribe(azure, town.host)
    azure.permit(RIGHTS[:-1])

    said = await doctor(azure, "--subscription", SHOP)

    (proven, _), (left, fact), _ = said.of("probe", SHOP)
    assert (proven, left) == ("ok", "warning")
    (record,) = azure.deployments.records.values()
    assert fact.startswith(f"the record of deployment {record['name']} is left: ")
    assert "'Microsoft.Resources/deployments/delete'" in fact
    mends = [found["mend"] for found in said.report["findings"] if found["fact"] == fact]
    assert mends == [f"az deployment sub delete --subscription {SHOP} --name {record['name']}"]
    assert said.code == 0


async def test_who_may_not_deploy_is_told_so_and_nothing_is_sent(town: Town) -> None:
    azure = town.azure
    await subscribe(azure, town.host)
    azure.permit(RIGHTS[:-2])

    refused, left_out = await asyncio.gather(doctor(azure), doctor(azure, "--no-probe"))

    for subscription in (SHOP, BANK):
        ((verdict, fact),) = refused.of("probe", subscription)
        assert verdict == "not checked"
        assert "HTTP 403 AuthorizationFailed" in fact
        assert "'Microsoft.Resources/deployments/write'" in fact
        assert left_out.of("probe", subscription) == [("not checked", "no event is provoked: --no-probe")]
    assert (refused.code, left_out.code) == (2, 0)


async def test_arm_that_answers_too_late_leaves_no_record(town: Town) -> None:
    azure = town.azure
    await subscribe(azure, town.host)
    azure.inject(Fault(kind="lost", times=6, method="PUT"))

    said = await doctor(azure, "--subscription", SHOP)

    assert said.of("probe", SHOP)[0][0] == "wrong"
    assert said.code == 1
    assert azure.deployments.records == {}
