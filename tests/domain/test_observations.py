import json
from pathlib import Path

import pytest
from hypothesis import given

from shared.domain.malformed import Malformed
from shared.domain.observations import Model, read_vm
from shared.domain.states import PowerState, ProvisioningState
from tests.domain.life import NOON, VM
from tests.domain.test_states import json_values

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


def test_the_recorded_vm() -> None:
    body = json.loads((SAMPLES / "arm-vm-get-expand-instanceview.running.recorded.json").read_text("utf-8"))
    seen = read_vm(VM, body, NOON)
    assert seen.reading.power_state is PowerState.RUNNING
    assert seen.reading.settled
    assert seen.model == Model(
        uid="f6a6b9b2-9b99-45b0-8a18-025998fc74d0",
        location="southcentralus",
        size="Standard_A1_v2",
        os_type="Linux",
        priority=None,
    )
    assert seen.tags["testtag"] == "testvalue"


def test_only_the_views_own_statuses_are_read() -> None:
    failed = [{"code": "ProvisioningState/failed/1"}, {"code": "PowerState/stopped"}]
    view = {
        "vmAgent": {"statuses": failed, "extensionHandlers": [{"status": failed[0]}]},
        "disks": [{"name": "d", "statuses": failed}],
        "extensions": [{"statuses": failed, "substatuses": failed}],
        "statuses": [{"code": "ProvisioningState/succeeded"}],
    }
    seen = read_vm(VM, {"properties": {"instanceView": view}}, NOON)
    assert seen.reading.power_state is PowerState.UNKNOWN
    assert seen.reading.provisioning_state is ProvisioningState.SUCCEEDED


@pytest.mark.parametrize(
    ("properties", "model"),
    [
        ({"licenseType": "Windows_Server"}, Model(license_type="Windows_Server")),
        (
            {"storageProfile": {"osDisk": {"diffDiskSettings": {"option": "Local"}}}},
            Model(ephemeral_os_disk=True),
        ),
        ({"storageProfile": {"osDisk": {"diffDiskSettings": None}}}, Model()),
        ({"host": {"id": "/subscriptions/…/hosts/h"}}, Model(dedicated_host=True)),
        ({"hostGroup": {"id": "/subscriptions/…/hostGroups/g"}}, Model(dedicated_host=True)),
        ({"instanceView": {"assignedHost": "/subscriptions/…/hosts/h"}}, Model(dedicated_host=True)),
        ({"host": {}}, Model()),
        (
            {"capacityReservation": {"capacityReservationGroup": {"id": "/subscriptions/…/g"}}},
            Model(capacity_reservation=True),
        ),
        ({"capacityReservation": {"capacityReservationGroup": None}}, Model()),
    ],
)
def test_what_bears_on_a_deallocation_is_read(properties: object, model: Model) -> None:
    assert read_vm(VM, {"properties": properties}, NOON).model == model


@pytest.mark.parametrize(
    "body", [{}, {"properties": {}}, {"properties": {"instanceView": {}}}, {"tags": None}]
)
def test_what_is_missing_is_unknown(body: object) -> None:
    seen = read_vm(VM, body, NOON)
    assert seen.reading.power_state is PowerState.UNKNOWN
    assert not seen.reading.settled


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (None, "a VM"),
        ([], "the VM"),
        ({"properties": 1}, "properties"),
        ({"properties": {"instanceView": "x"}}, "instanceView"),
        ({"properties": {"hardwareProfile": []}}, "hardwareProfile"),
        ({"properties": {"hardwareProfile": {"vmSize": 4}}}, "vmSize"),
        ({"properties": {"licenseType": 4}}, "licenseType"),
        ({"properties": {"host": "h"}}, "a reference"),
        ({"properties": {"capacityReservation": "c"}}, "capacityReservation"),
        ({"properties": {"storageProfile": {"osDisk": {"diffDiskSettings": "Local"}}}}, "diffDiskSettings"),
        ({"tags": []}, "tags"),
        ({"location": {}}, "location"),
    ],
)
def test_what_has_the_wrong_type_is_named(body: object, where: str) -> None:
    with pytest.raises(Malformed, match=rf"ARM's answer: expected .*{where}"):
        read_vm(VM, body, NOON)


@given(json_values)
def test_any_json_is_read_or_malformed(value: object) -> None:
    for body in (
        value,
        {"properties": value},
        {"properties": {"instanceView": {"statuses": value}}, "tags": value},
    ):
        try:
            read_vm(VM, body, NOON)
        except Malformed as fault:
            assert "\n" not in str(fault)
