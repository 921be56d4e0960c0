"""Parts of sentences that are told in more than one place."""

from datetime import datetime

from shared.domain.actions import Deallocation
from shared.domain.exemptions import Exemption
from shared.domain.records import Flag, Notice


def moment(at: datetime) -> str:
    """A time for people: to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def exempt(exemption: Exemption) -> str:
    """`exempt until … (why, by whom)`."""
    until = f" until {moment(exemption.until)}" if exemption.until else ""
    by = f", entered by {exemption.by}" if exemption.by else ""
    return f"exempt{until} ({exemption.reason}{by})"


def snoozed(flag: Flag) -> str:
    """`snoozed until … by …`."""
    until = f" until {moment(flag.snoozed_until)}" if flag.snoozed_until else ""
    return f"snoozed{until}{f' by {flag.snoozed_by}' if flag.snoozed_by else ''}"


def notice(told: Notice) -> str:
    """`“left stopped” to the webhook`."""
    return f"“{told.kind.replace('_', ' ')}” to the {told.channel}"


def given_up(told: Notice) -> str:
    """`“left stopped” to the webhook, after 12 attempts (…)`."""
    return f"{notice(told)}, after {told.attempts} attempts ({told.fault or 'no answer'})"


def of_azure(closing: Deallocation) -> str:
    """What Azure answered to the latest attempt."""
    said = closing.said.rstrip(".") if closing.said else None
    return ": ".join(part for part in (closing.code, said) if part) or "Azure gave no answer"


def unconfirmed(closing: Deallocation) -> str:
    """Why nobody knows it done."""
    if closing.after:
        return f"next seen {closing.after}, not deallocated"
    if closing.accepted_at:
        return "not seen deallocated in time"
    return f"Azure gave no clear answer ({of_azure(closing)})" if closing.said else "Azure's answer was lost"


def overtaken(closing: Deallocation) -> str:
    """What came in between."""
    by = closing.overtaken_by
    whom = f" by {by.caller_name or by.caller}" if by and by.caller else ""
    at = moment(closing.overtaken_at) if closing.overtaken_at else "an unknown time"
    looked = moment(closing.looked_at) if closing.looked_at else "an unknown time"
    return (
        f"the VM was started{whom} ({at}) after the last look that saw it Stopped ({looked}): "
        "a VM that had just been started was deallocated"
    )
