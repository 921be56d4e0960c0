"""`python -m local azure`: the simulated Azure as a program of its own."""

import argparse
import asyncio
import errno
import signal
import sys

from local.azure.cloud import Cloud
from local.azure.handshake import HandshakeError
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=0, help="port to listen on; 0, the default, for a free one"
    )
    parser.add_argument(
        "--vms", type=int, default=12, metavar="N", help="VMs at the start (default: %(default)s)"
    )
    parser.add_argument(
        "--subscription",
        action="append",
        metavar="ID",
        help=f"subscription to spread them over; may be repeated (default: {DEFAULT_SUBSCRIPTION})",
    )
    parser.add_argument("--deliver-to", metavar="URL", help="webhook that is to receive the events")
    parser.add_argument(
        "--schema",
        choices=("EventGridSchema", "CloudEventSchemaV1_0"),
        default="EventGridSchema",
        help="schema of the delivered events (default: %(default)s)",
    )
    parser.add_argument(
        "--speed",
        type=_positive,
        default=30.0,
        metavar="N",
        help="how many times faster than in real life operations are (default: %(default)g)",
    )
    parser.add_argument(
        "--page-size",
        type=_positive_int,
        default=100,
        metavar="N",
        help="rows of a page (default: %(default)s)",
    )
    parser.add_argument(
        "--enforce-limits", action="store_true", help="answer 429 beyond ARM's published request limits"
    )
    parser.add_argument(
        "--enforce-compute-limits", action="store_true", help="answer 429 beyond Compute's, too"
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM. Exit code 0, or 1 if it could not start."""
    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    subscriptions = tuple(args.subscription or (DEFAULT_SUBSCRIPTION,))
    azure = SimulatedAzure(
        host=args.host,
        port=args.port,
        subscriptions=subscriptions,
        speed=args.speed,
        page_size=args.page_size,
        enforce_limits=args.enforce_limits,
        enforce_compute_limits=args.enforce_compute_limits,
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        async with azure:
            _add_vms(azure, args.vms, subscriptions)
            if args.deliver_to:
                await azure.subscribe(args.deliver_to, args.schema)
            print(f"simulated Azure: listening on {azure.url}", flush=True)
            await ended.wait()
    except OSError as error:
        print(f"simulated Azure: {_why_not(error, args.host, args.port)}", file=sys.stderr)
        return 1
    except HandshakeError as error:
        print(f"simulated Azure: {error}", file=sys.stderr)
        return 1
    return 0


def _add_vms(azure: Cloud, count: int, subscriptions: tuple[str, ...]) -> None:
    """A fleet, spread over the subscriptions."""
    first = 1
    for number, subscription in enumerate(subscriptions):
        share = (count + number) // len(subscriptions)
        azure.add_fleet(subscription, share, first=first)
        first += share


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken: choose another with --port, or 0 for a free one"
    return f"cannot listen on {host}:{port}: {error.strerror}"


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: expected 0 to 65535")
    return number


def _positive_int(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number
