"""`python -m local scan` as a person runs it, against the simulated Azure."""

import asyncio
import csv
import io
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import pytest

from local.azure.faults import Fault
from local.azure.server import SimulatedAzure
from local.parts import ROOT, plain_environment

ONE, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
PLACE = {"size": "Standard_E8s_v5", "location": "northeurope"}
NASTY = '=1+1 <b>\u202e[red]\x1b[31m "quoted", \N{GRINNING FACE}' + "x" * 200


class Scanned(NamedTuple):
    code: int
    out: str
    said: str


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(operation_seconds=0.2, subscriptions=(ONE, OTHER), page_size=3) as cloud:
        yield cloud


async def begin(
    azure: SimulatedAzure | None,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    out: int = asyncio.subprocess.PIPE,
    said: int = asyncio.subprocess.PIPE,
) -> asyncio.subprocess.Process:
    settings = (
        {"STOPGAP_ARM_ENDPOINT": azure.url, "STOPGAP_PRICES_ENDPOINT": azure.prices_url} if azure else {}
    )
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "local", "scan", *arguments),
        cwd=ROOT,
        env={**plain_environment(), **settings, **(env or {})},
        stdout=out,
        stderr=said,
    )


async def scan(azure: SimulatedAzure | None, *arguments: str, **env: str) -> Scanned:
    process = await begin(azure, *arguments, env=env)
    out, said = await process.communicate()
    return Scanned(process.returncode or 0, out.decode(), said.decode())


def refuse(azure: SimulatedAzure, subscription: str, kind: Any = "403", times: int = sys.maxsize) -> None:  # noqa: ANN401
    azure.arm.faults.in_store.append(Fault(kind=kind, times=times, path=f"/subscriptions/{subscription}/.*"))


async def test_it_finds_what_is_stopped_and_says_what_it_costs(azure: SimulatedAzure) -> None:
    for number, state in enumerate(["running", "stopped", "deallocated", "stopped"]):
        azure.add_vm(ONE, "rg-shop", f"web-{number}", state=state, **PLACE)  # type: ignore[arg-type]
    azure.add_vm(OTHER, "rg-bank", "core", state="stopped", size="Standard_Unheard_of")
    azure.add_scale_set(OTHER, "rg-bank", "pool", mode="Uniform", instances=2)
    found = await scan(azure)
    assert (found.code, found.said) == (1, "")
    month = azure.list_price(PLACE["size"], PLACE["location"], "Linux", "USD") * 730
    assert found.out.count(f"USD {month:,.2f}") == 2
    assert (
        f"Left as they are, they cost USD {2 * month:,.2f} a month (and 1 whose price is not known)"
        in found.out
    )
    assert "3 VMs are Stopped and still billed, of 7 that were seen in 2 subscriptions." in found.out
    assert "az vm deallocate --ids /subscriptions/" in found.out
    assert "web-0" not in found.out
    lines = [line for line in found.out.splitlines() if "Standard_" in line]
    assert ["core" in line for line in lines] == [False, False, True]
    assert "unknown" in lines[2]
    assert not [each for each in azure.requests if each.method != "GET"]


async def test_none_is_stopped(azure: SimulatedAzure) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1")
    found = await scan(azure)
    assert (found.code, found.said) == (0, "")
    assert "0 VMs are Stopped and still billed, of 1 that were seen in 2 subscriptions." in found.out


async def test_only_what_is_asked_for(azure: SimulatedAzure) -> None:
    for subscription in (ONE, OTHER):
        azure.add_vm(subscription, "rg-shop", f"web-{subscription[-1]}", state="stopped")
    found = await scan(azure, "--subscription", OTHER.upper())
    assert "web-2" in found.out
    assert "web-1" not in found.out
    both = await scan(azure, "--subscription", f"{ONE}, {OTHER}")
    assert "2 VMs are Stopped" in both.out


async def test_what_could_not_be_read_is_said_and_why(azure: SimulatedAzure) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1", state="stopped")
    refuse(azure, OTHER)
    found = await scan(azure)
    assert found.code == 1
    assert "of 1 that were seen in 1 subscription." in found.out
    out = " ".join(found.out.split())
    assert "Not looked at: Subscription 2: ARM, GET /subscriptions/" in out
    assert "AuthorizationFailed" in out
    assert "it takes the role Reader" in out
    azure.deallocate(
        f"/subscriptions/{ONE}/resourceGroups/rg-shop/providers/Microsoft.Compute/virtualMachines/web-1"
    )
    await azure.settle()
    assert (await scan(azure)).code == 2, "none was found, and not all could be looked at"


