"""Composition: the one place that reads the environment and the clock, and chooses the adapters.

Nothing happens at import. The app is put together at the first call and kept, so that an instance that is
started to serve one function does not pay for more, and a wrong setting is told by name, at each call, rather
than keeping the functions from being found. The SDKs are imported here and late: they are most of a cold start.
"""

import gc
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.accounts import Accounts
from shared.attempts import Attempts
from shared.backlog import Backlog
from shared.budgets import Budgets
from shared.costs import Costs
from shared.domain.durations import words
from shared.domain.policy import Channel
from shared.metrics import TALLY, Teller
from shared.ports import (
    Attempt,
    Coverage,
    Ledger,
    Look,
    Notices,
    PortError,
    PriceCache,
    Prices,
    Query,
    Queue,
    Sweep,
)
from shared.requests import Requests
from shared.retention import Retention
from shared.settings import EVERY_QUARTER, LOOPBACK, SettingError, Settings
from shared.summaries import Summaries
from shared.sweeps import Sweeps
from shared.watch import Watch

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.telemetry import Telemetry
    from shared.web.pages import Pages

log = logging.getLogger("stopgap")

SHOWN_PARKED = 10
"""How many VMs with notices that were given up are named."""


@dataclass(frozen=True, slots=True)
class App:
    """What the functions work with."""

    settings: Settings
    began_at: datetime
    watch: Watch
    attempts: Attempts
    requests: Requests
    ledger: Ledger
    looks: Queue[Look]
    deallocations: Queue[Attempt]
    sweeps: Sweeps
    backlog: Backlog
    retention: Retention
    accounts: Accounts
    summaries: Summaries
    costs: Costs
    telemetry: "Telemetry | None"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def signed_in_by_platform() -> bool:
    """Whether App Service authentication stands before the app, as the platform says: then it names who calls."""
    return os.environ.get("WEBSITE_AUTH_ENABLED", "").strip().lower() == "true"


measured = Teller(now)
"""`with bootstrap.measured:` around each function: what it measures is told when it ends, see `shared.metrics`."""


@cache
def pages() -> "Pages":
    """What makes the pages, at the first that is asked for: most instances make none."""
    from shared.web.pages import Pages

    return Pages()


@cache
def description() -> str:
    """What the HTTP API is, in OpenAPI: a file that goes along with the app."""
    return (Path(__file__).parent / "web" / "openapi.json").read_text("utf-8")


def sweep_schedule() -> str:
    """When sweeps are asked for, in NCRONTAB. A wrong one must not keep the functions from being found."""
    try:
        return Settings.sweep_schedule_of(os.environ)
    except SettingError:
        return EVERY_QUARTER


@cache
def app() -> App:
    """The app, put together from the environment at the first call. Raises `SettingError` until it can be."""
    # What is imported stays: nobody need look for garbage among it, neither meanwhile nor later on.
    gc.disable()
    try:
        made = _put_together()
        gc.freeze()
    finally:
        gc.enable()
    return made


def _put_together() -> App:
    from shared.adapters.compute import ComputeVms
    from shared.adapters.queues import open_deallocations, open_looks, open_sweeps
    from shared.adapters.tables import open_ledger

    # At INFO the SDKs write a line for each request and one for each answer.
    logging.getLogger("azure").setLevel(logging.WARNING)
    settings, began_at = Settings.from_env(os.environ), now()
    for remark in settings.unknown:
        log.warning("%s", remark)
    credential = credential_for(settings)
    storage = settings.storage
    ledger = open_ledger(storage.connection_string, storage.table_uri, credential)
    looks = open_looks(storage.connection_string, storage.queue_uri, credential)
    deallocations = open_deallocations(storage.connection_string, storage.queue_uri, credential)
    budgets = Budgets(now)
    vms = ComputeVms(credential, endpoint=settings.arm_endpoint, clock=now, told=budgets.told)
    costs = Costs(prices=cache(lambda: _prices(settings, ledger)), currency=settings.currency, now=now)
    watch = Watch(
        vms=vms,
        ledger=ledger,
        looks=looks,
        deallocations=deallocations,
        sweeps=open_sweeps(storage.connection_string, storage.queue_uri, credential),
        notices={channel: notices_to(channel, settings, credential) for channel in settings.policy.channels},
        costs=costs,
        policy=settings.policy,
        subscriptions=frozenset(settings.subscriptions),
        now=now,
        budgets=budgets,
        keep_caller_name=settings.keep_caller_name,
    )
    sweeps, backlog = Sweeps(watch, vms), Backlog(watch, settings.sweep_schedule)
    attempts, requests = Attempts(watch, vms), Requests(watch)
    telemetry = _telemetry(settings)
    retention = Retention(ledger, settings.subscriptions, settings.retention, now)
    accounts = Accounts(ledger, settings.subscriptions, costs, now)
    summaries = Summaries(ledger, settings.subscriptions, now, accounts)
    return App(
        settings,
        began_at,
        watch,
        attempts,
        requests,
        ledger,
        looks,
        deallocations,
        sweeps,
        backlog,
        retention,
        accounts,
        summaries,
        costs,
        telemetry,
    )


