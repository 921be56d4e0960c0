"""Sweeps over ARM's real adapter, badly answered: what becomes of records, and what health and summary say of it."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared import exchange
from shared.adapters.compute import ComputeVms
from shared.domain.states import PowerState
from shared.ports import Sweep
from shared.sweeps import Sweeps
from shared.watch import Outcome
from shared.web.coverage import coverage_view, remarks, summary_view
from tests.contracts.canned import Answer, Canned, canned_service, said
from tests.contracts.credentials import Nobody
from tests.contracts.test_fleet import LISTS, OTHER, a_set, an_instance, error, page, row, state, vm_id, web
from tests.measured import taken
from tests.stories.books import summaries_of
from tests.stories.world import NOON, SUBSCRIPTION, World

QUARTER, MINUTE, SECOND = timedelta(minutes=15), timedelta(minutes=1), timedelta(seconds=1)
QUARTERS = "0 */15 * * * *"
RUNNING = ("PowerState/running", "ProvisioningState/succeeded")


class Town(World):
    """A world whose VMs are where ARM says."""

    arm: Canned
    compute: ComputeVms

    async def sweep_lists(self, *answers: Answer, again: bool = False) -> Outcome:
        """A sweep that is asked for now, and answered like this."""
        self.arm.answers.clear()
        self.arm.requests.clear()
        self.arm.answer(*answers)
        return await Sweeps(self.watch, self.compute).sweep(Sweep(SUBSCRIPTION, self.now, again=again))

    async def health(self) -> tuple[dict[str, Any], list[str]]:
        """What `GET /api/health` says of the subscription: its sweep, and remarks."""
        found = await self.ledger.coverage([SUBSCRIPTION])
        view = coverage_view(found.get(SUBSCRIPTION))
        assert view
        return view, remarks(found, [SUBSCRIPTION], QUARTERS, since=NOON - QUARTER, now=self.now)

    async def summary(self) -> dict[str, Any]:
        """What `GET /api/summary` says of it."""
        summary = summary_view(await summaries_of(self.ledger, (SUBSCRIPTION,), lambda: self.now).latest())
        subscriptions = summary["subscriptions"]
        assert isinstance(subscriptions, list)
        (one,) = subscriptions
        assert isinstance(one, dict)
        return one

    async def powers(self, *numbers: int) -> list[PowerState]:
        return [(await self.record(web(number))).power_state for number in numbers]


@pytest.fixture
async def town(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """VMs 1 to 4, known as Stopped by a sweep at noon; it is a quarter past now, and they all run."""
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))
    async with canned_service() as arm:
        town = Town()
        town.arm, town.compute = arm, ComputeVms(Nobody(), endpoint=arm.url, clock=lambda: town.now)
        town.vms = town.compute  # type: ignore[assignment]  # passes the same contract
        town.watch = town.instance()
        vms = range(1, 5)
        outcome = await town.sweep_lists(
            page(*(state(vm_id(number)) for number in vms)),
            page(*(row(vm_id(number)) for number in vms)),
            page(),
        )
        assert outcome is Outcome.SWEPT
        town.now += QUARTER
        yield town
        await town.compute.close()


def states(*numbers: int) -> list[dict[str, object]]:
    return [state(vm_id(number), *RUNNING) for number in numbers]


def models(*numbers: int) -> list[dict[str, object]]:
    return [row(vm_id(number)) for number in numbers]


NEXT = f"{{url}}{LISTS}/virtualMachines?$skiptoken=2"
ELSEWHERE = f"https://management.azure.example{LISTS}/virtualMachines?$skiptoken=2"
GONE = said(404, error("SubscriptionNotFound"))
FORBIDDEN = said(403, error("AuthorizationFailed"))
NO_LIST = said(200, '{"error": "maintenance"}')


@pytest.mark.parametrize(
    ("answers", "seen", "fault"),
    [
        (
            [FORBIDDEN],
            0,
            "HTTP 403 AuthorizationFailed No way. (who asks needs Microsoft.Compute/virtual",
        ),
        ([[states(1, 2, 3, 4)], FORBIDDEN], 0, "HTTP 403 AuthorizationFailed"),
        ([GONE], 0, "HTTP 404 SubscriptionNotFound"),
        ([[states(1, 2, 3, 4)], [models(1, 2), NEXT], GONE], 2, "HTTP 404 SubscriptionNotFound"),
        (
            [[states(1, 2, 3, 4)], [models(1, 2, 3, 4)], GONE],
            4,
            "virtualMachineScaleSets: HTTP 404 Subscription",
        ),
        (
            [[states(1, 2, 3, 4)], [models(1, 2), ELSEWHERE]],
            2,
            "expected the next page to be on http://127.0.0.1:",
        ),
        ([[states(1, 2, 3, 4), ELSEWHERE]], 0, "expected the next page to be on http://127.0.0.1:"),
        (
            [[states(1, 2, 3, 4)], [models(1, 2), NEXT], [models(3), NEXT]],
            3,
            "expected the next page to be another",
        ),
        ([[states(1, 2, 3, 4)], NO_LIST], 0, "ARM's answer: expected a list with its `value`, got"),
    ],
    ids=[
        "forbidden",
        "models forbidden",
        "gone",
        "gone in mid-sweep",
        "gone before the scale sets",
        "a link to another host",
        "at once",
        "in a circle",
        "no list",
    ],
)
async def test_lists_that_break_off_are_told_and_end_nothing(
    town: Town, answers: Sequence[Any], seen: int, fault: str
) -> None:
    given = [
        answer
        if callable(answer)
        else page(*answer[0], next_link=answer[1].format(url=town.arm.url) if answer[1:] else None)
        for answer in answers
    ]
    assert await town.sweep_lists(*given) is Outcome.PUT_OFF

    sweep, said_of_it = await town.health()
    assert (sweep["complete"], sweep["vms"], sweep["gone"], sweep["fault_count"]) == (False, seen, 0, 1)
    assert sweep["covered_at"] == "2026-11-21T12:00:00Z"
    (told,) = sweep["faults"]
    assert told.startswith("not covered: ARM, GET /subscriptions/")
    assert fault in told
    assert said_of_it == [f"{SUBSCRIPTION}: 1 not covered by the latest sweep: {told}"]
    summary = await town.summary()
    assert summary["sweep"] == sweep
    assert (summary["vms"], summary["power_states"]["deleted"]) == (4, 0), "none is taken for gone"
    assert await town.powers(1, 2, 3, 4) == [PowerState.RUNNING] * seen + [PowerState.STOPPED] * (4 - seen)
    assert all(request.headers["Host"] in town.arm.url for request in town.arm.requests)

    town.now += QUARTER
    _, said_of_it = await town.health()
    assert said_of_it == [f"{SUBSCRIPTION}: no sweep was complete since 2026-11-21T12:00:00Z: {told}"]
    assert town.sweeps.next_at == NOON + QUARTER + timedelta(minutes=10)
    await town.sweep_lists(page(*states(1, 2, 3, 4)), page(*models(1, 2, 3, 4)), page(), again=True)
    sweep, said_of_it = await town.health()
    assert (sweep["complete"], said_of_it) == (True, [])
    assert await town.powers(1, 2, 3, 4) == [PowerState.RUNNING] * 4


async def test_what_is_listed_twice_counts_once(town: Town) -> None:
    second = NEXT.format(url=town.arm.url)
    outcome = await town.sweep_lists(
        page(*states(1, 2, 2), next_link=second),
        page(*states(1, 2, 3, 4)),
        page(*models(1, 1, 2, 3), next_link=second),
        page(*models(2, 3, 4, 4)),
        page(a_set("farm"), a_set("FARM")),
        page(an_instance(0), an_instance(0)),
    )
    assert outcome is Outcome.SWEPT
    sweep, said_of_it = await town.health()
    assert (sweep["vms"], sweep["changed"], sweep["fault_count"], said_of_it) == (5, 5, 0, [])
    assert (await town.summary())["vms"] == 5
    for number in range(1, 5):
        assert len((await town.ledger.history(web(number), 10)).transitions) == 2


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"id": 7},
        {"id": "web-1"},
        {"id": vm_id(1).replace(SUBSCRIPTION, OTHER)},
        {"id": vm_id(1) + "/extensions/x"},
        {"id": vm_id(1).replace("virtualMachines", "disks")},
        {"id": vm_id(1) + "\n"},
        None,
        "web-1",
    ],
)
async def test_an_id_of_unknown_shape_is_told_and_hides_no_other(town: Town, odd: object) -> None:
    assert (
        await town.sweep_lists(
            page(*states(1, 2, 3), odd, *states(4)), page(odd, *models(1, 2, 3, 4)), page()
        )
        is Outcome.SWEPT
    )
    sweep, said_of_it = await town.health()
    assert (sweep["complete"], sweep["vms"], sweep["fault_count"]) == (True, 4, 2)
    assert all(fault.startswith("a row of the list: ") for fault in sweep["faults"])
    assert said_of_it == [f"{SUBSCRIPTION}: 2 not covered by the latest sweep: {sweep['faults'][0]}"]
    assert (await town.summary())["sweep"] == sweep
    assert await town.powers(1, 2, 3, 4) == [PowerState.RUNNING] * 4


async def test_50_000_rows_on_one_page(town: Town) -> None:
    many = range(1, 50_001)
    lists = page(*states(*many)), page(*models(*many)), page()
    assert await town.sweep_lists(*lists) is Outcome.SWEPT
    sweep, said_of_it = await town.health()
    assert (sweep["vms"], sweep["changed"], sweep["fault_count"], said_of_it) == (50_000, 50_000, 0, [])
    summary = await town.summary()
    assert (summary["vms"], summary["power_states"]["running"]) == (50_000, 50_000)
    town.now += QUARTER
    assert await town.sweep_lists(*lists) is Outcome.SWEPT
    sweep, _ = await town.health()
    assert (sweep["vms"], sweep["changed"]) == (50_000, 0)


@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [
        ("7", 7 * SECOND),
        ("864000", timedelta(hours=1)),
        ("1e400", timedelta(hours=1)),
        ("Wed, 01 Jan 2031 00:00:00 GMT", timedelta(hours=1)),
        ("-5", MINUTE),
        ("-1e400", MINUTE),
        ("0", MINUTE),
        ("Sat, 21 Nov 2020 12:00:00 GMT", MINUTE),
        ("soon", MINUTE),
        ("", MINUTE),
        ("nan", MINUTE),
        ("Fri, 99 Foo 99999 99:99:99 GMT", MINUTE),
        ("Wed, 01 Jan 2031 00:00:00 +9999", MINUTE),
    ],
)
async def test_an_absurd_retry_after_puts_a_sweep_off_within_reason(
    town: Town, retry_after: str, delay: timedelta
) -> None:
    headers = {"Retry-After": retry_after, "Date": "Sat, 21 Nov 2026 12:15:00 GMT"}
    assert await town.sweep_lists(said(429, error("TooManyRequests"), headers)) is Outcome.PUT_OFF
    assert town.sweeps.next_at == town.now + delay
    sweep, said_of_it = await town.health()
    assert not sweep["complete"]
    assert "HTTP 429 TooManyRequests" in said_of_it[0]
    assert (await town.summary())["sweep"] == sweep


class TestTheClock:
    async def test_one_that_jumps_back_between_sweeps(self, town: Town) -> None:
        town.now -= timedelta(hours=2)  # the records are of noon: an hour and three quarters ahead
        lists = (
            page(*states(1, 2), *(state(vm_id(number)) for number in (3, 4))),
            page(*models(1, 2, 3, 4)),
            page(),
        )
        assert await town.sweep_lists(*lists) is Outcome.SWEPT
        sweep, said_of_it = await town.health()
        assert (sweep["complete"], sweep["changed"], sweep["fault_count"]) == (True, 0, 2)
        assert sweep["faults"] == [
            f"{web(number)}: its record is of 2026-11-21T12:00:00+00:00, which is still to come: "
            "what is seen before then does not count"
            for number in (1, 2)
        ], "those that have changed: of the others nothing is lost"
        assert said_of_it == [f"{SUBSCRIPTION}: 2 not covered by the latest sweep: {sweep['faults'][0]}"]
        assert (await town.summary())["sweep"] == sweep
        assert await town.powers(1, 2) == [PowerState.STOPPED] * 2

        town.now += timedelta(hours=2)
        assert await town.sweep_lists(*lists) is Outcome.SWEPT
        assert await town.powers(1, 2, 3) == [PowerState.RUNNING] * 2 + [PowerState.STOPPED]
        assert (await town.health())[1] == []

    async def test_a_gone_vm_whose_record_is_to_come_is_told_too(self, town: Town) -> None:
        town.now -= timedelta(hours=2)
        lists = page(*states(1)), page(*models(1)), page()
        gone = said(404, error("ResourceNotFound"))
        assert await town.sweep_lists(*lists, gone) is Outcome.SWEPT
        sweep, _ = await town.health()
        assert (sweep["gone"], sweep["fault_count"]) == (0, 4)
        assert (await town.summary())["power_states"]["deleted"] == 0

    async def test_one_that_jumps_back_during_a_sweep(self, town: Town) -> None:
        jumped_at = town.now

        async def jump(request: Any) -> Any:  # noqa: ANN401 - of aiohttp
            town.now = jumped_at - timedelta(hours=2)
            return await page(*models(1, 2, 3, 4))(request)

        taken()
        assert await town.sweep_lists(page(*states(1, 2, 3, 4)), jump, page()) is Outcome.SWEPT
        sweep, said_of_it = await town.health()
        assert (sweep["complete"], sweep["vms"]) == (True, 4)
        assert sweep["ended_at"] < sweep["began_at"]
        (duration,) = [series for series in taken() if series["name"] == "stopgap.sweep.duration"]
        assert duration["sum"] == 0
        at = "2026-11-21T12:15:00Z"
        told = f"{SUBSCRIPTION}: no sweep was complete since {at}, which is still to come: a clock was ahead"
        assert said_of_it == [told]
        assert await town.powers(1, 2, 3, 4) == [PowerState.RUNNING] * 4, (
            "what was seen is newer than the records"
        )

        town.now += QUARTER
        assert (
            await town.sweep_lists(page(*states(1, 2, 3, 4)), page(*models(1, 2, 3, 4)), page())
            is Outcome.SWEPT
        )
        assert (await town.health())[1] == []

    async def test_one_that_jumps_back_keeps_no_sweep_from_being_done(self, town: Town) -> None:
        assert await town.sweep_lists(said(503)) is Outcome.PUT_OFF
        (put_off,) = town.sweeps.due(town.now + timedelta(hours=1))
        town.now -= timedelta(hours=2)
        town.arm.answers.clear()
        town.arm.answer(page(*states(1, 2, 3, 4)), page(*models(1, 2, 3, 4)), page())
        assert await Sweeps(town.watch, town.compute).sweep(put_off) is Outcome.SWEPT
