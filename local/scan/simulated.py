"""A simulated Azure to scan: two subscriptions with VMs of all kinds, and one that may not be read."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from local.azure.faults import Fault
from local.azure.server import SimulatedAzure

SHOP, BANK, LOCKED = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


@asynccontextmanager
async def simulated() -> AsyncIterator[Mapping[str, str]]:
    """The settings that lead there."""
    async with SimulatedAzure(subscriptions=(SHOP, BANK, LOCKED)) as azure:
        azure.add_fleet(SHOP, 60)
        azure.add_fleet(BANK, 14, first=101)
        azure.add_vm(SHOP, "rg-shop", "audit-1", state="stopped", tags={"stopgap:exempt": "2099-12-31"})
        azure.add_vm(
            BANK,
            "rg-bank",
            "core-1",
            state="stopped",
            size="Standard_E8s_v5",
            tags={"stopgap:exempt": "kept warm"},
        )
        azure.arm.faults.in_store.append(
            Fault(kind="403", times=sys.maxsize, path=f"/subscriptions/{LOCKED}/.*")
        )
        yield {"STOPGAP_ARM_ENDPOINT": azure.url, "STOPGAP_PRICES_ENDPOINT": azure.prices_url}
