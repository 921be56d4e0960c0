"""Settings: read once, from a mapping, by name when missing or malformed."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from shared.domain.durations import parse_duration, words
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed, shown
from shared.domain.policy import Channel, Mode, Policy

STORAGE = "AzureWebJobsStorage"
INSIGHTS = "APPLICATIONINSIGHTS_CONNECTION_STRING"
PUBLIC_ARM = "https://management.azure.com"
LEAST_RETENTION = timedelta(days=1)
"""Less would remove what decisions of the day still add to."""
EVERY_QUARTER = "0 */15 * * * *"
_FIELD = re.compile(r"[0-9*/,\-A-Za-z]{1,60}")
HIGHEST_CAP = 1000
"""The most deallocations an hour: who needs more wants something else than a safety net."""
PUBLIC_PRICES = "https://prices.azure.com"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
"""Hosts on which nobody listens in."""


class SettingError(ValueError):
    """A setting is missing or malformed. The text names it, what it is, and what is expected."""


class Storage(Struct, frozen=True):
    """How the app's storage account is reached: by a connection string, or by its URIs and an identity."""

    connection_string: str | None = None
    table_uri: str | None = None
    queue_uri: str | None = None
    client_id: str | None = None
    """Client id of the user-assigned identity; None: the one that the environment has."""


class Settings(Struct, frozen=True):
    """All that an operator can set. docs/settings.md tells of each variable."""

    subscriptions: tuple[str, ...]
    """The subscriptions that are watched; events of others are counted and left alone."""
    storage: Storage
    policy: Policy
    """The defaults by which VMs are judged, and where notices go."""
    arm_endpoint: str
    """Azure Resource Manager; sovereign clouds and the simulated Azure have others."""
    topic_endpoint: str | None
    """The Event Grid custom topic that notices go to; None: to none."""
    webhook_url: str | None
    """The webhook that notices for people go to. Who knows it can post there: it is a secret."""
    sweep_schedule: str
    """When all VMs are observed, in NCRONTAB."""
    retention: timedelta
    """How long transitions, episodes after their end, and log entries are kept."""
    currency: str
    """What costs are shown in, by its ISO 4217 code."""
    prices_endpoint: str
    """The Retail Prices API; the simulated Azure has another."""
    keep_caller_name: bool
    """Whether the name of who called ARM is kept, which is personal data; its object id always is."""
    insights: str | None
    """The connection string of the Application Insights that metrics go to; None: to none."""
    unknown: tuple[str, ...]
    """Remarks on `STOPGAP_` variables that are none of ours: perhaps a slip of the pen."""

    def __repr__(self) -> str:
        """Without what is secret: whoever prints settings means the rest."""
        return f"Settings(subscriptions={self.subscriptions!r}, policy={self.policy!r}, …)"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read the settings from an environment; `SettingError` tells of the first that cannot be."""
        defaults = Policy()
        topic = _read(env, "STOPGAP_TOPIC_ENDPOINT", None)
        webhook = _read(env, "STOPGAP_WEBHOOK_URL", None)
        return cls(
            subscriptions=_read(env, "STOPGAP_SUBSCRIPTIONS"),
            storage=cls.storage_of(env),
            policy=Policy(
                mode=_read(env, "STOPGAP_MODE", defaults.mode),
                grace=_read(env, "STOPGAP_GRACE", defaults.grace),
                warning=_read(env, "STOPGAP_WARNING", defaults.warning),
                allow_deallocate=_read(env, "STOPGAP_ALLOW_DEALLOCATE", defaults.allow_deallocate),
                most_per_hour=_read(env, "STOPGAP_MAX_DEALLOCATIONS_PER_HOUR", defaults.most_per_hour),
                channels=_channels(topic, webhook),
            ),
            arm_endpoint=_read(env, "STOPGAP_ARM_ENDPOINT", PUBLIC_ARM),
            topic_endpoint=topic,
            webhook_url=webhook,
            sweep_schedule=cls.sweep_schedule_of(env),
            retention=_read(env, "STOPGAP_RETENTION", timedelta(days=400)),
            currency=_read(env, "STOPGAP_CURRENCY", "USD"),
            prices_endpoint=_read(env, "STOPGAP_PRICES_ENDPOINT", PUBLIC_PRICES),
            keep_caller_name=_read(env, "STOPGAP_KEEP_CALLER", False),
            insights=env.get(INSIGHTS, "").strip() or None,
            unknown=tuple(_unknown(env)),
        )

    @staticmethod
    def storage_of(env: Mapping[str, str]) -> Storage:
        """The storage account alone, for who needs nothing else; `SettingError` when there is none."""
        return _storage(env)

    @staticmethod
    def sweep_schedule_of(env: Mapping[str, str]) -> str:
        """The schedule alone, which the timer's binding needs; `SettingError` when it is none."""
        schedule: str = _read(env, "STOPGAP_SWEEP_SCHEDULE", EVERY_QUARTER)
        return schedule


def arm_endpoint_of(env: Mapping[str, str]) -> str:
    """Azure Resource Manager's address alone, for who has no other settings yet; `SettingError` when it is none."""
    address: str = _read(env, "STOPGAP_ARM_ENDPOINT", PUBLIC_ARM)
    return address


def _subscriptions(text: str) -> tuple[str, ...]:
    ids = [parse_subscription(part) for part in text.split(",") if part.strip()]
    if not ids:
        raise Malformed("expected the ids of the subscriptions to watch, separated by commas")
    return tuple(dict.fromkeys(ids))