async def health() -> dict[str, object]:
    """What the app is set to do, and what keeps it from doing it: `problems` is empty when nothing does."""
    from shared.web.coverage import coverage_view, probe_view

    try:
        made = app()
    except SettingError as fault:
        return {"status": "unusable", "problems": [str(fault)]}
    parts: dict[str, Ledger | Queue[Look] | Queue[Attempt] | Queue[Sweep]] = {
        "storage, tables": made.ledger,
        "storage, queue looks": made.looks,
        "storage, queue deallocations": made.deallocations,
        "storage, queue sweeps": made.watch.sweeps,
    }
    found = [problem for name, part in parts.items() if (problem := await _problem(name, part))]
    policy = made.settings.policy
    swept = {} if found else await made.ledger.coverage(made.settings.subscriptions)
    probes = {} if found else await made.ledger.probes(made.settings.subscriptions)
    poison = {} if found else await _poisoned(made)
    return {
        "status": "unusable" if found else "ok",
        "problems": found,
        "remarks": list(made.settings.unknown) + ([] if found else await _remarks(made, swept, poison)),
        "mode": policy.mode,
        "grace": words(policy.grace),
        "warning": words(policy.warning),
        "allow_deallocate": policy.allow_deallocate,
        "max_deallocations_per_hour": policy.most_per_hour,
        "subscriptions": list(made.settings.subscriptions),
        "sweeps": {each: coverage_view(swept.get(each)) for each in made.settings.subscriptions},
        "probes": {each: probe_view(probes.get(each)) for each in made.settings.subscriptions},
        "notices": list(policy.channels),
        "poison": poison,
        "counts": dict(made.watch.counts),
    }


def uncovered(swept: Mapping[str, Coverage]) -> list[str]:
    """What of the subscriptions is not covered by the latest sweeps, in words."""
    from shared.web.coverage import remarks

    made = app()
    settings = made.settings
    return remarks(swept, settings.subscriptions, settings.sweep_schedule, since=made.began_at, now=now())


async def _problem(part: str, port: Ledger | Queue[Look] | Queue[Attempt] | Queue[Sweep]) -> str | None:
    try:
        await port.check()
    except PortError as fault:
        return f"{part}: {fault}"
    return None


async def _poisoned(made: App) -> dict[str, int]:
    """How many messages the host gave up on, by queue."""
    return {f"{name}-poison": await queue.poisoned() for name, queue in made.backlog.queues.items()}


async def _remarks(made: App, swept: Mapping[str, Coverage], poison: Mapping[str, int]) -> list[str]:
    """What keeps nothing from working, and wants somebody's eye all the same."""
    parked = await made.ledger.page(Query(made.settings.subscriptions, parked=True, limit=SHOWN_PARKED))
    more = " and more" if parked.next else ""
    names = ", ".join(str(record.vm) for record in parked.records)
    unsent = made.telemetry.fault if made.telemetry else None
    return [
        *(f"{queue} holds about {count}" for queue, count in poison.items() if count),
        *([f"metrics do not get to Application Insights: {unsent}"] if unsent else []),
        *uncovered(swept),
        *([f"notices given up, of {names}{more}: ask for a look to have them sent"] if names else []),
    ]


def credential_for(settings: Settings) -> "AsyncTokenCredential":
    """Who asks Azure: the app's identity, or on a laptop whoever is signed in there."""
    from shared.adapters.identity import Identity

    return Identity(settings.storage.client_id)


def notices_to(channel: Channel, settings: Settings, credential: "AsyncTokenCredential") -> Notices:
    """Where notices of a channel go."""
    if channel is Channel.TOPIC and settings.topic_endpoint:
        from shared.adapters.topic import TopicNotices

        return TopicNotices(settings.topic_endpoint, credential)
    if channel is Channel.WEBHOOK and settings.webhook_url:
        from shared.adapters.webhook import WebhookNotices

        return WebhookNotices(settings.webhook_url, _own_address())
    from shared.adapters.log import LogNotices

    return LogNotices()


def _own_address() -> str | None:
    """Where people reach the app, as the platform tells it; None: it does not."""
    host = os.environ.get("WEBSITE_HOSTNAME", "").strip()
    if not host:
        return None
    scheme = "http" if urlsplit(f"//{host}").hostname in LOOPBACK else "https"
    return f"{scheme}://{host}"


def _telemetry(settings: Settings) -> "Telemetry | None":
    if settings.insights is None:
        return None
    from shared.adapters.telemetry import Telemetry

    telemetry = Telemetry(settings.insights)
    TALLY.listeners.append(telemetry)
    measured.then.append(telemetry.start)
    return telemetry


def _prices(settings: Settings, kept: PriceCache) -> Prices:
    from shared.adapters.prices import RetailPrices

    return RetailPrices(kept, currency=settings.currency, endpoint=settings.prices_endpoint, clock=now)
