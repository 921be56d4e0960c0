"""The pages, rendered: HTML without scripts, and without anything that is fetched from elsewhere.

What comes from outside (names, tags, reasons, Azure's words) is escaped, kept from changing the direction of the text
around it, and shown without control characters.
"""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.domain import phrases
from shared.domain.durations import LONGEST
from shared.domain.signals import Source
from shared.domain.states import BILLED
from shared.domain.views import vm_view
from shared.web import api, links, rows
from shared.web.access import OPERATOR
from shared.web.asked import LONGEST_REASON, Asking
from shared.web.bar import bar
from shared.web.captions import DONE, HEADINGS, LEGEND, PATTERNS, TONES
from shared.web.offers import refusals
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
        style = (_TEMPLATES / "style.css").read_text("utf-8")
        self._environment.globals["style"] = Markup(style)  # noqa: S704 - our own file
        self._environment.globals |= {
            "TONES": TONES,
            "PATTERNS": PATTERNS,
            "LEGEND": LEGEND,
            "BILLED": BILLED,
        }
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self.headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'",
            "X-Content-Type-Options": "nosniff",
            # Not no-referrer: a form would then be sent with neither Origin nor Referer, and App Service
            # authentication takes such a POST for one of another site's.
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        """What goes along with every page."""

    def vm(self, sight: Sight) -> str:
        """The page of one VM."""
        record, now, key = sight.record, sight.now, {api.KEY: sight.key}
        vm, view, flag, exemption = record.vm, vm_view(record, sight.cost), record.flag, record.exemption
        refused = refusals(record, sight.policy, now)
        return self._environment.get_template("vm.html").render(
            title=f"{vm.name} – Stopgap",
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
            snoozes=[(name, f"{_local(now + duration)}Z") for name, duration in SNOOZES.items()],
            earliest=_local(now + timedelta(minutes=1)),
            latest=_local(now + LONGEST),
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

    def problem(self, problem: Problem, back: str | None) -> str:
        """The page that says what went wrong.

        Args:
            problem: What did.
            back: The page that a form was sent from, if one was.
        """
        return self._environment.get_template("problem.html").render(
            title=f"{problem.status.phrase} – Stopgap",
            problem=problem,
            heading=HEADINGS.get(problem.status, problem.status.phrase),
            back=back,
        )


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
