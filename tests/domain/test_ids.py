import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import ScaleSetId, VmId, parse_scale_set_id, parse_subscription, parse_vm_id
from shared.domain.malformed import Malformed

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-Shop/providers/Microsoft.Compute/virtualMachines/Web-1"
WEB = VmId(SUBSCRIPTION, "rg-shop", "web-1")


@pytest.mark.parametrize("text", [ID, ID.upper(), ID.lower(), f"{ID}/"])
def test_any_letter_case_and_a_trailing_slash_name_the_same_vm(text: str) -> None:
    assert parse_vm_id(text) == WEB


def test_its_text_is_the_lower_case_id() -> None:
    assert str(WEB) == ID.lower()


INSTANCE = ID.replace("virtualMachines/Web-1", "virtualMachineScaleSets/Farm/virtualMachines/3")


def test_an_instance_of_a_uniform_scale_set() -> None:
    for spelled in (INSTANCE, INSTANCE.upper(), f"{INSTANCE}/"):
        vm = parse_vm_id(spelled)
        assert vm == VmId(SUBSCRIPTION, "rg-shop", "farm~3")
        assert vm.instance == ("farm", "3")
        assert str(vm) == INSTANCE.lower()
        assert VmId.of(vm.subscription, vm.resource_group, vm.name) == vm
    assert WEB.instance is None


def test_a_scale_set_as_a_whole() -> None:
    whole = INSTANCE.removesuffix("/virtualMachines/3")
    assert parse_scale_set_id(whole.upper()) == ScaleSetId(SUBSCRIPTION, "rg-shop", "farm")
    assert parse_scale_set_id(INSTANCE) is None
    assert parse_scale_set_id(ID) is None
    assert parse_vm_id(whole) is None
    with pytest.raises(Malformed, match="scale set"):
        parse_scale_set_id(whole + "?")


def test_resource_groups_may_be_of_any_script() -> None:
    vm = parse_vm_id(ID.replace("RG-Shop", "Größe_ВМ(1).東京"))
    assert vm
    assert vm.resource_group == "größe_вм(1).東京"
    assert parse_vm_id(str(vm)) == vm


@pytest.mark.parametrize(
    "text",
    [
        "/",
        f"/subscriptions/{SUBSCRIPTION}",
        f"{ID}/extensions/script1",
        ID.replace("virtualMachines", "disks"),
        ID.replace("virtualMachines", "virtualMachineScaleSets"),
        f"{INSTANCE}/extensions/e",
        ID.replace("Microsoft.Compute", "Microsoft.EventHub"),
        "/blobServices/default/containers/deadletter/blobs/x",
    ],
)
def test_what_is_no_vm_is_none(text: str) -> None:
    assert parse_vm_id(text) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a#b",
        "a?b",
        "a\\b",
        "a%2fb",
        "a\nb",
        "a\x85b",
        "a|b",
        "a😀",
        "x" * 91,
        ".",
        "..",
        "-",
        "a\u202eb",
    ],
)
def test_a_name_that_no_vm_can_have_is_malformed(name: str) -> None:
    with pytest.raises(Malformed, match="VM name: expected 1 to 90"):
        parse_vm_id(ID.replace("Web-1", name) + ("/" if not name else ""))


@pytest.mark.parametrize("text", [None, 1, "", "web-1", {}, "https://portal.azure.com" + ID])
def test_what_is_no_resource_id_is_malformed(text: object) -> None:
    with pytest.raises(Malformed, match="resource id"):
        parse_vm_id(text)


@pytest.mark.parametrize("text", ["", "x", SUBSCRIPTION + "0", "{subscription-id}"])
def test_a_subscription_is_a_guid(text: str) -> None:
    with pytest.raises(Malformed, match="GUID"):
        parse_subscription(text)


@given(st.text())
def test_any_text_is_a_vm_or_not_or_malformed(text: str) -> None:
    for candidate in (text, ID.replace("Web-1", text), ID.replace("RG-Shop", text)):
        try:
            vm = parse_vm_id(candidate)
        except Malformed as fault:
            assert "\n" not in str(fault)
        else:
            assert vm is None or parse_vm_id(str(vm)) == vm
