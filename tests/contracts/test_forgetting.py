"""What retention needs of port `Ledger`, in memory and in Table Storage, and what that costs there."""

import asyncio
from collections.abc import Iterable
from copy import replace
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from azure.data.tables import TransactionOperation, UpdateMode
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import layout
from shared.adapters.tables import TableLedger
from shared.domain.actions import Entry, What
from shared.domain.ids import VmId
from shared.domain.records import Episode, Notice, NoticeKind, Transition
from shared.domain.states import PowerState
from shared.ports import Change, Forgotten, History, Ledger, Query
from tests.contracts.counting import Counting
from tests.contracts.fleet import (
    NOON,
    episode,
    listed,
    minutes,
    new_subscription,
    new_vm,
    record,
    save_new,
    transition,
)

MICROSECOND = timedelta(microseconds=1)
ALL = 1_000_000


def entry(vm: VmId, at: datetime, what: What = What.SNOOZED) -> Entry:
    return Entry(vm, at, what, "someone")


async def save_life(ledger: Ledger, vm: VmId, *parts: Transition | Episode | Entry) -> None:
    """Save a VM's record with a life, in changes that a transaction can hold."""
    stored = await ledger.latest(vm)
    for part in parts:
        change = Change(
            record(vm),
            part if isinstance(part, Transition) else None,
            (part,) if isinstance(part, Episode) else (),
            (part,) if isinstance(part, Entry) else (),
        )
        stored = await ledger.save(change, stored)


async def times(ledger: Ledger, vm: VmId) -> tuple[list[datetime], list[datetime], list[datetime]]:
    """When what is left of a VM's life was seen: transitions, episodes, entries."""
    history = await ledger.history(vm, 1000)
    return (
        [part.seen_at for part in history.transitions],
        [part.seen_at for part in history.episodes],
        [part.at for part in history.entries],
    )


async def test_what_is_older_is_removed_and_the_rest_stays(ledger: Ledger) -> None:
    vm = new_vm()
    old, new = NOON - MICROSECOND, NOON
    await save_life(
        ledger,
        vm,
        *(transition(vm, at) for at in (old, new)),
        *(entry(vm, at) for at in (old, new)),
        entry(vm, old, What.SNOOZE_ENDED),
        episode(vm, minutes(-9), ended_at=old),
        episode(vm, minutes(-8), ended_at=new),
        episode(vm, minutes(-7)),
        episode(vm, minutes(7), ended_at=minutes(8)),
    )

    assert await ledger.forget(vm.subscription, NOON, ALL) == Forgotten(9, 4, finished=True)

    assert await times(ledger, vm) == ([new], [minutes(7), minutes(-7), minutes(-8)], [new])
    assert await ledger.forget(vm.subscription, NOON, ALL) == Forgotten(5, 0, finished=True)


async def test_records_stay_however_old(ledger: Ledger) -> None:
    subscription = new_subscription()
    vms = [new_vm(f"vm-{number}", subscription=subscription) for number in range(4)]
    notice = Notice(NoticeKind.FLAG_CLEARED, "1", NOON, NOON, parked=True)
    records = [
        record(vms[0], PowerState.DELETED),
        record(vms[1], PowerState.STOPPED, flagged=True),
        replace(record(vms[2]), outbox=(notice,)),
        record(vms[3]),
    ]
    await save_new(ledger, *records)

    assert await ledger.forget(subscription, NOON + timedelta(days=9999), ALL) == Forgotten(
        0, 0, finished=True
    )

    assert len(await listed(ledger, Query((subscription,)))) == 4
    assert await listed(ledger, Query((subscription,), flagged=True)) == [vms[1]]
    assert await listed(ledger, Query((subscription,), parked=True)) == [vms[2]]


async def test_other_subscriptions_are_left_alone(ledger: Ledger) -> None:
    ours, theirs = new_vm(), new_vm()
    for vm in (ours, theirs):
        await save_life(ledger, vm, transition(vm, minutes(-1)))
    await ledger.forget(ours.subscription, NOON, ALL)
    assert (await times(ledger, ours))[0] == []
    assert (await times(ledger, theirs))[0] == [minutes(-1)]


