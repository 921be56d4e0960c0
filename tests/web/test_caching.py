"""What a caller has kept, and whether it still holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.caching import etag, holds

TAG = etag(b"{}")


def test_a_tag_is_strong_and_of_the_body() -> None:
    assert TAG == '"44136fa355b3678a1146ad16f7e8649e"'
    assert etag(b"{} ") != TAG
    assert etag(b"") != TAG


@pytest.mark.parametrize(
    "header",
    [
        TAG,
        f"W/{TAG}",
        f'"other", {TAG}',
        f'W/"other",{TAG} ,"more"',
        f'"a,b", {TAG}',
        f'"größe", {TAG}',
        f", ,{TAG},",
        f" {TAG}\t",
        "*",
        " * ",
    ],
)
def test_what_the_caller_has_still_holds(header: str) -> None:
    assert holds(TAG, header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        '"other"',
        '""',
        TAG.strip('"'),
        f"w/{TAG}",
        f"W /{TAG}",
        f"{TAG}, *",
        f"* {TAG}",
        f"{TAG}, other",
        f"{TAG[:-1]}",
        f'"a{TAG}b"',
        f'"a" b {TAG}',
        f'"a b", {TAG}',
        TAG.upper(),
        '"' * 9_999,
    ],
)
def test_it_holds_no_longer_or_cannot_be_read(header: str | None) -> None:
    assert not holds(TAG, header)


tags = st.binary(max_size=3).map(etag)


@given(st.lists(st.tuples(st.sampled_from(["", "W/"]), tags), min_size=1), tags)
def test_a_list_holds_what_is_in_it(told: list[tuple[str, str]], tag: str) -> None:
    header = ", ".join(f"{weak}{each}" for weak, each in told)
    assert holds(tag, header) == (tag in {each for _, each in told})


@given(st.text(alphabet='",W/* a\t') | st.text())
def test_no_header_is_an_error(header: str) -> None:
    assert holds(TAG, header) == (header.strip(" \t") == "*")
