"""Instances of scale sets, from Azure's event to their page, through the real worker library and storage."""

import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from tests.e2e.town import WEBHOOK, App
from tests.eventually import eventually

EVENTS = [f"Microsoft.Resources.Resource{verb}Success" for verb in ("Write", "Action", "Delete")]
HEALTH = [
    f"Microsoft.ResourceNotifications.HealthResources.{kind}"
    for kind in ("ResourceAnnotated", "AvailabilityStatusChanged")
]
"""The annotation marks the beginning and tells the cause; the change of availability comes once it is Stopped."""


class Town(App):
    """The function app, and what it is told."""

    async def told_by(self, azure: SimulatedAzure, event_types: list[str]) -> None:
        """Let Azure tell the app of these alone."""
        await azure.subscribe(self.host.url + WEBHOOK, event_types=event_types)


@pytest.fixture
async def town(app: App, azure: SimulatedAzure) -> Town:
    await azure.settle()  # what a test before began is not this one's
    return Town(app.host, app.http)


async def flagged_ids(town: Town) -> set[str]:
    _, body = await town.get("/api/vms?flagged=true&limit=1000")
    return {vm["id"] for vm in body["vms"]}


def notices(azure: SimulatedAzure, vm_id: str) -> list[str]:
    return [event["type"] for event in azure.topic_events if event["subject"] == vm_id.lower()]


async def test_a_uniform_instance_powered_off_is_known_by_its_event(
    town: Town, azure: SimulatedAzure
) -> None:
    await town.told_by(azure, EVENTS)
    _, vm_id, _ = azure.add_scale_set(
        DEFAULT_SUBSCRIPTION, "rg-u", "Farm", instances=3, size="Standard_D4s_v5"
    )
    await azure.power_off(vm_id)

    flagged = await town.flagged(vm_id)

    assert flagged["id"] == vm_id.lower()
    assert (flagged["resource_group"], flagged["name"]) == ("rg-u", "farm~1")
    assert (flagged["power_state"], flagged["billed"], flagged["size"]) == (
        "stopped",
        True,
        "Standard_D4s_v5",
    )
    assert flagged["since_source"] == "event"
    assert flagged["cause"]["operation"] == (
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/powerOff/action"
    )
    assert flagged["cause"]["actor"] == "control_plane"
    assert len(flagged["transitions"]) == len(flagged["episodes"]) == 1
    assert {each for each in await flagged_ids(town) if "/farm/" in each} == {vm_id.lower()}
    assert notices(azure, vm_id) == ["Stopgap.Vm.LeftStopped"]


async def test_a_uniform_instance_shut_down_inside_is_known_by_its_annotation(
    town: Town, azure: SimulatedAzure
) -> None:
    await town.told_by(azure, HEALTH)
    _, vm_id = azure.add_scale_set(DEFAULT_SUBSCRIPTION, "rg-u", "shut", instances=2)
    await azure.guest_shutdown(vm_id)

    flagged = await town.flagged(vm_id)

    assert (flagged["id"], flagged["name"]) == (vm_id.lower(), "shut~1")
    assert (flagged["cause"]["actor"], flagged["since_source"]) == ("guest", "annotation")
    assert {each for each in await flagged_ids(town) if "/shut/" in each} == {vm_id.lower()}


@pytest.mark.parametrize(
    ("verb", "kinds", "actor"),
    [("power_off", EVENTS, "control_plane"), ("guest_shutdown", HEALTH, "guest")],
)
async def test_a_flexible_instance_is_known_as_any_vm(
    town: Town, azure: SimulatedAzure, verb: str, kinds: list[str], actor: str
) -> None:
    await town.told_by(azure, kinds)
    name = f"flex-{actor}".replace("_", "-")
    vm_id, _ = azure.add_scale_set(DEFAULT_SUBSCRIPTION, "rg-f", name, mode="Flexible", instances=2)
    await getattr(azure, verb)(vm_id)

    flagged = await town.flagged(vm_id)

    assert flagged["id"] == vm_id.lower()
    assert flagged["name"].startswith(f"{name}_")
    assert flagged["cause"]["actor"] == actor
    assert {each for each in await flagged_ids(town) if f"/{name}_" in each} == {vm_id.lower()}


async def test_a_power_off_of_the_set_is_known_by_the_annotations_of_its_instances(
    town: Town, azure: SimulatedAzure
) -> None:
    await town.told_by(azure, EVENTS + HEALTH)
    ids = azure.add_scale_set(DEFAULT_SUBSCRIPTION, "rg-u", "wide", instances=3)
    (scale_set,) = (key for key in azure.scale_sets if key.endswith("/wide"))
    await azure.on_scale_set(scale_set, "power_off", ["0", "2"])

    for vm_id in (ids[0], ids[2]):
        flagged = await town.flagged(vm_id)
        assert flagged["cause"]["operation"] == "VirtualMachineStopInitiatedByControlPlane"

    assert {each for each in await flagged_ids(town) if "/wide/" in each} == {ids[0].lower(), ids[2].lower()}
    assert await town.vm(ids[1]) == {}


async def test_a_flagged_instance_that_is_deleted(town: Town, azure: SimulatedAzure) -> None:
    await town.told_by(azure, EVENTS)
    vm_id, _ = azure.add_scale_set(DEFAULT_SUBSCRIPTION, "rg-u", "gone", instances=2)
    await azure.power_off(vm_id)
    await town.flagged(vm_id)
    await azure.delete(vm_id)

    deleted = await town.seen(vm_id, "deleted")

    assert (deleted["flag"], deleted["billed"]) == (None, False)
    assert deleted["episodes"][0]["ended_as"] == "deleted"
    assert deleted["size"] == "Standard_D2s_v5"

    async def told() -> bool:
        return notices(azure, vm_id) == ["Stopgap.Vm.LeftStopped", "Stopgap.Vm.FlagCleared"]

    assert await eventually(told)


async def test_a_page_is_found_by_set_and_instance_id_in_any_letter_case(
    town: Town, azure: SimulatedAzure
) -> None:
    await town.told_by(azure, EVENTS)
    (vm_id,) = azure.add_scale_set(DEFAULT_SUBSCRIPTION, "rg-u", "Cased")
    await azure.deallocate(vm_id)
    await town.seen(vm_id, "deallocated")

    status, body = await town.get(f"/api/vms/{DEFAULT_SUBSCRIPTION}/RG-U/CASED~0")
    assert (status, body["id"]) == (200, vm_id.lower())
    for wrong in ("cased~", "~0", "cased~0~1"):
        assert (await town.get(f"/api/vms/{DEFAULT_SUBSCRIPTION}/rg-u/{wrong}"))[0] == 400
    assert (await town.get(f"/api/vms/{DEFAULT_SUBSCRIPTION}/rg-u/cased~9"))[0] == 404
