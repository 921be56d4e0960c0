"""The message to people: the same for every chat.

What comes from outside (names, reasons, tags, callers, Azure's words) is made fit to be seen here. To keep it from
being read as markup is each chat's own affair.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import quote

from msgspec import Struct

from shared.domain.actions import Stage
from shared.domain.ids import VmId
from shared.domain.money import Amount
from shared.domain.phrases import moment
from shared.domain.reasons import by_whom
from shared.domain.records import FlagKind, NoticeKind, Record
from shared.domain.signals import Source
from shared.domain.states import PowerState
from shared.domain.telling import Telling

LONGEST_FACT = 200
LONGEST_NEXT = 600
LONGEST_WHY = 1200
"""In characters. All together keep within the 28 KB that Teams takes, whatever the characters are."""

UNKNOWN = "unknown"
_HALF_A_CENT = 0.005
_JOINERS = {"\u200c", "\u200d"}
"""Without these two, which cannot be seen either, Persian and many emoji fall apart."""


class Heading(Struct, frozen=True):
    """How a message begins."""

    symbol: str
    title: str


HEADINGS: Mapping[NoticeKind, Heading] = {
    NoticeKind.LEFT_STOPPED: Heading("🟠", "Left Stopped, still billed"),
    NoticeKind.FAILED_PROVISIONING: Heading("🟣", "OS provisioning failed, still billed"),
    NoticeKind.FLAG_CLEARED: Heading("🔵", "No longer flagged"),
    NoticeKind.DEALLOCATED: Heading("🟢", "Deallocated by Stopgap"),
    NoticeKind.DEALLOCATION_FAILED: Heading("🔴", "Deallocation failed"),
}

_OTHERWISE: Mapping[Stage, str] = {
    Stage.UNCONFIRMED: "Deallocation not confirmed",
    Stage.OVERTAKEN: "Deallocated just after a start",
}
"""How a deallocation can fail otherwise than by Azure's refusal."""

_ENDED = {NoticeKind.FLAG_CLEARED, NoticeKind.DEALLOCATED}
"""After these there is nothing left to do."""


class Message(Struct, frozen=True):
    """A message, its texts without line breaks and characters that cannot be seen."""

    kind: NoticeKind | None
    """None: it is about no VM."""
    symbol: str
    title: str
    name: str
    facts: tuple[tuple[str, str], ...]
    """Labels of ours, and what is so, which may hold anything."""
    why: str
    following: str
    """What happens next, and when."""
    links: tuple[tuple[str, str], ...]
    """Titles of ours, and addresses of ours."""
    how: str | None
    """How to do what there are no links for; None: there are links."""


def message(telling: Telling, base: str | None) -> Message:
    """The message that tells of a VM.

    Args:
        telling: What is told.
        base: The address of the function app, without a trailing slash; None: it has none, so there are no links.
    """
    kind, record = telling.notice.kind, telling.record
    heading, stage = HEADINGS[kind], record.deallocation.stage if record.deallocation else None
    otherwise = _OTHERWISE.get(stage) if stage and kind is NoticeKind.DEALLOCATION_FAILED else None
    return Message(
        kind=kind,
        symbol=heading.symbol,
        title=otherwise or heading.title,
        name=_seen(record.vm.name, LONGEST_FACT),
        facts=tuple((label, _seen(value, LONGEST_FACT)) for label, value in _facts(telling)),
        why=_seen(record.reason, LONGEST_WHY),
        following=_seen(_following(kind, record), LONGEST_NEXT),
        links=tuple(_links(kind, record, base)) if base else (),
        how=None if base else _how(kind, record),
    )


def trial(at: datetime) -> Message:
    """The message by which it is seen whether messages arrive."""
    return Message(
        kind=None,
        symbol="⚪",
        title="Test of Stopgap's messages",
        name="about no VM",
        facts=(("Sent", moment(at)),),
        why="Somebody tries out whether messages of Stopgap arrive here.",
        following="Nothing.",
        links=(),
        how="There is nothing to do.",
    )


