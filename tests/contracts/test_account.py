"""By what right storage is asked: signatures, against the SDKs' own policies and Microsoft's words; SAS; tokens.

The rules of signing: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure.data.tables._authentication import SharedKeyCredentialPolicy as TablePolicy
from azure.data.tables._base_client import _SUPPORTED_API_VERSIONS as OF_TABLE_APIS
from azure.data.tables._common_conversion import _sign_string
from azure.storage.queue import AccountSasPermissions as QueuePermissions
from azure.storage.queue import ResourceTypes as QueueTypes
from azure.storage.queue import generate_account_sas as generate_queue_sas
from azure.storage.queue._serialize import _SUPPORTED_API_VERSIONS as OF_QUEUE_APIS
from azure.storage.queue._shared.authentication import SharedKeyCredentialPolicy as QueuePolicy
from hypothesis import given
from hypothesis import strategies as st

from local.azurite import ACCOUNT, KEY, Azurite
from shared.ports import Refused, Unavailable
from shared.rows import Rows
from shared.storage import Account, Service, StorageFault, _Key, ask
from shared.transport import Answer, Transport
from tests.contracts.canned import canned_service, said
from tests.contracts.conftest import NOBODY
from tests.contracts.credentials import LockedOut, Nobody, Somebody

SECRET = base64.b64encode(b"secret").decode()
# The SDKs' own are not typed.
OF_TABLES: Any = TablePolicy
OF_QUEUES: Any = QueuePolicy
SIGN: Any = _sign_string

DATE = "Tue, 24 Nov 2026 19:09:29 GMT"

keys = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\#?"), min_size=1, max_size=40
)
"""What a row may be called."""
words = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=3, max_size=63)
terms = st.lists(
    st.sampled_from(["comp=metadata", "visibilitytimeout=0", "messagettl=-1", "timeout=30"]), unique=True
)


def request_for(method: str, place: str, *, queue: bool = False, **headers: str) -> HttpRequest:
    url = f"https://shop.{'queue' if queue else 'table'}.core.windows.net{place}"
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(method, url, headers={"x-ms-date": DATE, "x-ms-version": "2020-12-06", **told})


def in_pipeline(request: HttpRequest) -> PipelineRequest[Any]:
    """Without a transport, so that the SDKs sign the place as it is. For aiohttp's they would escape it again."""
    return PipelineRequest(request, PipelineContext(None))


