"""The records: is everything that Stopgap wanted to tell told, and everything that it wanted to do done?"""

from collections.abc import Sequence
from copy import replace

from local.doctor.findings import Finding, failed, not_checked, ok, warning
from local.doctor.installation import Installation
from local.doctor.storage import has_table, unreadable
from shared.domain.actions import Stage
from shared.domain.records import Record
from shared.ports import Damaged, Ledger, PortError, Query

PAGES, PAGE = 10, 1000
"""How many of the records are read at most, so many at a time."""

NAMED = 3
"""How many VMs are named in a line."""

WENT_WRONG = (Stage.FAILED, Stage.UNCONFIRMED, Stage.OVERTAKEN)


async def look(installation: Installation) -> list[Finding]:
    """The flagged VMs, and those with notices that were given up."""
    try:
        if not await has_table(installation):
            return [not_checked("there is no ledger yet")]
        ledger = installation.ledger
        flagged, more = await _records(ledger, Query(installation.subscriptions, flagged=True, limit=PAGE))
        parked, _ = await _records(ledger, Query(installation.subscriptions, parked=True, limit=PAGE))
    except Damaged as fault:
        return [failed(fault, "put the row right or delete it: at its next signal the VM is recorded anew")]
    except PortError as fault:
        return [unreadable(fault, installation.settings.storage, "Table")]
    count = f"{'at least ' if more else ''}{len(flagged)}"
    return [
        ok(f"{count} flagged"),
        *_troubles(flagged, installation.address),
        *([_untold(parked, installation.address)] if parked else []),
    ]


async def _records(ledger: Ledger, query: Query) -> tuple[list[Record], bool]:
    """What a query finds, and whether there is more than was read."""
    found, after = list[Record](), None
    for _ in range(PAGES):
        page = await ledger.page(replace(query, after=after))
        found += page.records
        after = page.next
        if after is None:
            return found, False
    return found, True


def _troubles(flagged: Sequence[Record], address: str) -> list[Finding]:
    """The deallocations of flagged VMs that came to no good end, by what became of them."""
    found = list[Finding]()
    for stage in WENT_WRONG:
        records = [record for record in flagged if record.closing and record.closing.stage is stage]
        if records:
            found.append(
                warning(
                    f"deallocation {stage} of {_names(records)}",
                    f"see why, in `deallocation`: curl '{_url(records[0], address)}?code=<key>'",
                )
            )
    return found


def _untold(parked: Sequence[Record], address: str) -> Finding:
    return warning(
        f"notices given up of {_names(parked)}",
        f"once they can be sent, ask for a look: curl -X POST '{_url(parked[0], address)}/look?code=<key>'",
    )


def _names(records: Sequence[Record]) -> str:
    names = ", ".join(f"{record.vm.resource_group}/{record.vm.name}" for record in records[:NAMED])
    return f"{names} and {len(records) - NAMED} more" if len(records) > NAMED else names


def _url(record: Record, address: str) -> str:
    vm = record.vm
    return f"{address}/api/vms/{vm.subscription}/{vm.resource_group}/{vm.name}"
