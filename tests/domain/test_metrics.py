"""The tally, and when the log is told of it."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import metrics
from shared.metrics import ARM_READS_REMAINING, LAG, LOOKS, METRICS, SERIES_A_LINE, TALLY, Metric, Teller
from tests.measured import VALUES, hold, total

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_tally() -> Iterator[None]:
    """What other tests measured is none of ours."""
    TALLY.take()
    yield
    TALLY.take()


def test_the_table_is_whole() -> None:
    assert set(METRICS) == {each for each in vars(metrics).values() if isinstance(each, Metric)}
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert VALUES.keys() == {metric.name for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_bounds_ascend(metric: Metric) -> None:
    assert list(metric.bounds) == sorted(set(metric.bounds))


def test_a_counter_sums_up_by_its_attributes() -> None:
    for found in ("changed", "unchanged", "changed"):
        LOOKS.add(why="signal", found=found)
    LOOKS.add(4, why="sweep", found="changed")
    told = TALLY.take()
    assert told[0] == {"name": "stopgap.looks", "why": "signal", "found": "changed", "sum": 2}
    assert total(told, "stopgap.looks") == 7
    assert TALLY.take() == [], "what was taken is not told again"


def test_a_distribution_tells_how_many_were_within_what() -> None:
    for seconds in (0.5, 1.0, 4.0, 10_000.0):
        LAG.add(seconds, source="event")
    (told,) = TALLY.take()
    assert told == {
        "name": "stopgap.lag",
        "source": "event",
        "sum": 10_005.5,
        "count": 4,
        "min": 0.5,
        "max": 10_000.0,
        "within": {
            "1": 2, "2": 2, "5": 3, "10": 3, "30": 3, "60": 3, "300": 3, "900": 3, "3600": 3
        },
    }  # fmt: skip


def test_listeners_hear_of_each_measurement() -> None:
    heard = list[tuple[Metric, float, tuple[str, ...]]]()
    TALLY.listeners.append(lambda *told: heard.append(told))
    try:
        LOOKS.add(why="due", found="changed")
        ARM_READS_REMAINING.add(249)
    finally:
        TALLY.listeners.pop()
    assert heard == [(LOOKS, 1, ("due", "changed")), (ARM_READS_REMAINING, 249, ())]


class TestTheLog:
    @pytest.fixture(autouse=True)
    def log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "stopgap.metrics")
        self._caplog = caplog

    def told(self) -> list[list[dict[str, Any]]]:
        """The series of each line."""
        messages = [record.getMessage() for record in self._caplog.records]
        assert all(message.startswith("metrics {") for message in messages)
        lines = [json.loads(message.removeprefix("metrics "))["series"] for message in messages]
        for line in lines:
            hold(line)
        return lines

    def test_is_told_when_a_function_ends(self) -> None:
        teller = Teller(lambda: NOON)
        with teller:
            LOOKS.add(why="due", found="changed")
            assert self.told() == []
        assert [total(line, "stopgap.looks") for line in self.told()] == [1]

    def test_is_told_when_a_function_fails(self) -> None:
        def fail() -> None:
            with Teller(lambda: NOON):
                LOOKS.add(why="due", found="changed")
                raise OSError("away")

        with pytest.raises(OSError, match="away"):
            fail()
        assert len(self.told()) == 1

    def test_is_told_once_of_functions_that_run_together(self) -> None:
        teller = Teller(lambda: NOON)
        with teller:
            for _ in range(3):
                with teller:
                    LOOKS.add(why="due", found="changed")
            assert self.told() == []
        assert [total(line, "stopgap.looks") for line in self.told()] == [3]

    def test_is_told_every_ten_seconds_where_there_is_no_pause(self) -> None:
        now = NOON
        teller = Teller(lambda: now)
        with teller:
            for _ in range(21):
                with teller:
                    LOOKS.add(why="due", found="changed")
                now += timedelta(seconds=1)
        assert [total(line, "stopgap.looks") for line in self.told()] == [11, 10]

    def test_is_told_nothing_of_nothing(self) -> None:
        with Teller(lambda: NOON):
            pass
        assert self.told() == []

    def test_no_line_is_too_long_for_the_platform(self) -> None:
        longest = "a name that is longer than any value"
        with Teller(lambda: NOON):
            for place in range(2 * SERIES_A_LINE + 1):
                LAG.add(123_456.789, source=f"{longest} {place}")
        lines = [record.getMessage() for record in self._caplog.records]
        assert len(lines) == 3
        assert max(map(len, lines)) < 32_768

    def test_what_comes_after_is_done_after_each(self) -> None:
        done = list[int]()
        teller = Teller(lambda: NOON, then=[lambda: done.append(len(self.told()))])
        with teller:
            LOOKS.add(why="due", found="changed")
        assert done == [1]
