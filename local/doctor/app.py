"""Is the deployed app well, in its own words?"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.core.rest import AsyncHttpResponse, HttpRequest

from local.doctor.arm import AGENT
from local.doctor.findings import Finding, failed, not_checked, ok, warning, wrong
from local.doctor.installation import Asked
from shared.domain.malformed import shown
from shared.exchange import exchange, plain_client, port_error
from shared.ports import PortError

CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS = 5.0, 18.0, 20.0
"""An app that was asleep has to wake first."""

PATH = "/api/health"

type Health = Mapping[str, Any]


async def look(asked: Asked) -> list[Finding]:
    """Ask for its health."""
    if asked.app is None:
        return [not_checked("--app URL asks a deployed app how it is")]
    try:
        response = await ask(asked.app, asked.key)
    except PortError as fault:
        return [failed(fault, _start(asked.app))]
    health = read_health(response)
    return _judged(health, asked.app) if health else [_no_health(response, asked.app)]


async def ask(app: str, key: str | None) -> AsyncHttpResponse:
    """What an app answers that is asked for its health, whatever that is. Raises `NotNow` or `Refused`."""
    client = plain_client(app, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS, agent=AGENT)
    headers = {"x-functions-key": key} if key else {}
    request = HttpRequest("GET", f"{app}{PATH}", headers=headers)
    try:
        return await exchange(lambda: client.send_request(request), seconds=REQUEST_SECONDS)
    except (AzureError, TimeoutError) as error:
        raise port_error(f"GET {app}{PATH}", error) from error
    finally:
        await client.close()


def _judged(health: Health, app: str) -> list[Finding]:
    poison = [f"{queue} holds about {count}" for queue, count in health.get("poison", {}).items() if count]
    remarks = [str(remark) for remark in health.get("remarks") or ()]
    remarks += [told for told in poison if told not in remarks]
    problems = [
        wrong(
            str(problem),
            "see docs/operations.md; a setting is mended with: az functionapp config appsettings set "
            f"{_named(app)} --settings <name>=<value>",
        )
        for problem in health["problems"]
    ]
    said = ", ".join(f"{name} {health[name]}" for name in ("mode", "grace") if name in health)
    well = [] if problems else [ok(f"{app} can do its work: {said}")]
    return [*well, *problems, *(warning(remark) for remark in remarks)]


def read_health(response: AsyncHttpResponse) -> Health | None:
    """What an app says of its health, well or not; None when it was not the app that spoke."""
    if response.status_code not in {200, 503}:
        return None
    try:
        said = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    fits = isinstance(said, dict) and isinstance(said.get("problems"), list)
    return said if fits and isinstance(said.get("poison", {}), dict) else None


def _no_health(response: AsyncHttpResponse, app: str) -> Finding:
    asked, status = f"GET {app}{PATH}", response.status_code
    if status in {401, 403} or 300 <= status < 400:
        keys = f"az functionapp keys list {_named(app)} --query functionKeys.default --output tsv"
        return not_checked(f"{asked}: HTTP {status}: it wants to know who asks", f'--key "$({keys})"')
    if status == 404:
        deployed = f"az functionapp function list {_named(app)} --output table"
        return wrong(f"{asked}: HTTP 404: no such function there", f"are there any? {deployed}")
    fact = f"{asked}: HTTP {status}, and no health of Stopgap's: {shown(response.content)}"
    return wrong(fact, _start(app))


def _named(app: str) -> str:
    host = urlsplit(app).hostname or ""
    name = host.partition(".")[0] if ".azurewebsites." in host else "<app>"
    return f"--resource-group <group> --name {name}"


def _start(app: str) -> str:
    if app.startswith("http:"):
        return "does it run? .venv/bin/python -m local host"
    return (
        f"does it run? az functionapp show {_named(app)} --query state; az functionapp restart {_named(app)}"
    )
