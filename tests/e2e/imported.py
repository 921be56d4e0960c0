"""Handles an event as a new instance does, and tells which modules were imported for it.

`python -m tests.e2e.imported EVENT`, with the app's settings in the environment.
"""

import asyncio
import json
import sys

from local.host import protos
from local.host.worker import Worker
from local.parts import ROOT


async def handle(event: str) -> list[str]:
    """The modules that are there once it is handled."""
    worker = await Worker.start(ROOT)
    function = next(each for each in worker.functions if each.name == "vm_event")
    await worker.invoke(function, protos.TypedData(json=event), {})
    return sorted(sys.modules)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(handle(sys.argv[1]))) + "\n")
