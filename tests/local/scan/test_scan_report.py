"""What a scan prints: for terminals of any width, and sums that leave out what has no price."""

import io

import msgspec
import pytest
from rich.console import Console
from rich.text import Text

from local.scan import report
from local.scan.scanned import Looked, Scanned
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.money import Amount, Cost, Sum
from shared.domain.observations import Model
from shared.domain.records import Record
from shared.domain.states import PowerState
from tests.contracts.fleet import NOON, new_vm, record

ONE, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
LONG = "a-resource-group-of-sixty-characters-as-some-naming-rule-wants"


def scanned(*hourly: float | None, subscriptions: int = 2) -> Scanned:
    """VMs that are Stopped, and what they cost for an hour."""
    found = list[Record]()
    for number in range(len(hourly)):
        made = record(new_vm(f"web-{number}", LONG, ONE), PowerState.STOPPED)
        found.append(
            Record(**{name: getattr(made, name) for name in made.__struct_fields__} | {"model": MODEL})
        )
    costs = {
        each.vm: Cost(Amount("USD", rate, rate), Amount("USD", 0.0, 0.0))
        for each, rate in zip(found, hourly, strict=True)
    }
    looked = [Looked(ONE, "Shop", vms=9, found=found), Looked(OTHER, "Bank", vms=3)][:subscriptions]
    return Scanned(NOON, "USD", looked, {}, costs)


MODEL = Model(size="Standard_NC24ads_A100_v4", location="southcentralus", os_type="Windows")


def printed(of: Scanned, width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    for part in report.for_people(of, width):
        console.print(part, soft_wrap=isinstance(part, Text))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 129, 130, 160, 240])
def test_a_table_holds_names_whole_in_any_terminal(width: int) -> None:
    text = printed(scanned(0.5, 0.25), width)
    table = text.partition("VMs are Stopped")[0].rpartition("\n")[0]
    assert max(map(len, table.splitlines())) <= width
    for whole in ("web-0", "Standard_NC24ads_A100_v4", "USD 365.00", "southcentralus"):
        assert whole in table


def test_one_subscription_is_not_named_in_each_line() -> None:
    assert "Shop" in printed(scanned(0.5), 160)
    assert "Shop" not in printed(scanned(0.5, subscriptions=1), 160)


def test_the_dearest_come_first_and_those_of_no_known_price_last() -> None:
    of = scanned(0.1, None, 0.5)
    assert [each.vm.name for each in of.stopped] == ["web-2", "web-0", "web-1"]
    assert of.monthly(of.stopped) == Sum(Amount("USD", pytest.approx(438.0), pytest.approx(438.0)), 1)  # type: ignore[arg-type]  # compared


def test_the_proposed_command_is_safe_in_a_shell_and_fit_for_the_kind_of_vm() -> None:
    of = scanned(0.5)
    (found,) = of.looked[0].found
    ordinary = VmId(ONE, "rg(shop)", "web-1")
    instance = VmId(ONE, "rg(shop)", "pool~3")
    of.looked[0].found = [msgspec.structs.replace(found, vm=ordinary)]
    assert f"az vm deallocate --ids '{ordinary}'" in printed(of, 160)
    of.looked[0].found = [msgspec.structs.replace(found, vm=instance)]
    command = (
        f"az vmss deallocate --subscription {ONE} --resource-group 'rg(shop)' --name pool --instance-ids 3"
    )
    assert command in printed(of, 160)


def test_what_is_exempt_is_not_proposed() -> None:
    of = scanned(0.5)
    (found,) = of.looked[0].found
    of.looked[0].found = [msgspec.structs.replace(found, exemption=Exemption(None, "kept warm"))]
    assert "kept warm" in printed(of, 160)
    assert "deallocate" not in printed(of, 160)


def test_sums() -> None:
    none = scanned()
    assert none.monthly(none.stopped) == Sum(Amount("USD", 0.0, 0.0))
    unknown = scanned(None, None)
    assert unknown.monthly(unknown.stopped) == Sum(Amount("USD"), 2)
    assert "they cost an unknown amount a month by list prices" in printed(unknown, 160)


@pytest.mark.parametrize(
    ("stopped", "faults", "code"), [(0, [], 0), (1, [], 1), (1, ["refused"], 1), (0, ["refused"], 2)]
)
def test_exit_codes(stopped: int, faults: list[str], code: int) -> None:
    of = scanned(*[0.5] * stopped)
    of.looked[0].faults += faults
    assert of.exit_code == code
