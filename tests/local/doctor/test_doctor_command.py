"""`python -m local doctor`, as a process of its own."""

import asyncio
import json
import sys
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from local.__main__ import main
from local.azure.permissions import WATCH
from local.azure.server import SimulatedAzure
from local.host.process import HostProcess
from local.parts import ROOT, plain_environment
from tests.local.doctor.conftest import SUB, Environment

pytestmark = pytest.mark.usefixtures("tables", "queues")


class Said(NamedTuple):
    code: int | None
    out: str
    err: str


async def doctor(*arguments: str, **environment: str) -> Said:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "doctor", *arguments),
        cwd=ROOT,
        env=plain_environment() | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return Said(process.returncode, out.decode(), err.decode())


def settings_file(directory: Path, values: Environment) -> str:
    path = directory / "some.settings.json"
    path.write_text(json.dumps({"IsEncrypted": False, "Values": values}), "utf-8")
    return str(path)


async def test_an_installation_that_is_well(
    environment: Environment, azure: SimulatedAzure, tmp_path: Path
) -> None:
    azure.permit((*WATCH, "*/read"))
    async with HostProcess(environment) as host:
        await azure.subscribe(f"{host.url}/runtime/webhooks/eventgrid?functionName=vm_event")
        async with aiohttp.ClientSession(host.url) as http, http.get("/api/health") as health:
            assert health.status == 200, "by which the app has made its table and queues"
        told = await doctor(
            "--settings",
            settings_file(tmp_path, environment),
            *("--app", host.url, "--subscription", SUB.upper(), "--send-test-notice", "--json"),
        )
    report = json.loads(told.out)
    assert (told.code, told.err, report["verdict"], report["exit_code"]) == (0, "", "ok", 0)
    assert {f["verdict"] for f in report["findings"] if f["check"] != "probe"} == {"ok"}
    assert [f["fact"] for f in report["findings"] if f["check"] == "probe"] == [
        "--resource-group NAME makes Azure emit an event, to see whether it arrives"
    ]
    assert [event["type"] for event in azure.topic_events] == ["Stopgap.Test"]


async def test_an_installation_that_is_broken(environment: Environment) -> None:
    broken = environment | {"STOPGAP_MODE": "deallocate"}
    told, in_ascii = await asyncio.gather(
        doctor("--settings", "none", **broken),
        doctor("--settings", "none", **broken, PYTHONIOENCODING="ascii"),
    )
    assert (told.code, told.err) == (1, "")
    assert (in_ascii.code, in_ascii.err) == (1, "")
    assert "? wrong        settings     mode deallocate" in in_ascii.out
    assert told.out.startswith("Stopgap, as set in the environment\n")
    assert "✗ wrong        settings     mode deallocate, but STOPGAP_ALLOW_DEALLOCATE is not true" in told.out
    assert f"\nsubscription {SUB}\n" in told.out
    assert "\x1b" not in told.out, "colours are for terminals"


async def test_where_it_cannot_look(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", "utf-8")
    nobody = environment | {
        "STOPGAP_ARM_ENDPOINT": "https://127.0.0.1:9",
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
    }
    missing, broken, signed_out, not_found = await asyncio.gather(
        doctor("--settings", str(tmp_path / "none.json")),
        doctor("--settings", str(tmp_path / "broken.json"), "--json"),
        doctor("--settings", "none", **nobody),
        doctor("--resource-group", "rg-stopgap-dev", "--deployed-in", SUB, **nobody),
    )
    assert (missing.code, missing.err) == (2, "")
    assert "none.json: no such file" in missing.out
    (finding,) = json.loads(broken.out)["findings"]
    assert (broken.code, broken.err) == (2, "")
    assert "broken.json: is not JSON" in finding["fact"]
    assert (signed_out.code, signed_out.err) == (2, "")
    assert "mend: az login" in signed_out.out
    assert (not_found.code, not_found.err) == (2, "")
    assert not_found.out.startswith("Stopgap, as deployed in resource group rg-stopgap-dev\n")
    assert "mend: az login" in not_found.out
    assert "all else" in not_found.out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--subscription", "shop"], "expected a GUID"),
        (["--app", "http://stopgap.example.com"], "expected an https address"),
        (["--resource-group", "rg/../x"], "expected 1 to 90 letters, digits or - _ . ( )"),
        (["--resource-group", "rg."], "the last not a point"),
        (["--resource-group", "rg", "--deployed-in", "shop"], "expected a GUID"),
        (["--resource-group", "rg", "--wait", "soon"], "expected a duration such as 90s"),
        (["--resource-group", "rg", "--settings", "x.json"], "not allowed with argument"),
        (["--deployed-in", SUB], "only with --resource-group: --deployed-in"),
        (["--no-probe", "--wait", "5s"], "only with --resource-group: --no-probe, --wait"),
    ],
)
def test_arguments_that_are_wrong(
    arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", *arguments])
    assert fault in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["doctor", "--help"])
    out = capsys.readouterr().out
    for option in (
        "--settings FILE",
        "--resource-group NAME",
        "--deployed-in SUBSCRIPTION",
        "--no-probe",
        "--wait DURATION",
        "--subscription ID",
        "--app URL",
        "--key KEY",
        "--send-test-notice",
        "--json",
    ):
        assert option in out
    assert "Exit code: 0 all is well" in out
