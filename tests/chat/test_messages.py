"""What people are told in a chat, as they see it: the same of Slack's blocks and of a Teams card."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from copy import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.azure import slack as real_slack
from local.azure import teams as real_teams
from shared.chat import slack, teams
from shared.chat.message import HEADINGS, LONGEST_FACT, Message, message, money
from shared.domain.actions import Refusal, Stage
from shared.domain.money import Amount
from shared.domain.observations import Model
from shared.domain.records import NoticeKind
from shared.domain.signals import Source
from shared.domain.telling import Telling
from tests import strategies
from tests.chat.seen import in_slack, in_teams
from tests.told import overtaken, powered_off, telling, tellings

BASE = "https://stopgap.example"
PAGE = f"{BASE}/api/dashboard/00000000-0000-4000-8000-000000000001/rg-shop/web-1"
VM = """\
Resource group: rg-shop
Subscription: 00000000-0000-4000-8000-000000000001
Size: Standard_E8s_v5
Region: westeurope"""
ADA = "powered off through Azure by 8f14e45f-ceea-467f-a0e6-8bd0f8a4a111 (powerOff/action)"

SEEN = {
    NoticeKind.LEFT_STOPPED: f"""\
🟠 Left Stopped, still billed: web-1
{VM}
State: Stopped since 2026-11-21 12:00:00 UTC
Cause: {ADA}
Cost so far: 0.16 to 0.25 EUR
Cost a month: 441.50 to 710.14 EUR
Why: Stopped since 2026-11-21 12:00:00 UTC, {ADA}; still billed. \
Flagged: left Stopped for longer than its grace of 15m. \
It will be deallocated after 2026-11-21 13:15:30 UTC, if it is still Stopped then.
Next: It will be deallocated after 2026-11-21 13:15:30 UTC, unless it is started, snoozed or exempted before.
[Deallocate]({PAGE}#deallocate) · [Snooze]({PAGE}#snooze) · [Exempt]({PAGE}#exempt) · [Show]({PAGE})""",
    NoticeKind.FAILED_PROVISIONING: f"""\
🟣 OS provisioning failed, still billed: web-1
{VM}
State: Running, at least since 2026-11-21 12:00:00 UTC
Cause: unknown
Why: Running at least since 2026-11-21 12:00:00 UTC, cause unknown; billed. \
Its OS provisioning failed (OSProvisioningTimedOut); the VM is billed all the same. \
Azure may yet turn this into success; else restart the VM, or see what Azure says of the error code. Flagged.
Next: Nothing by itself: Stopgap deallocates no VM that runs.
[Snooze]({PAGE}#snooze) · [Exempt]({PAGE}#exempt) · [Show]({PAGE})""",
    NoticeKind.FLAG_CLEARED: f"""\
🔵 No longer flagged: web-1
{VM}
State: Running since 2026-11-21 12:39:30 UTC
Cause: started through Azure by c9f0f895-fb98-4b91-9c2f-2b3f4b6a2222 (start/action)
Why: Running since 2026-11-21 12:39:30 UTC, \
started through Azure by c9f0f895-fb98-4b91-9c2f-2b3f4b6a2222 (start/action); billed.
Next: Nothing, unless it is flagged again.
[Show]({PAGE})""",
    NoticeKind.DEALLOCATED: f"""\
🟢 Deallocated by Stopgap: web-1
{VM}
State: Deallocated since 2026-11-21 13:16:45 UTC
Cause: deallocated through Azure by 45c48cce-2e2d-4fbd-aa1a-fc51c7c6ad26 (deallocate/action)
Why: Deallocated since 2026-11-21 13:16:45 UTC, \
deallocated through Azure by 45c48cce-2e2d-4fbd-aa1a-fc51c7c6ad26 (deallocate/action); compute is not billed. \
Stopgap did it, in mode deallocate.
Next: Nothing, unless it is flagged again.
[Show]({PAGE})""",
    NoticeKind.DEALLOCATION_FAILED: f"""\
🔴 Deallocation failed: web-1
{VM}
State: Stopped since 2026-11-21 12:00:00 UTC
Cause: {ADA}
Cost so far: 0.77 to 1.23 EUR
Cost a month: 441.50 to 710.14 EUR
Why: Stopped since 2026-11-21 12:00:00 UTC, {ADA}; still billed. \
Flagged: left Stopped for longer than its grace of 15m. \
Its deallocation, asked for by Stopgap, failed: \
ScopeLocked: The scope is locked: 'keep'. Please remove the lock and try again. \
Nothing more is tried unless a person asks.
Next: It is not deallocated: an earlier attempt did not succeed; a person may ask for another.
[Deallocate]({PAGE}#deallocate) · [Snooze]({PAGE}#snooze) · [Exempt]({PAGE}#exempt) · [Show]({PAGE})""",
}


