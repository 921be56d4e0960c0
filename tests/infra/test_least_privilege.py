"""That the roles are the least, `tests/privileges.py` finds out when all tests are over; here is what it stands on."""

import json
import re
from pathlib import Path

import pytest
from azure.core.rest import HttpRequest

from local.azure import data_actions
from local.azure.data_actions import (
    ACTIONS,
    ADD_ENTITIES,
    ADD_MESSAGES,
    DELETE_ENTITIES,
    PROCESS_MESSAGES,
    READ_ENTITIES,
    READ_MESSAGES,
    READ_QUEUES,
    SEND_EVENTS,
    UPDATE_ENTITIES,
    WRITE_QUEUES,
    WRITE_TABLES,
    of_queue,
    of_table,
)
from local.azure.permissions import DEALLOCATE, ROLES, WATCH
from local.doctor.permissions import needed
from local.host.recording import Recording
from local.parts import ROOT
from shared.adapters.compute import DEALLOCATE as ASKS_TO_DEALLOCATE
from shared.adapters.compute import DEALLOCATE_INSTANCE, READ, READ_INSTANCE, READ_SETS
from tests.privileges import NAME, asked, differences, granted

pytest_plugins = ["pytester"]

TABLE = "http://127.0.0.1:10002/devstoreaccount1"
QUEUE = "http://127.0.0.1:10001/devstoreaccount1"
BATCH = b"""--batch_1\r
Content-Type: multipart/mixed; boundary=changeset_1\r
\r
--changeset_1\r
Content-Type: application/http\r
\r
%b http://127.0.0.1:10002/devstoreaccount1/ledger(PartitionKey='p',RowKey='r') HTTP/1.1\r
Content-Type: application/json\r
%b\r
{"PartitionKey": "p"}\r
--changeset_1--\r
--batch_1--\r
"""


@pytest.mark.parametrize(
    ("method", "path", "headers", "actions"),
    [
        ("GET", "/ledger()?$filter=x", {}, {READ_ENTITIES}),
        ("GET", "/ledger(PartitionKey='p',RowKey='r')", {}, {READ_ENTITIES}),
        ("POST", "/ledger", {}, {ADD_ENTITIES}),
        ("PUT", "/ledger(PartitionKey='p',RowKey='r')", {}, {ADD_ENTITIES, UPDATE_ENTITIES}),
        ("PUT", "/ledger(PartitionKey='p',RowKey='r')", {"If-Match": "*"}, {UPDATE_ENTITIES}),
        ("DELETE", "/ledger(PartitionKey='p',RowKey='r')", {"if-match": "*"}, {DELETE_ENTITIES}),
        ("POST", "/Tables", {}, {WRITE_TABLES}),
    ],
)
def test_what_a_request_to_a_table_takes(
    method: str, path: str, headers: dict[str, str], actions: set[str]
) -> None:
    assert of_table(method, TABLE + path, headers, b"") == actions


@pytest.mark.parametrize(
    ("verb", "headers", "actions"),
    [
        (b"POST", b"", {ADD_ENTITIES}),
        (b"PUT", b"", {ADD_ENTITIES, UPDATE_ENTITIES}),
        (b"PUT", b'If-Match: W/"1"\r\n', {UPDATE_ENTITIES}),
        (b"MERGE", b'if-match: W/"1"\r\n', {UPDATE_ENTITIES}),
        (b"DELETE", b"If-Match: *\r\n", {DELETE_ENTITIES}),
    ],
)
def test_what_a_transaction_takes_is_what_is_in_it(verb: bytes, headers: bytes, actions: set[str]) -> None:
    assert of_table("POST", f"{TABLE}/$batch", {}, BATCH % (verb, headers)) == actions


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("PUT", "/looks", WRITE_QUEUES),
        ("GET", "/looks?comp=metadata", READ_QUEUES),
        ("POST", "/looks/messages?visibilitytimeout=5", ADD_MESSAGES),
        ("GET", "/looks/messages?peekonly=true&numofmessages=32", READ_MESSAGES),
        ("GET", "/looks/messages?numofmessages=16", PROCESS_MESSAGES),
    ],
)
def test_what_a_request_to_a_queue_takes(method: str, path: str, action: str) -> None:
    assert of_queue(method, QUEUE + path) == {action}


def test_what_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="no permission is known"):
        of_queue("PATCH", f"{QUEUE}/looks")
    with pytest.raises(ValueError, match="no permission is known"):
        of_table("HEAD", f"{TABLE}/ledger()", {}, b"")
    with pytest.raises(ValueError, match="transaction"):
        of_table("POST", f"{TABLE}/$batch", {}, b"")


