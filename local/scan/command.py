"""The command line: `python -m local scan`."""

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from azure.core.exceptions import AzureError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from local.doctor.arm import Arm, mend_of
from local.scan import report
from local.scan.looking import look_at, visible
from local.scan.scanned import Looked, Scanned
from local.scan.simulated import simulated
from shared.adapters.compute import ComputeVms
from shared.adapters.identity import Identity
from shared.adapters.memory import MemoryLedger
from shared.adapters.prices import RetailPrices
from shared.costs import Costs
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed
from shared.domain.policy import Policy
from shared.ports import PortError
from shared.settings import PUBLIC_ARM, PUBLIC_PRICES, VARIABLES

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

PRICE_TRIES = 10
"""How often prices are asked for, of two seconds each: a large fleet has many sizes."""

TOKEN_SECONDS = 30.0

AGENT = "stopgap-scan"
"""Who asks, as Azure's logs have it."""


class CannotLook(Exception):
    """A scan cannot begin; the text says why, and how to mend it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Find VMs that are Stopped and still billed, and what they cost, by whoever is signed in (az login).\n"
        "It only reads, changes nothing, and needs no deployment: the role Reader will do."
    )
    parser.epilog = (
        "exit codes: 0 none is Stopped; 1 some are; 2 none was found, and not all could be looked at.\n\n"
        "environment: STOPGAP_ARM_ENDPOINT (sovereign clouds), STOPGAP_PRICES_ENDPOINT, STOPGAP_CURRENCY."
    )
    parser.add_argument(
        "--subscription",
        action="append",
        default=[],
        metavar="ID",
        help="look at this one; may be given more than once, or several with commas (default: all that you can see)",
    )
    parser.add_argument("--currency", help="of the list prices, by its three letters (default: USD)")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--json", dest="kind", action="store_const", const="json", help="print JSON")
    kinds.add_argument(
        "--csv", dest="kind", action="store_const", const="csv", help="print a table for spreadsheets"
    )
    parser.add_argument(
        "--simulated", action="store_true", help="look at a simulated Azure: needs no Azure and no sign-in"
    )


def run(args: argparse.Namespace) -> int:
    """Scan. The exit code: 0, 1, 2 (see `--help`), or 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # not every terminal has every letter
    errors = Console(stderr=True)
    try:
        scanned = asyncio.run(_scan(args, errors))
        if args.kind and (missing := report.not_looked_at(scanned)):
            _say(errors, missing)
        _write(_FORMATS[args.kind], scanned)
    except CannotLook as fault:
        _say(errors, str(fault))
        return 2
    except KeyboardInterrupt:
        errors.print("\nended")
        return 130
    return scanned.exit_code


def _for_people(scanned: Scanned) -> str:
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    with console.capture() as printed:
        for part in report.for_people(scanned, console.width):
            # Only the table is fitted to the terminal: ids and faults are to be copied whole.
            console.print(part, soft_wrap=isinstance(part, Text))
    return printed.get()


_FORMATS: Mapping[str | None, Callable[[Scanned], str]] = {
    None: _for_people,
    "json": lambda scanned: f"{report.for_programs(scanned)}\n",
    "csv": report.for_spreadsheets,
}


def _write(form: Callable[[Scanned], str], scanned: Scanned) -> None:
    """Print it, or what is wanted of it: `head` wants no more than a few lines. `CannotLook`: it was not taken."""
    try:
        sys.stdout.write(form(scanned))
        sys.stdout.flush()
    except OSError as error:
        # What is still to be written at the exit would fail in the same way, and not as quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise CannotLook(f"what was found could not be written: {error.strerror}") from error


def _say(console: Console, text: str) -> None:
    """Print to people, beside the result. Some of the text was written by others."""
    console.print(Text("\n".join(map(report.fit, text.split("\n")))), soft_wrap=True)


async def _scan(args: argparse.Namespace, errors: Console) -> Scanned:
    if args.simulated:
        async with simulated() as environment:
            return await _scan_in({**os.environ, **environment}, args, errors)
    return await _scan_in(os.environ, args, errors)


