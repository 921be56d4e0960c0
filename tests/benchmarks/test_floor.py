"""The floor asks for the same as the app, on the real parts and in small; and where it did not, nothing is reported."""

from dataclasses import replace

import pytest

from benchmarks import events, sweeps
from benchmarks.events import Chunk
from benchmarks.stage import CannotMeasure
from benchmarks.sweeps import Swept, floor_did_the_same

CHUNK = Chunk(10, 0.004, 0.04, {"arm get 200": 10}, 0.002, 0.03, {"arm get 200": 10})
SWEPT = Swept(0.2, 46.0, {"arm listStatus 200": 1, "storage query": 1, "storage transaction": 3})


async def test_an_event_with_a_change_asks_for_what_the_floor_asks_for() -> None:
    found = {each.key: each.value for each in await events.of_kind("changed", chunks=3, chunk=4, alone=1)}
    assert [found.pop(f"event.changed.{what}") for what in ("arm", "reads", "writes")] == [1, 1, 1]
    assert set(found) == {"event.changed.cpu", "event.changed.wall"}
    assert all(value > 0 for value in found.values())


async def test_sweeps_ask_for_what_the_floor_asks_for() -> None:
    found = await sweeps.of_size(200, {"first": 1, "same": 1, "some": 1})
    assert [each.key for each in found] == [
        f"sweep.{kind}.200.{what}"
        for kind in ("first", "same", "some")
        for what in ("arm", "storage", "cpu", "memory")
    ]
    assert [each.value for each in found if each.key.endswith(".arm")] == [1, 1, 1]
    stored = {each.key: each.compared for each in found if each.key.endswith(".storage")}
    same = stored["sweep.same.200.storage"]
    assert same
    assert (same.ours, same.floor) == (3, 3)


def test_a_floor_that_asked_for_something_else_is_none() -> None:
    other = replace(CHUNK, floor_asked={"arm get 200": 9, "arm get 429": 1})
    with pytest.raises(CannotMeasure, match=r"event, same: the app asked for .*, the floor for .*429"):
        events.figures_of("same", [CHUNK, other], alone=0)
    with pytest.raises(CannotMeasure, match=r"sweep of 100, same: the app asked for"):
        sweeps.figures_of("same", 100, [(SWEPT, replace(SWEPT, asked={"arm listStatus 200": 1}))])


@pytest.mark.parametrize(
    ("floor", "same"),
    [
        ({"storage put": 2, "storage transaction": 3}, True),
        ({"storage put": 2, "storage transaction": 1}, True),
        ({"storage put": 2, "storage transaction": 4}, False),
        ({"storage put": 1, "storage transaction": 3}, False),
        ({"storage put": 2, "storage transaction": 3, "arm get 200": 1}, False),
    ],
)
def test_a_floor_may_write_in_fewer_transactions_and_nothing_else(floor: dict[str, int], same: bool) -> None:
    assert floor_did_the_same({"storage put": 2, "storage transaction": 3}, floor) is same


def test_an_event_s_ratio_is_the_median_of_neighbours() -> None:
    busy = replace(CHUNK, app_cpu=0.012, floor_cpu=0.006)
    odd = replace(CHUNK, app_cpu=0.012)
    cpu = events.figures_of("same", [CHUNK, busy, odd], alone=0)[-1]
    assert cpu.value == 2
    assert cpu.compared
    assert (cpu.compared.ours, cpu.compared.floor) == pytest.approx((1.2, 0.2))


def test_how_cost_grows_is_told_of_the_largest_against_the_smallest_fleet() -> None:
    small = sweeps.figures_of("same", 1_000, [(SWEPT, SWEPT)])
    large = sweeps.figures_of("same", 50_000, [(replace(SWEPT, cpu=12.0), SWEPT)])
    (found,) = sweeps.growth([*small, *large])
    assert found.key == "sweep.growth"
    assert found.value == pytest.approx(1.2)
    assert not list(sweeps.growth(small))
