"""VMs on ARM through the real SDK, for tests of looks and of deallocations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.adapters.compute import ComputeVms
from shared.domain.ids import VmId
from tests.contracts.credentials import Nobody
from tests.contracts.fleet import NOON

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
OTHER_SUBSCRIPTION = "00000000-0000-4000-8000-000000000002"
VM = VmId.of(SUBSCRIPTION, "rg-shop", "web-1")
INSTANCE = VmId.of(SUBSCRIPTION, "rg-shop", "farm~3")


@asynccontextmanager
async def vms_at(url: str) -> AsyncIterator[ComputeVms]:
    vms = ComputeVms(Nobody(), endpoint=url, clock=lambda: NOON)
    try:
        yield vms
    finally:
        await vms.close()