def _mode(text: str) -> Mode:
    try:
        return Mode(text.strip().lower())
    except ValueError:
        raise Malformed(f"expected {' or '.join(Mode)}, got {shown(text)}") from None


def _yes_or_no(text: str) -> bool:
    match text.strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise Malformed(f"expected true or false, got {shown(text)}")


def _schedule(text: str) -> str:
    """Six fields of NCRONTAB; what is in them only the platform knows for sure."""
    fields = text.split()
    if len(fields) != len(["second", "minute", "hour", "day", "month", "weekday"]) or not all(
        map(_FIELD.fullmatch, fields)
    ):
        raise Malformed(
            "expected six fields, second minute hour day month weekday, such as '0 */15 * * * *' for every 15 minutes, "
            f"got {shown(text)}"
        )
    return " ".join(fields)


def _retention(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration < LEAST_RETENTION:
        raise Malformed(f"expected at least {words(LEAST_RETENTION)}, got {shown(text)}")
    return duration


def _cap(text: str) -> int:
    if not (
        text.isascii()
        and text.isdecimal()
        and len(text) <= len(str(HIGHEST_CAP))
        and int(text) <= HIGHEST_CAP
    ):
        raise Malformed(f"expected a whole number from 0 to {HIGHEST_CAP}, got {shown(text)}")
    return int(text)


def _channels(topic: str | None, webhook: str | None) -> tuple[Channel, ...]:
    """Where notices go; where there is nowhere else, to the log."""
    told = {Channel.TOPIC: topic, Channel.WEBHOOK: webhook}
    return tuple(channel for channel, address in told.items() if address) or (Channel.LOG,)


def webhook_url(text: str) -> str:
    """A webhook's address, whole: https, or http on loopback. It is not quoted in an error: it is a secret."""
    try:
        endpoint(text)
    except Malformed:
        raise Malformed(
            "expected an https address (http only on loopback); what was given is not shown, as it is a secret"
        ) from None
    return text.strip()


def _currency(text: str) -> str:
    code = text.strip().upper()
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise Malformed(f"expected a currency by its three letters, such as EUR, got {shown(text)}")
    return code


def endpoint(text: str, *, plain: bool = True) -> str:
    """An https address without a trailing slash, its scheme in small letters.

    Args:
        text: What the operator wrote.
        plain: Whether plain http will do where nobody listens in, on loopback.
    """
    try:
        parts = urlsplit(text.strip())
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:  # brackets that hold no IPv6 address, a port that is none
        scheme, host = "", None
    if not host or not (scheme == "https" or (plain and scheme == "http" and host in LOOPBACK)):
        expected = "an https address (http only on loopback)" if plain else "an https address"
        raise Malformed(f"expected {expected}, got {shown(text)}")
    return scheme + text.strip()[len(scheme) :].rstrip("/")


VARIABLES: Mapping[str, Callable[[str], object]] = {
    "STOPGAP_SUBSCRIPTIONS": _subscriptions,
    "STOPGAP_MODE": _mode,
    "STOPGAP_GRACE": parse_duration,
    "STOPGAP_WARNING": parse_duration,
    "STOPGAP_ALLOW_DEALLOCATE": _yes_or_no,
    "STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": _cap,
    "STOPGAP_SWEEP_SCHEDULE": _schedule,
    "STOPGAP_RETENTION": _retention,
    "STOPGAP_KEEP_CALLER": _yes_or_no,
    "STOPGAP_ARM_ENDPOINT": endpoint,
    "STOPGAP_TOPIC_ENDPOINT": endpoint,
    "STOPGAP_WEBHOOK_URL": webhook_url,
    "STOPGAP_CURRENCY": _currency,
    "STOPGAP_PRICES_ENDPOINT": endpoint,
}
"""Each variable, and how its text is read."""

_MISSING = object()


def _read(env: Mapping[str, str], name: str, default: object = _MISSING) -> Any:  # noqa: ANN401 - as VARIABLES has it
    text = env.get(name, "").strip()
    try:
        if text or default is _MISSING:
            return VARIABLES[name](text)
    except Malformed as fault:
        raise SettingError(f"{name} {'is malformed' if text else 'is missing'}: {fault}") from None
    return default


def _unknown(env: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(env):
        if name.startswith("STOPGAP_") and name not in VARIABLES:
            known = {variable.removeprefix("STOPGAP_"): variable for variable in VARIABLES}
            near = difflib.get_close_matches(name.removeprefix("STOPGAP_"), known, n=1)
            yield f"{name} is no setting of this version" + (
                f"; did you mean {known[near[0]]}?" if near else ""
            )


def _storage(env: Mapping[str, str]) -> Storage:
    if connection := env.get(STORAGE, "").strip():
        return Storage(connection_string=connection)
    uris = {}
    for service in ("table", "queue"):
        name = f"{STORAGE}__{service}ServiceUri"
        text = env.get(name, "").strip()
        if not text:
            raise SettingError(
                f"{STORAGE} is missing: expected a connection string, or {STORAGE}__tableServiceUri and "
                f"{STORAGE}__queueServiceUri for use with a managed identity"
            )
        try:
            uris[service] = endpoint(text, plain=False)
        except Malformed as fault:
            raise SettingError(f"{name}: {fault}") from None
    return Storage(
        table_uri=uris["table"], queue_uri=uris["queue"], client_id=env.get(f"{STORAGE}__clientId") or None
    )