def left_stopped(**changes: object) -> Telling:
    told = telling(powered_off(), NoticeKind.LEFT_STOPPED)
    record: Any = replace
    return replace(told, record=record(told.record, **changes))


def bodies(told: Telling, base: str | None = BASE) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    shown = message(told, base)
    return slack.body(shown), teams.body(shown)


def seen(told: Telling, base: str | None = BASE) -> list[str]:
    """What is seen in both, which is the same."""
    in_blocks, card = bodies(told, base)
    lines = in_slack(in_blocks)
    title, name, *rest = in_teams(card)
    assert [f"{title}: {name}", *rest] == lines
    return lines


@pytest.mark.parametrize("kind", NoticeKind)
def test_what_is_seen_of_each_kind(kind: NoticeKind) -> None:
    assert "\n".join(seen(tellings()[kind])) == SEEN[kind]


def test_each_kind_has_a_heading_and_a_colour_of_its_own() -> None:
    assert set(HEADINGS) == set(teams.STYLES) == set(NoticeKind)
    assert len({heading.symbol for heading in HEADINGS.values()}) == len(NoticeKind)
    assert len(set(teams.STYLES.values())) == len(NoticeKind)


def test_a_deallocation_can_fail_in_three_ways() -> None:
    after_a_start = seen(telling(overtaken(), NoticeKind.DEALLOCATION_FAILED))
    assert after_a_start[0] == "🔴 Deallocated just after a start: web-1"
    assert "Next: Nothing by itself. Start it again, if it is meant to run." in after_a_start
    assert after_a_start[-1] == f"[Show]({PAGE})"

    failed = tellings()[NoticeKind.DEALLOCATION_FAILED]
    assert failed.record.deallocation
    unconfirmed = replace(failed.record.deallocation, stage=Stage.UNCONFIRMED)
    told = replace(failed, record=replace(failed.record, deallocation=unconfirmed))
    assert seen(told)[0] == "🔴 Deallocation not confirmed: web-1"


def flagged(**changes: object) -> Telling:
    flag: Any = replace
    return left_stopped(flag=flag(telling(powered_off(), NoticeKind.LEFT_STOPPED).record.flag, **changes))


@pytest.mark.parametrize(
    ("told", "following"),
    [
        (flagged(deallocate_after=None), "Nothing by itself: it is billed until somebody deallocates it."),
        (
            flagged(refusal=Refusal("exempt", "it is exempt (warm standby)")),
            "It is not deallocated: it is exempt (warm standby).",
        ),
        (
            flagged(snoozed_until=telling(powered_off(), NoticeKind.LEFT_STOPPED).notice.made_at),
            "Nothing until 2026-11-21 12:15:30 UTC: it is snoozed.",
        ),
    ],
)
def test_what_happens_next(told: Telling, following: str) -> None:
    assert f"Next: {following}" in seen(told)


def test_an_app_without_an_address_says_how_to_do_it_all_the_same() -> None:
    vm = "/api/vms/00000000-0000-4000-8000-000000000001/rg-shop/web-1"
    assert seen(left_stopped(), None)[-1] == (
        f"In the API of the function app: POST {vm}/deallocate, POST {vm}/snooze, POST {vm}/exempt, GET {vm}"
    )
    assert seen(tellings()[NoticeKind.FLAG_CLEARED], None)[-1] == f"In the API of the function app: GET {vm}"
    for body in bodies(left_stopped(), None):
        assert "http" not in json.dumps(body).replace("http://adaptivecards.io/schemas/", "")


