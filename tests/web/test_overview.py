"""The overview page: what it says and offers, and that nothing from outside can change how it looks."""

from copy import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.accounts import Day, Figures, Money
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.money import Amount, Cost, Sum
from shared.domain.news import Ask
from shared.domain.observations import Model
from shared.domain.policy import Policy
from shared.domain.records import Flag, FlagKind, Record, Settled
from shared.domain.signals import Source
from shared.domain.states import PowerState
from shared.ports import Page, Query, Tally
from shared.summaries import Summary
from shared.web import captions, links
from shared.web import overview as overview_of
from shared.web.asked import Asking
from shared.web.overview import FLAGGED_SHOWN, Overview, read_wanted
from shared.web.pages import Pages
from shared.web.plain import UNFIT
from tests import strategies
from tests.contracts.fleet import NOON, new_vm, record
from tests.domain.life import Life, event, look, minutes
from tests.stories.books import nothing
from tests.web.html import Html

SUBSCRIPTION, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
HOUR = timedelta(hours=1)
PAGES = Pages()
ALLOWED = Policy(allow_deallocate=True)
STATES = {PowerState.RUNNING: 36, PowerState.STOPPED: 12, PowerState.DEALLOCATED: 2, PowerState.DELETED: 9}


def flagged(name: str = "web-1", ago: float = 3, **more: object) -> Record:
    """A VM that is flagged and Stopped for so many hours."""
    at = NOON - HOUR * ago
    settled = Settled(PowerState.STOPPED, PowerState.RUNNING, at, Source.EVENT, at, None)
    made = record(new_vm(name, subscription=SUBSCRIPTION), PowerState.STOPPED)
    made = replace(made, settled=settled, appeared_at=at, flag=Flag(FlagKind.LEFT_STOPPED, at, at + HOUR))
    return replace(made, model=Model(size="Standard_D2s_v5", location="westeurope"), **more)  # type: ignore[arg-type]


def costing(hourly: float | None, upper: float | None = None) -> Cost:
    return Cost(Amount("USD", hourly, upper or hourly), Amount("USD", 1.0, 1.0))


def asked_to_deallocate() -> Record:
    """A VM that is flagged, and that Ada asked to have deallocated a minute ago."""
    life = Life(ALLOWED)
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(-50)), event("stopped", minutes(-51)))
    life.see(look("stopped", minutes(-20)))
    life.hear(Ask("ada"), minutes(-1))
    return life.now


def failed_to_provision() -> Record:
    """A VM that is flagged and runs."""
    life = Life(ALLOWED)
    for at in (-60, -30):
        life.see(look("running", minutes(at), provisioning="failed", detail="OSProvisioningTimedOut"))
    return life.now


def money(**more: object) -> Money:
    known = Sum(Amount("USD", 12.5, 20.25))
    figures = Figures(known, Sum(Amount("USD", 1234.5, 2000.0), 30.0))
    days = (Day(NOON.date(), known, Sum(Amount("USD", 2.0, 2.0)), 31.5),)
    made = Money("USD", 12, Sum(Amount("USD", 0.5, 0.9), 2.0), figures, figures, 3, days, whole=True)
    return replace(made, **more)  # type: ignore[arg-type]


def overview(*records: Record, **more: object) -> Overview:
    tally = Tally(STATES, len(records), whole=True)
    view = Overview(
        summary=Summary(NOON, {SUBSCRIPTION: tally}, {}, money()),
        flagged=Page(records, None),
        fleet=Page(records, None),
        costs={},
        wanted=read_wanted({}, (SUBSCRIPTION,)),
        remarks=(),
        schedule="0 */15 * * * *",
        subscriptions=(SUBSCRIPTION,),
        policy=ALLOWED,
        now=NOON,
        may_change=True,
    )
    return replace(view, **more)  # type: ignore[arg-type]


def page(*records: Record, **more: object) -> Html:
    return Html(PAGES.overview(overview(*records, **more)))


