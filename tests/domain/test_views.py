"""What others are shown of a VM."""

import json
from copy import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given

from shared.domain.money import Amount, Cost
from shared.domain.policy import Policy
from shared.domain.records import Episode, NoticeKind, Record, Transition
from shared.domain.telling import Telling
from shared.domain.transitions import KINDS
from shared.domain.views import NOTICE_TYPES, episode_view, notice_view, transition_view, vm_view
from tests import strategies
from tests.domain.life import NOON, VM, Life, annotation, event, look, minutes

VM_KEYS = {
    "id",
    "subscription",
    "resource_group",
    "name",
    "scale_set",
    "location",
    "size",
    "os_type",
    "power_state",
    "provisioning_state",
    "error_code",
    "deallocation",
    "billed",
    "since",
    "since_source",
    "cause",
    "flag",
    "exemption",
    "reason",
    "observed_at",
    "cost",
}
CAUSE_KEYS = {"actor", "operation", "verb", "caller", "caller_name", "correlation_id", "at", "source"}
FLAG_KEYS = {
    "kind",
    "flagged_at",
    "notified_at",
    "deallocate_after",
    "snoozed_until",
    "snoozed_by",
    "outcome",
    "refusal",
}


@pytest.fixture
def life() -> Life:
    """Powered off through ARM at noon, seen a minute later, left Stopped."""
    life = Life(Policy())
    life.see(look("running", minutes(-60)))
    life.see(look("stopped", minutes(1)), event("stopped", NOON))
    return life


def test_a_vm_that_was_powered_off(life: Life) -> None:
    assert vm_view(life.now) == {
        "id": str(VM),
        "subscription": "00000000-0000-4000-8000-000000000001",
        "resource_group": "rg-shop",
        "name": "web-1",
        "scale_set": None,
        "location": None,
        "size": "Standard_D2s_v5",
        "os_type": None,
        "power_state": "stopped",
        "provisioning_state": "succeeded",
        "error_code": None,
        "billed": True,
        "since": "2026-11-21T12:00:00Z",
        "since_source": "event",
        "cause": {
            "actor": "control_plane",
            "operation": "op/stopped",
            "verb": "power_off",
            "caller": "caller-1",
            "caller_name": None,
            "correlation_id": "corr-1",
            "at": "2026-11-21T12:00:00Z",
            "source": "event",
        },
        "flag": None,
        "deallocation": None,
        "exemption": None,
        "reason": life.now.reason,
        "observed_at": "2026-11-21T12:01:00Z",
        "cost": None,
    }


def test_a_flag(life: Life) -> None:
    life.see(look("stopped", minutes(20)))
    assert vm_view(life.now)["flag"] == {
        "kind": "left_stopped",
        "flagged_at": "2026-11-21T12:20:00Z",
        "notified_at": "2026-11-21T12:20:00Z",
        "deallocate_after": None,
        "snoozed_until": None,
        "snoozed_by": None,
        "outcome": None,
        "refusal": None,
    }


@pytest.mark.parametrize(
    ("tag", "exemption"),
    [
        (
            "2026-12-31",
            {"until": "2027-01-01T00:00:00Z", "reason": "the owner's tag stopgap:exempt", "by": None},
        ),
        ("kept warm", {"until": None, "reason": "kept warm", "by": None}),
        ("no", None),
    ],
)
def test_an_exemption(life: Life, tag: str, exemption: object) -> None:
    life.see(look("stopped", minutes(20), tags={"stopgap:exempt": tag}))
    view = vm_view(life.now)
    assert view["exemption"] == exemption


def test_what_is_not_known_is_null() -> None:
    life = Life(Policy())
    life.see(look("unknown"))
    view = vm_view(life.now)
    assert (view["power_state"], view["billed"], view["cause"]) == ("unknown", None, None)


def test_a_transition(life: Life) -> None:
    view = transition_view(life.transitions[minutes(1)])
    assert isinstance(view.pop("cause"), dict)
    assert view == {
        "kind": "powered_off",
        "billing": "stays_billed",
        "before": "running",
        "after": "stopped",
        "at": "2026-11-21T12:00:00Z",
        "at_source": "event",
        "seen_at": "2026-11-21T12:01:00Z",
    }


