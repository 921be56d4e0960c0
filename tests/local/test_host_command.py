"""The host's command line: what it prints and how it ends."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from local.host.process import HostProcess
from local.parts import ROOT, CannotStart, plain_environment
from tests.eventually import logged

ONE_FUNCTION = """
import time
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route("hello")
def hello(req: func.HttpRequest) -> str:
    print("asked")
    time.sleep(float(req.params.get("seconds", 0)))
    import os
    return os.environ.get("GREETING", "hello")
"""

NO_FUNCTION = "import azure.functions as func; app = func.FunctionApp()"


def make_app(directory: Path, code: str = ONE_FUNCTION, settings: Mapping[str, str] | None = None) -> Path:
    (directory / "host.json").write_text('{"version": "2.0"}', encoding="utf-8")
    (directory / "function_app.py").write_text(code, encoding="utf-8")
    if settings is not None:
        values = json.dumps({"IsEncrypted": False, "Values": settings})
        (directory / "local.settings.json").write_text(values, encoding="utf-8")
    return directory


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``python -m local host`` with its two outputs apart, and gone at the end whatever happens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "host", "--port", "0", *arguments),
        cwd=ROOT,
        env=plain_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def refused(*arguments: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of a host that cannot start."""
    async with started(*arguments) as process, asyncio.timeout(20):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module' (function_app.py:1)",
        ),
        ("x = 1\ny = {}['here']", "KeyError: 'here' (function_app.py:2)"),
        ("def broken(:", "SyntaxError: invalid syntax (function_app.py, line 1)"),
        ("x = 1", "Could not find top level function app instances"),
        (
            ONE_FUNCTION.replace("req: func", "other: func"),
            "cannot load the hello function: the following parameters are declared in Python",
        ),
        (
            ONE_FUNCTION.replace('"hello"', '"{a:colour}"', 1),
            "function hello: route '{a:colour}': the constraint 'colour' is not known",
        ),
        (
            ONE_FUNCTION + '\n@app.blob_trigger("b", "path", "C")\ndef blob(b: func.InputStream): ...\n',
            "function blob: its binding blobTrigger is not served here",
        ),
        (
            ONE_FUNCTION + '\n@app.queue_trigger("m", "%NAME%", "C")\ndef q(m: func.QueueMessage): ...\n',
            "function q: '%NAME%' needs the setting NAME, which is not set",
        ),
        (
            ONE_FUNCTION + '\n@app.queue_trigger("m", "name", "C")\ndef q(m: func.QueueMessage): ...\n',
            "function q: its connection is not set: expected a storage connection string in C, or a URI in C__queue",
        ),
        (
            ONE_FUNCTION + '\n@app.timer_trigger("t", "often")\ndef tick(t: func.TimerRequest): ...\n',
            "function tick: schedule 'often' is not understood: expected six fields",
        ),
    ],
)
async def test_what_cannot_be_served_is_one_clear_line(tmp_path: Path, code: str, reason: str) -> None:
    status, out, err = await refused("--app", str(make_app(tmp_path, code)))
    assert (status, out) == (1, "")
    assert reason in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["shared", "functions", "benchmarks"])
async def test_an_app_finds_nothing_that_is_beside_the_host(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotStart, match=f"No module named '{name}'"):
        async with HostProcess({}, app=make_app(tmp_path, f"import {name}")):
            pass


async def test_a_disabled_function_is_not_called_and_needs_nothing(tmp_path: Path) -> None:
    queue = '\n@app.queue_trigger("m", "%NAME%", "C")\ndef q(m: func.QueueMessage): ...\n'
    app = make_app(tmp_path, ONE_FUNCTION + queue)
    async with HostProcess({"AzureWebJobs.q.Disabled": "true"}, app=app) as host:
        assert "(functions: hello)" in host.log
    disabled = {"AzureWebJobs.q.Disabled": "true", "AzureWebJobs.hello.Disabled": "1"}
    async with (
        HostProcess(disabled, app=app) as host,
        aiohttp.ClientSession(host.url) as web,
        web.get("/api/hello") as answer,
    ):
        assert answer.status == 404


