"""The arithmetic of large fleets, by figures worked out by hand, and docs/scale.md, which is made from it."""

import argparse
import math
from collections.abc import Mapping
from copy import replace
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from local.scale import command
from local.scale import inputs as given
from local.scale.inputs import ASSUMED, Fleet, Given
from local.scale.model import (
    asks_for_sweeps,
    burst,
    changes_a_day,
    costs,
    instances,
    kept_days,
    month,
    peaks,
    rest,
    sweep,
    to_pay,
    worst_time,
)
from local.scale.page import COMMAND, RUN, dollars, figure, page, running
from shared import layout
from shared.domain.budget import PAGES_A_SECOND
from shared.domain.policy import Mode, Policy
from tests.stories.world import WEB, World

FLEET = Fleet()


def test_a_sweep_is_two_lists_page_by_page_and_the_scale_sets() -> None:
    found = sweep(2_000, scale_sets=4)
    assert found.calls == 40 + 40 + 1 + 4
    assert found.queries == 2
    assert found.seconds == pytest.approx(85 * 0.5 + 2 * 0.01 + 2_000 * 0.00006)
    assert sweep(2_001, scale_sets=0).calls == 41 + 41 + 1


def test_sweeps_that_events_ask_for_keep_to_their_distance() -> None:
    # 6.5 s and 13 pages are less than 30 s; of the others, one and a half times their 42.64 and 1,006 s is most.
    assert [sweep(vms, 4).apart for vms in (200, 2_000)] == pytest.approx([30, 63.96])
    assert sweep(2_000, 4).seen_within(FLEET) == pytest.approx(63.96 + 42.64)
    large = sweep(50_000, 4)
    assert large.apart > 900
    assert large.seen_within(FLEET) == pytest.approx(900 + large.seconds), "the schedule's comes first"
    assert sweep(89_000, 4).ends
    assert not sweep(91_000, 4).ends
    assert not asks_for_sweeps(FLEET, 5_000)
    assert asks_for_sweeps(FLEET, 5_100)


def test_however_large_a_fleet_its_sweeps_leave_most_of_the_lists_to_the_schedule() -> None:
    for vms in (200, 2_000, 20_000, 89_000):
        one = sweep(vms, 4)
        assert one.calls * 60 / one.apart <= PAGES_A_SECOND * 60 <= given.LISTS.value / 2


def test_a_burst_is_the_office_s_share_within_its_minutes() -> None:
    found = burst(FLEET, 1_000_000)
    assert found.changes == pytest.approx(500)
    assert found.events == pytest.approx(2_000)
    assert found.flags == pytest.approx(25)
    assert found.looks == pytest.approx(250 + 25)
    assert rest(FLEET, 1_000_000).changes == pytest.approx(50_000 / 86_400)


def test_instances_are_those_of_each_function() -> None:
    # 2,000 events of 5 ms fill 10 cores, 60 % of each used: 17; 275 looks: 3; 500 sweeps of 43 s, 24 at once: 1.
    assert instances(FLEET) == 17 + 3 + 1


def test_the_nearest_limit_comes_first() -> None:
    shares = [peak.share for peak in peaks(FLEET)]
    assert shares == sorted(shares, reverse=True)
    assert {peak.limit for peak in peaks(FLEET)} <= set(given.LIMITS)


@pytest.mark.parametrize("place", range(len(peaks(FLEET))), ids=lambda place: peaks(FLEET)[place].name)
def test_a_limit_holds_up_to_as_many_vms_as_it_says(place: int) -> None:
    peak = peaks(FLEET)[place]
    grown = round(peak.holds)
    if peak.of == "the fleet":
        ratio = grown / FLEET.vms
        fleet = replace(FLEET, vms=grown, subscriptions=round(FLEET.subscriptions * ratio))
    else:
        fleet = replace(FLEET, largest=grown)
    (then,) = [each for each in peaks(fleet) if each.name == peak.name]
    assert then.share == pytest.approx(1, rel=0.1)


def test_a_month() -> None:
    found = month(FLEET)
    days, in_bursts = FLEET.month_days, 1_000_000 * 0.3 * 2 * 22
    assert found.changes == pytest.approx(in_bursts + 50_000 * days)
    assert found.events == pytest.approx(4 * found.changes)
    # 44 bursts of ten minutes; only the largest subscription asks for sweeps, one every 606 s.
    assert found.sweeps == pytest.approx(500 * days * 96 + 44 * 600 / sweep(20_000, 4).apart)
    louder = month(replace(FLEET, subscriptions=100))
    assert louder.sweeps == pytest.approx(100 * (days * 96 + 44 * 600 / sweep(10_000, 4).apart))
    quiet = month(replace(FLEET, office=0))
    assert quiet.sweeps == pytest.approx(500 * days * 96)
    a_day = found.changes / days
    assert a_day == pytest.approx(changes_a_day(FLEET))
    kept = kept_days(FLEET)
    assert found.table_gb == pytest.approx((1e6 * 3_600 + a_day * kept * (1_100 + 0.05 * 1_700)) / 1e9)
    assert 0 < found.active < days * 86_400 * instances(FLEET)


