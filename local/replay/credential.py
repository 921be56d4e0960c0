"""Is anybody signed in who can look at VMs? Better asked once at the beginning than failed at by each event."""

import asyncio

from azure.core.exceptions import AzureError

from local.doctor.findings import nobody
from local.parts import CannotStart
from shared import bootstrap
from shared.settings import Settings

TOKEN_SECONDS = 20.0
"""For all places where a credential may be, the Azure CLI among them."""


async def check(settings: Settings) -> None:
    """Return if there is a token to be had, or none is needed; `CannotStart` says what to do."""
    if not settings.arm_endpoint.startswith("https:"):
        return
    mend = "az login; or --simulated, which needs no Azure"
    try:
        async with asyncio.timeout(TOKEN_SECONDS), bootstrap.credential_for(settings) as credential:
            await credential.get_token(f"{settings.arm_endpoint}/.default")
    except TimeoutError:
        raise CannotStart(
            f"no credential for {settings.arm_endpoint} within {TOKEN_SECONDS:g} s: {mend}"
        ) from None
    except (AzureError, ValueError) as fault:
        raise CannotStart(f"{nobody(fault).fact}: {mend}") from None