def of_nothing(**more: object) -> Summary:
    return replace(Summary(NOON, {SUBSCRIPTION: Tally({}, 0, whole=True)}, {}, nothing()), **more)  # type: ignore[arg-type]


class TestWanted:
    def test_nothing_asked_for_is_all(self) -> None:
        wanted = read_wanted({}, (SUBSCRIPTION, OTHER))
        assert wanted.fleet == Query((SUBSCRIPTION, OTHER), limit=25)
        assert wanted.flagged == Query((SUBSCRIPTION, OTHER), flagged=True, limit=1000)
        assert (wanted.page, wanted.given) == (1, {})

    def test_what_a_form_leaves_empty_is_not_asked_for(self) -> None:
        assert read_wanted({"power_state": "", "name": " ", "subscription": ""}, (SUBSCRIPTION,)).given == {}

    def test_filters(self) -> None:
        given = {"power_state": "Stopped", "name": "Web", "subscription": OTHER}
        wanted = read_wanted(
            {**given, "flagged_page": "2", "done": "look", "code": "k"}, (SUBSCRIPTION, OTHER)
        )
        assert wanted.fleet == Query((OTHER,), power_state=PowerState.STOPPED, name="web", limit=25)
        assert wanted.flagged.subscriptions == (SUBSCRIPTION, OTHER)
        assert (wanted.page, wanted.given) == (2, given)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"power_state": "asleep"},
            {"name": "x" * 91},
            {"subscription": OTHER},
            {"subscription": "x"},
            {"flagged_page": "0"},
            {"flagged_page": "41"},
            {"flagged_page": "x"},
            {"flagged_page": "-1"},
            {"flagged_page": "9" * 5000},
            {"flagged_page": "٣"},
        ],
    )
    def test_what_cannot_be_read_is_told(self, parameters: dict[str, str]) -> None:
        with pytest.raises(Malformed, match=next(iter(parameters))):
            read_wanted(parameters, (SUBSCRIPTION,))


class TestFigures:
    def test_headlines(self) -> None:
        words = page().words
        assert "Stopped and still billed 12 0 flagged, of 50 VMs" in words
        assert (
            "What they cost now USD 365–657 a month; USD 0.50–0.90 an hour; without 2 VMs of no known price"
            in words
        )
        assert "Wasted this month USD 12.50–20.25" in words
        assert "USD 1,234–2,000 since Stopgap watches; without 30 hours of no known price" in words
        assert (
            "Avoided by deallocating USD 1,234–2,000 USD 12.50–20.25 this month; 3 deallocated by Stopgap now"
            in words
        )
        assert "before reservations, savings plans and agreements" in words

    def test_what_is_not_known_is_never_zero(self) -> None:
        unknown = Sum(Amount("USD"), 12.0)
        figures = Figures(unknown, unknown)
        words = page(
            summary=Summary(NOON, {}, {}, money(hourly=unknown, wasted=figures, avoided=figures))
        ).words
        assert "What they cost now unknown" in words
        assert "Wasted this month unknown" in words
        assert "Avoided by deallocating unknown" in words
        assert "0.00" not in words.partition("Day by day")[0]

    def test_what_is_not_whole_is_at_least(self) -> None:
        words = page(summary=Summary(NOON, {SUBSCRIPTION: None}, {}, money(whole=False))).words
        assert "Stopped and still billed at least 12 0 flagged, of at least 0 VMs" in words
        assert "Wasted this month at least USD 12.50–20.25" in words

    def test_the_fleet_by_state(self) -> None:
        seen = page(key="k")
        assert "Running 36 Stopped 12 Deallocated 2" in seen.words
        bars = [float(str(rect["width"])) for rect in seen.all("rect") if rect.get("height") == "14"]
        assert bars == [720.0, 240.0, 40.0]
        assert "/api/dashboard?code=k&power_state=stopped#fleet" in {link["href"] for link in seen.all("a")}

    def test_when_it_was_counted(self) -> None:
        tally = Tally(STATES, 0, whole=True, at=NOON - HOUR)
        assert (
            "Counted by the latest sweep, 2026-11-21 11:00:00 UTC"
            in page(summary=Summary(NOON, {SUBSCRIPTION: tally}, {}, money())).words
        )
        assert "Counted by" not in page().words

    def test_of_a_stopped_vm_what_is_not_known_is_said(self) -> None:
        at = NOON - HOUR
        settled = Settled(PowerState.STOPPED, None, at, Source.OBSERVED, at, None)
        fleet = (flagged("a", settled=settled), record(new_vm("b"), PowerState.RUNNING))
        words = page(fleet=Page(fleet, None)).words.partition("All VMs")[2]
        assert "at least since 2026-11-21 11:00:00 UTC" in words
        assert "A monthunknown" in words
        assert words.count("unknown") == 2, "the other is a power state to filter by"

    def test_the_days_are_a_chart_and_a_table(self) -> None:
        seen = page()
        (chart,) = (each for each in seen.all("svg") if each.get("role") == "img")
        assert (
            chart["aria-label"] == "What was wasted on each of the latest 1 days; the table has the figures"
        )
        assert "2026-11-21 31.5 USD 12.50–20.25 USD 2.00" in seen.words


