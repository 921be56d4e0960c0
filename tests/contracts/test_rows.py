"""Rows of Table Storage as we write and read them, against azure-data-tables, Azurite and answers of any kind."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from azure.core.exceptions import DecodeError
from azure.data.tables.aio import TableClient, TableServiceClient

from local.azurite import Azurite
from shared import rows as module
from shared.rows import MOST_OPERATIONS, Found, NotWritten, Rows, Write
from shared.storage import Account, StorageFault
from tests.contracts.canned import Answer, Canned, canned_service, said
from tests.contracts.conftest import NOBODY

TABLE = f"rows{uuid4().hex}"


@pytest.fixture(scope="module")
async def theirs(azurite: Azurite) -> AsyncIterator[TableClient]:
    """azure-data-tables on a table of this module's own."""
    service = TableServiceClient.from_connection_string(azurite.connection_string)
    async with service, await service.create_table(TABLE) as table:
        yield table


@pytest.fixture
async def ours(azurite: Azurite, theirs: TableClient) -> AsyncIterator[Rows]:
    """Our rows of the same table."""
    assert theirs.table_name == TABLE
    async with Account.open("table", azurite.connection_string, None, NOBODY) as account:
        yield Rows(account, TABLE)


@pytest.fixture
async def service() -> AsyncIterator[Canned]:
    async with canned_service() as canned:
        yield canned


@pytest.fixture
async def canned(service: Canned) -> AsyncIterator[Rows]:
    where = f"AccountName=shop;AccountKey=c2VjcmV0;TableEndpoint={service.url}/shop"
    async with Account.open("table", where, None, NOBODY) as account:
        yield Rows(account, "ledger")


@pytest.fixture
def partition() -> str:
    """Of a test's own."""
    return uuid4().hex


VALUES: dict[str, Any] = {
    "nothing": "",
    "quotes": "'\"''\"\"\\",
    "json": '{"vm": "\\u00fc"}',
    "lines": "a\nb\r\nc\rd\te",
    "other ends of lines": "a\u2028b\u2029c\u0085d\x0b\x0c\x1e",
    "a boundary": "\r\n--changes\r\n\r\nHTTP/1.1 500 No\r\n\r\n",
    "xml": "<a>&amp;]]></a>",
    "any script": "größe 日本 भारत Ελλάδα 😀",
    "like a time": "2026-11-24T19:09:29.696729Z",
    "like a number": "12345678901234567890",
    "spaces": "  a  ",
    "as long as can be": "ü" * 32_768,
    "yes": True,
    "no": False,
    "zero": 0,
    "largest": 2**31 - 1,
    "smallest": -(2**31),
    "a moment": datetime(2026, 11, 24, 19, 9, 29, 696729, UTC),
    "a whole second": datetime(2026, 11, 24, 19, 9, 29, tzinfo=UTC),
    "of another zone": datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2))),
    "first": datetime(1601, 1, 1, tzinfo=UTC),
    "last": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
}


