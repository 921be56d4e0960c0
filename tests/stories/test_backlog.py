"""What is due and not done, as it is measured and told in the log."""

import json
import logging
from copy import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backlog import NAMED, is_late
from shared.domain.observations import CLOCKS_DIFFER
from shared.domain.schedule import last_but_one
from shared.ports import Coverage, Look, Refused, Sweep, Unavailable
from shared.settings import EVERY_QUARTER
from shared.web.coverage import remarks
from tests.measured import QUEUES, taken, total
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def nothing_yet(caplog: pytest.LogCaptureFixture) -> None:
    taken()
    caplog.set_level(logging.INFO, "stopgap.backlog")


def line(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """What the one line says that was written."""
    (record,) = [each for each in caplog.records if each.name == "stopgap.backlog"]
    told: dict[str, Any] = json.loads(record.getMessage().removeprefix("backlog "))
    return told


async def test_where_all_is_done_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.sweep()
    world.now += MINUTE
    await world.backlog().measure()
    told = taken()
    for queue in QUEUES:
        assert total(told, "stopgap.queue.age", queue=queue) == 0
        assert total(told, "stopgap.queue.poisoned", queue=queue) == 0
    assert total(told, "stopgap.sweep.age") == 60
    assert [series["sum"] for series in told if series["name"] == "stopgap.sweep.late"] == [0]
    assert line(caplog) == {
        "queues": {queue: {"age": 0.0, "poisoned": 0} for queue in QUEUES},
        "late": 0,
        "sweeps": {SUBSCRIPTION: 60.0},
    }


async def test_what_waits_is_as_old_as_it_is_due(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.looks.put(Look(WEB, NOON), timedelta(hours=6))
    await world.looks.put(Look(WEB, NOON), MINUTE)
    await world.sweeps.put(Sweep(SUBSCRIPTION, NOON), timedelta())
    world.now += 10 * MINUTE
    await world.backlog().measure()
    told = taken()
    assert total(told, "stopgap.queue.age", queue="looks") == 540
    assert total(told, "stopgap.queue.age", queue="sweeps") == 600
    assert total(told, "stopgap.queue.age", queue="deallocations") == 0
    assert line(caplog)["queues"]["looks"]["age"] == 540


async def test_what_was_given_up_is_counted_by_queue(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.looks.given_up = 7
    await world.backlog().measure()
    told = taken()
    assert {queue: total(told, "stopgap.queue.poisoned", queue=queue) for queue in QUEUES} == {
        "looks": 7,
        "deallocations": 0,
        "sweeps": 0,
    }
    assert line(caplog)["queues"]["looks"]["poisoned"] == 7


async def test_a_subscription_that_was_never_swept_is_late_and_has_no_age(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    await world.backlog().measure()
    told = taken()
    assert total(told, "stopgap.sweep.late") == 1
    assert not [series for series in told if series["name"] == "stopgap.sweep.age"]
    assert line(caplog)["sweeps"] == {SUBSCRIPTION: None}


async def test_a_sweep_that_does_not_come_to_its_end_is_late_by_two_periods() -> None:
    world = World()
    world.put("running")
    await world.sweep()
    world.vms.page_faults[0] = Refused("ARM: HTTP 403")
    late = list[float]()
    for _ in range(3):
        world.now += 15 * MINUTE
        await world.sweep()
        await world.backlog().measure()
        late.append(total(taken(), "stopgap.sweep.late"))
    assert late == [0, 1, 1], "at 12:15 it was due at 12:00, when it was covered"
    world.vms.page_faults.clear()
    await world.sweep()
    await world.backlog().measure()
    assert total(taken(), "stopgap.sweep.late") == 0


async def test_of_many_subscriptions_the_log_names_those_that_wait_longest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    many = [f"00000000-0000-4000-8000-{number:012}" for number in range(NAMED + 5)]
    world.watch.subscriptions = frozenset(many)
    for number, each in enumerate(many[1:], start=1):
        at = NOON - number * MINUTE
        await world.ledger.keep_coverage(Coverage(each, at, at, 0, 0, 0, covered_at=at))
    await world.backlog().measure()
    assert list(line(caplog)["sweeps"]) == [many[0], *reversed(many[-NAMED + 1 :])]
    assert total(taken(), "stopgap.sweep.age") == 60 * sum(range(1, NAMED + 5))


async def test_a_queue_that_cannot_be_asked_is_an_error_and_not_empty() -> None:
    world = World()

    async def away() -> datetime | None:
        raise Unavailable("queue looks, peek: no answer")

    world.looks.oldest = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="queue looks"):
        await world.backlog().measure()
    assert not [series for series in taken() if series["name"] == "stopgap.sweep.late"]


SWEPT = Coverage(SUBSCRIPTION, NOON, NOON, 0, 0, 0)


@given(
    covered=st.one_of(st.none(), st.timedeltas(-timedelta(hours=2), timedelta(hours=2))),
    swept=st.booleans(),
    schedule=st.sampled_from([EVERY_QUARTER, "0 0 * * * *", "0 0 3 30 2 *"]),
)
def test_health_remarks_on_what_is_late_and_on_nothing_else(
    covered: timedelta | None, swept: bool, schedule: str
) -> None:
    at = None if covered is None else NOON - covered
    coverage = replace(SWEPT, covered_at=at) if swept else None
    assert bool(_remarks(coverage, schedule)) == is_late(coverage, last_but_one(schedule, NOON), NOON)
    assert timedelta(hours=2) > CLOCKS_DIFFER, "clocks that are ahead are among the examples"


def _remarks(coverage: Coverage | None, schedule: str) -> list[str]:
    """What health says of the one subscription, of an app that has run for years."""
    swept = {SUBSCRIPTION: coverage} if coverage else {}
    return remarks(swept, (SUBSCRIPTION,), schedule, since=NOON - timedelta(days=9_999), now=NOON)
