"""Who calls, and whether they may change things."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.access import KEY_HOLDER, Caller, NotAllowed, NotSignedIn, caller, check_may_change

ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
HOST = "stopgap.azurewebsites.net"


def principal(*claims: tuple[str, object], role_typ: object = ROLE) -> str:
    body = {
        "auth_typ": "aad",
        "name_typ": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        "role_typ": role_typ,
        "claims": [{"typ": typ, "val": val} for typ, val in claims],
    }
    return base64.b64encode(json.dumps(body).encode()).decode()


def headers(header: str | None, *, id: str | None = None, name: str | None = None) -> dict[str, str]:  # noqa: A002
    told = {"": header, "-id": id, "-name": name}
    return {f"x-ms-client-principal{part}": value for part, value in told.items() if value is not None}


@pytest.mark.parametrize(
    ("given", "who"),
    [
        (
            headers(
                principal((OID, "oid-1"), ("roles", "Stopgap.Operator")), id="oid-1", name="ada@example.com"
            ),
            Caller("oid-1", "ada@example.com", operator=True),
        ),
        (headers(principal((ROLE, "Stopgap.Operator")), id="oid-1"), Caller("oid-1", None, operator=True)),
        (
            headers(principal(("r", "Reader"), ("r", "Stopgap.Operator"), role_typ="r"), id="oid-1"),
            Caller("oid-1", None, operator=True),
        ),
        (headers(principal(("oid", "oid-2")), id="sub"), Caller("oid-2", None, operator=False)),
        (
            headers(principal(("groups", "Stopgap.Operator")), id="oid-1"),
            Caller("oid-1", None, operator=False),
        ),
        (
            headers(principal(("roles", "stopgap.operator")), id="oid-1"),
            Caller("oid-1", None, operator=False),
        ),
        (
            headers(principal(("roles", ["Stopgap.Operator"])), id="oid-1"),
            Caller("oid-1", None, operator=False),
        ),
        (
            headers(principal((ROLE, "Stopgap.Operator"), role_typ=None), id="oid-1"),
            Caller("oid-1", None, operator=False),
        ),
        (headers(None, id="oid-1"), Caller("oid-1", None, operator=False)),
        (
            headers(principal(("oid", "o\u202eid\n-1")), name=" Größe\x00 "),
            Caller("oid-1", "Größe", operator=False),
        ),
    ],
)
def test_who_the_platform_says_calls(given: dict[str, str], who: Caller) -> None:
    assert caller(given, signed_in=True) == who


@pytest.mark.parametrize(
    "given",
    [
        {},
        headers(principal(("roles", "Stopgap.Operator"))),
        headers("", id=""),
        headers("not base64!", id="oid-1"),
        headers("größe", id="oid-1"),
        headers(base64.b64encode(b"[]").decode(), id="oid-1"),
        headers(base64.b64encode(b"{").decode(), id="oid-1"),
        headers(base64.b64encode(b'{"claims": {}}').decode(), id="oid-1"),
        headers(base64.b64encode(b'{"claims": [{"val": "x"}]}').decode(), id="oid-1"),
        headers(base64.b64encode(b'{"claims": [null]}').decode(), id="oid-1"),
        headers(base64.b64encode(b'{"claims": ' + b"[" * 50_000).decode(), id="oid-1"),
        headers(principal(role_typ=5), id="oid-1"),
    ],
)
def test_who_cannot_be_known_is_not_signed_in(given: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn, match=r"^sign in: "):
        caller(given, signed_in=True)


def test_without_the_platforms_word_headers_are_anybodys_and_not_read() -> None:
    forged = headers(principal(("roles", "Stopgap.Operator")), id="oid-1", name="ada@example.com")
    assert caller(forged, signed_in=False) == KEY_HOLDER
    assert caller(headers("not base64!"), signed_in=False) == KEY_HOLDER
    assert KEY_HOLDER.recorded(keep_name=True) == KEY_HOLDER.recorded(keep_name=False) == "function key"


@pytest.mark.parametrize(
    ("name", "keep_name", "recorded"),
    [("ada", True, "ada"), ("ada", False, "oid-1"), (None, True, "oid-1"), (None, False, "oid-1")],
)
def test_the_name_is_put_on_record_only_where_it_is_wanted(
    name: str | None, keep_name: bool, recorded: str
) -> None:
    assert Caller("oid-1", name, operator=True).recorded(keep_name=keep_name) == recorded


@given(
    st.dictionaries(
        st.sampled_from([f"x-ms-client-principal{part}" for part in ("", "-id", "-name")]), st.text()
    )
)
def test_no_header_is_more_than_a_refusal(given: dict[str, str]) -> None:
    try:
        who = caller(given, signed_in=True)
    except NotSignedIn:
        return
    assert who.id
    assert not who.operator


@given(st.binary())
def test_no_principal_is_more_than_a_refusal(body: bytes) -> None:
    try:
        who = caller(headers(base64.b64encode(body).decode(), id="oid-1"), signed_in=True)
    except NotSignedIn:
        return
    assert who == Caller("oid-1", None, operator=False)


SAME = f"https://{HOST}"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": SAME},
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"sec-fetch-site": "none"},
        {"origin": SAME},
        {"origin": SAME.upper()},
        {"origin": f"{SAME}:443"},
    ],
)
def test_who_asks_from_here_or_from_no_page_may_change(sent: dict[str, str]) -> None:
    check_may_change(KEY_HOLDER, sent, HOST)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (
            {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
            "Sec-Fetch-Site is 'cross-site'",
        ),
        (
            {"sec-fetch-site": "same-site", "origin": "https://other.azurewebsites.net"},
            "Sec-Fetch-Site is 'same-site'",
        ),
        ({"sec-fetch-site": "cross-site", "origin": SAME}, "Sec-Fetch-Site"),
        ({"sec-fetch-site": ""}, "Sec-Fetch-Site"),
        ({"sec-fetch-site": "same-origin,cross-site"}, "Sec-Fetch-Site"),
        ({"origin": "https://evil.example"}, "Origin is 'https://evil.example', this is 'stopgap."),
        ({"origin": f"https://{HOST}.evil.example"}, "Origin"),
        ({"origin": f"https://{HOST}@evil.example"}, "Origin"),
        ({"origin": f"{SAME}:8443"}, "Origin"),
        ({"origin": "null"}, "Origin is 'null'"),
        ({"origin": ""}, "Origin is ''"),
        ({"origin": "https://[nonsense"}, "Origin"),
        ({"origin": "https://x:port"}, "Origin"),
    ],
)
def test_what_a_page_of_another_site_asks_for_is_refused(sent: dict[str, str], says: str) -> None:
    with pytest.raises(NotAllowed, match=r"^asked for by a page of another site: ") as fault:
        check_may_change(KEY_HOLDER, sent, HOST)
    assert says in str(fault.value)


def test_a_host_that_cannot_be_read_is_no_origins() -> None:
    with pytest.raises(NotAllowed):
        check_may_change(KEY_HOLDER, {"origin": "https://[nonsense"}, "[nonsense")


def test_who_has_not_the_role_may_not_change() -> None:
    with pytest.raises(NotAllowed, match=r"needs the app role Stopgap.Operator, which oid-1 does not have"):
        check_may_change(Caller("oid-1", "ada", operator=False), {}, HOST)
