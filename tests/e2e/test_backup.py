"""A ledger of a real story, backed up, lost and put back: the app answers as it did before."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.backup.backup import backup
from local.backup.files import Backup
from local.backup.kinds import OF_ALL, kind_of
from local.backup.restoring import restore
from local.backup.table import opened
from local.host.process import HostProcess
from shared.accounts import Accounts
from shared.adapters.memory import MemoryPrices
from shared.adapters.tables import open_ledger
from shared.costs import Costs
from shared.settings import Storage
from tests.contracts.conftest import NOBODY
from tests.e2e.town import App, path, power_off_event, settings_for
from tests.eventually import eventually

SUB = DEFAULT_SUBSCRIPTION
VMS = ("left", "started", "closed", "snoozed", "exempt", "running", "failed")
PASSES = {
    "hours",
    "cost",
    "cost_lower",
    "cost_upper",
    "wasted",
    "days",
    "total",
    "this_month",
    "lower",
    "upper",
    "unpriced",
}
"""What grows while nobody does anything."""


@pytest.fixture(scope="module")
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(operation_seconds=0.2, subscriptions=(SUB,)) as cloud:
        yield cloud


class Told:
    """What the app tells of everything."""

    def __init__(self, summary: Any, vms: dict[str, Any], lines: list[dict[str, str]], listed: Any) -> None:  # noqa: ANN401 - JSON
        self.summary, self.vms, self.lines, self.listed = summary, vms, lines, listed

    @classmethod
    async def by(cls, app: App, ids: dict[str, str]) -> "Told":
        _, summary = await app.get("/api/summary")
        # When it was counted is now.
        del summary["at"], summary["subscriptions"][0]["counted_at"]
        vms = {name: (await app.get(path(vm)))[1] for name, vm in ids.items()}
        async with app.http.get("/api/episodes.csv") as answer:
            lines = list(csv.DictReader(io.StringIO(await answer.text())))
        return cls(summary, vms, lines, (await app.get("/api/vms?flagged=true"))[1])


def same(before: Any, after: Any, where: str = "") -> None:  # noqa: ANN401 - JSON
    """That two answers say the same, but for what grew in the minute between them."""
    match before, after:
        case dict(), dict():
            assert before.keys() == after.keys(), where
            for name in before:
                same(before[name], after[name], f"{where}.{name}")
        case list(), list():
            assert len(before) == len(after), where
            for number, (one, other) in enumerate(zip(before, after, strict=True)):
                same(one, other, f"{where}[{number}]")
        case float(), float() if where.rpartition(".")[2] in PASSES:
            assert after == pytest.approx(before, rel=0.01, abs=0.1), where
        case str(), str() if where.rpartition(".")[2] in PASSES and before:
            assert float(after) == pytest.approx(float(before), rel=0.01, abs=0.1), where
        case _:
            assert before == after, where


async def history(app: App, azure: SimulatedAzure) -> dict[str, str]:
    """A day in the life of some VMs; their ids by name."""
    since = datetime.now(UTC) - timedelta(hours=30)
    ids = {
        name: azure.add_vm(
            SUB,
            "rg-backup",
            name,
            state="running" if name in {"running", "failed"} else "stopped",
            since=since,
            size="Standard_D2s_v5",
            location="westeurope",
        )
        for name in VMS
    }
    stopped = [vm for name, vm in ids.items() if name not in {"running", "failed"}]
    for vm in stopped:
        await app.post([power_off_event(vm, at=since)])
    for vm in stopped:
        await app.flagged(vm)
    await app.post([power_off_event(ids["running"], eventType="Microsoft.Resources.ResourceActionFailure")])
    await azure.fail_provisioning(ids["failed"])
    await app.post([power_off_event(ids["failed"], eventType="Microsoft.Resources.ResourceActionFailure")])
    await azure.start(ids["started"])
    await app.post([power_off_event(ids["started"], eventType="Microsoft.Resources.ResourceActionFailure")])
    await app.seen(ids["started"], "running")
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat(timespec="seconds")
    assert (await app.ask(ids["snoozed"], "snooze", until=until))[0] == 202
    assert (await app.ask(ids["exempt"], "exempt", reason="kept warm"))[0] == 202
    assert (await app.ask(ids["closed"], "deallocate"))[0] == 202
    await app.seen(ids["closed"], "deallocated")

    async def confirmed() -> bool:
        return any(what == "deallocation_confirmed" for what, _ in await app.history(ids["closed"]))

    assert await eventually(confirmed, within=60)
    return ids


async def at_rest(app: App, ids: dict[str, str]) -> None:
    """Once nobody is owed a notice any more."""

    async def look() -> bool:
        pages = [await app.vm(vm) for vm in ids.values()]
        return not any(page["unsent"] for page in pages)

    assert await eventually(look, within=60)


async def test_the_app_answers_as_before(azure: SimulatedAzure, tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl.gz"
    settings = {"STOPGAP_ALLOW_DEALLOCATE": "true"}
    async with Azurite() as first, Azurite() as second:
        async with (
            HostProcess(settings_for(first.connection_string, azure) | settings) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            app = App(host, http)
            ids = await history(app, azure)
            await at_rest(app, ids)
            await _close_days(first.connection_string)
            before = await Told.by(app, ids)
        async with opened(Storage(connection_string=first.connection_string)) as table:
            found = await backup(table, file, "a test")
        # It is a story with something of everything in it.
        assert {"vm", "flag", "stopped", "saving", "transition", "episode", "entry", "past"} <= set(found)
        assert {"days", "cap", "prices"} <= set(found) & set(OF_ALL)
        async with opened(Storage(connection_string=second.connection_string)) as table:
            restored = await restore(Backup(file), table, datetime.now(UTC))
            assert (restored.damaged, restored.open_ended, restored.stayed.total()) == (0, 0, 0)
            rows = [each.row async for page in table.pages() for each in page]
        # Nothing is missing, nothing is more; only what the next sweep goes by is gone.
        kept = {(row["PartitionKey"], row["RowKey"]): row for row in Backup(file)}
        assert {(row["PartitionKey"], row["RowKey"]) for row in rows} == set(kept)
        for row in rows:
            was = kept[row["PartitionKey"], row["RowKey"]]
            if "fingerprint" in was:
                assert (row["fingerprint"], kind_of(row)) != (was["fingerprint"], "past")
                assert {**row, "fingerprint": was["fingerprint"]} == was
            else:
                assert row == was
        async with (
            HostProcess(settings_for(second.connection_string, azure) | settings) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            app = App(host, http)
            after = await Told.by(app, ids)
            same(before.summary, after.summary, "summary")
            same(before.vms, after.vms, "vms")
            same(before.lines, after.lines, "episodes.csv")
            same(before.listed, after.listed, "listed")
            # And it goes on from there.
            await azure.start(ids["left"])
            await app.post(
                [power_off_event(ids["left"], eventType="Microsoft.Resources.ResourceActionFailure")]
            )
            left = await app.seen(ids["left"], "running")
            assert (left["flag"], len(left["episodes"])) == (None, 1)
            assert left["episodes"][0]["ended_as"] == "running"


async def _close_days(storage: str) -> None:
    """What the timer `close_days` does by night."""
    ledger = open_ledger(storage, None, NOBODY)

    def now() -> datetime:
        return datetime.now(UTC)

    await Accounts(ledger, (SUB,), Costs(lambda: MemoryPrices({}), "USD", now), now).close_days()
    await ledger.close()


async def test_what_was_lost_with_the_queues_sweeps_make_up_for(
    azure: SimulatedAzure, tmp_path: Path
) -> None:
    """A flag that was to be set: the queued look for it is gone with the old account."""
    file = tmp_path / "ledger.jsonl.gz"
    vm = azure.add_vm(
        SUB, "rg-queues", "soon", state="stopped", size="Standard_D2s_v5", location="westeurope"
    )
    slow = {"STOPGAP_GRACE": "8s"}
    async with Azurite() as first, Azurite() as second:
        async with (
            HostProcess(settings_for(first.connection_string, azure) | slow) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            app = App(host, http)
            await app.post([power_off_event(vm)])
            assert (await app.vm(vm))["flag"] is None
        async with opened(Storage(connection_string=first.connection_string)) as table:
            await backup(table, file, "a test")
        async with opened(Storage(connection_string=second.connection_string)) as table:
            await restore(Backup(file), table, datetime.now(UTC))
        sweeping = {"STOPGAP_SWEEP_SCHEDULE": "*/2 * * * * *"}
        async with (
            HostProcess(settings_for(second.connection_string, azure) | slow | sweeping) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            flagged = await App(host, http).flagged(vm)
            assert len(flagged["episodes"]) == 1
        async with opened(Storage(connection_string=second.connection_string)) as table:
            rows = [each.row async for page in table.pages() for each in page]
        # The sweep took every record for news, and wrote it with its fingerprint.
        assert all(row["fingerprint"] for row in rows if "fingerprint" in row)


async def test_nobody_is_deallocated_by_a_warning_of_before(azure: SimulatedAzure, tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl.gz"
    vm = azure.add_vm(
        SUB, "rg-warned", "warned", state="stopped", size="Standard_D2s_v5", location="westeurope"
    )
    deallocating = {
        "STOPGAP_ALLOW_DEALLOCATE": "true",
        "STOPGAP_MODE": "deallocate",
        "STOPGAP_WARNING": "6s",
        "STOPGAP_SWEEP_SCHEDULE": "*/1 * * * * *",
    }
    async with Azurite() as first, Azurite() as second:
        async with (
            HostProcess(
                settings_for(first.connection_string, azure) | deallocating | {"STOPGAP_WARNING": "1h"}
            ) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            app = App(host, http)
            await app.post([power_off_event(vm)])
            flagged = await app.flagged(vm)
            assert flagged["flag"]["deallocate_after"]
        async with opened(Storage(connection_string=first.connection_string)) as table:
            await backup(table, file, "a test")
        restored_at = datetime.now(UTC)
        async with opened(Storage(connection_string=second.connection_string)) as table:
            # As if the backup had been restored when the hour was over.
            await restore(Backup(file), table, restored_at)
        told = len(azure.topic_events)
        async with (
            HostProcess(settings_for(second.connection_string, azure) | deallocating) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            app = App(host, http)
            closed = await app.seen(vm, "deallocated")
        begun = next(line["at"] for line in closed["actions"] if line["what"] == "deallocation_begun")
        assert datetime.fromisoformat(begun) >= restored_at + timedelta(seconds=6)
        warned = [event for event in azure.topic_events[told:] if event["subject"] == vm.lower()]
        assert warned[0]["type"] == "Stopgap.Vm.LeftStopped"