class TestSignatures:
    """The SDKs sign by the longer rule, Shared Key; of the shorter one, Lite, the parts are the same."""

    @given(partition=keys, key=keys)
    def test_a_rows_place_is_what_azure_data_tables_makes_of_it(self, partition: str, key: str) -> None:
        request = request_for("GET", Rows(None, "ledger")._place(partition, key))  # type: ignore[arg-type]
        theirs = OF_TABLES(AzureNamedKeyCredential("shop", SECRET))
        place = theirs._get_canonicalized_resource(in_pipeline(request))
        assert _Key("table", "shop", b"secret").signed(request) == f"{DATE}\n{place}"
        assert place.isascii()

    @given(place=st.sampled_from(["/$batch", "/ledger()", "/shop/ledger()"]), query=terms)
    def test_of_a_tables_query_as_much_as_azure_data_tables_signs(self, place: str, query: list[str]) -> None:
        request = request_for("POST", f"{place}?{'&'.join(query)}")
        theirs = OF_TABLES(AzureNamedKeyCredential("shop", SECRET))
        told = theirs._get_canonicalized_resource(in_pipeline(request))
        told += theirs._get_canonicalized_resource_query(request)
        assert _Key("table", "shop", b"secret").signed(request) == f"{DATE}\n{told}"

    @given(
        method=st.sampled_from(["GET", "PUT", "POST"]),
        queue=words,
        query=terms,
        kind=st.sampled_from([{}, {"Content-Type": "application/xml"}]),
    )
    def test_of_a_queues_request_the_parts_are_as_azure_storage_queue_has_them(
        self, method: str, queue: str, query: list[str], kind: Mapping[str, str]
    ) -> None:
        place = f"/{queue}/messages?{'&'.join(query)}"
        request = request_for(method, place, queue=True, **kind)
        theirs, told = OF_QUEUES("shop", SECRET), in_pipeline(request)
        text = theirs._get_verb(told) + theirs._get_headers(told, ["content-md5", "content-type", "date"])
        text += theirs._get_canonicalized_headers(told) + theirs._get_canonicalized_resource(told)
        text += "?comp=metadata" if "comp=metadata" in query else ""
        assert _Key("queue", "shop", b"secret").signed(request) == text

    async def test_other_headers_of_storage_than_those_are_not_sent(self) -> None:
        sent = await sent_to("queue", f"AccountName=shop;AccountKey={SECRET}")
        told = sorted(name for name in sent.headers if name.startswith("x-ms-"))
        # The SDK sorts them as Windows sorts words, we by their letters: of these, in the same order.
        assert told == ["x-ms-date", "x-ms-version"]

    @pytest.mark.parametrize("service", ["table", "queue"])
    async def test_the_signature_is_what_the_sdk_makes_of_the_same_text(self, service: Service) -> None:
        sent = await sent_to(service, f"AccountName=shop;AccountKey={SECRET}")
        text = _Key(service, "shop", b"secret").signed(sent)
        assert sent.headers["Authorization"] == f"SharedKeyLite shop:{SIGN(SECRET, text)}"
        assert abs(parsedate_to_datetime(sent.headers["x-ms-date"]) - datetime.now(UTC)) < timedelta(
            minutes=5
        )

    def test_microsofts_own_examples(self) -> None:
        table = HttpRequest("POST", "https://testaccount1.table.core.windows.net/Tables")
        table.headers["x-ms-date"] = "Sun, 11 Oct 2009 19:52:39 GMT"
        key = _Key("table", "testaccount1", b"")
        assert key.signed(table) == "Sun, 11 Oct 2009 19:52:39 GMT\n/testaccount1/Tables"

        blob = HttpRequest(
            "PUT",
            "https://testaccount1.blob.core.windows.net/mycontainer/hello.txt",
            headers={
                "x-ms-meta-m2": "v2",
                "x-ms-meta-m1": "v1",
                "x-ms-date": "Sun, 20 Sep 2009 20:36:40 GMT",
                "Content-Type": "text/plain; charset=UTF-8",
            },
        )
        assert _Key("queue", "testaccount1", b"").signed(blob) == (
            "PUT\n\ntext/plain; charset=UTF-8\n\n"
            "x-ms-date:Sun, 20 Sep 2009 20:36:40 GMT\nx-ms-meta-m1:v1\nx-ms-meta-m2:v2\n"
            "/testaccount1/mycontainer/hello.txt"
        ), "blobs are signed as queues are"

    async def test_each_attempt_is_signed_anew(self) -> None:
        transport = Recording()
        account = Account.open("table", f"AccountName=shop;AccountKey={SECRET}", None, NOBODY, transport)
        for _ in range(2):
            await account.send("GET", "/ledger()")
        first, second = transport.sent
        assert first is not second
        assert {"x-ms-date", "Authorization"} <= set(first.headers)
        await account.close()


class Recording(Transport):
    """Remembers what it was to send, and gives the answers that it was given."""

    def __init__(self, *statuses: int) -> None:
        super().__init__("https:", connect_seconds=1.0, read_seconds=1.0)
        self.sent = list[HttpRequest]()
        self.statuses = list(statuses)

    async def send(self, request: HttpRequest, **_: object) -> AsyncHttpResponse:
        self.sent.append(HttpRequest(request.method, request.url, headers=dict(request.headers)))
        return Answer(request, self.statuses.pop(0) if self.statuses else 200, {}, b"{}")


async def sent_to(
    service: Service, connection_string: str, query: str = "", headers: Mapping[str, str] | None = None
) -> HttpRequest:
    """What is sent to an account."""
    transport = Recording()
    async with Account.open(service, connection_string, None, NOBODY, transport) as account:
        await account.send("GET", "/ledger", query, headers=headers)
    [sent] = transport.sent
    return sent


