from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import pytest
from azure.data.tables.aio import TableServiceClient

from local.azurite import Azurite
from shared.adapters.memory import MemoryLedger
from shared.adapters.tables import TableLedger, open_ledger
from shared.ports import Ledger
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
async def counting(azurite: Azurite) -> AsyncIterator[tuple[TableLedger, Counting]]:
    """A ledger whose requests are counted."""
    transport = Counting()
    ledger = TableLedger(
        TableServiceClient.from_connection_string(
            azurite.connection_string, transport=transport, retry_total=0
        )
    )
    await ledger.check()
    transport.clear()
    yield ledger, transport
    await ledger.close()
