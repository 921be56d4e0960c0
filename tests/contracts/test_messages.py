"""What travels on the queues: read as it was written, whoever wrote it, or refused by name."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.messages import (
    LONGEST_HIDDEN,
    due_at,
    read_attempt,
    read_look,
    read_sweep,
    write_attempt,
    write_look,
    write_sweep,
)
from shared.ports import Attempt, Look, Sweep
from tests import strategies
from tests.contracts.fleet import NOON, new_vm
from tests.contracts.kinds import KINDS, Kind

VM = new_vm("web-1", "rg-日本", "00000000-0000-4000-8000-000000000001")
ID = str(VM)
AT = "2026-11-21T12:00:00Z"

objects = st.dictionaries(
    st.sampled_from(["hidden", "vm"]), st.none() | st.integers() | st.floats() | st.text()
).map(json.dumps)
"""JSON that might be a message, or nearly."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.queue)
def kind(request: pytest.FixtureRequest) -> Kind:
    of: Kind = request.param
    return of


@given(vm=strategies.vm_ids, at=strategies.times, anyway=st.booleans())
def test_any_look_survives_the_journey(vm: VmId, at: datetime, anyway: bool) -> None:
    assert read_look(write_look(Look(vm, at, anyway))) == Look(vm, at, anyway)


@given(vm=strategies.vm_ids, at=strategies.times, hidden=st.integers(0, LONGEST_HIDDEN))
def test_any_message_says_since_when_it_is_due_and_is_read_as_before(
    vm: VmId, at: datetime, hidden: int
) -> None:
    look, attempt, sweep = Look(vm, at), Attempt(vm, at), Sweep(vm.subscription, at)
    written = write_look(look, hidden), write_attempt(attempt, hidden), write_sweep(sweep, hidden)
    assert [due_at(each, NOON) for each in written] == [NOON + timedelta(seconds=hidden)] * 3
    assert (read_look(written[0]), read_attempt(written[1]), read_sweep(written[2])) == (look, attempt, sweep)


@given(message=st.one_of(st.binary(), st.text(), objects))
def test_what_is_none_of_ours_is_due_since_it_was_put(message: str | bytes) -> None:
    assert NOON <= due_at(message, NOON) <= NOON + timedelta(seconds=LONGEST_HIDDEN)


@given(vm=strategies.vm_ids, at=strategies.times)
def test_any_attempt_survives_the_journey(vm: VmId, at: datetime) -> None:
    """To the microsecond: the time names the deallocation."""
    assert read_attempt(write_attempt(Attempt(vm, at))) == Attempt(vm, at)


def test_what_travels() -> None:
    assert json.loads(write_look(Look(VM, NOON))) == {"vm": ID, "at": AT}
    assert json.loads(write_look(Look(VM, NOON, anyway=True))) == {"vm": ID, "at": AT, "anyway": True}
    assert json.loads(write_attempt(Attempt(VM, NOON))) == {"vm": ID, "asked_at": AT}


def test_a_look_of_an_older_version_is_one_that_may_be_superseded() -> None:
    assert read_look(f'{{"vm": "{ID}", "at": "{AT}"}}') == Look(VM, NOON, anyway=False)


@pytest.mark.parametrize(
    "message",
    [
        '{"vm": "ID", "TIME": "2026-11-21T12:00:00Z"}',
        '{"TIME": "2026-11-21T14:00:00+02:00", "vm": "UPPER/", "attempt": 2, "why": {"a": []}}',
        '{"vm": "ID", "TIME": "2026-11-21T12:00:00.000000Z"}',
    ],
)
def test_a_message_is_read_with_what_else_is_in_it_left_alone(kind: Kind, message: str) -> None:
    text = message.replace("TIME", kind.time).replace("ID", ID).replace("UPPER", ID.upper())
    for sent in (text, text.encode()):
        read = kind.read(sent)
        assert read == kind.made(VM, NOON)
        assert getattr(read, kind.time).tzinfo is UTC


@pytest.mark.parametrize(
    "message",
    [
        "",
        "looks",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"vm": "ID"}',
        '{"TIME": "2026-11-21T12:00:00Z"}',
        '{"vm": "ID", "TIME": "2026-11-21T12:00:00"}',
        '{"vm": "ID", "TIME": "soon"}',
        '{"vm": "ID", "TIME": 1795262400}',
        '{"vm": "ID", "TIME": null}',
        '{"vm": "ID", "TIME": "0001-01-01T00:00:00+14:00"}',
        '{"vm": "web-1", "TIME": "2026-11-21T12:00:00Z"}',
        '{"vm": 5, "TIME": "2026-11-21T12:00:00Z"}',
        '{"vm": null, "TIME": "2026-11-21T12:00:00Z"}',
        '{"vm": "ID/extensions/agent", "TIME": "2026-11-21T12:00:00Z"}',
        '{"vm": "/subscriptions/00000000-0000-4000-8000/x", "TIME": "2026-11-21T12:00:00Z"}',
        '{"vm": "ID", "TIME": "2026-11-21T12:00:00Z", "deep": ' + "[" * 30_000,
        b"\xff\xfe",
        "\ud800",
    ],
)
def test_what_asks_for_nothing_is_malformed_and_says_what_is_expected(
    kind: Kind, message: str | bytes
) -> None:
    if isinstance(message, str):
        message = message.replace("TIME", kind.time).replace("ID", ID)
    with pytest.raises(Malformed, match=r"^(look|deallocation): .*expected") as caught:
        kind.read(message)
    assert "\n" not in str(caught.value)


def test_a_message_of_the_other_kind_is_malformed() -> None:
    with pytest.raises(Malformed, match="look: expected"):
        read_look(write_attempt(Attempt(VM, NOON)))
    with pytest.raises(Malformed, match="deallocation: expected"):
        read_attempt(write_look(Look(VM, NOON)))


@given(message=st.text() | st.binary())
def test_anything_is_a_message_or_malformed(message: str | bytes) -> None:
    for kind in KINDS:
        with suppress(Malformed):
            kind.read(message)