def test_rows_stay_until_retention_gets_to_them() -> None:
    # 496,000 new rows a day are a quarter of what a night looks at: a row waits an eighth of its time there.
    assert kept_days(FLEET) == pytest.approx(400 / (1 - 0.124), rel=0.01)
    assert math.isinf(kept_days(replace(FLEET, vms=9_000_000)))


def test_the_bill_is_amounts_times_prices() -> None:
    found = month(FLEET)
    bill = {line.what: line.dollars for line in costs(found)}
    assert bill["Functions, time"] == pytest.approx(found.active * 2 * 0.000026)
    assert bill["Functions, executions"] == pytest.approx(found.executions / 1e6 * 0.4)
    assert bill["tables, operations"] == pytest.approx(found.table_operations / 1e4 * 0.00036)
    assert bill["logs and metrics"] == pytest.approx(found.log_gb * 2.3)
    assert {line.price for line in costs(found)} == set(given.PRICES)
    assert bill["Functions, time"] < worst_time(found)


def test_free_grants_cover_what_they_are_for_and_no_more() -> None:
    small = month(RUN[0])
    bill = {line.what: line for line in costs(small)}
    assert bill["Functions, time"].free == pytest.approx(bill["Functions, time"].dollars), (
        "46,000 of 100,000 GB-s"
    )
    assert bill["logs and metrics"].free == pytest.approx(bill["logs and metrics"].dollars)
    assert bill["alerts on logs"].free == bill["queues, operations"].free == 0
    large = {line.what: line for line in costs(month(FLEET))}
    assert large["Functions, time"].free == pytest.approx(100_000 * 0.000026)
    assert large["Functions, executions"].free == pytest.approx(0.25 * 0.4)
    assert large["Event Grid, operations"].free == pytest.approx(0.1 * 0.6)
    assert large["logs and metrics"].free == pytest.approx(5 * 2.3)
    assert to_pay(month(FLEET)) == pytest.approx(
        sum(line.dollars for line in large.values()) - 2.6 - 0.1 - 0.06 - 11.5
    )


def test_alerts_are_billed_by_rule_and_by_the_topics_they_watch() -> None:
    bill = {line.what: line.dollars for line in costs(month(RUN[1]))}
    assert bill["alerts on logs"] == 4 * 0.50, "each has its query in infra/alerts"
    assert bill["alerts on metrics"] == pytest.approx(3 * 2 * 10 * 0.10)


def test_timers_run_with_each_schedule_and_by_night() -> None:
    found = month(replace(RUN[0], office=0, other_changes=0))
    days = RUN[0].month_days
    assert found.timers == pytest.approx(days * (96 + 2))
    assert found.executions == pytest.approx(found.sweeps + found.timers)
    assert found.queue_operations == pytest.approx(3 * found.sweeps + 1.5 * 86_400 * days + 6 * 96 * days)


@pytest.mark.parametrize("fleet", RUN, ids=lambda fleet: figure(fleet.vms))
def test_what_is_told_to_cost_less_does(fleet: Fleet) -> None:
    assert to_pay(month(replace(fleet, sweep_minutes=60.0))) <= to_pay(month(fleet))
    assert fleet.largest * fleet.subscriptions >= fleet.vms, "there is room for all of them"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.001, "< 0.01"),
        (0.126, "0.13"),
        (0.996, "1"),
        (4.04, "4"),
        (9.96, "10"),
        (43.6, "44"),
        (264, "260"),
    ],
)
def test_dollars_have_two_digits_that_count(value: float, shown: str) -> None:
    assert dollars(value) == shown


def test_a_fleet_that_does_nothing_costs_its_sweeps_and_its_records() -> None:
    found = month(replace(FLEET, office=0, other_changes=0))
    assert found.events == found.looks == found.changes == 0
    assert found.sweeps > 0
    assert found.table_gb == pytest.approx(3.6)


@pytest.mark.parametrize(
    "each",
    [*given.LIMITS, *given.PRICES, given.ENDPOINT, *given.GRANTS, *given.MEASURED],
    ids=lambda each: each.what,
)
def test_what_is_verified_has_a_source(each: Given) -> None:
    assert each.value > 0
    assert each.source
    if each.verified:
        assert "https://" in each.source or "measured" in each.source or each.source.startswith("`")


