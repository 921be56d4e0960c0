"""Rows of Table Storage, on the way of events and sweeps: read one by one, written together, a few columns of all.

What is rare is left to azure-data-tables. It takes three times as long as the exchange itself, for notes on types and
for objects that nobody here needs: docs/performance.md has the figures.

Rows are JSON objects without OData's notes on types: which columns are times is for who reads them to know.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import msgspec
from azure.core.exceptions import DecodeError
from azure.core.rest import AsyncHttpResponse

from shared.domain.malformed import shown
from shared.storage import Account, StorageFault
from shared.transport import Answer

MOST_OPERATIONS = 100
"""In one transaction."""

MOST_ROWS = 1000
"""In one answer to a query."""

ABSENT = {"ResourceNotFound", "EntityNotFound"}
"""What Azure says of a row that is not there."""

_READ = {"Accept": "application/json;odata=nometadata", "DataServiceVersion": "3.0"}
_TYPED = {**_READ, "Accept": "application/json;odata=fullmetadata"}
_WRITE = {**_READ, "Content-Type": "application/json", "Prefer": "return-no-content"}
_BATCH = {
    "Accept": "application/json",
    "DataServiceVersion": "3.0",
    "MaxDataServiceVersion": "3.0;NetFx",
}
"""As azure-data-tables and Microsoft's examples have it: Azurite would do with less, and is not Azure.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

_PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_REMOVE, _PUT = ("".join(f"{name}: {value}\r\n" for name, value in told.items()) for told in (_READ, _WRITE))

# Of the answers within an answer to a transaction.
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})", re.MULTILINE)
_ETAG = re.compile(rb"^etag: *(.+?)\r?$", re.MULTILINE | re.IGNORECASE)
_BODY = re.compile(rb"\{.*\}", re.DOTALL)
_INDEX = re.compile(r"(\d+):")

type Row = Mapping[str, Any]
"""The columns of a row, `PartitionKey` and `RowKey` among them: texts, truths, times, and numbers of 32 bits."""


class Found(msgspec.Struct, frozen=True):
    """A row as it was read."""

    row: Row
    etag: str


class Write(msgspec.Struct, frozen=True):
    """An operation of a transaction: there is to be this row, whatever is there now, unless more is said."""

    row: Row
    etag: str | None = None
    """Only in the place of the one that has this ETag."""
    new: bool = False
    """Only if there is none."""
    gone: bool = False
    """Rather, there is to be none, and there is one now."""


class NotWritten(StorageFault):
    """A transaction that Azure does not do. Status, code and words are of the operation that is to blame."""

    def __init__(self, response: AsyncHttpResponse) -> None:
        super().__init__(response)
        found = _INDEX.match(str(self.message))
        self.index = int(found[1]) if found else 0
        """Which one that is; the first if Azure does not say."""


class Rows:
    """The rows of one table. Each method is one request, and raises `AzureError`: `StorageFault` where refused."""

    def __init__(self, account: Account, table: str) -> None:
        """Make no connection yet."""
        self.account = account
        self._table = table

    async def read(self, partition: str, key: str) -> Found | None:
        """A row; None: it is not there."""
        try:
            answer = await self.account.send("GET", self._place(partition, key), headers=_READ)
        except StorageFault as fault:
            if fault.error_code in ABSENT:
                return None
            raise
        etag = answer.headers.get("ETag")
        if not etag:
            raise _unversioned(answer)
        return Found(_decoded(answer, dict[str, Any]), etag)

    async def page[Columns: msgspec.Struct](
        self, partition: str, after: str, end: str, of: type[Columns], goes_on: str = ""
    ) -> tuple[list[Columns], str]:
        """The rows of a partition between two row keys, both excluded, as many as Azure gives at once.

        Args:
            partition: Of the rows.
            after: The row key before the first.
            end: The row key after the last.
            of: Its fields are the columns that are read.
            goes_on: What the page before said.

        Returns:
            The rows, and how it goes on from there; empty: these were the last.
        """
        where = f"PartitionKey eq {_literal(partition)} and RowKey gt {_literal(after)} and RowKey lt {_literal(end)}"
        query = f"$filter={quote(where, safe='')}&$top={MOST_ROWS}&$select={','.join(of.__struct_fields__)}"
        answer = await self.account.send("GET", f"/{self._table}()", query + goes_on, headers=_READ)
        return _decoded(answer, _Page[of]).value, _continuation(answer.headers)  # type: ignore[valid-type]

    async def whole(self, where: str = "", goes_on: str = "") -> tuple[list[Found], str]:
        """Rows of all partitions with all of their columns, as many as Azure gives at once, in the order of their keys.

        Beside a column that JSON does not tell the type of stands OData's note on it, `{column}@odata.type`: so told,
        `write` makes exactly this row of it again.

        Args:
            where: A filter, such as `between` makes; empty: all rows.
            goes_on: What the page before said.

        Returns:
            As `page` does.
        """
        query = f"$filter={quote(where, safe='')}&$top={MOST_ROWS}" if where else f"$top={MOST_ROWS}"
        answer = await self.account.send("GET", f"/{self._table}()", query + goes_on, headers=_TYPED)
        rows = [_typed(told) for told in _decoded(answer, _Whole).value]
        if not all(row.etag for row in rows):
            raise _unversioned(answer)
        return rows, _continuation(answer.headers)

    async def write(self, writes: Sequence[Write]) -> str:
        """Do all of it or nothing, at most 100 operations on rows of one partition.

        Returns:
            The new ETag of the first row that was written; empty if none was.

        Raises:
            NotWritten: A condition does not hold, or an operation cannot be done.
        """
        batch, changes = f"batch_{uuid4()}", f"changes_{uuid4()}"
        part = f"--{changes}\r\n{_PART}".encode()
        steps = [piece for write in writes for piece in (part, *self._step(write), b"\r\n")]
        begin = f"--{batch}\r\nContent-Type: multipart/mixed; boundary={changes}\r\n\r\n"
        body = b"".join((begin.encode(), *steps, f"--{changes}--\r\n--{batch}--\r\n".encode()))
        headers = {**_BATCH, "Content-Type": f"multipart/mixed; boundary={batch}"}
        answer = await self.account.send("POST", "/$batch", headers=headers, body=body)
        etag = _first_etag(answer)
        if not etag and not all(write.gone for write in writes):
            raise _unversioned(answer)
        return etag

    def _step(self, write: Write) -> tuple[bytes, bytes]:
        """An operation as a request of its own: its head, and its body."""
        place = (
            f"/{self._table}" if write.new else self._place(write.row["PartitionKey"], write.row["RowKey"])
        )
        method = "DELETE" if write.gone else "POST" if write.new else "PUT"
        condition = write.etag or ("*" if write.gone else "")
        head = f"{method} {self.account.url}{place} HTTP/1.1\r\n{_REMOVE if write.gone else _PUT}"
        if condition:
            head += f"If-Match: {condition}\r\n"
        return f"{head}\r\n".encode(), b"" if write.gone else _json(write.row)

    def _place(self, partition: str, key: str) -> str:
        return f"/{self._table}(PartitionKey='{_quoted(partition)}',RowKey='{_quoted(key)}')"