async def test_it_goes_on_where_it_stopped_and_then_begins_anew(ledger: Ledger) -> None:
    subscription = new_subscription()
    vms = [
        VmId.of(subscription, group, name) for group in ("rg", "rg-1") for name in ("web", "web-1", "web~1")
    ]
    for vm in vms:
        await save_life(
            ledger,
            vm,
            *(transition(vm, minutes(number)) for number in (-2, 2)),
            entry(vm, minutes(-1)),
            episode(vm, minutes(-3), ended_at=minutes(-2)),
        )

    came = list[Forgotten]()
    while not came or not came[-1].finished:
        came.append(await ledger.forget(subscription, NOON, 5))
        assert came[-1].seen <= 5

    assert sum(each.seen for each in came) == 4 * len(vms)
    assert sum(each.removed for each in came) == 3 * len(vms)
    assert [await times(ledger, vm) for vm in vms] == [([minutes(2)], [], [])] * len(vms)
    assert (await ledger.forget(subscription, NOON, ALL)).seen == len(vms)


async def test_what_comes_in_behind_it_is_found_the_next_time_round(ledger: Ledger) -> None:
    first, last = (
        new_vm(name, subscription=subscription) for subscription in [new_subscription()] for name in "ab"
    )
    for vm in (first, last):
        await save_life(ledger, vm, entry(vm, minutes(-1)), transition(vm, minutes(-1)))
    assert not (await ledger.forget(first.subscription, NOON, 2)).finished
    await save_life(ledger, first, entry(first, minutes(-5)))
    while not (await ledger.forget(first.subscription, NOON, 2)).finished:
        pass
    assert await times(ledger, first) == ([], [], [minutes(-5)])
    assert await ledger.forget(first.subscription, NOON, 2) == Forgotten(1, 1, finished=True)


async def test_two_at_once_remove_the_same(ledger: Ledger) -> None:
    vm = new_vm()
    await save_life(ledger, vm, *(transition(vm, minutes(number)) for number in range(-30, 3)))
    await asyncio.gather(*(ledger.forget(vm.subscription, NOON, ALL) for _ in range(3)))
    assert (await times(ledger, vm))[0] == [minutes(2), minutes(1), minutes(0)]


ages = st.integers(-3, 3).map(minutes)


@dataclass(frozen=True, slots=True)
class Life:
    transitions: list[datetime]
    entries: list[datetime]
    episodes: list[tuple[datetime, datetime | None]]


lives = st.builds(
    Life,
    st.lists(ages, unique=True, max_size=3),
    st.lists(ages, unique=True, max_size=3),
    st.lists(st.tuples(ages, st.none() | ages), unique_by=lambda each: each[0], max_size=3),
)


@settings(max_examples=25)
@given(fleet=st.lists(lives, min_size=1, max_size=3), cutoff=ages, most=st.integers(1, 7))
async def test_whatever_there_is_and_however_little_at_a_time(
    ledger: Ledger, fleet: list[Life], cutoff: datetime, most: int
) -> None:
    subscription = new_subscription()
    vms = [new_vm(f"web-{number}", subscription=subscription) for number in range(len(fleet))]
    for vm, life in zip(vms, fleet, strict=True):
        await save_life(
            ledger,
            vm,
            *(transition(vm, at) for at in life.transitions),
            *(entry(vm, at) for at in life.entries),
            *(episode(vm, at, ended_at=ended_at) for at, ended_at in life.episodes),
        )

    while not (await ledger.forget(subscription, cutoff, most)).finished:
        pass

    for vm, life in zip(vms, fleet, strict=True):
        assert await times(ledger, vm) == (
            latest_first(at for at in life.transitions if at >= cutoff),
            latest_first(at for at, end in life.episodes if end is None or max(at, end) >= cutoff),
            latest_first(at for at in life.entries if at >= cutoff),
        )


def latest_first(found: Iterable[datetime]) -> list[datetime]:
    return sorted(found, reverse=True)


