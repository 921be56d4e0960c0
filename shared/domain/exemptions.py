"""Exemptions: an owner's tag, or an operator's entry, that forbids flagging."""

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ].*)?")
_NO = {"false", "no", "off", "0"}
_YES = {"true", "yes", "on", "1", ""}


class Exemption(Struct, frozen=True):
    """Forbids flagging, until a moment or for good."""

    until: datetime | None
    """The moment from which the exemption no longer holds; None: no end."""
    reason: str
    by: str | None = None
    """Which operator entered it; None: it is the owner's tag."""

    def holds(self, at: datetime) -> bool:
        """Whether the exemption is in force."""
        return self.until is None or at < self.until


def strongest(tag: Exemption | None, entered: Exemption | None, at: datetime) -> Exemption | None:
    """Of the owner's and the operator's, the one that holds, for longest; if neither does, the owner's."""
    holding = [exemption for exemption in (tag, entered) if exemption and exemption.holds(at)]
    endless = next((exemption for exemption in holding if exemption.until is None), None)
    if endless or not holding:
        return endless or tag
    return max(holding, key=lambda exemption: (exemption.until, exemption is tag))


def parse_exemption(value: str) -> Exemption | None:
    """Read the value of the tag `stopgap:exempt`.

    A date (`2027-01-31`, to the end of that day in UTC) or a time of ISO 8601 is the end; `false`, `no`, `off`
    or `0` is no exemption; any other text is the reason for one without an end. A date that cannot be read
    exempts without an end, and says so: an owner who asked to be left alone is.
    """
    text = value.strip()
    if text.lower() in _NO:
        return None
    if text.lower() in _YES:
        return Exemption(None, "the owner's tag stopgap:exempt")
    if not _DATE.fullmatch(text):
        return Exemption(None, text)
    try:
        return Exemption(_end(text), "the owner's tag stopgap:exempt")
    except (ValueError, OverflowError):
        return Exemption(
            None,
            f"the owner's tag stopgap:exempt has no date that can be read in {text!r}: exempt, to be safe",
        )


def _end(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at.astimezone(UTC) + (timedelta(days=1) if len(text) == len("2027-01-31") else timedelta())
