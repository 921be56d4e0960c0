"""What is examined: an installation of Stopgap, as its settings name its parts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from local.doctor.arm import Arm
from local.doctor.deployed import Deployed
from shared import bootstrap
from shared.adapters.queues import queue_service
from shared.adapters.tables import TableLedger, table_service
from shared.ports import Clock, Ledger
from shared.settings import STORAGE, SettingError, Settings
from shared.storage import Account

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.queue.aio import QueueServiceClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What doctor is asked beyond a look at all that the settings name."""

    subscriptions: tuple[str, ...] = ()
    """Look at these only; none given: at all that are watched."""
    app: str | None = None
    """Address of a deployed app that is to be asked as well."""
    key: str | None = None
    """A function key of it."""
    send_test_notice: bool = False
    deployed: Deployed | None = None
    """The installation, where it was found by its resource group; None: settings were given."""
    probe: bool = True
    """Whether an event may be provoked there, to see whether it arrives."""
    wait: timedelta = timedelta()
    """How long to wait for it."""

    @property
    def probing(self) -> bool:
        """Whether an event is to be provoked."""
        return self.deployed is not None and self.probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the checks look at."""

    settings: Settings
    subscriptions: tuple[str, ...]
    """Those that are looked at."""
    credential: "AsyncTokenCredential"
    arm: Arm
    tables: "TableServiceClient"
    queues: "QueueServiceClient"
    ledger: Ledger
    asked: Asked
    now: Clock
    say: Callable[[str], None] = lambda _: None
    """Told what is waited for, by checks that take long."""

    @property
    def address(self) -> str:
        """The app's, for commands that ask it."""
        return self.asked.app or "https://<app>"


@asynccontextmanager
async def reached(settings: Settings, asked: Asked, now: Clock) -> AsyncIterator[Installation]:
    """The installation that the settings name. No connection is made yet; all are ended at the end.

    Raises `SettingError` for a storage account that no client can be made for.
    """
    storage = settings.storage
    async with (
        bootstrap.credential_for(settings) as credential,
        Arm(credential, settings.arm_endpoint) as arm,
    ):
        try:
            account = Account.open("table", storage.connection_string, storage.table_uri, credential)
            tables = table_service(storage.connection_string, storage.table_uri, credential)
            queues = queue_service(storage.connection_string, storage.queue_uri, credential)
            ledger = TableLedger(account, lambda: tables)
        except ValueError as fault:
            raise SettingError(f"{STORAGE} is malformed: {fault}") from None
        async with tables, queues, AsyncExitStack() as stack:
            stack.push_async_callback(account.close)
            yield Installation(
                settings=settings,
                subscriptions=asked.subscriptions or settings.subscriptions,
                credential=credential,
                arm=arm,
                tables=tables,
                queues=queues,
                ledger=ledger,
                asked=asked,
                now=now,
            )
