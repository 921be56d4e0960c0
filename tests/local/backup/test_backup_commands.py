"""`python -m local backup` and `restore`, as processes of their own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from azure.data.tables.aio import TableServiceClient

from local.azurite import Azurite
from local.backup.table import opened
from local.parts import ROOT, plain_environment
from shared import layout
from shared.adapters.tables import TABLE
from shared.settings import Storage
from tests.eventually import eventually
from tests.local.backup.test_backup_tables import begun, content, names_in, record, vm, without_fingerprints


class Said(NamedTuple):
    code: int | None
    out: str
    err: str


async def begin(*arguments: object, storage: str | None) -> asyncio.subprocess.Process:
    settings = {"AzureWebJobsStorage": storage} if storage else {}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", *map(str, arguments), "--settings", "none"),
        cwd=ROOT,
        env=plain_environment() | settings,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: object, storage: str | None) -> Said:
    process = await begin(*arguments, storage=storage)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return Said(process.returncode, out.decode(), err.decode())


async def filled(storage: str, vms: int) -> None:
    """A ledger of so many VMs, each Stopped."""
    async with opened(Storage(connection_string=storage)) as table:
        await table.make()
        for number in range(vms):
            await table.write(layout.writes(begun(record(vm=vm(number))), None))


async def emptied(storage: str) -> None:
    async with TableServiceClient.from_connection_string(storage) as service:
        await service.delete_table(TABLE)


async def rows(storage: str) -> dict[tuple[str, str], object]:
    async with opened(Storage(connection_string=storage)) as table:
        return dict(without_fingerprints(await content(table)))


@pytest.fixture
async def storage() -> AsyncIterator[str]:
    """Storage that nothing has written to yet."""
    async with Azurite() as running:
        yield running.connection_string


async def test_there_and_back(storage: str, tmp_path: Path) -> None:
    await filled(storage, 3)
    before = await rows(storage)
    path = tmp_path / "ledger.gz"
    said = await run("backup", path, storage=storage)
    assert (said.code, said.err) == (0, "")
    assert f"12 rows of storage account devstoreaccount1 are in {path}" in said.out
    assert said.out.split()[-8:] == ["episode", "3", "stopped", "3", "transition", "3", "vm", "3"]
    again = await run("backup", path, storage=storage)
    assert (again.code, again.out) == (2, "")
    assert again.err == f"{path}: is there already; a backup overwrites nothing: give it another name\n"
    refused = await run("restore", path, storage=storage)
    assert refused.code == 2
    assert "the ledger has rows already, and nothing was written; --merge adds what it lacks" in refused.err
    await emptied(storage)
    rehearsed = await run("restore", "--dry-run", path, storage=storage)
    assert rehearsed.code == 0
    assert "9 rows would be written to storage account devstoreaccount1" in rehearsed.out
    restored = await run("restore", path, storage=storage)
    assert (restored.code, restored.err) == (0, "")
    assert "9 rows written to storage account devstoreaccount1" in restored.out
    assert "3 rows that list records made anew with these" in restored.out
    assert await rows(storage) == before


@pytest.mark.parametrize("command", ["backup", "restore"])
async def test_what_is_wrong_before_it_begins(command: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.gz"
    said = await run(command, path, storage=None)
    assert (said.code, said.out) == (2, "")
    assert "AzureWebJobsStorage is missing: expected a connection string" in said.err
    said = await run(command, path, storage="nonsense")
    assert said.code == 2
    assert len(said.err.splitlines()) == 1


async def test_a_file_that_is_none_writes_nothing(storage: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.gz"
    said = await run("restore", path, storage=storage)
    assert (said.code, said.err) == (2, f"{path}: no such file\n")
    await filled(storage, 1)
    assert (await run("backup", path, storage=storage)).code == 0
    await emptied(storage)
    path.write_bytes(path.read_bytes()[:-20])
    said = await run("restore", path, storage=storage)
    assert said.code == 2
    assert "is damaged, or not all of it is here: nothing was taken from it" in said.err
    async with TableServiceClient.from_connection_string(storage) as service:
        assert [each.name async for each in service.list_tables()] == []


async def test_a_ledger_that_is_not_there(storage: str, tmp_path: Path) -> None:
    said = await run("backup", tmp_path / "a.gz", storage=storage)
    assert (said.code, said.err) == (2, "there is no table ledger\n")


async def test_storage_that_refuses(storage: str, tmp_path: Path) -> None:
    wrong = storage.replace("AccountKey=", "AccountKey=AAAA")
    said = await run("backup", tmp_path / "a.gz", storage=wrong)
    assert said.code == 1
    assert "HTTP 403" in said.err
    assert said.err.endswith("; no file was written\n")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_a_restore_that_dies_in_the_middle_is_run_again(
    storage: str, tmp_path: Path, end: signal.Signals
) -> None:
    await filled(storage, 1500)
    before = await rows(storage)
    path = tmp_path / "ledger.gz"
    assert (await run("backup", path, storage=storage)).code == 0
    await emptied(storage)
    process = await begin("restore", path, storage=storage)

    async def some() -> bool:
        async with TableServiceClient.from_connection_string(storage) as service:
            tables = [each.name async for each in service.list_tables()]
            if not tables:
                return False
            pages = service.get_table_client(TABLE).list_entities(results_per_page=1).by_page()
            return bool([row async for row in await anext(pages)])

    assert await eventually(some)
    process.send_signal(end)
    _, err = await process.communicate()
    assert process.returncode == (130 if end is signal.SIGINT else -signal.SIGKILL)
    if end is signal.SIGINT:
        assert "ended; what was written stays: the same command with --merge writes the rest" in err.decode()
    half = await rows(storage)
    assert 0 < len(half) < len(before)
    assert (await run("restore", path, storage=storage)).code == 2
    said = await run("restore", "--merge", path, storage=storage)
    assert said.code == 0
    assert "rows stay as the ledger has them" in said.out
    assert await rows(storage) == before


async def test_settings_of_the_deployed_app(storage: str, tmp_path: Path) -> None:
    await filled(storage, 1)
    settings = tmp_path / "production.settings.json"
    settings.write_text(json.dumps({"Values": {"AzureWebJobsStorage": storage}}), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "backup", str(tmp_path / "a.gz"), "--settings", str(settings)),
        cwd=ROOT,
        env=plain_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert b"4 rows of storage account devstoreaccount1" in out
