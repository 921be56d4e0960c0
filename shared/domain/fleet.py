"""A fleet as ARM's lists show it: rows of state and models, joined. Pure.

`statusOnly=true` rows have the power state and neither tags nor sizes; plain rows have those and no power state. Their
ids may differ in letter case. Source: `samples/arm-vm-list-all*.recorded.json`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypedDict

import msgspec
from msgspec import Struct

from shared.domain.ids import ScaleSetId, VmId, parse_scale_set_id, parse_vm_id
from shared.domain.malformed import Malformed, shown
from shared.domain.observations import Model, Observation, VmJson, read_vm
from shared.domain.policy import Policy, our_tags
from shared.domain.records import Record
from shared.domain.states import PowerState, Reading


class Rows(Struct, frozen=True):
    """One page of a list."""

    rows: list[Mapping[str, object]]
    next: str | None
    """The address of the next page; None: this was the last."""


class Sighted(Struct, frozen=True):
    """Some VMs of a fleet, as a page of it showed them."""

    seen: tuple[Observation, ...]
    unclear: tuple[VmId, ...] = ()
    """Those to be looked at singly: without a power state, in one of the two lists only, or another VM in each."""
    faults: tuple[str, ...] = ()
    """What could not be read, each in words: it is not covered."""


class Sets(Struct, frozen=True):
    """What a page of scale sets shows."""

    uniform: tuple[ScaleSetId, ...]
    """The Uniform ones: the instances of Flexible ones are in the lists of VMs."""
    faults: tuple[str, ...] = ()
    """What could not be read, each in words."""


class VmsJson(TypedDict, total=False):
    """What is read of a page of VMs: see `VmJson`."""

    value: list[VmJson]
    nextLink: Any


def read_page(body: object) -> Rows:
    """A page of a list; `Malformed` when it is none. A page that cannot be read is never an empty one."""
    rows = body.get("value") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(rows, list):
        raise Malformed(f"ARM's answer: expected a list with its `value`, got {shown(body)}")
    following = body.get("nextLink")
    if following is not None and not isinstance(following, str):
        raise Malformed(f"ARM's answer: expected `nextLink` to be a text, got {shown(following)}")
    return Rows(rows, following or None)


class Join:
    """Puts the lists of a subscription together: all rows of state, then the models, then each set's instances."""

    def __init__(self, subscription: str) -> None:
        self._subscription = subscription
        self._states: dict[VmId, tuple[object, str | None, datetime]] = {}
        self._seen: set[VmId] = set()
        self._sets: set[ScaleSetId] = set()
        self._ids: dict[str, VmId] = {}
        """As the lists spell them."""

    def add_states(self, rows: list[Mapping[str, object]], asked_at: datetime) -> tuple[str, ...]:
        """Keep rows of state; what cannot be read of them, in words. Of a VM that comes twice the later row holds.

        Args:
            rows: A page of the list with `statusOnly=true`.
            asked_at: When it was asked for: what it shows is no older.
        """
        faults = list[str]()
        for row in rows:
            vm = self._vm(row, faults)
            if vm:
                properties = row.get("properties")
                view = properties.get("instanceView") if isinstance(properties, dict) else None
                self._states[vm] = (view, _uid(properties), asked_at)
        return tuple(faults)

    def models(self, rows: list[Mapping[str, object]]) -> Sighted:
        """What a page of models, together with the rows of state, shows. Of a VM that comes twice the first holds.

        Rows that tell different ids of Azure's are of two VMs: one was deleted between the lists, the other made under
        its name. The state of the one says nothing of the other.
        """
        seen, unclear, faults = list[Observation](), list[VmId](), list[str]()
        for row in rows:
            vm = self._new(row, faults)
            if vm is None:
                continue
            state = self._states.pop(vm, None)
            if state is None:
                unclear.append(vm)
                continue
            view, uid, asked_at = state
            now_uid = _uid(row.get("properties"))
            if uid != now_uid and uid and now_uid and uid.lower() != now_uid.lower():
                unclear.append(vm)
                continue
            _sight(vm, row, asked_at, seen, unclear, faults, view=view)
        return Sighted(tuple(seen), tuple(unclear), tuple(faults))

    def rest(self) -> tuple[VmId, ...]:
        """The VMs of which only the state was shown: made, or gone, between the two lists."""
        return tuple(self._states)

    def sets(self, rows: list[Mapping[str, object]]) -> Sets:
        """What a page of scale sets shows, each set once. One that tells no mode is Uniform, as all once were."""
        uniform, faults = list[ScaleSetId](), list[str]()
        for row in rows:
            found = self._named(row, "a scale set", parse_scale_set_id, faults)
            properties = row.get("properties") if found else None
            mode = properties.get("orchestrationMode") if isinstance(properties, dict) else None
            if found is None or found in self._sets or str(mode).lower() == "flexible":
                continue
            self._sets.add(found)
            uniform.append(found)
        return Sets(tuple(uniform), tuple(faults))

    def instances(self, rows: list[Mapping[str, object]], asked_at: datetime) -> Sighted:
        """What a page of a Uniform set's instances shows: model and instance view come together.

        Args:
            rows: The page, asked for with `$expand=instanceView`.
            asked_at: When it was asked for.
        """
        seen, unclear, faults = list[Observation](), list[VmId](), list[str]()
        for row in rows:
            vm = self._new(row, faults)
            if vm:
                _sight(vm, row, asked_at, seen, unclear, faults)
        return Sighted(tuple(seen), tuple(unclear), tuple(faults))

    def _new(self, row: object, faults: list[str]) -> VmId | None:
        """The VM that a row is about, if none before was about it."""
        vm = self._vm(row, faults)
        count = len(self._seen)
        if vm:
            self._seen.add(vm)
        return vm if len(self._seen) > count else None

    def _vm(self, row: object, faults: list[str]) -> VmId | None:
        text = row.get("id") if isinstance(row, dict) else None
        if not isinstance(text, str):
            return self._named(row, "a VM", parse_vm_id, faults)
        # Each VM is in both lists, and mostly in the same letters.
        vm = self._ids.get(text) or self._named(row, "a VM", parse_vm_id, faults)
        if vm:
            self._ids[text] = vm
        return vm

    def _named[Named: (VmId, ScaleSetId)](
        self, row: object, what: str, parse: Callable[[object], Named | None], faults: list[str]
    ) -> Named | None:
        """What a row is about; None, with its fault told, when it names none of this subscription."""
        found = row.get("id") if isinstance(row, dict) else row
        try:
            named = parse(found)
        except Malformed as fault:
            faults.append(f"a row of the list: {fault}")
            return None
        if named is None or named.subscription != self._subscription:
            faults.append(
                f"a row of the list: expected the id of {what} of {self._subscription}, got {shown(found)}"
            )
            return None
        return named