def as_theirs(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@pytest.mark.parametrize("what", VALUES)
@pytest.mark.parametrize("new", [False, True])
async def test_what_we_write_is_what_azure_data_tables_reads(
    ours: Rows, theirs: TableClient, partition: str, what: str, *, new: bool
) -> None:
    row = {"PartitionKey": partition, "RowKey": "a", "it": VALUES[what]}
    etag = await ours.write([Write(row, new=new)])
    found = await theirs.get_entity(partition, "a")
    assert found == {**row, "it": as_theirs(VALUES[what])}
    assert type(found["it"]) is type(VALUES[what]) or isinstance(found["it"], datetime)
    assert found.metadata["etag"] == etag
    assert (await ours.read(partition, "a")) == Found((await raw(ours, partition))[0], etag)


@pytest.mark.parametrize("what", VALUES)
async def test_what_azure_data_tables_writes_is_what_we_read(
    ours: Rows, theirs: TableClient, partition: str, what: str
) -> None:
    value = VALUES[what]
    told = await theirs.create_entity({"PartitionKey": partition, "RowKey": "a", "it": value})
    found = await ours.read(partition, "a")
    assert found
    read = found.row["it"]
    assert (datetime.fromisoformat(read) if isinstance(value, datetime) else read) == value
    assert found.etag == told["etag"]


async def raw(rows: Rows, partition: str) -> list[dict[str, Any]]:
    """The rows of a partition, as a query gives them."""
    where = f"$filter=PartitionKey%20eq%20'{partition}'"
    headers = {"Accept": "application/json;odata=nometadata"}
    answer = await rows.account.send("GET", f"/{TABLE}()", where, headers=headers)
    value: list[dict[str, Any]] = json.loads(answer.content)["value"]
    return value


KEYS = [
    "a",
    "a'b",
    "''",
    "a b",
    "vm!größe!日本",
    "a&b=c+d",
    "(a),(b)",
    "a;b:c@d$e",
    "😀",
    "~-_.",
    '"{}[]|^`<>',
]


@pytest.mark.parametrize("key", KEYS)
async def test_a_row_of_any_name(ours: Rows, theirs: TableClient, partition: str, key: str) -> None:
    where = f"{key}{partition}"
    row = {"PartitionKey": where, "RowKey": key}
    etag = await ours.write([Write({**row, "it": 1}, new=True)])
    assert (await theirs.get_entity(where, key))["it"] == 1
    found = await ours.read(where, key)
    assert found
    assert (found.row["it"], found.etag) == (1, etag)
    await ours.write([Write({**row, "it": 2}, etag=etag)])
    seen, goes_on = await ours.page(where, "", "\uffff", Named)
    assert ([each.RowKey for each in seen], goes_on) == ([key], "")
    await ours.write([Write(row, gone=True)])
    assert await ours.read(where, key) is None


class Named(msgspec.Struct):
    RowKey: str
    it: object = None


class TestTransactions:
    def row(self, partition: str, key: str = "a", it: int = 0) -> dict[str, Any]:
        return {"PartitionKey": partition, "RowKey": key, "it": it}

    async def test_conditions(self, ours: Rows, partition: str) -> None:
        row = self.row(partition)
        first = await ours.write([Write(row, new=True)])
        with pytest.raises(NotWritten) as caught:
            await ours.write([Write(row, new=True)])
        assert (caught.value.status_code, caught.value.error_code) == (409, "EntityAlreadyExists")
        second = await ours.write([Write(row, etag=first)])
        assert second != first
        with pytest.raises(NotWritten) as caught:
            await ours.write([Write(row, etag=first)])
        assert (caught.value.status_code, caught.value.error_code) == (412, "UpdateConditionNotSatisfied")
        with pytest.raises(NotWritten) as caught:
            await ours.write([Write(row, etag=first, gone=True)])
        assert caught.value.status_code == 412
        assert await ours.write([Write(row, etag=second, gone=True)]) == ""
        with pytest.raises(NotWritten) as caught:
            await ours.write([Write(row, gone=True)])
        assert (caught.value.status_code, caught.value.error_code) == (404, "ResourceNotFound")

    async def test_without_one_a_row_is_replaced_whole(self, ours: Rows, partition: str) -> None:
        await ours.write([Write({**self.row(partition), "more": "yes"})])
        await ours.write([Write(self.row(partition, it=2))])
        [row] = await raw(ours, partition)
        assert (row["it"], row.get("more")) == (2, None)

    async def test_all_or_nothing_and_which_is_to_blame(self, ours: Rows, partition: str) -> None:
        await ours.write([Write(self.row(partition, "70"))])
        works = [Write(self.row(partition, f"{number:02}"), new=True) for number in range(MOST_OPERATIONS)]
        with pytest.raises(NotWritten) as caught:
            await ours.write(works)
        assert (caught.value.index, caught.value.error_code) == (70, "EntityAlreadyExists")
        assert len(await raw(ours, partition)) == 1
        await ours.write([*works[:70], *works[71:]])
        assert len(await raw(ours, partition)) == MOST_OPERATIONS

    async def test_the_etag_is_of_the_first_that_is_written(self, ours: Rows, partition: str) -> None:
        await ours.write([Write(self.row(partition, "a"))])
        gone, made = Write(self.row(partition, "a"), gone=True), Write(self.row(partition, "b"), new=True)
        etag = await ours.write([gone, made, Write(self.row(partition, "c"))])
        found = await ours.read(partition, "b")
        assert found
        assert found.etag == etag

    async def test_a_table_that_is_not_there(self, ours: Rows, partition: str) -> None:
        elsewhere = Rows(ours.account, f"none{uuid4().hex}")
        with pytest.raises(StorageFault) as caught:
            await elsewhere.write([Write(self.row(partition))])
        assert caught.value.error_code == "TableNotFound"
        with pytest.raises(StorageFault) as caught:
            await elsewhere.read(partition, "a")
        assert caught.value.error_code == "TableNotFound"

    async def test_what_is_too_large_is_refused(self, ours: Rows, partition: str) -> None:
        with pytest.raises(StorageFault) as caught:
            await ours.write([Write({**self.row(partition), "it": "x" * 32_769})])
        assert caught.value.status_code == 400
        assert await raw(ours, partition) == []


class TestRequests:
    """What is sent, as Microsoft's examples have it."""

    async def test_a_transaction(self, canned: Rows, service: Canned) -> None:
        service.answer(parts("204 No Content", "ETag: new"))
        row = {"PartitionKey": "p", "RowKey": "a", "n": 1}
        await canned.write(
            [
                Write(row, new=True),
                Write({**row, "RowKey": "b'ü"}),
                Write({**row, "RowKey": "c"}, etag='W/"x"'),
                Write({"PartitionKey": "p", "RowKey": "d"}, gone=True),
                Write({"PartitionKey": "p", "RowKey": "e"}, etag='W/"y"', gone=True),
            ]
        )
        [asked] = service.requests
        assert (asked.method, asked.path) == ("POST", "/shop/$batch")
        told = {
            name: asked.headers[name] for name in ("Accept", "DataServiceVersion", "MaxDataServiceVersion")
        }
        assert told == {
            "Accept": "application/json",
            "DataServiceVersion": "3.0",
            "MaxDataServiceVersion": "3.0;NetFx",
        }
        kind, _, batch = asked.headers["Content-Type"].partition("; boundary=")
        changes = asked.body.decode().partition("boundary=")[2].partition("\r\n")[0]
        assert kind == "multipart/mixed"
        part = f"--{changes}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        reads = "Accept: application/json;odata=nometadata\r\nDataServiceVersion: 3.0\r\n"
        writes = f"{reads}Content-Type: application/json\r\nPrefer: return-no-content\r\n"
        place = f"{service.url}/shop/ledger"
        assert asked.body.decode() == (
            f"--{batch}\r\nContent-Type: multipart/mixed; boundary={changes}\r\n\r\n"
            f"{part}POST {place} HTTP/1.1\r\n{writes}\r\n"
            '{"PartitionKey":"p","RowKey":"a","n":1}\r\n'
            f"{part}PUT {place}(PartitionKey='p',RowKey='b%27%27%C3%BC') HTTP/1.1\r\n{writes}\r\n"
            '{"PartitionKey":"p","RowKey":"b\'\\u00fc","n":1}\r\n'
            f"{part}PUT {place}(PartitionKey='p',RowKey='c') HTTP/1.1\r\n{writes}If-Match: W/\"x\"\r\n\r\n"
            '{"PartitionKey":"p","RowKey":"c","n":1}\r\n'
            f"{part}DELETE {place}(PartitionKey='p',RowKey='d') HTTP/1.1\r\n{reads}If-Match: *\r\n\r\n\r\n"
            f"{part}DELETE {place}(PartitionKey='p',RowKey='e') HTTP/1.1\r\n{reads}If-Match: W/\"y\"\r\n\r\n\r\n"
            f"--{changes}--\r\n--{batch}--\r\n"
        )

    async def test_times_are_told_as_such(self, canned: Rows, service: Canned) -> None:
        service.answer(parts("204 No Content", "ETag: new"))
        at = datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2)))
        await canned.write([Write({"PartitionKey": "p", "RowKey": "a", "at": at})])
        row = next(line for line in service.requests[0].body.splitlines() if line.startswith(b"{"))
        assert json.loads(row) == {
            "PartitionKey": "p",
            "RowKey": "a",
            "at": "2026-03-29T01:30:00Z",
            "at@odata.type": "Edm.DateTime",
        }