class TestFlagged:
    def test_the_dearest_come_first_and_those_of_no_known_price_last(self) -> None:
        records = [flagged(name) for name in ("a", "b", "c", "d")]
        costs = dict(
            zip(
                [each.vm for each in records],
                [costing(None), costing(0.1), costing(0.1, 0.5), costing(0.2)],
                strict=True,
            )
        )
        seen = page(*records, costs=costs)
        names = [link["href"] for link in seen.all("a") if f"/{SUBSCRIPTION}/" in str(link["href"])]
        assert [str(name)[-1] for name in names[:4]] == ["c", "d", "b", "a"]

    def test_what_it_says_of_one(self) -> None:
        one = flagged()
        words = page(one, costs={one.vm: costing(0.5)}).words
        assert "web-1 rg-shop Standard_D2s_v5, westeurope" in words
        assert "3 h 2026-11-21 09:00:00 UTC" in words
        assert "USD 365.00 USD 1.00 so far" in words
        assert "cause unknown" in words
        assert "Nothing by itself." in words
        unpriced = page(one).words
        assert "A month unknown Next" in unpriced

    def test_what_can_be_asked_for_leads_back_here(self) -> None:
        one = flagged()
        seen = page(one, key="k")
        posts = [form["action"] for form in seen.all("form") if form["method"] == "post"]
        place = f"/api/vms/{SUBSCRIPTION}/rg-shop/web-1"
        query = "?code=k&back=dashboard"
        assert posts == [f"{place}/{each}{query}" for each in ("deallocate", "snooze", "snooze", "exempt")]
        dialogs = {each["id"] for each in seen.all("div") if "popover" in each}
        opened = [button["popovertarget"] for button in seen.all("button") if "popovertarget" in button]
        assert set(opened) == dialogs == {"f1-deallocate", "f1-snooze", "f1-exempt"}

    def test_ids_are_there_once_and_every_field_has_its_label(self) -> None:
        seen = page(*(flagged(f"web-{number}") for number in range(3)), subscriptions=(SUBSCRIPTION, OTHER))
        ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        labelled = {label.get("for") for label in seen.all("label")}
        fields = [*seen.all("input"), *seen.all("select")]
        assert all(field.get("type") in {"hidden", "checkbox"} or field["id"] in labelled for field in fields)

    def test_what_is_refused_is_said_in_the_place_of_the_form(self) -> None:
        seen = page(flagged(), policy=Policy())
        assert "deallocate" not in seen.forms
        assert "Not possible now: STOPGAP_ALLOW_DEALLOCATE is not true" in seen.words

    def test_who_may_only_look_has_no_buttons(self) -> None:
        seen = page(flagged(), may_change=False)
        assert [form["method"] for form in seen.all("form")] == ["get"]
        assert "You may look, but not change anything: that needs the app role Stopgap.Operator" in seen.words

    def test_pages(self) -> None:
        records = [flagged(f"web-{number:02}") for number in range(2 * FLAGGED_SHOWN + 1)]
        costs = {each.vm: costing(0.1) for each in records}
        wanted = read_wanted({"flagged_page": "3", "name": "web"}, (SUBSCRIPTION,))
        seen = page(*records, costs=costs, wanted=wanted, fleet=Page((), None))
        assert f"Flagged {len(records)}" in seen.words
        assert len([row for row in seen.all("div") if "popover" in row]) == 3
        assert [link["href"] for link in seen.all("a") if "flagged_page" in str(link["href"])] == [
            f"/api/dashboard?name=web&flagged_page={number}" for number in (1, 2)
        ]

    def test_after_the_last_page_comes_none(self) -> None:
        records = [flagged(f"web-{number:02}") for number in range(FLAGGED_SHOWN + 1)]
        seen = page(*records, wanted=read_wanted({"flagged_page": "40"}, (SUBSCRIPTION,)))
        assert f"Flagged {FLAGGED_SHOWN + 1}" in seen.words
        assert "None is flagged" not in seen.words
        assert [span for span in seen.all("span") if span.get("aria-current") == "page"]
        assert len([each for each in seen.all("div") if "popover" in each]) == 3

    def test_a_deallocation_under_way_is_not_offered_again(self) -> None:
        one = asked_to_deallocate()
        seen = page(one, flagged(), key="k")
        assert [form for form in seen.forms if form == "deallocate"] == ["deallocate"]
        assert "Asked for by ada at 2026-11-21 11:59:00 UTC: it is under way." in seen.words
        assert "A deallocation is under way. Reload to see what came of it." in seen.words
        assert "under way" not in page(flagged()).words

    def test_a_vm_that_runs_is_not_among_the_stopped_unmarked(self) -> None:
        one = failed_to_provision()
        words = page(one, fleet=Page((), None)).words
        assert "Running, billed Flagged: OS provisioning failed" in words
        assert "A month – counted only while Stopped" in words

    def test_more_than_are_read(self) -> None:
        seen = page(flagged(), flagged=Page((flagged(),), "more"))
        assert "The dearest of the first 1000: there are more." in seen.words


