"""The app registration that people sign in by. It has no secret: it trusts an identity of the installation.

Before the infrastructure is there, it is registered, as the app's settings name it; once it is, the registration is
told the app's address and whom to trust. Both are the same step, done as far as is known, and again to no harm.
"""

import asyncio
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from local.deploy.environment import CannotDeploy, Environment
from local.deploy.graph import Graph, Row
from shared.web.access import OPERATOR

READER = "Stopgap.Reader"
AUDIENCE = "api://AzureADTokenExchange"
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between looks for what was just made."""

ISSUER = "https://login.microsoftonline.com/{tenant}/v2.0"


def unique_name(env: Environment) -> str:
    """By which the registration is known, in its tenant, for good."""
    return f"stopgap-{env.name}-{env.home}"


def application(env: Environment) -> Row:
    """What is registered. Whoever signs in has to be given one of its roles first."""
    address = env.optional("STOPGAP_ADDRESS")
    web: dict[str, Any] = {"implicitGrantSettings": {"enableIdTokenIssuance": True}}
    if address:
        web |= {
            "homePageUrl": f"{address}/api/dashboard",
            "redirectUris": [f"{address}/.auth/login/aad/callback"],
        }
    return {
        "displayName": f"Stopgap ({env.name})",
        "signInAudience": "AzureADMyOrg",
        "web": web,
        "api": {
            "requestedAccessTokenVersion": 2,
            "oauth2PermissionScopes": [
                {
                    "id": _id("scope", "user_impersonation"),
                    "value": "user_impersonation",
                    "type": "User",
                    "isEnabled": True,
                    "adminConsentDisplayName": "Use Stopgap",
                    "adminConsentDescription": "Use Stopgap on behalf of who is signed in.",
                }
            ],
        },
        "appRoles": [
            _role(READER, "Stopgap reader", "Look at VMs, their history and what they cost."),
            _role(OPERATOR, "Stopgap operator", "Deallocate, snooze and exempt VMs, besides looking."),
        ],
    }


def trust(env: Environment, tenant: str) -> Row:
    """Whom the registration trusts in the place of a secret."""
    return {
        "issuer": ISSUER.format(tenant=tenant),
        "subject": env.needed("STOPGAP_SIGN_IN_PRINCIPAL_ID"),
        "audiences": [AUDIENCE],
    }


async def register(env: Environment, graph: Graph) -> str:
    """Register the app, as far as is known what it is. Its client id."""
    path = f"/applications(uniqueName='{unique_name(env)}')"
    await graph.put(path, application(env))
    client_id = await _client_id(graph, path)
    await graph.put(
        path, {"displayName": application(env)["displayName"], "identifierUris": [f"api://{client_id}"]}
    )
    principal = f"/servicePrincipals(appId='{client_id}')"
    await graph.put(principal, {"appRoleAssignmentRequired": True})
    if env.optional("STOPGAP_SIGN_IN_PRINCIPAL_ID"):
        tenant = env.needed("AZURE_TENANT_ID")
        await graph.put(f"{path}/federatedIdentityCredentials(name='stopgap')", trust(env, tenant))
        await _let_in(graph, principal)
    return client_id


async def remove(env: Environment, graph: Graph) -> bool:
    """Delete the registration, for good: not just for the thirty days of the bin. Whether there was one."""
    path = f"/applications(uniqueName='{unique_name(env)}')"
    made = await graph.get(path)
    if made is None:
        return False
    await graph.delete(path)
    await graph.delete(f"/directory/deletedItems/{made['id']}")
    return True


async def _client_id(graph: Graph, path: str) -> str:
    """The client id of what was just registered: the directory may take some seconds to find it."""
    for pause in PAUSES:
        made = await graph.get(path)
        if made and isinstance(made.get("appId"), str):
            client_id: str = made["appId"]
            return client_id
        await asyncio.sleep(pause)
    raise CannotDeploy(
        f"Microsoft Graph: {path} was made, and is not found in {sum(PAUSES):g} s: do this again"
    )


async def _let_in(graph: Graph, principal: str) -> None:
    """Give who deploys the operator's role, if it is a person: nobody else could give it on the first evening."""
    try:
        me = await graph.get("/me")
    except CannotDeploy:
        return  # a workload: nobody
    service = await graph.get(principal)
    if not me or not service:
        return
    assigned = await graph.get(
        f"/users/{me['id']}/appRoleAssignments?$filter=resourceId%20eq%20{service['id']}"
    )
    if not (assigned or {}).get("value"):
        body = {"principalId": me["id"], "resourceId": service["id"], "appRoleId": _id("role", OPERATOR)}
        await graph.post(f"{principal}/appRoleAssignedTo", body)


def _role(value: str, name: str, description: str) -> Row:
    return {
        "id": _id("role", value),
        "value": value,
        "displayName": name,
        "description": description,
        "allowedMemberTypes": ["User", "Application"],
        "isEnabled": True,
    }


def _id(*words: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(("stopgap", *words))))
