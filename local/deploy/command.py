"""The command line: `python -m local deploy`."""

import argparse
import asyncio
import logging
import os
import sys

from azure.core.exceptions import AzureError

from local.deploy.environment import CannotDeploy, Environment
from local.deploy.graph import PUBLIC
from local.deploy.steps import STEPS, Steps
from shared.settings import PUBLIC_ARM

EPILOG = """The hooks of azure.yaml call it, with the environment that azd hands over; `azd hooks run postdeploy` does a
hook again by hand. Each step may be done again, and then changes nothing. Exit code: 0 done; 1 not, and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    steps = "\n".join(f"  {name:14} {about}" for name, (_, about) in STEPS.items())
    parser.epilog = f"steps:\n{steps}\n\n{EPILOG}"
    parser.add_argument("steps", nargs="+", choices=STEPS, metavar="STEP", help="what to do, in this order")
    parser.add_argument(
        "--force", action="store_true", help="remove system topics that others get events by, too"
    )


def run(args: argparse.Namespace) -> int:
    """Do the steps, one after the other."""
    # What the SDKs would log of a token that is not to be had comes as an error.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    env = Environment(os.environ)
    steps = Steps(
        env=env,
        say=lambda text: print(text, flush=True),
        arm_endpoint=env.optional("STOPGAP_ARM_ENDPOINT", PUBLIC_ARM),
        graph_endpoint=env.optional("STOPGAP_GRAPH_ENDPOINT", PUBLIC),
        force=args.force,
    )
    for name in args.steps:
        work, _ = STEPS[name]
        try:
            asyncio.run(work(steps))
        except (CannotDeploy, AzureError) as fault:
            print(f"{name}: {fault}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130  # as shells have it
    return 0
