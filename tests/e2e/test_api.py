"""The HTTP API, as a user calls it."""

import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from tests.e2e.town import App, power_off_event

FIELDS = {
    "id", "subscription", "resource_group", "name", "scale_set", "location", "size", "os_type", "power_state",
    "provisioning_state", "error_code", "billed", "deallocation", "since", "since_source", "cause",
    "flag", "exemption", "reason", "observed_at", "cost",
}  # fmt: skip


@pytest.fixture(scope="module")
async def fleet(app: App, azure: SimulatedAzure) -> list[str]:
    ids = []
    for number in range(7):
        state = "stopped" if number < 3 else "deallocated"
        vm = azure.add_vm(DEFAULT_SUBSCRIPTION, f"rg-{number % 2}", f"vm-{number}", state=state)
        await app.post([power_off_event(vm)])
        ids.append(vm.lower())
    for vm in ids[:3]:
        assert await app.flagged(vm)
    return ids


async def listed(app: App, query: str) -> list[str]:
    status, body = await app.get(f"/api/vms?{query}")
    assert status == 200, body
    return [vm["id"] for vm in body["vms"]]


async def test_a_vm_has_the_documented_fields(app: App, fleet: list[str]) -> None:
    status, body = await app.get("/api/vms")
    assert status == 200
    assert set(body) == {"vms", "next"}
    assert {vm["id"] for vm in body["vms"]} == set(fleet)
    assert all(set(vm) == FIELDS for vm in body["vms"])
    assert set(await app.vm(fleet[0])) == FIELDS | {"transitions", "episodes", "actions", "unsent"}


async def test_filters(app: App, fleet: list[str]) -> None:
    assert set(await listed(app, "flagged=true")) == set(fleet[:3])
    assert set(await listed(app, "flagged=false")) == set(fleet[3:])
    assert set(await listed(app, "power_state=Stopped")) == set(fleet[:3])
    assert set(await listed(app, f"subscription={DEFAULT_SUBSCRIPTION.upper()}")) == set(fleet)
    assert await listed(app, "power_state=running") == []


async def test_pages_join_to_the_whole(app: App, fleet: list[str]) -> None:
    found, after = list[str](), ""
    while True:
        _, body = await app.get(f"/api/vms?limit=3{after}")
        assert len(body["vms"]) <= 3
        found += [vm["id"] for vm in body["vms"]]
        if body["next"] is None:
            break
        after = f"&next={body['next']}"
    assert sorted(found) == sorted(fleet)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("flagged=maybe", "flagged: expected true or false"),
        ("power_state=off", "power_state: expected one of"),
        ("limit=0", "limit: expected a number from 1 to 1000"),
        ("limit=1000000", "limit: expected a number from 1 to 1000"),
        ("limit=ten", "limit"),
        ("next=forged", "next"),
        ("subscription=x", "GUID"),
        ("subscription=00000000-0000-4000-8000-00000000dead", "not watched"),
        ("colour=red", "unknown parameter"),
    ],
)
async def test_a_bad_query_is_refused_by_name(app: App, query: str, says: str) -> None:
    status, body = await app.get(f"/api/vms?{query}")
    assert status == 400
    assert body["status"] == 400
    assert says in body["detail"]


async def test_a_vm_that_is_not_known_is_404_and_a_bad_one_400(app: App) -> None:
    status, body = await app.get(f"/api/vms/{DEFAULT_SUBSCRIPTION}/rg/nowhere")
    assert status == 404
    assert "no record of" in body["detail"]
    assert (await app.get("/api/vms/x/rg/vm"))[0] == 400


async def test_health_tells_what_it_is_set_to_do(app: App) -> None:
    status, body = await app.get("/api/health")
    assert status == 200
    assert (body["status"], body["mode"], body["grace"], body["problems"]) == ("ok", "notify", "2s", [])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"STOPGAP_SUBSCRIPTIONS": ""}, "STOPGAP_SUBSCRIPTIONS is missing"),
        (
            {"STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION, "STOPGAP_GRACE": "soon"},
            "STOPGAP_GRACE is malformed",
        ),
        (
            {"STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION, "STOPGAP_MODE": "destroy"},
            "observe or notify or deallocate",
        ),
    ],
)
async def test_a_wrong_setting_is_named_by_health_and_stops_every_call(
    storage: str, azure: SimulatedAzure, settings: dict[str, str], says: str
) -> None:
    environment = {"AzureWebJobsStorage": storage, "STOPGAP_ARM_ENDPOINT": azure.url, **settings}
    async with HostProcess(environment) as host:
        import aiohttp

        async with aiohttp.ClientSession(host.url) as http:
            app = App(host, http)
            status, body = await app.get("/api/health")
            assert (status, body["status"]) == (503, "unusable")
            assert says in body["problems"][0]
            assert says in (await app.get("/api/vms"))[1]["detail"]
            status, text = await app.post([power_off_event("/subscriptions/x")])
            assert status == 500
            assert says in text


async def test_storage_that_is_down_is_named_by_health(azure: SimulatedAzure) -> None:
    down = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
        "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;TableEndpoint=http://127.0.0.1:9/devstoreaccount1"
    )
    settings = {
        "AzureWebJobsStorage": down,
        "STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION,
        "STOPGAP_ARM_ENDPOINT": azure.url,
    }
    async with HostProcess(settings) as host:
        import aiohttp

        async with aiohttp.ClientSession(host.url) as http:
            status, body = await App(host, http).get("/api/health")
    assert status == 503
    assert [problem.split(":")[0] for problem in body["problems"]] == [
        "storage, tables",
        "storage, queue looks",
        "storage, queue deallocations",
        "storage, queue sweeps",
    ]
