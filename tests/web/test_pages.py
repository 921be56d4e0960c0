"""The page of a VM: what it says and offers, to whom, and that nothing from outside can change how it looks."""

import base64
import hashlib
import re
import subprocess
import sys
from copy import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.parts import ROOT
from shared.domain.actions import Entry, Refusal, What
from shared.domain.deallocation import begun
from shared.domain.decision import decide
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.money import Amount, Cost
from shared.domain.news import Accepted, Ask, Exempt, News, Snooze
from shared.domain.observations import Observation
from shared.domain.policy import Channel, Mode, Policy
from shared.domain.records import FlagKind, Notice, NoticeKind, Record
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.domain.transitions import KINDS, Effect, Kind
from shared.ports import History
from shared.requests import NoSuchVm, NotDone
from shared.web import captions, rows
from shared.web.asked import Asking
from shared.web.captions import Shape
from shared.web.offers import refusals
from shared.web.pages import Pages
from shared.web.plain import UNFIT
from shared.web.problems import problem_of
from shared.web.prospects import prospects
from shared.web.sight import Sight
from tests import strategies
from tests.domain.life import NOON, VM, Life, event, look, minutes
from tests.web.html import Html

ALLOWED = Policy(allow_deallocate=True)
PAGES = Pages()
NOTHING = History((), ())


def page(record: Record, **more: object) -> Html:
    """The page half an hour after noon, for somebody who may change things, unless told otherwise."""
    sight = Sight(
        record=record,
        history=NOTHING,
        cost=None,
        spent=(),
        policy=ALLOWED,
        now=minutes(30),
        may_change=True,
    )
    sight = replace(sight, **more)  # type: ignore[arg-type]
    return Html(PAGES.vm(replace(sight, spent=sight.spent or [None] * len(sight.history.episodes))))


@pytest.fixture
def life() -> Life:
    """Powered off at noon, flagged 20 minutes later; it may be deallocated if somebody asks."""
    life = Life(ALLOWED)
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(1)), event("stopped", NOON))
    life.see(look("stopped", minutes(20)))
    return life


def test_the_page_of_a_flagged_vm_says_what_is_so_and_offers_what_can_be_done(life: Life) -> None:
    seen = page(life.now)
    assert life.now.reason in seen.words
    assert "Stopped, billed" in seen.words
    assert "Flagged: left Stopped" in seen.words
    assert "Since 2026-11-21 12:00:00 UTC, for 30 min" in seen.words
    assert "Unknown: no price for it could be had." in seen.words
    assert seen.forms == ["deallocate", "snooze", "snooze", "exempt", "look"]
    (tick,) = [field for field in seen.all("input") if field["type"] == "checkbox"]
    assert (tick["name"], tick["value"]) == ("confirm", "yes")
    assert "required" in tick
    assert "temporary disk is lost" in seen.words
    assert "dynamic public IP address is lost" in seen.words
    choices = [button["value"] for button in seen.all("button") if button.get("name") == "until"]
    assert choices == ["2026-11-21T16:30Z", "2026-11-22T12:30Z", "2026-11-28T12:30Z"]


def test_links_of_notices_lead_to_what_can_be_done(life: Life) -> None:
    anchors = [section.get("id") for section in page(life.now).all("section")]
    assert {"deallocate", "snooze", "exempt", "look"} <= set(anchors)


def test_what_is_not_possible_is_shown_with_its_reason_instead(life: Life) -> None:
    seen = page(life.now, policy=Policy())
    assert "Not possible now: STOPGAP_ALLOW_DEALLOCATE is not true." in seen.words
    assert "deallocate" not in seen.forms
    life.see(look("running", minutes(40)))
    seen = page(life.now)
    assert "Not possible now: it is not Stopped: Azure shows it as running." in seen.words
    assert "Not possible now: it is not flagged, so there is nothing to snooze." in seen.words
    assert "Counted only while it is left Stopped." in seen.words
    assert seen.forms == ["exempt", "look"]


