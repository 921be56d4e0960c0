"""`python -m local`: everything that runs on a laptop."""

import argparse
import sys

from local import package, storage
from local.azure import command as azure
from local.backup import backup, restore
from local.demo import command as demo
from local.deploy import command as deploy
from local.doctor import command as doctor
from local.host import command as host
from local.pictures import command as pictures
from local.replay import command as replay
from local.scale import command as scale
from local.scan import command as scan
from local.states import command as states

COMMANDS = {
    "host": (host, "serve the function app, with whatever the settings name"),
    "azure": (azure, "serve a simulated Azure: ARM compute, Event Grid, a custom topic"),
    "storage": (storage, "serve Azurite, the storage emulator, on its usual ports"),
    "package": (package, "show what a deployment uploads, and write it as a zip"),
    "states": (states, "make docs/states.md from the documents' tables and the domain"),
    "doctor": (doctor, "say what is wrong with an installation, and how to mend it"),
    "replay": (replay, "play recorded events through the function app, and show what it decided and why"),
    "backup": (backup, "write all of the ledger into a file"),
    "restore": (restore, "put a backup of the ledger back"),
    "scan": (scan, "find VMs that are Stopped and still billed, read-only and without a deployment"),
    "deploy": (deploy, "what a deployment to Azure needs beside Bicep: the hooks of azure.yaml"),
    "scale": (scale, "work out what a large fleet needs and costs, and make docs/scale.md"),
    "pictures": (pictures, "make the README's pictures, of the app over a made-up month"),
    "demo": (demo, "play the story of a fleet on real parts and show what is flagged"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command that the arguments name; the exit code is its own."""
    parser = argparse.ArgumentParser(prog="python -m local", description="Stopgap on a laptop.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
