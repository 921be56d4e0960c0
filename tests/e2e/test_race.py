"""An owner starts a VM at any moment between its flag and its deallocation. `make race` runs 1,000 races."""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.adapters.tables import TableLedger, open_ledger
from shared.domain import deallocation
from shared.domain.actions import Stage
from shared.domain.states import PowerState
from tests.contracts.conftest import NOBODY
from tests.e2e.race import Outcome, arena

log = logging.getLogger("tests.race")


@pytest.fixture
async def ledger(storage: str) -> AsyncIterator[TableLedger]:
    ledger = open_ledger(storage, None, NOBODY)
    yield ledger
    await ledger.close()


async def test_no_start_is_missed_and_the_truth_is_told(
    ledger: TableLedger, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here Azure has our own clock, and deallocates in milliseconds: what allows for clocks that differ by seconds,
    # which are less than any deallocation takes, would take a start afterwards for one before.
    monkeypatch.setattr(deallocation, "LAG", timedelta())
    seen = Counter[str]()
    async with arena(ledger) as races:
        for seed in range(pytestconfig.getoption("--races")):
            outcome = await races.race(seed)
            try:
                seen[judge(outcome)] += 1
            except AssertionError as error:
                error.add_note(f"seed {seed}: {outcome}")
                raise
    log.info("%s", dict(seen))
    # Races that prove nothing would prove it too.
    assert set(seen) >= {"never asked", "refused by Azure", "deallocated before", "overtaken"}


def judge(outcome: Outcome) -> str:
    """What kind of race it was; AssertionError if Stopgap did what it must not, or does not tell what it did."""
    closing = outcome.record.deallocation
    assert len(outcome.relied_on) == len(outcome.posts)
    for seen in outcome.relied_on:
        assert seen
        assert seen.reading.settled
        assert seen.reading.power_state is PowerState.STOPPED, "it relied on a look that was not Stopped"
    taken = [post for post in outcome.posts if post.status == 202]
    assert len(taken) <= 1
    assert len(outcome.posts) <= 3
    if not outcome.posts:
        assert outcome.power == "running"
        assert closing is None or closing.stage is Stage.REFUSED
        assert "deallocated" not in outcome.told
        return "never asked"
    assert closing
    if not taken:
        assert outcome.power == "running"
        assert closing.stage is Stage.REFUSED
        assert "deallocated" not in outcome.told
        return "refused by Azure"
    met = taken[0].condition
    assert met
    if met.power != "stopped":
        assert met.power == "running"
        assert closing.stage is Stage.OVERTAKEN, "it deallocated a VM that ran, and does not say so"
        assert "deallocation_failed" in outcome.told
        assert "had just been started was deallocated" in outcome.record.reason
        return "overtaken"
    if outcome.owner.started:
        # Deallocated, and started again before or after a look saw it.
        assert closing.stage in {Stage.CONFIRMED, Stage.UNCONFIRMED}
        assert outcome.power == "running"
        return "started again afterwards"
    assert closing.stage is Stage.CONFIRMED
    assert outcome.power == "deallocated"
    assert outcome.told[-1] == "deallocated"
    return "deallocated before"