def test_who_may_only_look_is_offered_nothing_and_told_why(life: Life) -> None:
    seen = page(life.now, may_change=False)
    assert seen.forms == []
    assert "needs the app role Stopgap.Operator" in seen.words
    assert [heading for heading in ("Snooze", "Exempt", "Look again") if f"{heading} " in seen.words] == []
    life.hear(Snooze(minutes(300), "ada"), minutes(25))
    assert "Now snoozed until 2026-11-21 17:00:00 UTC by ada." in page(life.now, may_change=False).words


def test_a_snooze_and_an_exemption_can_be_ended(life: Life) -> None:
    life.hear(Snooze(minutes(300), "Ada <b>"), minutes(25))
    seen = page(life.now)
    assert "Now snoozed until 2026-11-21 17:00:00 UTC by Ada <b>." in seen.words
    assert "The snooze ends: if the VM is still flagged, people are told again." in seen.words
    assert seen.forms.count("snooze") == 3
    assert "Not possible now: it is snoozed until" in seen.words
    life.hear(Exempt(Exemption(None, "kept warm", "ada"), "ada"), minutes(26))
    seen = page(life.now)
    assert "Now exempt (kept warm, entered by ada)." in seen.words
    assert seen.forms == ["exempt", "exempt", "look"]
    assert [field["value"] for field in seen.all("input") if field["name"] == "end"] == ["true"]


def test_an_owners_exemption_is_the_owners_to_end() -> None:
    life = Life(ALLOWED)
    life.see(look("stopped", minutes(1), tags={"stopgap:exempt": "2026-12-31"}), event("stopped", NOON))
    seen = page(life.now)
    assert "Its owner’s tag stopgap:exempt says so: to end it, change the tag." in seen.words
    assert "Its exemption ends: it is flagged, if it is still Stopped." in seen.words
    assert [field for field in seen.all("input") if field["name"] == "end"] == []


def test_a_deallocation_under_way_is_shown_instead_of_the_form(life: Life) -> None:
    life.hear(Ask("ada"), minutes(25))
    seen = page(life.now)
    assert "Asked for by ada at 2026-11-21 12:25:00 UTC: it is under way." in seen.words
    assert "Azure is asked to deallocate it, if a fresh look allows that." in seen.words
    assert "deallocate" not in seen.forms


def test_a_planned_deallocation_says_when() -> None:
    policy = Policy(mode=Mode.DEALLOCATE, allow_deallocate=True)
    life = Life(policy)
    life.see(look("stopped", minutes(1)), event("stopped", NOON))
    life.see(look("stopped", minutes(20)))
    (prospect,) = prospects(life.now)
    assert (prospect.at, prospect.text) == (
        minutes(80),
        "Stopgap deallocates it, if it is still Stopped then and nothing else forbids it.",
    )
    assert "in 50 min" in page(life.now, policy=policy).words


def test_a_notice_that_was_given_up_is_shown_with_what_to_do(life: Life) -> None:
    notice = Notice(
        NoticeKind.LEFT_STOPPED, "id", NOON, NOON, 12, Channel.WEBHOOK, fault="HTTP 410 <gone>", parked=True
    )
    seen = page(replace(life.now, outbox=(notice,)))
    assert "Notice given up" in seen.words
    told = "The notice “left stopped” to the webhook was given up after 12 attempts (HTTP 410 <gone>)."
    assert (
        f"{told} Stopgap asks Azure for the VM’s state at once, and notices that were given up" in seen.words
    )


