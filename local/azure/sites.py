"""Function apps as ARM shows them: their list in a resource group, their settings, their host's keys.

Shapes: azure-mgmt-web 11 (`Site`, `StringDictionary`, `HostKeys`), and responses recorded for the tests of Azure's own
command line. Of a site only what tells where and what it is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local.azure import errors
from local.azure.routing import GROUP, Route, route

TYPE = "Microsoft.Web/sites"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A function app that is deployed somewhere."""

    subscription: str
    resource_group: str
    name: str
    host_name: str
    """Where it answers, with a port where it is not the usual one."""
    settings: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=lambda: {"default": "sesame"})
    """The function keys of its host."""
    location: str = "West Europe"

    @property
    def id(self) -> str:
        """Its ARM id."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/{TYPE}/{self.name}"


@dataclass(slots=True, kw_only=True)
class Sites:
    """Those that exist, and the handlers."""

    check_group: Callable[[str, str], None]
    """Raises ArmError (404) for a resource group that does not exist."""
    sites: dict[str, Site] = field(default_factory=dict)
    """By lower-case id."""

    def routes(self) -> tuple[Route, ...]:
        """The route table."""
        sites = f"{GROUP}/providers/{TYPE}"
        return (
            route("GET", sites, "sites", self.list, f"{TYPE}/read"),
            route(
                "POST",
                f"{sites}/{{site}}/config/appsettings/list",
                "appSettings",
                self.list_settings,
                f"{TYPE}/config/list/action",
            ),
            route(
                "POST",
                f"{sites}/{{site}}/host/default/listkeys",
                "hostKeys",
                self.list_keys,
                f"{TYPE}/host/listkeys/action",
            ),
        )

    def add(self, site: Site) -> None:
        """Let one exist, in the place of one of its id."""
        self.sites[site.id.lower()] = site

    async def list(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """The sites of a resource group. Raises ArmError (404) if there is no such group."""
        self.check_group(match["subscription"], match["group"])
        whose = (match["subscription"].lower(), match["group"].lower())
        found = [
            _shown(site)
            for site in self.sites.values()
            if (site.subscription.lower(), site.resource_group.lower()) == whose
        ]
        return web.json_response({"value": found, "nextLink": None})

    async def list_settings(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """The application settings of a site. Raises ArmError (404) if there is none."""
        site = self._site(match)
        return web.json_response(
            {
                "id": f"{site.id}/config/appsettings",
                "name": "appsettings",
                "type": f"{TYPE}/config",
                "location": site.location,
                "tags": dict(site.tags),
                "properties": dict(site.settings),
            }
        )

    async def list_keys(self, _request: web.Request, match: re.Match[str]) -> web.Response:
        """The keys of a site's host. Raises ArmError (404) if there is no such site."""
        site = self._site(match)
        return web.json_response(
            {
                "masterKey": "not for doctors",
                "functionKeys": dict(site.keys),
                "systemKeys": {"eventgrid_extension": "for Event Grid"},
            }
        )

    def _site(self, match: re.Match[str]) -> Site:
        group = f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}"
        site_id = f"{group}/providers/{TYPE}/{match['site']}"
        site = self.sites.get(site_id.lower())
        if site is None:
            raise errors.no_resource(site_id)
        return site


def _shown(site: Site) -> dict[str, Any]:
    return {
        "id": site.id,
        "name": site.name,
        "type": TYPE,
        "kind": "functionapp,linux",
        "location": site.location,
        "tags": dict(site.tags),
        "properties": {
            "name": site.name,
            "state": "Running",
            "enabled": True,
            "hostNames": [site.host_name],
            "defaultHostName": site.host_name,
            "resourceGroup": site.resource_group,
            "sku": "FlexConsumption",
        },
    }
