"""What becomes of what is older than it is to be kept, a story a test."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from shared import retention
from shared.adapters.memory import MemoryLedger
from shared.ports import Forgotten, Unavailable
from shared.retention import Retention
from tests.stories.world import NOON, SUBSCRIPTION, WEB, World

DAY = timedelta(days=1)
OTHERS = tuple(f"00000000-0000-4000-8000-0000000000{number}" for number in range(10, 22))


async def test_a_life_is_kept_as_long_as_it_is_to_be_and_no_longer() -> None:
    world = World()
    kept = Retention(world.ledger, (SUBSCRIPTION,), 30 * DAY, lambda: world.now)
    for power, operation in [("stopped", "powerOff/action"), ("running", "start/action")] * 2:
        world.put(power)
        await world.tell(operation)
        await world.wait(10 * DAY)
    world.put("stopped")
    await world.tell()
    await world.wait(timedelta(hours=1))
    before = await world.record()

    async def left() -> tuple[int, int]:
        await kept.run()
        history = await world.ledger.history(WEB, 100)
        return len(history.transitions), len(history.episodes)

    assert await left() == (3, 2), "40 days on, the first episode ended 30 days and an hour ago"
    await world.wait(100 * DAY)
    assert await left() == (0, 1), "it is Stopped still: that episode lasts"
    assert await world.record() == before


@dataclass
class Archive(MemoryLedger):
    """A ledger with much to look through, some of which cannot be."""

    rows: dict[str, int] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    turns: list[str] = field(default_factory=list)

    async def forget(self, subscription: str, before: datetime, most: int) -> Forgotten:
        assert before == NOON - 400 * DAY
        self.turns.append(subscription)
        if subscription in self.failing:
            raise Unavailable("table ledger: no answer")
        seen = min(self.rows.get(subscription, 0), most)
        self.rows[subscription] = self.rows.get(subscription, 0) - seen
        return Forgotten(seen, seen, finished=self.rows[subscription] == 0)


def nightly(archive: Archive, at: datetime = NOON) -> Retention:
    return Retention(archive, OTHERS, 400 * DAY + (at - NOON), lambda: at)


async def test_every_subscription_has_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    archive = Archive(dict.fromkeys(OTHERS, 3))
    with caplog.at_level(logging.INFO):
        await nightly(archive).run()
    assert sorted(archive.turns) == list(OTHERS)
    assert "retention seen='36' removed='36' unfinished='0'" in caplog.text


async def test_one_run_looks_at_so_much_and_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "MOST", 200)
    monkeypatch.setattr(retention, "TURN", 10)
    archive = Archive(dict.fromkeys(OTHERS, 30))
    with caplog.at_level(logging.INFO):
        await nightly(archive).run()
    assert 200 <= sum(30 - left for left in archive.rows.values()) < 200 + 10 * retention.AT_ONCE
    assert set(archive.turns) == set(OTHERS), "a little of each"
    assert "unfinished='12'" in caplog.text
    await nightly(archive).run()
    assert set(archive.rows.values()) == {0}


async def test_with_more_than_a_run_gets_to_others_come_first_another_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "MOST", 1)
    firsts = set[str]()
    for day in range(len(OTHERS)):
        archive = Archive(dict.fromkeys(OTHERS, 1000))
        await nightly(archive, NOON + day * DAY).run()
        assert len(archive.turns) == retention.AT_ONCE
        firsts.add(archive.turns[0])
    assert firsts == set(OTHERS)


async def test_one_that_fails_keeps_no_other_from_its_turn() -> None:
    archive = Archive(dict.fromkeys(OTHERS, 3), failing={OTHERS[0], OTHERS[5]})
    with pytest.raises(ExceptionGroup, match="retention: 2 subscriptions failed") as caught:
        await nightly(archive).run()
    assert {type(fault) for fault in caught.value.exceptions} == {Unavailable}
    assert sorted(archive.turns) == list(OTHERS)
    assert sum(archive.rows.values()) == 6
