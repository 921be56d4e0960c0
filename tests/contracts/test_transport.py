"""How requests of our own go over HTTP: what can become of one, by which way it goes, and what is left of it."""

import asyncio
import gzip
import ipaddress
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.core import AsyncPipelineClient
from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.rest import HttpRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared import exchange
from shared.ports import Unavailable
from shared.transport import Answer, Transport
from tests.contracts.canned import Canned, canned_service, hang, said
from tests.contracts.raw import Raw, Then, head, raw_service

SECRET = "sv=2026-01-01&sig=s3cret"
GZIP = "Content-Encoding: gzip"
ZIPPED = gzip.compress(b'{"vm": "web-1"}' * 1000)

CONNECT_SECONDS, READ_SECONDS, SECONDS = 0.3, 0.2, 0.6


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine's own."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@asynccontextmanager
async def transport_to(url: str, connect_seconds: float = CONNECT_SECONDS) -> AsyncIterator[Transport]:
    transport = Transport(url, connect_seconds=connect_seconds, read_seconds=READ_SECONDS)
    try:
        yield transport
    finally:
        await transport.close()


def request_to(service: Raw | Canned, method: str = "GET") -> HttpRequest:
    body: dict[str, Any] = (
        {"content": b"x", "headers": {"Content-Type": "text/plain"}} if method == "POST" else {}
    )
    return HttpRequest(method, f"{service.url}/vms?{SECRET}", **body)


def sized(body: bytes, size: int | None = None, *more: str) -> tuple[bytes, bytes]:
    """An answer that tells its size, or another."""
    return head(f"Content-Length: {len(body) if size is None else size}", *more), body


def chunked(*chunks: bytes) -> tuple[bytes, ...]:
    return head("Transfer-Encoding: chunked"), *chunks


BROKEN: dict[str, tuple[tuple[bytes, ...], Then, type[AzureError], int]] = {
    "ends without a word": ((), Then.END, ServiceRequestError, 2),
    "breaks without a word": ((), Then.RESET, ServiceRequestError, 2),
    "ends in its first line": ((b"HTTP/1.1 20",), Then.END, ServiceRequestError, 2),
    "breaks in its head": ((b"HTTP/1.1 200 OK\r\nContent-",), Then.RESET, ServiceRequestError, 2),
    "is TLS": ((b"\x15\x03\x01\x00\x02\x02\x46",), Then.END, ServiceResponseError, 1),
    "is of another protocol": ((b"SSH-2.0-OpenSSH\r\n",), Then.END, ServiceResponseError, 1),
    "is of another time": ((b"{}",), Then.END, ServiceResponseError, 1),
    "has no status": ((b"HTTP/1.1 abc OK\r\n\r\n",), Then.END, ServiceResponseError, 1),
    "has a status of its own": ((head(status="99999 OK"),), Then.END, ServiceResponseError, 1),
    "has a header with a zero": ((head("X: a\0b"),), Then.END, ServiceResponseError, 1),
    "has a header without a name": ((head("nonsense"),), Then.END, ServiceResponseError, 1),
    "has a header without end": ((head(f"X: {'a' * 20_000}"),), Then.END, ServiceResponseError, 1),
    "has headers without end": ((head(*["X: a"] * 500),), Then.END, ServiceResponseError, 1),
    "has two sizes": ((head("Content-Length: 2", "Content-Length: 3"),), Then.END, ServiceResponseError, 1),
    "has no size": ((head("Content-Length: x"),), Then.END, ServiceResponseError, 1),
    "has too large a size": (sized(b"{}", 20), Then.END, ServiceResponseError, 1),
    "breaks in its body": (sized(b"{}", 20), Then.RESET, ServiceResponseError, 1),
    "ends in its chunks": (chunked(b"2\r\n{}\r\n"), Then.END, ServiceResponseError, 1),
    "breaks in its chunks": (chunked(b"2\r\n{}\r\n"), Then.RESET, ServiceResponseError, 1),
    "is not zipped": (sized(b"x" * 20, None, GZIP), Then.END, DecodeError, 1),
    "is badly zipped": (sized(ZIPPED[:15] + b"\xff" * 40, None, GZIP), Then.END, DecodeError, 1),
    "is zipped as we did not ask": (
        sized(b"x", None, "Content-Encoding: br"),
        Then.END,
        ServiceResponseError,
        1,
    ),
    "does not come": ((), Then.HOLD, ServiceResponseTimeoutError, 1),
    "does not go on in its head": ((b"HTTP/1.1 200",), Then.HOLD, ServiceResponseTimeoutError, 1),
    "does not go on in its body": (sized(b"{}", 20), Then.HOLD, ServiceResponseTimeoutError, 1),
}
"""An answer that is none, what it is to a client of azure-core, and how often aiohttp sends a GET for it."""


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("what", BROKEN)
async def test_an_answer_that_(what: str, method: str) -> None:
    parts, then, error, gets = BROKEN[what]
    async with raw_service(*parts, then=then) as service, transport_to(service.url) as transport:
        with pytest.raises(AzureError) as caught:
            await transport.send(request_to(service, method))
    assert type(caught.value) is error
    assert len(service.heads) == (gets if method == "GET" else 1), "a POST may do twice what is sent twice"
    told: BaseException | None = caught.value
    while told:
        assert "s3cret" not in str(told), "an error, and what it came from, gets into the log"
        told = told.__cause__


