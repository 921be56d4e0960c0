"""Puts a worker and its triggers together, and runs them until a signal."""

import asyncio
import errno
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from local.host.http_triggers import HttpTriggers
from local.host.queues import QueueListener
from local.host.settings import HostSettings
from local.host.timers import Timer
from local.host.webhook import PATH, Webhook
from local.host.worker import Worker
from local.parts import CannotStart

log = logging.getLogger("host")

GRACE = 5.0
"""Seconds that running invocations get to end after the signal."""
_LARGEST_BODY = 100 * 2**20  # bytes, as on the platform


@dataclass(frozen=True)
class Options:
    """How to serve: the command line as values."""

    app: Path
    host: str
    port: int
    """0: a free one."""
    function_key: str | None
    system_key: str | None
    queue_lease: int
    """Seconds."""
    record: Path | None = None
    """Where the permissions that the functions ask for are written down; None: nowhere."""


async def serve(options: Options) -> int:
    """Serve until SIGINT or SIGTERM. The invocations that had not ended after ``GRACE``.

    Raises:
        CannotStart: the app, a setting or the port is not usable.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = HostSettings.read(options.app)
    if options.record:
        from local.host.recording import Recording  # noqa: PLC0415 - it imports part of the app

        Recording(options.record, os.environ).begin()
    worker = await Worker.start(options.app)
    triggers: list[Timer | QueueListener] = [
        Timer(function, worker) for function in worker.triggered_by("timerTrigger")
    ]
    triggers += [
        QueueListener(function, worker, settings.queues, lease=options.queue_lease, environment=os.environ)
        for function in worker.triggered_by("queueTrigger")
    ]
    runner = web.AppRunner(_application(worker, settings, options), access_log=None, shutdown_timeout=GRACE)
    await runner.setup()
    await _listen(runner, options)
    running = [asyncio.create_task(trigger.run(stop)) for trigger in triggers]
    host, port = runner.addresses[0][:2]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    # As on the platform: where the app can be reached, for the links that it makes.
    os.environ.setdefault("WEBSITE_HOSTNAME", where)
    names = ", ".join(function.name for function in worker.functions)
    print(f"stopgap host: listening on http://{where} (functions: {names})", flush=True)

    stopped = asyncio.create_task(stop.wait())
    # A trigger that ends before the signal has met an error that nobody foresaw: it ends the host, visibly.
    await asyncio.wait({stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    return await _drain(worker, runner, running)


def _application(worker: Worker, settings: HostSettings, options: Options) -> web.Application:
    webhook = Webhook(worker, options.system_key)
    http = HttpTriggers(worker, settings.route_prefix, options.function_key)

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.rstrip("/").lower() == PATH:
            return await webhook.handle(request)
        return await http.handle(request)

    application = web.Application(client_max_size=_LARGEST_BODY)
    application.router.add_route("*", "/{path:.*}", handle)
    return application


async def _listen(runner: web.AppRunner, options: Options) -> None:
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        await runner.cleanup()
        where = f"cannot listen on {options.host}:{options.port}"
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"{where}: address already in use; choose another with --port") from None
        raise CannotStart(f"{where}: {error.strerror}") from None


async def _drain(worker: Worker, runner: web.AppRunner, running: list[asyncio.Task[None]]) -> int:
    """Let what runs end, for ``GRACE`` seconds; how many invocations did not."""
    tasks = [asyncio.create_task(runner.cleanup()), *running]
    await asyncio.wait(tasks, timeout=GRACE)
    abandoned = worker.running
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return abandoned
