from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.demo.command import difference, left_stopped
from local.demo.show import Screen


def test_a_difference_is_told_in_either_direction() -> None:
    assert difference({"a", "b"}, {"a", "b"}) == []
    assert difference({"a"}, {"a", "b"}) == ["not flagged, but left Stopped: b"]
    assert difference({"a", "b"}, {"a"}) == ["flagged, but not left Stopped: b"]


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


def test_no_vm_left_stopped_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(Console()).flagged([])
    assert capsys.readouterr().out.strip() == "No VM is left Stopped."
