"""One service of a storage account, its tables or its queues: where it is, how it is asked, and by what right.

The clients of the SDKs cost three times what they ask for: docs/performance.md has the figures. So requests are made
here, and go through azure-core's pipeline: tokens, and what can fail, are its own.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

import msgspec
from azure.core import AsyncPipelineClient
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncHTTPPolicy,
    AzureSasCredentialPolicy,
)
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.utils import parse_connection_string
from msgspec import Struct

from shared.domain.malformed import shown
from shared.exchange import USER_AGENT, exchange, port_error, sdk_transport
from shared.transport import Transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import PipelineRequest, PipelineResponse
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.queue.aio import QueueServiceClient

CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS = 3.0, 7.0, 10.0
"""For a request to storage, the last with its retries: Table Storage cuts a long query off after 5 seconds."""

type Service = Literal["table", "queue"]

_VERSIONS: Mapping[Service, str] = {"table": "2020-12-06", "queue": "2021-12-02"}
"""Of the APIs: old enough to be everywhere, new enough for tokens."""

_SCOPE = "https://storage.azure.com/.default"
_PUBLIC = "core.windows.net"

_EMULATOR = {
    "accountname": "devstoreaccount1",
    # The same on every machine, and published with the emulator: not a secret.
    # https://learn.microsoft.com/azure/storage/common/storage-use-azurite
    "accountkey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "tableendpoint": "http://127.0.0.1:10002/devstoreaccount1",
    "queueendpoint": "http://127.0.0.1:10001/devstoreaccount1",
}

# A queue's error, before which it may put a byte order mark. What else is in XML, or looks like it, is nobody's we ask.
_ERROR = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>)?\s*<Error>.*", re.DOTALL)
_CODE, _MESSAGE = (re.compile(rb"<%b>(.*?)</%b>" % (part, part), re.DOTALL) for part in (b"Code", b"Message"))


class StorageFault(HttpResponseError):
    """An answer of storage that is no good one, in storage's own words."""

    def __init__(self, response: AsyncHttpResponse) -> None:
        code, said = _read_error(response.content)
        super().__init__(response=response)
        # What azure-core takes for an error is that of other services.
        self.error = None
        self.message = said or (shown(response.content) if response.content else "")
        self.error_code = code or response.headers.get("x-ms-error-code", "")
        """Empty where it names none."""


class Account:
    """One service of an account."""

    def __init__(
        self, service: Service, url: str, right: list[object], transport: Transport | None = None
    ) -> None:
        """Make no connection yet; `ValueError` for what is no address.

        Args:
            service: Which.
            url: Where it is.
            right: Policies that put into a request what allows it.
            transport: What requests go over; None: one is made.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError(f"expected an address such as https://shop.{service}.{_PUBLIC}")
        self.url = url.rstrip("/")
        """Without a slash at the end."""
        self._headers = {"x-ms-version": _VERSIONS[service], "User-Agent": USER_AGENT}
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            self.url,
            transport=transport or Transport(url, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS),
            policies=right,
        )

    @classmethod
    def open(
        cls,
        service: Service,
        connection_string: str | None,
        uri: str | None,
        credential: "AsyncTokenCredential",
        transport: Transport | None = None,
    ) -> Self:
        """The account that a connection string names, else the one at a URI; `ValueError` for one that is none.

        Args:
            service: Which of its services.
            connection_string: Of the account.
            uri: Of the service, for use with the credential.
            credential: Whose token it gets. Over plain http, nobody's: then `ValueError`.
            transport: As of the constructor.
        """
        if connection_string:
            parts = parse_connection_string(connection_string)
            if parts.get("usedevelopmentstorage", "").lower() == "true":
                parts = _EMULATOR
            return cls(service, _url(service, parts), [_right(service, parts)], transport)
        if not (uri or "").startswith("https:"):
            raise ValueError(f"expected an address such as https://shop.{service}.{_PUBLIC}")
        return cls(service, uri or "", [AsyncBearerTokenCredentialPolicy(credential, _SCOPE)], transport)

    async def send(
        self,
        method: str,
        path: str,
        query: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncHttpResponse:
        """Send a request, once. Raises `AzureError` for any answer but a good one: `StorageFault`.

        Args:
            method: In capitals.
            path: After the account's address, from its slash on; escaped.
            query: Without its question mark; escaped.
            headers: Those that this request needs beside the usual ones.
            body: If there is one, its type is among the headers.
        """
        told = {
            **self._headers,
            **(headers or {}),
            "x-ms-date": format_datetime(datetime.now(UTC), usegmt=True),
        }
        url = f"{self.url}{path}?{query}" if query else f"{self.url}{path}"
        response = await self._client.send_request(HttpRequest(method, url, headers=told, content=body))
        if not 200 <= response.status_code < 300:
            raise StorageFault(response)
        return response

    async def close(self) -> None:
        """End the connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def sdk_client[Client: (TableServiceClient, QueueServiceClient)](
    sdk: type[Client],
    service: Service,
    connection_string: str | None,
    uri: str | None,
    credential: "AsyncTokenCredential",
) -> Client:
    """An SDK's client of a service of the account. It leaves retries to us, and makes no connection yet.

    Args:
        sdk: Its class.
        service: Which service.
        connection_string: Names the storage account; None: the one at `uri`.
        uri: Of the service, for use with the credential.
        credential: Whose token the account gets.

    Raises:
        ValueError: connection string or URI is none.
    """
    parts = parse_connection_string(connection_string) if connection_string else {}
    emulator = "http:" if "usedevelopmentstorage" in parts else "https:"
    address = parts.get(f"{service}endpoint", emulator)
    transport = sdk_transport(address, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS)
    if connection_string:
        return sdk.from_connection_string(connection_string, transport=transport, retry_total=0)
    return sdk(uri or "", credential=credential, transport=transport, retry_total=0)


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