def parts(status: str, *headers: str, body: str = "", times: int = 1, end: str = "\r\n") -> Answer:
    """An answer to a transaction, as Microsoft's examples have it."""
    part = end.join(
        (
            "--changesetresponse_a",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            "",
            f"HTTP/1.1 {status}",
            "X-Content-Type-Options: nosniff",
            *headers,
            "",
            body,
            "",
        )
    )
    text = end.join(
        (
            "--batchresponse_b",
            "Content-Type: multipart/mixed; boundary=changesetresponse_a",
            "",
            part * times + "--changesetresponse_a--",
            "--batchresponse_b--",
            "",
        )
    )
    return said(202, text, content_type="multipart/mixed; boundary=batchresponse_b")


def error(code: str, text: str, *, indent: int | None = None) -> str:
    return json.dumps(
        {"odata.error": {"code": code, "message": {"lang": "en-US", "value": text}}}, indent=indent
    )


class TestAnswers:
    ROW = Write({"PartitionKey": "p", "RowKey": "a"})

    @pytest.mark.parametrize("end", ["\r\n", "\n"])
    @pytest.mark.parametrize("name", ["ETag", "Etag", "etag"])
    async def test_a_transaction_that_was_done(
        self, canned: Rows, service: Canned, name: str, end: str
    ) -> None:
        service.answer(parts("204 No Content", f"{name}: W/\"datetime'2026%3A09'\"", times=3, end=end))
        assert await canned.write([self.ROW] * 3) == "W/\"datetime'2026%3A09'\""

    @pytest.mark.parametrize("indent", [None, 2])
    @pytest.mark.parametrize(
        ("status", "code", "text", "index"),
        [
            (
                "400 Bad Request",
                "OutOfRangeInput",
                "2:One of the inputs is out of range.\nRequestId:1\nTime:2",
                2,
            ),
            ("409 Conflict", "EntityAlreadyExists", "0:The specified entity already exists.\nRequestId:1", 0),
            ("412 Precondition Failed", "UpdateConditionNotSatisfied", "99:Not satisfied.", 99),
            ("404 Not Found", "TableNotFound", "The table specified does not exist.", 0),
        ],
    )
    async def test_one_that_was_not(
        self, canned: Rows, service: Canned, status: str, code: str, text: str, index: int, indent: int | None
    ) -> None:
        service.answer(parts(status, "Content-Type: application/json", body=error(code, text, indent=indent)))
        with pytest.raises(NotWritten) as caught:
            await canned.write([self.ROW])
        fault = caught.value
        assert (fault.status_code, fault.error_code, fault.message) == (int(status[:3]), code, text)
        assert fault.index == index

    async def test_one_that_says_no_more_than_no(self, canned: Rows, service: Canned) -> None:
        service.answer(parts("503 Service Unavailable"))
        with pytest.raises(NotWritten) as caught:
            await canned.write([self.ROW])
        assert (caught.value.status_code, caught.value.error_code, caught.value.index) == (503, "", 0)

    @pytest.mark.parametrize("body", [b"", b"{}", b"<html>Log in", b"\xff", b"HTTP/1.1 ok", b"ETag: x"])
    async def test_one_of_which_nothing_is_said(self, canned: Rows, service: Canned, body: bytes) -> None:
        service.answer(said(202, body))
        with pytest.raises(DecodeError, match="says nothing of what was written"):
            await canned.write([self.ROW])

    async def test_a_row_without_a_version_is_none_of_storages(self, canned: Rows, service: Canned) -> None:
        """It would be written later on without a condition."""
        service.answer(parts("204 No Content"))
        with pytest.raises(DecodeError, match="without an ETag"):
            await canned.write([self.ROW])
        assert await canned.write([Write(self.ROW.row, gone=True)]) == "", "of what is gone there is none"
        service.answers.clear()
        service.answer(said(200, json.dumps(self.ROW.row)))
        with pytest.raises(DecodeError, match="without an ETag"):
            await canned.read("p", "a")

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b"1", b"<html>Log in", b"\xff", b"[" * 100_000])
    async def test_one_that_is_no_row(self, canned: Rows, service: Canned, body: bytes) -> None:
        service.answer(said(200, body, {"ETag": "x"}))
        with pytest.raises(DecodeError, match="an answer that cannot be read: "):
            await canned.read("p", "a")

    @pytest.mark.parametrize("body", [b"{}", b'{"value": {}}', b'{"value": [1]}', b'{"value": [{}]}', b"[]"])
    async def test_one_that_is_no_page(self, canned: Rows, service: Canned, body: bytes) -> None:
        service.answer(said(200, body))
        with pytest.raises(DecodeError, match="an answer that cannot be read: "):
            await canned.page("p", "", "z", Named)


