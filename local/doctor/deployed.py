"""The installation in a resource group, found by Azure Resource Manager alone.

Shapes: azure-mgmt-web (`Site`, `StringDictionary`, `HostKeys`) of 2025-03-01. The tag `azd-service-name` is the one by
which `azd` knows the resource of a service. Where a setting is a reference to a Key Vault, its list has the reference
and not the value ("Use Key Vault references as app settings").
"""

import asyncio
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import quote, urlsplit

from local.doctor.arm import Arm, Row, mend_of
from local.doctor.findings import Finding, failed, not_checked, ok, wrong
from shared.adapters.identity import Identity
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed, shown
from shared.ports import PortError, Refused
from shared.settings import LOOPBACK, PUBLIC_ARM, STORAGE, VARIABLES, SettingError, arm_endpoint_of

API_VERSION = "2025-03-01"
TYPE = "Microsoft.Web/sites"
TAG, SERVICE = "azd-service-name", "stopgap"

CLI_SECONDS = 20.0
"""For the Azure CLI, which takes a second or two to begin."""

IDENTITY = f"{STORAGE}__clientId"
"""The setting that names the app's own identity, which nobody has but the app."""

_REFERENCE = re.compile(r"@Microsoft\.(KeyVault|AppConfiguration)\((?P<told>.*)\)\s*", re.IGNORECASE)


class NotFound(Exception):
    """No installation could be found, or not enough of it. `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.fact)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look for an installation."""

    resource_group: str
    subscription: str | None = None
    """None: that of the Azure CLI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """An installation that is deployed."""

    id: str
    """ARM's, of the function app."""
    name: str
    place: Place
    location: str
    """The region, as ARM takes it: `westeurope`."""
    address: str
    settings: Mapping[str, str] = field(repr=False)
    """As the app has them, but for the identity that only the app can use."""
    key: str | None = field(repr=False)
    """A function key; None: none could be had."""
    findings: tuple[Finding, ...]
    """What was found of it on the way."""


async def deployed_at(place: Place, environment: Mapping[str, str]) -> Deployed:
    """Find the installation. Raises `NotFound`.

    Args:
        place: Where.
        environment: Doctor's own: it names the ARM to ask (`STOPGAP_ARM_ENDPOINT`; else Azure's public cloud), and
            gives the values of settings that are references.
    """
    try:
        endpoint = arm_endpoint_of(environment)
    except SettingError as fault:
        raise NotFound(not_checked(str(fault), f"unset it, for {PUBLIC_ARM}")) from None
    subscription = place.subscription or await _subscription_of_cli()
    whole = Place(place.resource_group, subscription)
    # Whoever is signed in here: the app's identity is not on this machine.
    async with Identity(None) as credential, Arm(credential, endpoint) as arm:
        site = await _site(arm, endpoint, whole)
        settings = await _settings(arm, endpoint, site, environment)
        key, unkeyed = await _key(arm, endpoint, site)
    where = f"{site['name']} of resource group {place.resource_group}, subscription {subscription}"
    return Deployed(
        id=site["id"],
        name=site["name"],
        place=whole,
        location=str(site.get("location", "")).lower().replace(" ", ""),
        address=_address(site),
        settings=settings,
        key=key,
        findings=(ok(f"read from function app {where}"), *_state(site, whole), *unkeyed),
    )


