"""What the pages tell of a VM, as plain values: times as they are, everything else in words."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.domain import phrases
from shared.domain.durations import words
from shared.domain.money import Amount, Cost, Sum, cost_view
from shared.domain.policy import terms_for
from shared.domain.reasons import by_whom
from shared.domain.records import Episode, Record
from shared.domain.views import episode_view
from shared.web.captions import COSTS, FLAGS, TONES, label
from shared.web.sight import Sight


def badges(record: Record) -> list[tuple[str, str]]:
    """The marks beside a VM's name: tone and text."""
    hibernated = record.present is not None and record.reading.hibernated
    found = [(TONES[record.power_state], label(record.power_state, hibernated=hibernated))]
    if record.flag:
        found.append(("ill", FLAGS[record.flag.kind]))
        if record.flag.snoozed_until:
            found.append(("passing", "Snoozed"))
    if record.exemption and record.exemption.holds(record.observed_at):
        found.append(("passing", "Exempt"))
    if record.closing:
        found.append(("passing", f"Deallocation {record.closing.stage}"))
    if record.parked:
        found.append(("ill", "Notice given up"))
    return found


def given_up(record: Record) -> list[str]:
    """The notices that were given up, a sentence each."""
    return [
        f"The notice {phrases.notice(notice)} was given up after "
        f"{notice.attempts} attempts ({notice.fault or 'no answer'})."
        for notice in record.outbox
        if notice.parked
    ]


def facts(sight: Sight) -> list[tuple[str, object]]:
    """What is known of a VM, name by name; what is not, is left out."""
    record, model = sight.record, sight.record.model
    terms = terms_for(sight.policy, record.tags)
    provisioning = record.reading.provisioning_state.value
    told: list[tuple[str, object]] = [
        ("Cause", by_whom(record.cause) if record.cause else "unknown"),
        ("Correlation id", record.cause.correlation_id if record.cause else None),
        ("Scale set", model.scale_set),
        ("Region", model.location),
        ("Size", model.size),
        ("Operating system", model.os_type),
        ("Priority", model.priority),
        ("Own licence", model.license_type),
        (
            "Last operation",
            f"{provisioning} ({record.reading.detail})" if record.reading.detail else provisioning,
        ),
        ("Mode", terms.mode),
        ("Grace", words(terms.grace)),
        ("Flagged", record.flag.flagged_at if record.flag else None),
        ("People told", record.flag.notified_at if record.flag else None),
        ("Last look with news", record.observed_at),
        ("Id", record.vm),
    ]
    return [(name, value) for name, value in told if value is not None]


def episode_row(episode: Episode, spent: Amount | None) -> tuple[object, ...]:
    """Begin, end, hours, how it ended, and what it cost."""
    ended = None
    if episode.ended_as:
        by = "by Stopgap" if episode.by_stopgap else by_whom(episode.ended_by)
        ended = f"{episode.ended_as.capitalize()}, {by}"
    hours = f"{episode.hours:,.1f}" if episode.hours is not None else "lasts"
    return episode.started_at, episode.ended_at, hours, ended, amount(episode_view(episode, spent)["cost"], 2)


def lasting(duration: timedelta) -> str:
    """How long, in its two largest units."""
    seconds = max(int(duration.total_seconds()), 0)
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3_600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def due(at: datetime | None, now: datetime) -> str:
    """How far away a time is; what has none is so now."""
    if at is None:
        return "now"
    return f"in {lasting(at - now)}" if at > now else "due now"


def costs(view: object) -> list[tuple[str, str | None]]:
    """What a VM costs so far, by the hour and by the month, of the `cost` of its view; empty: it has none."""
    return [(COSTS[part], text) for part, text in _parts(view).items()]


def costs_of(cost: Cost | None) -> Mapping[str, str | None]:
    """The same of a cost, by the names in its view: `so_far`, `hourly` and `monthly`."""
    return _parts(cost_view(cost))


def _parts(view: object) -> Mapping[str, str | None]:
    if not isinstance(view, Mapping):
        return {}
    digits = {"so_far": 2, "hourly": 4, "monthly": 2}
    return {part: amount(view[part] | {"currency": view["currency"]}, digits[part]) for part in digits}


def of_sum(added: Sum, digits: int) -> str | None:
    """The amount of a sum, as `amount` has it."""
    whole = added.amount
    return amount({"currency": whole.currency, "lower": whole.lower, "upper": whole.upper}, digits)


def amount(view: object, digits: int) -> str | None:
    """`USD 1.23–4.56`, from `{"currency", "lower", "upper"}`; None: neither bound is known."""
    match view:
        case {"lower": None, "upper": None}:
            return None
        case {"currency": currency, "lower": None, "upper": upper}:
            return f"at most {currency} {upper:,.{digits}f}"
        case {"currency": currency, "lower": lower, "upper": None}:
            return f"at least {currency} {lower:,.{digits}f}"
        case {"currency": currency, "lower": lower, "upper": upper}:
            bounds = dict.fromkeys(f"{bound:,.{digits}f}" for bound in (lower, upper))
            return f"{currency} {'–'.join(bounds)}"
        case _:
            return None
