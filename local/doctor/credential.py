"""Is anybody signed in whose token Azure would take?"""

import asyncio
import binascii
import json
from base64 import urlsafe_b64decode

from azure.core.exceptions import AzureError

from local.doctor.findings import Finding, nobody, not_checked, ok
from local.doctor.installation import Installation
from shared.settings import Settings

TOKEN_SECONDS = 20.0
"""For all places where a credential may be, the Azure CLI among them."""

_STORAGE = "https://storage.azure.com"
_NAMES = ("upn", "unique_name", "appid", "azp", "oid")
"""The claims that name who has a token, the most telling first."""


async def look(installation: Installation) -> list[Finding]:
    """Get a token, where one is needed, and say whose it is."""
    wanted = _resource(installation.settings)
    if wanted is None:
        return []
    try:
        async with asyncio.timeout(TOKEN_SECONDS):
            token = await installation.credential.get_token(f"{wanted}/.default")
    except TimeoutError:
        return [not_checked(f"no credential within {TOKEN_SECONDS:g} s", "az login")]
    except (AzureError, ValueError) as error:
        return [nobody(error)]
    return [ok(f"signed in as {bearer(token.token) or 'somebody whose name the token does not tell'}")]


def _resource(settings: Settings) -> str | None:
    """What a token is needed for first; None: nothing."""
    if settings.arm_endpoint.startswith("https:"):
        return settings.arm_endpoint
    return None if settings.storage.connection_string else _STORAGE


def bearer(token: str) -> str | None:
    """Who has a token, as it says itself; None when it does not.

    Nobody but the one who is asked can vouch for it, which will do to tell a person whose rights are looked at.
    """
    try:
        body = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(f"{body}{'=' * (-len(body) % 4)}"))
    except (IndexError, ValueError, binascii.Error):
        return None
    names = [claims.get(name) for name in _NAMES] if isinstance(claims, dict) else []
    return next((name for name in names if isinstance(name, str) and name), None)