class _Key(Struct, frozen=True):
    """The account's key: with it, time and place are signed, and of queues the headers as well (Shared Key Lite).

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """

    service: Service
    account: str
    key: bytes

    def sign(self, request: HttpRequest) -> None:
        """Put the signature into the request."""
        digest = hmac.digest(self.key, self.signed(request).encode(), hashlib.sha256)
        request.headers["Authorization"] = f"SharedKeyLite {self.account}:{base64.b64encode(digest).decode()}"

    def signed(self, request: HttpRequest) -> str:
        """What is signed of a request. The place is signed as it is sent, with its escapes."""
        parts, headers = urlsplit(request.url), request.headers
        # Of a query, only `comp` is signed.
        comp = next((f"?{term}" for term in parts.query.split("&") if term.startswith("comp=")), "")
        place = f"/{self.account}{parts.path}{comp}"
        if self.service == "table":
            return f"{headers['x-ms-date']}\n{place}"
        own = {name.lower(): value for name, value in headers.items()}
        told = "".join(f"{name}:{own[name]}\n" for name in sorted(own) if name.startswith("x-ms-"))
        return f"{request.method}\n\n{own.get('content-type', '')}\n\n{told}{place}"


class _Signed(AsyncHTTPPolicy["HttpRequest", AsyncHttpResponse]):
    """Signs each request."""

    def __init__(self, key: _Key) -> None:
        super().__init__()
        self._key = key

    async def send(
        self, request: "PipelineRequest[HttpRequest]"
    ) -> "PipelineResponse[HttpRequest, AsyncHttpResponse]":
        """Send the request on, signed."""
        self._key.sign(request.http_request)
        return await self.next.send(request)


def _url(service: Service, parts: Mapping[str, str]) -> str:
    named = parts.get(f"{service}endpoint")
    if named:
        return named
    if "accountname" not in parts:
        raise ValueError(f"connection string: expected AccountName or {service.capitalize()}Endpoint")
    scheme, suffix = parts.get("defaultendpointsprotocol", "https"), parts.get("endpointsuffix", _PUBLIC)
    return f"{scheme}://{parts['accountname']}.{service}.{suffix}"


def _right(service: Service, parts: Mapping[str, str]) -> object:
    signature = parts.get("sharedaccesssignature")
    if signature:
        return AzureSasCredentialPolicy(AzureSasCredential(signature.removeprefix("?")))
    try:
        key = base64.b64decode(parts["accountkey"], validate=True)
        return _Signed(_Key(service, parts["accountname"], key))
    except (KeyError, binascii.Error):
        raise ValueError(
            "connection string: expected AccountName and AccountKey, in base64, or SharedAccessSignature"
        ) from None


def _read_error(content: bytes) -> tuple[str, str]:
    """Code and message of an error: in JSON from tables, in XML from queues; empty where there are none."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if not _ERROR.fullmatch(content):
            return "", ""
        code, message = (
            found[1].decode(errors="replace") if (found := part.search(content)) else ""
            for part in (_CODE, _MESSAGE)
        )
        return code, message
    told = body.get("error", body.get("odata.error", body)) if isinstance(body, dict) else None
    if not isinstance(told, dict):
        return "", ""
    code, message = told.get("code"), told.get("message")
    if isinstance(message, dict):
        message = message.get("value")
    return str(code or ""), str(message or "")
