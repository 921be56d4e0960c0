"""Indexes an app as the host does, and gives it an event: a start of an instance, which imports nothing else."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import meter
from local.host import protos
from local.host.worker import Worker


async def measured(parameters: dict[str, Any]) -> dict[str, float]:
    """What was used since the process began."""
    directory = Path(parameters["directory"])
    os.chdir(directory)
    sys.path.insert(0, str(directory))
    worker = await Worker.start(directory)
    function = next(each for each in worker.functions if each.name == "vm_event")
    await worker.invoke(function, protos.TypedData(json=json.dumps(parameters["event"])), {})
    return {
        "cpu": time.process_time(),
        "wall": time.time() - parameters["began"],
        "resident": meter.resident(),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(json.loads(sys.argv[1])))))