def test_a_link_leads_to_a_vm_of_any_name() -> None:
    named = replace(left_stopped().record.vm, resource_group="größe(1)", name="set~3")
    page = f"{BASE}/api/dashboard/{named.subscription}/gr%C3%B6%C3%9Fe%281%29/set~3"
    assert seen(left_stopped(vm=named))[-1].endswith(f"[Show]({page})")


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        (None, None, "unknown"),
        (1234.5, 1234.5, "1,234.50 EUR"),
        (0.601, 0.604, "0.60 EUR"),
        (0.6048, 0.9728, "0.60 to 0.97 EUR"),
        (0.6, None, "at least 0.60 EUR"),
        (None, 0.9, "up to 0.90 EUR"),
        (0.001, 0.9, "up to 0.90 EUR"),
        (0.0, 0.0, "less than 0.01 EUR"),
        (0.001, 0.004, "less than 0.01 EUR"),
        (None, 0.001, "less than 0.01 EUR"),
        (0.001, None, "unknown"),
    ],
)
def test_what_is_not_known_is_said_to_be_and_nothing_is_ever_0(
    lower: float | None, upper: float | None, words: str
) -> None:
    assert money(Amount("EUR", lower, upper)) == words


@given(strategies.amounts)
def test_no_amount_is_0(amount: Amount) -> None:
    assert not re.search(r"(?<![\d.,])0(\.00)?(?![\d.])", money(amount))


def test_a_cost_that_was_not_to_be_had_is_unknown() -> None:
    lines = seen(replace(left_stopped(), cost=None))
    assert [line for line in lines if line.startswith("Cost")] == [
        "Cost so far: unknown",
        "Cost a month: unknown",
    ]


EVIL = [
    "<!channel>",
    "<!here|here>",
    "<@U024BE7LH>",
    "@everyone",
    "<at>Everyone</at>",
    "<https://evil.example|Click here>",
    "[x](http://evil.example)",
    "https://evil.example",
    "*bold* _italic_ ~gone~ `code`",
    "# heading",
    "&lt;!channel&gt; &amp;",
    ":rotating_light:",
    "<script>alert(1)</script>",
    "{{DATE(2017-02-14T06:00:00Z, SHORT)}} {{{TIME(2017-02-14T06:00:00Z)}}}",
    "{{}{{",
    '"}], "text": "',
]
HIDDEN = "\u202eevil\u202c \u2066x\u2069 \u200b\ufeff \x07 \x1b[31m \ud800 \U000e0041"


def with_text(text: str) -> Telling:
    """A telling with a text wherever one comes from outside."""
    told = left_stopped()
    record = told.record
    assert record.settled
    assert record.settled.cause
    assert record.flag
    cause = replace(record.settled.cause, operation=text, caller=text, caller_name=text)
    return replace(
        told,
        record=replace(
            record,
            model=Model(size=text, location=text),
            settled=replace(record.settled, cause=cause),
            flag=replace(record.flag, refusal=Refusal("rule", text)),
            reason=text,
        ),
    )


def texts(value: object, kind: str) -> Iterator[str]:
    """The texts of all objects of a type, wherever they are."""
    if isinstance(value, Mapping):
        if value.get("type") == kind and isinstance(value.get("text"), str):
            yield value["text"]
        for part in value.values():
            yield from texts(part, kind)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part, kind)


OUR_LINKS = re.compile(r"<https://stopgap\.example/api/dashboard/[^|<>]+\|(Deallocate|Snooze|Exempt|Show)>")


def is_safe(told: Telling) -> None:
    """Nothing that comes from outside is where markup is read."""
    in_blocks, card = bodies(told)
    for text in texts(in_blocks, "mrkdwn"):
        assert re.fullmatch(r"\*[A-Z][a-z ]+\*", text) or OUR_LINKS.fullmatch(text)
    for text in (in_blocks["text"], *texts(in_blocks, "plain_text")):
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)
    assert (in_blocks["mrkdwn"], in_blocks["unfurl_links"]) == (False, False)
    for text in texts(card, "TextBlock"):
        assert re.fullmatch(r"[🟠🟣🔵🟢🔴] [A-Za-z ,]+", text)
    for text in texts(card, "TextRun"):
        assert "{{" not in text
    content = card["attachments"][0]["content"]
    assert set(content["msteams"]) == {"width"}, "no mentions"
    assert all(action["url"].startswith(f"{BASE}/api/dashboard/") for action in content["actions"])


