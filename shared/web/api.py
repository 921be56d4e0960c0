"""The JSON of the HTTP API: queries in, answers and problems out."""

import json
from collections.abc import Mapping, Sequence

from shared.domain.ids import VmId, parse_subscription
from shared.domain.malformed import Malformed, shown
from shared.domain.money import Amount, Cost
from shared.domain.records import Record
from shared.domain.states import PowerState
from shared.domain.views import entry_view, episode_view, transition_view, unsent_view, vm_view
from shared.ports import History, Page, Query
from shared.web.problems import Problem

DEFAULT_LIMIT = 100
MOST = 1000
HISTORY = 100
"""How many transitions, episodes and actions a VM's page tells of."""

LONGEST_NAME = 90
"""Characters of a resource group's name; a VM's has fewer."""

PARAMETERS = ("flagged", "parked", "power_state", "subscription", "name", "limit", "next")
KEY = "code"
"""The parameter with which a caller may present the function key; it is the platform's."""


def read_query(parameters: Mapping[str, str], watched: tuple[str, ...]) -> Query:
    """The query of `GET /vms`; `Malformed` names the parameter, what it is and what is expected."""
    wanted = parameters.get("subscription")
    if wanted is not None and parse_subscription(wanted) not in watched:
        raise Malformed(f"subscription: {shown(wanted)} is not watched; see STOPGAP_SUBSCRIPTIONS")
    return Query(
        subscriptions=(parse_subscription(wanted),) if wanted is not None else watched,
        flagged=_flagged(parameters.get("flagged")),
        power_state=_power_state(parameters.get("power_state")),
        limit=_limit(parameters.get("limit")),
        parked=_parked(parameters.get("parked")),
        after=parameters.get("next"),
        name=_name(parameters.get("name")),
    )


def _flagged(text: str | None) -> bool | None:
    match text.lower() if text is not None else None:
        case None:
            return None
        case "true":
            return True
        case "false":
            return False
        case _:
            raise Malformed(f"flagged: expected true or false, got {shown(text)}")


def _parked(text: str | None) -> bool:
    if text is not None and text.lower() != "true":
        raise Malformed(f"parked: expected true, got {shown(text)}")
    return text is not None


def _power_state(text: str | None) -> PowerState | None:
    if text is None:
        return None
    state = PowerState(text)
    if state is PowerState.UNKNOWN and text.lower() != PowerState.UNKNOWN:
        raise Malformed(f"power_state: expected one of {', '.join(PowerState)}, got {shown(text)}")
    return state


def _name(text: str | None) -> str | None:
    if text is None:
        return None
    wanted = text.strip().lower()
    if not 1 <= len(wanted) <= LONGEST_NAME:
        raise Malformed(
            f"name: expected 1 to {LONGEST_NAME} characters of a name or resource group, got {shown(text)}"
        )
    return wanted


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise Malformed(f"limit: expected a number from 1 to {MOST}, got {shown(text)}")
    return int(text)


def page(found: Page, costs: Mapping[VmId, Cost]) -> str:
    """The answer of `GET /vms`. A VM that has none in `costs` has no cost, or none that is known."""
    vms = [vm_view(record, costs.get(record.vm)) for record in found.records]
    return to_json({"vms": vms, "next": found.next})


def vm(record: Record, history: History, cost: Cost | None, spent: Sequence[Amount | None]) -> str:
    """The answer of `GET /vms/{subscription}/{resource_group}/{name}`.

    Args:
        record: The latest word on the VM.
        history: Its life.
        cost: What it costs now.
        spent: What each of the episodes cost.
    """
    episodes = [episode_view(*each) for each in zip(history.episodes, spent, strict=True)]
    return to_json(
        vm_view(record, cost)
        | {
            "transitions": [transition_view(transition) for transition in history.transitions],
            "episodes": episodes,
            "actions": [entry_view(entry) for entry in history.entries],
            "unsent": [unsent_view(notice) for notice in record.outbox],
        }
    )


def taken(record: Record, cost: Cost | None) -> str:
    """The answer to what was asked for and taken: the VM as it is then."""
    return to_json(vm_view(record, cost))


def problem(found: Problem) -> str:
    """What went wrong, as application/problem+json (RFC 9457); with `rule` where one forbids it."""
    told = {
        "type": "about:blank",
        "title": found.status.phrase,
        "status": found.status.value,
        "detail": found.detail,
    }
    return to_json(told | ({"rule": found.rule} if found.rule else {}))


def to_json(value: object) -> str:
    """JSON for people and programs: every character as itself."""
    return json.dumps(value, ensure_ascii=False)