def test_a_life_is_told_as_a_timeline_and_in_a_table(life: Life) -> None:
    life.see(look("deallocated", minutes(90)), event("deallocated", minutes(90)))
    entry = Entry(VM, minutes(20), What.SNOOZED, None, "until <later>")
    history = History(
        tuple(life.transitions[at] for at in sorted(life.transitions, reverse=True)),
        tuple(life.episodes.values()),
        (entry,),
    )
    seen = page(life.now, history=history, spent=[Amount("EUR", 1.5, 2.25)], now=minutes(90))
    assert "Cost EUR 1.50–2.25" in seen.words
    assert "2026-11-21 12:20:00 UTC Snoozed by Stopgap: until <later>" in seen.words
    assert "Hours 1.5 How it ended Deallocated, deallocated through Azure by caller-1" in seen.words
    told = [
        "Deallocated, not billed for 0 s so far Since 2026-11-21 13:30:00 UTC",
        "Deallocated through Azure by caller-1 (op/deallocated). Billing stops.",
        "Stopped, billed for 1 h 30 min Since 2026-11-21 12:00:00 UTC, until 2026-11-21 13:30:00 UTC",
        "Powered off through Azure by caller-1 (op/stopped). Billing goes on.",
        "2026-11-21 12:20:00 UTC Flagged: left Stopped",
        "Running, billed for 1 h At least since 2026-11-21 11:00:00 UTC, until 2026-11-21 12:00:00 UTC",
        "First seen.",
        "Stopgap had not seen it before that.",
    ]
    places = [seen.words.index(each) for each in told]
    assert places == sorted(places)
    assert "Running, billed 1 h (40 %)" in seen.words


def test_what_there_is_none_of_is_said() -> None:
    life = Life(Policy())
    life.see(look("running"))
    words = page(life.now).words
    assert "Nothing is planned. Stopgap looks at it again when Azure tells of a change." in words
    assert "First seen. Stopgap had not seen it before that." in words
    assert "It was never seen Stopped." in words


def test_the_key_of_the_address_goes_along_to_forms_and_links(life: Life) -> None:
    seen = page(life.now, key="a+b&c=<d>")
    addresses = [form["action"] for form in seen.all("form")]
    addresses += [link["href"] for link in seen.all("a") if link["href"] != "#main"]
    assert addresses
    assert all(str(address).endswith("?code=a%2Bb%26c%3D%3Cd%3E") for address in addresses)
    assert "code" not in str([form["action"] for form in page(life.now).all("form")])


def test_what_was_done_is_said_in_our_words_only(life: Life) -> None:
    assert "A look is asked for." in page(life.now, done="look").words
    assert "<script>" not in page(life.now, done="<script>alert(1)</script>").words


def test_what_it_costs_now_is_on_the_page(life: Life) -> None:
    seen = page(life.now, cost=Cost(Amount("EUR", 0.1, 0.2), Amount("EUR", 1.0, 2.0)))
    assert "EUR 1.00–2.00" in seen.words
    assert "EUR 73.00–146.00" in seen.words


