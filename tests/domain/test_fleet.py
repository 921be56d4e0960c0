"""The lists of a fleet, joined; and the fingerprint of what they show of a VM."""

from collections.abc import Mapping
from copy import replace
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import batched
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from shared.domain.decision import decide
from shared.domain.fleet import Join, Sighted, fingerprint, fingerprint_of, read_page
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.observations import Model, Observation, read_vm
from shared.domain.policy import Policy, our_tags
from shared.domain.states import PowerState, Reading
from tests.contracts.fleet import new_vm, record
from tests.domain.life import NOON, VM, minutes
from tests.domain.test_decision_properties import TAGS, policies, readings
from tests.domain.test_states import json_values

SUB = VM.subscription
GROUP = f"/subscriptions/{SUB}/resourceGroups/RG-Shop/providers/Microsoft.Compute"
HOST_GROUP = {"id": f"{GROUP}/hostGroups/g"}
SET = {"id": f"{GROUP}/virtualMachineScaleSets/Meadow"}

type Json = dict[str, Any]


@dataclass(frozen=True)
class Listed:
    """A VM as Azure may list it."""

    number: int
    power: str | None
    """None: no row of state."""
    modelled: bool
    """Whether there is a row of its model."""

    @property
    def vm(self) -> VmId:
        return VmId.of(SUB, "rg-shop", f"web-{self.number}")


def cased(text: str, pattern: int) -> str:
    """A text in a letter case of its own."""
    return "".join(
        letter.upper() if pattern >> (place % 16) & 1 else letter.lower() for place, letter in enumerate(text)
    )


fleets = st.lists(
    st.builds(
        Listed,
        st.integers(0, 30),
        st.sampled_from([None, "running", "stopped", "deallocated", "stopped", "levitating", ""]),
        st.sampled_from([True, True, True, False]),
    ),
    unique_by=lambda listed: listed.number,
    max_size=12,
)


def rows(data: st.DataObject, vms: list[Listed], more: Mapping[int, Json]) -> list[Json]:
    """A row of each, and of some a second one, in any order, with ids in any letter case."""
    twice = data.draw(st.lists(st.sampled_from(vms), max_size=4)) if vms else []
    found = list[Json]()
    for each in data.draw(st.permutations([*vms, *twice])):
        vm_id = cased(f"{GROUP}/virtualMachines/web-{each.number}", data.draw(st.integers(0, 2**16 - 1)))
        found.append({"id": vm_id, **more[each.number]})
    return found


def view(power: str | None) -> Json:
    codes = ["ProvisioningState/succeeded", *([f"PowerState/{power}"] if power else [])]
    return {"properties": {"instanceView": {"statuses": [{"code": code} for code in codes]}}}


def joined(states: list[Json], models: list[Json], size: int = 100) -> Sighted:
    """All that a sight shows of two lists, in pages."""
    join, seen, unclear, faults = Join(SUB), list[Observation](), list[VmId](), list[str]()
    for number, some in enumerate(batched(states, size, strict=False)):
        faults += join.add_states(list(some), minutes(number))
    for some in batched(models, size, strict=False):
        sighted = join.models(list(some))
        seen += sighted.seen
        unclear += sighted.unclear
        faults += sighted.faults
    return Sighted(tuple(seen), (*unclear, *join.rest()), tuple(faults))


