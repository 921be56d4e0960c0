import pytest

from local.azure.server import SimulatedAzure
from local.doctor.findings import Verdict
from local.doctor.settings import RULES, judged
from shared.settings import Settings
from tests.local.doctor.conftest import SUB, Examine, told

TOPIC = "https://stopgap.westeurope-1.eventgrid.azure.net/api/events"
WELL = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "STOPGAP_SUBSCRIPTIONS": SUB,
    "STOPGAP_TOPIC_ENDPOINT": TOPIC,
}
ARMED = {"STOPGAP_MODE": "deallocate", "STOPGAP_ALLOW_DEALLOCATE": "true"}


def settings(**changes: str) -> Settings:
    return Settings.from_env(WELL | changes)


@pytest.mark.parametrize("changes", [{}, ARMED, {"STOPGAP_ALLOW_DEALLOCATE": "true"}])
def test_good_settings_are_one_line(changes: dict[str, str]) -> None:
    (finding,) = judged(settings(**changes))
    assert finding.verdict is Verdict.OK


def test_the_line_says_what_they_come_to() -> None:
    (finding,) = judged(settings(**ARMED, STOPGAP_WEBHOOK_URL="https://hooks.slack.com/services/secret"))
    assert finding.fact == (
        "1 subscription, mode deallocate, grace 15m, deallocations allowed, 20 an hour, notices to topic and webhook"
    )


@pytest.mark.parametrize(
    ("changes", "verdict", "fact", "mend"),
    [
        (
            {"STOPGAP_MODE": "deallocate"},
            "wrong",
            "nothing is ever deallocated",
            "STOPGAP_ALLOW_DEALLOCATE=true",
        ),
        (
            ARMED | {"STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": "0"},
            "warning",
            "none an hour",
            "STOPGAP_MAX_DEALLOCATIONS_PER_HOUR=20",
        ),
        (
            {"STOPGAP_TOPIC_ENDPOINT": ""},
            "warning",
            "nowhere but to the app's log",
            "set STOPGAP_TOPIC_ENDPOINT",
        ),
        (
            ARMED | {"STOPGAP_WARNING": "4m"},
            "warning",
            "STOPGAP_WARNING is less than 5m",
            "STOPGAP_WARNING=1h",
        ),
        ({"STOPGAP_GRACE": "299s"}, "warning", "STOPGAP_GRACE is less than 5m", "STOPGAP_GRACE=15m"),
        ({"STOPGAP_GRAZE": "1h"}, "warning", "did you mean STOPGAP_GRACE?", "correct its name, or remove it"),
    ],
)
def test_each_way_of_making_no_sense(changes: dict[str, str], verdict: str, fact: str, mend: str) -> None:
    _, finding = judged(settings(**changes))
    assert finding.verdict == verdict
    assert fact in finding.fact
    assert mend in (finding.mend or "")


@pytest.mark.parametrize(
    "changes",
    [
        {"STOPGAP_MODE": "observe", "STOPGAP_TOPIC_ENDPOINT": ""},
        {"STOPGAP_WARNING": "4m"},
        {"STOPGAP_GRACE": "5m"},
        {"STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": "0"},
    ],
)
def test_what_does_no_harm_is_no_finding(changes: dict[str, str]) -> None:
    assert len(judged(settings(**changes))) == 1


def test_every_rule_can_be_broken_and_says_how_to_mend_it() -> None:
    broken = [
        settings(STOPGAP_MODE="deallocate", STOPGAP_TOPIC_ENDPOINT="", STOPGAP_GRACE="1m"),
        settings(**ARMED, STOPGAP_MAX_DEALLOCATIONS_PER_HOUR="0", STOPGAP_WARNING="1m"),
    ]
    assert all(any(rule.broken(each) for each in broken) and rule.finding.mend for rule in RULES)


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"STOPGAP_SUBSCRIPTIONS": ""}, "STOPGAP_SUBSCRIPTIONS is missing"),
        ({"STOPGAP_GRACE": "soon"}, "STOPGAP_GRACE is malformed"),
        ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage is missing"),
        ({"AzureWebJobsStorage": "nonsense"}, "AzureWebJobsStorage is malformed"),
        (
            {"STOPGAP_WEBHOOK_URL": "http://hooks.slack.com/services/T0/B0/sesame"},
            "STOPGAP_WEBHOOK_URL is malformed",
        ),
    ],
)
async def test_a_setting_that_cannot_be_read_is_named_and_nothing_else_is_looked_at(
    look: Examine, azure: SimulatedAzure, changes: dict[str, str], fact: str
) -> None:
    (finding,) = await look("settings", **changes)
    assert finding.verdict is Verdict.WRONG
    assert fact in finding.fact
    assert "sesame" not in finding.fact
    assert told(await look("all else", **changes)) == [("not checked", "not before that")]
    assert azure.requests == []