def test_an_episode_from_beginning_to_end(life: Life) -> None:
    begun = episode_view(life.episodes[minutes(1)])
    assert begun["cause"]
    assert (begun["ended_at"], begun["ended_as"], begun["ended_by"], begun["hours"]) == (None,) * 4
    assert begun["cost"] is None

    life.see(look("deallocated", minutes(90)), event("deallocated", minutes(90)))
    ended = episode_view(life.episodes[minutes(1)])
    assert isinstance(ended["ended_by"], dict)
    assert ended["ended_by"]["operation"] == "op/deallocated"
    assert (ended["started_at"], ended["ended_at"], ended["ended_as"], ended["hours"]) == (
        "2026-11-21T12:00:00Z",
        "2026-11-21T13:30:00Z",
        "deallocated",
        1.5,
    )


def test_what_a_vm_and_an_episode_cost(life: Life) -> None:
    amount = Amount("EUR", 0.1, None)
    assert vm_view(life.now, Cost(amount, amount.times(2)))["cost"] == {
        "currency": "EUR",
        "hourly": {"lower": 0.1, "upper": None},
        "monthly": {"lower": 73.0, "upper": None},
        "so_far": {"lower": 0.2, "upper": None},
    }
    shown = episode_view(life.episodes[minutes(1)], amount)
    assert shown["cost"] == {"currency": "EUR", "lower": 0.1, "upper": None}


def test_a_notice_is_a_cloud_event(life: Life) -> None:
    life.see(look("stopped", minutes(20)))
    (notice,) = life.sent
    assert notice_view(Telling(notice, life.now)) == {
        "specversion": "1.0",
        "id": notice.id,
        "type": "Stopgap.Vm.LeftStopped",
        "source": "/subscriptions/00000000-0000-4000-8000-000000000001",
        "subject": str(VM),
        "time": "2026-11-21T12:20:00Z",
        "datacontenttype": "application/json",
        "data": vm_view(life.now),
    }


def test_every_kind_of_notice_has_a_type() -> None:
    assert set(NOTICE_TYPES) == set(NoticeKind)


def test_times_are_shown_in_utc_to_the_microsecond(life: Life) -> None:
    elsewhere = timezone(timedelta(hours=-8))
    at = datetime(2026, 11, 21, 4, 30, 15, 42, tzinfo=elsewhere)
    assert vm_view(replace(life.now, observed_at=at))["observed_at"] == "2026-11-21T12:30:15.000042Z"


def test_a_shutdown_in_the_guest_names_no_caller() -> None:
    life = Life(Policy())
    life.see(look("stopped"), annotation("stopped", NOON))
    cause = vm_view(life.now)["cause"]
    assert isinstance(cause, dict)
    assert (cause["actor"], cause["caller"], cause["source"]) == ("guest", None, "annotation")


@given(strategies.records)
def test_every_record_can_be_shown(record: Record) -> None:
    view = vm_view(record)
    assert set(view) == VM_KEYS
    for part, keys in (("cause", CAUSE_KEYS), ("flag", FLAG_KEYS), ("exemption", {"until", "reason", "by"})):
        shown = view[part]
        assert shown is None or (isinstance(shown, dict) and set(shown) == keys)
    assert json.loads(json.dumps(view)) == view


@given(strategies.transitions.filter(lambda transition: (transition.before, transition.after) in KINDS))
def test_every_transition_can_be_shown(transition: Transition) -> None:
    view = transition_view(transition)
    assert json.loads(json.dumps(view)) == view


@given(strategies.episodes)
def test_every_episode_can_be_shown(episode: Episode) -> None:
    view = episode_view(episode)
    assert json.loads(json.dumps(view)) == view


def test_a_notice_tells_the_cost(life: Life) -> None:
    life.see(look("stopped", minutes(20)))
    cost = Cost(Amount("EUR", 0.1, 0.2), Amount("EUR", 0.1, None))
    event = notice_view(Telling(life.sent[0], life.now, cost))
    assert event["data"] == vm_view(life.now, cost)


@given(strategies.tellings)
def test_every_notice_can_be_shown(telling: Telling) -> None:
    view = notice_view(telling)
    assert json.loads(json.dumps(view)) == view