def test_a_host_writes_down_each_permission_once_and_leaves_out_its_own(tmp_path: Path) -> None:
    services = f"TableEndpoint={TABLE};QueueEndpoint={QUEUE}"
    recording = Recording(tmp_path / "asked.txt", {"AzureWebJobsStorage": services})
    for method, url, agent in (
        ("GET", f"{TABLE}/ledger()", "stopgap"),
        ("GET", f"{TABLE}/ledger()", "stopgap"),
        ("GET", f"{QUEUE}/looks/messages", "stopgap-host azsdk-python"),
        ("POST", "http://127.0.0.1:7080/topics/stopgap/api/events", "azsdk-python-eventgrid"),
        ("GET", "http://127.0.0.1:7080/api/retail/prices", "stopgap"),
    ):
        recording.hear(HttpRequest(method, url, headers={"User-Agent": agent}))
    assert (tmp_path / "asked.txt").read_text() == f"{READ_ENTITIES}\n{SEND_EVENTS}\n"
    assert asked(tmp_path) == {READ_ENTITIES, SEND_EVENTS}


def test_what_a_host_does_not_know_fails_nothing_and_stands_out(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "asked.txt", {"AzureWebJobsStorage": f"TableEndpoint={TABLE}"})
    recording.hear(HttpRequest("HEAD", f"{TABLE}/ledger()"))
    (line,) = asked(tmp_path)
    assert line.startswith("unknown: HEAD /devstoreaccount1/ledger()")
    one_place = Recording(
        tmp_path / "b.txt", {"AzureWebJobsStorage": f"TableEndpoint={TABLE};QueueEndpoint={TABLE}"}
    )
    one_place.hear(HttpRequest("GET", f"{TABLE}/ledger()"))
    assert not (tmp_path / "b.txt").exists()


def test_differences_are_told_in_both_directions() -> None:
    assert differences({"a", "b"}, {"a", "b"}) == []
    assert differences({"a", "b"}, {"b", "c"}) == [
        "asked for, and granted by no role of infra/roles.json: c",
        "granted by infra/roles.json, and asked for in no test: a",
    ]


def test_each_action_of_the_roles_is_one_that_some_request_takes() -> None:
    known = {value for value in vars(data_actions).values() if isinstance(value, str) and "/" in value}
    assert granted() - known == {*WATCH, *DEALLOCATE}
    assert set(ROLES["storage"]["actions"]) <= ACTIONS
    assert not set(ROLES["storage"]["dataActions"]) & ACTIONS
    for role in ROLES.values():
        for kind in ("actions", "dataActions"):
            assert len(role[kind]) == len(set(role[kind]))


def test_what_the_app_names_when_it_is_refused_is_in_the_roles() -> None:
    assert set(WATCH) == {READ, READ_INSTANCE, READ_SETS}
    assert set(DEALLOCATE) == {ASKS_TO_DEALLOCATE, DEALLOCATE_INSTANCE}


def test_doctor_looks_for_what_the_roles_grant() -> None:
    assert set(needed(deallocate=False)) == set(WATCH)
    assert set(needed(deallocate=True)) == {*WATCH, *DEALLOCATE}


@pytest.mark.parametrize(
    ("workers", "asks", "outcomes", "told"),
    [
        ([], "granted() | SINGLE", {"passed": 2}, ""),
        ([], "granted()", {"passed": 1, "failed": 1}, "asked for in no test"),
        (
            ["-n", "2"],
            "granted() | SINGLE | {'Microsoft.Compute/disks/write'}",
            {"passed": 1, "failed": 1},
            "granted by no role",
        ),
    ],
)
def test_the_verdict_is_a_test_that_pytest_counts(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    workers: list[str],
    asks: str,
    outcomes: dict[str, int],
    told: str,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest(f"""
        from pathlib import Path

        from tests import privileges

        privileges.FOLDER = Path({str(pytester.path / "asked")!r})

        def pytest_configure(config):
            config.pluginmanager.register(privileges.Privileges(config))
    """)
    pytester.makepyfile(f"""
        from local.azure.permissions import ASKED_BY_APP
        from tests.privileges import SINGLE, granted

        def test_that_has_the_app_ask():
            ASKED_BY_APP.update({asks})
    """)
    result = pytester.runpytest_subprocess(*workers)
    result.assert_outcomes(**outcomes)
    assert result.ret == (1 if told else 0)
    if told:
        result.stdout.fnmatch_lines([f"*{told}*", f"FAILED *::{NAME}*"])


def test_the_page_tells_of_each_permission_in_the_order_of_the_roles() -> None:
    page = (ROOT / "docs" / "permissions.md").read_text("utf-8")
    told = re.findall(r"^\| `(Microsoft\.[\w./]+)` \| [^|]+ \|$", page, re.MULTILINE)
    assert told == [
        action for role in ROLES.values() for kind in ("actions", "dataActions") for action in role[kind]
    ]
    for role in ROLES.values():
        assert f"**{role['name']}" in page
    built_in = json.loads((ROOT / "infra" / "builtin-roles.json").read_text("utf-8"))
    assert all(name in page for name in built_in)