async def _subscription_of_cli() -> str:
    program = shutil.which("az")
    mend = "--deployed-in SUBSCRIPTION says in which it is; or az login"
    if program is None:
        raise NotFound(not_checked("the Azure CLI is not here, to say which subscription is meant", mend))
    asked = ("account", "show", "--query", "id", "--output", "tsv")
    process = await asyncio.create_subprocess_exec(
        program, *asked, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(CLI_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotFound(not_checked(f"az account show: no answer within {CLI_SECONDS:g} s", mend)) from None
    said = (out if process.returncode == 0 else err).decode(errors="replace").strip()
    try:
        if process.returncode == 0:
            return parse_subscription(said)
    except Malformed as fault:
        said = str(fault)
    raise NotFound(not_checked(f"az account show: {shown(said)}", mend))


async def _site(arm: Arm, endpoint: str, place: Place) -> Row:
    """The function app that `azd` made of service `stopgap`: the one that is there."""
    group = f"/subscriptions/{place.subscription}/resourceGroups/{quote(place.resource_group)}"
    try:
        sites = [_checked(row) for row in await arm.listed(f"{group}/providers/{TYPE}", API_VERSION)]
    except (PortError, Malformed) as fault:
        _refuse(fault, endpoint, place)
    found = [site for site in sites if _tags(site).get(TAG) == SERVICE]
    if len(found) == 1:
        return found[0]
    where, tag = f"resource group {place.resource_group}", f"tag {TAG}: {SERVICE}"
    if found:
        names = ", ".join(site["name"] for site in found)
        raise NotFound(
            not_checked(
                f"{where} has {len(found)} function apps with {tag}: {names}",
                "take the settings of the one that is meant: func azure functionapp fetch-app-settings <name>; "
                "then --settings",
            )
        )
    others = f", of {', '.join(site['name'] for site in sites)}" if sites else ", nor any other"
    raise NotFound(
        not_checked(
            f"{where} has no function app with {tag}{others}", "is it the group that azd up made? azd show"
        )
    )


def _checked(row: Row) -> Row:
    properties = row.get("properties")
    if (
        not isinstance(properties, dict)
        or not isinstance(properties.get("defaultHostName"), str)
        or not all(isinstance(row.get(name), str) for name in ("id", "name", "location"))
    ):
        raise Malformed(
            f"ARM's answer: expected id, name, location and defaultHostName of a site, got {shown(row)}"
        )
    return row


def _tags(site: Row) -> Mapping[str, object]:
    tags = site.get("tags")
    return tags if isinstance(tags, dict) else {}


async def _settings(arm: Arm, endpoint: str, site: Row, environment: Mapping[str, str]) -> Mapping[str, str]:
    path = f"{site['id']}/config/appsettings/list"
    try:
        settings = _texts(await arm.asked("POST", path, API_VERSION), "properties", path)
    except (PortError, Malformed) as fault:
        _refuse(fault, endpoint, site["id"])
    return resolved({name: text for name, text in settings.items() if name != IDENTITY}, environment)


def resolved(settings: Mapping[str, str], environment: Mapping[str, str]) -> Mapping[str, str]:
    """Settings with the values of those that are references, which doctor's environment gives; else `NotFound`."""
    references = {
        name: found
        for name, text in settings.items()
        if (name in VARIABLES or name.startswith(STORAGE)) and (found := _REFERENCE.fullmatch(text.strip()))
    }
    missing = {name: found for name, found in references.items() if not environment.get(name)}
    if missing:
        raise NotFound(
            not_checked(
                f"ARM has references in the place of values: {', '.join(sorted(missing))}",
                "give the values in the environment: "
                + " ".join(f"export {name}={_value_of(found)}" for name, found in sorted(missing.items())),
            )
        )
    return {**settings, **{name: environment[name] for name in references}}


def _value_of(reference: re.Match[str]) -> str:
    """The command of the Azure CLI that gives what a reference leads to."""
    told = dict(part.strip().split("=", 1) for part in reference["told"].split(";") if "=" in part)
    parts = {name.lower(): text for name, text in told.items()}
    show = 'show {} --query value --output tsv)"'
    match parts:
        case {"secreturi": uri}:
            return f'"$(az keyvault secret {show.format(f"--id {uri}")}'
        case {"vaultname": vault, "secretname": name}:
            return f'"$(az keyvault secret {show.format(f"--vault-name {vault} --name {name}")}'
    return "<value>"


async def _key(arm: Arm, endpoint: str, site: Row) -> tuple[str | None, list[Finding]]:
    """A function key of the app's host, and what keeps it from being had."""
    path = f"{site['id']}/host/default/listkeys"
    try:
        keys = _texts(await arm.asked("POST", path, API_VERSION), "functionKeys", path)
    except (PortError, Malformed) as fault:
        return None, [_refusal(fault, endpoint, site["id"])]
    return keys.get("default") or next(iter(keys.values()), None), []


def _texts(answer: Row, name: str, path: str) -> dict[str, str]:
    texts = answer.get(name)
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        # What is in there is secret, and is not shown.
        raise Malformed(
            f"ARM, POST {path}: expected `{name}` to be an object of texts, got {type(texts).__name__}"
        )
    return texts


def _state(site: Row, place: Place) -> list[Finding]:
    state = site["properties"].get("state")
    if state in {None, "Running"}:
        return []
    named = (
        f"--subscription {place.subscription} --resource-group {place.resource_group} --name {site['name']}"
    )
    return [
        wrong(f"function app {site['name']} is {state}: no events are taken", f"az functionapp start {named}")
    ]


def _address(site: Row) -> str:
    host = site["properties"]["defaultHostName"]
    return f"{'http' if urlsplit(f'//{host}').hostname in LOOPBACK else 'https'}://{host}"


def _refuse(fault: PortError | Malformed, endpoint: str, place: Place | str) -> NoReturn:
    raise NotFound(_refusal(fault, endpoint, place)) from fault


def _refusal(fault: PortError | Malformed, endpoint: str, place: Place | str) -> Finding:
    """What it means that ARM does not tell of a resource group, or of the site with an id."""
    code = fault.code if isinstance(fault, Refused) else None
    if code == "ResourceGroupNotFound" and isinstance(place, Place):
        mend = f"az group list --subscription {place.subscription} --output table"
        return not_checked(f"no such resource group: {fault}", f"correct --resource-group: {mend}")
    if code == "SubscriptionNotFound":
        return not_checked(
            str(fault), "correct --deployed-in (az account list --output table), or az login --tenant"
        )
    if code == "AuthorizationFailed":
        role, scope = ("Reader", _id(place)) if isinstance(place, Place) else ("Website Contributor", place)
        return not_checked(
            str(fault),
            f'az role assignment create --assignee <whoever runs doctor> --role "{role}" --scope {scope}',
        )
    return failed(fault, mend_of(endpoint))


def _id(place: Place) -> str:
    return f"/subscriptions/{place.subscription}/resourceGroups/{place.resource_group}"
