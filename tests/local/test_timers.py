from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.host.process import HostProcess
from local.host.timers import parse_schedule
from local.parts import CannotStart
from tests.eventually import eventually

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("0 */15 * * * *", NOON + timedelta(minutes=15)),
        ("*/5 * * * * *", NOON + timedelta(seconds=5)),
        ("30 0 12 * * *", NOON + timedelta(seconds=30)),
        ("0 30 9 * JAN MON-FRI", datetime(2026, 1, 2, 9, 30, tzinfo=UTC)),
        ("0 0 0 13 * FRI", datetime(2026, 2, 13, tzinfo=UTC)),
        ("*/15 * * * *", NOON + timedelta(minutes=15)),
        ("00:00:10", NOON + timedelta(seconds=10)),
        ("1.00:00:00", NOON + timedelta(days=1)),
    ],
)
def test_when_a_schedule_is_next_due(schedule: str, due: datetime) -> None:
    assert parse_schedule(schedule, "tick")(NOON) == due


@pytest.mark.parametrize(
    "schedule", ["", "often", "@daily", "0 0 25 * * *", "* * *", "0 * * * * * *", "24:00:00"]
)
def test_a_bad_schedule_is_named(schedule: str) -> None:
    with pytest.raises(CannotStart) as refused:
        parse_schedule(schedule, "tick")
    assert f"function tick: schedule {schedule!r} is not understood: expected six fields" in str(
        refused.value
    )


async def test_a_timer_fires_at_startup_and_when_due(
    sample_app: Path, sample_settings: Mapping[str, str]
) -> None:
    settings = {**sample_settings, "SAMPLE_QUEUE": "timers", "SAMPLE_SCHEDULE": "* * * * * *"}
    async with HostProcess(settings, app=sample_app) as host, aiohttp.ClientSession(host.url) as web:

        async def ticks() -> list[dict[str, Any]]:
            async with web.get("/v1/seen") as answer:
                seen: list[dict[str, Any]] = (await answer.json())["ticks"]
                return seen if len(seen) >= 3 else []

        seen = await eventually(ticks)
        due = [datetime.fromisoformat(tick["next"]) for tick in seen]
        assert all(earlier < later for earlier, later in pairwise(due[1:]))
        assert not any(tick["past_due"] for tick in seen)
