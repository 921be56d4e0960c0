"""The contract of port `Ledger`, in memory and in Table Storage."""

import asyncio
from base64 import urlsafe_b64encode
from copy import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.actions import Entry, What
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.malformed import Malformed
from shared.domain.records import Episode, Record, Transition
from shared.domain.states import PowerState
from shared.ports import Change, Conflict, History, Ledger, Query, Stored
from tests import strategies
from tests.contracts.fleet import (
    entry,
    episode,
    listed,
    minutes,
    new_subscription,
    new_vm,
    notice,
    record,
    save_new,
    transition,
    with_reason,
)

RUNNING, STOPPED = PowerState.RUNNING, PowerState.STOPPED


async def test_nothing_is_known_of_a_vm_that_was_never_saved(ledger: Ledger) -> None:
    vm = new_vm()
    assert await ledger.latest(vm) is None
    assert await ledger.history(vm, 10) == History((), (), ())
    assert await listed(ledger, Query((vm.subscription,))) == []


@settings(max_examples=40)
@given(
    new=strategies.records,
    changed=strategies.records,
    told=st.none() | strategies.transitions,
    life=st.lists(strategies.episodes, max_size=2, unique_by=lambda part: part.seen_at),
    log=st.lists(strategies.entries, max_size=3, unique_by=lambda part: (part.at, part.what)),
)
async def test_what_is_saved_comes_back_as_it_was(
    ledger: Ledger,
    new: Record,
    changed: Record,
    told: Transition | None,
    life: list[Episode],
    log: list[Entry],
) -> None:
    vm = replace(new.vm, subscription=new_subscription())
    told = told and replace(told, vm=vm)
    episodes = tuple(replace(part, vm=vm) for part in life)
    entries = tuple(replace(part, vm=vm) for part in log)

    first = await ledger.save(Change(replace(new, vm=vm)), None)
    second = await ledger.save(Change(replace(changed, vm=vm), told, episodes, entries), first)

    assert (first.record, second.record) == (replace(new, vm=vm), replace(changed, vm=vm))
    assert await ledger.latest(vm) == second
    history = await ledger.history(vm, 10)
    assert history.transitions == ((told,) if told else ())
    assert history.episodes == tuple(sorted(episodes, key=lambda part: part.seen_at, reverse=True))
    assert history.entries == tuple(sorted(entries, key=lambda part: (part.at, part.what.rank), reverse=True))


async def test_a_save_over_another_is_a_conflict_and_writes_nothing(ledger: Ledger) -> None:
    vm = new_vm()
    first = await ledger.save(Change(record(vm)), None)
    second = await ledger.save(Change(record(vm, reason="the winner's")), first)

    at = minutes(1)
    lost = Change(
        record(vm, STOPPED, flagged=True, parked=True),
        transition(vm, at),
        (episode(vm, at),),
        (entry(vm, at), entry(vm, at, What.DEALLOCATION_BEGUN)),
    )
    with pytest.raises(Conflict, match=vm.name):
        await ledger.save(lost, first)

    assert await ledger.latest(vm) == second
    assert await ledger.history(vm, 10) == History((), (), ())
    assert await listed(ledger, Query((vm.subscription,), flagged=True)) == []
    assert await listed(ledger, Query((vm.subscription,), parked=True)) == []


async def test_whoever_loses_reads_again_and_saves(ledger: Ledger) -> None:
    vm = new_vm()
    first = await ledger.save(Change(record(vm)), None)
    await ledger.save(Change(record(vm, STOPPED)), first)

    with pytest.raises(Conflict):
        await ledger.save(Change(record(vm, reason="mine")), first)
    again = await ledger.latest(vm)
    assert again
    saved = await ledger.save(Change(with_reason(again.record, "mine")), again)

    assert saved.record.power_state is STOPPED
    assert await ledger.latest(vm) == saved


async def test_a_first_save_of_what_is_there_is_a_conflict(ledger: Ledger) -> None:
    vm = new_vm()
    stored = await ledger.save(Change(record(vm)), None)
    with pytest.raises(Conflict):
        await ledger.save(Change(record(vm, STOPPED), transition(vm, minutes(1))), None)
    assert await ledger.latest(vm) == stored
    assert await ledger.history(vm, 10) == History((), (), ())


async def test_a_save_over_what_is_gone_is_a_conflict(ledger: Ledger) -> None:
    vm, other = new_vm(), new_vm()
    version = (await ledger.save(Change(record(other)), None)).version
    with pytest.raises(Conflict):
        await ledger.save(Change(record(vm), transition(vm, minutes(1))), Stored(record(vm), version))
    assert await ledger.latest(vm) is None
    assert await ledger.history(vm, 10) == History((), (), ())