class TestJoin:
    @given(fleets, st.integers(1, 5), st.data())
    def test_any_order_any_repetition_any_letter_case(
        self, fleet: list[Listed], size: int, data: st.DataObject
    ) -> None:
        with_state = [each for each in fleet if each.power is not None]
        modelled = [each for each in fleet if each.modelled]
        states = rows(data, with_state, {each.number: view(each.power) for each in fleet})
        uids = {each.number: {"properties": {"vmId": f"uid-{each.number}"}} for each in fleet}

        found = joined(states, rows(data, modelled, uids), size)

        clear = {"running", "stopped", "deallocated"}
        expected = {each.vm: each for each in fleet if each.power in clear and each.modelled}
        assert {seen.vm: seen.reading.power_state for seen in found.seen} == {
            vm: PowerState(str(each.power)) for vm, each in expected.items()
        }
        assert {seen.vm: seen.model.uid for seen in found.seen} == {
            vm: f"uid-{each.number}" for vm, each in expected.items()
        }
        others = {
            each.vm for each in fleet if each.vm not in expected and (each.modelled or each.power is not None)
        }
        assert sorted([*found.unclear, *(seen.vm for seen in found.seen)]) == sorted([*others, *expected])
        assert found.faults == ()

    @given(st.permutations(range(4)), st.integers(1, 4))
    def test_of_rows_of_state_the_later_holds_and_with_it_when_it_was_asked_for(
        self, order: list[int], size: int
    ) -> None:
        powers = ["running", "stopped", "deallocated", "stopped"]
        vm_id = f"{GROUP}/virtualMachines/web-1"
        states = [{"id": vm_id, **view(powers[place])} for place in order]

        [seen] = joined(states, [{"id": vm_id, "properties": {}}], size).seen

        assert seen.reading.power_state == PowerState(powers[order[-1]])
        assert seen.observed_at == minutes(3 // size)

    @pytest.mark.parametrize(
        ("in_states", "in_models", "one"),
        [
            ("uid-1", "uid-1", True),
            ("UID-1", "uid-1", True),
            ("uid-1", "uid-2", False),
            (None, "uid-2", True),
            ("uid-1", None, True),
            (None, None, True),
            ("", "uid-2", True),
            (7, "uid-2", True),
        ],
    )
    def test_a_vm_made_again_under_its_name_between_the_lists_is_to_be_looked_at_singly(
        self, in_states: object, in_models: object, *, one: bool
    ) -> None:
        vm_id, other = (f"{GROUP}/virtualMachines/web-{number}" for number in (1, 2))
        state = view("stopped")
        if in_states is not None:
            state["properties"]["vmId"] = in_states
        model: Json = {"properties": {} if in_models is None else {"vmId": in_models}}

        found = joined([{"id": vm_id, **state}, {"id": other, **view("running")}], [{"id": vm_id, **model}])

        vm = VmId.of(SUB, "rg-shop", "web-1")
        assert [seen.vm for seen in found.seen] == ([vm] if one else [])
        assert found.unclear == (() if one else (vm,)) + (VmId.of(SUB, "rg-shop", "web-2"),)
        assert found.faults == (), "it is not a fault"

    @given(st.lists(json_values, max_size=4), st.lists(json_values, max_size=4), json_values)
    def test_any_json_is_read_or_told(self, states: list[Any], models: list[Any], value: object) -> None:
        vm_id = f"{GROUP}/virtualMachines/web-1"
        good = {"id": vm_id, **view("stopped")}
        odd = {"id": vm_id.replace("web-1", "web-2"), "properties": {"instanceView": value}, "tags": value}

        found = joined([*states, good, odd], [*models, good, odd], 3)
        join = Join(SUB)
        sets = join.sets([*states, {"id": f"{GROUP}/virtualMachineScaleSets/farm", "properties": value}])
        instances = join.instances([*models, odd], NOON)

        assert VmId.of(SUB, "rg-shop", "web-1") in {seen.vm for seen in found.seen}
        told = (*found.faults, *sets.faults, *instances.faults)
        assert all(fault and "\n" not in fault for fault in told)
        assert len(sets.faults) == len(states)

    @given(json_values)
    def test_any_json_is_a_page_or_malformed(self, value: object) -> None:
        for body in (value, {"value": value}, {"value": [], "nextLink": value}):
            try:
                page = read_page(body)
            except Malformed as fault:
                assert "\n" not in str(fault)
            else:
                assert isinstance(page.rows, list)
                assert page.next is None or page.next


MODELS: dict[str, tuple[Json, Json]] = {
    "uid": ({"properties": {"vmId": "uid-2"}}, {}),
    "location": ({"location": "northeurope"}, {}),
    "size": ({"properties": {"hardwareProfile": {"vmSize": "Standard_B1s"}}}, {}),
    "os_type": ({"properties": {"storageProfile": {"osDisk": {"osType": "Windows"}}}}, {}),
    "priority": ({"properties": {"priority": "Spot"}}, {}),
    "scale_set": ({"properties": {"virtualMachineScaleSet": SET}}, {}),
    "license_type": ({"properties": {"licenseType": "Windows_Server"}}, {}),
    "ephemeral_os_disk": (
        {"properties": {"storageProfile": {"osDisk": {"diffDiskSettings": {"option": "Local"}}}}},
        {},
    ),
    # Where Azure places it by itself, the view of a single look names the host, and the model the group.
    "dedicated_host": ({"properties": {"hostGroup": HOST_GROUP}}, {"assignedHost": f"{GROUP}/hosts/h"}),
    "capacity_reservation": (
        {"properties": {"capacityReservation": {"capacityReservationGroup": {"id": f"{GROUP}/r"}}}},
        {},
    ),
}
"""For each field of `Model`: a model that has it, and what only the instance view of a single look has then."""

READINGS: dict[str, tuple[str, ...]] = {
    "power_state": ("ProvisioningState/succeeded", "PowerState/running"),
    "provisioning_state": ("ProvisioningState/updating", "PowerState/stopped"),
    "detail": ("ProvisioningState/succeeded/x", "PowerState/stopped"),
    "hibernated": ("ProvisioningState/succeeded", "PowerState/stopped", "HibernationState/Hibernated"),
}
"""For each field of `Reading`: statuses that it is another in than in `PLAIN`."""

PLAIN = ("ProvisioningState/succeeded", "PowerState/stopped")


def seen_by_look(model: Json, only_there: Json, codes: tuple[str, ...]) -> Observation:
    """By a single GET: agent, disks and extensions have statuses of their own."""
    failed = [{"code": "ProvisioningState/failed/1"}, {"code": "PowerState/running"}]
    whole = {
        "vmAgent": {"statuses": failed},
        "disks": [{"name": "d", "statuses": failed}],
        "hyperVGeneration": "V2",
        "statuses": [{"code": code, "level": "Info"} for code in codes],
        **only_there,
    }
    properties = {**model.get("properties", {}), "instanceView": whole, "provisioningState": "Succeeded"}
    return read_vm(VM, {**model, "properties": properties, "resources": [{"id": "x"}]}, NOON)


def seen_in_lists(model: Json, codes: tuple[str, ...]) -> Observation:
    statuses = [{"code": code, "level": "Info"} for code in codes]
    state = {
        "id": str(VM),
        "properties": {
            "hardwareProfile": {},
            "instanceView": {"platformFaultDomain": 0, "statuses": statuses},
        },
    }
    properties = {**model.get("properties", {}), "provisioningState": "Succeeded"}
    [seen] = joined([state], [{"id": str(VM).upper(), **model, "properties": properties}]).seen
    return seen


def of(seen: Observation) -> str:
    return fingerprint(seen.reading, seen.model, seen.tags)


texts = st.sampled_from([None, "", "None", "null", '"', "a", "A", "\x00", "é", "a,b"])
models = st.builds(Model, *[texts] * 7, *[st.booleans()] * 3)
names = st.sampled_from(["stopgap:mode", "Stopgap:Mode", "stopgap:exempt", "stopgap:grace", "owner"])
tags = st.dictionaries(names, st.sampled_from(["", "a", "b", "stopgap:mode"]), max_size=3)
looks = st.builds(Observation, st.just(VM), st.just(NOON), readings, models, st.sampled_from(TAGS))


class TestFingerprint:
    def test_the_tables_are_whole(self) -> None:
        assert list(MODELS) == [field.name for field in fields(Model)]
        assert list(READINGS) == [field.name for field in fields(Reading)]

    @pytest.mark.parametrize("name", MODELS)
    def test_a_look_and_the_lists_agree_on_each_field_of_the_model(self, name: str) -> None:
        model, only_there = MODELS[name]
        look, listed = seen_by_look(model, only_there, PLAIN), seen_in_lists(model, PLAIN)
        plain = seen_in_lists({}, PLAIN)
        changed = {
            field.name
            for field in fields(Model)
            if getattr(listed.model, field.name) != getattr(plain.model, field.name)
        }
        assert changed == {name}
        assert (look.reading, look.model, look.tags) == (listed.reading, listed.model, listed.tags)
        assert of(look) == of(listed) != of(plain)

    @pytest.mark.parametrize("name", READINGS)
    def test_a_look_and_the_lists_agree_on_each_field_of_the_reading(self, name: str) -> None:
        look, listed = seen_by_look({}, {}, READINGS[name]), seen_in_lists({}, READINGS[name])
        plain = seen_in_lists({}, PLAIN)
        changed = {
            field.name
            for field in fields(Reading)
            if getattr(listed.reading, field.name) != getattr(plain.reading, field.name)
        }
        assert changed == {name}
        assert of(look) == of(listed) != of(plain)

    @given(readings, readings, models, models, tags, tags, st.integers(0, 7))
    def test_it_is_the_same_for_two_looks_that_say_the_same_and_only_for_those(
        self,
        reading: Reading,
        other_reading: Reading,
        model: Model,
        other_model: Model,
        tags: dict[str, str],
        other_tags: dict[str, str],
        same: int,
    ) -> None:
        one = (reading, model, our_tags(tags))
        two = (
            reading if same & 1 else other_reading,
            model if same & 2 else other_model,
            our_tags(tags if same & 4 else other_tags),
        )
        assert (fingerprint(*one) == fingerprint(*two)) == (one == two)
        assert fingerprint(*one) == fingerprint(reading, model, tags)

    def test_tags_that_are_not_for_stopgap_do_not_count_nor_do_order_and_letter_case(self) -> None:
        seen = seen_in_lists({}, PLAIN)
        ours = {"stopgap:mode": "observe", "stopgap:grace": "1h"}
        theirs = {"owner": "ada", "Stopgap:Grace": "1h", "STOPGAP:MODE": "observe"}
        assert of(replace(seen, tags=ours)) == of(replace(seen, tags=theirs)) != of(seen)

    @given(
        st.lists(
            st.tuples(st.timedeltas(timedelta(seconds=1), timedelta(hours=9)), looks), min_size=1, max_size=6
        ),
        policies,
    )
    def test_what_a_record_took_in_is_no_news_to_the_next_sweep(
        self,
        seen: list[tuple[timedelta, Observation]],
        policy: Policy,
    ) -> None:
        record, now = None, NOON
        for after, each in seen:
            now += after
            look = replace(each, observed_at=now)
            record = decide(record, look, None, policy, now).record
            assert record
            # A row that does not tell Azure's id of the VM leaves the one that is known.
            uid = look.model.uid if look.model.uid is not None else record.model.uid
            assert fingerprint_of(record) == of(replace(look, model=replace(look.model, uid=uid)))


def test_a_page_that_comes_later_is_younger() -> None:
    ids = [f"{GROUP}/virtualMachines/web-{number}" for number in range(4)]
    found = joined(
        [{"id": each, **view("stopped")} for each in ids], [{"id": each, "properties": {}} for each in ids], 2
    )
    asked: list[datetime] = [seen.observed_at for seen in found.seen]
    assert asked == [minutes(0), minutes(0), minutes(1), minutes(1)]


def test_what_an_older_version_wrote_is_written_anew_by_the_next_sweep() -> None:
    made = record(new_vm())
    before = blake2b(msgspec.json.encode((made.reading, made.model, [])), digest_size=12).hexdigest()
    assert fingerprint_of(made) != before