def _sight(
    vm: VmId,
    row: Mapping[str, object],
    asked_at: datetime,
    seen: list[Observation],
    unclear: list[VmId],
    faults: list[str],
    view: object = None,
) -> None:
    """Read one VM into what it is: seen, or to be looked at singly."""
    try:
        sighted = read_vm(vm, row, asked_at, view=view)
    except Malformed as fault:
        faults.append(f"{vm}: {fault}")
        unclear.append(vm)
        return
    if sighted.reading.power_state is PowerState.UNKNOWN:
        unclear.append(vm)
    else:
        seen.append(sighted)


WRITTEN = 2
"""Raised by one when records have to be written anew, once, by the next sweep: since 2, Stopped ones are in lists."""


def fingerprint(reading: Reading, model: Model, tags: Mapping[str, str]) -> str:
    """Of all that a look says of a VM: the same for two looks that say the same."""
    said = msgspec.json.encode((WRITTEN, reading, model, sorted(our_tags(tags).items())))
    return blake2b(said, digest_size=12).hexdigest()


def fingerprint_of(record: Record) -> str:
    """Of the look that a record is from."""
    return fingerprint(record.reading, record.model, record.tags)


def fingerprint_of_policy(policy: Policy) -> str:
    """Of all that the operator wants of VMs."""
    return blake2b(msgspec.json.encode(policy), digest_size=12).hexdigest()


def _uid(properties: object) -> str | None:
    """Azure's own id of the VM that a row is of, in any letter case; None where the row tells none."""
    uid = properties.get("vmId") if isinstance(properties, dict) else None
    return uid if isinstance(uid, str) else None
