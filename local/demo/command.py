"""The command line: `python -m local demo`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

from rich.console import Console

from local.azure.server import SimulatedAzure
from local.demo.show import Screen, Vm
from local.demo.stage import Stage, stage
from local.demo.story import LATER, NEW_VM, STEPS, create_new_vm, settle_fleet
from local.demo.story import Step as StoryStep
from local.parts import CannotStart

GRACE = timedelta(seconds=6)
WARNING = timedelta(seconds=8)
PATIENCE = 90.0
"""Seconds that Stopgap gets to come to the truth. The first look at a VM that is not at rest yet is after 15 s."""
_TICK = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.add_argument(
        "--once",
        action="store_true",
        help="end when the story does: 0 if what is flagged is what Azure knows to be left Stopped, else 1",
    )
    parser.add_argument(
        "--host",
        choices=("local", "func"),
        default="local",
        help="what runs the function app: our driver of the worker library, or `func start` (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=0, help="of the function app (default: a free one)")


def run(args: argparse.Namespace) -> int:
    """Play the story. The exit code: 0; 1 when Stopgap and Azure disagree or a part cannot start; 130 after Ctrl-C."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        return asyncio.run(play(Screen(console), once=args.once, host=args.host, port=args.port))
    except CannotStart as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print("\nended; nothing is left running")
        return 130 if args.once else 0


def left_stopped(azure: SimulatedAzure) -> set[str]:
    """Ids of the VMs that ought to be flagged, by what Azure itself knows: Stopped past grace and not exempt."""
    return {vm for vm in azure.left_stopped(GRACE) if "stopgap:exempt" not in azure.vms[vm].spec.tags}


def misdone(azure: SimulatedAzure, vms: Sequence[Vm]) -> list[str]:
    """What Stopgap should have deallocated and did not, or the reverse, a line each; empty when nothing.

    Its owner's tag asks for it and none forbids it; and Azure's log tells what Azure was asked for, and when.
    """
    tags = {vm_id: vm.spec.tags for vm_id, vm in azure.vms.items()}
    armed = {vm for vm in tags if "stopgap:mode" in tags[vm] and "stopgap:exempt" not in tags[vm]}
    done = {vm["id"] for vm in vms if vm["deallocation"] and vm["deallocation"]["stage"] == "confirmed"}
    asked = [request for request in azure.requests if request.operation == "deallocate"]
    met = {request.path: request.condition.power if request.condition else "gone" for request in asked}
    wrong = [f"deallocated, but it was {power}: {path}" for path, power in met.items() if power != "stopped"]
    paths = {path.removesuffix("/deallocate").lower() for path in met}
    wrong += [f"deallocated, though nobody asked for that: {vm}" for vm in sorted(paths - armed)]
    return wrong + [f"not deallocated, or not confirmed: {vm}" for vm in sorted(armed - done)]


def difference(flagged: set[str], truth: set[str]) -> list[str]:
    """What Stopgap got wrong, a line each; empty when nothing."""
    missed = [f"not flagged, but left Stopped: {vm}" for vm in sorted(truth - flagged)]
    return missed + [f"flagged, but not left Stopped: {vm}" for vm in sorted(flagged - truth)]


async def play(screen: Screen, *, once: bool, host: str = "local", port: int = 0) -> int:
    """Play the story on a stage of its own. The exit code: 0, or 1 when Stopgap and Azure disagree."""
    screen.line("Starting: Azurite (Table and Queue storage), a simulated Azure, the function app …")
    async with stage(grace=GRACE, warning=WARNING, host=host, port=port) as parts:
        screen.line(f"Function app: {parts.url}   simulated Azure: {parts.azure.url}")
        screen.line(
            f"Here the grace is {GRACE.total_seconds():g} s and the warning {WARNING.total_seconds():g} s; every "
            "second event is delivered twice, many late; a sweep of all VMs is every 5 s."
        )
        ids = settle_fleet(parts.azure)
        screen.heading("The story")
        await _act(parts, screen, STEPS, ids)
        create_new_vm(parts.azure)
        screen.step(NEW_VM, "Ada creates it: a brief Stopped on its way")
        with screen.waiting("Waiting for the end of the grace, and for Stopgap and Azure to agree …"):
            await _until_agreed(parts, screen)
            await _act(parts, screen, LATER, ids)
            wrong = await _until_agreed(parts, screen)
        screen.flagged(await parts.vms("&flagged=true"))
        screen.deallocated(await parts.vms())
        await _account(parts, screen)
        for line in wrong:
            screen.line(f"WRONG  {line}")
        if not wrong:
            screen.line(
                "What Stopgap flagged is exactly what the simulated Azure knows to be left Stopped, and it deallocated "
                "what it was asked to and nothing else."
            )
        if not once:
            screen.line(f"\nThe dashboard: {parts.url}/api/dashboard")
            screen.line(f"As JSON: {parts.url}/api/summary   {parts.url}/api/vms   {parts.url}/api/health")
            screen.line(f"What people were sent: {parts.azure.url}/_sim/webhook   Ctrl-C ends it.")
            while True:
                screen.news(await parts.vms())
                await asyncio.sleep(_TICK)
        return 1 if wrong else 0


async def _act(parts: Stage, screen: Screen, steps: Sequence[StoryStep], ids: dict[str, str]) -> None:
    for step in steps:
        screen.step(step.vm, step.says)
        step.does(parts.azure, ids[step.vm])
        until = monotonic() + step.then
        while monotonic() < until:
            screen.news(await parts.vms())
            await asyncio.sleep(min(_TICK, max(until - monotonic(), 0)))


async def _until_agreed(parts: Stage, screen: Screen) -> list[str]:
    """Show the news until Stopgap has come to rest at the truth, or has had long enough; what is still wrong."""
    settled = asyncio.create_task(parts.azure.settle())
    deadline = monotonic() + PATIENCE
    while True:
        vms = await parts.vms()
        screen.news(vms)
        flagged = {str(vm["id"]) for vm in vms if vm["flag"]}
        wrong = difference(flagged, left_stopped(parts.azure)) + misdone(parts.azure, vms)
        over = monotonic() > deadline
        if over or (settled.done() and not wrong and _at_rest(parts, vms)):
            settled.cancel()
            return wrong
        await asyncio.sleep(_TICK)


def _at_rest(parts: Stage, vms: Sequence[Vm]) -> bool:
    """Whether nothing more is to come: all seen as they are, and for longer than the grace that a wrong flag needs."""
    seen = {str(vm["id"]): vm["power_state"] for vm in vms}
    truth = {vm_id: vm.condition.power for vm_id, vm in parts.azure.vms.items()}
    last = max(vm.history[-1].at for vm in parts.azure.vms.values())
    waited = datetime.now(UTC) - last > GRACE + timedelta(seconds=4)
    told = all(vm["flag"]["notified_at"] for vm in vms if vm["flag"])
    return waited and told and all(truth[vm_id] == state for vm_id, state in seen.items())


async def _account(parts: Stage, screen: Screen) -> None:
    async with parts.http.get(f"{parts.url}/api/health") as answer:
        counts = (await answer.json())["counts"]
    looks = sum(count for operation, count in parts.azure.arm.counts().items())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    notices = ", ".join(str(event["type"]).removeprefix("Stopgap.Vm.") for event in parts.azure.topic_events)
    chat = len(parts.azure.webhook_messages)
    screen.line(
        f"\nEvents and looks: {told}. ARM requests: {looks}. Notices: {notices}. Messages to people: {chat}."
    )
