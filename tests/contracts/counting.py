"""What goes to storage, counted."""

import json
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.data.tables.aio import TableServiceClient

from shared.adapters.tables import TableLedger
from shared.storage import Account
from shared.transport import Transport


class Counting:
    """Counts the requests, and the rows, columns and bytes that queries gave."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Count anew."""
        self.requests = list[str]()
        self.rows = self.bytes = 0
        self.columns = set[str]()
        self.selected = set[str]()

    def ledger(self, connection_string: str) -> TableLedger:
        """A ledger whose requests are counted, those of the SDK as well."""
        service = TableServiceClient.from_connection_string(
            connection_string, transport=_CountingSdk(self), retry_total=0
        )
        nobody = cast("Any", None)
        account = Account.open("table", connection_string, None, nobody, _Counting(self))
        return TableLedger(account, lambda: service)

    async def answered(self, request: HttpRequest, response: AsyncHttpResponse) -> AsyncHttpResponse:
        """Count an answer."""
        self.requests.append(request.method)
        if "()?" in request.url:
            body = await response.read()
            rows = json.loads(body)["value"]
            self.rows += len(rows)
            self.bytes += len(body)
            self.columns |= {name for row in rows for name in row if "odata" not in name}
            self.selected |= set(parse_qs(urlsplit(request.url).query).get("$select", ["all"])[0].split(","))
        return response


class _Counting(Transport):
    def __init__(self, counts: Counting) -> None:
        super().__init__("http:", connect_seconds=3.0, read_seconds=7.0)
        self._counts = counts

    async def send(self, request: HttpRequest, **options: Any) -> AsyncHttpResponse:  # noqa: ANN401 - whatever is given
        return await self._counts.answered(request, await super().send(request, **options))


class _CountingSdk(AioHttpTransport):  # type: ignore[misc]  # azure-core loads it late, so mypy does not know it
    def __init__(self, counts: Counting) -> None:
        super().__init__()
        self._counts = counts

    async def send(self, request: HttpRequest, **options: Any) -> AsyncHttpResponse:  # noqa: ANN401 - whatever is given
        return await self._counts.answered(request, await super().send(request, **options))
