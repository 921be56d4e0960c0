"""`python -m benchmarks.proxy PORTS`: a door before the storage account, which counts.

It hands each request on as it is. On stdout it tells, as one line of JSON, the account's `connection_string` by this
door, and the address of `counts`: how many requests there were so far, by what they ask for.
"""

import argparse
import asyncio
import json
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

from local.azurite import ACCOUNT, KEY

_OF_THE_CONNECTION = {"host", "connection", "keep-alive", "transfer-encoding", "content-length"}
_LARGEST_BODY = 8 * 2**20
"""Bytes: twice what a transaction may have."""


def kind_of(method: str, path: str) -> str:
    """What is asked: a `read`, `query` or `transaction` of the table, a `put` into a queue, or something `other`."""
    if path.endswith("/$batch"):
        return "transaction"
    if method == "POST" and path.endswith("/messages"):
        return "put"
    if method == "GET" and path.endswith(")"):
        return "query" if path.endswith("()") else "read"
    return "other"


class StorageProxy:
    """The queues and tables of a storage account, at ports of their own, while used as an async context manager."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        """Open no door yet.

        Args:
            ports: Where the services are, by their names in a connection string: `Queue`, `Table`.
        """
        self._ports = ports
        self._runners: dict[str, web.AppRunner] = {}
        self._session: aiohttp.ClientSession | None = None
        self.counts = Counter[str]()
        """How many requests there were of each kind."""

    @property
    def connection_string(self) -> str:
        """Of the account behind the doors."""
        endpoints = "".join(
            f";{service}Endpoint=http://127.0.0.1:{runner.addresses[0][1]}/{ACCOUNT}"
            for service, runner in self._runners.items()
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY}{endpoints}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        for service, port in self._ports.items():
            app = web.Application(client_max_size=_LARGEST_BODY)
            app.router.add_route("*", "/{path:.*}", self._to(port, self._session))
            runner = self._runners[service] = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runner in self._runners.values():
            await runner.cleanup()
        if self._session:
            await self._session.close()

    def _to(
        self, port: int, session: aiohttp.ClientSession
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """What hands requests on to a port."""

        async def hand_on(request: web.Request) -> web.Response:
            self.counts[kind_of(request.method, request.path)] += 1
            address = URL(f"http://127.0.0.1:{port}{request.raw_path}", encoded=True)
            body = await request.read()
            # The host is signed for nowhere; all else goes on as it came.
            headers = _kept(request.headers)
            async with session.request(
                request.method, address, headers=headers, data=body, skip_auto_headers=("Content-Type",)
            ) as answer:
                content = await answer.read()
                return web.Response(status=answer.status, headers=_kept(answer.headers), body=content)

        return hand_on


async def serve(ports: Mapping[str, int]) -> None:
    """Until a signal."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with StorageProxy(ports) as proxy:

        async def counts(_request: web.Request) -> web.Response:
            return web.json_response(proxy.counts)

        app = web.Application()
        app.router.add_get("/", counts)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        print(json.dumps({"connection_string": proxy.connection_string, "counts": address}), flush=True)
        await stop.wait()
        await runner.cleanup()


def _kept(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("ports", type=json.loads, help='JSON: {"Queue": 10001, "Table": 10002}')
    asyncio.run(serve(parser.parse_args().ports))
