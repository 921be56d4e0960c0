"""The pages, rendered: HTML that works without its one small script, and fetches nothing.

What comes from outside (names, tags, reasons, Azure's words) is escaped, kept from changing the direction of the text
around it, and shown without control characters.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.domain import phrases
from shared.domain.durations import LONGEST
from shared.domain.signals import Source
from shared.domain.states import BILLED, PowerState
from shared.domain.views import vm_view
from shared.web import api, chart, links, overview, rows
from shared.web.access import OPERATOR
from shared.web.asked import LONGEST_REASON, Asking
from shared.web.bar import bar
from shared.web.captions import DONE, HEADINGS, LEGEND, PATTERNS, TONES
from shared.web.offers import refusals
from shared.web.overview import Overview
from shared.web.plain import UNFIT
from shared.web.problems import Problem
from shared.web.prospects import prospects
from shared.web.sight import Sight
from shared.web.timeline import timeline

_TEMPLATES = Path(__file__).parent / "templates"

SNOOZES = {"4 hours": timedelta(hours=4), "1 day": timedelta(days=1), "1 week": timedelta(weeks=1)}
"""The snoozes that take one click."""


class Pages:
    """Makes the pages."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_fit,
        )
        self._environment.filters |= {
            "shown": shown,
            "lasting": rows.lasting,
            "moment": phrases.moment,
            "percent": percent,
        }
        self._environment.globals |= {
            "TONES": TONES,
            "PATTERNS": PATTERNS,
            "LEGEND": LEGEND,
            "BILLED": BILLED,
        }
        style, script = (self._own(name) for name in ("style.css", "page.js"))
        self.headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src {style}; script-src {script}; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "X-Content-Type-Options": "nosniff",
            # Not no-referrer: a form would then be sent with neither Origin nor Referer, and App Service
            # authentication takes such a POST for one of another site's.
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        """What goes along with every page."""

    def _own(self, name: str) -> str:
        """Have a file of ours go along in each page, as its name says; what the policy has to allow for it."""
        text = (_TEMPLATES / name).read_text("utf-8")
        self._environment.globals[{"css": "style", "js": "script"}[name.rpartition(".")[2]]] = Markup(text)  # noqa: S704
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    def overview(self, view: Overview) -> str:
        """The page of all VMs."""
        summary, wanted, key = view.summary, view.wanted, {api.KEY: view.key}
        money, shown_chart = summary.money, chart.chart(summary.money)
        here = {**key, **wanted.given}
        count, (page, last) = len(view.flagged.records), overview.flagged_pages(view)
        return self._environment.get_template("dashboard.html").render(
            title="VMs left Stopped – Stopgap",
            home=links.with_query(links.DASHBOARD, key),
            here=links.with_query(links.DASHBOARD, here),
            all=links.with_query(links.DASHBOARD, key) + "#fleet",
            action=links.DASHBOARD,
            key=view.key,
            at=summary.at,
            done=overview.done(view),
            done_of=view.done_of and view.done_of.vm,
            remarks=view.remarks,
            headlines=overview.headlines(summary),
            flagged=overview.flagged_rows(view),
            flagged_count=f"{count:,}" if count else None,
            flagged_pages=[
                (number, None if number == page else _page_path(here, flagged_page=str(number)))
                for number in range(1, last + 1)
            ],
            flagged_more=view.flagged.next is not None,
            flagged_most=overview.FLAGGED,
            known=any(summary.power_states.values()),
            stopped=_count_of(money.stopped),
            grace=overview.grace(view.policy),
            schedule=view.schedule,
            may_change=view.may_change,
            operator=OPERATOR,
            times=_Times(view.now),
            longest_reason=LONGEST_REASON,
            chart=shown_chart,
            chart_width=chart.WIDTH,
            chart_height=chart.HEIGHT,
            chart_left=chart.LEFT,
            chart_caption=f"What was wasted on each of the latest {len(money.days)} days; the table has the figures",
            ranges=any(bar.perhaps for bar in shown_chart.bars) if shown_chart else False,
            avoided=any(bar.avoided for bar in shown_chart.bars) if shown_chart else False,
            figures=chart.figures(money, overview.sum_text),
            shown_days=len(money.days),
            parts=overview.parts(view),
            counted=min(overview.counted(summary), default=None),
            states=[state.value for state in PowerState],
            subscriptions=view.subscriptions,
            given=wanted.given,
            fleet=overview.fleet_rows(view),
            begun=wanted.fleet.after is not None,
            first=links.with_query(links.DASHBOARD, here) + "#fleet",
            next=_page_path(here, next=view.fleet.next) + "#fleet" if view.fleet.next else None,
            csv=links.with_query("/api/episodes.csv", key),
            json={
                "summary": links.with_query("/api/summary", key),
                "flagged": links.with_query("/api/vms", {**key, "flagged": "true"}),
                "vms": links.with_query("/api/vms", here),
            },
        )

    def vm(self, sight: Sight) -> str:
        """The page of one VM."""
        record, now, key = sight.record, sight.now, {api.KEY: sight.key}
        vm, view, flag, exemption = record.vm, vm_view(record, sight.cost), record.flag, record.exemption
        refused = refusals(record, sight.policy, now)
        return self._environment.get_template("vm.html").render(
            title=f"{vm.name} – Stopgap",
            home=links.with_query(links.DASHBOARD, key),
            now=now,
            vm=vm,
            record=record,
            badges=rows.badges(record),
            observed=record.since_source is Source.OBSERVED,
            lasting=rows.lasting(now - record.since),
            ahead=[(rows.due(each.at, now), each) for each in prospects(record)],
            cost=rows.costs(view["cost"]),
            facts=rows.facts(sight),
            given_up=rows.given_up(record),
            refused={asking: refused.get(asking) for asking in Asking},
            under_way=record.under_way,
            actions={asking: links.with_query(f"{links.vm_path(vm)}/{asking}", key) for asking in Asking},
            may_change=sight.may_change,
            operator=OPERATOR,
            snoozed=phrases.snoozed(flag) if flag and flag.snoozed_until else None,
            exemption=phrases.exempt(exemption) if exemption and exemption.holds(now) else None,
            times=_Times(now),
            longest_reason=LONGEST_REASON,
            done=DONE.get(sight.done or ""),
            line=(line := timeline(record, sight.history, now)),
            bar=bar(line),
            episodes=[
                rows.episode_row(*each) for each in zip(sight.history.episodes, sight.spent, strict=True)
            ],
            whole=max(len(sight.history.transitions), len(sight.history.entries)) < api.HISTORY,
            most=api.HISTORY,
            json=links.with_query(links.vm_path(vm), key),
            here=links.with_query(links.page_path(vm), key),
        )

    def problem(self, problem: Problem, back: tuple[str, str] | None, key: str | None = None) -> str:
        """The page that says what went wrong.

        Args:
            problem: What did.
            back: The page that a form was sent from and what it is called, if one was.
            key: The function key that was presented in the address.
        """
        return self._environment.get_template("problem.html").render(
            title=f"{problem.status.phrase} – Stopgap",
            problem=problem,
            heading=HEADINGS.get(problem.status, problem.status.phrase),
            back=back,
            home=links.with_query(links.DASHBOARD, {api.KEY: key}),
        )


