from datetime import UTC, datetime, timedelta

import pytest

from local.doctor.checks import examine
from local.doctor.findings import Finding
from local.doctor.installation import Asked
from tests.contracts.canned import Canned, said
from tests.local.doctor.conftest import Environment, Examine, told


async def clock(environment: Environment, ahead: timedelta) -> Finding:
    """What is said of a clock that is ahead of Azure's."""
    lines = await examine(environment, Asked(), now=lambda: datetime.now(UTC) + ahead)
    (finding,) = (line.finding for line in lines if line.check == "clock")
    return finding


@pytest.mark.parametrize(
    ("ahead", "fact"),
    [
        (0, "this clock agrees with Azure's"),
        (3, "this clock is within 5 s of Azure's"),
        (-3, "this clock is within 5 s of Azure's"),
    ],
)
async def test_a_clock_that_will_do(environment: Environment, ahead: float, fact: str) -> None:
    assert told([await clock(environment, timedelta(seconds=ahead))]) == [("ok", fact)]


@pytest.mark.parametrize(("ahead", "way"), [(3600, "ahead of"), (-3600, "behind")])
async def test_a_clock_that_is_off(environment: Environment, ahead: float, way: str) -> None:
    finding = await clock(environment, timedelta(seconds=ahead))
    assert finding.verdict == "warning"
    assert finding.fact in {f"this clock is {seconds} s {way} Azure's" for seconds in (3598, 3599, 3600)}
    assert finding.mend


async def test_a_refusal_tells_the_time_as_well(look: Examine, service: Canned) -> None:
    service.answer(said(401))
    assert told(await look("clock", STOPGAP_ARM_ENDPOINT=service.url)) == [
        ("ok", "this clock agrees with Azure's")
    ]
    assert all("Authorization" not in request.headers for request in service.requests)


@pytest.mark.parametrize("date", ["", "soon"])
async def test_an_answer_that_does_not_tell_the_time(look: Examine, service: Canned, date: str) -> None:
    service.answer(said(200, "", {"Date": date}))
    (finding,) = await look("clock", STOPGAP_ARM_ENDPOINT=service.url)
    assert finding.blind
    assert finding.fact == "ARM's answer does not tell the time"


async def test_no_answer(look: Examine) -> None:
    (finding,) = await look("clock", STOPGAP_ARM_ENDPOINT="http://127.0.0.1:9")
    assert finding.blind
    assert finding.fact.startswith("ARM, its time: no answer: Cannot connect")