def is_taken(told: Telling) -> None:
    """Slack and Teams take it: their limits are kept."""
    in_blocks, card = (json.dumps(body, ensure_ascii=False).encode() for body in bodies(told))
    assert real_slack.answer({}, in_blocks).status == 200
    assert real_teams.answer({"sig": "x"}, card).status == 202
    # Teams counts the card as a text within another message.
    assert len(json.dumps(card.decode(), ensure_ascii=False).encode()) <= real_teams.LARGEST


@pytest.mark.parametrize("text", EVIL)
def test_what_comes_from_outside_is_seen_as_itself_and_neither_mentions_nor_links(text: str) -> None:
    told = with_text(text)
    is_safe(told)
    in_blocks, card = bodies(told)
    for lines in (in_slack(in_blocks), in_teams(card)):
        plain = [line.replace("\u2060", "") for line in lines]
        assert {f"Size: {text}", f"Why: {text}", f"Next: It is not deallocated: {text}."} <= set(plain)


def test_what_cannot_be_seen_is_seen() -> None:
    lines = seen(with_text(HIDDEN))
    assert "Size: �evil� �x� �� � �[31m � �" in lines
    assert "Why: a b c" in seen(with_text(" a\nb\r\n\tc\u2028"))
    assert "Size: 👩‍🚀 می‌خواهم" in seen(with_text("👩‍🚀 می‌خواهم"))


def test_what_is_empty_is_unknown() -> None:
    assert {"Size: unknown", "Region: unknown", "Why: unknown"} <= set(seen(with_text(" \n ")))


@pytest.mark.parametrize("character", ["x", "&", "<", '"', "\\", "漢", "😀", "{", "\u202e", "\ud800"])
def test_what_is_long_is_shortened(character: str) -> None:
    told = with_text(character * 100_000)
    is_safe(told)
    is_taken(told)
    size = next(line for line in in_slack(bodies(told)[0]) if line.startswith("Size: "))
    assert len(size) == len("Size: ") + LONGEST_FACT
    assert size.endswith("…")


def test_a_long_name_is_cut_in_the_heading() -> None:
    named = replace(left_stopped().record.vm, resource_group="𝐱" * 90, name="𝐱" * 90 + "~1000000")
    told = left_stopped(vm=named)
    is_taken(told)
    heading = in_slack(bodies(told)[0])[0]
    assert heading.endswith("𝐱…")
    assert len(heading.encode("utf-16-le")) // 2 <= slack.LONGEST_HEADER


evil = (
    st.sampled_from(EVIL)
    | st.text(max_size=60)
    | st.text(st.sampled_from("<>&{}*_`[]()@!|\u202e\n "), max_size=60)
)


@given(strategies.tellings, st.booleans())
def test_whatever_is_told_is_safe_and_taken(told: Telling, linked: bool) -> None:
    is_safe(told)
    is_taken(told)
    shown = message(told, BASE if linked else None)
    assert bool(shown.links) is linked
    assert (shown.how is None) is linked
    assert all_seen(shown)


@given(evil, st.integers(1, 3))
def test_whatever_comes_from_outside_is_safe_and_taken(text: str, times: int) -> None:
    told = with_text(text * times)
    is_safe(told)
    is_taken(told)


def all_seen(shown: Message) -> bool:
    """Whether each text is something, on one line, without characters that cannot be seen."""
    told = [shown.name, shown.why, shown.following, *(value for _, value in shown.facts)]
    characters = {character for text in told for character in text}
    return all(told) and not any(
        unicodedata.category(each) in {"Cc", "Cs"} or unicodedata.bidirectional(each) in BIDIRECTIONAL
        for each in characters
    )


BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_where_only_a_look_is_known_it_is_at_least_since_then() -> None:
    settled = left_stopped().record.settled
    assert settled
    lines = seen(left_stopped(settled=replace(settled, since_source=Source.OBSERVED)))
    assert "State: Stopped, at least since 2026-11-21 12:00:00 UTC" in lines
