"""One exchange with an Azure service over HTTP: how long it may take, how often it is tried, how it can fail.

The SDKs' own retries stay off (`retry_total=0`): they sleep a whole `Retry-After`, up to 20 minutes for Compute,
inside a function that Event Grid gives 30 seconds, and no setting of theirs retries a 503 without that header but
leaves one with it alone. Short hiccups are worth trying again at once; the rest is for the host and the queues.
"""

import asyncio
import json
import math
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from textwrap import shorten
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

import msgspec
from azure.core import AsyncPipelineClient
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    DeserializationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.policies import HeadersPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.domain.malformed import Malformed, shown
from shared.ports import PortError, Refused, Throttled, Unavailable
from shared.transport import Transport

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AioHttpTransport

USER_AGENT = "stopgap"

PAUSES = (0.3, 0.9)
"""Seconds before the second and the third try. There is no fourth."""

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""Who asks to be left alone for longer is asked again after this."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_PASSING = {500, 502, 503, 504}
_DEFAULT_PORTS = {"https": 443, "http": 80}

type Client = AsyncPipelineClient[HttpRequest, AsyncHttpResponse]


def sdk_transport(address: str, *, connect_seconds: float, read_seconds: float) -> "AioHttpTransport":
    """For a client of an SDK that needs azure-core's own: with short timeouts, and no proxy for loopback."""
    from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415 - most instances never need it

    return AioHttpTransport(
        connection_timeout=connect_seconds,
        read_timeout=read_seconds,
        use_env_settings=not address.startswith("http:"),
    )


def plain_client(
    address: str, *, connect_seconds: float, read_seconds: float, agent: str = USER_AGENT
) -> Client:
    """A client for a service that has no SDK and asks for no token: no retries, no redirects, no log."""
    return AsyncPipelineClient(
        address,
        transport=Transport(address, connect_seconds=connect_seconds, read_seconds=read_seconds),
        policies=[HeadersPolicy({"User-Agent": agent})],
    )


async def answer_to(request: HttpRequest, client: Client) -> AsyncHttpResponse:
    """The answer to a request that is sent once, read to its end; `HttpResponseError` for any but a 2xx."""
    response = await client.send_request(request)
    if not 200 <= response.status_code < 300:
        raise HttpResponseError(response=response)
    return response


def next_page(endpoint: str, link: str) -> str:
    """The address of a list's next page, which the answer chooses: it has to be where we asked. Else `Malformed`."""
    if not leads_to(link, endpoint):
        raise Malformed(f"expected the next page to be on {endpoint}, got {shown(link)}")
    return quote(link, safe="%/:?#[]@!$&'()*+,;=", errors="replace")


def read_json(response: AsyncHttpResponse, whose: str, like: type | None = None) -> object:
    """The JSON of an answer that has been read. `Malformed` names whose answer it is that has none.

    Half a character (a surrogate alone), which JSON can name and no store can hold, becomes a question mark.

    Args:
        response: The answer.
        whose: It is.
        like: What is left out: whatever this type, made of `TypedDict`, does not name. An answer of another shape is
            decoded whole.
    """
    content = response.content
    try:
        return msgspec.json.decode(content, type=like or Any)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # What only this one reads, it may read.
        pass
    try:
        value = json.loads(content)
        if _HALF.search(content):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        raise Malformed(f"{whose}'s answer: expected JSON, got {shown(content)}") from None
    return value


def leads_to(link: str, endpoint: str) -> bool:
    """Whether a link to a next page, which an answer has chosen, leads to where the question was asked."""
    try:
        return _place(urlsplit(link)) == _place(urlsplit(endpoint))
    except ValueError:  # a port or an IPv6 address that is none
        return False


