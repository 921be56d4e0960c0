"""The command line: `python -m local storage`, the storage emulator on its own."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from local.azurite import Azurite
from local.parts import CannotStart

USUAL_PORTS = (10000, 10001, 10002)
"""Of blob, queue and table: where `UseDevelopmentStorage=true` looks for them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.add_argument(
        "--free-ports", action="store_true", help="free ports instead of the usual 10000, 10001 and 10002"
    )
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="keep what is stored there (default: nowhere)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal. The exit code: 0, or 1 when it could not start, with the reason on stderr."""
    ports = (0, 0, 0) if args.free_ports else USUAL_PORTS
    try:
        asyncio.run(_serve(Azurite(directory=args.directory, ports=ports)))
    except CannotStart as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


async def _serve(azurite: Azurite) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with azurite as storage:
        print(f"storage: AzureWebJobsStorage={storage.connection_string}", flush=True)
        await stop.wait()