@pytest.mark.parametrize("what", BROKEN)
async def test_to_a_use_case_an_answer_is_missing_that_(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))
    parts, then, error, _ = BROKEN[what]
    tries = 0
    async with raw_service(*parts, then=then) as service, transport_to(service.url) as transport:

        async def attempt() -> object:
            nonlocal tries
            tries += 1
            return await transport.send(request_to(service, "POST"))

        with pytest.raises(AzureError) as caught:
            await exchange.exchange(attempt, seconds=9)
        assert tries == (1 if error in {DecodeError, ServiceResponseTimeoutError} else 3)
        with pytest.raises(AzureError):
            await exchange.exchange(attempt, seconds=9, once=True)
        assert len(service.heads) == tries
    fault = exchange.port_error("ARM, GET x", caught.value)
    assert type(fault) is Unavailable
    assert str(fault).startswith("ARM, GET x: no answer: ")
    assert "\n" not in str(fault)


WHOLE: dict[str, tuple[tuple[bytes, ...], int, bytes]] = {
    "of a size": (sized(b"{}"), 200, b"{}"),
    "in chunks": (chunked(b"1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"), 200, b"{}"),
    "until the end": ((head(), b"{}"), 200, b"{}"),
    "without a body": ((head(status="204 No Content"),), 204, b""),
    "after a word before": ((head(status="100 Continue"), *sized(b"{}")), 200, b"{}"),
    "zipped": (sized(ZIPPED, None, GZIP), 200, gzip.decompress(ZIPPED)),
    "deflated": (sized(zlib.compress(b"{}"), None, "Content-Encoding: deflate"), 200, b"{}"),
    "with a redirect": ((head("Location: http://127.0.0.1:1/", status="307 Temporary"),), 307, b""),
    "with a redirect to nowhere": ((head("Location: http://[", status="301 Moved"),), 301, b""),
    "with odd headers": (
        sized(b"{}", None, "ETag: \xff\xfe", "Set-Cookie: ;;=", "Content-Type: ;"),
        200,
        b"{}",
    ),
    "in parts": ((head("Content-Length: 40"), *[b"abcd"] * 10), 200, b"abcd" * 10),
}


@pytest.mark.parametrize("what", WHOLE)
async def test_an_answer_is_read_to_its_end_that_comes_(what: str) -> None:
    parts, status, body = WHOLE[what]
    async with raw_service(*parts) as service, transport_to(service.url) as transport:
        answer = await transport.send(request_to(service))
    assert (answer.status_code, answer.content) == (status, body)
    assert len(service.heads) == 1
    assert service.heads[0].startswith(f"GET /vms?{SECRET} HTTP/1.1\r\n".encode())


async def test_a_large_answer_is_read_whole() -> None:
    body = b"x" * 30_000_000
    async with raw_service(*sized(body)) as service, transport_to(service.url) as transport:
        assert (await transport.send(request_to(service))).content == body


async def test_one_that_trickles_is_bounded_by_the_exchange() -> None:
    parts = (head("Content-Length: 1000"), *[b"x"] * 1000)
    async with raw_service(*parts, pause=0.02) as service, transport_to(service.url) as transport:
        with pytest.raises(TimeoutError):
            await exchange.exchange(lambda: transport.send(request_to(service)), seconds=SECONDS)


