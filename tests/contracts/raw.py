"""A service that answers in bytes, be they HTTP or not, and remembers the heads of what it was asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto


class Then(Enum):
    """What comes after the answer."""

    END = auto()
    """The connection is closed."""
    RESET = auto()
    """It breaks."""
    HOLD = auto()
    """It is held, and nothing more is said."""


@dataclass(slots=True)
class Raw:
    url: str = ""
    heads: list[bytes] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """All that there is of an answer was given."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Who asked has gone while the connection was held."""


def head(*lines: str, status: str = "200 OK") -> bytes:
    """The head of an answer."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *lines, "")).encode("latin-1")


@asynccontextmanager
async def raw_service(
    *parts: bytes, then: Then = Then.END, pause: float = 0.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Raw]:
    """Gives these parts of an answer to each request, with a pause after each."""
    service = Raw()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            service.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await _answer(parts, pause, writer)
            service.answered.set()
            if then is Then.RESET:
                writer.transport.abort()
            if then is Then.HOLD:
                while await reader.read(1000):
                    pass
                service.gone.set()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    scheme, port = "https" if tls else "http", server.sockets[0].getsockname()[1]
    service.url = f"{scheme}://127.0.0.1:{port}"
    try:
        yield service
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()


async def _answer(parts: Sequence[bytes], pause: float, writer: asyncio.StreamWriter) -> None:
    for part in parts:
        writer.write(part)
        await writer.drain()
        # Even without a pause, what is to come after this is to come after it.
        await asyncio.sleep(pause or 0.01)
