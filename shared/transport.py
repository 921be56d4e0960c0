"""HTTP for the clients of azure-core, on aiohttp: one request, answered whole.

azure-core's own transport for aiohttp takes as much time as aiohttp itself, which is half of what an exchange costs:
docs/performance.md has the figures. azure-core lets clients bring their own; policies, tokens and errors stay its.
"""

import json
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from azure.core.exceptions import (
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from yarl import URL


class Answer(AsyncHttpResponse):
    """An answer that has been read to its end."""

    request: HttpRequest = None  # type: ignore[assignment]  # what is abstract has to be in the class as well
    status_code: int = 0
    reason: str = ""
    headers: Mapping[str, str] = {}  # type: ignore[assignment]  # nobody changes them
    content: bytes = b""
    encoding: str | None = None
    is_closed = True
    is_stream_consumed = True

    def __init__(
        self, request: HttpRequest, status: int, headers: Mapping[str, str], content: bytes, reason: str = ""
    ) -> None:
        """Hold what was answered.

        Args:
            request: What was asked.
            status: The HTTP status.
            headers: Whatever their letter case.
            content: The body, decompressed.
            reason: What the service says of the status.
        """
        self.request = request
        self.status_code = status
        self.headers = headers
        self.content = content
        self.reason = reason

    @property
    def url(self) -> str:
        """What was asked for."""
        return self.request.url

    @property
    def content_type(self) -> str | None:
        """The header."""
        return self.headers.get("Content-Type")

    def text(self, encoding: str | None = None) -> str:
        """The body as text: UTF-8, unless another encoding is named."""
        return self.content.decode(encoding or self.encoding or "utf-8-sig", errors="replace")

    def json(self) -> Any:  # noqa: ANN401 - whatever it is
        """The body as JSON. Not used by us, see `shared.exchange.read_json`."""
        return json.loads(self.content)

    def raise_for_status(self) -> None:
        """Raise `HttpResponseError` for a status of 400 and more."""
        if self.status_code >= 400:
            raise HttpResponseError(response=self)

    async def read(self) -> bytes:
        """The body."""
        return self.content

    async def iter_raw(self, **_: object) -> AsyncIterator[bytes]:
        """The body, in one piece."""
        yield self.content

    async def iter_bytes(self, **_: object) -> AsyncIterator[bytes]:
        """The body, in one piece."""
        yield self.content

    async def close(self) -> None:
        """There is nothing left to be closed."""

    async def __aexit__(self, *_: object) -> None:
        """There is nothing left to be closed."""


class Transport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Connections to one service, kept open between requests. There is none before the first.

    They belong to the event loop of the first request. The Functions worker has one loop for all its life.
    """

    def __init__(self, address: str, *, connect_seconds: float, read_seconds: float) -> None:
        """Make no connection yet.

        Args:
            address: Of the service. To one at plain http, which is on loopback or near, no proxy of the environment
                is in between.
            connect_seconds: How long a connection may take to be there.
            read_seconds: How long an answer may make no progress.
        """
        self._plain = address.startswith("http:")
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(
        self, request: HttpRequest, *, read_timeout: float | None = None, **_: object
    ) -> AsyncHttpResponse:
        """Whatever is answered. Redirects are not followed: what is told of tokens and keys is for one service alone.

        A POST, which may do twice what is sent twice, is sent once. A GET, PUT or DELETE whose connection is lost
        before an answer begins is sent once more, by aiohttp.

        Args:
            request: With its address escaped as it is to be sent.
            read_timeout: As `read_seconds` of the constructor, for an answer that is known to take longer.

        Raises:
            AzureError: There was no answer, it broke off, or cannot be decoded. It does not quote the address, which
                may hold a signature that is as good as a key.
            RuntimeError: The transport was closed.
        """
        session = self._session or self._open()
        content = request.content
        try:
            async with session.request(
                request.method,
                # What is signed has to be sent as it is. What is not in ASCII is not escaped, and not ours.
                URL(request.url, encoded=request.url.isascii()),
                headers=request.headers,
                data=content,
                timeout=aiohttp.ClientTimeout(
                    sock_connect=self._connect_seconds, sock_read=read_timeout or self._read_seconds
                ),
                allow_redirects=False,
                # Of a body that is not there, no type is told: storage would want it signed.
                skip_auto_headers=() if content else ("Content-Type",),
            ) as response:
                body = await response.read()
                return Answer(request, response.status, response.headers, body, response.reason or "")
        except aiohttp.ClientPayloadError as error:
            if isinstance(error.__cause__, ContentEncodingError):
                raise DecodeError(f"an answer that cannot be decoded: {error.__cause__.message}") from error
            raise ServiceResponseError(str(error), error=error) from error
        except aiohttp.ConnectionTimeoutError:
            raise ServiceRequestTimeoutError(self._unreached(request)) from None
        except TimeoutError as error:
            raise ServiceResponseTimeoutError(str(error), error=error) from error
        except aiohttp.ClientHttpProxyError as error:
            raise ServiceRequestError(f"the proxy says HTTP {error.status} {error.message}") from None
        except aiohttp.ClientResponseError as error:
            raise ServiceResponseError(f"an answer that cannot be read: {error.message}") from None
        except aiohttp.InvalidURL:
            raise ServiceRequestError("an address that cannot be asked") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise ServiceRequestError(str(error) or type(error).__name__, error=error) from error

    async def open(self) -> None:
        """Have a session, which needs a loop that runs."""
        if self._session is None:
            self._open()

    async def close(self) -> None:
        """End the connections. Nothing can be sent afterwards, so that none is opened that nobody closes."""
        self._closed = True
        if self._session:
            await self._session.close()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """End the connections."""
        await self.close()

    async def __aenter__(self) -> Self:
        """Have a session."""
        await self.open()
        return self

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("a transport that was closed cannot send")
        session = self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            # Where there is no proxy, aiohttp need not look for one at each request, which takes it a thread.
            trust_env=not self._plain and "https" in getproxies(),
        )
        return session

    def _unreached(self, request: HttpRequest) -> str:
        where = urlsplit(request.url).netloc.rpartition("@")[2]
        return f"no connection to {where} within {self._connect_seconds:g} s"
