"""Durations, exemptions and the tags that override the policy."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.durations import parse_duration, words
from shared.domain.exemptions import parse_exemption
from shared.domain.malformed import Malformed
from shared.domain.policy import Mode, Policy, terms_for


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), (" 6H ", 21_600), ("2d", 172_800), ("45 m", 2_700)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "soon", "15", "-5m", "0s", "1.5h", "15min", "99999d", "٣m x"])
def test_what_is_no_duration_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="expected a duration such as 90s, 15m, 6h or 2d"):
        parse_duration(text)


@given(st.integers(1, 3650 * 86_400))
def test_words_are_read_back(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    if len(words(duration)) <= 7:
        assert parse_duration(words(duration)) == duration


@pytest.mark.parametrize(
    ("value", "until"),
    [
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
        ("2027-01-31 12:00", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("", None),
        ("true", None),
        ("nightly build host", None),
    ],
)
def test_an_exemption_ends_when_it_says(value: str, until: datetime | None) -> None:
    exemption = parse_exemption(value)
    assert exemption
    assert exemption.until == until
    if until:
        assert exemption.holds(until - timedelta(seconds=1))
        assert not exemption.holds(until)


@pytest.mark.parametrize("value", ["2027-02-30", "2027-1-1", "2027-01-31T99:00", "9999-12-31"])
def test_an_unreadable_date_exempts_and_says_so(value: str) -> None:
    exemption = parse_exemption(value)
    assert exemption
    assert exemption.until is None
    assert "no date that can be read" in exemption.reason


@pytest.mark.parametrize("value", ["false", "No", "off", "0"])
def test_an_exemption_can_be_denied(value: str) -> None:
    assert parse_exemption(value) is None


@given(st.text())
def test_any_tag_is_read(value: str) -> None:
    parse_exemption(value)
    terms = terms_for(Policy(), {"stopgap:grace": value, "stopgap:mode": value, "stopgap:exempt": value})
    assert terms.grace > timedelta()


def test_tags_override_in_any_letter_case() -> None:
    terms = terms_for(Policy(), {"STOPGAP:MODE": "Observe", "Stopgap:Grace": "6h", "other": "x"})
    assert (terms.mode, terms.grace, terms.exemption, terms.remarks) == (
        Mode.OBSERVE,
        timedelta(hours=6),
        None,
        (),
    )


def test_what_cannot_be_read_leaves_the_default_and_makes_a_remark() -> None:
    terms = terms_for(Policy(), {"stopgap:mode": "destroy", "stopgap:grace": "soon"})
    assert (terms.mode, terms.grace) == (Mode.NOTIFY, timedelta(minutes=15))
    assert "expected observe or notify" in terms.remarks[0]
    assert "expected a duration" in terms.remarks[1]