class _Page[Columns](msgspec.Struct):
    value: list[Columns]


class _Whole(msgspec.Struct):
    value: list[dict[str, Any]]


def between(partition: str, first: str, last: str) -> str:
    """The filter of a partition's rows between two row keys, both included."""
    keys = f"RowKey ge {_literal(first)} and RowKey le {_literal(last)}"
    return f"PartitionKey eq {_literal(partition)} and {keys}"


def _typed(told: Mapping[str, Any]) -> Found:
    """A row as storage tells it with its types, without what storage alone can say."""
    row = {
        name: value
        for name, value in told.items()
        if not name.startswith("odata.") and name.partition("@")[0] != "Timestamp"
    }
    # 1.0 is a 1 to some who read JSON.
    row |= {f"{name}@odata.type": "Edm.Double" for name, value in row.items() if isinstance(value, float)}
    return Found(row, str(told.get("odata.etag", "")))


def _literal(value: str) -> str:
    return f"'{value.replace("'", "''")}'"


@lru_cache(maxsize=1024)
def _quoted(key: str) -> str:
    return quote(key.replace("'", "''"), safe="")


def _json(row: Row) -> bytes:
    """A row as Table Storage takes it. In ASCII: what counts as the end of a line is no matter of opinion then."""
    told = dict(row)
    for name, value in row.items():
        if isinstance(value, datetime):
            told[name], told[f"{name}@odata.type"] = value.astimezone(UTC), "Edm.DateTime"
    encoded = msgspec.json.encode(told)
    return encoded if encoded.isascii() else json.dumps(json.loads(encoded), separators=(",", ":")).encode()


def _decoded[Value](answer: AsyncHttpResponse, of: type[Value]) -> Value:
    try:
        return msgspec.json.decode(answer.content, type=of)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise DecodeError(f"an answer that cannot be read: {fault}: {shown(answer.content)}") from fault


def _continuation(headers: Mapping[str, str]) -> str:
    names = ("NextPartitionKey", "NextRowKey")
    told = [(name, headers.get(f"x-ms-continuation-{name}")) for name in names]
    # Whatever it is, it goes back in the bytes that it came in.
    return "".join(
        f"&{name}={quote(value, safe='', errors='surrogateescape')}" for name, value in told if value
    )


def _unversioned(answer: AsyncHttpResponse) -> DecodeError:
    """A row without an ETag would be written later on without a condition, over whatever is there then."""
    return DecodeError(f"an answer without an ETag, which is none of storage's: {shown(answer.content)}")


def _first_etag(answer: AsyncHttpResponse) -> str:
    """Of the rows that a transaction has written; `NotWritten` if it has not."""
    statuses = [int(status) for status in _STATUS.findall(answer.content)]
    failed = next((status for status in statuses if status >= 300), None)
    if failed:
        body = _BODY.search(answer.content)
        raise NotWritten(Answer(answer.request, failed, {}, body[0] if body else b""))
    if not statuses:
        raise DecodeError(f"an answer that says nothing of what was written: {shown(answer.content)}")
    etag = _ETAG.search(answer.content)
    return etag[1].decode() if etag else ""
