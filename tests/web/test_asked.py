"""What is read of the body of a request, and what is refused by name."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.exemptions import Exemption
from shared.domain.malformed import Malformed
from shared.domain.news import Ask, Exempt, LookAsked, Snooze
from shared.web.asked import FORM, JSON, LARGEST, Asked, Asking, TooLarge, UnknownType, is_form, read

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEXT_YEAR = datetime(2027, 2, 1, tzinfo=UTC)


def of_json(asking: Asking, value: object) -> Asked:
    return read(asking, JSON, json.dumps(value).encode(), "ada", NOON)


def of_form(asking: Asking, *fields: tuple[str, str]) -> Asked:
    return read(asking, FORM, urlencode(fields).encode(), "ada", NOON)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2027-01-31", NEXT_YEAR),
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00+02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
        ("2027-01-31 12:00:00.5-05:00", datetime(2027, 1, 31, 17, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-21T12:00:01Z", NOON + timedelta(seconds=1)),
        ("2036-11-18T12:00:00Z", NOON + timedelta(days=3650)),
    ],
)
def test_a_snooze_ends_when_it_says(text: str, until: datetime) -> None:
    assert of_json(Asking.SNOOZE, {"until": text}) == Snooze(until, "ada")


@pytest.mark.parametrize(
    ("until", "says"),
    [
        (
            "2026-11-20",
            "expected a time after now (2026-11-21T12:00:00Z) and within ten years, got '2026-11-20'",
        ),
        ("2026-11-21T12:00:00Z", "after now"),
        ("2036-11-19", "within ten years"),
        ("9999-12-31", "within ten years"),
        ("0001-01-01T00:00:00+14:00", "after now"),
        ("2027-01-31T12:00:00", "a time with its zone"),
        ("2027-02-30", "a date"),
        ("tomorrow", "got 'tomorrow'"),
        ("２０２７-01-31", "a date"),
        (1_800_000_000, "got 1800000000"),
        (["2027-01-31"], "got ['2027-01-31']"),
        (None, "until: is missing"),
        ("", "until: is missing"),
    ],
)
def test_an_end_that_is_none_is_refused(until: object, says: str) -> None:
    with pytest.raises(Malformed, match=r"^until: ") as fault:
        of_json(Asking.SNOOZE, {"until": until})
    assert says in str(fault.value)


def test_a_time_of_a_form_is_in_utc() -> None:
    asked = of_form(Asking.SNOOZE, ("until", "2026-11-21T14:30"))
    assert asked == Snooze(datetime(2026, 11, 21, 14, 30, tzinfo=UTC), "ada")


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("  kept warm ", "kept warm"),
        ("x" * 500, "x" * 500),
        ("👩‍🔧 Größe مضيف \u200fx <b>&", "👩‍🔧 Größe مضيف \u200fx <b>&"),
    ],
)
@pytest.mark.parametrize("until", [None, "2027-01-31"])
def test_an_exemption_has_a_reason_and_maybe_an_end(reason: str, kept: str, until: str | None) -> None:
    expected = Exempt(Exemption(NEXT_YEAR if until else None, kept, "ada"), "ada")
    assert of_json(Asking.EXEMPT, {"reason": reason, "until": until}) == expected
    assert of_form(Asking.EXEMPT, ("reason", reason), ("until", until or "")) == expected


UNFIT = "\x00\x1f\n\r\t\x7f\x85\x9f\u2028\u2029\u202a\u202e\u2066\u2069"


@pytest.mark.parametrize(
    "reason",
    [*(f"a{unfit}b" for unfit in UNFIT), " \u00a0 ", "\u200f\u200d", "x" * 501, "x" * 10_000, 5, True, {}],
)
def test_a_reason_that_cannot_be_shown_on_a_line_is_refused(reason: object) -> None:
    with pytest.raises(Malformed, match=r"^reason: expected 1 to 500 characters on one line") as fault:
        of_json(Asking.EXEMPT, {"reason": reason})
    assert len(str(fault.value)) < 400


@pytest.mark.parametrize("given", [{}, {"reason": None}, {"reason": ""}, {"until": "2027-01-31"}])
def test_an_exemption_without_a_reason_is_refused(given: object) -> None:
    with pytest.raises(Malformed, match=r"^reason: is missing"):
        of_json(Asking.EXEMPT, given)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^(body|reason): "):
        read(Asking.EXEMPT, JSON, b'{"reason": "a\\ud83db"}', "ada", NOON)


def test_what_was_entered_can_be_ended() -> None:
    assert of_json(Asking.SNOOZE, {"end": True}) == Snooze(None, "ada")
    assert of_json(Asking.EXEMPT, {"end": True, "reason": None}) == Exempt(None, "ada")
    assert of_form(Asking.SNOOZE, ("end", "true")) == Snooze(None, "ada")


@pytest.mark.parametrize("end", [False, "true", 1, "yes", []])
def test_an_end_is_true_or_nothing(end: object) -> None:
    with pytest.raises(Malformed, match=r"^end: expected true"):
        of_json(Asking.SNOOZE, {"end": end})


def test_what_ends_says_nothing_else() -> None:
    with pytest.raises(Malformed, match=r"^end: expected no other member beside it, got reason, until"):
        of_json(Asking.EXEMPT, {"end": True, "until": "2027-01-31", "reason": "x"})


@pytest.mark.parametrize("asking", Asking)
def test_a_member_that_is_not_known_is_refused_by_name(asking: Asking) -> None:
    with pytest.raises(Malformed, match="unknown member 'colour': expected "):
        of_json(asking, {"colour": "red"})
    with pytest.raises(Malformed, match="unknown member 'colour': expected "):
        of_form(asking, ("colour", ""))


@pytest.mark.parametrize("content_type", [None, JSON, FORM, "text/plain", "application/octet-stream"])
def test_nothing_needs_to_be_said_to_deallocate_or_look(content_type: str | None) -> None:
    assert read(Asking.DEALLOCATE, content_type, b"", "ada", NOON) == Ask("ada")
    assert read(Asking.LOOK, content_type, b"", "ada", NOON) == LookAsked("ada")


def test_a_form_without_the_box_ticked_deallocates_nothing() -> None:
    assert of_form(Asking.DEALLOCATE, ("confirm", ""), ("confirm", "yes")) == Ask("ada")
    with pytest.raises(Malformed, match=r"^confirm: expected the box to be ticked"):
        of_form(Asking.DEALLOCATE, ("confirm", ""))
    assert of_json(Asking.DEALLOCATE, {"confirm": True}) == Ask("ada")
    refused: list[object] = [False, "no", "yes", [], 1]
    for confirm in refused:
        with pytest.raises(Malformed, match=r"^confirm: "):
            of_json(Asking.DEALLOCATE, {"confirm": confirm})


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'"x"', b"{", b'{"until": }', b"\xff\xfe{}", b"\x00", b'{"until": NaN}', b"[" * 9_000],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"^body: expected a JSON object"):
        read(Asking.SNOOZE, JSON, body, "ada", NOON)


@pytest.mark.parametrize("body", [b"until", b"reason=%ff", b"\xff=1"])
def test_a_body_that_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"^body: expected a form in UTF-8"):
        read(Asking.EXEMPT, FORM, body, "ada", NOON)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "multipart/form-data; boundary=x", "application/xml"]
)
def test_another_content_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(
        UnknownType, match=r"^Content-Type: expected application/json or application/x-www-form"
    ):
        read(Asking.SNOOZE, content_type, b"{}", "ada", NOON)


def test_a_content_type_may_have_parameters_and_capitals() -> None:
    assert read(Asking.SNOOZE, "Application/JSON; charset=utf-8", b'{"end": true}', "ada", NOON)
    assert is_form("APPLICATION/x-www-form-urlencoded;charset=UTF-8")
    assert not is_form(None)


def test_a_body_has_at_most_16_kib() -> None:
    full = b'{"end": true}' + b" " * (LARGEST - 13)
    assert read(Asking.SNOOZE, JSON, full, "ada", NOON) == Snooze(None, "ada")
    with pytest.raises(TooLarge, match="expected at most 16384 bytes, got 16385"):
        read(Asking.SNOOZE, JSON, full + b" ", "ada", NOON)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)
members = st.dictionaries(
    st.sampled_from(["until", "reason", "end", "confirm"]) | st.text(),
    json_values | st.datetimes(timezones=st.just(UTC)).map(str) | st.dates().map(str) | st.just(value=True),
)
askings = st.sampled_from(Asking)


def is_sound(asking: Asking, content_type: str, body: bytes) -> None:
    """What is read is whole; what is not is refused on one line."""
    try:
        asked = read(asking, content_type, body, "ada", NOON)
    except Malformed as fault:
        assert "\n" not in str(fault)
        assert len(str(fault)) < 1_000
        return
    match asked:
        case Snooze(until=datetime() as until):
            assert NOON < until <= NOON + timedelta(days=3650)
        case Exempt(exemption=Exemption(until=until, reason=reason)):
            assert until is None or until > NOON
            assert 1 <= len(reason) <= 500
            assert reason.isprintable() or any(sign.isprintable() for sign in reason)
        case _:
            assert asking is not Asking.SNOOZE or asked == Snooze(None, "ada")


@given(askings, members | json_values)
def test_any_json_is_read_or_refused(asking: Asking, value: object) -> None:
    is_sound(asking, JSON, json.dumps(value).encode())


@given(
    askings,
    st.lists(st.tuples(st.sampled_from(["until", "reason", "end", "confirm"]) | st.text(), st.text())),
)
def test_any_form_is_read_or_refused(asking: Asking, fields: list[tuple[str, str]]) -> None:
    is_sound(asking, FORM, urlencode(fields).encode())


@given(askings, st.sampled_from([JSON, FORM]), st.binary())
def test_any_bytes_are_read_or_refused(asking: Asking, content_type: str, body: bytes) -> None:
    is_sound(asking, content_type, body)
