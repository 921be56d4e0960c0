"""The simulated Azure with its front door: one HTTP server on the loopback interface."""

from types import TracebackType
from typing import Self, Unpack

from aiohttp import web

from local.azure import webhook
from local.azure.cloud import Cloud
from local.azure.control import control_routes
from local.azure.prices import PATH as PRICES
from local.azure.settings import CloudOptions, CloudSettings
from local.azure.webhook import FlavourName

_SHUTDOWN_SECONDS = 1.0


class SimulatedAzure(Cloud):
    """An Azure to talk to over HTTP, while used as an async context manager.

    ARM is at `url`, a custom topic of any name at `topic_url(name)`, a chat's webhook at `webhook_url(flavour)`, the
    price list at `prices_url`, the controls are at `url/_sim`.
    The options are the fields of `CloudSettings`; port 0 is any free one. Entering raises OSError if the port is taken.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[CloudOptions]) -> None:
        super().__init__(CloudSettings(**options))
        self._address = (host, port)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1024 * 1024)
        app.add_routes(control_routes(self))
        app.router.add_post("/topics/{name}/api/events", self.topic.receive)
        app.add_routes(self.webhook.routes())
        app.router.add_get(PRICES, self.prices.answer)
        app.router.add_route("*", "/{path:.*}", self.arm.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except OSError:
            await self._runner.cleanup()
            raise
        await self.delivery.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.reset()
        finally:
            await self.delivery.close()
            if self._runner is not None:
                await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end. Raises RuntimeError while it does not."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the simulated Azure has not been started: use it as an async context manager")
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def topic_url(self, name: str = "stopgap") -> str:
        """The endpoint of a custom topic."""
        return f"{self.url}/topics/{name}/api/events"

    def webhook_url(self, flavour: FlavourName) -> str:
        """A Workflows webhook of Teams, or an incoming webhook of Slack: `teams` or `slack`."""
        return f"{self.url}{webhook.address(flavour)}"

    @property
    def prices_url(self) -> str:
        """The endpoint of the Retail Prices API."""
        return self.url
