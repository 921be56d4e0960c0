import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.malformed import Malformed
from shared.domain.states import (
    BILLED,
    SETTLED_POWER,
    SETTLED_PROVISIONING,
    PowerState,
    ProvisioningState,
    read_statuses,
)

# "States and billing status of Azure Virtual Machines", row by row.
NEWEST_DOCUMENT = {
    "creating": False,
    "starting": True,
    "running": True,
    "stopping": True,
    "stopped": True,
    "deallocating": False,
    "deallocated": False,
}


def test_the_billing_table_is_whole_and_is_the_newest_documents() -> None:
    assert set(BILLED) == set(PowerState)
    assert {
        state.value: billed for state, billed in BILLED.items() if state in NEWEST_DOCUMENT
    } == NEWEST_DOCUMENT
    assert BILLED[PowerState.UNKNOWN] is None


def test_what_passes_is_not_settled() -> None:
    assert {"running", "stopped", "deallocated"} == SETTLED_POWER
    assert set(ProvisioningState) - SETTLED_PROVISIONING == {
        "creating",
        "updating",
        "deleting",
        "migrating",
        "inprogress",
        "unknown",
    }


@pytest.mark.parametrize("state", sorted(set(PowerState) - {PowerState.DELETED}))
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title, lambda word: f" {word} "])
def test_each_power_state_in_any_spelling(state: PowerState, spell: type[str]) -> None:
    assert read_statuses([{"code": f"PowerState/{spell(state)}"}]).power_state is state


@pytest.mark.parametrize("word", ["--", "", "deleted", "hovering", "running/fast"])
def test_an_unknown_power_state_is_unknown(word: str) -> None:
    assert read_statuses([{"code": f"PowerState/{word}"}]).power_state is PowerState.UNKNOWN


@pytest.mark.parametrize("statuses", [None, [], [{"code": "ProvisioningState/succeeded"}]])
def test_no_power_state_is_unknown(statuses: object) -> None:
    assert read_statuses(statuses).power_state is PowerState.UNKNOWN


@pytest.mark.parametrize(
    ("code", "state", "detail"),
    [
        ("ProvisioningState/succeeded", "succeeded", None),
        ("provisioningstate/SUCCEEDED", "succeeded", None),
        ("ProvisioningState/failed", "failed", None),
        ("ProvisioningState/failed/InternalOperationError", "failed", "InternalOperationError"),
        ("ProvisioningState/creating/OSProvisioningInprogress", "creating", "OSProvisioningInprogress"),
        ("ProvisioningState/creating/osProvisioningComplete", "creating", "osProvisioningComplete"),
        ("ProvisioningState/ OSProvisioningInprogress", "creating", "OSProvisioningInprogress"),
        ("ProvisioningState/migrating", "migrating", None),
        ("ProvisioningState/canceled", "canceled", None),
        ("ProvisioningState/InProgress", "inprogress", None),
        ("ProvisioningState/levitating", "unknown", None),
        ("ProvisioningState/", "unknown", None),
    ],
)
def test_each_provisioning_state(code: str, state: str, detail: str | None) -> None:
    reading = read_statuses([{"code": "PowerState/running"}, {"code": code}])
    assert (reading.provisioning_state, reading.detail) == (state, detail)
    assert reading.error_code == (detail if state == "failed" else None)


def test_the_models_state_serves_where_the_view_has_none() -> None:
    stopped = [{"code": "PowerState/stopped"}]
    assert read_statuses(stopped, "Succeeded").settled
    assert not read_statuses(stopped, "Updating").settled
    assert not read_statuses(stopped).settled, "whether an operation runs is not known"
    assert not read_statuses([*stopped, {"code": "ProvisioningState/updating"}], "Succeeded").settled


def test_neither_position_nor_company_matters() -> None:
    codes = [
        "PowerState/deallocated",
        "HibernationState/Hibernated",
        "Other/thing",
        "ProvisioningState/succeeded",
    ]
    for order in (codes, codes[::-1]):
        reading = read_statuses([{"code": code, "level": "Info"} for code in order])
        assert (reading.power_state, reading.hibernated, reading.settled) == (
            PowerState.DEALLOCATED,
            True,
            True,
        )


@pytest.mark.parametrize("statuses", [{}, "PowerState/running", 5, [None], ["x"], [{}], [{"code": 7}]])
def test_what_is_no_array_of_statuses_is_malformed(statuses: object) -> None:
    with pytest.raises(Malformed, match="instance view: expected"):
        read_statuses(statuses)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.lists(st.fixed_dictionaries({"code": json_values})) | json_values, json_values)
def test_any_json_is_read_or_malformed(statuses: object, model_state: object) -> None:
    try:
        reading = read_statuses(statuses, model_state)
    except Malformed as fault:
        assert "\n" not in str(fault)
    else:
        assert reading.power_state is not PowerState.DELETED