async def test_a_directory_without_app_is_named(tmp_path: Path) -> None:
    status, _, err = await refused("--app", str(make_app(tmp_path, NO_FUNCTION)))
    assert status == 1
    assert err.endswith(
        f"cannot load the functions of {tmp_path}: it has no function_app.py, or no function in it\n"
    )
    (tmp_path / "host.json").unlink()
    status, _, err = await refused("--app", str(tmp_path / "nowhere"))
    assert (status, err) == (1, f"{tmp_path / 'nowhere'}: no such directory\n")
    status, _, err = await refused("--app", str(tmp_path))
    assert (status, err) == (1, f"{tmp_path / 'host.json'}: no such file\n")


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, out, err = await refused("--app", str(make_app(tmp_path)), "--port", str(port))
    assert (status, out) == (1, "")
    assert err == f"cannot listen on 127.0.0.1:{port}: address already in use; choose another with --port\n"


async def test_others_are_not_let_in_without_keys(tmp_path: Path) -> None:
    for address in ("192.0.2.1", "a-machine"):
        status, _, err = await refused(
            "--app", str(make_app(tmp_path)), "--host", address, "--system-key", "k"
        )
        expected = f"--host {address} can be reached by others: give --function-key and --system-key\n"
        assert (status, err) == (1, expected)


async def test_a_host_that_cannot_start_says_why_to_its_owner(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"the host exited with code 1: cannot load .* KeyError: 'here'"):
        await HostProcess({}, app=make_app(tmp_path, "{}['here']")).__aenter__()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with started("--app", str(make_app(tmp_path))) as process, asyncio.timeout(20):
        assert process.stdout
        ready = (await process.stdout.readline()).decode()
        assert ready.startswith("stopgap host: listening on http://127.0.0.1:")
        assert ready.endswith(" (functions: hello)\n")
        process.send_signal(number)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_a_running_invocation_may_end_first(tmp_path: Path) -> None:
    async with HostProcess({}, app=make_app(tmp_path)) as host, aiohttp.ClientSession(host.url) as web:
        asked = asyncio.create_task(web.get("/api/hello?seconds=1"))
        await logged(host, "asked")
        assert await host.stop() == 0
        async with await asked as answer:
            assert answer.status == 200


async def test_local_settings_fill_in_what_is_not_set(tmp_path: Path) -> None:
    app = make_app(tmp_path, settings={"GREETING": "from the file"})
    for given, greeting in (({}, "from the file"), ({"GREETING": "from outside"}, "from outside")):
        arguments = ["--env", str(app / "local.settings.json")]
        async with (
            HostProcess(given, app=app, arguments=arguments) as host,
            aiohttp.ClientSession(host.url) as web,
            web.get("/api/hello") as answer,
        ):
            assert await answer.text() == greeting


async def test_a_system_key_is_asked_of_event_grid(
    sample_app: Path, sample_settings: Mapping[str, str]
) -> None:
    settings = {**sample_settings, "SAMPLE_QUEUE": "keys"}
    async with (
        HostProcess(settings, app=sample_app, arguments=["--system-key", "secret"]) as host,
        aiohttp.ClientSession(host.url) as web,
    ):
        path = "/runtime/webhooks/eventgrid?functionName=on_event"
        events = [{"id": "1", "eventType": "T", "data": {}}]
        for query, headers, status in (
            ("", {}, 401),
            ("&code=wrong", {}, 401),
            ("&code=secret", {}, 202),
            ("", {"aeg-sas-key": "secret"}, 202),
            ("", {"x-functions-key": "secret"}, 202),
        ):
            async with web.post(path + query, json=events, headers=headers) as answer:
                assert answer.status == status
        async with web.get("/v1/files/open") as answer:
            assert answer.status == 200, "no function key was asked for"


async def test_functions_know_where_they_can_be_reached(tmp_path: Path) -> None:
    app = make_app(tmp_path, ONE_FUNCTION.replace("GREETING", "WEBSITE_HOSTNAME"))
    async with (
        HostProcess({}, app=app) as host,
        aiohttp.ClientSession(host.url) as web,
        web.get("/api/hello") as answer,
    ):
        assert f"http://{await answer.text()}" == host.url
    async with (
        HostProcess({"WEBSITE_HOSTNAME": "stopgap.example"}, app=app) as host,
        aiohttp.ClientSession(host.url) as web,
        web.get("/api/hello") as answer,
    ):
        assert await answer.text() == "stopgap.example"
