"""Backups of tables in Azurite, and what they make of others."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.data.tables import EdmType, EntityProperty
from azure.data.tables.aio import TableClient, TableServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.azurite import Azurite
from local.backup import table as module
from local.backup.backup import backup
from local.backup.files import Backup
from local.backup.kinds import OTHER, kind_of
from local.backup.restoring import NotEmpty, restore
from local.backup.table import NoTable, Table
from shared import layout
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.observations import Model
from shared.domain.records import Episode, Record, Settled, Transition
from shared.domain.signals import Source
from shared.domain.states import PowerState
from shared.ports import Change, Conflict, Stored, Unavailable
from shared.rows import Row, Write
from shared.storage import Account
from tests.contracts.canned import Canned, canned_service, said
from tests.contracts.conftest import NOBODY
from tests.domain.life import reading

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=1)


class Tables:
    """Tables of a test's own in one storage account."""

    def __init__(self, account: Account, service: TableServiceClient) -> None:
        self._account = account
        self._service = service

    def named(self, name: str) -> Table:
        return Table(self._account, self._service, name)

    async def new(self) -> tuple[Table, TableClient]:
        table = self.named(f"t{uuid4().hex}")
        await table.make()
        return table, self._service.get_table_client(table.name)


@asynccontextmanager
async def tables_of(storage: Azurite) -> AsyncIterator[Tables]:
    async with (
        Account.open("table", storage.connection_string, None, NOBODY) as account,
        TableServiceClient.from_connection_string(storage.connection_string) as service,
    ):
        yield Tables(account, service)


@pytest.fixture
async def tables(azurite: Azurite) -> AsyncIterator[Tables]:
    async with tables_of(azurite) as tables:
        yield tables


async def content(table: Table) -> dict[tuple[str, str], Row]:
    return {
        (each.row["PartitionKey"], each.row["RowKey"]): each.row
        async for rows in table.pages()
        for each in rows
    }


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50)
times = st.datetimes(datetime(1601, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
values = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: EntityProperty(value, EdmType.INT64)),
    st.floats(allow_nan=False, allow_subnormal=False),
    st.just(float("nan")),
    st.integers(-1000, 1000).map(float),
    times,
    st.uuids(),
    st.binary(max_size=50),
    # More exact than Python's times.
    st.just(EntityProperty("2026-11-21T12:00:00.1234567Z", EdmType.DATETIME)),
)
rows_of_any_kind = st.dictionaries(st.from_regex(r"[a-z]\w{0,9}", fullmatch=True), values, max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows_of_any_kind, min_size=1, max_size=5))
async def test_a_value_of_any_type_comes_back_as_it_was(
    azurite: Azurite, tmp_path: Path, told: list[dict[str, Any]]
) -> None:
    async with tables_of(azurite) as tables:
        first, theirs = await tables.new()
        for number, row in enumerate(told):
            await theirs.create_entity({**row, "PartitionKey": "any", "RowKey": f"{number}"})
        path = tmp_path / f"{uuid4()}.gz"
        await backup(first, path, "a test")
        second, restored = await tables.new()
        await restore(Backup(path), second, NOW)
        assert await content(second) == await content(first)
        # As a third party reads them: equal in value and in kind.
        for number in range(len(told)):
            before = await theirs.get_entity("any", f"{number}")
            after = await restored.get_entity("any", f"{number}")
            assert _typed(before) == _typed(after)


def _typed(entity: Mapping[str, Any]) -> dict[str, tuple[type, str]]:
    return {name: (type(value), repr(value)) for name, value in entity.items()}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", None),
        (True, None),
        (5, None),
        (EntityProperty(5, EdmType.INT64), "Edm.Int64"),
        (1.0, "Edm.Double"),
        (float("-inf"), "Edm.Double"),
        (NOON, "Edm.DateTime"),
        (UUID(int=1), "Edm.Guid"),
        (b"\x00\xff", "Edm.Binary"),
    ],
)
async def test_what_json_does_not_tell_is_noted(tables: Tables, value: object, kind: str | None) -> None:
    table, theirs = await tables.new()
    await theirs.create_entity({"PartitionKey": "p", "RowKey": "k", "it": value})
    (row,) = (await content(table)).values()
    assert row.get("it@odata.type") == kind
    assert set(row) == {"PartitionKey", "RowKey", "it", *(["it@odata.type"] if kind else [])}


def vm(number: int = 1) -> VmId:
    return VmId.of("00000000-0000-4000-8000-000000000001", "rg-shop", f"web-{number}")


VM = vm()


