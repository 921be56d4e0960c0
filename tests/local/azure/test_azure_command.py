import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from local.azure import command
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver

PROGRAM = """
import argparse, sys
from local.azure import command
parser = argparse.ArgumentParser()
command.add_arguments(parser)
sys.exit(command.run(parser.parse_args()))
"""


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


async def test_it_serves_a_fleet_and_ends_cleanly(http: aiohttp.ClientSession, receiver: Receiver) -> None:
    other = "11111111-0000-4000-8000-000000000002"
    arguments = ["--vms", "8", "--subscription", SUB, "--subscription", other, "--deliver-to", receiver.url]
    async with running(*arguments, "--speed", "10000") as process:
        line = await first_line(process)
        url = line.removeprefix("simulated Azure: listening on ").strip()
        async with http.get(f"{url}/_sim/vms") as response:
            vms = (await response.json())["vms"]
        body = {"id": next(vm["id"] for vm in vms if vm["power"] == "running")}
        async with http.post(f"{url}/_sim/vms/power_off", json=body):
            pass
        async with http.post(f"{url}/_sim/settle", json={}):
            pass
        process.send_signal(signal.SIGTERM)
        code = await process.wait()

    assert line.startswith("simulated Azure: listening on http://127.0.0.1:")
    assert code == 0
    assert len(vms) == 8
    assert {vm["subscription"] for vm in vms} == {SUB, other}
    assert {vm["power"] for vm in vms} == {"running", "stopped", "deallocated"}
    assert "Microsoft.Resources.ResourceActionSuccess" in receiver.types()


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running("--port", str(port)) as process:
            out, err = await process.communicate()

    assert process.returncode == 1
    assert out == b""
    assert err.decode() == (
        f"simulated Azure: port {port} on 127.0.0.1 is taken: choose another with --port, or 0 for a free one\n"
    )


async def test_a_webhook_that_fails_the_handshake_is_one_clear_line() -> None:
    async with running("--deliver-to", "http://127.0.0.1:1/hook") as process:
        _, err = await process.communicate()

    assert process.returncode == 1
    assert err.decode().startswith("simulated Azure: http://127.0.0.1:1/hook failed the EventGridSchema")
    assert err.count(b"\n") == 1


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "70000"), ("--speed", "0"), ("--page-size", "0"), ("--schema", "JSON")]
)
def test_wrong_options_are_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)

    with pytest.raises(SystemExit):
        parser.parse_args([option, value])

    assert value in capsys.readouterr().err