async def _scan_in(env: Mapping[str, str], args: argparse.Namespace, errors: Console) -> Scanned:
    arm_endpoint = _setting(env, "STOPGAP_ARM_ENDPOINT", PUBLIC_ARM)
    currency = _setting(
        {"STOPGAP_CURRENCY": args.currency or env.get("STOPGAP_CURRENCY", "")}, "STOPGAP_CURRENCY", "USD"
    )
    prices_endpoint = _setting(env, "STOPGAP_PRICES_ENDPOINT", PUBLIC_PRICES)
    wanted = _wanted(args.subscription)
    async with Identity(None) as credential:
        if arm_endpoint.startswith("https:"):
            await _signed_in(credential, arm_endpoint)
        subscriptions, left_out = await _subscriptions(credential, arm_endpoint, wanted)
        vms = ComputeVms(credential, endpoint=arm_endpoint, clock=_now, agent=AGENT)
        try:
            with _Bars(errors) as bars:
                looked = await look_at(vms, subscriptions, Policy(), _now, bars.told)
        finally:
            await vms.close()
    prices = RetailPrices(MemoryLedger(), currency=currency, endpoint=prices_endpoint, clock=_now)
    try:
        records = [record for each in looked for record in each.found]
        costs = await Costs(lambda: prices, currency, _now).patiently(records, PRICE_TRIES)
    finally:
        await prices.close()
    return Scanned(_now(), currency, looked, left_out, costs)


async def _subscriptions(
    credential: "AsyncTokenCredential", endpoint: str, wanted: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Those to look at, by id with their names; and those that are left out, with why."""
    async with Arm(credential, endpoint, AGENT) as arm:
        try:
            usable, left_out = await visible(arm)
        except (PortError, Malformed) as fault:
            if wanted:
                # They can be looked at by their ids alone.
                return {each: each for each in wanted}, {}
            raise CannotLook(f"{fault}\nmend: {mend_of(endpoint)}") from fault
    if wanted:
        return {each: usable.get(each, each) for each in wanted}, {}
    if not usable:
        raise CannotLook(
            "whoever is signed in can see no subscription that is enabled\nmend: az login, or ask for the role Reader"
        )
    return usable, left_out


async def _signed_in(credential: Identity, endpoint: str) -> None:
    """Return if somebody is; else `CannotLook`."""
    try:
        async with asyncio.timeout(TOKEN_SECONDS):
            await credential.get_token(f"{endpoint}/.default")
    except (AzureError, ValueError, TimeoutError) as error:
        why = next(iter(str(error).splitlines()), "") or f"no answer within {TOKEN_SECONDS:g} s"
        raise CannotLook(f"nobody is signed in to Azure: {why}\nmend: az login") from error


def _wanted(given: list[str]) -> list[str]:
    try:
        ids = [parse_subscription(part) for text in given for part in text.split(",") if part.strip()]
    except Malformed as fault:
        raise CannotLook(f"--{fault}") from None
    if given and not ids:
        raise CannotLook("--subscription: expected the id of a subscription, got nothing")
    return list(dict.fromkeys(ids))


def _setting(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name, "").strip()
    try:
        return str(VARIABLES[name](text)) if text else default
    except Malformed as fault:
        raise CannotLook(f"{name} is malformed: {fault}") from None


class _Bars:
    """A progress bar for each subscription, where somebody watches."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[seen]} VMs, {task.fields[stopped]} Stopped: {task.fields[doing]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def told(self, looked: Looked, doing: str) -> None:
        """How far a subscription has got."""
        fields: dict[str, Any] = {
            "seen": f"{looked.vms:,}",
            "stopped": f"{len(looked.stopped):,}",
            "doing": doing,
        }
        task = self._tasks.get(looked.subscription)
        if task is None:
            task = self._progress.add_task(report.fit(looked.name), total=None, **fields)
            self._tasks[looked.subscription] = task
        over = doing not in {"reading their states", "reading VMs"} and not doing.startswith("throttled")
        self._progress.update(task, total=1 if over else None, completed=1 if over else 0, **fields)
        if doing.startswith("throttled"):
            _say(self._progress.console, f"{looked.name}: {doing}")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _now() -> datetime:
    return datetime.now(UTC)
