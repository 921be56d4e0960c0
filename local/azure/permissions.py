"""What the caller of ARM may do, as told and as enforced.

Source: the REST reference of Permissions (2022-04-01), and "Understand Azure role definitions" for patterns. Nothing
says which permission the list itself needs: it is answered always, and so is polling of operations.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.azure.model import INSTANCE_TYPE, SCALE_SET_TYPE, VM_TYPE
from local.azure.routing import SUBSCRIPTION, Route, route

WATCH: tuple[str, ...] = (
    f"{VM_TYPE}/read",
    f"{VM_TYPE}/instanceView/read",
    f"{SCALE_SET_TYPE}/read",
    f"{INSTANCE_TYPE}/read",
    f"{INSTANCE_TYPE}/instanceView/read",
)
"""What it takes to look at VMs and instances."""

DEALLOCATE: tuple[str, ...] = (f"{VM_TYPE}/deallocate/action", f"{INSTANCE_TYPE}/deallocate/action")
"""What it takes beyond that to deallocate them."""


@dataclass(slots=True)
class Permissions:
    """The one role assignment of the caller, at the subscription. Patterns: `*` is any text, letter case none."""

    actions: tuple[str, ...] = ("*",)
    not_actions: tuple[str, ...] = ()

    def permit(self, actions: Collection[str], not_actions: Collection[str] = ()) -> None:
        """Replace them. Raises ValueError for what is no list of patterns."""
        for name, patterns in (("actions", actions), ("not_actions", not_actions)):
            if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
                raise ValueError(f"{name} is {patterns!r}; expected a list of patterns such as '*/read'")
        self.actions, self.not_actions = tuple(actions), tuple(not_actions)

    def grant(self, action: str) -> bool:
        """Whether an action is granted."""
        return _any_matches(self.actions, action) and not _any_matches(self.not_actions, action)

    def routes(self) -> tuple[Route, ...]:
        """Where the caller asks for them."""
        path = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/permissions"
        return (route("GET", path, "permissions", self._answer),)

    async def _answer(self, _request: web.Request, _match: re.Match[str]) -> web.Response:
        body: dict[str, Any] = {
            "value": [
                {
                    "actions": list(self.actions),
                    "notActions": list(self.not_actions),
                    "dataActions": [],
                    "notDataActions": [],
                }
            ],
            "nextLink": None,
        }
        return web.json_response(body)


def _any_matches(patterns: Collection[str], action: str) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) for pattern in patterns
    )
