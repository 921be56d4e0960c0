"""A backup as a file: whole, or refused before anything is taken from it."""

import errno
import gzip
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.backup.files import Backup, Header, Unusable, made
from shared.rows import Row

AT = datetime(2027, 1, 31, 12, tzinfo=UTC)
HEADER = Header.of("ledger", "storage account shop", AT)
ROWS: list[Row] = [
    {"PartitionKey": "p", "RowKey": f"vm!rg!{number}", "body": f"größe {number}", "schema": 1}
    for number in range(300)
]


def whole(path: Path, rows: list[Row] = ROWS) -> Path:
    with made(path, HEADER) as writer:
        for row in rows:
            writer.add(row)
        writer.end(AT)
    return path


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def rewritten(path: Path, *told: object) -> Path:
    text = "".join(each if isinstance(each, str) else f"{json.dumps(each)}\n" for each in told)
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    backup = Backup(whole(tmp_path / "a.gz"))
    assert (backup.header, backup.rows, backup.closing.ended_at) == (HEADER, len(ROWS), AT)
    assert list(backup) == ROWS
    assert list(backup) == ROWS


def test_a_ledger_may_be_empty(tmp_path: Path) -> None:
    assert list(Backup(whole(tmp_path / "a.gz", []))) == []


def test_it_is_lines_that_any_tool_reads(tmp_path: Path) -> None:
    first, *rows, last = lines(whole(tmp_path / "a.gz"))
    assert first == {
        "format": "stopgap-ledger",
        "version": 1,
        "table": "ledger",
        "account": "storage account shop",
        "made_at": "2027-01-31T12:00:00Z",
    }
    assert rows == ROWS
    assert last == {"rows": len(ROWS), "ended_at": "2027-01-31T12:00:00Z"}


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    assert stat.S_IMODE(whole(tmp_path / "a.gz").stat().st_mode) == 0o600


columns = st.dictionaries(
    st.from_regex(r"[^\W\d]\w{0,20}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
)


@given(columns)
def test_any_row_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, told: dict[str, Any]) -> None:
    row = {**told, "PartitionKey": "p", "RowKey": "k"} | ({"schema": 1} if "schema" in told else {})
    (found,) = Backup(whole(tmp_path_factory.mktemp("any") / "a.gz", [row]))
    assert found == row
    assert [type(value) for value in found.values()] == [type(value) for value in row.values()]


class TestRefused:
    def test_a_file_that_was_cut_off_anywhere(self, tmp_path: Path) -> None:
        content = whole(tmp_path / "a.gz").read_bytes()
        cut = tmp_path / "cut.gz"
        for end in range(len(content)):
            cut.write_bytes(content[:end])
            with pytest.raises(Unusable):
                Backup(cut)

    def test_any_byte_of_what_is_packed_that_is_another(self, tmp_path: Path) -> None:
        content = whole(tmp_path / "a.gz").read_bytes()
        # The ten bytes before tell of the packing alone.
        for place in range(10, len(content), 7):
            spoilt = tmp_path / "spoilt.gz"
            spoilt.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
            with pytest.raises(Unusable):
                Backup(spoilt)

    def test_lines_that_are_missing(self, tmp_path: Path) -> None:
        first, *rows, last = lines(whole(tmp_path / "a.gz"))
        for told, why in (
            ((first, *rows), "its last line is missing"),
            ((first, *rows[1:], last), "line 301: tells of 300 rows, and there are 299"),
            ((first, *rows, rows[0], last), "line 303: tells of 300 rows, and there are 301"),
            ((first, *rows, last, rows[0]), "line 302: there is more behind its last line"),
            ((*rows, last), "is no backup of a ledger: it begins with"),
            ((first,), "its last line is missing"),
            ((), "is no backup of a ledger"),
        ):
            with pytest.raises(Unusable, match=why):
                Backup(rewritten(tmp_path / "b.gz", *told))

    @pytest.mark.parametrize(
        "line",
        [
            "{",
            "[]\n",
            "1\n",
            "{}\n",
            '{"rows": "many"}\n',
            '{"PartitionKey": 1, "RowKey": "a"}\n',
            '{"PartitionKey": "p"}\n',
            "[" * 100_000 + "\n",
        ],
    )
    def test_a_line_that_is_no_row(self, tmp_path: Path, line: str) -> None:
        first, *_, last = lines(whole(tmp_path / "a.gz"))
        with pytest.raises(Unusable, match="line 2: "):
            Backup(rewritten(tmp_path / "b.gz", first, line, last))

    def test_a_row_that_a_newer_version_wrote(self, tmp_path: Path) -> None:
        first, row, last = lines(whole(tmp_path / "a.gz", ROWS[:1]))
        with pytest.raises(Unusable, match="line 2: the row is of schema 2, this program knows 1"):
            Backup(rewritten(tmp_path / "b.gz", first, row | {"schema": 2}, last))

    def test_a_newer_format(self, tmp_path: Path) -> None:
        first, *rest = lines(whole(tmp_path / "a.gz"))
        with pytest.raises(Unusable, match="is of version 2; this program reads version 1"):
            Backup(rewritten(tmp_path / "b.gz", first | {"version": 2}, *rest))

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "begins with"),
            (b"PK\x03\x04", "expected a gzipped file"),
            (gzip.compress(b"some text\n"), "is no backup of a ledger: it begins with"),
            (
                gzip.compress(b'{"format": "other", "version": 1}\n'),
                "is no backup of a ledger: it begins with",
            ),
            (gzip.compress(b"\xff" * 100), "is no backup of a ledger: it begins with"),
        ],
        ids=["nothing", "zip", "text", "json", "binary"],
    )
    def test_another_kind_of_file(self, tmp_path: Path, content: bytes, why: str) -> None:
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(Unusable, match=why):
            Backup(path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(Unusable, match="no such file"):
            Backup(tmp_path / "nowhere")
        with pytest.raises(Unusable, match="cannot be read: Is a directory"):
            Backup(tmp_path)


class TestWriting:
    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gz"
        path.write_text("mine")
        with pytest.raises(Unusable, match="is there already"), made(path, HEADER):
            pass
        assert path.read_text() == "mine"
        with pytest.raises(Unusable, match="is there already"), made(tmp_path, HEADER):
            pass

    def test_nor_what_came_to_be_there_meanwhile(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gz"
        with pytest.raises(Unusable, match="has come to be there meanwhile"), made(path, HEADER):
            path.write_text("mine")
        assert [each.name for each in tmp_path.iterdir()] == ["a.gz"]
        assert path.read_text() == "mine"

    def test_whoever_fails_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), made(tmp_path / "a.gz", HEADER):
            raise KeyboardInterrupt
        assert list(tmp_path.iterdir()) == []

    def test_two_at_once_are_told_apart(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gz"
        with made(path, HEADER) as writer:
            with pytest.raises(Unusable, match="another backup is being written, or one was killed"):
                whole(path)
            assert not path.exists()
            writer.end(AT)
        assert Backup(path).rows == 0

    def test_a_place_that_is_none(self, tmp_path: Path) -> None:
        with (
            pytest.raises(Unusable, match="cannot be written: No such file"),
            made(tmp_path / "no" / "a", HEADER),
        ):
            pass

    def test_a_full_disk(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gz"
        with pytest.raises(Unusable, match="cannot be written: No space left"), made(path, HEADER):
            raise OSError(errno.ENOSPC, "No space left on device")
        assert list(tmp_path.iterdir()) == []
