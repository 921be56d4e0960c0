"""The command line: `python -m local doctor`."""

import argparse
import asyncio
import io
import logging
import os
import re
import sys
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from copy import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console

from local.doctor.findings import EXIT_CODES, Line, not_checked, worst
from local.doctor.report import for_machines, for_people
from local.host.settings import adopt_settings
from local.parts import ROOT, CannotStart
from shared import bootstrap
from shared.domain.durations import parse_duration, words
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed, shown
from shared.settings import endpoint

if TYPE_CHECKING:
    from local.doctor.installation import Asked

WAIT = timedelta(minutes=2)
"""Event Grid hands an event over within seconds, as a rule."""

EPILOG = """Exit code: 0 all is well, warnings aside; 1 something is wrong; 2 nothing is known to be wrong, but doctor
could not look at all that it was to (nobody is signed in, no settings). It only reads, wherever it looks, with two
exceptions. With --resource-group it writes an empty deployment, stopgap-probe-<token>, at each watched subscription.
That makes no resource and touches no VM; doctor sees whether its event reaches the app, whose ledger keeps the latest
such event, and removes the deployment's record. --no-probe leaves it out. And --send-test-notice sends a notice."""

_GROUP = re.compile(r"(?=.*\w)[\w().-]{0,89}[\w()-]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.epilog = EPILOG
    parser.set_defaults(refuse=parser.error)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--settings",
        metavar="FILE",
        help="settings for variables not yet set (default: local.settings.json, if any), or 'none'",
    )
    where.add_argument(
        "--resource-group",
        type=_group,
        metavar="NAME",
        help="where azd up has put the app: take its settings from there, and prove that events reach it",
    )
    parser.add_argument(
        "--deployed-in",
        type=_subscription,
        metavar="SUBSCRIPTION",
        help="id of the subscription of that resource group (default: the one that az account show names)",
    )
    parser.add_argument(
        "--no-probe", action="store_true", help="with --resource-group: provoke no event, only read"
    )
    parser.add_argument(
        "--wait",
        type=_duration,
        metavar="DURATION",
        help=f"how long to wait for that event, such as 30s (default: {words(WAIT)})",
    )
    parser.add_argument(
        "--subscription",
        action="append",
        type=_subscription,
        default=[],
        metavar="ID",
        help="look at this subscription only; may be repeated (default: all that are watched)",
    )
    parser.add_argument("--app", type=_address, metavar="URL", help="also ask a deployed app how it is")
    parser.add_argument("--key", metavar="KEY", help="a function key of that app")
    parser.add_argument(
        "--send-test-notice",
        action="store_true",
        help="send one notice, of type Stopgap.Test, to topic and webhook (default: nothing is sent)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")


def run(args: argparse.Namespace) -> int:
    """Examine and report; the exit code is as the epilog says."""
    if args.resource_group is None:
        options = ("deployed_in", "no_probe", "wait")
        if given := [f"--{name.replace('_', '-')}" for name in options if getattr(args, name)]:
            args.refuse(f"only with --resource-group: {', '.join(given)}")
    from local.doctor.installation import Asked  # noqa: PLC0415 - the SDKs take time that no other command has to pay

    # What the SDKs and the adapters would log comes as findings.
    logging.disable(logging.CRITICAL)
    asked = Asked(
        subscriptions=tuple(args.subscription),
        app=args.app,
        key=args.key,
        send_test_notice=args.send_test_notice,
        probe=not args.no_probe,
        wait=args.wait or WAIT,
    )
    try:
        about, lines = _deployed(args, asked) if args.resource_group else _set(args, asked)
    except KeyboardInterrupt:
        return 130  # as shells have it
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has every letter
    if args.json:
        print(for_machines(lines, about))
    else:
        Console(soft_wrap=True, highlight=False).print(for_people(lines, about))
    return EXIT_CODES[worst(lines)]


def _set(args: argparse.Namespace, asked: "Asked") -> tuple[str, list[Line]]:
    """What is looked at, and what was found: of the installation that a file and the environment name."""
    try:
        path = adopt_settings(ROOT, args.settings)
    except CannotStart as fault:
        mend = "give another with --settings FILE; --settings none: the environment alone"
        return "Stopgap", [Line("settings", None, not_checked(str(fault), mend))]
    about = f"Stopgap, as set in {f'{path} and ' if path else ''}the environment"
    return about, asyncio.run(_examine(os.environ, asked))


def _deployed(args: argparse.Namespace, asked: "Asked") -> tuple[str, list[Line]]:
    """The same, of the installation that a resource group holds."""
    about = f"Stopgap, as deployed in resource group {args.resource_group}"
    return about, asyncio.run(_find_and_examine(args.resource_group, args.deployed_in, asked))


async def _find_and_examine(group: str, subscription: str | None, asked: "Asked") -> list[Line]:
    from local.doctor.deployed import NotFound, Place, deployed_at  # noqa: PLC0415 - as above

    try:
        deployed = await deployed_at(Place(group, subscription), os.environ)
    except NotFound as nothing:
        return [
            Line("settings", None, nothing.finding),
            Line("all else", None, not_checked("not before that")),
        ]
    asked = replace(asked, deployed=deployed)
    if asked.app is None:
        # A key goes nowhere but to the app that it is of.
        asked = replace(asked, app=deployed.address, key=asked.key or deployed.key)
    found = [Line("settings", None, finding) for finding in deployed.findings]
    return found + await _examine(deployed.settings, asked)


async def _examine(environment: Mapping[str, str], asked: "Asked") -> list[Line]:
    from local.doctor.checks import examine  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with console.status("looking") if console.is_terminal else nullcontext() as status:

        def progress(checks: Collection[str]) -> None:
            if status:
                status.update(f"looking: {', '.join(dict.fromkeys(checks))}")

        return await examine(environment, asked, now=bootstrap.now, progress=progress)


def _subscription(text: str) -> str:
    try:
        return parse_subscription(text)
    except Malformed as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _address(text: str) -> str:
    try:
        return endpoint(text).removesuffix("/api/health")
    except Malformed as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _group(text: str) -> str:
    if not _GROUP.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"expected 1 to 90 letters, digits or - _ . ( ), the last not a point, got {shown(text)}"
        )
    return text


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except Malformed as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None
