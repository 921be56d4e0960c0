"""Composition: the one place that reads the environment and the clock, and chooses the adapters.

Nothing happens at import. The app is put together at the first call and kept, so that an instance that is
started to serve one function does not pay for more, and a wrong setting is told by name, at each call, rather
than keeping the functions from being found. The SDKs are imported here and late: they are most of a cold start.
"""

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from shared.costs import Costs
from shared.domain.durations import words
from shared.ports import Ledger, Looks, Notices, PortError, PriceCache, Prices
from shared.settings import SettingError, Settings
from shared.watch import Watch

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

log = logging.getLogger("stopgap")


@dataclass(frozen=True, slots=True)
class App:
    """What the functions work with."""

    settings: Settings
    watch: Watch
    ledger: Ledger
    looks: Looks
    costs: Costs


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@cache
def app() -> App:
    """The app, put together from the environment at the first call. Raises `SettingError` until it can be."""
    from shared.adapters.compute import ComputeVms
    from shared.adapters.queues import open_looks
    from shared.adapters.tables import open_ledger

    # At INFO the SDKs write a line for each request and one for each answer.
    logging.getLogger("azure").setLevel(logging.WARNING)
    settings = Settings.from_env(os.environ)
    for remark in settings.unknown:
        log.warning("%s", remark)
    credential = _credential(settings)
    ledger = open_ledger(settings.storage.connection_string, settings.storage.table_uri, credential)
    looks = open_looks(settings.storage.connection_string, settings.storage.queue_uri, credential)
    watch = Watch(
        vms=ComputeVms(credential, endpoint=settings.arm_endpoint, clock=now),
        ledger=ledger,
        looks=looks,
        notices=_notices(settings, credential),
        policy=settings.policy,
        subscriptions=frozenset(settings.subscriptions),
        now=now,
        keep_caller_name=settings.keep_caller_name,
    )
    costs = Costs(prices=cache(lambda: _prices(settings, ledger)), currency=settings.currency, now=now)
    return App(settings, watch, ledger, looks, costs)


async def health() -> dict[str, object]:
    """What the app is set to do, and what keeps it from doing it: `problems` is empty when nothing does."""
    try:
        made = app()
    except SettingError as fault:
        return {"status": "unusable", "problems": [str(fault)]}
    problems = [await _problem("storage, tables", made.ledger), await _problem("storage, queues", made.looks)]
    found = [problem for problem in problems if problem]
    return {
        "status": "unusable" if found else "ok",
        "problems": found,
        "remarks": list(made.settings.unknown),
        "mode": made.settings.policy.mode,
        "grace": words(made.settings.policy.grace),
        "subscriptions": list(made.settings.subscriptions),
        "notices": made.settings.topic_endpoint or "the log only: STOPGAP_TOPIC_ENDPOINT is not set",
        "counts": dict(made.watch.counts),
    }


async def _problem(part: str, port: Ledger | Looks) -> str | None:
    try:
        await port.check()
    except PortError as fault:
        return f"{part}: {fault}"
    return None


def _credential(settings: Settings) -> "AsyncTokenCredential":
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=settings.storage.client_id)


def _notices(settings: Settings, credential: "AsyncTokenCredential") -> Notices:
    if settings.topic_endpoint is None:
        from shared.adapters.log import LogNotices

        return LogNotices()
    from shared.adapters.topic import TopicNotices

    return TopicNotices(settings.topic_endpoint, credential)


def _prices(settings: Settings, kept: PriceCache) -> Prices:
    from shared.adapters.prices import RetailPrices

    return RetailPrices(kept, currency=settings.currency, endpoint=settings.prices_endpoint, clock=now)
