"""What the caller of ARM may do, as told and as enforced.

Source: the REST reference of Permissions (2022-04-01), and "Understand Azure role definitions" for patterns. Nothing
says which permission the list itself needs: it is answered always, and so is polling of operations.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.azure.routing import SUBSCRIPTION, Route, route
from local.parts import ROOT
from shared.exchange import USER_AGENT

ROLES: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "infra" / "roles.json").read_text("utf-8"))
"""The roles that a deployment grants to the app."""

WATCH: tuple[str, ...] = tuple(ROLES["watch"]["actions"])
"""What it takes to look at VMs and instances."""

DEALLOCATE: tuple[str, ...] = tuple(ROLES["deallocate"]["actions"])
"""What it takes beyond that to deallocate them."""

_APP = re.compile(rf"{USER_AGENT}(\s.*)?")

ASKED_BY_APP: set[str] = set()
"""Which actions the app has asked for, of any simulated Azure of this process."""


@dataclass(slots=True)
class Permissions:
    """The one role assignment of the caller, at the subscription. Patterns: `*` is any text, letter case none.

    Until somebody permits something else, the app may do what its roles grant and no more, and whoever else asks
    (doctor, a test) may do everything. The app is told by its `User-Agent`, as there is no sign-in here.
    """

    actions: tuple[str, ...] = ("*",)
    not_actions: tuple[str, ...] = ()
    permitted: bool = False
    """Whether somebody has permitted something: that holds for all who ask."""

    def permit(self, actions: Collection[str], not_actions: Collection[str] = ()) -> None:
        """Replace them. Raises ValueError for what is no list of patterns."""
        for name, patterns in (("actions", actions), ("not_actions", not_actions)):
            if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
                raise ValueError(f"{name} is {patterns!r}; expected a list of patterns such as '*/read'")
        self.actions, self.not_actions, self.permitted = tuple(actions), tuple(not_actions), True

    def reset(self) -> None:
        """As at the beginning."""
        self.actions, self.not_actions, self.permitted = ("*",), (), False

    def grant(self, action: str, agent: str = "") -> bool:
        """Whether an action is granted to who asks, as its `User-Agent` says."""
        if _APP.fullmatch(agent):
            ASKED_BY_APP.add(action)
            if not self.permitted:
                return action in (*WATCH, *DEALLOCATE)
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
