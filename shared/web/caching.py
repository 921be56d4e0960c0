"""What a caller may keep of an answer, and when it is told that what it kept still holds (RFC 9110, RFC 9111)."""

import re
from hashlib import sha256

REVALIDATED = "private, no-cache"
"""Kept by who asked, and by nobody on the way; asked about each time."""

NOT_STORED = "no-store"

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"')


def etag(body: bytes) -> str:
    """The strong entity tag of a body: other bytes have another."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def holds(tag: str, if_none_match: str | None) -> bool:
    """Whether the caller has what is tagged so. A header that cannot be read says that it has nothing.

    Args:
        tag: By `etag`.
        if_none_match: The header: tags in a list, weak ones among them, or `*` for whatever there is; None: not sent.
    """
    told = (if_none_match or "").strip(" \t")
    if told == "*":
        return True
    if _TAG.sub("", told).strip(" \t,"):
        return False
    return tag in (each.removeprefix("W/") for each in _TAG.findall(told))
