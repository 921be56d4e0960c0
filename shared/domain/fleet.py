"""A fleet as ARM's lists show it: rows of state and models, joined. Pure.

`statusOnly=true` rows have the power state and neither tags nor sizes; plain rows have those and no power state. Their
ids may differ in letter case. Source: `samples/arm-vm-list-all*.recorded.json`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import msgspec

from shared.domain.ids import VmId, parse_vm_id
from shared.domain.malformed import Malformed, shown
from shared.domain.observations import Model, Observation, read_vm
from shared.domain.policy import Policy, our_tags
from shared.domain.records import Record
from shared.domain.states import PowerState, Reading


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a list."""

    rows: list[Mapping[str, object]]
    next: str | None
    """The address of the next page; None: this was the last."""


@dataclass(frozen=True, slots=True)
class Sighted:
    """Some VMs of a fleet, as a page of it showed them."""

    seen: tuple[Observation, ...]
    unclear: tuple[VmId, ...] = ()
    """Those to be looked at singly: without a power state, or shown by one of the two lists only."""
    faults: tuple[str, ...] = ()
    """What could not be read, each in words: it is not covered."""


def read_page(body: object) -> Rows:
    """A page of a list; `Malformed` when it is none. A page that cannot be read is never an empty one."""
    rows = body.get("value") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(rows, list):
        raise Malformed(f"ARM's answer: expected a list with its `value`, got {shown(body)}")
    following = body.get("nextLink")
    if following is not None and not isinstance(following, str):
        raise Malformed(f"ARM's answer: expected `nextLink` to be a text, got {shown(following)}")
    return Rows(rows, following or None)


class Join:
    """Puts the two lists of a subscription together: first all rows of state, then the models, page by page."""

    def __init__(self) -> None:
        self._states: dict[VmId, tuple[object, datetime]] = {}
        self._seen: set[VmId] = set()

    def add_states(self, rows: list[Mapping[str, object]], asked_at: datetime) -> tuple[str, ...]:
        """Keep rows of state; what cannot be read of them, in words. Of a VM that comes twice the later row holds.

        Args:
            rows: A page of the list with `statusOnly=true`.
            asked_at: When it was asked for: what it shows is no older.
        """
        faults = list[str]()
        for row in rows:
            vm = _vm(row, faults)
            if vm:
                properties = row.get("properties")
                view = properties.get("instanceView") if isinstance(properties, Mapping) else None
                self._states[vm] = (view, asked_at)
        return tuple(faults)

    def models(self, rows: list[Mapping[str, object]]) -> Sighted:
        """What a page of models, together with the rows of state, shows."""
        seen, unclear, faults = list[Observation](), list[VmId](), list[str]()
        for row in rows:
            vm = _vm(row, faults)
            if vm is None or vm in self._seen:
                continue
            self._seen.add(vm)
            state = self._states.pop(vm, None)
            if state is None:
                unclear.append(vm)
                continue
            view, asked_at = state
            _sight(vm, _with_view(row, view), asked_at, seen, unclear, faults)
        return Sighted(tuple(seen), tuple(unclear), tuple(faults))

    def rest(self) -> tuple[VmId, ...]:
        """The VMs of which only the state was shown: made, or gone, between the two lists."""
        return tuple(self._states)


def instances(rows: list[Mapping[str, object]], asked_at: datetime) -> Sighted:
    """What a page of a Uniform set's instances shows: model and instance view come together.

    Args:
        rows: The page, asked for with `$expand=instanceView`.
        asked_at: When it was asked for.
    """
    seen, unclear, faults = list[Observation](), list[VmId](), list[str]()
    for row in rows:
        vm = _vm(row, faults)
        if vm:
            _sight(vm, row, asked_at, seen, unclear, faults)
    return Sighted(tuple(seen), tuple(unclear), tuple(faults))


def _sight(
    vm: VmId,
    row: Mapping[str, object],
    asked_at: datetime,
    seen: list[Observation],
    unclear: list[VmId],
    faults: list[str],
) -> None:
    """Read one VM into what it is: seen, or to be looked at singly."""
    try:
        sighted = read_vm(vm, row, asked_at)
    except Malformed as fault:
        faults.append(f"{vm}: {fault}")
        unclear.append(vm)
        return
    if sighted.reading.power_state is PowerState.UNKNOWN:
        unclear.append(vm)
    else:
        seen.append(sighted)


def fingerprint(reading: Reading, model: Model, tags: Mapping[str, str]) -> str:
    """Of all that a look says of a VM: the same for two looks that say the same."""
    said = msgspec.json.encode((reading, model, sorted(our_tags(tags).items())))
    return blake2b(said, digest_size=12).hexdigest()


def fingerprint_of(record: Record) -> str:
    """Of the look that a record is from."""
    return fingerprint(record.reading, record.model, record.tags)


def fingerprint_of_policy(policy: Policy) -> str:
    """Of all that the operator wants of VMs."""
    return blake2b(msgspec.json.encode(policy), digest_size=12).hexdigest()


def _with_view(row: Mapping[str, object], view: object) -> dict[str, object]:
    properties = row.get("properties")
    return {
        **row,
        "properties": {**properties, "instanceView": view} if isinstance(properties, Mapping) else properties,
    }


def _vm(row: object, faults: list[str]) -> VmId | None:
    """The VM that a row is about; None, with its fault told, when it names none."""
    found = row.get("id") if isinstance(row, Mapping) else row
    try:
        vm = parse_vm_id(found)
    except Malformed as fault:
        faults.append(f"a row of the list: {fault}")
        return None
    if vm is None:
        faults.append(f"a row of the list: expected the id of a VM, got {shown(found)}")
    return vm


def uniform_sets(rows: list[Mapping[str, object]]) -> Iterator[tuple[str, str]]:
    """Resource group and name of each Uniform scale set of a page: the instances of Flexible ones are in the lists."""
    for row in rows:
        match str(row.get("id", "")).split("/"):
            case ["", _, _, _, group, *_, name]:
                properties = row.get("properties")
                mode = properties.get("orchestrationMode") if isinstance(properties, Mapping) else None
                if mode != "Flexible":
                    yield group, name