def test_cost_is_shown_within_its_bounds() -> None:
    view = {
        "currency": "EUR",
        "hourly": {"lower": 0.0912, "upper": 0.1832},
        "monthly": {"lower": 66.58, "upper": 66.58},
        "so_far": {"lower": None, "upper": None},
    }
    assert rows.costs(view) == [
        ("so far", None),
        ("an hour", "EUR 0.0912–0.1832"),
        ("a month of 730 hours", "EUR 66.58"),
    ]
    assert rows.costs(None) == []
    assert rows.amount({"currency": "USD", "lower": 1234.5, "upper": None}, 2) == "at least USD 1,234.50"
    assert rows.amount({"currency": "USD", "lower": None, "upper": 2}, 2) == "at most USD 2.00"
    assert rows.amount(None, 2) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_725, "1 h 2 min"),
        (7_205, "2 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_time_span_is_told_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert rows.lasting(timedelta(seconds=seconds)) == words


def test_every_word_has_its_caption() -> None:
    assert set(captions.TONES) == set(PowerState)
    assert set(captions.FLAGS) == set(FlagKind)
    assert set(captions.EFFECTS) == set(Effect)
    assert set(captions.WHATS) == set(What)
    assert set(captions.DONE) == set(Asking)
    assert set(captions.KINDS) == set(Kind)
    assert set(captions.SHAPES) == set(What)
    assert set(captions.LEGEND) == set(Shape)
    assert set(captions.PATTERNS) <= set(captions.TONES.values())


def test_the_page_of_a_problem_says_why_and_leads_back() -> None:
    seen = Html(
        PAGES.problem(problem_of(NotDone(Refusal("exempt", "it is <b>exempt</b>"))), ("/back?a=1&b=2", "VM"))
    )
    assert "409 Conflict Not done it is <b>exempt</b> Rule: exempt" in seen.words
    assert [link["href"] for link in seen.all("a")] == ["#main", "/api/dashboard", "/back?a=1&b=2"]
    assert len(Html(PAGES.problem(problem_of(NoSuchVm("x")), None)).all("a")) == 2


def test_only_our_own_style_and_script_may_be_used_and_nothing_fetched(life: Life) -> None:
    seen = page(life.now)
    policy = PAGES.headers["Content-Security-Policy"]
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (seen.style, seen.script)
    )
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert len(seen.all("script")) == 1
    assert not {tag for tag, _ in seen.elements} & {"img", "link", "iframe", "object", "base"}
    attributes = {name for _, present in seen.elements for name in present}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {"style", "src"}
    assert not re.search(r"url\(|@import|https?:", seen.style)


def test_templates_cost_nothing_before_the_first_page() -> None:
    code = "import sys, function_app; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603 - our own


def test_every_field_has_its_label_and_every_table_its_heading(life: Life) -> None:
    life.hear(Snooze(minutes(300), "ada"), minutes(25))
    seen = page(life.now, history=History(tuple(life.transitions.values()), tuple(life.episodes.values())))
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {label.get("for") for label in seen.all("label")}
    for field in seen.all("input"):
        assert field["type"] in {"hidden", "checkbox"} or field["id"] in labelled
    for _, attributes in seen.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
    (main,) = seen.all("html")
    assert main["lang"] == "en"


NASTY = st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "'",
        "\u202egnp.exe",
        "\x00\x1b[31m",
        "👩‍🔧",
    ]
) | st.text(max_size=20)


def looked_at(record: Record, reading: Reading, pair: tuple[PowerState | None, PowerState]) -> Record:
    """What is kept of a VM once it was looked at: the parts fit each other then."""
    if record.settled:
        record = replace(record, settled=replace(record.settled, before=pair[0], power_state=pair[1]))
    seen = Observation(record.vm, record.observed_at, reading, record.model, record.tags)
    kept = decide(record, seen, None, ALLOWED, record.observed_at).record
    assert kept
    return kept


readings = st.builds(
    Reading,
    strategies.power_states,
    st.sampled_from(ProvisioningState),
    strategies.maybe_text,
    hibernated=st.booleans(),
)
records = st.builds(looked_at, strategies.records, readings, st.sampled_from(list(KINDS)))
lives = st.builds(
    History,
    st.tuples(strategies.transitions.filter(lambda each: (each.before, each.after) in KINDS)),
    st.tuples(strategies.episodes),
    st.tuples(strategies.entries),
)


@given(records, lives, NASTY, st.booleans())
@settings(max_examples=50)
def test_any_record_makes_a_page_that_text_from_outside_cannot_change(
    record: Record, life: History, nasty: str, may_change: bool
) -> None:
    entry = replace(life.entries[0], by=nasty, text=nasty)
    flag = record.flag and replace(record.flag, snoozed_by=nasty)
    record = replace(record, reason=nasty, flag=flag, exemption=Exemption(None, nasty, nasty))
    life = replace(life, entries=(entry,))
    seen = page(record, history=life, may_change=may_change, key=nasty, done=nasty, now=record.observed_at)
    assert (len(seen.all("script")), seen.all("img")) == (1, [])
    assert not UNFIT.search(seen.text.replace("\n", ""))
    assert " ".join(UNFIT.sub("\N{REPLACEMENT CHARACTER}", nasty).split()) in seen.words


