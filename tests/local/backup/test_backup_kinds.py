"""What a row is, and what a restore makes of it."""

from copy import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.backup.kinds import OF_ALL, OF_VMS, OTHER, Kept, kept, kind_of, lasts, record_of, writes
from shared import layout
from shared.adapters import tables
from shared.domain.actions import Entry
from shared.domain.deallocation import taken_back
from shared.domain.records import Episode, Record, Transition
from shared.ports import Change
from shared.rows import Found
from tests.domain.life import NOON
from tests.strategies import entries, episodes, records, transitions


def test_every_partition_of_the_ledger_is_known() -> None:
    named = (tables._DAYS, tables._SWEEPS, tables._PLANS, tables._PLACES, tables.PRICES, tables._CAP[0])
    assert set(OF_ALL) == set(named)
    for partition in OF_ALL:
        assert kind_of({"PartitionKey": partition, "RowKey": "vm!a!b"}) == partition


@given(records, transitions, episodes, entries)
def test_every_row_that_a_change_writes_is_known(
    record: Record, transition: Transition, episode: Episode, entry: Entry
) -> None:
    change = Change(record, transition, (episode,), (entry,))
    kinds = {kind_of(write.row) for write in layout.writes(change, None)}
    assert kinds <= {*OF_VMS, *layout.INDEXES}
    assert {"vm", "transition", "episode", "entry"} <= kinds


@pytest.mark.parametrize("key", ["", "vm", "vms!a!b", "flags!a!b", "!", "a b"])
def test_any_other_row_comes_along(key: str) -> None:
    row = {"PartitionKey": "p", "RowKey": key}
    assert kind_of(row) == OTHER
    (write,) = writes(kept(row, NOON), None)
    assert (write.row, write.new) == (row, True)
    assert writes(kept(row, NOON), Found(row, "1")) == []


@given(records)
def test_every_record_is_read_from_its_row(record: Record) -> None:
    row = layout.row_of(layout.key_of("vm", record.vm), record)
    assert record_of(row) == record
    assert kept(row, NOON).record == taken_back(record, NOON)


@given(records)
def test_a_record_is_written_where_there_is_none_with_what_lists_it(record: Record) -> None:
    first, *more = writes(Kept({}, "vm", record), None)
    assert first.new
    assert {kind_of(write.row) for write in more} == {
        kind for kind, belongs in layout.INDEXES.items() if belongs(record)
    }
    assert all(write.row["fingerprint"] == "" for write in (first, *more))


@given(records, st.timedeltas(timedelta(days=-1), timedelta(days=1)))
def test_the_record_of_the_later_look_stays(record: Record, apart: timedelta) -> None:
    there = Found(layout.row_of(layout.key_of("vm", record.vm), record), "1")
    other = taken_back(record, NOON)
    found = writes(Kept({}, "vm", _looked_at(other, apart)), there)
    assert bool(found) is (apart > timedelta())
    if found:
        assert (found[0].etag, found[0].new) == ("1", False)


def _looked_at(record: Record, later: timedelta) -> Record:
    return replace(record, observed_at=record.observed_at + later)


@given(episodes)
def test_an_episode_lasts_until_its_end_whatever_the_columns(episode: Episode) -> None:
    row = layout.row_of(layout.name_of(episode), episode)
    row.pop("ended_at", None)
    assert lasts(row) is (episode.ended_at is None)
    assert not lasts({**row, "body": "{}"})


@given(episodes)
def test_an_end_is_written_only_over_what_was_read(episode: Episode) -> None:
    ended = layout.row_of("episode!a!b!1", replace(episode, ended_at=NOON))
    open_ended = layout.row_of("episode!a!b!1", replace(episode, ended_at=None))
    (write,) = writes(kept(ended, NOON), Found(open_ended, "1"))
    assert (write.row, write.etag, write.new) == (ended, "1", False)
    assert writes(kept(open_ended, NOON), Found(ended, "1")) == []
    assert writes(kept(ended, NOON), Found(ended, "1")) == []
