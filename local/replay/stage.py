"""The parts of a replay: the function app, and where the way needs them a throw-away storage and a simulated Azure."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from local.azure.server import SimulatedAzure
from local.azurite import Azurite
from local.host.process import HostProcess
from local.parts import CannotStart
from local.replay.app import App
from local.replay.fleet import at_the_end, settle
from local.replay.recordings import Recorded
from local.replay.ways import Way
from shared.settings import STORAGE


@asynccontextmanager
async def stage(way: Way, environment: Mapping[str, str], events: Sequence[Recorded]) -> AsyncIterator[App]:
    """Start everything, on free ports; it ends with the context.

    Args:
        way: How far to go.
        environment: As of `ways.environment`.
        events: Those to replay, for what a simulated Azure has to have.

    Raises:
        CannotStart: a part cannot, or the function app says of itself that it cannot work.
    """
    async with AsyncExitStack() as parts:
        values = dict(environment)
        if way is not Way.WRITE:
            storage = await parts.enter_async_context(Azurite())
            values[STORAGE] = storage.connection_string
        if way is Way.SIMULATED:
            rests = at_the_end(events)
            # Each VM brings its own subscription.
            azure = await parts.enter_async_context(SimulatedAzure(subscriptions=()))
            settle(azure, rests)
            values |= {"STOPGAP_ARM_ENDPOINT": azure.url, "STOPGAP_PRICES_ENDPOINT": azure.prices_url}
        host = await parts.enter_async_context(HostProcess(values))
        http = await parts.enter_async_context(aiohttp.ClientSession(host.url))
        app = App(http)
        if problems := await app.problems():
            raise CannotStart(f"the function app cannot work: {'; '.join(problems)}")
        yield app
