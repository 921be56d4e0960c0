"""The floor: the same exchanges over HTTP with bare aiohttp and `json`, which decide nothing.

It asks for what has to be read, parses it, and writes what has to be written. It knows no errors, tries nothing
twice, and takes its answers as they come: nothing that does the same work in Python can be expected to cost less.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

API_VERSION = "2026-04-01"
TABLES_VERSION, QUEUES_VERSION = "2019-02-02", "2026-02-06"
TABLE = "ledger"
QUEUES = ("looks", "deallocations", "sweeps")

type Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """One operation of a transaction."""

    row: Row
    """Its columns; `body` is what is to be written as JSON in JSON."""
    method: str
    """POST: insert, PUT: replace."""
    etag: str | None = None
    """What a replacement is conditional on."""


class Floor:
    """One session, as the app has one."""

    def __init__(self, arm: str, connection_string: str, table: str = TABLE) -> None:
        parts = dict(part.split("=", 1) for part in connection_string.split(";"))
        self._arm, self._table = arm, table
        self._account = parts["AccountName"]
        self._key = base64.b64decode(parts["AccountKey"])
        self._tables, self._queues = parts["TableEndpoint"], parts["QueueEndpoint"]

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def vm(self, vm_id: str) -> Any:
        """One look."""
        return await self._get_arm(f"{vm_id}?$expand=instanceView&api-version={API_VERSION}")

    async def pages(self, path: str, query: str = "") -> list[int]:
        """All pages of a list, and how many rows each had: a page is forgotten once it is parsed."""
        lengths, address = list[int](), f"{self._arm}{path}?{query}api-version={API_VERSION}"
        while address:
            async with self._http.get(address) as answer:
                page = json.loads(await answer.read())
            lengths.append(len(page["value"]))
            address = page.get("nextLink")
        return lengths

    async def row(self, partition: str, key: str) -> Any:
        """A point read: the row's `body` and its ETag, both None if there is no row."""
        name = f"{self._table}(PartitionKey='{partition}',RowKey='{quote(key)}')"
        row, headers = await self._get_table(name, "", 404)
        return (json.loads(row["body"]), headers["ETag"]) if "body" in row else (None, None)

    async def rows(
        self,
        partition: str,
        *,
        of: str = "vm!",
        to: str = 'vm"',
        select: Sequence[str] = (),
        since: datetime | None = None,
    ) -> list[Any]:
        """All rows of a partition between two row keys, as they come; those that were written since then."""
        found = list[Any]()
        wanted = f"PartitionKey eq '{partition}' and RowKey gt '{of}' and RowKey lt '{to}'"
        if since:
            wanted += f" and Timestamp ge datetime'{since:%Y-%m-%dT%H:%M:%S.%fZ}'"
        query = {"$filter": wanted, "$top": "1000"}
        if select:
            query["$select"] = ",".join(select)
        goes_on: dict[str, str] = {}
        while True:
            page, headers = await self._get_table(
                f"{self._table}()", "?" + urlencode(query | goes_on, quote_via=quote)
            )
            found += page["value"]
            if "x-ms-continuation-NextRowKey" not in headers:
                return found
            goes_on = {
                name: headers[f"x-ms-continuation-{name}"] for name in ("NextPartitionKey", "NextRowKey")
            }

    async def write(self, writes: Iterable[Write]) -> bytes:
        """One transaction."""
        batch, changes = uuid.uuid4(), uuid.uuid4()
        parts = [f"--batch_{batch}\r\nContent-Type: multipart/mixed; boundary=changeset_{changes}\r\n\r\n"]
        for number, write in enumerate(writes):
            row = {**write.row, "body": json.dumps(write.row["body"])}
            address = f"{self._tables}/{self._table}"
            if write.method == "PUT":
                address += f"(PartitionKey='{row['PartitionKey']}',RowKey='{quote(row['RowKey'])}')"
            condition = f"If-Match: {write.etag}\r\n" if write.etag else ""
            parts.append(
                f"--changeset_{changes}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
                f"Content-ID: {number}\r\n\r\n{write.method} {address} HTTP/1.1\r\n{condition}"
                "Accept: application/json;odata=minimalmetadata\r\nPrefer: return-no-content\r\n"
                "Content-Type: application/json;odata=nometadata\r\nDataServiceVersion: 3.0\r\n\r\n"
                f"{json.dumps(row)}\r\n"
            )
        parts.append(f"--changeset_{changes}--\r\n--batch_{batch}--\r\n")
        headers = self._signed(f"/{self._account}/{self._account}/$batch")
        headers["Content-Type"] = f"multipart/mixed; boundary=batch_{batch}"
        async with self._http.post(
            f"{self._tables}/$batch", data="".join(parts).encode(), headers=headers
        ) as answer:
            done = await answer.read()
        if answer.status != 202 or b"HTTP/1.1 4" in done:
            raise RuntimeError(f"the floor's transaction: {answer.status} {done[:500]!r}")
        return done

    async def put(self, queue: str, text: str, hidden: int) -> None:
        """One message."""
        body = f"<QueueMessage><MessageText>{base64.b64encode(text.encode()).decode()}</MessageText></QueueMessage>"
        headers = self._signed_for_queues("POST", f"{queue}/messages", "application/xml")
        address = f"{self._queues}/{queue}/messages?visibilitytimeout={hidden}&messagettl=-1"
        async with self._http.post(address, data=body.encode(), headers=headers) as answer:
            done = await answer.read()
        if answer.status != 201:
            raise RuntimeError(f"the floor's message: {answer.status} {done[:500]!r}")

    async def make(self) -> None:
        """Make table and queues, which is no part of any floor."""
        headers = self._signed(f"/{self._account}/{self._account}/Tables")
        async with self._http.post(
            f"{self._tables}/Tables", json={"TableName": self._table}, headers=headers
        ) as answer:
            _check(answer, 201, 409)
        for queue in QUEUES:
            headers = self._signed_for_queues("PUT", queue, "application/xml")
            async with self._http.put(f"{self._queues}/{queue}", headers=headers) as answer:
                _check(answer, 201, 204)

    async def drop(self, table: str) -> None:
        """Remove a table, if it is there."""
        headers = self._signed(f"/{self._account}/{self._account}/Tables('{table}')")
        async with self._http.delete(f"{self._tables}/Tables('{table}')", headers=headers) as answer:
            _check(answer, 204, 404)

    async def _get_arm(self, path: str) -> Any:
        async with self._http.get(self._arm + path) as answer:
            return json.loads(await answer.read())

    async def _get_table(self, name: str, query: str, *also: int) -> tuple[Any, Mapping[str, str]]:
        address = URL(f"{self._tables}/{name}{query}", encoded=True)
        headers = self._signed(f"/{self._account}{address.raw_path}")
        async with self._http.get(address, headers=headers) as answer:
            found = json.loads(await answer.read())
        if answer.status not in {200, *also}:
            raise RuntimeError(f"the floor's read: {answer.status} {found}")
        return found, answer.headers

    def _signed(self, resource: str) -> dict[str, str]:
        now = format_datetime(datetime.now(UTC), usegmt=True)
        return {
            "x-ms-date": now,
            "x-ms-version": TABLES_VERSION,
            "Accept": "application/json;odata=nometadata",
            "DataServiceVersion": "3.0",
            "Authorization": f"SharedKeyLite {self._account}:{self._mac(f'{now}\n{resource}')}",
        }

    def _signed_for_queues(self, method: str, path: str, content_type: str) -> dict[str, str]:
        now = format_datetime(datetime.now(UTC), usegmt=True)
        told = f"x-ms-date:{now}\nx-ms-version:{QUEUES_VERSION}"
        text = f"{method}\n\n{content_type}\n\n{told}\n/{self._account}/{self._account}/{path}"
        return {
            "x-ms-date": now,
            "x-ms-version": QUEUES_VERSION,
            "Content-Type": content_type,
            "Authorization": f"SharedKeyLite {self._account}:{self._mac(text)}",
        }

    def _mac(self, text: str) -> str:
        return base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()


def _check(answer: aiohttp.ClientResponse, *statuses: int) -> None:
    if answer.status not in statuses:
        raise RuntimeError(f"{answer.method} {answer.url}: {answer.status}")