def record(
    power: str = "stopped",
    at: datetime = NOON,
    vm: VmId = VM,
    **changes: Any,  # noqa: ANN401 - a record's
) -> Record:
    state = PowerState(power)
    settled = Settled(state, None, at, Source.OBSERVED, at, None)
    return replace(
        Record(
            vm=vm,
            observed_at=at,
            reading=reading(power),
            model=Model(uid="uid-1", size="Standard_D2s_v5", location="westeurope"),
            power_state=state,
            appeared_at=at,
            not_before=None,
            settled=settled,
            reason="a test",
        ),
        **changes,
    )


def begun(record: Record) -> Change:
    """The first look at a VM."""
    assert record.settled
    episode = Episode.of(record.vm, record.settled)
    return Change(record, Transition.to(record.vm, record.settled), (episode,) if episode else ())


def ended(before: Record, after: Record) -> Change:
    """The look that saw it leave Stopped."""
    assert before.settled
    assert after.settled
    episode = Episode.of(before.vm, before.settled)
    assert episode
    return Change(
        after, Transition.to(after.vm, after.settled), (episode.ended(after.settled.since, after.settled),)
    )


async def saved(table: Table, change: Change, previous: Record | None = None) -> Change:
    """Write a change as the ledger does."""
    steps = layout.writes(change, Stored(previous, "*") if previous else None)
    await table.write([replace(step, new=False, etag=None) for step in steps])
    return change


async def backed_up(table: Table, tmp_path: Path) -> Backup:
    path = tmp_path / f"{uuid4()}.gz"
    await backup(table, path, "a test")
    return Backup(path)


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def without_fingerprints(rows: Mapping[tuple[str, str], Row]) -> dict[tuple[str, str], Row]:
    return {
        key: {name: value for name, value in row.items() if name != "fingerprint"}
        for key, row in rows.items()
    }


async def test_the_order_of_partitions_and_pages_is_kept(tables: Tables, tmp_path: Path) -> None:
    table, _ = await tables.new()
    for partition in ("b", "a", "c"):
        for first in range(0, 1100, 100):
            await table.write(
                [
                    Write({"PartitionKey": partition, "RowKey": f"{number:05}"})
                    for number in range(first, first + 100)
                ]
            )
    made = await backed_up(table, tmp_path)
    assert made.rows == 3300
    assert [(row["PartitionKey"], row["RowKey"]) for row in made] == [
        (partition, f"{number:05}") for partition in "abc" for number in range(1100)
    ]
    other, _ = await tables.new()
    restored = await restore(made, other, NOW)
    assert restored.written == {OTHER: 3300}
    assert await content(other) == await content(table)


