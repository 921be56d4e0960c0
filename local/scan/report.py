"""What a scan came to, for people, programs and spreadsheets."""

import json
import shlex
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from local.scan.scanned import Scanned
from shared.domain.ids import VmId
from shared.domain.money import Sum, sum_view
from shared.domain.records import Record
from shared.domain.views import time_view, vm_view
from shared.web import rows, sheet
from shared.web.coverage import BASIS
from shared.web.plain import UNFIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


WIDE = 130
"""From how many characters on a terminal holds a VM in a line."""

_WIDE = ("VM", "Resource group", "Subscription", "Size", "Region", "OS", "A month", "Exempt")
_NARROW = ("VM", "Size", "A month", "Exempt")


def for_people(scanned: Scanned, width: int) -> list[Table | Text]:
    """The table, totals, what could not be looked at, and what to do.

    Args:
        scanned: What it came to.
        width: Of the terminal, in characters.
    """
    stopped = scanned.stopped
    parts = list[Table | Text]()
    if stopped:
        parts.append(_table(scanned, width))
    exempt = [record for record in stopped if record.exemption]
    found = _count(len(stopped), "VM is", "VMs are")
    where = _count(sum(each.readable for each in scanned.looked), "subscription", "subscriptions")
    lines = [f"{found} Stopped and still billed, of {scanned.vms:,} that were seen in {where}."]
    if stopped:
        lines.append(f"Left as they are, they cost {_amount(scanned.monthly(stopped))} by {BASIS}.")
        if exempt:
            some = _count(len(exempt), "of them is", "of them are")
            lines.append(f"{some} exempt by a tag: {_amount(scanned.monthly(exempt))}.")
    if scanned.failed:
        names = ", ".join(fit(str(record.vm)) for record in scanned.failed[:10])
        lines.append(f"{len(scanned.failed)} running with their OS provisioning failed, and billed: {names}")
    parts.append(Text("\n".join(["", *lines])))
    missing = not_looked_at(scanned)
    if missing:
        parts.append(Text(f"\n{missing}", style="yellow"))
    if stopped:
        parts.append(Text(_next(stopped)))
    return parts


def not_looked_at(scanned: Scanned) -> str:
    """What could not be looked at, a line each under a heading; empty when nothing was left out."""
    told = [f"{fit(each.name)}: {fit(fault)}" for each in scanned.looked for fault in each.faults]
    told += [f"{subscription}: left out, {fit(why)}" for subscription, why in scanned.left_out.items()]
    return "\n  ".join(["Not looked at:", *told]) if told else ""


def for_programs(scanned: Scanned) -> str:
    """The same as one JSON object; docs/scan.md has its shape."""
    stopped = scanned.stopped
    return json.dumps(
        {
            "at": time_view(scanned.at),
            "currency": scanned.currency,
            "basis": BASIS,
            "seen": scanned.vms,
            "monthly": sum_view(scanned.monthly(stopped)),
            "vms": [_view(scanned, record) for record in stopped],
            "failed_provisioning": [_view(scanned, record) for record in scanned.failed],
            "subscriptions": [
                {
                    "subscription": each.subscription,
                    "name": each.name,
                    "seen": each.vms,
                    "stopped": len(each.stopped),
                    "faults": each.faults,
                }
                for each in scanned.looked
            ],
            "left_out": dict(scanned.left_out),
        },
        indent=2,  # in ASCII alone: as UTF-8, names could steer the terminal it is printed to
    )


def for_spreadsheets(scanned: Scanned) -> str:
    """The VMs that are Stopped, a line each."""

    def bound(record: Record, name: str) -> float | None:
        cost = scanned.costs.get(record.vm)
        amount: float | None = getattr(cost.monthly, name) if cost else None
        return None if amount is None else round(amount, 2)

    columns: Mapping[str, Callable[[Record], sheet.Cell]] = {
        "subscription": lambda record: record.vm.subscription,
        "resource_group": lambda record: record.vm.resource_group,
        "name": lambda record: record.vm.name,
        "location": lambda record: record.model.location,
        "size": lambda record: record.model.size,
        "os_type": lambda record: record.model.os_type,
        "exempt": lambda record: record.exemption is not None,
        "exempt_until": lambda record: record.exemption.until if record.exemption else None,
        "exempt_reason": lambda record: record.exemption.reason if record.exemption else None,
        "currency": lambda _: scanned.currency,
        "monthly_lower": lambda record: bound(record, "lower"),
        "monthly_upper": lambda record: bound(record, "upper"),
    }
    return sheet.to_csv(columns, scanned.stopped)


def _next(stopped: "Sequence[Record]") -> str:
    """What to do about them. What an owner's tag exempts is not proposed."""
    lines = ["", "A scan sees what is so now, not since when."]
    first = next((record for record in stopped if not record.exemption), None)
    if first:
        lines[-1] += " To end the charges of one (what is on its temporary disk is lost):"
        lines.append(f"  {_deallocation(first.vm)}")
    lines.append(
        "To be told within seconds, by whom and since when, and to have it done for you, deploy Stopgap."
    )
    return "\n".join(lines)


def _deallocation(vm: VmId) -> str:
    """The command for a shell: resource groups may have parentheses."""
    if vm.instance is None:
        return f"az vm deallocate --ids {shlex.quote(str(vm))}"
    scale_set, instance_id = vm.instance
    # Given an instance's id, `az vm` would take the scale set's name for a VM's.
    return (
        f"az vmss deallocate --subscription {vm.subscription} --resource-group {shlex.quote(vm.resource_group)} "
        f"--name {shlex.quote(scale_set)} --instance-ids {shlex.quote(instance_id)}"
    )


def _table(scanned: Scanned, width: int) -> Table:
    """A line for each VM; in a terminal that is too narrow for that, two or three."""
    names = {each.subscription: each.name for each in scanned.looked} if len(scanned.looked) > 1 else {}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    wide = width >= WIDE
    for heading in _WIDE if wide else _NARROW:
        if names or heading != "Subscription":
            table.add_column(heading, overflow="fold", no_wrap=heading == "A month")
    for record in scanned.stopped:
        model = record.model
        whose = [record.vm.name, record.vm.resource_group, *filter(None, [names.get(record.vm.subscription)])]
        what = [
            model.size or "size unknown",
            model.location or "region unknown",
            model.os_type or "OS unknown",
        ]
        monthly = rows.costs_of(scanned.costs.get(record.vm)).get("monthly") or "unknown"
        cells = [*whose, *what] if wide else ["\n".join(whose), f"{what[0]}\n{what[1]}, {what[2]}"]
        table.add_row(*(Text(each) for each in [*map(_lines_fit, cells), monthly, _exempt(record)]))
    return table


def _exempt(record: Record) -> str:
    exemption = record.exemption
    if exemption is None:
        return ""
    until = f"until {exemption.until:%Y-%m-%d}: " if exemption.until else ""
    reason = fit(exemption.reason)
    return until + (reason if len(reason) <= 60 else f"{reason[:59]}…")


def _view(scanned: Scanned, record: Record) -> dict[str, object]:
    return vm_view(record, scanned.costs.get(record.vm))


def _amount(added: Sum) -> str:
    text = rows.of_sum(added, 2)
    if text is None:
        return "an unknown amount a month"
    left = f" (and {added.unpriced:.0f} whose price is not known)" if added.unpriced else ""
    return f"{text} a month{left}"


def _count(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


def _lines_fit(text: str) -> str:
    """The same for a text of several lines of ours."""
    return "\n".join(map(fit, text.split("\n")))


def fit(text: str) -> str:
    """Without what would steer a terminal: some of it was written by others."""
    return UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
