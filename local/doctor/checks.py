"""The table of checks, and how they are made: at the same time, each within its time, none in the way of another."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from copy import replace
from dataclasses import dataclass
from functools import partial

from local.doctor import (
    app,
    clock,
    credential,
    delivery,
    ledger,
    notices,
    permissions,
    poison,
    probe,
    settings,
    storage,
)
from local.doctor.findings import Finding, Line, not_checked, wrong
from local.doctor.installation import Asked, Installation, reached
from shared.ports import Clock
from shared.settings import SettingError, Settings

CHECK_SECONDS = 25.0
"""For a check as a whole; what it asks has shorter limits of its own."""

PROBE_SECONDS = 60.0
"""What sending a probe and removing its traces take beyond that and the wait for it."""

type Progress = Callable[[Collection[str]], None]
"""Told of the checks that are still being made."""


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the table."""

    name: str
    question: str
    look: Callable[..., Awaitable[list[Finding]]]
    """Given the installation, and where it is about one the subscription. Port errors do not leave it."""
    mend: str
    """What to do when there is no answer in time."""
    with_token: Callable[[Settings], bool] = lambda _: False
    """Whether somebody has to be signed in for it."""
    waits: bool = False
    """Whether it waits beyond its time, for as long as doctor is asked to."""


def _arm_asks(settings: Settings) -> bool:
    return settings.arm_endpoint.startswith("https:")


def _storage_asks(settings: Settings) -> bool:
    return settings.storage.connection_string is None


_SLOW_STORAGE = "does this machine reach the storage account? Try again"
_SLOW_ARM = "does this machine reach STOPGAP_ARM_ENDPOINT? Try again"

CHECKS = (
    Check("storage", "Are table and queues there?", storage.look, _SLOW_STORAGE, _storage_asks),
    Check("poison", "Did the host give up on messages?", poison.look, _SLOW_STORAGE, _storage_asks),
    Check("ledger", "Was all told and done that was to be?", ledger.look, _SLOW_STORAGE, _storage_asks),
    Check("notices", "Do notices arrive?", notices.look, "try again"),
    Check("app", "Is the deployed app well?", lambda each: app.look(each.asked), "try again"),
    Check("clock", "Does this clock agree with Azure's?", clock.look, _SLOW_ARM),
)
"""Of the installation as a whole. Before them come the settings, and who is signed in."""

SUBSCRIPTION_CHECKS = (
    Check("permissions", "Is what Stopgap needs granted?", permissions.look, _SLOW_ARM, _arm_asks),
    Check("events", "Do events of VMs reach the app?", delivery.look, _SLOW_ARM, _arm_asks),
    Check("probe", "Does an event arrive?", probe.look, _SLOW_ARM, _arm_asks, waits=True),
)
"""Of each subscription."""


class _NotWatched(Exception):
    """Doctor is asked for a subscription that the settings do not name."""


async def examine(
    environment: Mapping[str, str], asked: Asked, *, now: Clock, progress: Progress = lambda _: None
) -> list[Line]:
    """Make all checks of the installation that an environment describes; what they found, in the table's order."""
    try:
        read = Settings.from_env(environment)
        _refuse_others(asked, read)
        async with reached(read, asked, now) as installation:
            return await _made(installation, progress)
    except SettingError as fault:
        finding = wrong(str(fault), "docs/settings.md tells what each setting has to be")
    except _NotWatched as fault:
        finding = not_checked(str(fault), "one that is, or add it there")
    about_app = await app.look(asked) if asked.app else []
    return [
        Line("settings", None, finding),
        Line("all else", None, not_checked("not before that")),
        *(Line("app", None, each) for each in about_app),
    ]


def _refuse_others(asked: Asked, read: Settings) -> None:
    for subscription in asked.subscriptions:
        if subscription not in read.subscriptions:
            known = ", ".join(read.subscriptions)
            raise _NotWatched(f"--subscription {subscription} is not in STOPGAP_SUBSCRIPTIONS ({known})")


async def _made(installation: Installation, progress: Progress) -> list[Line]:
    about_settings = settings.judged(installation.settings)
    progress(["credential"])
    signed_in = await credential.look(installation)
    nobody = any(finding.blind for finding in signed_in)
    rows = list(_rows(installation))
    open_names = [check.name for check, _ in rows]
    progress(open_names)
    installation = replace(installation, say=lambda text: progress([*open_names, text]))

    async def answered(check: Check, subscription: str | None) -> list[Line]:
        if nobody and check.with_token(installation.settings):
            found = [not_checked("nobody is signed in")]
        else:
            seconds = CHECK_SECONDS
            if check.waits:
                seconds += installation.asked.wait.total_seconds() + PROBE_SECONDS
            found = await _within_time(
                check, seconds, partial(check.look, installation, *filter(None, (subscription,)))
            )
        open_names.remove(check.name)
        progress(open_names)
        return [Line(check.name, subscription, finding) for finding in found]

    answers = await asyncio.gather(*(answered(*row) for row in rows))
    return [
        *(Line("settings", None, finding) for finding in about_settings),
        *(Line("credential", None, finding) for finding in signed_in),
        *(line for lines in answers for line in lines),
    ]


def _rows(installation: Installation) -> Iterator[tuple[Check, str | None]]:
    for check in CHECKS:
        yield check, None
    for subscription in installation.subscriptions:
        for check in SUBSCRIPTION_CHECKS:
            yield check, subscription


async def _within_time(
    check: Check, seconds: float, look: Callable[[], Awaitable[list[Finding]]]
) -> list[Finding]:
    try:
        async with asyncio.timeout(seconds):
            return await look()
    except TimeoutError:
        return [not_checked(f"{check.question} No answer within {seconds:g} s", check.mend)]
    except Exception as error:  # noqa: BLE001 - the other checks are wanted all the more
        fact = f"doctor itself failed: {type(error).__name__}: {error}"
        return [not_checked(fact, "please report it, with this line")]
