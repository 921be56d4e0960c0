"""Do the settings make sense together? Each of them by itself, `Settings.from_env` has read."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from local.doctor.findings import Finding, ok, warning, wrong
from shared.domain.durations import words
from shared.domain.policy import Channel, Mode
from shared.settings import Settings

SHORT = timedelta(minutes=5)
"""A restart may take as long, and an owner needs as long to read a notice."""


class Rule(NamedTuple):
    """Settings that do not make sense together."""

    broken: Callable[[Settings], bool]
    finding: Finding


def _armed(settings: Settings) -> bool:
    return settings.policy.allow_deallocate and settings.policy.mode is Mode.DEALLOCATE


RULES = (
    Rule(
        lambda settings: settings.policy.mode is Mode.DEALLOCATE and not settings.policy.allow_deallocate,
        wrong(
            "mode deallocate, but STOPGAP_ALLOW_DEALLOCATE is not true: nothing is ever deallocated",
            "STOPGAP_ALLOW_DEALLOCATE=true, or STOPGAP_MODE=notify",
        ),
    ),
    Rule(
        lambda settings: settings.policy.allow_deallocate and settings.policy.most_per_hour == 0,
        warning(
            "deallocations are allowed, but none an hour: nothing is ever deallocated",
            "STOPGAP_MAX_DEALLOCATIONS_PER_HOUR=20, or STOPGAP_ALLOW_DEALLOCATE=false",
        ),
    ),
    Rule(
        lambda settings: (
            settings.policy.channels == (Channel.LOG,) and settings.policy.mode is not Mode.OBSERVE
        ),
        warning(
            "notices go nowhere but to the app's log",
            "set STOPGAP_TOPIC_ENDPOINT, STOPGAP_WEBHOOK_URL or both; or STOPGAP_MODE=observe",
        ),
    ),
    Rule(
        lambda settings: _armed(settings) and settings.policy.warning < SHORT,
        warning(
            f"STOPGAP_WARNING is less than {words(SHORT)}: owners hardly have time to object",
            "STOPGAP_WARNING=1h",
        ),
    ),
    Rule(
        lambda settings: settings.policy.grace < SHORT,
        warning(
            f"STOPGAP_GRACE is less than {words(SHORT)}: VMs are flagged that only restart",
            "STOPGAP_GRACE=15m",
        ),
    ),
)


def judged(settings: Settings) -> list[Finding]:
    """What is to be said of settings that can be read."""
    found = [rule.finding for rule in RULES if rule.broken(settings)]
    found += [warning(remark, "correct its name, or remove it") for remark in settings.unknown]
    return [ok(_summary(settings)), *found]


def _summary(settings: Settings) -> str:
    policy = settings.policy
    count = len(settings.subscriptions)
    return ", ".join(
        (
            f"{count} subscription{'s' if count > 1 else ''}",
            f"mode {policy.mode}",
            f"grace {words(policy.grace)}",
            f"deallocations {f'allowed, {policy.most_per_hour} an hour' if policy.allow_deallocate else 'not allowed'}",
            f"notices to {' and '.join(policy.channels)}",
        )
    )
