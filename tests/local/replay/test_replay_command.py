"""`python -m local replay`, as a process of its own, on real parts."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.__main__ import main
from local.azure.faults import Fault
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.parts import ROOT, plain_environment
from tests.e2e.town import power_off_event, sample
from tests.eventually import eventually

A_DAY = ROOT / "tests" / "data" / "events" / "a-day.jsonl"
OTHER_SUBSCRIPTION = "00000000-0000-4000-8000-000000000002"
NO_SETTINGS: Mapping[str, str] = {}


class Said(NamedTuple):
    code: int | None
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


async def begun(*arguments: object, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "replay", *map(str, arguments)),
        cwd=ROOT,
        env=plain_environment() | dict(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def replay(
    *arguments: object, environment: Mapping[str, str] = NO_SETTINGS, given: bytes = b""
) -> Said:
    process = await begun(*arguments, environment=environment)
    async with asyncio.timeout(60):
        out, err = await process.communicate(given)
    return Said(process.returncode, out.decode(), err.decode())


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def vm_id(name: str, subscription: str = DEFAULT_SUBSCRIPTION) -> str:
    return (
        f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{name}"
    )


def written(path: Path, *events: object) -> Path:
    path.write_text("\n".join(json.dumps(event) for event in events), "utf-8")
    return path


def outcomes(said: Said) -> list[str]:
    return [event["outcome"] for event in said.report["events"]]


@pytest.fixture
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure() as cloud:
        yield cloud


@pytest.fixture
async def storage() -> AsyncIterator[str]:
    """Storage that nothing has written to yet."""
    async with Azurite() as running:
        yield running.connection_string


@pytest.fixture
def environment(azure: SimulatedAzure, storage: str) -> Mapping[str, str]:
    return {
        "AzureWebJobsStorage": storage,
        "STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION,
        "STOPGAP_GRACE": "1s",
        "STOPGAP_ARM_ENDPOINT": azure.url,
        "STOPGAP_TOPIC_ENDPOINT": azure.topic_url(),
        "STOPGAP_PRICES_ENDPOINT": azure.prices_url,
    }


async def rows(storage: str) -> list[str]:
    """The row keys in the ledger; none while there is no table."""
    async with TableServiceClient.from_connection_string(storage) as service:
        tables = [table.name async for table in service.list_tables()]
        return [
            entity["RowKey"]
            for table in tables
            async for entity in service.get_table_client(table).list_entities()
        ]


async def waiting(storage: str) -> dict[str, int]:
    """How many messages are in each queue that there is."""
    async with QueueServiceClient.from_connection_string(storage) as service:
        found = dict[str, int]()
        async for queue in service.list_queues():
            properties = await service.get_queue_client(queue).get_queue_properties()
            found[queue.name] = properties.approximate_message_count or 0
        return found


async def test_a_day_for_people() -> None:
    told = await replay("--simulated", A_DAY.relative_to(ROOT))
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("SIMULATED. No Azure is asked")
    assert "\n9 events\n" in told.out
    assert (
        "  2  2026-11-21T09:00:01Z  VirtualMachineStopInitiatedByControlPlane\n"
        "     rg-shop/vm-001\n"
        "     changed: Stopped since 2026-11-21 09:00:01 UTC, powered off through Azure"
    ) in told.out
    assert (
        "     dead-lettered: MaxDeliveryAttemptsExceeded, after 30 attempts, the last at 2026-11-22T08:40:00.0000001Z, "
        "which met ServiceUnavailable"
    ) in told.out
    assert re.search(r"What came of them\n +4  changed\n +2  covered\n +2  unchanged\n", told.out)
    assert "/virtualmachines/vm-006\n    not on record\n" in told.out
    assert "Skipped\n  tests/data/events/a-day.jsonl:1: a validation event" in told.out
    assert "Failures" not in told.out
    assert "\x1b" not in told.out, "colours are for terminals"


async def test_a_day_for_machines_in_order_of_time() -> None:
    as_it_is, sorted_ = await asyncio.gather(
        replay("--simulated", "--json", A_DAY), replay("--simulated", "--json", "--sort", A_DAY)
    )
    assert (as_it_is.code, sorted_.code, as_it_is.err + sorted_.err) == (0, 0, "")
    times = [event["time"] for event in sorted_.report["events"]]
    assert times == sorted(times) != [event["time"] for event in as_it_is.report["events"]]
    assert as_it_is.report["counts"] == {"changed": 4, "covered": 2, "unchanged": 2, "ignored_not_a_vm": 1}
    states = {
        each["id"].rpartition("/")[2]: each["vm"] and each["vm"]["power_state"]
        for each in as_it_is.report["vms"]
    }
    assert states == {
        "vm-001": "stopped",
        "vm-002": "stopped",
        "vm-003": "running",
        "vm-005": "deallocated",
        "vm-006": None,
    }
    assert [each["vm"] and each["vm"]["power_state"] for each in sorted_.report["vms"]] == list(
        states.values()
    )
    (dead,) = [event for event in as_it_is.report["events"] if event["dead_letter"]]
    assert (dead["line"], dead["dead_letter"]["last_outcome"]) == (7, "ServiceUnavailable")


async def test_dead_letter_blobs_of_a_folder(tmp_path: Path) -> None:
    given_up = {"deadLetterReason": "TimeToLiveExceeded", "deliveryAttempts": 7}
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    late, early = (
        power_off_event(vm_id("vm-1"), at=at + timedelta(minutes=minutes), **given_up) for minutes in (9, 1)
    )
    annotated = sample("eventgrid-arn-health-AvailabilityStatusChanged.cloudevents10.json", vm_id("vm-2"))
    for hour, blob in (
        ("10", [late]),
        ("9", [early, annotated | {"deadletterreason": "TimeToLiveExceeded"}]),
    ):
        folder = tmp_path / "STOPGAP" / "2026" / "11" / "21" / hour
        folder.mkdir(parents=True)
        (folder / "blob.json").write_text(json.dumps(blob, indent=2), "utf-8")
    told = await replay("--simulated", "--json", tmp_path)
    assert told.code == 0
    events = told.report["events"]
    assert [Path(event["file"]).parent.name for event in events] == ["9", "9", "10"]
    assert [event["dead_letter"]["reason"] for event in events] == ["TimeToLiveExceeded"] * 3
    assert [event["operation"] for event in events[1:]] == [
        "AvailabilityStatusChanged to Available",
        "Microsoft.Compute/virtualMachines/powerOff/action",
    ]
    assert [each["vm"]["power_state"] for each in told.report["vms"]] == ["stopped", "running"]


async def test_what_cannot_be_read_and_what_fails_is_said_and_the_rest_goes_on() -> None:
    malformed = power_off_event(
        "/subscriptions/shop/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/a"
    )
    lines = ["garbage", json.dumps(malformed), '{"type": "x"}', json.dumps(power_off_event(vm_id("vm-1")))]
    told = await replay("--simulated", "-", given="\n".join(lines).encode())
    assert (told.code, told.err) == (1, "")
    assert "\n2 not readable: see the end\n" in told.out
    assert "     rg/vm-1\n     changed: Stopped since" in told.out
    failures = told.out.partition("\nFailures\n")[2].splitlines()
    assert [failure.split(": ")[0].strip() for failure in failures] == ["-:1", "-:3", "-:2"]
    assert "not JSON" in failures[0]
    assert "expected a GUID" in failures[2]


async def test_only_unreadable_lines_start_nothing() -> None:
    told = await replay("--simulated", "--json", "-", given=b"garbage")
    assert told.code == 1
    assert (told.report["events"], told.report["unreadable"][0]["line"]) == ([], 1)


async def test_a_rehearsal_looks_at_the_real_vms_and_leaves_no_trace(
    environment: Mapping[str, str], azure: SimulatedAzure, storage: str, tmp_path: Path
) -> None:
    is_started = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", "vm-1")
    file = written(
        tmp_path / "events.jsonl",
        power_off_event(is_started),
        power_off_event(vm_id("vm-1", OTHER_SUBSCRIPTION)),
        power_off_event(is_started.rpartition("/virtualMachines")[0] + "/disks/d"),
    )
    told = await replay("--json", file, environment=environment)
    assert (told.code, told.report["way"]) == (0, "rehearsal")
    assert outcomes(told) == ["changed", "ignored_subscription_not_watched", "ignored_not_a_vm"]
    ((vm),) = told.report["vms"]
    assert vm["vm"]["power_state"] == "running", "as it is, not as the event has it"
    assert {request.method for request in azure.requests} == {"GET"}
    assert (await rows(storage), await waiting(storage), azure.topic_events) == ([], {}, [])


async def test_in_earnest_records_are_kept_and_people_told(
    environment: Mapping[str, str], azure: SimulatedAzure, storage: str, tmp_path: Path
) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", "vm-1", state="stopped")
    power_off = power_off_event(vm)
    update = power_off_event(vm)
    update["data"]["operationName"] = "Microsoft.Compute/virtualMachines/reapply/action"
    first = await replay(
        "--write", "--json", written(tmp_path / "1.jsonl", power_off, power_off), environment=environment
    )
    assert (first.code, first.report["way"]) == (0, "write")
    assert outcomes(first) == ["changed", "covered"]
    assert first.report["vms"][0]["vm"]["flag"] is None
    assert "vm!rg!vm-1" in await rows(storage)
    assert (await waiting(storage))["looks"] >= 1, "which the deployed app sees to"
    file = written(tmp_path / "2.jsonl", update)

    async def flagged() -> Said | None:
        """What it says once the grace is over."""
        told = await replay("--write", file, environment=environment)
        return told if "    stopped, flagged (left_stopped): " in told.out else None

    then = await eventually(flagged)
    assert then
    assert then.code == 0
    assert then.out.startswith("IN EARNEST (--write).")
    assert "records are written to storage account devstoreaccount1, notices go to the topic" in then.out
    assert [event["type"] for event in azure.topic_events] == ["Stopgap.Vm.LeftStopped"]


async def test_an_event_that_fails_does_not_end_the_others(
    environment: Mapping[str, str], azure: SimulatedAzure, tmp_path: Path
) -> None:
    refused, well = (
        azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", name, state="stopped") for name in ("vm-1", "vm-2")
    )
    azure.inject(Fault(kind="403", times=100, path=".*/vm-1"))
    file = written(tmp_path / "events.jsonl", power_off_event(refused), power_off_event(well))
    told = await replay("--json", file, environment=environment)
    assert told.code == 1
    assert outcomes(told) == [None, "changed"]
    assert "HTTP 403" in told.report["events"][0]["fault"]
    assert told.report["counts"] == {"failed": 1, "changed": 1}


async def test_it_cannot_begin(environment: Mapping[str, str], tmp_path: Path) -> None:
    file = written(tmp_path / "events.jsonl", power_off_event(vm_id("vm-1")))
    signed_out = {"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    nobody = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", environment["AzureWebJobsStorage"])
    away = dict(environment) | {"AzureWebJobsStorage": nobody}
    for arguments, values, fault in (
        ((file, tmp_path / "none.jsonl"), {}, "none.jsonl: no such file"),
        (("--settings", tmp_path / "none.json", file), {}, "none.json: no such file"),
        (("--write", "--settings", "none", file), {}, "STOPGAP_SUBSCRIPTIONS is missing"),
        ((file,), {"STOPGAP_GRACE": "soon"}, "STOPGAP_GRACE is malformed: expected a duration"),
        ((file,), signed_out, "nobody is signed in"),
        (("--write", file), away, "the function app cannot work: storage, tables"),
    ):
        told = await replay(*arguments, environment=values)
        assert told.code == 2, told
        assert fault in told.err
        assert len(told.err.splitlines()) == 1


async def test_scale_sets(tmp_path: Path) -> None:
    scale_set = vm_id("set").replace("virtualMachines", "virtualMachineScaleSets")
    instance = power_off_event(f"{scale_set}/virtualMachines/7")
    instance["data"]["operationName"] = (
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/powerOff/action"
    )
    whole = power_off_event(scale_set)
    told = await replay("--simulated", "--json", written(tmp_path / "events.jsonl", instance, whole))
    assert outcomes(told) == ["changed", "scale_set"]
    ((vm),) = told.report["vms"]
    assert (vm["vm"]["name"], vm["vm"]["power_state"]) == ("set~7", "stopped")


async def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    events = [power_off_event(vm_id("vm-1"), id=str(number)) for number in range(1000)]
    process = await begun("--simulated", written(tmp_path / "events.jsonl", *events), environment={})
    assert process.stdout
    async with asyncio.timeout(60):
        while b"changed" not in await process.stdout.readline():
            pass
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert re.fullmatch(
        r"\nended: \d+ of 1000 events had been handled; nothing is left running\n", err.decode()
    )
    assert len(children) == 2, "storage and the function app"
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


async def test_once_the_function_app_is_gone_nothing_more_is_posted(tmp_path: Path) -> None:
    events = [power_off_event(vm_id("vm-1"), id=str(number)) for number in range(1000)]
    process = await begun("--simulated", written(tmp_path / "events.jsonl", *events), environment={})
    assert process.stdout
    async with asyncio.timeout(60):
        while b"changed" not in await process.stdout.readline():
            pass
        (host,) = (
            child for child in children_of(process.pid) if b"local.host" in command_of(child).split(b"\0")
        )
        os.kill(host, signal.SIGKILL)
        out, _ = await process.communicate()
    assert process.returncode == 1
    assert b"not posted: the function app is gone" in out.splitlines()[-1]


async def test_who_reads_no_further_ends_it(tmp_path: Path) -> None:
    events = [power_off_event(vm_id("vm-1"), id=str(number)) for number in range(1000)]
    process = await begun("--simulated", written(tmp_path / "events.jsonl", *events), environment={})
    assert process.stdout
    assert process.stderr
    async with asyncio.timeout(60):
        while b"changed" not in await process.stdout.readline():
            pass
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # there is no other way
        err = await process.stderr.read()
        assert await process.wait() == 1
    assert re.fullmatch(
        r"\nended: \d+ of 1000 events had been handled; nothing is left running\n", err.decode()
    )


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["replay", "--help"])
    out = capsys.readouterr().out
    for said in (
        "--sort",
        "--simulated",
        "--write",
        "--settings FILE",
        "--json",
        "A rehearsal unless",
        "130",
    ):
        assert said in out


def test_made_up_vms_are_never_written_of(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "--simulated", "--write", "x"])
    assert "not allowed with" in capsys.readouterr().err