class TestEmpty:
    def test_nothing_is_known(self) -> None:
        words = page(summary=of_nothing(), remarks=["not swept yet"]).words
        assert "No VM is known yet. Stopgap hears of a VM when something happens to it" in words
        assert "(0 */15 * * * *, in UTC)" in words
        assert "What is not covered not swept yet" in words
        assert "Nothing was wasted in the last" in words

    def test_nothing_is_stopped(self) -> None:
        summary = replace(of_nothing(), tallies={SUBSCRIPTION: Tally({PowerState.RUNNING: 3}, 0, whole=True)})
        assert "None is left Stopped: nothing is wasted now." in page(summary=summary).words

    def test_none_is_flagged_yet(self) -> None:
        assert (
            "None is flagged. 12 VMs are Stopped now: one that still is after 15m is flagged here, unless it is exempt."
            in page().words
        )

    def test_no_match(self) -> None:
        seen = page(wanted=read_wanted({"name": "nobody"}, (SUBSCRIPTION,)), key="k")
        assert "No VM is like that. Show all" in seen.words
        assert "/api/dashboard?code=k#fleet" in {link["href"] for link in seen.all("a")}

    def test_a_search_that_goes_on(self) -> None:
        wanted = read_wanted({"name": "nobody"}, (SUBSCRIPTION,))
        seen = page(wanted=wanted, fleet=Page((), "there"))
        assert "None among those that were looked through so far. Next page" in seen.words
        assert "/api/dashboard?name=nobody&next=there#fleet" in {link["href"] for link in seen.all("a")}


