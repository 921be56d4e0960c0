"""The parameters that each route has. One that it has not is refused: what it was to do would not be done."""

from collections.abc import Iterable, Mapping

from shared.domain.malformed import Malformed, shown
from shared.web import api
from shared.web.asked import Asking

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "health": (),
    "summary": (),
    "vms": api.PARAMETERS,
    "vm": (),
    **{f"vm_{asking}": ("back",) for asking in Asking},
    "episodes_csv": ("subscription", "since", "until"),
    "dashboard": ("power_state", "name", "subscription", "next", "flagged_page", "done", "of"),
    "vm_page": ("done",),
    "openapi": (),
}
"""By the name of the function."""


def check(function: str, given: Iterable[str]) -> None:
    """Return if a function has all parameters that are given; else `Malformed` names the first that it has not."""
    known = PARAMETERS[function]
    for name in given:
        if name not in known and name.lower() != api.KEY:
            raise Malformed(f"unknown parameter {shown(name)}: expected {', '.join(known) or 'none'}")