class _Times:
    """What the fields for times of our forms offer and allow."""

    def __init__(self, now: datetime) -> None:
        self.snoozes = [(name, f"{_local(now + duration)}Z") for name, duration in SNOOZES.items()]
        self.earliest = _local(now + timedelta(minutes=1))
        self.latest = _local(now + LONGEST)


def _page_path(here: Mapping[str, str | None], **more: str) -> str:
    """The overview, at another page."""
    return links.with_query(links.DASHBOARD, {**here, **more})


def _count_of(vms: int) -> str | None:
    """`1 VM is`, `2 VMs are`; None for none."""
    return {0: None, 1: "1 VM is"}.get(vms, f"{vms:,} VMs are")


def _fit(value: object) -> object:
    """What a template puts in, without characters that nobody can see or that turn the text around."""
    return UNFIT.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def shown(value: object) -> Markup:
    """A value of a table or list: a time as one, text kept to itself, None as a dash."""
    match value:
        case None | "":
            return Markup('<span class="none">–</span>')
        case datetime():
            at = value.astimezone(UTC)
            return Markup('<time datetime="{}">{}</time>').format(
                at.isoformat(timespec="seconds"), phrases.moment(at)
            )
        case _:
            return Markup("<bdi>{}</bdi>").format(_fit(str(value)))


def percent(part: float) -> str:
    """A place on a bar, as an attribute of SVG has it."""
    return f"{part:.3f}%"


def _local(at: datetime) -> str:
    """A time in UTC as a browser's field for date and time has it."""
    return f"{at:%Y-%m-%dT%H:%M}"
