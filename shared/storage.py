"""A storage account: how its tables and queues are asked."""

from collections.abc import Awaitable, Callable

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.utils import parse_connection_string

from shared.domain.malformed import shown
from shared.exchange import exchange, port_error, transport
from shared.ports import Unavailable

CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS = 3.0, 7.0, 10.0
"""For a request to storage, the last with its retries: Table Storage cuts a long query off after 5 seconds."""


def storage_transport(connection_string: str | None, service: str) -> AioHttpTransport:
    """A transport to `table` or `queue` of a storage account; `ValueError` when that is no connection string."""
    parts = parse_connection_string(connection_string) if connection_string else {}
    emulator = "http:" if "usedevelopmentstorage" in parts else "https:"
    address = parts.get(f"{service}endpoint", emulator)
    return transport(address, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS)


async def ask[Answer](asked: str, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer to a request, or the port's error.

    Args:
        asked: What is asked of whom, for the error: `table ledger, read of /subscriptions/…`.
        attempt: Sends the request, once.
    """
    try:
        return await exchange(attempt, seconds=REQUEST_SECONDS)
    except (AzureError, TimeoutError) as error:
        raise port_error(asked, error) from error
    except UnicodeDecodeError as error:  # the SDKs let it pass; storage speaks UTF-8, so this was not storage
        raise Unavailable(f"{asked}: an answer that is not text: {shown(error.object)}") from error
