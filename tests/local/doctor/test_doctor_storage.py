"""Doctor looks at table, queues, messages given up, and records: on Azurite, and on canned answers."""

import json
import re
from base64 import b64encode
from copy import replace
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.azure.server import SimulatedAzure
from local.doctor import ledger as ledger_check
from local.doctor.findings import Verdict
from local.doctor.poison import READERS
from local.doctor.storage import QUEUES
from local.parts import ROOT
from shared.adapters.queues import DEALLOCATIONS, LOOKS, open_deallocations, open_looks, open_sweeps
from shared.adapters.tables import TABLE, TableLedger, open_ledger
from shared.domain.actions import Deallocation, Stage
from shared.domain.records import Notice, NoticeKind, Record, Settled
from shared.domain.signals import Source
from shared.domain.states import PowerState
from shared.messages import write_attempt, write_look
from shared.ports import Attempt, Change, Look
from tests.contracts.canned import Answer, Canned, drop, said
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import NOON, new_vm
from tests.contracts.fleet import record as record_of
from tests.local.doctor.conftest import SUB, Environment, Examine, told

VM = new_vm("web-1", "rg-shop", SUB)
WITH_IDENTITY = {
    "AzureWebJobsStorage": "",
    "AzureWebJobsStorage__tableServiceUri": "https://acc.table.core.windows.net",
    "AzureWebJobsStorage__queueServiceUri": "https://acc.queue.core.windows.net",
}

pytestmark = pytest.mark.usefixtures("tables", "queues")


@pytest.fixture
async def ledger(account: str) -> TableLedger:
    """The ledger as the app has made it."""
    made = open_ledger(account, None, NOBODY)
    await made.check()
    return made


async def make_queues(account: str) -> None:
    for made in (open_looks, open_deallocations, open_sweeps):
        queue = made(account, None, NOBODY)
        await queue.check()
        await queue.close()


