from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import pytest

from local.azure.server import SimulatedAzure
from local.azurite import Azurite
from shared.adapters.compute import ComputeVms
from shared.adapters.memory import MemoryLedger
from shared.adapters.tables import TableLedger, open_ledger
from shared.ports import Ledger
from tests.contracts.arm import OTHER_SUBSCRIPTION, SUBSCRIPTION, vms_at
from tests.contracts.canned import Canned, canned_service
from tests.contracts.counting import Counting

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

NOBODY = cast("AsyncTokenCredential", None)
"""A connection string needs no credential."""


@pytest.fixture(scope="session")
async def table_ledger(azurite: Azurite) -> AsyncIterator[TableLedger]:
    ledger = open_ledger(azurite.connection_string, None, NOBODY)
    yield ledger
    await ledger.close()


@pytest.fixture(scope="session", params=["memory", "tables"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Each test keeps to subscriptions of its own."""
    if request.param == "memory":
        return MemoryLedger()
    tables: TableLedger = request.getfixturevalue("table_ledger")
    return tables


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(subscriptions=(SUBSCRIPTION, OTHER_SUBSCRIPTION)) as azure:
        yield azure


@pytest.fixture
async def vms(azure: SimulatedAzure) -> AsyncIterator[ComputeVms]:
    async with vms_at(azure.url) as vms:
        yield vms


@pytest.fixture
async def arm() -> AsyncIterator[Canned]:
    async with canned_service() as service:
        yield service


@pytest.fixture
async def canned_vms(arm: Canned) -> AsyncIterator[ComputeVms]:
    """VMs on an ARM that answers what it is told to."""
    async with vms_at(arm.url) as vms:
        yield vms


@pytest.fixture
async def counting(azurite: Azurite) -> AsyncIterator[tuple[TableLedger, Counting]]:
    """A ledger whose requests are counted."""
    counting = Counting()
    ledger = counting.ledger(azurite.connection_string)
    await ledger.check()
    counting.clear()
    yield ledger, counting
    await ledger.close()
