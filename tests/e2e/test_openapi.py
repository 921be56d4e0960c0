"""The HTTP API against its own description: Schemathesis sends what that allows and what it does not."""

import asyncio
import json
import re
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from local.parts import plain_environment
from tests.described import DOCUMENT, TO_COME, Operation, made, operations
from tests.e2e.town import App, path, power_off_event, settings_for

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
SETTINGS = """
[[operations]]
include-operation-id = "vm_snooze"
parameters = { "path.name" = "snoozed" }

[[operations]]
include-operation-id = "vm_exempt"
parameters = { "path.name" = "exempted" }
"""
"""What is asked of one VM must not keep the others from being reached. All else is asked of the examples' `vm-001`."""

OPERATIONS = {each.name: each for each in operations() if each.name not in TO_COME}


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    """Where deallocations are allowed, with VMs that are flagged, running, deallocated, deleted, or of a scale set."""
    settings = settings_for(storage, azure) | {"STOPGAP_ALLOW_DEALLOCATE": "true"}
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        app = App(host, http)
        ids = {
            (name, state): azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-shop", name, state=state)
            for name, state in (
                ("vm-001", "stopped"),
                ("snoozed", "stopped"),
                ("exempted", "stopped"),
                ("runs", "running"),
                ("released", "deallocated"),
                ("gone", "running"),
            )
        }
        for vm in ids.values():
            assert (await app.ask(vm, "look"))[0] == 202
        gone = ids["gone", "running"]
        await azure.delete(gone)
        await app.post([power_off_event(gone)])
        await app.seen(gone, "deleted")
        for (_, state), vm in ids.items():
            if state == "stopped":
                await app.flagged(vm)
        yield app


async def test_every_answer_is_as_described_and_what_is_not_described_is_refused(
    app: App, tmp_path: Path
) -> None:
    status, told = await schemathesis(app, made(), tmp_path)
    assert status == 0, told
    answers = answered(tmp_path / "all.har")
    for name, operation in OPERATIONS.items():
        assert answers[name] & {200, 202}, (name, answers[name])
        if operation.named("query") | operation.named("path"):
            assert 400 in answers[name], name
        if operation.named("path"):
            assert 404 in answers[name] or name in SETTINGS, name
    assert 304 in answers["vms"]
    assert answers["vm_snooze"] | answers["vm_exempt"] >= {202, 303, 400, 415}


async def test_what_is_not_as_described_is_found(app: App, tmp_path: Path) -> None:
    """The checks above can fail."""
    document = made()
    document["paths"] = {"/vms": document["paths"]["/vms"]}
    (limit,) = (
        each for each in document["paths"]["/vms"]["get"]["parameters"] if each.get("name") == "limit"
    )
    limit["schema"]["maximum"] = 999
    document["components"]["schemas"]["vm"]["properties"]["power_state"]["enum"].remove("stopped")
    status, told = await schemathesis(app, document, tmp_path)
    assert status == 1, told
    assert "Value greater than maximum" in told
    assert '"stopped" is not one of' in told


async def schemathesis(app: App, document: Mapping[str, Any], where: Path) -> tuple[int | None, str]:
    """The exit code and output of a run, which is the same each time; what was asked and answered is in all.har."""
    (where / "openapi.json").write_text(json.dumps(document))
    (where / "schemathesis.toml").write_text(SETTINGS)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"),
        *("--url", f"{app.host.url}/api"),
        *("--checks", ",".join(CHECKS)),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "30", "--generation-deterministic", "--continue-on-failure"),
        *("--generation-with-security-parameters", "false"),
        *("--request-timeout", "60", "--suppress-health-check", "all"),
        *("--warnings", "off", "--no-color", "--report", "har", "--report-har-path", "all.har"),
        cwd=where,
        env=plain_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def answered(report: Path) -> dict[str, set[int]]:
    """The statuses of each operation in a report."""
    found = defaultdict[str, set[int]](set)
    for entry in json.loads(report.read_text("utf-8"))["log"]["entries"]:
        request = entry["request"]
        for operation in OPERATIONS.values():
            if asks_for(operation, request["method"], urlsplit(request["url"]).path):
                found[operation.name].add(entry["response"]["status"])
    return found


