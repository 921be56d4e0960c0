"""What VMs left Stopped cost all together, as time goes by."""

from datetime import date, timedelta

import pytest

from shared import accounts
from shared.accounts import Accounts, Money, Period
from shared.domain.malformed import Malformed
from shared.domain.money import Amount, Rates, Sum
from shared.domain.policy import Mode, Policy
from shared.domain.records import Episode
from shared.domain.states import PowerState
from shared.ports import Pasts, Unavailable
from tests.contracts.fleet import new_vm
from tests.stories.books import LISTED, accounts_of
from tests.stories.world import SUBSCRIPTION, WEB, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MODEL = {"location": "westeurope", "size": "Standard_D2s_v5", "os_type": "Linux"}
OTHER = new_vm("db-1", subscription=SUBSCRIPTION)
NOTHING = Sum(Amount("USD", 0.0, 0.0))


class Shop(World):
    """A world in which money is counted: a VM costs ten cents an hour."""

    def accounts(self) -> Accounts:
        return accounts_of(self.ledger, (SUBSCRIPTION,), lambda: self.now)

    async def money(self) -> Money:
        made = self.accounts()
        return await made.money(await made.books())

    async def power(self, state: str, hours: float, vm: object = WEB, **more: object) -> None:
        """The VM is seen in a state, and stays in it for so long."""
        self.put(state, vm=vm, **MODEL, **more)  # type: ignore[arg-type]
        await self.sweep()
        await self.wait(HOUR * hours)

    async def days(self) -> dict[date, float | None]:
        """What was wasted on each day that was anything."""
        return {each.day: each.wasted.amount.lower for each in (await self.money()).days if each.hours}


def about(number: float) -> float:
    approximate: float = pytest.approx(number)  # type: ignore[assignment]  # it is compared, and that is all
    return approximate


def bounds_about(number: float) -> tuple[float, float]:
    return about(number), about(number)


def dollars(amount: float) -> Sum:
    return Sum(Amount("USD", *bounds_about(amount)))


async def test_nothing_is_known_yet() -> None:
    money = await Shop().money()
    assert (money.stopped, money.hourly, money.wasted.total, money.avoided.total) == (0, *[NOTHING] * 3)
    assert [each.day for each in money.days][-1] == date(2026, 11, 21)
    assert len(money.days) == 31


async def test_a_vm_that_is_stopped_costs_by_the_hour() -> None:
    shop = Shop()
    await shop.power("running", 1)
    await shop.power("stopped", 5)
    money = await shop.money()
    assert (money.stopped, money.hourly, money.monthly) == (1, dollars(0.1), dollars(73))
    assert money.wasted.this_month == money.wasted.total == dollars(0.5)
    assert money.avoided.total == NOTHING
    assert await shop.days() == {date(2026, 11, 21): pytest.approx(0.5)}


async def test_what_is_over_stays_counted() -> None:
    shop = Shop()
    await shop.power("stopped", 30)
    await shop.power("running", 30)
    money = await shop.money()
    assert (money.stopped, money.hourly) == (0, NOTHING)
    assert money.wasted.total == dollars(3.0)
    assert await shop.days() == {
        date(2026, 11, 21): pytest.approx(1.2),
        date(2026, 11, 22): pytest.approx(1.8),
    }


async def test_closing_the_days_changes_no_figure() -> None:
    shop = Shop()
    await shop.power("stopped", 30)
    await shop.power("running", 10)
    await shop.power("stopped", 30, vm=OTHER)
    before = await shop.money()
    for _ in range(2):
        await shop.accounts().close_days()
        assert await shop.money() == before
    assert (await shop.ledger.days(SUBSCRIPTION, 1))[0].day == date(2026, 11, 23)
    await shop.power("stopped", 24 * 3, vm=OTHER)
    assert (await shop.money()).wasted.total == dollars(3.0 + 3.0 + 7.2)


async def test_nights_that_were_missed_are_made_up_for() -> None:
    shop = Shop()
    await shop.power("stopped", 24)
    await shop.accounts().close_days()
    await shop.power("stopped", 24 * 50)
    assert (await shop.money()).wasted.total == dollars(0.1 * 24 * 51)
    await shop.accounts().close_days()
    assert (await shop.money()).wasted.total == dollars(0.1 * 24 * 51)
    assert len(await shop.ledger.days(SUBSCRIPTION, 999)) == 30 + 50


async def test_once_a_day_is_closed_its_episodes_are_read_no_more() -> None:
    shop = Shop()
    for _ in range(3):
        await shop.power("stopped", 8)
        await shop.power("running", 16)
    await shop.accounts().close_days()
    total = (await shop.money()).wasted.total
    await shop.ledger.forget(SUBSCRIPTION, shop.now.replace(hour=0), 10_000)
    assert (await shop.money()).wasted.total == total == dollars(2.4)


async def test_the_month_begins_anew() -> None:
    shop = Shop()
    await shop.power("stopped", 24 * 10)
    await shop.accounts().close_days()
    money = await shop.money()
    assert shop.now.date() == date(2026, 12, 1)
    assert (money.wasted.this_month, money.wasted.total) == (dollars(1.2), dollars(24))