class TestDone:
    def test_what_was_asked_for_of_which_vm(self) -> None:
        flag = Flag(FlagKind.LEFT_STOPPED, NOON, NOON, snoozed_until=NOON + HOUR)
        words = page(done="snooze", done_of=flagged("web-7", flag=flag)).words
        assert "web-7: it is snoozed, and stays flagged." in words
        words = page(done="exempt", done_of=flagged("web-7", exemption=Exemption(None, "warm", "ada"))).words
        assert "web-7: it is exempt, and not flagged any more." in words
        assert (
            "web-1: the deallocation is asked for."
            in page(done="deallocate", done_of=asked_to_deallocate()).words
        )

    @pytest.mark.parametrize("done", ["deallocate", "snooze", "exempt"])
    def test_what_is_not_so_is_not_said(self, done: str) -> None:
        assert 'role="status"' not in PAGES.overview(overview(done=done, done_of=flagged("web-7")))

    @pytest.mark.parametrize("done", [None, "", "<script>alert(1)</script>", "pay me"])
    def test_other_words_say_nothing(self, done: str | None) -> None:
        assert "web-7" not in page(done=done, done_of=flagged("web-7")).words

    def test_every_request_has_its_words(self) -> None:
        assert set(captions.DONE_THERE) == set(overview_of.BORNE_OUT) == set(Asking)

    def test_it_says_nothing_of_no_vm(self) -> None:
        assert 'role="status"' not in PAGES.overview(overview(done="snooze"))

    def test_where_a_browser_goes(self) -> None:
        vm = VmId.of(SUBSCRIPTION, "rg-shop", "web-1")
        assert links.after(vm, "look", key=None, back=None) == f"{links.page_path(vm)}?done=look"
        there = links.after(vm, "look", key="k", back=links.read_back("dashboard"))
        assert there.startswith("/api/dashboard?code=k&done=look&of=%2Fsubscriptions%2F")
        assert links.read_back(None) is None
        for forged in ("//evil.example", "https://evil.example", "", "Dashboard"):
            with pytest.raises(Malformed, match="back: expected dashboard, got"):
                links.read_back(forged)


nasties = st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "\u202eevil\u2066",
        "\N{GRINNING FACE}" * 128,
        "x" * 512,
        "{{ 7 * 7 }}",
        "a\x00b\x1b[31m",
    ]
)


@settings(max_examples=60)
@given(
    records=st.lists(st.builds(flagged, strategies.names, st.floats(0, 9999)), max_size=4),
    nasty=nasties,
    may_change=st.booleans(),
)
def test_any_records_make_a_page_that_text_from_outside_cannot_change(
    records: list[Record], nasty: str, may_change: bool
) -> None:
    dressed = [
        replace(
            each,
            reason=nasty,
            exemption=Exemption(None, nasty, nasty),
            model=Model(size=nasty, location=nasty, os_type=nasty),
        )
        for each in records
    ]
    wanted = replace(read_wanted({}, (SUBSCRIPTION,)), given={"name": nasty, "power_state": nasty})
    page_ = page(
        *dressed,
        wanted=wanted,
        remarks=[nasty],
        key=nasty,
        done=nasty,
        schedule=nasty,
        may_change=may_change,
        fleet=Page(tuple(dressed), nasty),
    )
    assert (len(page_.all("script")), page_.all("img")) == (1, [])
    assert not UNFIT.search(page_.text.replace("\n", ""))
    attributes = {name for _, present in page_.elements for name in present}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {"style", "src"}


def test_twenty_five_flagged_vms_are_a_page_of_moderate_size() -> None:
    records = [flagged(f"web-{number}") for number in range(FLAGGED_SHOWN)]
    assert len(PAGES.overview(overview(*records)).encode()) < 200_000
