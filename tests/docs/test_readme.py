"""The README's commands, as written but for the ports, which are whatever is free."""

import asyncio
import json
import re
import shlex
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from local.parts import Child, plain_environment
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def commands(word: str) -> list[str]:
    """The README's commands that hold a word."""
    return [line for block in BLOCKS for line in block.splitlines() if word in line]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def test_by_hand() -> None:
    ports = {"7071": str(free_port()), "7080": str(free_port())}

    def with_ports(line: str) -> str:
        for written, free in ports.items():
            line = line.replace(written, free)
        return line

    async def run(line: str) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(*shlex.split(line), stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        answer: dict[str, Any] = json.loads(output)
        return answer

    async with AsyncExitStack() as stack:

        async def start(word: str, ready: str, *more: str, **environment: str) -> Child:
            (line,) = commands(f"local {word}")
            child = Child(word)
            stack.push_async_callback(child.stop)
            await child.start(
                [*shlex.split(with_ports(line)), *more],
                environment=plain_environment() | environment,
                ready=lambda told: ready in told,
            )
            return child

        storage = await start("storage", "AzureWebJobsStorage=", "--free-ports")
        connection = storage.lines[-1].partition("AzureWebJobsStorage=")[2]
        example = json.loads((ROOT / "local.settings.json.example").read_text("utf-8"))["Values"]
        values = {name: with_ports(value) for name, value in example.items()}
        values |= {"AzureWebJobsStorage": connection, "STOPGAP_GRACE": "1s"}
        await start("host", "listening", "--env", "none", **values)
        await start("azure", "listening")

        shutdown, stopped, flagged, one, health, topic = map(with_ports, commands("curl"))
        assert "vm-001" in (await run(shutdown))["id"]

        async def found() -> object:
            return (await run(flagged))["vms"]

        async def cost() -> object:
            return (await run(one))["cost"]

        async def told() -> object:
            return (await run(topic))["events"]

        await eventually(found, within=60)
        assert [vm["name"] for vm in (await run(stopped))["vms"]] == ["vm-001"]
        assert (await run(one))["cause"]["actor"] == "guest"
        assert await eventually(cost)
        assert (await run(health))["status"] == "ok"
        await eventually(told)

        (line,) = commands("local doctor --app")
        process = await asyncio.create_subprocess_exec(
            *(*shlex.split(with_ports(line)), "--settings", "none", "--json"),
            env=plain_environment() | values,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output
        assert json.loads(output)["verdict"] == "warning", "as the grace is short, and all is permitted"
