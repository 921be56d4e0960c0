"""What accounts need of port `Ledger`, in memory and in Table Storage, and what that costs there."""

from copy import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared import layout
from shared.adapters import tables
from shared.adapters.tables import TableLedger
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.money import Tariff
from shared.domain.records import Episode, Record
from shared.domain.spending import DaySpent, Hours, Past
from shared.domain.states import PowerState
from shared.ports import Change, Ledger, Pasts, Query, Standing
from tests.contracts.counting import Counting
from tests.contracts.fleet import NOON, episode, listed, minutes, new_subscription, new_vm, record, save_new

STOPPED, RUNNING, DEALLOCATED = PowerState.STOPPED, PowerState.RUNNING, PowerState.DEALLOCATED
TODAY = NOON.date()
DAY = timedelta(days=1)
MOST = 1000


def saving(vm: VmId) -> Record:
    closed = replace(episode(vm, minutes(-60), minutes(-30)), by_stopgap=True)
    return replace(record(vm, DEALLOCATED), closed=closed)


class TestStanding:
    async def test_what_costs_or_saves_something_now(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        a, b, c, d, e = (new_vm(name, subscription=subscription) for name in "abcde")
        failed = replace(record(e, RUNNING, flagged=True))
        records = [record(a, STOPPED, flagged=True), record(b, STOPPED), record(c), saving(d), failed]
        await save_new(ledger, *records, record(new_vm(), STOPPED))
        found = await ledger.standing(subscription, MOST)
        assert found == Standing((records[0], records[1]), (records[3],), 2, whole=True)
        assert await ledger.standing(new_subscription(), MOST) == Standing((), (), 0, whole=True)

    async def test_a_vm_that_is_started_is_in_it_no_more(self, ledger: Ledger) -> None:
        vm = new_vm()
        stored = await ledger.save(Change(record(vm, STOPPED, flagged=True)), None)
        stored = await ledger.save(Change(saving(vm)), stored)
        assert (await ledger.standing(vm.subscription, MOST)).saving == (saving(vm),)
        assert (await ledger.standing(vm.subscription, MOST)).stopped == ()
        await ledger.save(Change(record(vm)), stored)
        assert await ledger.standing(vm.subscription, MOST) == Standing((), (), 0, whole=True)

    @pytest.mark.parametrize(("most", "whole"), [(1, False), (2, False), (3, True)])
    async def test_no_more_than_is_asked_for(self, ledger: Ledger, most: int, whole: bool) -> None:
        subscription = new_subscription()
        await save_new(ledger, *(record(new_vm(each, subscription=subscription), STOPPED) for each in "abc"))
        found = await ledger.standing(subscription, most)
        assert ([each.vm.name for each in found.stopped], found.whole) == ([*"abc"][:most], whole)

    async def test_it_costs_three_requests_however_large_the_fleet(
        self, counting: tuple[TableLedger, Counting]
    ) -> None:
        ledger, transport = counting
        subscription = new_subscription()
        fleet = [new_vm(f"web-{number:04d}", subscription=subscription) for number in range(2000)]
        states = {1: STOPPED, 1999: STOPPED}
        await ledger.save_all(
            [(Change(record(vm, states.get(number, RUNNING))), None) for number, vm in enumerate(fleet)]
        )
        transport.clear()
        assert [each.vm for each in (await ledger.standing(subscription, MOST)).stopped] == [
            fleet[1],
            fleet[1999],
        ]
        assert transport.requests == ["GET"] * 3


def ended(vm: VmId, began: float, end: float) -> Episode:
    return episode(vm, minutes(began), minutes(end))


async def save_episodes(ledger: Ledger, *episodes: Episode) -> None:
    for each in episodes:
        await ledger.save(Change(record(each.vm), episodes=(each,)), await ledger.latest(each.vm))


class TestPast:
    async def test_what_ended_in_a_stretch_of_time_the_latest_first(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        a, b, c = (new_vm(name, subscription=subscription) for name in "abc")
        first, second, third = ended(a, -90, -30), ended(b, -80, -20), ended(a, -25, -10)
        lasting = episode(c, minutes(-50))
        await save_episodes(ledger, second, first, third, lasting, ended(new_vm(), -90, -30))
        tariff = Tariff.of(record(a).model)

        async def told(since: float, until: float) -> list[Episode]:
            found = await ledger.past(subscription, minutes(since), minutes(until), MOST)
            assert found.whole
            assert {each.tariff for each in found.pasts} <= {tariff}
            return [each.episode for each in found.pasts]

        assert await told(-100, 0) == [third, second, first]
        assert await told(-30, -10) == [second, first]
        assert await told(-29.99, -9.99) == [third, second]
        assert await told(0, 100) == []

    async def test_what_followed_is_told_once_it_is_over(self, ledger: Ledger) -> None:
        vm = new_vm()
        done = replace(ended(vm, -90, -60), by_stopgap=True)
        resumed = replace(done, resumed_at=minutes(-5))
        await save_episodes(ledger, done, resumed)
        tariff = Tariff.of(record(vm).model)
        found = await ledger.past(vm.subscription, minutes(-100), NOON, MOST)
        assert found == Pasts((Past(resumed, tariff, avoided=True), Past(resumed, tariff)), whole=True)

    async def test_an_episode_that_is_told_again_is_there_once(self, ledger: Ledger) -> None:
        vm = new_vm()
        before = ended(vm, -90, -60)
        after = replace(before, by_stopgap=True)
        await save_episodes(ledger, before, after)
        found = await ledger.past(vm.subscription, minutes(-100), NOON, MOST)
        assert [each.episode for each in found.pasts] == [after]

    async def test_it_cost_what_the_vm_was_then(self, ledger: Ledger) -> None:
        vm = new_vm()
        small = record(vm, STOPPED)
        stored = await ledger.save(Change(small), None)
        large = replace(record(vm), model=replace(small.model, size="Standard_E8s_v5"))
        await ledger.save(Change(large, episodes=(ended(vm, -90, -60),)), stored)
        (past,) = (await ledger.past(vm.subscription, minutes(-100), NOON, MOST)).pasts
        assert past.tariff == Tariff.of(small.model)

    @pytest.mark.parametrize(("most", "whole"), [(1, False), (2, False), (3, True)])
    async def test_no_more_than_is_asked_for(self, ledger: Ledger, most: int, whole: bool) -> None:
        vm = new_vm()
        await save_episodes(ledger, *(ended(vm, -90 + each, -80 + each) for each in range(3)))
        found = await ledger.past(vm.subscription, minutes(-100), NOON, most)
        assert (len(found.pasts), found.whole) == (min(most, 3), whole)

    async def test_what_is_old_is_forgotten(self, ledger: Ledger) -> None:
        vm = new_vm()
        old, new = ended(vm, -90, -60), ended(vm, -50, -40)
        await save_episodes(ledger, old, new, ended(new_vm(), -90, -60))
        assert (await ledger.forget(vm.subscription, minutes(-40), 10_000)).finished
        found = await ledger.past(vm.subscription, minutes(-100), NOON, MOST)
        assert [each.episode for each in found.pasts] == [new]

    async def test_it_is_forgotten_in_bounded_steps(self, table_ledger: TableLedger) -> None:
        vm = new_vm()
        await save_episodes(table_ledger, *(ended(vm, -90 + each, -80 + each) for each in range(5)))
        for _ in range(20):
            if (await table_ledger.forget(vm.subscription, NOON, 2)).finished:
                break
        assert (await table_ledger.past(vm.subscription, minutes(-100), NOON, MOST)).pasts == ()


class TestDays:
    async def test_the_latest_come_first(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        days = [day(number) for number in range(5)]
        await ledger.keep_days(subscription, days)
        await ledger.keep_days(new_subscription(), [day(9)])
        assert await ledger.days(subscription, 3) == [days[4], days[3], days[2]]
        assert await ledger.days(subscription, 31) == days[::-1]
        assert await ledger.days(new_subscription(), 31) == []

    async def test_a_day_takes_the_place_of_what_was_kept_of_it(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        await ledger.keep_days(subscription, [day(0), day(1)])
        other = DaySpent(day(1).day, Hours(), Hours())
        await ledger.keep_days(subscription, [other])
        assert await ledger.days(subscription, 31) == [other, day(0)]

    async def test_very_many_tariffs(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        many = Hours(
            tuple((Tariff("westeurope", f"Standard_D{number}s_v5", "Linux"), 1.5) for number in range(3000))
        )
        await ledger.keep_days(subscription, [DaySpent(TODAY, many, many)])
        assert await ledger.days(subscription, 31) == [DaySpent(TODAY, many, many)]


def day(number: int) -> DaySpent:
    hours = Hours(((Tariff("westeurope", "Standard_D2s_v5", "Linux"), 1.25 + number),))
    return DaySpent(TODAY + DAY * number, hours, hours)


class TestNames:
    async def test_a_part_of_the_name_or_the_group(self, ledger: Ledger) -> None:
        one, other = (new_subscription() for _ in range(2))
        shop = [new_vm(name, "rg-shop", one) for name in ("api-1", "web-1", "web-2")]
        bank = [new_vm(name, "rg-web", other) for name in ("db-1", "web-9")]
        await save_new(ledger, *map(record, (*shop, *bank)))

        async def found(name: str, **more: object) -> list[VmId]:
            return await listed(ledger, Query((one, other), name=name, **more))  # type: ignore[arg-type]

        assert await found("web") == [shop[1], shop[2], *bank]
        assert await found("web", limit=1) == [shop[1], shop[2], *bank]
        assert await found("web-", limit=2) == [shop[1], shop[2], bank[1]]
        assert await found("db") == [bank[0]]
        assert await found("nothing") == []

    async def test_with_the_other_terms(self, ledger: Ledger) -> None:
        subscription = new_subscription()
        a, b, c = (new_vm(name, subscription=subscription) for name in ("web-1", "web-2", "db-1"))
        await save_new(
            ledger, record(a, STOPPED, flagged=True), record(b, STOPPED), record(c, STOPPED, flagged=True)
        )
        assert await listed(ledger, Query((subscription,), name="web", flagged=True)) == [a]
        assert await listed(ledger, Query((subscription,), name="web", flagged=False)) == [b]
        assert await listed(ledger, Query((subscription,), name="web", power_state=STOPPED)) == [a, b]
        assert await listed(ledger, Query((subscription,), name="web", power_state=RUNNING)) == []

    @pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
    async def test_a_large_fleet_is_searched_a_part_at_a_time(
        self, table_ledger: TableLedger, monkeypatch: pytest.MonkeyPatch, at_once: int
    ) -> None:
        monkeypatch.setattr(tables, "MOST_ROWS", at_once)
        monkeypatch.setattr(tables, "SEARCHED", 3)
        one, other = (new_subscription() for _ in range(2))
        vms = [new_vm(f"web-{number}", subscription=each) for each in (one, other) for number in range(7)]
        await save_new(table_ledger, *map(record, vms))
        wanted = [vm for vm in vms if vm.name in {"web-1", "web-6"}]
        query = Query((one, other), limit=1, name="web-1")
        assert await listed(table_ledger, query) == [vm for vm in vms if vm.name == "web-1"]
        assert await listed(table_ledger, replace(query, name="web-", limit=100)) == vms
        assert [
            vm for vm in await listed(table_ledger, replace(query, name="web-")) if vm in wanted
        ] == wanted

    async def test_a_search_costs_keys_and_what_is_found(
        self, counting: tuple[TableLedger, Counting]
    ) -> None:
        ledger, transport = counting
        subscription = new_subscription()
        vms = [new_vm(f"web-{number:04d}", subscription=subscription) for number in range(2500)]
        await ledger.save_all([(Change(record(vm)), None) for vm in vms])
        transport.clear()
        assert await listed(ledger, Query((subscription,), name="-2222")) == [vms[2222]]
        assert transport.requests == ["GET"] * 4
        assert transport.selected == {"RowKey"}

    async def test_a_forged_place_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(Malformed, match="next: expected"):
            await ledger.page(Query((new_subscription(),), name="web", after="forged"))


async def test_stopped_vms_are_listed_at_a_cost_that_follows_their_number(
    counting: tuple[TableLedger, Counting],
) -> None:
    ledger, transport = counting
    subscription = new_subscription()
    vms = [new_vm(f"web-{number:04d}", subscription=subscription) for number in range(1500)]
    await ledger.save_all(
        [(Change(record(vm, STOPPED if number == 1400 else RUNNING)), None) for number, vm in enumerate(vms)]
    )
    transport.clear()
    assert await listed(ledger, Query((subscription,), power_state=STOPPED)) == [vms[1400]]
    assert transport.requests == ["GET"]
    assert all(one < other for one, other in pairwise(vms))


async def test_a_sweep_puts_what_an_older_version_wrote_into_the_lists(table_ledger: TableLedger) -> None:
    vm = new_vm()
    stored = await table_ledger.save(Change(record(vm, STOPPED)), None)
    await table_ledger._table.delete_entity(vm.subscription, layout.key_of("stopped", vm))
    assert (await table_ledger.standing(vm.subscription, MOST)).stopped == ()
    # As a sweep does with a row whose fingerprint is not its record's.
    stored = await table_ledger.save(Change(stored.record), stored)
    assert (await table_ledger.standing(vm.subscription, MOST)).stopped == (stored.record,)
    await table_ledger.save(Change(record(vm)), stored)
    assert (await table_ledger.latest(vm) or stored).record.power_state is RUNNING
