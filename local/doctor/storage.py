"""The app's storage account: can its table and queues be read, and what waits? Nothing is made."""

from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.utils import parse_connection_string

from local.doctor.findings import Finding, failed, not_checked, ok, warning
from local.doctor.installation import Installation
from shared.adapters.queues import DEALLOCATIONS, LOOKS, SWEEPS, held
from shared.adapters.tables import TABLE
from shared.exchange import error_code
from shared.ports import PortError, Refused, Unavailable
from shared.settings import STORAGE, Storage
from shared.storage import ask

QUEUES = (LOOKS, DEALLOCATIONS, SWEEPS)
"""The queues that functions of the app are triggered by."""


async def look(installation: Installation) -> list[Finding]:
    """The table and the queues."""
    return [await _table(installation), *await _queues(installation)]


async def has_table(installation: Installation) -> bool:
    """Whether the ledger's table is there. Raises `NotNow` or `Refused`."""
    nothing = installation.tables.get_table_client(TABLE).query_entities("PartitionKey eq ''").by_page()

    async def read() -> bool:
        try:
            await anext(nothing, None)
        except HttpResponseError as error:
            if error_code(error) != "TableNotFound":
                raise
            return False
        return True

    return await ask(f"table {TABLE}, read", read)


async def waiting(installation: Installation, name: str) -> int | None:
    """About how many messages a queue holds, also for later; None: there is no such queue.

    Raises `NotNow` or `Refused`.
    """
    queue = installation.queues.get_queue_client(name)
    return await ask(f"queue {name}, count", lambda: held(queue))


def unreadable(fault: PortError, storage: Storage, service: str) -> Finding:
    """What it means that storage's service `Table` or `Queue` cannot be read."""
    name = _account(storage)
    if isinstance(fault, Unavailable) and _is_on_loopback(storage):
        return failed(fault, "start the emulator: .venv/bin/python -m local storage")
    if (
        not isinstance(fault, Refused) or fault.code == "AuthorizationFailure"
    ):  # which is the account's firewall
        return failed(
            fault,
            f"does it let this machine in? az storage account show --name {name} --query networkRuleSet",
        )
    if storage.connection_string:
        show = f"az storage account show-connection-string --name {name} --query connectionString"
        return failed(fault, f"{STORAGE}=<what this says: {show}>")
    return not_checked(
        str(fault),
        f'az role assignment create --assignee <whoever runs doctor> --role "Storage {service} Data Reader" '
        f'--scope "$(az storage account show --name {name} --query id --output tsv)"',
    )


def access(storage: Storage) -> str:
    """The options by which the Azure CLI reaches the account."""
    if storage.connection_string:
        return f'--connection-string "${STORAGE}"'
    return f"--account-name {_account(storage)} --auth-mode login"


async def _table(installation: Installation) -> Finding:
    try:
        there = await has_table(installation)
    except PortError as fault:
        return unreadable(fault, installation.settings.storage, "Table")
    if not there:
        return _not_there(f"table {TABLE}", installation)
    return ok(f"table {TABLE} can be read")


async def _queues(installation: Installation) -> list[Finding]:
    found = list[Finding]()
    try:
        for name in QUEUES:
            count = await waiting(installation, name)
            if count is None:
                found.append(_not_there(f"queue {name}", installation))
            else:
                found.append(ok(f"queue {name} can be read; about {count} wait, due or for later"))
    except PortError as fault:
        found.append(unreadable(fault, installation.settings.storage, "Queue"))
    return found


def _not_there(what: str, installation: Installation) -> Finding:
    ask = f"curl '{installation.address}/api/health?code=<key>'"
    return warning(f"{what} is not there", f"call the app, which makes it at its first use: {ask}")


def _account(storage: Storage) -> str:
    if storage.connection_string:
        return parse_connection_string(storage.connection_string).get("accountname", "<account>")
    return (urlsplit(storage.table_uri or "").hostname or "<account>").partition(".")[0]


def _is_on_loopback(storage: Storage) -> bool:
    text = (storage.connection_string or "").lower()
    return any(
        word in text for word in ("usedevelopmentstorage=true", "http://127.0.0.1:", "http://localhost:")
    )