class TestPages:
    async def test_rows_between_two_keys_and_no_other_column(self, ours: Rows, partition: str) -> None:
        row = {"PartitionKey": partition, "it": 1, "more": "x"}
        await ours.write([Write({**row, "RowKey": key}) for key in ("a", "a'b", "b", "b'", "c")])
        found, goes_on = await ours.page(partition, "a", "b'", Named)
        assert [each.RowKey for each in found] == ["a'b", "b"]
        assert goes_on == ""

    async def test_one_goes_on_where_the_one_before_ended(
        self, ours: Rows, partition: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MOST_ROWS", 2)
        names = [f"vm!größe!{number}'" for number in range(5)]
        await ours.write([Write({"PartitionKey": partition, "RowKey": name}) for name in names])
        found, goes_on = list[str](), ""
        for _ in range(3):
            page, goes_on = await ours.page(partition, "vm!", "vm~", Named, goes_on)
            found += [each.RowKey for each in page]
        assert (found, goes_on) == (names, "")

    @pytest.mark.parametrize(
        "token", ["1!8!YQ--", "a b", "a&b=c", "a+b/c=", "%41", "a#b", "a'b\"", "größe", "日本"]
    )
    async def test_where_is_whatever_storage_says(self, canned: Rows, service: Canned, token: str) -> None:
        told = {"x-ms-continuation-NextPartitionKey": token, "x-ms-continuation-NextRowKey": f"{token}2"}
        service.answer(said(200, '{"value": []}', told), said(200, '{"value": []}'))
        _, goes_on = await canned.page("p", "", "z", Named)
        assert await canned.page("p", "", "z", Named, goes_on) == ([], "")
        first, second = service.requests
        asked = {name: second.query[name] for name in second.query if name not in first.query}
        assert asked == {"NextPartitionKey": token, "NextRowKey": f"{token}2"}

    async def test_storage_may_name_the_partition_alone(self, canned: Rows, service: Canned) -> None:
        service.answer(said(200, '{"value": []}', {"x-ms-continuation-NextPartitionKey": "a"}))
        assert await canned.page("p", "", "z", Named) == ([], "&NextPartitionKey=a")