SAS = "sv=2019-02-02&ss=t&srt=sco&sp=rwdlacu&se=2027-01-01T00%3A00%3A00Z&sig=a%2Bb%2Fc%3D"


class TestSharedAccessSignatures:
    @pytest.mark.parametrize("query", ["", "$top=1"])
    @pytest.mark.parametrize("mark", ["", "?"])
    async def test_it_is_in_the_address_as_it_is_and_nothing_else_is_told(
        self, query: str, mark: str
    ) -> None:
        where = "TableEndpoint=https://shop.table.core.windows.net/"
        sent = await sent_to("table", f"{where};SharedAccessSignature={mark}{SAS}", query)
        path, _, told = sent.url.partition("?")
        assert path == "https://shop.table.core.windows.net/ledger"
        assert told == (f"{query}&{SAS}" if query else SAS)
        assert "Authorization" not in sent.headers

    async def test_it_goes_before_a_key(self) -> None:
        sent = await sent_to("queue", f"AccountName=shop;AccountKey={SECRET};SharedAccessSignature={SAS}")
        assert parse_qs(urlsplit(sent.url).query)["sig"] == ["a+b/c="]
        assert "Authorization" not in sent.headers

    async def test_it_is_in_no_error(self) -> None:
        async with canned_service() as service:
            service.answer(said(403, "<html>No"))
            where = f"TableEndpoint={service.url};SharedAccessSignature={SAS}"
            async with Account.open("table", where, None, NOBODY) as account:
                with pytest.raises(Refused) as caught:
                    await ask("table ledger", lambda: account.send("GET", "/ledger()"))
        assert "sig" in service.requests[0].query
        assert "sig" not in f"{caught.value} {caught.value.__cause__!r}"

    async def test_azurite_takes_it_for_tables(self, azurite: Azurite) -> None:
        sas = generate_account_sas(
            AzureNamedKeyCredential(ACCOUNT, KEY),
            resource_types=ResourceTypes(service=True, object=True),
            permission=AccountSasPermissions(
                read=True, write=True, delete=True, list=True, add=True, create=True, update=True
            ),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        async with with_sas(azurite, "table", sas) as account:
            with pytest.raises(StorageFault) as caught:
                await Rows(account, f"none{uuid4().hex}").read("p", "a")
            assert caught.value.error_code == "TableNotFound", "and not that it is refused"

    async def test_azurite_takes_it_for_queues(self, azurite: Azurite) -> None:
        sas = generate_queue_sas(
            ACCOUNT,
            KEY,
            resource_types=QueueTypes(service=True, container=True, object=True),
            permission=QueuePermissions(read=True, write=True, delete=True, list=True, add=True, create=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        async with with_sas(azurite, "queue", sas) as account:
            assert (await account.send("PUT", f"/looks-{uuid4()}")).status_code == 201


@asynccontextmanager
async def with_sas(azurite: Azurite, service: Service, sas: str) -> AsyncIterator[Account]:
    name = service.capitalize()
    where = f"{name}Endpoint=http://127.0.0.1:{azurite.ports[name]}/{ACCOUNT}"
    async with Account.open(service, f"{where};SharedAccessSignature={sas}", None, NOBODY) as account:
        yield account


class TestTokens:
    URI = "https://shop.table.core.windows.net"

    @asynccontextmanager
    async def account(self, transport: Recording, credential: Nobody) -> AsyncIterator[Account]:
        async with Account.open("table", None, self.URI, credential, transport) as account:
            yield account

    async def test_one_serves_many_requests(self) -> None:
        transport, somebody = Recording(), Somebody()
        async with self.account(transport, somebody) as account:
            await asyncio.gather(*(account.send("GET", "/ledger()") for _ in range(5)))
        assert [sent.headers["Authorization"] for sent in transport.sent] == ["Bearer token 1"] * 5
        assert [sent.url for sent in transport.sent] == [f"{self.URI}/ledger()"] * 5
        assert somebody.scopes == [("https://storage.azure.com/.default",)]

    async def test_one_that_ends_soon_is_replaced(self) -> None:
        transport, somebody = Recording(), Somebody(lasts=timedelta(minutes=1))
        async with self.account(transport, somebody) as account:
            for _ in range(2):
                await account.send("GET", "/ledger()")
        assert [sent.headers["Authorization"] for sent in transport.sent] == [
            "Bearer token 1",
            "Bearer token 2",
        ]

    async def test_one_that_is_not_taken_is_not_used_again(self) -> None:
        transport, somebody = Recording(401), Somebody()
        async with self.account(transport, somebody) as account:
            with pytest.raises(StorageFault):
                await account.send("GET", "/ledger()")
            await account.send("GET", "/ledger()")
        assert [sent.headers["Authorization"] for sent in transport.sent] == [
            "Bearer token 1",
            "Bearer token 2",
        ]

    async def test_without_one_nothing_is_sent(self) -> None:
        transport = Recording()
        async with self.account(transport, LockedOut()) as account:
            with pytest.raises(Refused, match="no token to ask with: no managed identity was found"):
                await ask("table ledger", lambda: account.send("GET", "/ledger()"))
        assert transport.sent == []

    @pytest.mark.parametrize(
        "uri",
        ["http://127.0.0.1:10002/shop", "HTTP://shop.table.core.windows.net", "shop", "https:", "", None],
    )
    def test_nobody_gets_one_in_the_clear(self, uri: str | None) -> None:
        with pytest.raises(ValueError, match="expected an address such as https://"):
            Account.open("table", None, uri, Nobody())

    async def test_and_if_somebody_tried_nothing_would_be_sent(self) -> None:
        transport, right = Recording(), [AsyncBearerTokenCredentialPolicy(Somebody(), "scope")]
        async with Account("table", "http://127.0.0.1:1", list[object](right), transport) as account:
            with pytest.raises(Unavailable, match="not permitted for non-TLS"):
                await ask("table ledger", lambda: account.send("GET", "/ledger()"))
        assert transport.sent == []


@pytest.mark.parametrize(("service", "known"), [("table", OF_TABLE_APIS), ("queue", OF_QUEUE_APIS)])
async def test_the_version_of_the_api_is_one_that_the_sdk_knows(service: Service, known: list[str]) -> None:
    sent = await sent_to(service, f"AccountName=shop;AccountKey={SECRET}")
    assert sent.headers["x-ms-version"] in known


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10002/devstoreaccount1"),
        (f"AccountName=shop;AccountKey={SECRET}", "https://shop.table.core.windows.net"),
        (f" accountname=shop;ACCOUNTKEY={SECRET}; ", "https://shop.table.core.windows.net"),
        (
            f"DefaultEndpointsProtocol=http;AccountName=shop;AccountKey={SECRET};EndpointSuffix=core.chinacloudapi.cn",
            "http://shop.table.core.chinacloudapi.cn",
        ),
        (f"AccountName=shop;AccountKey={SECRET};TableEndpoint=https://t.example/", "https://t.example"),
        (f"TableEndpoint=https://t.example/a/b/;SharedAccessSignature={SAS}", "https://t.example/a/b"),
        (f"AccountName=shop;SharedAccessSignature={SAS}", "https://shop.table.core.windows.net"),
    ],
)
def test_what_a_connection_string_names(told: str, url: str) -> None:
    assert Account.open("table", told, None, NOBODY).url == url


@pytest.mark.parametrize(
    "told",
    [
        "nonsense",
        "AccountName=shop",
        "AccountName=shop;AccountKey=",
        "AccountName=shop;AccountKey=not base64",
        f"AccountKey={SECRET}",
        f"AccountName=shop;AccountName=shop;AccountKey={SECRET}",
        f"TableEndpoint=https://t.example;AccountKey={SECRET}",
        f"AccountName=shop;AccountKey={SECRET};TableEndpoint=t.example",
        f"TableEndpoint=https://t.example?{SAS};SharedAccessSignature={SAS}",
        f"QueueEndpoint=https://q.example;SharedAccessSignature={SAS}",
    ],
)
def test_one_that_names_none_is_refused_and_its_secrets_are_not_quoted(told: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)connection string|expected an address") as caught:
        Account.open("table", told, None, NOBODY)
    assert SECRET not in str(caught.value)
    assert "sig=" not in str(caught.value)