async def test_subscriptions_that_are_disabled_are_left_out(azure: SimulatedAzure) -> None:
    azure.listed.states[OTHER] = "Disabled"
    found = await scan(azure)
    assert found.code == 0
    assert f"{OTHER}: left out, it is Disabled" in found.out


async def test_a_throttled_subscription_is_begun_anew(azure: SimulatedAzure) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1", state="stopped")
    azure.arm.faults.in_store.append(
        Fault(kind="429", times=1, retry_after=1, path=f"/subscriptions/{ONE}/.*")
    )
    found = await scan(azure)
    assert found.code == 1
    assert "1 VM is Stopped and still billed, of 1" in found.out
    assert "Subscription 1: throttled by Azure: begins anew in 1 s" in found.said


async def test_a_long_wait_is_not_waited_for(azure: SimulatedAzure) -> None:
    refuse(azure, ONE, "429")  # names 1200 s
    found = await scan(azure)
    assert found.code == 2
    assert "Subscription 1: throttled by Azure, try in 1200 s" in found.out
    assert "begins anew" not in found.said


async def test_ctrl_c_ends_it(azure: SimulatedAzure) -> None:
    azure.arm.faults.in_store.append(
        Fault(kind="429", times=sys.maxsize, retry_after=100, path=f"/subscriptions/{ONE}/.*")
    )
    process = await begin(azure)
    assert process.stderr
    assert b"begins anew in 100 s" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, said = await process.communicate()
    assert (process.returncode, out, said.split()) == (130, b"", [b"ended"])


async def test_a_subscription_that_is_not_there_may_be_of_another_tenant(azure: SimulatedAzure) -> None:
    found = await scan(azure, "--subscription", f"{ONE[:-1]}9")
    assert found.code == 2
    assert "SubscriptionNotFound" in found.out
    assert "are you signed in to its tenant (az login --tenant)?" in found.out
    assert "Reader" not in found.out