async def test_of_a_hundred_who_save_at_once_one_wins_each_time(ledger: Ledger) -> None:
    vm = new_vm()
    await ledger.save(Change(record(vm, reason="nobody")), None)
    for _ in range(3):
        stored = await ledger.latest(vm)
        assert stored

        async def save(number: int, stored: Stored = stored) -> Stored:
            return await ledger.save(Change(with_reason(stored.record, f"number {number}")), stored)

        came = await asyncio.gather(*(save(number) for number in range(100)), return_exceptions=True)

        winners = [each for each in came if isinstance(each, Stored)]
        assert len(winners) == 1
        assert all(isinstance(each, Conflict) for each in came if each is not winners[0])
        assert await ledger.latest(vm) == winners[0]


@pytest.mark.parametrize("mark", ["flagged", "parked"])
async def test_a_listing_of_some_follows_what_is_true_of_them(ledger: Ledger, mark: str) -> None:
    vm, born_marked = new_vm(), new_vm()
    subscriptions = (vm.subscription, born_marked.subscription)
    query = Query(subscriptions, flagged=True) if mark == "flagged" else Query(subscriptions, parked=True)

    def marked(vm: VmId) -> Record:
        return record(vm, STOPPED, flagged=mark == "flagged", parked=mark == "parked")

    async def found() -> tuple[Record, ...]:
        return (await ledger.page(query)).records

    stored = await ledger.save(Change(record(vm, STOPPED)), None)
    assert await found() == ()
    stored = await ledger.save(Change(marked(vm)), stored)
    assert await found() == (stored.record,)
    stored = await ledger.save(Change(with_reason(stored.record, "still")), stored)
    assert await found() == (stored.record,)
    other = await ledger.save(Change(marked(born_marked)), None)
    assert await found() == (stored.record, other.record)
    stored = await ledger.save(Change(record(vm)), stored)
    assert await found() == (other.record,)
    stored = await ledger.save(Change(record(vm, STOPPED)), stored)
    assert await found() == (other.record,)
    stored = await ledger.save(Change(marked(vm)), stored)
    assert await found() == (stored.record, other.record)


async def test_a_notice_that_waits_to_be_sent_is_not_parked(ledger: Ledger) -> None:
    vm = new_vm()
    waiting = replace(record(vm), outbox=(notice(parked=False),))
    await ledger.save(Change(waiting), None)
    assert await listed(ledger, Query((vm.subscription,), parked=True)) == []


@settings(max_examples=25)
@given(
    fleet=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["rg", "rg-1", "rg.1", "rg1", "(rg)", "größe", "日本"]),
            st.sampled_from(["a", "a-1", "b"]),
            st.sampled_from([RUNNING, STOPPED]),
            st.booleans(),
            st.booleans(),
        ),
        unique_by=lambda row: row[:3],
        max_size=8,
    ),
    asked=st.permutations(range(3)).map(lambda order: order[:2]),
    flagged=st.sampled_from([None, True, False]),
    power_state=st.sampled_from([None, RUNNING, STOPPED]),
    parked=st.booleans(),
    limit=st.integers(1, 5),
)
async def test_pages_hold_what_is_asked_for_by_subscription_group_and_name(
    ledger: Ledger,
    fleet: list[tuple[int, str, str, PowerState, bool, bool]],
    asked: list[int],
    flagged: bool | None,
    power_state: PowerState | None,
    parked: bool,
    limit: int,
) -> None:
    subscriptions = [new_subscription() for _ in range(3)]
    records = [
        record(VmId.of(subscriptions[number], group, name), power, flagged=is_flagged, parked=is_parked)
        for number, group, name, power, is_flagged, is_parked in fleet
    ]
    await save_new(ledger, *records)

    query = Query(tuple(subscriptions[number] for number in asked), flagged, power_state, limit, parked)

    wanted = [
        each.vm
        for subscription in query.subscriptions
        for each in sorted(records, key=lambda each: each.vm)
        if each.vm.subscription == subscription
        and (flagged is None or flagged is (each.flag is not None))
        and power_state in {None, each.power_state}
        and (each.parked or not parked)
    ]
    assert await listed(ledger, query) == wanted


async def test_the_last_page_says_so(ledger: Ledger) -> None:
    first, second, empty = (new_subscription() for _ in range(3))
    await save_new(ledger, *(record(new_vm(name, subscription=first)) for name in ("a", "b")))

    assert (await ledger.page(Query((first, empty), limit=2))).next is None
    assert (await ledger.page(Query((first, empty), limit=3))).next is None
    await save_new(ledger, record(new_vm("c", subscription=second)))
    page = await ledger.page(Query((first, empty, second), limit=2))
    assert page.next
    rest = await ledger.page(Query((first, empty, second), limit=2, after=page.next))
    assert [each.vm.name for each in rest.records] == ["c"]
    assert rest.next is None