def money(amount: Amount | None) -> str:
    """`0.61 to 0.97 EUR`. What is not known is said not to be, and nothing is ever 0."""
    if amount is None:
        return UNKNOWN
    # That it is at least next to nothing tells nothing.
    least = f"{amount.lower:,.2f}" if amount.lower and amount.lower >= _HALF_A_CENT else None
    if amount.upper is None:
        return f"at least {least} {amount.currency}" if least else UNKNOWN
    if amount.upper < _HALF_A_CENT:
        return f"less than 0.01 {amount.currency}"
    most = f"{amount.upper:,.2f} {amount.currency}"
    if least is None:
        return f"up to {most}"
    return most if most.startswith(f"{least} ") else f"{least} to {most}"


def _facts(telling: Telling) -> Iterator[tuple[str, str | None]]:
    record, cost = telling.record, telling.cost
    yield "Resource group", record.vm.resource_group
    yield "Subscription", record.vm.subscription
    yield "Size", record.model.size
    yield "Region", record.model.location
    at_least = ", at least" if record.since_source is Source.OBSERVED else ""
    yield "State", f"{record.power_state.capitalize()}{at_least} since {moment(record.since)}"
    yield "Cause", by_whom(record.cause) if record.cause else None
    if record.power_state is PowerState.STOPPED:
        yield "Cost so far", money(cost.so_far if cost else None)
        yield "Cost a month", money(cost.monthly if cost else None)


def _following(kind: NoticeKind, record: Record) -> str:
    flag, closing = record.flag, record.deallocation
    if kind in _ENDED:
        return "Nothing, unless it is flagged again."
    if kind is NoticeKind.FAILED_PROVISIONING:
        return "Nothing by itself: Stopgap deallocates no VM that runs."
    if flag is None:
        overtaken = closing and closing.stage is Stage.OVERTAKEN
        return f"Nothing by itself.{' Start it again, if it is meant to run.' if overtaken else ''}"
    if record.closing and record.closing.stage.pending:
        return "Its deallocation, which is under way."
    if flag.snoozed_until:
        return f"Nothing until {moment(flag.snoozed_until)}: it is snoozed."
    if flag.refusal:
        return f"It is not deallocated: {flag.refusal.reason}."
    if flag.deallocate_after:
        return (
            f"It will be deallocated after {moment(flag.deallocate_after)}, unless it is started, snoozed or "
            "exempted before."
        )
    return "Nothing by itself: it is billed until somebody deallocates it."


def _links(kind: NoticeKind, record: Record, base: str) -> Iterator[tuple[str, str]]:
    page = f"{base}/api/dashboard/{_path(record.vm)}"
    for action in _actions(kind, record):
        yield action.capitalize(), f"{page}#{action}"
    yield "Show", page


def _how(kind: NoticeKind, record: Record) -> str:
    """The function app has no address that we know, but its API."""
    vm = f"/api/vms/{_path(record.vm)}"
    actions = [f"POST {vm}/{action}" for action in _actions(kind, record)]
    return f"In the API of the function app: {', '.join([*actions, f'GET {vm}'])}"


def _actions(kind: NoticeKind, record: Record) -> tuple[str, ...]:
    """What can be done to the VM as it is: a flag can be snoozed, and what runs is not deallocated."""
    if kind in _ENDED or record.flag is None:
        return ()
    return (
        ("deallocate", "snooze", "exempt")
        if record.flag.kind is FlagKind.LEFT_STOPPED
        else ("snooze", "exempt")
    )


def _path(vm: VmId) -> str:
    return "/".join(quote(part, safe="") for part in (vm.subscription, vm.resource_group, vm.name))


def _seen(text: str | None, longest: int) -> str:
    """A text on one line and not too long, in which a character that cannot be seen shows as `�`."""
    line = " ".join((text or UNKNOWN).split()) or UNKNOWN
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    return "".join("\ufffd" if _is_hidden(each) else each for each in line)


def _is_hidden(character: str) -> bool:
    """Control and bidirectional characters, lone halves of pairs, tags, byte order marks."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"} and character not in _JOINERS
