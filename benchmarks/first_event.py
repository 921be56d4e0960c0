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
    """What was used since the process began; and then, if asked for, what the first token takes."""
    directory = Path(parameters["directory"])
    os.chdir(directory)
    sys.path.insert(0, str(directory))
    worker = await Worker.start(directory)
    function = next(each for each in worker.functions if each.name == "vm_event")
    await worker.invoke(function, protos.TypedData(json=json.dumps(parameters["event"])), {})
    used = {
        "cpu": time.process_time(),
        "wall": time.time() - parameters["began"],
        "resident": meter.resident(),
    }
    return {**used, **await _token()} if parameters["token"] else used


async def _token() -> dict[str, float]:
    """What the app's own identity takes for its first token, which only Azure has it ask for: mostly imports."""
    from shared.adapters.identity import Identity  # noqa: PLC0415 - by now it is there

    resident = meter.resident()
    with meter.metered() as used:
        async with Identity(None) as identity:
            await identity.get_token("https://management.azure.com/.default")
    return {
        "token_cpu": used.cpu,
        "token_wall": used.wall,
        "token_resident": meter.resident() - resident,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(json.load(sys.stdin)))))