async def test_changes_between_pages_neither_skip_nor_repeat_others(ledger: Ledger) -> None:
    subscription = new_subscription()
    names = ["b", "c", "d", "e"]
    await save_new(ledger, *(record(new_vm(name, subscription=subscription), flagged=True) for name in names))
    query = Query((subscription,), flagged=True, limit=2)
    page = await ledger.page(query)
    assert [each.vm.name for each in page.records] == ["b", "c"]

    await save_new(ledger, record(new_vm("a", subscription=subscription), flagged=True))
    for name in ("c", "d"):
        stored = await ledger.latest(new_vm(name, subscription=subscription))
        assert stored
        await ledger.save(Change(record(stored.record.vm, flagged=name == "d", reason="changed")), stored)

    rest = await ledger.page(replace(query, after=page.next))
    assert [(each.vm.name, each.reason) for each in rest.records] == [("d", "changed"), ("e", "")]


def as_cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "2",
        "nonsense!",
        "größe",
        as_cursor("{}"),
        as_cursor(str(new_vm())),
        as_cursor("/subscriptions/00000000-0000-4000-8000-000000000001/resourcegroups/rg"),
        urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
async def test_a_next_that_no_page_gave_is_malformed(ledger: Ledger, forged: str) -> None:
    with pytest.raises(Malformed, match="next: expected"):
        await ledger.page(Query((new_subscription(),), after=forged))


@pytest.mark.parametrize("change", ["{}!", "!{}", "{}\n", "{}, {}", "{}="])
async def test_a_next_that_was_changed_is_malformed(ledger: Ledger, change: str) -> None:
    subscription = new_subscription()
    for name in ("a", "b"):
        await ledger.save(Change(record(new_vm(name, subscription=subscription))), None)
    query = Query((subscription,), limit=1)
    page = await ledger.page(query)
    assert page.next
    assert await ledger.page(replace(query, after=page.next))
    with pytest.raises(Malformed, match="next: expected"):
        await ledger.page(replace(query, after=change.replace("{}", page.next)))


async def test_history_is_the_latest_of_one_vm_latest_first(ledger: Ledger) -> None:
    vm = new_vm("web")
    neighbours = [replace(vm, name="web-1"), replace(vm, resource_group="rg-shop-2"), replace(vm, name="we")]
    for each in neighbours:
        change = Change(record(each), transition(each, minutes(99)), (), (entry(each, minutes(99)),))
        await ledger.save(change, None)
    stored = None
    seen = [minutes(3), minutes(1), minutes(2), minutes(2).replace(microsecond=1)]
    for at in seen:
        change = Change(record(vm), transition(vm, at), (episode(vm, at),), (entry(vm, at),))
        stored = await ledger.save(change, stored)

    history = await ledger.history(vm, 3)

    latest = sorted(seen, reverse=True)[:3]
    assert [part.seen_at for part in history.transitions] == latest
    assert [part.seen_at for part in history.episodes] == latest
    assert [part.at for part in history.entries] == latest
    assert {part.vm for part in history.transitions} == {part.vm for part in history.episodes} == {vm}
    assert {part.vm for part in history.entries} == {vm}


async def test_of_entries_of_one_time_that_which_comes_of_the_other_is_the_later(ledger: Ledger) -> None:
    vm, at = new_vm(), minutes(1)
    whats = [What.DEALLOCATION_BEGUN, What.LOOK_ASKED, What.DEALLOCATION_ASKED, What.DEALLOCATION_CONFIRMED]
    await ledger.save(Change(record(vm), entries=tuple(entry(vm, at, what) for what in whats)), None)

    told = (await ledger.history(vm, 3)).entries

    assert [each.what for each in told] == sorted(whats, key=lambda what: what.rank, reverse=True)[:3]


async def test_what_is_told_again_replaces_what_was_told(ledger: Ledger) -> None:
    vm, at = new_vm(), minutes(1)
    stored = await ledger.save(
        Change(record(vm), transition(vm, at), (episode(vm, at),), (entry(vm, at),)), None
    )
    better = Change(
        record(vm),
        transition(vm, at, after=PowerState.DEALLOCATED),
        (episode(vm, at, ended_at=minutes(2)), episode(vm, minutes(3))),
        (entry(vm, at, text="better"), entry(vm, at, What.DEALLOCATION_BEGUN)),
    )
    await ledger.save(better, stored)

    history = await ledger.history(vm, 10)

    assert history.transitions == (better.transition,)
    assert history.episodes == better.episodes[::-1]
    assert history.entries == better.entries[::-1]


async def test_a_ledger_that_works_passes_its_check(ledger: Ledger) -> None:
    await ledger.check()


async def test_the_instances_of_a_scale_set_that_are_known(ledger: Ledger) -> None:
    subscription = new_subscription()
    names = ["farm~0", "farm~1", "farm~10", "farm", "farm2~0", "far~0"]
    for name in names:
        await ledger.save(Change(record(new_vm(name, subscription=subscription))), None)
    await ledger.save(Change(record(new_vm("farm~2", "other", subscription))), None)
    known = await ledger.instances(ScaleSetId(subscription, "rg-shop", "farm"))
    assert known == [new_vm(name, subscription=subscription) for name in names[:3]]
    assert await ledger.instances(ScaleSetId(subscription, "rg-shop", "nowhere")) == []