async def test_who_knows_that_an_answer_takes_longer_says_so() -> None:
    slow = raw_service(*sized(b"{}"), pause=2 * READ_SECONDS)
    async with slow as service, transport_to(service.url) as transport:
        with pytest.raises(ServiceResponseTimeoutError):
            await transport.send(request_to(service))
        answer = await transport.send(request_to(service), read_timeout=9.0)
        assert answer.content == b"{}"


async def test_nobody_who_listens() -> None:
    async with raw_service() as service:
        pass
    async with transport_to(service.url) as transport:
        with pytest.raises(ServiceRequestError, match="Cannot connect to host "):
            await transport.send(request_to(service))


async def test_no_connection_in_time_tells_the_place_and_not_the_address() -> None:
    # It takes the connection, and says nothing of TLS.
    async with raw_service(then=Then.HOLD) as service:
        place = service.url.removeprefix("http://")
        async with transport_to("https:") as transport:
            with pytest.raises(ServiceRequestTimeoutError) as caught:
                await transport.send(HttpRequest("GET", f"https://me:s3cret@{place}/vms?{SECRET}"))
    assert str(caught.value) == f"no connection to {place} within 0.3 s"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "url", ["", "vms", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://[/"]
)
async def test_an_address_that_is_none(url: str) -> None:
    async with transport_to("http:") as transport:
        with pytest.raises(ServiceRequestError):
            await transport.send(HttpRequest("GET", url))


@pytest.mark.parametrize("value", ["a\r\nHost: elsewhere", "a\nb", "a\0b"])
async def test_a_header_cannot_be_more_than_one(value: str) -> None:
    async with canned_service() as service, transport_to(service.url) as transport:
        with pytest.raises(ServiceRequestError):
            await transport.send(HttpRequest("GET", service.url, headers={"Authorization": value}))
        assert service.requests == []


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a%27%27b?q=%2Fx%20y", "/a%27%27b?q=%2Fx%20y"),
        ("/%C3%BC(x='y')?$filter=a", "/%C3%BC(x='y')?$filter=a"),
        ("/ü b?q=ß", "/%C3%BC%20b?q=%C3%9F"),
    ],
)
async def test_an_address_is_sent_as_it_is_unless_it_is_not_escaped(path: str, sent: str) -> None:
    async with raw_service(*sized(b"{}")) as service, transport_to(service.url) as transport:
        await transport.send(HttpRequest("GET", f"{service.url}{path}"))
    assert service.heads[0].partition(b"\r\n")[0].decode() == f"GET {sent} HTTP/1.1"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_no_type_is_told_of_a_body_that_is_not_there(method: str) -> None:
    async with canned_service() as service, transport_to(service.url) as transport:
        service.answer(said(200, "{}"))
        await transport.send(HttpRequest(method, service.url))
    [asked] = service.requests
    assert "Content-Type" not in asked.headers, "storage would want it signed"
    assert asked.headers.get("Content-Length", "0") == "0"


class TestConnections:
    async def test_one_serves_many_requests(self) -> None:
        callers = set[object]()

        async def note(request: web.Request) -> web.StreamResponse:
            assert request.transport
            callers.add(request.transport.get_extra_info("peername"))
            return await said(200, "{}")(request)

        async with canned_service() as service, transport_to(service.url) as transport:
            service.answer(note)
            for _ in range(5):
                await transport.send(request_to(service))
        assert len(callers) == 1

    @pytest.mark.parametrize("parts", [(), (head("Content-Length: 20"), b"{")], ids=["before", "within"])
    async def test_none_is_left_of_a_request_that_is_given_up(self, parts: tuple[bytes, ...]) -> None:
        async with raw_service(*parts, then=Then.HOLD) as service, transport_to(service.url) as transport:
            asking = asyncio.create_task(transport.send(request_to(service), read_timeout=60.0))
            await asyncio.wait_for(service.answered.wait(), 9)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await asyncio.wait_for(service.gone.wait(), 9)

    async def test_what_was_given_up_keeps_nobody_from_asking(self) -> None:
        async with canned_service() as service, transport_to(service.url) as transport:
            service.answer(hang, said(200, "{}"))
            with pytest.raises(TimeoutError):
                await exchange.exchange(
                    lambda: transport.send(request_to(service), read_timeout=60.0), seconds=0.1, once=True
                )
            assert (await transport.send(request_to(service))).status_code == 200

    @pytest.mark.parametrize("used", [False, True])
    async def test_none_is_opened_that_nobody_closes(self, *, used: bool) -> None:
        async with canned_service() as service:
            service.answer(said(200, "{}"))
            async with transport_to(service.url) as transport:
                if used:
                    await transport.send(request_to(service))
            with pytest.raises(RuntimeError, match="closed"):
                await transport.send(request_to(service))
            await transport.close()

    async def test_a_client_of_azure_core_opens_and_closes_them(self) -> None:
        async with canned_service() as service:
            service.answer(said(200, "{}"))
            transport = Transport(service.url, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS)
            async with AsyncPipelineClient[HttpRequest, Any](
                service.url, transport=transport, policies=[]
            ) as client:
                assert (await client.send_request(request_to(service))).json() == {}
            with pytest.raises(RuntimeError, match="closed"):
                await client.send_request(request_to(service))