def asks_for(operation: Operation, method: str, address: str) -> bool:
    pattern = re.sub(r"\{\w+\}", "[^/]+", operation.path.replace(".", r"\."))
    return method.lower() == operation.method and bool(re.fullmatch(f"/api{pattern}", address))


async def test_the_description_is_the_file(app: App) -> None:
    async with app.http.get("/api/openapi.json") as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert await answer.json() == DOCUMENT


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_parameter_that_a_route_has_not_is_refused(app: App, name: str) -> None:
    operation = OPERATIONS[name]
    address = f"/api{operation.path}".format(
        subscription=DEFAULT_SUBSCRIPTION, resource_group="rg-shop", name="runs"
    )
    for parameters in ({"colour": "red"}, {"code": "x", "Colour": ""}, {"": ""}):
        async with app.http.request(operation.method, address, params=parameters) as answer:
            text = await answer.text()
            assert (answer.status, "unknown parameter" in text) == (400, True), text
            assert answer.headers["Cache-Control"] == "no-store"
    async with app.http.request(operation.method, address, params={"code": "x"}) as answer:
        assert "unknown parameter 'code'" not in await answer.text()


async def kept(app: App, address: str, if_none_match: str | None = None) -> tuple[int, str, bytes]:
    """Status, tag and body of an answer that may be kept."""
    headers = {"If-None-Match": if_none_match} if if_none_match else {}
    async with app.http.get(address, headers=headers) as answer:
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.content_type == "application/json"
        return answer.status, answer.headers["ETag"], await answer.read()


async def test_what_a_caller_has_kept_is_not_sent_again(app: App) -> None:
    one = f"/api/vms/{DEFAULT_SUBSCRIPTION}/rg-shop/runs"
    for address in ("/api/openapi.json", "/api/summary", "/api/vms?power_state=running", one):
        status, tag, body = await kept(app, address)
        assert (status, tag.startswith('"'), bool(body)) == (200, True, True)
        for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            assert await kept(app, address, told) == (304, tag, b""), told
        for told in ('"other"', tag.strip('"'), f"{tag} other"):
            assert await kept(app, address, told) == (200, tag, body), told


async def test_several_headers_are_one_list(app: App) -> None:
    _, tag, _ = await kept(app, "/api/openapi.json")
    headers = [("If-None-Match", '"other"'), ("If-None-Match", tag)]
    async with app.http.get("/api/openapi.json", headers=headers) as answer:
        assert answer.status == 304


async def test_a_vm_that_has_changed_has_another_tag(app: App, azure: SimulatedAzure) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-shop", "changes", state="running")
    await app.ask(vm, "look")
    _, tag, _ = await kept(app, path(vm))
    status, _ = await app.ask(vm, "exempt", reason="kept warm")
    assert status == 202
    status, other, body = await kept(app, path(vm), tag)
    assert (status, other != tag, json.loads(body)["exemption"]["reason"]) == (200, True, "kept warm")


async def test_what_is_asked_for_and_what_goes_wrong_is_not_to_be_kept(app: App) -> None:
    one = f"{DEFAULT_SUBSCRIPTION}/rg-shop/runs"
    for method, address, status in (
        ("POST", f"/api/vms/{one}/look", 202),
        ("POST", f"/api/vms/{one}/snooze", 400),
        ("POST", f"/api/vms/{one}/deallocate", 409),
        ("GET", f"/api/vms/{one}-not", 404),
        ("GET", "/api/vms?limit=0", 400),
        ("GET", f"/api/dashboard/{one}", 200),
        ("GET", f"/api/dashboard/{one}-not", 404),
    ):
        async with app.http.request(method, address, headers={"If-None-Match": "*"}) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (status, "no-store"), address
            assert "ETag" not in answer.headers