class TestInTableStorage:
    async def test_only_keys_are_read_a_thousand_at_a_time(
        self, counting: tuple[TableLedger, Counting]
    ) -> None:
        ledger, transport = counting
        vm = new_vm()
        await put_rows(ledger, [transition(vm, minutes(number)) for number in range(-150, 2000)])
        transport.clear()

        assert await ledger.forget(vm.subscription, NOON, ALL) == Forgotten(2150, 150, finished=True)

        place, entries, episodes, transitions, removals, past, kept = 1, 1, 1, 3, 2, 1, 1
        assert len(transport.requests) == place + entries + episodes + transitions + removals + past + kept
        assert transport.selected == {"RowKey", "ended_at"}
        assert transport.bytes / transport.rows < 250

    async def test_most_bounds_what_is_read(self, counting: tuple[TableLedger, Counting]) -> None:
        ledger, transport = counting
        vm = new_vm()
        await put_rows(ledger, [transition(vm, minutes(number)) for number in range(300)])
        transport.clear()
        assert await ledger.forget(vm.subscription, NOON, 120) == Forgotten(120, 0, finished=False)
        assert transport.rows == 120
        assert len(transport.requests) == 5

    async def test_episodes_of_an_older_version_go_by_what_they_say(self, table_ledger: TableLedger) -> None:
        vm = new_vm()
        old = [episode(vm, minutes(-9), ended_at=minutes(-8)), episode(vm, minutes(-7), ended_at=minutes(1))]
        await save_life(table_ledger, vm, *old, episode(vm, minutes(-5)))
        for part in old:
            row = await table_ledger._table.get_entity(vm.subscription, layout.name_of(part))
            del row["ended_at"]
            await table_ledger._table.update_entity(row, mode=UpdateMode.REPLACE)
        assert await table_ledger.forget(vm.subscription, NOON, ALL) == Forgotten(3, 1, finished=True)
        assert (await times(table_ledger, vm))[1] == [minutes(-5), minutes(-7)]

    async def test_what_we_cannot_have_written_is_left_alone(self, table_ledger: TableLedger) -> None:
        vm = new_vm()
        await save_life(table_ledger, vm, transition(vm, minutes(-1)), episode(vm, minutes(-1)))
        damaged = layout.name_of(episode(vm, minutes(-1)))
        await table_ledger._table.update_entity(
            {"PartitionKey": vm.subscription, "RowKey": damaged, "body": "{", "ended_at": "soon"}
        )
        keys = [
            "transition!",
            "transition!rg!web",
            "transition!rg!web!zzz",
            "entry!rg!web!٩" + "9" * 17,
            "episode!x",
        ]
        for key in keys:
            await table_ledger._table.create_entity({"PartitionKey": vm.subscription, "RowKey": key})
        came = await table_ledger.forget(vm.subscription, NOON, ALL)
        assert (came.removed, came.finished) == (1, True)
        for key in [damaged, *keys]:
            await table_ledger._table.get_entity(vm.subscription, key)

    @pytest.mark.parametrize("after", ["", "zzz", 7, "transition!", "größe"])
    async def test_where_it_goes_on_is_no_matter_of_life_and_death(
        self, table_ledger: TableLedger, after: object
    ) -> None:
        vm = new_vm()
        await save_life(table_ledger, vm, transition(vm, minutes(-1)), transition(vm, minutes(-2)))
        assert await table_ledger.forget(vm.subscription, NOON, 1) == Forgotten(1, 1, finished=False)
        row = {"PartitionKey": "places", "RowKey": vm.subscription, "after": after}
        await table_ledger._table.upsert_entity(row, mode=UpdateMode.REPLACE)
        while not (await table_ledger.forget(vm.subscription, NOON, 1)).finished:
            pass
        await table_ledger.forget(vm.subscription, NOON, ALL)
        assert (await times(table_ledger, vm))[0] == []

    async def test_history_is_as_it_was_for_what_stays(self, table_ledger: TableLedger) -> None:
        vm = new_vm()
        went, ended, wrote = transition(vm, NOON), episode(vm, NOON, ended_at=minutes(1)), entry(vm, NOON)
        await save_life(table_ledger, vm, went, ended, wrote, entry(vm, minutes(-1)))
        await table_ledger.forget(vm.subscription, NOON, ALL)
        assert await table_ledger.history(vm, 10) == History((went,), (ended,), (wrote,))


async def put_rows(ledger: TableLedger, parts: list[Transition]) -> None:
    rows = [(TransactionOperation.UPSERT, layout.row_of(layout.name_of(part), part)) for part in parts]
    for start in range(0, len(rows), 100):
        await ledger._table.submit_transaction(rows[start : start + 100])