async def exchange[Answer](
    attempt: Callable[[], Awaitable[Answer]], *, seconds: float, once: bool = False
) -> Answer:
    """The answer to an attempt, or to one of at most two more while it fails in a way that may pass at once.

    Those are lost connections (on which aiohttp sends a GET twice by itself) and 500, 502, 503 or 504 without
    `Retry-After`. What timed out is not tried again.

    Args:
        attempt: Asks once.
        seconds: For everything together: tokens, tries and pauses. The timeouts of a connection are no bound: an
            identity endpoint has retries of its own, and a body may trickle.
        once: Whether it is not tried again in any case.

    Raises:
        AzureError: As the last attempt raised it.
        TimeoutError: The time is up.
    """
    async with asyncio.timeout(seconds):
        for pause in () if once else PAUSES:
            try:
                return await _once(attempt)
            except AzureError as error:
                if not _may_pass(error):
                    raise
            await asyncio.sleep(pause)
        return await _once(attempt)


def port_error(asked: str, error: AzureError | TimeoutError) -> PortError:
    """What a failed exchange means to a use case.

        Throttled    429
        Unavailable  5xx, 408, a table or queue that is being deleted, no connection, no answer in time,
                     an answer that cannot be read
        Refused      401, 403, every other 4xx, no credential

    Args:
        asked: What was asked of whom, for the error's text: `ARM, GET /subscriptions/…`.
        error: How an exchange, or an SDK left to itself, failed.
    """
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        fault = _answered(asked, error, error.status_code)
        fault.code, fault.said = error_code(error) or None, _said(error)
        return fault
    if isinstance(error, ClientAuthenticationError):
        return Refused(f"{asked}: no token to ask with: {_said(error)}")
    if isinstance(error, HttpResponseError) and not isinstance(error, DecodeError):
        return Refused(f"{asked}: {_said(error)}")
    return Unavailable(f"{asked}: no answer: {_said(error)}")


def _answered(asked: str, error: HttpResponseError, status: int) -> PortError:
    code = error_code(error)
    text = " ".join(filter(None, (f"{asked}: HTTP {status}", code, _said(error))))
    if status == 429:
        return Throttled(text, _retry_after(error))
    # Below 400 is an answer that was good but could not be read: somebody between us and Azure spoke.
    if status >= 500 or status < 400 or status == 408 or code.endswith("BeingDeleted"):
        return Unavailable(text, _retry_after(error))
    return Refused(text)


def _place(url: SplitResult) -> tuple[str, str | None, str | None, int | None]:
    """Scheme, user, host and port; Azure names the port even where it is the usual one."""
    return url.scheme, url.username, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)


async def _once[Answer](attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        return await attempt()
    except (UnicodeDecodeError, zlib.error, DeserializationError) as error:  # the SDKs let them pass
        raise DecodeError(f"an answer that cannot be decoded: {error}") from error


def _may_pass(error: AzureError) -> bool:
    if isinstance(error, ServiceRequestTimeoutError | ServiceResponseTimeoutError):
        return False
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return error.status_code in _PASSING and "Retry-After" not in _headers(error)
    return isinstance(error, ServiceRequestError | ServiceResponseError | IncompleteReadError)


def _retry_after(error: HttpResponseError) -> timedelta | None:
    """`Retry-After` in seconds or as an HTTP date; None where it is missing or neither."""
    headers = _headers(error)
    text = headers.get("Retry-After", "")
    try:
        seconds = float(text)
    except ValueError:
        # The answer's own date, not our clock: the two clocks may differ by more than the pause asked for.
        until, sent = _date(text), _date(headers.get("Date", ""))
        seconds = (until - sent).total_seconds() if until and sent else math.nan
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_RETRY_AFTER.total_seconds()))


def _headers(error: HttpResponseError) -> Mapping[str, str]:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    return headers


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def error_code(error: HttpResponseError) -> str:
    """Azure's own word for an error; empty where it has none. Storage has it in a place of its own."""
    code = error.error.code if error.error else getattr(error, "error_code", None)
    return str(getattr(code, "value", code or ""))


def _said(error: AzureError | TimeoutError) -> str:
    """The service's own words, or the SDK's where it answered no error of Azure's: on one line that steers nothing."""
    told = error.error if isinstance(error, HttpResponseError) else None
    text = told.message if told and told.message else getattr(error, "message", "the time was up")
    line = shorten(str(text), 500, placeholder=" …")
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