async def test_what_stopgap_deallocated_is_avoided_until_it_is_started() -> None:
    policy = Policy(mode=Mode.DEALLOCATE, allow_deallocate=True, warning=HOUR, grace=HOUR)
    shop = Shop(policy=policy)
    await shop.power("stopped", 3)
    assert (await shop.record()).power_state is PowerState.DEALLOCATING
    await shop.power("deallocated", 10)
    closed = (await shop.record()).closed
    assert closed
    assert closed.ended_at
    spent = (closed.ended_at - closed.started_at) / HOUR
    money = await shop.money()
    assert (money.stopped, money.deallocated) == (0, 1)
    assert money.wasted.total == dollars(spent / 10)
    assert money.avoided.total == dollars((shop.now - closed.ended_at) / HOUR / 10)

    await shop.power("starting", 1)
    ends = shop.now - HOUR
    await shop.power("running", 48)
    money = await shop.money()
    assert money.deallocated == 0
    assert money.avoided.total == dollars((ends - closed.ended_at) / HOUR / 10)
    (episode,) = (await shop.ledger.history(WEB, 10)).episodes
    assert (episode.by_stopgap, episode.resumed_at) == (True, ends)
    await shop.accounts().close_days()
    assert (await shop.money()).avoided.total == money.avoided.total


async def test_what_others_deallocate_is_nothing_that_stopgap_avoided() -> None:
    shop = Shop()
    await shop.power("stopped", 3)
    await shop.power("deallocated", 30)
    assert (await shop.money()).avoided.total == NOTHING
    (episode,) = (await shop.ledger.history(WEB, 10)).episodes
    assert episode.resumed_at is None


async def test_a_price_that_is_not_to_be_had_is_told_and_counted_once_it_is() -> None:
    shop = Shop()
    await shop.power("stopped", 5)
    shop.put("stopped", vm=OTHER, location="westeurope", size="Standard_Unheard", os_type="Linux")
    await shop.sweep()
    await shop.wait(HOUR)
    made = accounts_of(
        shop.ledger,
        (SUBSCRIPTION,),
        lambda: shop.now,
        {**LISTED, ("westeurope", "Standard_Unheard"): Unavailable("no answer")},
    )
    money = await made.money(await made.books())
    assert money.hourly == Sum(Amount("USD", 0.1, 0.1), 1.0)
    assert money.wasted.total.unpriced == pytest.approx(1.0)
    await shop.accounts().close_days()
    made = accounts_of(
        shop.ledger,
        (SUBSCRIPTION,),
        lambda: shop.now,
        {("westeurope", "Standard_Unheard"): Rates("USD", 1.0, 1.0)},
    )
    money = await made.money(await made.books())
    assert money.wasted.total == Sum(Amount("USD", *bounds_about(1.0)), about(6.0))


async def test_what_is_too_much_for_an_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    await shop.power("stopped", 1)
    assert (await shop.money()).whole
    await shop.power("stopped", 1, vm=OTHER)
    monkeypatch.setattr(accounts, "MOST", 1)
    assert not (await shop.money()).whole
    await shop.accounts().close_days()


async def test_a_subscription_that_fails_keeps_no_other_from_it() -> None:
    shop = Shop()
    await shop.power("stopped", 48)

    class Half(type(shop.ledger)):  # type: ignore[misc]
        async def past(self, subscription: str, *rest: object) -> Pasts:
            if subscription != SUBSCRIPTION:
                raise Unavailable("table ledger: no answer")
            return await super().past(subscription, *rest)  # type: ignore[no-any-return]

    shop.ledger.__class__ = Half
    made = accounts_of(shop.ledger, (new_vm().subscription, SUBSCRIPTION), lambda: shop.now)
    with pytest.raises(ExceptionGroup, match="1 subscriptions could not be added up"):
        await made.close_days()
    assert await shop.ledger.days(SUBSCRIPTION, 1)
    with pytest.raises(Unavailable):
        await made.books()


class TestEpisodes:
    async def told(self, shop: Shop, **more: object) -> list[tuple[Episode, float, Amount | None]]:
        period = Period((SUBSCRIPTION,), date(2026, 11, 21), date(2026, 11, 30), lasting=True)
        found = await shop.accounts().episodes(period if not more else Period(**more))  # type: ignore[arg-type]
        return [(each.episode, each.hours, each.cost) for each in found]

    async def test_those_that_last_come_first(self) -> None:
        shop = Shop()
        await shop.power("stopped", 2)
        await shop.power("running", 2)
        await shop.power("stopped", 3)
        (lasts, hours, cost), (ended, before, _) = await self.told(shop)
        assert (lasts.ended_at, hours, cost) == (
            None,
            3,
            Amount("USD", *bounds_about(0.3)),
        )
        assert ended.ended_at
        assert before == 2

    async def test_only_those_of_the_days_that_are_asked_for(self) -> None:
        shop = Shop()
        await shop.power("stopped", 2)
        await shop.power("running", 48)
        await shop.power("stopped", 2)
        day = date(2026, 11, 22)
        assert await self.told(shop, subscriptions=(SUBSCRIPTION,), since=day, until=day, lasting=False) == []
        found = await self.told(
            shop, subscriptions=(SUBSCRIPTION,), since=day - DAY, until=day, lasting=False
        )
        assert len(found) == 1

    async def test_too_many_are_refused_rather_than_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = Shop()
        await shop.power("stopped", 2)
        await shop.power("running", 2)
        await shop.power("stopped", 2)
        monkeypatch.setattr(accounts, "MOST_TOLD", 2)
        assert len(await self.told(shop)) == 2
        monkeypatch.setattr(accounts, "MOST_TOLD", 1)
        with pytest.raises(Malformed, match="since: there are more than 1 episodes since 2026-11-21"):
            await self.told(shop)
