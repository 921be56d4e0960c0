"""Episodes for a spreadsheet: what can be asked for, and the lines."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.accounts import Period, Told
from shared.domain.malformed import Malformed
from shared.domain.money import Amount, Tariff
from shared.domain.records import Episode
from shared.domain.signals import Actor, Cause, Source
from shared.domain.states import PowerState
from shared.web.episodes import COLUMNS, read_period, to_csv
from tests.contracts.fleet import new_vm

ONE, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TODAY = NOW.date()
TARIFF = Tariff("westeurope", "Standard_D2s_v5", "Linux")


def read(**parameters: str) -> Period:
    return read_period(parameters, (ONE, OTHER), NOW)


class TestPeriod:
    def test_the_latest_month_of_all_subscriptions(self) -> None:
        assert read() == Period((ONE, OTHER), date(2026, 10, 29), TODAY, lasting=True)

    def test_what_is_asked_for(self) -> None:
        wanted = Period((OTHER,), date(2026, 2, 1), date(2026, 2, 28), lasting=False)
        assert read(subscription=OTHER.upper(), since="2026-02-01", until="2026-02-28") == wanted
        assert read(until="2026-02-28").since == date(2026, 1, 29)
        assert read(since="2026-11-28").lasting

    @pytest.mark.parametrize(
        ("parameters", "told"),
        [
            ({"until": "yesterday"}, "until: expected a day such as 2027-01-31, got 'yesterday'"),
            ({"since": "2026-02-30"}, "since: expected a day"),
            ({"since": "20260201"}, "since: expected a day"),
            ({"since": "2026-W05-1"}, "since: expected a day"),
            ({"since": ""}, "since: expected a day"),
            ({"since": "0001-01-01"}, "since: expected a day"),
            ({"until": "9999-12-31"}, "until: expected a day"),
            ({"since": "2026-03-01", "until": "2026-02-01"}, "since: expected a day up to 2026-02-01"),
            ({"since": "2027-01-01"}, "since: expected a day up to 2026-11-28"),
            ({"subscription": "00000000-0000-4000-8000-000000000009"}, "is not watched"),
            ({"subscription": "x"}, "expected"),
        ],
    )
    def test_what_cannot_be_read_is_told(self, parameters: dict[str, str], told: str) -> None:
        with pytest.raises(Malformed, match=re.escape(told)):
            read(**parameters)


def lines(*told: Told) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(told))))


def an_episode(caller: str = "ada") -> Episode:
    cause = Cause(Actor.CONTROL_PLANE, "powerOff/action", NOW, Source.EVENT, caller=caller)
    return Episode(
        new_vm("web-1", subscription=ONE),
        NOW,
        NOW,
        Source.EVENT,
        cause,
        None,
        NOW + timedelta(hours=2),
        PowerState.DEALLOCATED,
        cause,
        by_stopgap=True,
    )


class TestLines:
    def test_an_episode_that_ended(self) -> None:
        (line,) = lines(Told(an_episode(), TARIFF, 2.0, Amount("USD", 0.2, 0.456)))
        assert list(line) == list(COLUMNS)
        wanted = {
            "subscription": ONE,
            "resource_group": "rg-shop",
            "name": "web-1",
            "size": "Standard_D2s_v5",
            "started_at": "2026-11-28T12:00:00Z",
            "cause_operation": "powerOff/action",
            "ended_at": "2026-11-28T14:00:00Z",
            "ended_as": "deallocated",
            "by_stopgap": "true",
            "hours": "2.0",
            "currency": "USD",
            "cost_lower": "0.2",
            "cost_upper": "0.46",
        }
        assert wanted.items() <= line.items()

    def test_one_that_lasts_and_has_no_price(self) -> None:
        lasts = Episode(new_vm(), NOW, NOW, Source.OBSERVED, None)
        (line,) = lines(Told(lasts, Tariff(), 1.0, None))
        empty = ("cause_actor", "ended_at", "ended_as", "ended_by_caller", "currency", "cost_lower", "size")
        assert {line[name] for name in empty} == {""}
        assert line["by_stopgap"] == "false"

    def test_none_is_a_line_of_headings(self) -> None:
        assert to_csv([]) == ",".join(COLUMNS) + "\r\n"

    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ('a,"b"', 'a,"b"'),
            ("a\nb\u202e", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
            ("<b>\N{GRINNING FACE}</b>" * 30, "<b>\N{GRINNING FACE}</b>" * 30),
            ("\t=1", "\N{REPLACEMENT CHARACTER}=1"),
        ],
    )
    def test_what_others_say_is_text(self, said: str, shown: str) -> None:
        (line,) = lines(Told(an_episode(said), TARIFF, 2.0, None))
        assert line["cause_caller"] == shown
