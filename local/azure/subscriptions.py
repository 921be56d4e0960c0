"""The subscriptions that the caller can see, as ARM lists them.

Source: the REST reference of Subscriptions, List (2022-12-01). One that can be seen need not be readable otherwise.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from local.azure.routing import Route, route

PATH = "/subscriptions"
_TENANT = "00000000-0000-4000-8000-00000000aaaa"


class Subscriptions:
    """The list of them."""

    def __init__(self, ids: Collection[str]) -> None:
        """Show these, by their ids in lower case."""
        self._ids = ids
        self.states: dict[str, str] = {}
        """The state of those that are not Enabled: `Warned`, `PastDue`, `Disabled` or `Deleted`."""
        self.names: dict[str, str] = {}
        """The display name of those that were given one."""

    def routes(self) -> tuple[Route, ...]:
        """Where the caller asks for them."""
        return (route("GET", PATH, "subscriptions", self._answer),)

    async def _answer(self, _request: web.Request, _match: re.Match[str]) -> web.Response:
        rows = [self._row(each, number) for number, each in enumerate(sorted(self._ids), 1)]
        return web.json_response({"value": rows, "count": {"type": "Total", "value": len(rows)}})

    def _row(self, subscription: str, number: int) -> Mapping[str, Any]:
        return {
            "id": f"{PATH}/{subscription}",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": subscription,
            "tenantId": _TENANT,
            "displayName": self.names.get(subscription, f"Subscription {number}"),
            "state": self.states.get(subscription, "Enabled"),
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
        }
