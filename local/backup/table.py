"""The ledger's table as a whole: all of its rows out, and rows in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from shared.adapters.identity import Identity
from shared.adapters.tables import NOT_AS_READ, TABLE, table_service
from shared.ports import Conflict, NotNow, PortError
from shared.rows import Found, Rows, Write, between
from shared.settings import STORAGE, SettingError, Storage
from shared.storage import Account, ask

if TYPE_CHECKING:
    from azure.data.tables.aio import TableServiceClient

PATIENCE = (5.0, 10.0, 20.0, 40.0, 80.0)
"""Seconds to wait for a storage account that cannot answer now, time after time; then it is given up."""

MOST_PATIENCE = timedelta(minutes=5)
"""How long it is left alone where it says so itself."""


class NoTable(PortError):
    """There is no such table."""


class Table:
    """The table. Port errors propagate, once it was asked again for a while."""

    def __init__(self, account: Account, service: "TableServiceClient", name: str = TABLE) -> None:
        """Make no connection yet.

        Args:
            account: Where it is.
            service: The SDK's client of that account.
            name: Of the table.
        """
        self.name = name
        self._rows = Rows(account, name)
        self._service = service

    async def pages(self) -> AsyncIterator[list[Found]]:
        """All rows, as many at a time as Azure gives, in the order of their keys. `NoTable` where there is none."""
        goes_on = ""
        while True:
            rows, goes_on = await self._ask("read", partial(self._rows.whole, "", goes_on))
            yield rows
            if not goes_on:
                return

    async def among(self, partition: str, keys: Sequence[str]) -> dict[str, Found]:
        """Those of some rows that are there, by row key; their keys are given in the order in which Azure has them."""
        found, goes_on, where = dict[str, Found](), "", between(partition, keys[0], keys[-1])
        wanted = set(keys)
        while True:
            rows, goes_on = await self._ask(f"read of {partition}", partial(self._rows.whole, where, goes_on))
            found |= {key: each for each in rows if (key := str(each.row["RowKey"])) in wanted}
            if not goes_on:
                return found

    async def is_empty(self) -> bool:
        """Whether there is no row, or no table at all."""
        try:
            async for rows in self.pages():
                if rows:
                    return False
        except NoTable:
            pass
        return True

    async def make(self) -> None:
        """Make the table, unless it is there."""
        await self._ask("make it", partial(self._service.create_table_if_not_exists, self.name))

    async def write(self, writes: Sequence[Write]) -> None:
        """One transaction. `Conflict` if it is not there any more what was read."""
        where = f"{writes[0].row['PartitionKey']} {writes[0].row['RowKey']}"
        try:
            await self._ask(f"write of {where} and {len(writes) - 1} more", partial(self._rows.write, writes))
        except PortError as fault:
            if fault.code in NOT_AS_READ:
                raise Conflict(f"table {self.name}, {where}: not as it was read ({fault.code})") from fault
            raise

    async def _ask[Answer](self, what: str, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, waited for longer than an event can: nobody delivers a command again."""
        asked = f"table {self.name}, {what}"
        for seconds in PATIENCE:
            try:
                return await ask(asked, attempt)
            except NotNow as fault:
                wait = min(fault.retry_after or timedelta(seconds=seconds), MOST_PATIENCE)
                await asyncio.sleep(wait.total_seconds())
            except PortError as fault:
                if fault.code == "TableNotFound":
                    raise NoTable(f"there is no table {self.name}") from fault
                raise
        return await ask(asked, attempt)


@asynccontextmanager
async def opened(storage: Storage) -> AsyncIterator[Table]:
    """The ledger's table in a storage account. No connection is made yet; all are ended at the end.

    Raises `SettingError` for an account that no client can be made for.
    """
    async with Identity(storage.client_id) as credential:
        try:
            account = Account.open("table", storage.connection_string, storage.table_uri, credential)
            service = table_service(storage.connection_string, storage.table_uri, credential)
        except ValueError as fault:
            raise SettingError(f"{STORAGE} is malformed: {fault}") from None
        async with account, service:
            yield Table(account, service)