BAD = [
    "</span></li></ol><script>alert(1)</script>",
    "</title></svg><svg onload=alert(1)>",
    "url(#hatch)' fill='red",
    "\u200fאבג\u202egnp.exe",
    "👩\u200d🔧" * 128,
    "x" * 512,
    "ab " * 170 + "c",
    "\n\r\t\x00",
]


def page_of_a_life_with(text: str) -> Html:
    """Where people, owners and Azure say this, and nothing else."""
    life = Life(ALLOWED)
    tags = {"stopgap:exempt": text, "stopgap:grace": text}
    life.see(look("running", minutes(-60), tags=tags))
    life.see(look("stopped", minutes(1), tags=tags), event("stopped", NOON, caller=text))
    life.hear(Exempt(Exemption(None, text, text), text), minutes(5))
    notice = Notice(NoticeKind.FLAG_CLEARED, text, NOON, minutes(9), 12, Channel.TOPIC, fault=text)
    life.record = replace(life.now, outbox=(notice,))
    life.see(look("stopped", minutes(10), tags=tags))
    assert [entry.what for entry in life.entries] == [What.EXEMPTED, What.NOTICE_GIVEN_UP]
    history = History(tuple(life.transitions.values()), tuple(life.episodes.values()), tuple(life.entries))
    return page(replace(life.now, vm=VmId(VM.subscription, text, text)), history=history)


@pytest.mark.parametrize("bad", BAD)
def test_names_tags_reasons_and_causes_that_are_bad_stay_harmless_in_a_life(bad: str) -> None:
    seen = page_of_a_life_with(bad)
    assert [tag for tag, _ in seen.elements] == [tag for tag, _ in page_of_a_life_with("good").elements]
    assert not UNFIT.search(seen.text.replace("\n", ""))
    shown = " ".join(UNFIT.sub("\N{REPLACEMENT CHARACTER}", bad).split())
    assert f"Powered off through Azure by {shown} (op/stopped)" in seen.words
    assert f"Exempted by {shown}: exempt ({shown}, entered by {shown})" in seen.words
    assert f"Notice given up: “flag cleared” to the topic, after 12 attempts ({shown})" in seen.words


@given(records, st.sampled_from([Policy(), ALLOWED]))
@settings(max_examples=50)
def test_what_is_shown_as_refused_is_what_is_refused(record: Record, policy: Policy) -> None:
    now = record.observed_at
    asked: dict[Asking, News] = {
        Asking.DEALLOCATE: Ask("ada"),
        Asking.SNOOZE: Snooze(now + timedelta(days=1), "ada"),
        Asking.EXEMPT: Exempt(Exemption(None, "x", "ada"), "ada"),
    }
    shown = refusals(record, policy, now)
    assert shown.keys() == asked.keys()
    for asking, news in asked.items():
        assert shown[asking] == decide(record, None, None, policy, now, news).refusal


@given(strategies.records)
def test_what_has_a_time_comes_before_what_has_none_in_order(record: Record) -> None:
    times = [each.at for each in prospects(record)]
    dated = [at for at in times if at]
    assert times == sorted(dated) + [None] * (len(times) - len(dated))


def test_a_deallocation_that_azure_took_is_looked_for(life: Life) -> None:
    life.hear(Ask("ada"), minutes(25))
    closing = life.now.deallocation
    assert closing
    life.record = begun(life.now, closing.asked_at, minutes(25))
    assert "An attempt to deallocate it is under way." in page(life.now).words
    life.hear(Accepted(closing.asked_at, 1, minutes(25), minutes(26)), minutes(26))
    assert "Stopgap looks until it sees the VM Deallocated." in page(life.now).words
