from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from rich.console import Console

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.demo.command import difference, left_stopped, misdone
from local.demo.show import Screen, total


def test_a_difference_is_told_in_either_direction() -> None:
    assert difference({"a", "b"}, {"a", "b"}) == []
    assert difference({"a"}, {"a", "b"}) == ["not flagged, but left Stopped: b"]
    assert difference({"a", "b"}, {"a"}) == ["flagged, but not left Stopped: b"]


async def test_what_was_deallocated_is_held_against_azures_log() -> None:
    armed = {"stopgap:mode": "deallocate"}
    async with SimulatedAzure(operation_seconds=0) as azure, aiohttp.ClientSession() as http:
        right, wrong, saved, missed = (
            azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", name, state=state, tags=tags)
            for name, state, tags in (
                ("right", "stopped", armed),
                ("wrong", "running", armed),
                ("saved", "stopped", armed | {"stopgap:exempt": "keep"}),
                ("missed", "stopped", armed),
            )
        )
        for vm in (right, wrong, saved):
            async with http.post(f"{azure.url}{vm}/deallocate?api-version=1") as answer:
                assert answer.status == 202
        await azure.settle()
        told = [{"id": vm.lower(), "deallocation": {"stage": "confirmed"}} for vm in (right, wrong, saved)]
        assert misdone(azure, told) == [
            f"deallocated, but it was running: {wrong}/deallocate",
            f"deallocated, though nobody asked for that: {saved.lower()}",
            f"not deallocated, or not confirmed: {missed.lower()}",
        ]


async def test_the_truth_is_azures_own() -> None:
    async with SimulatedAzure() as azure:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        left = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", "left", state="stopped", since=long_ago)
        azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", "fresh", state="stopped")
        azure.add_vm(
            DEFAULT_SUBSCRIPTION,
            "rg",
            "exempt",
            state="stopped",
            since=long_ago,
            tags={"stopgap:exempt": "x"},
        )
        azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", "freed", state="deallocated", since=long_ago)
        assert left_stopped(azure) == {left.lower()}


def vm(name: str, lower: float | None, upper: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "resource_group": "rg",
        "size": "Standard_D2s_v5",
        "since": "2026-11-21T12:00:00Z",
        "since_source": "event",
        "reason": "Stopped.",
        "cost": {"currency": "USD", "monthly": {"lower": lower, "upper": upper}},
    }


def test_the_dearest_comes_first_and_what_is_not_known_last(capsys: pytest.CaptureFixture[str]) -> None:
    vms = [
        vm("a", None, None),
        vm("b", 50, 50),
        vm("c", 40, 1060.5),
        vm("d", 70, None),
        vm("e", 0, 0) | {"cost": None},
    ]
    Screen(Console(width=120)).flagged(vms)
    shown = capsys.readouterr().out
    lines = [line.split("│") for line in shown.splitlines() if "│" in line]
    assert [(line[1].strip(), line[4].strip()) for line in lines] == [
        ("c", "40.00 – 1,060.50"),
        ("d", "≥ 70.00"),
        ("b", "50.00"),
        ("a", "not known"),
        ("e", "not known"),
    ]
    assert shown.splitlines()[-1] == (
        "Left as they are, they cost 90.00 – 1,110.50 USD a month by list prices (and 3 whose cost is not known)."
    )


def test_a_total_of_nothing_known_is_not_known() -> None:
    assert total([vm("a", None, None)]) == "What they cost is not known."
    assert (
        total([vm("a", 1, 1), vm("b", 2, 2)])
        == "Left as they are, they cost 3.00 USD a month by list prices."
    )


def test_no_vm_left_stopped_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(Console()).flagged([])
    assert capsys.readouterr().out.strip() == "No VM is left Stopped."