async def test_there_has_to_be_a_table(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(NoTable, match="there is no table nowhere"):
        await backup(tables.named("nowhere"), tmp_path / "a.gz", "a test")
    assert names_in(tmp_path) == []


async def test_a_restore_makes_the_table(tables: Tables, tmp_path: Path) -> None:
    table, _ = await tables.new()
    await saved(table, begun(record()))
    made = await backed_up(table, tmp_path)
    other = tables.named(f"t{uuid4().hex}")
    rehearsed = await restore(made, other, NOW, rehearsing=True)
    with pytest.raises(NoTable):
        await content(other)
    restored = await restore(made, other, NOW)
    assert restored == rehearsed
    assert restored.written == {"vm": 1, "transition": 1, "episode": 1}
    assert restored.listed == {"stopped": 1}
    assert without_fingerprints(await content(other)) == without_fingerprints(await content(table))


async def test_a_ledger_that_has_rows_is_left_alone(tables: Tables, tmp_path: Path) -> None:
    table, _ = await tables.new()
    await saved(table, begun(record()))
    made = await backed_up(table, tmp_path)
    before = await content(table)
    with pytest.raises(NotEmpty, match="the ledger has rows already, and nothing was written"):
        await restore(made, table, NOW)
    assert await content(table) == before


async def test_of_what_lies_between_only_what_is_asked_for_is_kept(tables: Tables) -> None:
    table, _ = await tables.new()
    for first in range(0, 1500, 100):
        rows = ({"PartitionKey": "p", "RowKey": f"{number:05}"} for number in range(first, first + 100))
        await table.write([Write(row) for row in rows])
    found = await table.among("p", ["00001", "00007x", "01400"])
    assert sorted(found) == ["00001", "01400"]


async def test_a_large_row_is_no_matter(tables: Tables, tmp_path: Path) -> None:
    table, _ = await tables.new()
    for number in range(40):
        body = {f"body{part}": "ü" * 32_000 for part in range(4)}
        await table.write([Write({"PartitionKey": "p", "RowKey": f"{number:02}", **body})])
    other, _ = await tables.new()
    await restore(await backed_up(table, tmp_path), other, NOW)
    assert await content(other) == await content(table)


class TestMerging:
    """What is newer stays."""

    async def test_the_record_of_the_later_look(self, tables: Tables, tmp_path: Path) -> None:
        table, _ = await tables.new()
        for number in range(3):
            await saved(table, begun(record(vm=vm(number))))
        made = await backed_up(table, tmp_path)
        other, _ = await tables.new()
        later, earlier = NOON + timedelta(hours=1), NOON - timedelta(hours=1)
        await saved(other, begun(record("running", later, vm(0))))
        await saved(other, begun(record("running", earlier, vm(1))))
        rehearsed = await restore(made, other, NOW, merging=True, rehearsing=True)
        restored = await restore(made, other, NOW, merging=True)
        assert restored == rehearsed
        assert (restored.written["vm"], restored.stayed["vm"]) == (2, 1)
        found = await content(other)
        states = [
            found[vm(number).subscription, layout.key_of("vm", vm(number))]["power_state"]
            for number in range(3)
        ]
        assert states == ["running", "stopped", "stopped"]
        # What lists records follows them.
        assert [key for _, key in found if key.startswith("stopped!")] == [
            "stopped!rg-shop!web-1",
            "stopped!rg-shop!web-2",
        ]

    async def test_a_row_that_lists_goes_with_the_record(self, tables: Tables, tmp_path: Path) -> None:
        table, _ = await tables.new()
        await saved(table, begun(record("running", NOON + timedelta(hours=1))))
        made = await backed_up(table, tmp_path)
        other, _ = await tables.new()
        await saved(other, begun(record("stopped")))
        await restore(made, other, NOW, merging=True)
        assert "stopped!rg-shop!web-1" not in {key for _, key in await content(other)}

    async def test_an_episode_that_no_record_is_in_is_left_out(self, tables: Tables, tmp_path: Path) -> None:
        table, _ = await tables.new()
        await saved(table, begun(record()))
        made = await backed_up(table, tmp_path)
        other, _ = await tables.new()
        await saved(other, begun(record("running", NOON + timedelta(hours=1))))
        restored = await restore(made, other, NOW, merging=True)
        assert restored.open_ended == 1
        kinds = {kind_of(row) for row in (await content(other)).values()}
        assert kinds == {"vm", "transition"}

    async def test_an_episode_that_has_an_end_is_newer(self, tables: Tables, tmp_path: Path) -> None:
        before, after = record(), record("running", NOON + timedelta(hours=1))
        table, _ = await tables.new()
        await saved(table, begun(before))
        early = await backed_up(table, tmp_path)
        await saved(table, ended(before, after), before)
        late = await backed_up(table, tmp_path)
        truth = without_fingerprints(await content(table))
        for first, second in ((early, late), (late, early)):
            other, _ = await tables.new()
            await restore(first, other, NOW)
            await restore(second, other, NOW, merging=True)
            assert without_fingerprints(await content(other)) == truth

    async def test_an_exemption_that_is_lost_is_named(self, tables: Tables, tmp_path: Path) -> None:
        table, _ = await tables.new()
        await saved(table, begun(record(exempted=Exemption(None, "kept warm", "ann"))))
        other, _ = await tables.new()
        await saved(other, begun(record(at=NOON + timedelta(hours=1))))
        restored = await restore(await backed_up(table, tmp_path), other, NOW, merging=True)
        assert restored.exempted == [vm()]

    async def test_a_damaged_record_is_replaced_and_never_replaces(
        self, tables: Tables, tmp_path: Path
    ) -> None:
        good, _ = await tables.new()
        await saved(good, begun(record()))
        bad, _ = await tables.new()
        key = (vm().subscription, layout.key_of("vm", vm()))
        damaged = {"PartitionKey": key[0], "RowKey": key[1], "body": "{}"}
        await bad.write([Write(damaged)])
        of_good, of_bad = await backed_up(good, tmp_path), await backed_up(bad, tmp_path)
        before = await content(good)
        assert (await restore(of_bad, good, NOW, merging=True)).stayed == {"vm": 1}
        assert await content(good) == before
        other, _ = await tables.new()
        assert (await restore(of_bad, other, NOW)).damaged == 1
        assert (await content(other))[key] == damaged
        await restore(of_good, bad, NOW, merging=True)
        assert without_fingerprints(await content(bad)) == without_fingerprints(before)

    async def test_a_record_of_another_vm_than_its_key_counts_for_damaged(
        self, tables: Tables, tmp_path: Path
    ) -> None:
        table, _ = await tables.new()
        row = layout.row_of(layout.key_of("vm", vm(1)), record(vm=vm(2)))
        await table.write([Write(row)])
        other, _ = await tables.new()
        assert (await restore(await backed_up(table, tmp_path), other, NOW)).damaged == 1
        assert list(await content(other)) == [(vm().subscription, "vm!rg-shop!web-1")]

    async def test_twice_is_once(self, tables: Tables, tmp_path: Path) -> None:
        table, _ = await tables.new()
        for number in range(120):
            await saved(table, begun(record("stopped" if number % 2 else "running", vm=vm(number))))
        made = await backed_up(table, tmp_path)
        other, _ = await tables.new()
        await restore(made, other, NOW)
        before = await content(other)
        again = await restore(made, other, NOW, merging=True)
        assert (again.written.total(), again.stayed.total()) == (0, 120 + 120 + 60)
        assert await content(other) == before


class TestAmongOthers:
    """Others write meanwhile: the app that nobody has stopped."""

    async def test_what_they_write_first_is_looked_at_again(self, tables: Tables, tmp_path: Path) -> None:
        table, _ = await tables.new()
        for number in range(5):
            await saved(table, begun(record(vm=vm(number))))
        made = await backed_up(table, tmp_path)
        other, _ = await tables.new()
        overtaken = Overtaken(other)
        newer = begun(record("running", NOON + timedelta(hours=1), vm(2)))
        overtaken.others = [newer]
        restored = await restore(made, overtaken, NOW)
        assert (restored.written["vm"], restored.stayed["vm"]) == (4, 1)
        assert restored.open_ended == 1
        found = await content(other)
        assert found[vm().subscription, "vm!rg-shop!web-2"]["power_state"] == "running"
        assert len([key for _, key in found if key.startswith("stopped!")]) == 4

    async def test_who_always_loses_says_so(self, tables: Tables, tmp_path: Path) -> None:
        table, _ = await tables.new()
        await saved(table, begun(record(at=NOON + timedelta(days=1))))
        made = await backed_up(table, tmp_path)
        other, _ = await tables.new()
        overtaken = Overtaken(other)
        overtaken.others = [
            begun(record("running", NOON + timedelta(minutes=number))) for number in range(100)
        ]
        with pytest.raises(Conflict, match="not as it was read"):
            await restore(made, overtaken, NOW, merging=True)
        assert 50 < len(overtaken.others) < 100


class Overtaken(Table):
    """A table that others write to just before each write."""

    def __init__(self, table: Table) -> None:
        super().__init__(table._rows.account, table._service, table.name)
        self.others: list[Change] = []
        self._plain = table

    async def write(self, writes: Any) -> None:  # noqa: ANN401 - as the table's
        if self.others:
            await saved(self._plain, self.others.pop(0))
        await super().write(writes)


class TestPatience:
    @pytest.fixture
    async def service(self) -> AsyncIterator[Canned]:
        async with canned_service() as canned:
            yield canned

    @pytest.fixture
    async def table(self, service: Canned, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Table]:
        monkeypatch.setattr(module, "PATIENCE", (0.0, 0.0))
        monkeypatch.setattr("shared.exchange.PAUSES", (0.0, 0.0))
        where = f"AccountName=shop;AccountKey=c2VjcmV0;TableEndpoint={service.url}/shop"
        async with (
            Account.open("table", where, None, NOBODY) as account,
            TableServiceClient.from_connection_string(where) as theirs,
        ):
            yield Table(account, theirs)

    async def test_a_page_that_cannot_be_had_now_is_asked_for_again(
        self, table: Table, service: Canned, tmp_path: Path
    ) -> None:
        row = '{"value": [{"odata.etag": "1", "PartitionKey": "p", "RowKey": "k"}]}'
        service.answer(said(503, "", {"Retry-After": "0"}), said(200, row))
        assert (await backup(table, tmp_path / "a.gz", "a test")).total() == 1

    async def test_it_ends(self, table: Table, service: Canned, tmp_path: Path) -> None:
        service.answer(*[said(503, "", {"Retry-After": "0"})] * 3)
        with pytest.raises(Unavailable):
            await backup(table, tmp_path / "a.gz", "a test")
        assert names_in(tmp_path) == []

    @pytest.mark.parametrize("body", ["{}", "[]", '{"value": [1]}', '{"value": [{"RowKey": "k"}]}', "<html>"])
    async def test_an_answer_that_is_none_is_no_empty_page(
        self, table: Table, service: Canned, tmp_path: Path, body: str
    ) -> None:
        service.answer(*[said(200, body)] * 9)
        with pytest.raises(Unavailable):
            await backup(table, tmp_path / "a.gz", "a test")
        assert names_in(tmp_path) == []
