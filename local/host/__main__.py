"""`python -m local.host`: the host by itself, which of this repository loads nothing but itself.

So an app that is elsewhere gets no module from here, as it would by `python -m local host`, whose other commands
have loaded the function app of this repository by the time that the host begins.
"""

import argparse
import sys

from local.host import command


def main() -> int:
    """Serve until a signal; the exit code is the command's."""
    parser = argparse.ArgumentParser(prog="python -m local.host", description="Serve a function app.")
    command.add_arguments(parser)
    return command.run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
