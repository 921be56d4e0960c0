from typing import Any

import pytest

from local.doctor.filters import HOLE, Sample, every, inverse, lets_through, some

TYPE = "Microsoft.Resources.ResourceActionSuccess"
SUBJECT = f"/subscriptions/1/resourcegroups/{HOLE}/providers/microsoft.compute/virtualmachines/{HOLE}"
POWER_OFF = "Microsoft.Compute/virtualMachines/powerOff/action"
SAMPLE = Sample(
    TYPE,
    {"subject": SUBJECT, "data.operationname": POWER_OFF.lower()},
    frozenset({"operationname", "claims"}),
)


def advanced(operator: str, *values: object, key: str = "data.operationName") -> dict[str, Any]:
    return {"advancedFilters": [{"operatorType": operator, "key": key, "values": list(values)}]}


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({}, True),
        ({"includedEventTypes": None, "subjectBeginsWith": None, "advancedFilters": None}, True),
        ({"includedEventTypes": ["All"], "subjectBeginsWith": "", "subjectEndsWith": ""}, True),
        ({"includedEventTypes": ["Other", TYPE.upper()]}, True),
        ({"includedEventTypes": ["Microsoft.Resources.ResourceWriteSuccess"]}, False),
        ({"subjectBeginsWith": "/subscriptions/1"}, True),
        ({"subjectBeginsWith": "/SUBSCRIPTIONS/1/resourceGroups/"}, True),
        ({"subjectBeginsWith": "/subscriptions/1/resourceGroups/rg-shop"}, None),
        ({"subjectBeginsWith": "/subscriptions/2"}, False),
        ({"subjectBeginsWith": "/subscriptions/2/resourceGroups/rg-shop"}, False),
        ({"subjectEndsWith": "/virtualMachines/web-1"}, None),
    ],
)
def test_types_and_subjects(condition: dict[str, Any], answer: bool | None) -> None:
    assert lets_through(condition, SAMPLE) is answer


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (advanced("StringIn", "x", POWER_OFF), True),
        (advanced("stringin", POWER_OFF.upper(), key="Data.OperationName"), True),
        (advanced("StringIn", "Microsoft.Compute/virtualMachines/start/action"), False),
        (advanced("StringIn"), False),
        (advanced("StringNotIn", "Microsoft.Compute/virtualMachines/start/action"), True),
        (advanced("StringNotIn", "x", POWER_OFF), False),
        (advanced("StringBeginsWith", "Microsoft.Compute/"), True),
        (advanced("StringBeginsWith", "Microsoft.Compute/virtualMachineScaleSets/"), False),
        (advanced("StringNotBeginsWith", "Microsoft.Compute/"), False),
        (advanced("StringEndsWith", "/action"), True),
        (advanced("StringEndsWith", "/write"), False),
        (advanced("StringNotEndsWith", "/write"), True),
        (advanced("StringContains", "POWEROFF"), True),
        (advanced("StringContains", "deallocate"), False),
        (advanced("StringNotContains", "deallocate"), True),
        (advanced("IsNotNull"), True),
        (advanced("IsNullOrUndefined"), False),
        (advanced("StringIn", "x", key="data.claims.aud"), None),
        (advanced("IsNotNull", key="data.claims.aud"), None),
        (advanced("StringIn", "x", key="id"), None),
        (advanced("StringIn", POWER_OFF, key="data.unheardOf"), False),
        (advanced("StringNotIn", POWER_OFF, key="data.unheardOf.of"), None),
        (advanced("IsNotNull", key="data.unheardOf"), False),
        (advanced("IsNullOrUndefined", key="data.unheardOf"), True),
        (advanced("NumberIn", 1), None),
        (advanced("Unheard of", POWER_OFF), None),
        ({"advancedFilters": [{"operatorType": "StringIn", "key": "subject"}]}, None),
        ({"advancedFilters": ["nonsense"]}, None),
    ],
)
def test_each_operator(condition: dict[str, Any], answer: bool | None) -> None:
    assert lets_through(condition, SAMPLE) is answer


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (advanced("StringContains", "/providers/Microsoft.Compute/virtualMachines/", key="subject"), True),
        (advanced("StringContains", "rg-shop", key="subject"), None),
        (advanced("StringNotContains", "rg-shop", key="subject"), None),
        (advanced("StringNotContains", "virtualMachines", key="subject"), False),
        (advanced("StringBeginsWith", "/subscriptions/1/resourceGroups/rg", key="subject"), None),
        (advanced("StringBeginsWith", "/subscriptions/2", "/subscriptions/1", key="subject"), True),
        (advanced("StringEndsWith", "web-1", key="subject"), None),
        (advanced("StringIn", SUBJECT.replace(HOLE, "x"), key="subject"), None),
        (advanced("StringIn", "/subscriptions/2/resourceGroups/x", key="subject"), False),
    ],
)
def test_what_differs_from_vm_to_vm(condition: dict[str, Any], answer: bool | None) -> None:
    assert lets_through(condition, SAMPLE) is answer


def test_all_filters_have_to_admit_an_event() -> None:
    admits, refuses = advanced("IsNotNull"), advanced("IsNullOrUndefined")
    unsure = advanced("NumberIn", 1)

    def together(*conditions: dict[str, Any]) -> bool | None:
        return lets_through({"advancedFilters": [c["advancedFilters"][0] for c in conditions]}, SAMPLE)

    assert together(admits, admits) is True
    assert together(admits, unsure) is None
    assert together(unsure, refuses, admits) is False


@pytest.mark.parametrize(
    ("answers", "all_hold", "one_holds"),
    [
        ((), True, False),
        ((True,), True, True),
        ((True, None), None, True),
        ((True, None, False), False, True),
        ((None, False), False, None),
        ((False,), False, False),
    ],
)
def test_three_valued_logic(
    answers: tuple[bool | None, ...], all_hold: bool | None, one_holds: bool | None
) -> None:
    assert every(answers) is all_hold
    assert some(answers) is one_holds
    assert inverse(every(map(inverse, answers))) is one_holds