class TestProxies:
    """Of the environment, as azure-core's own transport has them; never for what is at plain http."""

    REFUSAL = head("Content-Length: 0", status="407 Proxy Authentication Required")

    async def ask(self, url: str) -> str:
        async with transport_to(url) as transport:
            with pytest.raises(ServiceRequestError) as caught:
                await transport.send(HttpRequest("GET", f"{url}/vms?{SECRET}"))
        return str(caught.value)

    @pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
    async def test_https_goes_by_the_proxy(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        async with raw_service(self.REFUSAL) as proxy:
            monkeypatch.setenv(name, proxy.url)
            text = await self.ask("https://127.0.0.1:1")
        assert text == "the proxy says HTTP 407 Proxy Authentication Required"
        assert [each.partition(b" HTTP")[0] for each in proxy.heads] == [b"CONNECT 127.0.0.1:1"]

    @pytest.mark.parametrize(
        ("url", "name", "exempt"),
        [
            ("https://127.0.0.1:1", "HTTPS_PROXY", "127.0.0.1"),
            ("https://127.0.0.1:1", "HTTPS_PROXY", "*"),
            ("https://127.0.0.1:1", "HTTP_PROXY", ""),
            ("http://127.0.0.1:1", "HTTP_PROXY", ""),
            ("http://127.0.0.1:1", "HTTPS_PROXY", ""),
        ],
    )
    async def test_what_does_not(
        self, monkeypatch: pytest.MonkeyPatch, url: str, name: str, exempt: str
    ) -> None:
        async with raw_service(self.REFUSAL) as proxy:
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv("NO_PROXY", exempt)
            assert "Cannot connect to host 127.0.0.1:1" in await self.ask(url)
        assert proxy.heads == []


async def test_who_is_not_who_it_says_it_is_gets_no_request(tmp_path: Path) -> None:
    async with (
        raw_service(*sized(b"{}"), tls=self_signed(tmp_path)) as service,
        transport_to(service.url, 9.0) as transport,
    ):
        with pytest.raises(ServiceRequestError, match="CERTIFICATE_VERIFY_FAILED"):
            await transport.send(request_to(service))
    assert service.heads == []


def self_signed(directory: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    key, name, now = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")]),
        datetime.now(UTC),
    )
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "server.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context


class TestAnswer:
    """An answer is one of azure-core's, for the SDK that gets it: it looks the same as from its own transport."""

    def made(self, status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(HttpRequest("GET", "https://arm/x"), status, told, body, "Fine")

    async def test_it_is_there_at_once_and_can_be_read_again(self) -> None:
        answer = self.made(body="\ufeffgrün".encode())
        async with answer as same:
            assert same is answer
        reads: list[Callable[[], Any]] = [answer.iter_raw, answer.iter_bytes]
        for read in reads:
            assert [piece async for piece in read()] == [answer.content]
        assert await answer.read() == answer.content
        await answer.close()
        assert (answer.is_closed, answer.is_stream_consumed) == (True, True)
        assert answer.text() == "grün", "without the mark of its byte order"
        assert (answer.url, answer.reason, answer.content_type) == ("https://arm/x", "Fine", None)

    def test_what_is_not_in_utf_8_is_shown_all_the_same(self) -> None:
        answer = self.made(body=b"gr\xfcn")
        assert (answer.text(), answer.text("latin-1")) == ("gr\ufffdn", "grün")
        answer.encoding = "latin-1"
        assert answer.text() == "grün"

    def test_a_status_of_400_and_more_is_an_error(self) -> None:
        self.made(399).raise_for_status()
        with pytest.raises(HttpResponseError, match=re.escape("(Gone) It is gone.")):
            self.made(400, b'{"error": {"code": "Gone", "message": "It is gone."}}').raise_for_status()