class TestStorage:
    def test_the_queues_are_those_that_functions_are_triggered_by(self) -> None:
        modules = (ROOT / "functions").glob("*.py")
        named = [re.findall(r'queue_name="(\w+)"', module.read_text("utf-8")) for module in modules]
        assert {name for names in named for name in names} == set(QUEUES) == set(READERS)

    async def test_well(self, look: Examine, account: str, ledger: TableLedger) -> None:
        await make_queues(account)
        await ledger.close()
        looks = open_looks(account, None, NOBODY)
        await looks.put(Look(VM, NOON), timedelta(hours=1))
        await looks.put(Look(VM, NOON), timedelta())
        await looks.close()

        assert told(await look("storage")) == [
            ("ok", "table ledger can be read"),
            ("ok", "queue looks can be read; about 2 wait, due or for later"),
            ("ok", "queue deallocations can be read; about 0 wait, due or for later"),
            ("ok", "queue sweeps can be read; about 0 wait, due or for later"),
        ]

    async def test_what_is_not_there_is_told_and_not_made(
        self, look: Examine, tables: TableServiceClient, queues: QueueServiceClient
    ) -> None:
        found = await look("storage")
        assert told(found) == [
            ("warning", "table ledger is not there"),
            ("warning", "queue looks is not there"),
            ("warning", "queue deallocations is not there"),
            ("warning", "queue sweeps is not there"),
        ]
        assert all("makes it at its first use: curl" in (finding.mend or "") for finding in found)
        assert told(await look("ledger")) == [("not checked", "there is no ledger yet")]
        assert told(await look("poison")) == [("ok", "no message was given up")]
        assert [table.name async for table in tables.list_tables()] == []
        assert [queue.name async for queue in queues.list_queues()] == []

    async def test_no_emulator(self, look: Examine) -> None:
        gone = (
            "AccountName=a;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:9/a;"
            "QueueEndpoint=http://127.0.0.1:9/a"
        )
        for check, count in (("storage", 2), ("poison", 1), ("ledger", 1)):
            found = await look(check, AzureWebJobsStorage=gone)
            assert [finding.verdict for finding in found] == [Verdict.WRONG] * count
            assert all("Cannot connect" in finding.fact for finding in found)
            assert found[0].mend == "start the emulator: .venv/bin/python -m local storage"

    # The SDK asks whether XML is true, in which Azurite words this error.
    @pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
    async def test_a_key_that_does_not_fit(self, look: Examine, account: str) -> None:
        start, _, rest = account.partition("AccountKey=")
        wrong_key = f"{start}AccountKey=c2VjcmV0;{rest.partition(';')[2]}"
        for finding in await look("storage", AzureWebJobsStorage=wrong_key):
            assert finding.verdict is Verdict.WRONG
            assert "HTTP 403" in finding.fact
            assert "c2VjcmV0" not in finding.fact
            assert "--name devstoreaccount1" in (finding.mend or "")

    async def test_the_tables_may_answer_where_the_queues_do_not(
        self, look: Examine, account: str, ledger: TableLedger
    ) -> None:
        await ledger.close()
        start, _, rest = account.partition("QueueEndpoint=")
        split = f"{start}QueueEndpoint=http://127.0.0.1:9/a;{rest.partition(';')[2]}"
        found = await look("storage", AzureWebJobsStorage=split)
        assert [finding.verdict.value for finding in found] == ["ok", "wrong"]

    @pytest.mark.parametrize(
        ("answer", "verdict", "fact", "mend"),
        [
            (said(503, "<html>busy", content_type="text/html"), "wrong", "HTTP 503", "the emulator"),
            (said(200, "<html>Sign in", content_type="text/html"), "wrong", "", "the emulator"),
            (
                said(404, "<html>Not here", content_type="text/html"),
                "wrong",
                "HTTP 404",
                "show-connection-string",
            ),
            (said(429, "", {"Retry-After": "7"}), "not checked", "HTTP 429", "try again in 7 s"),
            (
                said(403, "", {"x-ms-error-code": "AuthorizationFailure"}, "application/xml"),
                "wrong",
                "AuthorizationFailure",
                "networkRuleSet",
            ),
            (
                said(403, "", {"x-ms-error-code": "AuthenticationFailed"}, "application/xml"),
                "wrong",
                "AuthenticationFailed",
                "show-connection-string --name a",
            ),
            (drop, "wrong", "no answer", "the emulator"),
        ],
    )
    async def test_each_odd_answer_is_one_clear_line(
        self, look: Examine, service: Canned, answer: Answer, verdict: str, fact: str, mend: str
    ) -> None:
        service.answer(answer)
        address = f"{service.url}/a"
        found = await look(
            "storage",
            AzureWebJobsStorage=f"AccountName=a;AccountKey=c2VjcmV0;TableEndpoint={address};QueueEndpoint={address}",
        )
        assert len(found) == 2
        for finding in found:
            assert finding.verdict == verdict
            assert fact in finding.fact
            assert "\n" not in finding.fact
            assert mend in (finding.mend or "")


class TestPoison:
    @pytest.mark.parametrize(
        ("queue", "content", "says"),
        [
            (LOOKS, b64encode(write_look(Look(VM, NOON)).encode()).decode(), f"asks for a look at {VM}"),
            (
                DEALLOCATIONS,
                b64encode(write_attempt(Attempt(VM, NOON)).encode()).decode(),
                f"asks for a deallocation of {VM}",
            ),
            (LOOKS, b64encode(b"nonsense\x1b[2J").decode(), "asks for nothing that can be read: b'nonsense"),
            (DEALLOCATIONS, "plain text", "is not in base64: 'plain text'"),
        ],
    )
    async def test_the_first_is_read_where_it_lies(
        self, look: Examine, queues: QueueServiceClient, queue: str, content: str, says: str
    ) -> None:
        poison = await queues.create_queue(f"{queue}-poison")
        for _ in range(2):
            await poison.send_message(content)

        (finding,) = await look("poison")
        assert finding.verdict is Verdict.WARNING
        assert finding.fact.startswith(f"queue {queue}-poison holds about 2; the first (given up at ")
        assert says in finding.fact
        assert finding.fact.isprintable()
        assert finding.mend
        assert f"az storage message clear --queue-name {queue}-poison --connection-string" in finding.mend
        received = [message async for message in poison.receive_messages()]
        assert [message.dequeue_count for message in received] == [1, 1], "nobody took it before"

    async def test_an_empty_one_is_well(self, look: Examine, queues: QueueServiceClient) -> None:
        await queues.create_queue("looks-poison")
        assert told(await look("poison")) == [("ok", "no message was given up")]


