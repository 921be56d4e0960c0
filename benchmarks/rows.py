"""What the app has written, to be written again by the floor: the same work without the thought."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.floor import Floor, Row, Write
from local.azure.settings import DEFAULT_SUBSCRIPTION
from shared.domain.ids import parse_vm_id
from shared.messages import write_look
from shared.ports import Look

MOST_OPERATIONS = 100
"""Of one transaction."""

_TIMES = ("observed_at", "due_at")
"""The columns that are times, which is to be said."""

type Name = tuple[str, str]
"""Resource group and name of a VM, lower-case."""


def name_of(vm_id: str) -> Name:
    """Of a VM's id, in any letter case."""
    parts = vm_id.lower().split("/")
    return parts[4], parts[-1]


def key_of(name: Name) -> str:
    """The row key of a VM's record."""
    return "!".join(("vm", *name))


async def written(floor: Floor, since: datetime | None) -> dict[Name, list[Row]]:
    """The rows of VMs that were written since then (None: ever), the record first, as it has the condition."""
    found = defaultdict[Name, list[Row]](list)
    for row in await floor.rows(DEFAULT_SUBSCRIPTION, of="", to="~", since=since):
        kind, group, name, *_ = row["RowKey"].split("!")
        rows = found[group, name]
        rows.insert(0 if kind == "vm" else len(rows), again(row))
    return found


def again(row: Row) -> Row:
    """A row as it is to be written again, from one that was read."""
    times = {f"{column}@odata.type": "Edm.DateTime" for column in _TIMES if column in row}
    told = {name: value for name, value in row.items() if name != "Timestamp"}
    return {**told, **times, "body": json.loads(row["body"])}


def writes(rows: Sequence[Row], etag: str | None) -> list[Write]:
    """The transaction of one VM; without an ETag, of one that was not there before."""
    first, *more = rows
    condition = Write(first, "PUT", etag) if etag else Write(first, "POST")
    return [condition, *(Write(row, "PUT") for row in more)]


def batches(rows: dict[Name, list[Row]]) -> Iterator[dict[Name, list[Row]]]:
    """As many VMs at a time as one transaction can take."""
    some = dict[Name, list[Row]]()
    for name, each in rows.items():
        if sum(map(len, some.values())) + len(each) > MOST_OPERATIONS:
            yield some
            some = {}
        some[name] = each
    if some:
        yield some


def look_at(vm_id: str) -> str:
    """The message that asks for a look at a VM."""
    vm = parse_vm_id(vm_id)
    if vm is None:
        raise ValueError(f"{vm_id} is no VM")
    return write_look(Look(vm, datetime.now(UTC)))


def is_stopped(rows: Sequence[Any]) -> bool:
    """Whether a VM was found Stopped: then a look at the end of its grace is asked for."""
    return bool(rows[0]["power_state"] == "stopped")