def test_every_figure_is_on_the_page() -> None:
    used = {each for each in vars(given).values() if isinstance(each, Given)}
    assert used == {*given.LIMITS, *given.PRICES, given.ENDPOINT, *given.GRANTS, *given.MEASURED}
    assert [each.what for each in used if f"| {each.what} |" not in page(FLEET)] == []
    assert set(ASSUMED) == {field.name for field in fields(Fleet)}


async def test_rows_are_about_as_large_as_is_reckoned_with() -> None:
    policy = Policy(mode=Mode.DEALLOCATE, allow_deallocate=True)
    world = World(policy=policy)
    world.put("running")
    await world.watch.observe(WEB)
    world.now += timedelta(hours=1)
    world.put("stopped")
    await world.tell()
    await world.wait(timedelta(minutes=15))
    record = await world.record()
    assert record.flag
    world.put("deallocated")
    await world.tell("deallocate/action")
    history = await world.ledger.history(WEB, 10)
    sizes = {
        given.RECORD_BYTES: stored_bytes(layout.row_of("vm!rg-shop!web-1", record)),
        given.TRANSITION_BYTES: stored_bytes(
            layout.row_of(layout.name_of(history.transitions[0]), history.transitions[0])
        ),
        given.EPISODE_BYTES: stored_bytes(
            layout.row_of(layout.name_of(history.episodes[0]), history.episodes[0])
        ),
    }
    for reckoned, found in sizes.items():
        assert found == pytest.approx(reckoned.value, rel=0.25), reckoned.what


def stored_bytes(row: Mapping[str, object]) -> int:
    """What Table Storage counts: two bytes a character, eight and the name for each column, the time stamp."""
    size = 4 + 2 * len(f"{row['PartitionKey']}{row['RowKey']}") + 8
    for name, value in row.items():
        if name not in {"PartitionKey", "RowKey"}:
            size += 8 + 2 * len(name) + (2 * len(value) + 4 if isinstance(value, str) else 8)
    return size


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1_610.4, "1,610"), (999_600, "1,000,000"), (42.64, "42.6"), (0.5787, "0.579"), (21, "21")],
)
def test_figures_have_three_digits_that_count(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_the_page_is_up_to_date() -> None:
    assert command.PAGE.read_text("utf-8") == page(FLEET), f"stale: make it anew with {COMMAND}"


def test_what_it_costs_to_run_is_on_the_page_on_operations_too() -> None:
    operations = command.OPERATIONS.read_text("utf-8")
    assert f"{command.BEGIN}\n\n{running()}\n\n{command.END}" in operations, (
        f"stale: make it anew with {COMMAND}"
    )


class TestCommand:
    def run(self, *words: str) -> int:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        return command.run(parser.parse_args(words))

    def test_it_prints_the_tables_for_another_fleet(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("--vms", "50000", "--subscriptions", "40", "--largest", "10000") == 0
        told = capsys.readouterr().out
        assert "| the fleet, at 18:00 | 25 | 100 |" in told
        assert "**together**" in told

    def test_it_writes_the_page_and_tells_of_a_stale_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(command, "PAGE", tmp_path / "scale.md")
        monkeypatch.setattr(command, "OPERATIONS", tmp_path / "operations.md")
        (tmp_path / "operations.md").write_text(f"Before.\n\n{command.BEGIN}\nold\n{command.END}\n\nAfter.\n")
        assert self.run("--check") == 1
        told = capsys.readouterr().err
        assert all(
            f"{name} is stale: make it anew with {COMMAND}" in told for name in ("scale.md", "operations.md")
        )
        assert self.run("--write") == 0
        assert self.run("--check") == 0
        assert (tmp_path / "scale.md").read_text("utf-8") == page(FLEET)
        operations = (tmp_path / "operations.md").read_text("utf-8")
        assert operations.startswith(f"Before.\n\n{command.BEGIN}\n\n| USD a month")
        assert operations.endswith(f"{command.END}\n\nAfter.\n")
        assert "old" not in operations

    def test_a_page_without_a_place_for_it_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(command, "PAGE", tmp_path / "scale.md")
        monkeypatch.setattr(command, "OPERATIONS", tmp_path / "operations.md")
        (tmp_path / "operations.md").write_text(f"{command.BEGIN}, and no end")
        with pytest.raises(SystemExit, match=r"operations\.md: expected what is made"):
            self.run("--write")
        assert not (tmp_path / "scale.md").exists()
