"""The command line: `python -m local doctor`."""

import argparse
import asyncio
import io
import logging
import os
import sys
from collections.abc import Collection
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console

from local.doctor.findings import EXIT_CODES, Line, not_checked, worst
from local.doctor.report import for_machines, for_people
from local.host.settings import adopt_settings
from local.parts import ROOT, CannotStart
from shared import bootstrap
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed
from shared.settings import endpoint

if TYPE_CHECKING:
    from local.doctor.installation import Asked

EPILOG = """Exit code: 0 all is well, warnings aside; 1 something is wrong; 2 nothing is known to be wrong, but doctor
could not look at all that it was to (nobody is signed in, no settings). It only reads, wherever it looks, but for
--send-test-notice."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--settings",
        metavar="FILE",
        help="settings for variables not yet set (default: local.settings.json, if any), or 'none'",
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
    from local.doctor.installation import Asked  # noqa: PLC0415 - the SDKs take time that no other command has to pay

    # What the SDKs and the adapters would log comes as findings.
    logging.disable(logging.CRITICAL)
    asked = Asked(
        subscriptions=tuple(args.subscription),
        app=args.app,
        key=args.key,
        send_test_notice=args.send_test_notice,
    )
    try:
        path = adopt_settings(ROOT, args.settings)
    except CannotStart as fault:
        about, lines = (
            "Stopgap",
            [
                Line(
                    "settings",
                    None,
                    not_checked(
                        str(fault),
                        "give another with --settings FILE; --settings none: the environment alone",
                    ),
                )
            ],
        )
    else:
        about = f"Stopgap, as set in {f'{path} and ' if path else ''}the environment"
        try:
            lines = asyncio.run(_examine(asked))
        except KeyboardInterrupt:
            return 130  # as shells have it
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has every letter
    if args.json:
        print(for_machines(lines, about))
    else:
        Console(soft_wrap=True, highlight=False).print(for_people(lines, about))
    return EXIT_CODES[worst(lines)]


async def _examine(asked: "Asked") -> list[Line]:
    from local.doctor.checks import examine  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with console.status("looking") if console.is_terminal else nullcontext() as status:

        def progress(checks: Collection[str]) -> None:
            if status:
                status.update(f"looking: {', '.join(dict.fromkeys(checks))}")

        return await examine(os.environ, asked, now=bootstrap.now, progress=progress)


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
