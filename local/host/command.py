"""The command line: ``python -m local host``, and ``python -m local.host``."""

import argparse
import asyncio
import io
import ipaddress
import logging
import os
import sys
from pathlib import Path

from local.host.serve import GRACE, Options, serve
from local.host.settings import adopt_settings
from local.parts import ROOT, CannotStart

_LONGEST_LEASE = 7 * 24 * 3600  # seconds: the storage service's own limit

log = logging.getLogger("host")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run`` reads."""
    parser.add_argument(
        "--app", type=Path, default=ROOT, metavar="DIR", help="the function app (default: Stopgap)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--function-key", metavar="KEY", help="asked of callers of HTTP functions (default: none)"
    )
    parser.add_argument("--system-key", metavar="KEY", help="asked of Event Grid (default: none)")
    parser.add_argument(
        "--queue-lease",
        type=_lease,
        default=30,
        metavar="SECONDS",
        help="how long a queue message stays hidden after a crash (default: %(default)s)",
    )
    parser.add_argument(
        "--env",
        metavar="FILE",
        help="settings for variables not yet set (default: the app's local.settings.json, if any), or 'none'",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write down which permissions on storage and topics the functions ask for (default: nowhere)",
    )
    parser.add_argument("--verbose", action="store_true", help="log every invocation")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal. The exit code: 0, or 1 when it could not start, with the reason on stderr."""
    _report(verbose=args.verbose)
    app: Path = args.app.resolve()
    record = args.record and args.record.resolve()
    options = Options(app, args.host, args.port, args.function_key, args.system_key, args.queue_lease, record)
    try:
        _refuse_to_expose(options)
        _enter(app, args.env)
        abandoned = asyncio.run(serve(options))
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    if abandoned:
        log.warning("ended %g s after the signal with %d invocations unfinished", GRACE, abandoned)
        # A function on a thread cannot be interrupted, and an ordinary exit would wait for it.
        logging.shutdown()
        os._exit(0)
    return 0


def _refuse_to_expose(options: Options) -> None:
    is_ours = options.host == "localhost" or _is_loopback(options.host)
    if not is_ours and not (options.function_key and options.system_key):
        raise CannotStart(
            f"--host {options.host} can be reached by others: give --function-key and --system-key"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: it could be anyone's
        return False


def _enter(app: Path, settings_file: str | None) -> None:
    """Make ``app`` the program's own: its settings, its directory, its modules.

    As in Azure, the app finds what is in its directory and what is installed, and nothing else: not what is beside
    this host.
    """
    if not app.is_dir():
        raise CannotStart(f"{app}: no such directory")
    if taken := _loaded_from_here(app):
        raise CannotStart(
            f"{app}: {taken} is loaded from {ROOT} already; serve it with: python -m local.host --app {app}"
        )
    adopt_settings(app, settings_file)
    sys.path[:] = [str(app), *(entry for entry in sys.path if Path(entry).resolve() != ROOT)]
    os.chdir(app)


def _loaded_from_here(app: Path) -> str | None:
    """A module that the app has as well as this repository, whose own is the one that this program has loaded."""
    for name in () if app == ROOT else sorted({path.stem for path in app.iterdir()}):
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded and Path(loaded) in {ROOT / f"{name}.py", ROOT / name / "__init__.py"}:
            return name
    return None


def _report(*, verbose: bool) -> None:
    """Logs to stderr; what functions print appears at once, also through a pipe."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)
    # The worker library's own, which tells in many lines what one line of ours says.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL)


def _lease(text: str) -> int:
    seconds = int(text) if text.isdecimal() else 0
    if not 1 <= seconds <= _LONGEST_LEASE:
        raise argparse.ArgumentTypeError(f"{text!r}: expected whole seconds from 1 to {_LONGEST_LEASE}")
    return seconds
