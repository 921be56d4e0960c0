"""The identity endpoint that the platform gives an app, which hands out tokens good for nothing."""

import time
from types import TracebackType
from typing import Self

from aiohttp import web

_HEADER = "of-this-run"


class Identities:
    """Answers on loopback while used as an async context manager. Nobody asks it unless it is told to."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        """What the platform has in the environment, once entered."""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/token", _token)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{self._runner.addresses[0][1]}/token"
        self.settings = {"IDENTITY_ENDPOINT": address, "IDENTITY_HEADER": _HEADER}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()


async def _token(request: web.Request) -> web.Response:
    if request.headers.get("X-IDENTITY-HEADER") != _HEADER:
        raise web.HTTPUnauthorized
    ends_at = int(time.time()) + 3_600
    told = {"access_token": "none", "expires_on": str(ends_at), "token_type": "Bearer"}
    return web.json_response(told | {"resource": request.query["resource"]})
