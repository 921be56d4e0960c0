"""What a probe is, and what is none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.probes import EVENT_TYPE, PREFIX, Probe, read_probe, subject_prefix
from shared.domain.signals import Event

SUB = "00000000-0000-4000-8000-00000000000a"
SUBJECT = f"{subject_prefix(SUB)}7f3a-1"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

TOKENS = st.from_regex(r"[0-9a-z-]{1,64}", fullmatch=True)
CASES = st.sampled_from([str, str.lower, str.upper, str.title])
ANYTHING = st.none() | st.integers() | st.text() | st.binary() | st.lists(st.text()) | st.just(SUBJECT)


def event(subject: object = SUBJECT, kind: object = EVENT_TYPE, at: datetime | None = NOON) -> Event:
    return Event(kind, subject, at, {})


@given(TOKENS, CASES, CASES)
def test_in_any_letter_case(
    token: str, subject_case: Callable[[str], str], type_case: Callable[[str], str]
) -> None:
    told = event(subject_case(f"{subject_prefix(SUB)}{token}"), type_case(EVENT_TYPE))
    assert read_probe(told) == Probe(SUB, token, NOON)


@pytest.mark.parametrize(
    "at", [NOON.replace(tzinfo=None), NOON.astimezone(timezone(timedelta(hours=5)))], ids=["naive", "east"]
)
def test_its_time_is_in_utc(at: datetime) -> None:
    probe = read_probe(event(f"{SUBJECT}/", at=at))
    assert probe
    assert (probe.at, probe.at.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize(
    "subject",
    [
        subject_prefix(SUB),
        f"{subject_prefix(SUB)}{'x' * 65}",
        f"{subject_prefix(SUB)}a_b",
        f"{subject_prefix(SUB)}ä",
        f"{subject_prefix(SUB)}7/operations/1",
        f"{SUBJECT}\n",
        f"x{SUBJECT}",
        f"{subject_prefix('shop')}7",
        f"/subscriptions/{SUB}/providers/Microsoft.Resources/deployments/probe-7",
        f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Resources/deployments/{PREFIX}7",
        f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{PREFIX}7",
    ],
)
def test_another_subject_is_none(subject: str) -> None:
    assert read_probe(event(subject)) is None


@pytest.mark.parametrize(
    "kind",
    [
        "Microsoft.Resources.ResourceDeleteSuccess",
        "Microsoft.Resources.ResourceWriteFailure",
        "Microsoft.Resources.ResourceActionSuccess",
        "",
    ],
)
def test_another_type_is_none(kind: str) -> None:
    assert read_probe(event(kind=kind)) is None


@pytest.mark.parametrize("at", [None, datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))])
def test_one_without_a_time_that_can_be_told_is_none(at: datetime | None) -> None:
    assert read_probe(event(at=at)) is None


@given(ANYTHING, st.just(EVENT_TYPE) | ANYTHING, st.none() | st.datetimes())
def test_whatever_comes_there_is_an_answer(subject: object, kind: object, at: datetime | None) -> None:
    probe = read_probe(event(subject, kind, at))
    assert (probe is not None) == (subject == SUBJECT and kind == EVENT_TYPE and at is not None)


@given(st.lists(st.builds(Probe, st.just(SUB), TOKENS, st.datetimes(timezones=st.just(UTC))), max_size=5))
def test_in_whatever_order_they_arrive_the_same_one_stays(probes: list[Probe]) -> None:
    stayed = list[Probe | None]()
    for order in (probes, probes[::-1]):
        kept: Probe | None = None
        for probe in order:
            kept = probe if probe.follows(kept) else kept
        stayed.append(kept)
    assert stayed[0] == stayed[1]
    assert not any(probe.follows(stayed[0]) for probe in probes)
