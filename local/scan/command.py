"""The command line: `python -m local scan`."""

import argparse
import asyncio
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

_FORMATS: Mapping[str, Callable[[Scanned], str]] = {
    "json": report.for_programs,
    "csv": report.for_spreadsheets,
}


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
    errors = Console(stderr=True)
    try:
        scanned = asyncio.run(_scan(args, errors))
    except CannotLook as fault:
        errors.print(str(fault), markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("\nended")
        return 130
    if args.kind:
        print(_FORMATS[args.kind](scanned), end="" if args.kind == "csv" else "\n")
    else:
        console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
        for part in report.for_people(scanned, console.width):
            # Only the table is fitted to the terminal: ids and faults are to be copied whole.
            console.print(part, soft_wrap=isinstance(part, Text))
    return scanned.exit_code


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
        vms = ComputeVms(credential, endpoint=arm_endpoint, clock=_now)
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
    async with Arm(credential, endpoint, "stopgap-scan") as arm:
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
            TextColumn("{task.description}"),
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
            name = looked.name.replace("[", "(")
            task = self._tasks[looked.subscription] = self._progress.add_task(name, total=None, **fields)
        over = doing not in {"reading their states", "reading VMs"} and not doing.startswith("throttled")
        self._progress.update(task, total=1 if over else None, completed=1 if over else 0, **fields)
        if doing.startswith("throttled"):
            self._progress.console.print(f"{looked.name}: {doing}", markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _now() -> datetime:
    return datetime.now(UTC)
