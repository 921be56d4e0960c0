"""The command line: `python -m local replay`."""

import argparse
import asyncio
import io
import os
import sys

from local.host.settings import adopt_settings
from local.parts import ROOT, CannotStart
from local.replay import report, ways
from local.replay.app import Delivered
from local.replay.recordings import Recorded, Recordings, by_time, read_all
from local.replay.stage import stage
from local.replay.ways import Way
from shared.settings import STORAGE, SettingError, Settings

EPILOG = """examples:
  See what would be decided on some events; needs nothing, changes nothing:
    python -m local replay --simulated tests/data/events/a-day.jsonl
  The same, on VMs as they are in Azure right now (az login first); changes nothing:
    python -m local replay events.jsonl
  Deliver again what Event Grid gave up, downloaded to folder dead-letters; this one counts:
    python -m local replay --sort --write --settings production.settings.json dead-letters

exit code:
  0    all events were handled
  1    some failed, or could not be read; or nobody reads its output any more
  2    it could not begin: a file or a setting is wrong or missing; nothing has happened
  130  Ctrl-C: it says how many events were handled; nothing is left running"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Play recorded events through the real function app, one after the other, and show what it\n"
        "decided on each and why. A rehearsal unless you say --write: the VMs are looked at in Azure,\n"
        "but nothing is kept, nobody is told and nothing is deallocated."
    )
    parser.epilog = EPILOG
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="JSON or JSON lines: events of the Event Grid schema, CloudEvents 1.0, dead-letter blobs; a folder: all "
        "files in and below it; -: standard input",
    )
    parser.add_argument(
        "--sort",
        action="store_true",
        help="in the order of the events' times (default: as they are in the files)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--simulated",
        action="store_true",
        help="ask no Azure: make the VMs up, each in the state that its last event leads to",
    )
    how.add_argument(
        "--write",
        action="store_true",
        help="in earnest, as if Event Grid delivered the events now: write to the real storage, send notices",
    )
    parser.add_argument(
        "--settings",
        metavar="FILE",
        help="settings for variables not yet set (default: local.settings.json, if any), or 'none'",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")


def run(args: argparse.Namespace) -> int:
    """Replay and report; the exit code is as the epilog says."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)  # not every terminal has every letter
    way = Way.WRITE if args.write else Way.SIMULATED if args.simulated else Way.REHEARSAL
    recordings, delivered = Recordings(), list[Delivered]()
    try:
        recordings = read_all(args.files)
        adopt_settings(ROOT, args.settings)
        events = by_time(recordings.events) if args.sort else recordings.events
        return asyncio.run(_replay(way, recordings, events, delivered, as_json=args.json))
    except CannotStart as fault:
        print(fault, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        _say_ended(recordings, delivered)
        return 130  # as shells have it
    except BrokenPipeError:
        # What is still to be written at the exit would fail in the same way, and not as quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _say_ended(recordings, delivered)
        return 1


def _say_ended(recordings: Recordings, delivered: list[Delivered]) -> None:
    handled = sum(each.fault is None for each in delivered)
    said = f"{handled} of {len(recordings.events)} events had been handled; nothing is left running"
    print(f"\nended: {said}", file=sys.stderr)


async def _replay(
    way: Way,
    recordings: Recordings,
    events: list[Recorded],
    delivered: list[Delivered],
    *,
    as_json: bool,
) -> int:
    """Play the events, `delivered` growing meanwhile; the exit code."""
    environment = ways.environment(way, os.environ, events)
    settings = _settings(way, environment)
    about = ways.about(way, settings)
    if not as_json:
        print(report.beginning(about, recordings))
    if way is not Way.SIMULATED and any(event.vm for event in events):
        from local.replay import credential  # noqa: PLC0415 - the SDK takes time that no other command has to pay

        await credential.check(settings)
    if events:
        async with stage(way, environment, events) as app:
            for event in events:
                delivered.append(await app.deliver(event))
                if not as_json:
                    print(report.line(len(delivered), delivered[-1]))
    told = report.Report(way, about, recordings, delivered)
    print(report.for_machines(told) if as_json else report.end(told))
    return told.exit_code


def _settings(way: Way, environment: dict[str, str]) -> Settings:
    """The settings as the function app will read them; `CannotStart` names the first that it cannot."""
    # Any other storage will be there only later.
    storage = {} if way is Way.WRITE else {STORAGE: "UseDevelopmentStorage=true"}
    try:
        return Settings.from_env(environment | storage)
    except SettingError as fault:
        raise CannotStart(f"{fault}; settings are read from the environment and --settings FILE") from None