def stopped(name: str, stage: Stage | None = None, *, parked: bool = False) -> Record:
    """A flagged VM, with what became of its deallocation."""
    vm = new_vm(name, "rg-shop", SUB)
    settled = Settled(PowerState.STOPPED, None, NOON, Source.OBSERVED, NOON, None)
    closing = (
        Deallocation(seen_at=NOON, asked_at=NOON, asked_by=None, stage=stage, try_at=NOON) if stage else None
    )
    notice = Notice(NoticeKind.LEFT_STOPPED, f"left_stopped:{name}", NOON, NOON, parked=True)
    return replace(
        record_of(vm, PowerState.STOPPED, flagged=True),
        settled=settled,
        deallocation=closing,
        outbox=(notice,) if parked else (),
    )


class TestLedger:
    async def save(self, ledger: TableLedger, *records: Record) -> None:
        for each in records:
            await ledger.save(Change(each), None)
        await ledger.close()

    async def test_well(self, look: Examine, ledger: TableLedger) -> None:
        await self.save(ledger, stopped("a"), stopped("b", Stage.ACCEPTED), record_of(VM))
        assert told(await look("ledger")) == [("ok", "2 flagged")]

    async def test_deallocations_that_came_to_no_good_end(self, look: Examine, ledger: TableLedger) -> None:
        await self.save(
            ledger,
            *(stopped(f"failed-{number}", Stage.FAILED) for number in range(5)),
            stopped("lost", Stage.UNCONFIRMED),
            stopped("started", Stage.OVERTAKEN),
            stopped("done", Stage.CONFIRMED),
        )
        found = await look("ledger")
        assert told(found) == [
            ("ok", "8 flagged"),
            (
                "warning",
                "deallocation failed of rg-shop/failed-0, rg-shop/failed-1, rg-shop/failed-2 and 2 more",
            ),
            ("warning", "deallocation unconfirmed of rg-shop/lost"),
            ("warning", "deallocation overtaken of rg-shop/started"),
        ]
        assert f"/api/vms/{SUB}/rg-shop/lost?code=" in (found[2].mend or "")

    async def test_notices_that_were_given_up(self, look: Examine, ledger: TableLedger) -> None:
        await self.save(ledger, stopped("deaf", parked=True), stopped("well"))
        _, finding = await look("ledger")
        assert told([finding]) == [("warning", "notices given up of rg-shop/deaf")]
        assert f"curl -X POST 'https://<app>/api/vms/{SUB}/rg-shop/deaf/look" in (finding.mend or "")

    async def test_more_than_is_read(
        self, look: Examine, ledger: TableLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger_check, "PAGES", 2)
        monkeypatch.setattr(ledger_check, "PAGE", 1)
        await self.save(ledger, *(stopped(f"vm-{number}") for number in range(3)))
        assert told(await look("ledger")) == [("ok", "at least 2 flagged")]

    async def test_a_row_that_somebody_wrote_by_hand(
        self, look: Examine, ledger: TableLedger, tables: TableServiceClient
    ) -> None:
        await ledger.close()
        row = {"PartitionKey": SUB, "RowKey": "flag!rg-shop!web-1", "body": json.dumps({"vm": 1})}
        await tables.get_table_client(TABLE).upsert_entity(row)
        (finding,) = await look("ledger")
        assert finding.verdict is Verdict.WRONG
        assert "flag!rg-shop!web-1" in finding.fact
        assert "put the row right or delete it" in (finding.mend or "")


async def test_storage_of_an_identity_wants_somebody_signed_in(
    look: Examine, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    environment |= WITH_IDENTITY
    (finding,) = await look("credential")
    assert finding.blind
    assert finding.fact.startswith("nobody is signed in: ")
    assert finding.mend == "az login"
    for check in ("storage", "poison", "ledger"):
        assert told(await look(check)) == [("not checked", "nobody is signed in")]
    assert [finding.verdict for finding in await look("clock")] == [Verdict.OK], "which needs no token"


async def test_nothing_is_asked_of_arm_but_to_read(look: Examine, azure: SimulatedAzure) -> None:
    await look("storage")
    assert {request.method for request in azure.requests} == {"GET"}
