"""Who calls the HTTP API, and whether they may change things. Headers in, a caller out.

Behind App Service authentication the platform signs callers in and says who they are in headers of its own, which it
takes off whatever comes from outside ("Work with user identities in Azure App Service authentication",
learn.microsoft.com/azure/app-service/configure-authentication-user-identities). Without it, such headers are
anybody's words and are not read: the platform asks for a function key, and who has one may do everything.
"""

import base64
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from shared.domain.malformed import shown
from shared.web.plain import plain

OPERATOR = "Stopgap.Operator"
"""The app role that may change things; whoever is signed in may look."""

LONGEST_NAME = 256

_PRINCIPAL = "x-ms-client-principal"
_OBJECT_ID = {"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"}
_PORTS = {"http": 80, "https": 443}


class NotSignedIn(Exception):
    """The platform did not say who calls, or not in a way that can be read."""


class NotAllowed(Exception):
    """Who calls may not do this, or not from where they call."""


class Caller(Struct, frozen=True):
    """Who calls."""

    id: str
    """The object id of the principal."""
    name: str | None
    """Its name, which is personal data."""
    operator: bool
    """Whether they may change things."""

    def recorded(self, *, keep_name: bool) -> str:
        """Who is put on record: the name where the operator wants it, else the id."""
        return (self.name if keep_name else None) or self.id


KEY_HOLDER = Caller("function key", None, operator=True)
"""Whoever has the function key: nothing more is known of them."""


class _Claim(msgspec.Struct):
    typ: str
    val: object = None


class _Principal(msgspec.Struct):
    claims: list[_Claim] = []
    role_typ: str | None = None

    def values(self, types: set[str]) -> list[str]:
        return [claim.val for claim in self.claims if claim.typ in types and isinstance(claim.val, str)]


def caller(headers: Mapping[str, str], *, signed_in: bool) -> Caller:
    """Who calls; `NotSignedIn` when that is to be known and is not.

    Args:
        headers: The request's, by lower-case name.
        signed_in: Whether App Service authentication stands before the app.
    """
    if not signed_in:
        return KEY_HOLDER
    principal = _read(headers.get(_PRINCIPAL))
    ids = [*principal.values(_OBJECT_ID), headers.get(f"{_PRINCIPAL}-id") or ""]
    known = next((found for each in ids if (found := plain(each, LONGEST_NAME))), None)
    if known is None:
        raise NotSignedIn("sign in: App Service authentication named nobody with this request")
    roles = principal.values({"roles", principal.role_typ or "roles"})
    name = plain(headers.get(f"{_PRINCIPAL}-name") or "", LONGEST_NAME)
    return Caller(known, name or None, operator=OPERATOR in roles)


def check_may_change(who: Caller, headers: Mapping[str, str], host: str) -> None:
    """Return if a caller may change things; else `NotAllowed` says why not.

    A browser sends along what signs somebody in with whatever another site's page makes it send, so what comes from
    such a page is refused. Other programs send neither of the headers that tell.

    Args:
        who: Who calls.
        headers: The request's, by lower-case name.
        host: The request's own host, with its port if it is not the usual one.
    """
    if not who.operator:
        raise NotAllowed(f"this needs the app role {OPERATOR}, which {who.id} does not have")
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in {"same-origin", "none"}:
        raise NotAllowed(f"asked for by a page of another site: Sec-Fetch-Site is {shown(site)}")
    # A browser that keeps to itself where a form is says null; what it says of the site still counts.
    if origin is None or (origin == "null" and site is not None):
        return
    here = _place(f"//{host}")
    if here is None or _place(origin) != here:
        raise NotAllowed(
            f"asked for by a page of another site: Origin is {shown(origin)}, this is {shown(host)}"
        )


def _read(header: str | None) -> _Principal:
    if not header:
        return _Principal()
    try:
        return msgspec.json.decode(base64.b64decode(header, validate=True), type=_Principal)
    except (ValueError, RecursionError):
        # Its claims are personal data: they are not quoted.
        raise NotSignedIn(
            f"sign in: {_PRINCIPAL} cannot be read; expected base64 of a JSON object with claims"
        ) from None


def _place(address: str) -> tuple[str | None, int | None] | None:
    """Host and port of an origin or a host; the usual ports are none. None: it cannot be read."""
    try:
        parts = urlsplit(address)
        port = None if parts.port in _PORTS.values() else parts.port
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None
