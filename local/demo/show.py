"""What the demo prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

type Vm = Mapping[str, Any]

_COLOURS = {"running": "green", "stopped": "red", "deallocated": "cyan"}
_DONE = {"succeeded", "failed", "canceled"}


@dataclass(frozen=True, slots=True)
class _Known:
    """What was last told of a VM."""

    state: str
    flagged: bool
    notified: bool
    plan: str
    """When it will be deallocated; empty if it will not."""
    stage: str
    """How far its deallocation has got; empty if there is none."""


class Screen:
    """The terminal. Plain text when it is none."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known: dict[str, _Known] = {}

    def heading(self, text: str) -> None:
        """A new part of the story."""
        self._console.print()
        self._console.rule(text, align="left", style="dim")

    def line(self, text: str) -> None:
        """A remark."""
        self._console.print(text, markup=False, highlight=False)

    def waiting(self, text: str) -> Status:
        """While entered, what is waited for; only a terminal shows it."""
        return self._console.status(text)

    def step(self, vm: str, says: str) -> None:
        """Somebody does something."""
        self._told("Azure  ", "dim", vm, Text(says))

    def news(self, vms: Sequence[Vm]) -> None:
        """What Stopgap's records say now that they did not say before."""
        for vm in vms:
            now = _Known(vm["power_state"], vm["flag"] is not None, _notified(vm), _plan(vm), _stage(vm))
            before = self._known.get(vm["id"])
            if now == before:
                continue
            self._known[vm["id"]] = now
            self._told("Stopgap", "bold", vm["name"], _sentence(vm, before))

    def flagged(self, vms: Sequence[Vm]) -> None:
        """The table at the end."""
        table = Table(title=f"{len(vms)} VMs left Stopped, still billed", title_justify="left", expand=True)
        for column in ("VM", "resource group", "size", "a month", "since (UTC)", "reason"):
            table.add_column(
                column,
                no_wrap=column in {"VM", "a month"},
                justify="right" if column == "a month" else "left",
                ratio=3 if column == "reason" else None,
            )
        for vm in sorted(vms, key=lambda vm: (-_most(vm), str(vm["name"]))):
            table.add_row(
                Text(vm["name"]),
                Text(vm["resource_group"]),
                Text(vm["size"] or "unknown"),
                Text(_amount(_monthly(vm))),
                Text(
                    _moment(vm["since"]) if vm["since_source"] != "observed" else f"≥ {_moment(vm['since'])}"
                ),
                Text(vm["reason"]),
            )
        self._console.print()
        self._console.print(table if vms else "No VM is left Stopped.")
        if vms:
            self.line(total(vms))

    def deallocated(self, vms: Sequence[Vm]) -> None:
        """What Stopgap deallocated, and what it was kept from."""
        saved = [vm for vm in vms if vm["exemption"] and vm["power_state"] == "stopped"]
        for title, found in (("Deallocated", [vm for vm in vms if _stage(vm)]), ("Exempt", saved)):
            self._console.print()
            for vm in found:
                self._console.print(Text.assemble((f"{title}: {vm['name']}  ", "bold"), vm["reason"]))

    def _told(self, who: str, style: str, vm: str, what: Text) -> None:
        line = Text.assemble(
            (f"{datetime.now(UTC):%H:%M:%S}  ", "dim"), (f"{who}  ", style), f"{vm:<10} ", what
        )
        self._console.print(line, soft_wrap=True)


def total(vms: Sequence[Vm]) -> str:
    """What VMs left Stopped cost together in a month."""
    costs = [vm["cost"] for vm in vms if vm["cost"] and None not in vm["cost"]["monthly"].values()]
    unknown = f" (and {len(vms) - len(costs)} whose cost is not known)" if len(costs) < len(vms) else ""
    if not costs:
        return "What they cost is not known."
    together = {bound: sum(cost["monthly"][bound] for cost in costs) for bound in ("lower", "upper")}
    currency = costs[0]["currency"]
    return f"Left as they are, they cost {_amount(together)} {currency} a month by list prices{unknown}."


def _monthly(vm: Vm) -> Mapping[str, float | None]:
    return vm["cost"]["monthly"] if vm["cost"] else {}


def _most(vm: Vm) -> float:
    """The most that a VM may cost in a month; 0 where that is not known."""
    return max((bound for bound in _monthly(vm).values() if bound is not None), default=0.0)


def _amount(bounds: Mapping[str, float | None]) -> str:
    lower, upper = bounds.get("lower"), bounds.get("upper")
    if lower is None or upper is None:
        return f"≥ {lower:,.2f}" if lower else f"≤ {upper:,.2f}" if upper else "not known"
    return f"{lower:,.2f}" if lower == upper else f"{lower:,.2f} – {upper:,.2f}"


def _sentence(vm: Vm, before: _Known | None) -> Text:
    state, stage = str(vm["power_state"]), _stage(vm)
    if stage and stage != (before.stage if before else None):
        return Text(*_STAGES.get(stage, (f"deallocation {stage}", "bold red")))
    if vm["flag"] and state != "stopped":
        return Text(f"{state} (still flagged)", "yellow")
    if vm["flag"]:
        notified = ", notice sent" if _notified(vm) else ""
        planned = f"; WARNED: deallocated after {_moment(_plan(vm))}" if _plan(vm) else ""
        return Text(f"FLAGGED: left Stopped, still billed{notified}{planned}", "bold red")
    cleared = " (flag cleared)" if before and before.flagged else ""
    busy = ", an operation in progress" if vm["provisioning_state"] not in _DONE and state in _COLOURS else ""
    exempt = ", exempt" if vm["exemption"] and state == "stopped" else ""
    billed = {True: "billed", False: "not billed", None: "billing unknown"}[vm["billed"]]
    return Text(f"{state}, {billed}{busy}{exempt}{cleared}", _COLOURS.get(state, "yellow"))


_STAGES = {
    "asked": ("the warning is over: to be deallocated", "bold"),
    "begun": ("looking once more before it is deallocated", "bold"),
    "accepted": ("DEALLOCATING: Azure took it; not confirmed yet", "bold"),
    "confirmed": ("DEALLOCATED, and seen to be: no longer billed", "bold green"),
}


def _plan(vm: Vm) -> str:
    return (vm["flag"] or {}).get("deallocate_after") or ""


def _stage(vm: Vm) -> str:
    return (vm["deallocation"] or {}).get("stage") or ""


def _notified(vm: Vm) -> bool:
    return bool(vm["flag"] and vm["flag"]["notified_at"])


def _moment(at: str) -> str:
    return f"{datetime.fromisoformat(at):%H:%M:%S}"
