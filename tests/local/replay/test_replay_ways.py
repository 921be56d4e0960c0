"""What each way makes of the settings, and of the events."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.azure.server import SimulatedAzure
from local.replay.fleet import POWERS, Rest, at_the_end, settle
from local.replay.recordings import Place, Recorded
from local.replay.ways import JUDGED_BY, OTHERS, Way, about, environment, storage_name
from shared.domain.ids import VmId
from shared.domain.signals import LEADS_TO
from shared.domain.states import PowerState
from shared.settings import INSIGHTS, VARIABLES, Settings, Storage
from tests.registered import FUNCTIONS

ONE, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GIVEN = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "AzureWebJobsStorage__clientId": "me",
    "STOPGAP_SUBSCRIPTIONS": ONE,
    "STOPGAP_GRACE": "1h",
    "STOPGAP_ALLOW_DEALLOCATE": "true",
    "STOPGAP_TOPIC_ENDPOINT": "https://topic.example.com",
    "STOPGAP_WEBHOOK_URL": "https://hook.example.com",
    "STOPGAP_ARM_ENDPOINT": "https://arm.example.com",
    INSIGHTS: "InstrumentationKey=x",
    "WEBSITE_AUTH_ENABLED": "true",
    "AZURE_CLIENT_ID": "who asks Azure",
    "AzureWebJobs.vm_event.Disabled": "true",
}


def event(
    operation: str,
    *,
    minutes: int = 0,
    name: str = "vm-1",
    subscription: str = ONE,
    kind: str = "ActionSuccess",
) -> Recorded:
    compute = f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Compute"
    body: dict[str, object] = {
        "eventType": f"Microsoft.Resources.Resource{kind}",
        "subject": f"{compute}/{name if '/' in name else f'virtualMachines/{name}'}",
        "eventTime": (NOON + timedelta(minutes=minutes)).isoformat(),
        "data": {"operationName": f"Microsoft.Compute/virtualMachines/{operation}"},
    }
    return Recorded(Place("f", 1), body)


def ours(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if not name.startswith("AzureWebJobs.")}


@pytest.mark.parametrize("way", Way)
def test_only_events_are_handled(way: Way) -> None:
    values = environment(way, GIVEN, [])
    disabled = {name for name in FUNCTIONS if values.get(f"AzureWebJobs.{name}.Disabled") == "true"}
    assert disabled == set(OTHERS)
    answers = {name for name, each in FUNCTIONS.items() if each.is_http_function()}
    assert set(FUNCTIONS) - answers - disabled == {"vm_event"}


def test_a_rehearsal_writes_to_nobody_and_asks_the_same_azure() -> None:
    values = ours(environment(Way.REHEARSAL, GIVEN, [event("start/action", subscription=OTHER)]))
    assert values == {
        "STOPGAP_SUBSCRIPTIONS": ONE,
        "STOPGAP_GRACE": "1h",
        "STOPGAP_ALLOW_DEALLOCATE": "false",
        "STOPGAP_ARM_ENDPOINT": "https://arm.example.com",
        "AZURE_CLIENT_ID": "who asks Azure",
    }


def test_in_earnest_the_settings_are_as_they_are() -> None:
    values = ours(environment(Way.WRITE, GIVEN, []))
    kept = {name: value for name, value in ours(GIVEN).items() if name != "WEBSITE_AUTH_ENABLED"}
    assert values == kept | {"WEBSITE_HOSTNAME": ""}
    assert environment(Way.WRITE, {"WEBSITE_HOSTNAME": "x"}, [])["WEBSITE_HOSTNAME"] == "x"
    assert "STOPGAP_SUBSCRIPTIONS" not in environment(Way.WRITE, {}, [event("start/action")])


def test_a_simulated_azure_takes_over_what_vms_are_judged_by() -> None:
    values = ours(environment(Way.SIMULATED, GIVEN, [event("write", subscription=OTHER)]))
    assert values == {
        "STOPGAP_GRACE": "1h",
        "STOPGAP_ALLOW_DEALLOCATE": "false",
        "STOPGAP_SUBSCRIPTIONS": OTHER,
    }
    assert set(JUDGED_BY) <= set(VARIABLES)


@pytest.mark.parametrize("way", [Way.REHEARSAL, Way.SIMULATED])
def test_without_a_setting_the_subscriptions_are_those_that_the_events_name(way: Way) -> None:
    events = [
        event("start/action", subscription=OTHER),
        event("write", name="virtualMachineScaleSets/set", subscription=ONE),
        event("write", name="disks/d", subscription="00000000-0000-4000-8000-000000000003"),
    ]
    assert environment(way, {}, events)["STOPGAP_SUBSCRIPTIONS"] == f"{ONE},{OTHER}"
    # Something has to be watched, or the function app cannot work at all.
    assert environment(way, {}, events[2:])["STOPGAP_SUBSCRIPTIONS"] == ONE


def test_each_way_says_what_it_does() -> None:
    settings = Settings.from_env(GIVEN)
    said = {way: about(way, settings) for way in Way}
    assert "https://arm.example.com" in said[Way.REHEARSAL]
    assert "nobody is told" in said[Way.REHEARSAL]
    assert "No Azure is asked" in said[Way.SIMULATED]
    assert (
        "records are written to the storage emulator on this machine, notices go to the topic and the webhook, "
        "mode is notify, deallocations are allowed"
    ) in said[Way.WRITE]


def test_a_storage_account_is_named_without_its_key() -> None:
    connection = (
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
    )
    assert storage_name(Storage(connection)) == "storage account shop"
    assert (
        storage_name(Storage(None, "https://shop.table.core.windows.net"))
        == "https://shop.table.core.windows.net"
    )


def test_every_state_that_an_event_leads_to_has_its_place_in_the_simulated_azure() -> None:
    assert set(POWERS) >= set(LEADS_TO.values())


def test_a_vm_is_where_the_last_event_leads_by_time() -> None:
    rests = at_the_end(
        [
            event("start/action", minutes=5),
            event("powerOff/action", minutes=3),
            event("write", minutes=9),
            event("deallocate/action", minutes=7, kind="ActionFailure"),
            event("write", name="vm-2"),
            event("delete", name="vm-3", kind="DeleteSuccess"),
            event("listKeys/action", name="disks/d"),
        ]
    )
    assert {vm.name: rest for vm, rest in rests.items()} == {
        "vm-1": Rest(PowerState.RUNNING, NOON + timedelta(minutes=5)),
        "vm-2": Rest(PowerState.RUNNING, NOON),
        "vm-3": Rest(PowerState.DELETED, NOON),
    }


async def test_the_simulated_azure_has_those_vms() -> None:
    instances = [VmId(ONE, "rg", f"set~{number}") for number in (3, 4)]
    rests: dict[VmId, Any] = {
        VmId(ONE, "rg", "on"): Rest(PowerState.RUNNING, NOON),
        VmId(OTHER, "rg", "off"): Rest(PowerState.STOPPED, NOON),
        VmId(ONE, "rg", "gone"): Rest(PowerState.DELETED, NOON),
        VmId(ONE, "rg", "to-come"): Rest(PowerState.DEALLOCATED, datetime.now(UTC) + timedelta(days=1)),
        **dict.fromkeys(instances, Rest(PowerState.STOPPED, NOON)),
    }
    async with SimulatedAzure(subscriptions=()) as azure:
        settle(azure, rests)
        assert azure.powers() == {
            str(vm): POWERS[rest.power_state] for vm, rest in rests.items() if vm.name != "gone"
        }
        since = azure.vm(str(VmId(ONE, "rg", "to-come"))).history[0].at
        assert since <= datetime.now(UTC)