@pytest.mark.parametrize("form", ["--json", "--csv"])
async def test_what_could_not_be_read_is_said_beside_a_file_too(azure: SimulatedAzure, form: str) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1", state="stopped")
    refuse(azure, OTHER)
    found = await scan(azure, form)
    assert found.code == 1
    assert "Not looked at:\n  Subscription 2: ARM, GET /subscriptions/" in found.said
    assert "Not looked at" not in found.out


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
async def test_what_cannot_be_written_is_no_finding(azure: SimulatedAzure, form: list[str]) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1", state="stopped")
    full = os.open("/dev/full", os.O_WRONLY)
    process = await begin(azure, *form, out=full)
    os.close(full)
    _, said = await process.communicate()
    assert (process.returncode, said.splitlines()) == (
        2,
        [b"what was found could not be written: No space left on device"],
    )


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
async def test_who_reads_no_further_gets_the_same_exit_code(azure: SimulatedAzure, form: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = await begin(azure, *form, out=writer)
    os.close(writer)
    _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")


async def test_bars_hold_names_that_would_steer_a_terminal(azure: SimulatedAzure) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1", state="stopped")
    azure.listed.names[ONE] = f"[bold]{NASTY[:12]}\x1b]0;title\x07\x9b1m{NASTY[12:24]}"
    azure.arm.faults.in_store.append(
        Fault(kind="429", times=1, retry_after=1, path=f"/subscriptions/{ONE}/.*")
    )
    terminal, theirs = pty.openpty()
    process = await begin(azure, said=theirs, env={"TERM": "xterm-256color", "COLUMNS": "200"})
    os.close(theirs)
    written = asyncio.create_task(asyncio.to_thread(_all_of, terminal))
    await process.communicate()
    said = (await written).decode()
    os.close(terminal)
    assert process.returncode == 1
    assert "[bold]=1+1 <b>\N{REPLACEMENT CHARACTER}" in said
    assert "throttled by Azure: begins anew" in said
    assert "VMs, " in said
    assert not [each for each in ("\x1b]0", "\x9b", "\u202e", "\x07") if each in said]


def _all_of(terminal: int) -> bytes:
    """What is written to a terminal until its other end is closed, which Linux tells as an error."""
    written = b""
    try:
        while some := os.read(terminal, 65536):
            written += some
    except OSError:
        pass
    return written


async def test_what_no_list_tells_is_looked_at_singly(azure: SimulatedAzure) -> None:
    vm = azure.add_vm(ONE, "rg-shop", "web-1", state="stopped")
    azure.remove_instance_view(vm)
    found = await scan(azure)
    assert "Azure tells no power state of it" in found.out
    assert found.code == 2


async def test_programs_get_json(azure: SimulatedAzure) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1", state="stopped", tags={"stopgap:exempt": "2099-12-31"}, **PLACE)  # type: ignore[arg-type]
    found = await scan(azure, "--json", "--currency", "eur")
    told = json.loads(found.out)
    (vm,) = told["vms"]
    month = azure.list_price(PLACE["size"], PLACE["location"], "Linux", "EUR") * 730
    assert (vm["name"], vm["power_state"], vm["billed"]) == ("web-1", "stopped", True)
    assert vm["cost"]["monthly"]["lower"] == pytest.approx(month, abs=0.01)
    assert vm["exemption"]["until"] == "2100-01-01T00:00:00Z"
    assert told["monthly"] == {"lower": round(month, 2), "upper": round(month, 2), "unpriced": 0}
    assert (told["currency"], told["seen"]) == ("EUR", 1)
    assert [each["stopped"] for each in told["subscriptions"]] == [1, 0]
    assert (told["failed_provisioning"], told["left_out"]) == ([], {})


async def test_spreadsheets_get_text_and_terminals_nothing_that_steers_them(azure: SimulatedAzure) -> None:
    azure.add_vm(ONE, "rg-shop", "web-1", state="stopped", tags={"stopgap:exempt": NASTY}, **PLACE)  # type: ignore[arg-type]
    (line,) = csv.DictReader(io.StringIO((await scan(azure, "--csv")).out))
    assert line["exempt_reason"].startswith(
        "'=1+1 <b>\N{REPLACEMENT CHARACTER}[red]\N{REPLACEMENT CHARACTER}[31m"
    )
    assert (line["exempt"], line["size"]) == ("true", PLACE["size"])
    out = (await scan(azure)).out
    assert "[red]" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    told = json.loads((await scan(azure, "--json")).out)
    assert told["vms"][0]["exemption"]["reason"] == NASTY
    assert (await scan(azure, "--json")).out.isascii()


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        (["--subscription", "x"], {}, "--subscription: expected a GUID"),
        (["--subscription", ","], {}, "--subscription: expected the id of a subscription, got nothing"),
        (["--currency", "dollars"], {}, "STOPGAP_CURRENCY is malformed: expected"),
        ([], {"STOPGAP_ARM_ENDPOINT": "nowhere"}, "STOPGAP_ARM_ENDPOINT is malformed: expected"),
        ([], {"STOPGAP_ARM_ENDPOINT": "http://127.0.0.1:9"}, "mend: is the simulated Azure up?"),
    ],
)
async def test_what_keeps_it_from_looking(arguments: list[str], env: dict[str, str], says: str) -> None:
    found = await scan(None, *arguments, **env)
    assert (found.code, found.out) == (2, "")
    assert says in found.said
    assert "Traceback" not in found.said


async def test_nobody_is_signed_in() -> None:
    # A public endpoint's token is asked for before anything else: nobody answers for one here.
    found = await scan(
        None,
        STOPGAP_ARM_ENDPOINT="https://127.0.0.1:9",
        AZURE_TOKEN_CREDENTIALS="AzureCliCredential",
        PATH="/nowhere",
    )
    assert (found.code, found.out) == (2, "")
    assert "nobody is signed in to Azure" in found.said
    assert "mend: az login" in found.said


async def test_without_any_azure() -> None:
    found = await scan(None, "--simulated")
    assert found.code == 1
    assert "12 VMs are Stopped and still billed, of 76 that were seen in 2 subscriptions." in found.out
    assert "Subscription 3: ARM, GET /subscriptions/" in found.out


async def test_its_help_tells_of_exit_codes() -> None:
    found = await scan(None, "--help")
    assert found.code == 0
    assert "exit codes: 0 none is Stopped; 1 some are" in found.out
    assert "needs no deployment" in found.out
