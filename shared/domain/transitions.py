"""The change between two settled states: what kind it is, and what it does to billing."""

from collections.abc import Mapping
from enum import StrEnum

from shared.domain.signals import Verb
from shared.domain.states import BILLED, PowerState


class Kind(StrEnum):
    """What happened to a VM, as far as two looks can tell."""

    DISCOVERED = "discovered"
    """Seen for the first time."""
    STARTED = "started"
    POWERED_OFF = "powered_off"
    DEALLOCATED = "deallocated"
    ALLOCATED = "allocated"
    """Seen Deallocated, then Stopped: it was started and powered off between two looks."""
    RETURNED = "returned"
    """Left its state and came back to it, nobody told how."""
    RESTARTED = "restarted"
    REDEPLOYED = "redeployed"
    HIBERNATED = "hibernated"
    DELETED = "deleted"
    REAPPEARED = "reappeared"
    """Created again under the name of a VM that was deleted."""


class Effect(StrEnum):
    """What a transition does to the bill."""

    STARTS = "starts"
    STOPS = "stops"
    STAYS_BILLED = "stays_billed"
    STAYS_FREE = "stays_free"
    UNKNOWN = "unknown"


_R, _S, _D, _X = PowerState.RUNNING, PowerState.STOPPED, PowerState.DEALLOCATED, PowerState.DELETED

KINDS: Mapping[tuple[PowerState | None, PowerState], Kind] = {
    (None, _R): Kind.DISCOVERED,
    (None, _S): Kind.DISCOVERED,
    (None, _D): Kind.DISCOVERED,
    (None, _X): Kind.DELETED,
    (_R, _R): Kind.RETURNED,
    (_R, _S): Kind.POWERED_OFF,
    (_R, _D): Kind.DEALLOCATED,
    (_R, _X): Kind.DELETED,
    (_S, _R): Kind.STARTED,
    (_S, _S): Kind.RETURNED,
    (_S, _D): Kind.DEALLOCATED,
    (_S, _X): Kind.DELETED,
    (_D, _R): Kind.STARTED,
    (_D, _S): Kind.ALLOCATED,
    (_D, _D): Kind.RETURNED,
    (_D, _X): Kind.DELETED,
    (_X, _R): Kind.REAPPEARED,
    (_X, _S): Kind.REAPPEARED,
    (_X, _D): Kind.REAPPEARED,
    (_X, _X): Kind.RETURNED,
}
"""Every pair of settled states, as far as two looks can tell; before is None for a VM never seen settled before.
Looks are samples: states in between may be missing."""

RENEWALS: Mapping[Verb, Kind] = {Verb.RESTART: Kind.RESTARTED, Verb.REDEPLOY: Kind.REDEPLOYED}
"""What a return is when a signal told of it."""


def kind(before: PowerState | None, after: PowerState, verb: Verb | None, *, hibernated: bool) -> Kind:
    """What happened.

    Args:
        before: The settled state before; None: none was seen.
        after: The settled state now.
        verb: What a signal told was done.
        hibernated: Whether the view says so.
    """
    seen = KINDS[before, after]
    if seen is Kind.RETURNED and after is PowerState.RUNNING and verb:
        return RENEWALS.get(verb, seen)
    return Kind.HIBERNATED if seen is Kind.DEALLOCATED and hibernated else seen


def effect(before: PowerState | None, after: PowerState) -> Effect:
    """What going from one settled state to another does to the bill."""
    match (BILLED[before] if before else None, BILLED[after]):
        case (True, True):
            return Effect.STAYS_BILLED
        case (False, False):
            return Effect.STAYS_FREE
        case (True, False):
            return Effect.STOPS
        case (False, True):
            return Effect.STARTS
        case _:
            return Effect.UNKNOWN
