"""The functions themselves, each called as the platform calls it."""

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from local.parts import ROOT
from shared import bootstrap
from shared.metrics import EVENTS
from tests.measured import taken
from tests.registered import FUNCTIONS

NOON = "2026-11-21T12:00:00Z"
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute"
MESSAGES = {
    "look_again": {"vm": f"{GROUP}/virtualMachines/web-1", "at": NOON},
    "deallocate": {"vm": f"{GROUP}/virtualMachines/web-1", "asked_at": NOON},
    "sweep_subscription": {"subscription": SUBSCRIPTION, "asked_at": NOON},
}


class AnAppThatFails(Exception):
    """What every function meets here."""


def trigger(name: str) -> SimpleNamespace:
    """Whatever calls a function of that name: it has what any of the triggers has."""
    return SimpleNamespace(
        get_body=lambda: json.dumps(MESSAGES.get(name, {})).encode(),
        get_json=dict,
        dequeue_count=1,
        event_type="Microsoft.Resources.ResourceActionSuccess",
        subject="x",
        event_time=datetime.now(UTC),
        method="GET",
        url=f"http://127.0.0.1/api/{name}",
        headers={},
        params={},
        route_params={"subscription": SUBSCRIPTION, "resource_group": "rg", "name": "web-1"},
    )


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_what_is_measured_is_told_at_the_end_of_each_function_whatever_becomes_of_it(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        EVENTS.add(source="none", verb="none")
        raise AnAppThatFails

    monkeypatch.setattr(bootstrap, "app", fail)
    monkeypatch.setattr(bootstrap, "description", fail)
    taken()
    with caplog.at_level(logging.INFO, "stopgap.metrics"), suppress(AnAppThatFails):
        await FUNCTIONS[name].get_user_function()(trigger(name))
    assert "stopgap.events" in caplog.text
    assert taken() == []


def test_a_function_may_take_as_long_as_the_plan_gives_it_by_default() -> None:
    # Flex Consumption: sweeps of the largest subscriptions take more than the ten minutes of other plans.
    assert json.loads((ROOT / "host.json").read_text("utf-8"))["functionTimeout"] == "00:30:00"
