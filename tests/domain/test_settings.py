from datetime import timedelta

import pytest

from shared.domain.policy import Channel, Mode
from shared.settings import EVERY_QUARTER, PUBLIC_ARM, PUBLIC_PRICES, SettingError, Settings, Storage

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
LEAST = {"STOPGAP_SUBSCRIPTIONS": SUBSCRIPTION, "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
URIS = {
    "AzureWebJobsStorage__tableServiceUri": "https://acc.table.core.windows.net/",
    "AzureWebJobsStorage__queueServiceUri": "https://acc.queue.core.windows.net",
}


def test_the_least_that_is_needed() -> None:
    settings = Settings.from_env(LEAST)
    assert settings.subscriptions == (SUBSCRIPTION,)
    assert settings.storage == Storage(connection_string="UseDevelopmentStorage=true")
    assert (settings.policy.mode, settings.policy.grace) == (Mode.NOTIFY, timedelta(minutes=15))
    assert (settings.arm_endpoint, settings.topic_endpoint, settings.unknown) == (PUBLIC_ARM, None, ())
    assert (settings.currency, settings.prices_endpoint) == ("USD", PUBLIC_PRICES)
    assert (settings.sweep_schedule, settings.retention) == (EVERY_QUARTER, timedelta(days=400))


def test_all_there_is() -> None:
    settings = Settings.from_env(
        {
            **URIS,
            "AzureWebJobsStorage__clientId": "client",
            "STOPGAP_SUBSCRIPTIONS": f" {SUBSCRIPTION.upper()}, {OTHER},,{SUBSCRIPTION} ",
            "STOPGAP_MODE": "Observe",
            "STOPGAP_GRACE": "45m",
            "STOPGAP_ARM_ENDPOINT": "https://management.chinacloudapi.cn/",
            "STOPGAP_TOPIC_ENDPOINT": "http://127.0.0.1:7080/topics/t/api/events",
            "STOPGAP_SWEEP_SCHEDULE": " 0  0 */2 * * * ",
            "STOPGAP_RETENTION": "90d",
            "STOPGAP_CURRENCY": " eur ",
            "STOPGAP_PRICES_ENDPOINT": "http://127.0.0.1:7080/",
        }
    )
    assert settings.subscriptions == (SUBSCRIPTION, OTHER)
    assert settings.storage.table_uri == "https://acc.table.core.windows.net"
    assert settings.storage.client_id == "client"
    assert (settings.policy.mode, settings.policy.grace) == (Mode.OBSERVE, timedelta(minutes=45))
    assert settings.arm_endpoint == "https://management.chinacloudapi.cn"
    assert (settings.currency, settings.prices_endpoint) == ("EUR", "http://127.0.0.1:7080")
    assert (settings.sweep_schedule, settings.retention) == ("0 0 */2 * * *", timedelta(days=90))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"STOPGAP_SUBSCRIPTIONS": ""}, "STOPGAP_SUBSCRIPTIONS is missing: expected the ids"),
        ({"STOPGAP_SUBSCRIPTIONS": " , "}, "STOPGAP_SUBSCRIPTIONS is malformed: expected the ids"),
        ({"STOPGAP_SUBSCRIPTIONS": "production"}, "STOPGAP_SUBSCRIPTIONS is malformed: .*GUID"),
        ({"STOPGAP_MODE": "destroy"}, "STOPGAP_MODE is malformed: expected observe or notify or deallocate"),
        ({"STOPGAP_WARNING": "soon"}, "STOPGAP_WARNING is malformed: expected a duration"),
        (
            {"STOPGAP_ALLOW_DEALLOCATE": "yes"},
            "STOPGAP_ALLOW_DEALLOCATE is malformed: expected true or false",
        ),
        *(
            ({"STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": text}, "expected a whole number from 0 to 1000, got")
            for text in ("-1", "1001", "ten", "1.5", "٣", "9" * 5000)
        ),
        (
            {"STOPGAP_WEBHOOK_URL": "http://hooks.example.com/s3cret"},
            "STOPGAP_WEBHOOK_URL is malformed: expected an https",
        ),
        ({"STOPGAP_GRACE": "soon"}, "STOPGAP_GRACE is malformed: expected a duration"),
        (
            {"STOPGAP_ARM_ENDPOINT": "management.azure.com"},
            "STOPGAP_ARM_ENDPOINT is malformed: expected an https",
        ),
        ({"STOPGAP_ARM_ENDPOINT": "http://10.0.0.1"}, "STOPGAP_ARM_ENDPOINT is malformed: expected an https"),
        *(
            ({"STOPGAP_SWEEP_SCHEDULE": text}, "STOPGAP_SWEEP_SCHEDULE is malformed: expected six fields")
            for text in (
                "*/15 * * * *",
                "hourly",
                "0 0 0 0 0 0 0",
                "0 */15 * * * ?",
                "0 ٣ * * * *",
                "0 ; * * * *",
            )
        ),
        ({"STOPGAP_RETENTION": "never"}, "STOPGAP_RETENTION is malformed: expected a duration"),
        ({"STOPGAP_RETENTION": "23h"}, "STOPGAP_RETENTION is malformed: expected at least 1d, got '23h'"),
        ({"STOPGAP_CURRENCY": "EURO"}, "STOPGAP_CURRENCY is malformed: expected a currency .* got 'EURO'"),
        ({"STOPGAP_CURRENCY": "€"}, "STOPGAP_CURRENCY is malformed: expected a currency"),
        ({"STOPGAP_CURRENCY": "ÄÖÜ"}, "STOPGAP_CURRENCY is malformed: expected a currency"),
        ({"STOPGAP_PRICES_ENDPOINT": "prices"}, "STOPGAP_PRICES_ENDPOINT is malformed: expected an https"),
        (
            {"STOPGAP_TOPIC_ENDPOINT": "https://x:99999"},
            "STOPGAP_TOPIC_ENDPOINT is malformed: expected an https",
        ),
        ({"STOPGAP_TOPIC_ENDPOINT": "http://[x"}, "STOPGAP_TOPIC_ENDPOINT is malformed: expected an https"),
        ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage is missing: expected a connection string"),
        ({"AzureWebJobsStorage": ""} | dict(list(URIS.items())[:1]), "AzureWebJobsStorage is missing"),
        (
            {"AzureWebJobsStorage": "", **URIS, "AzureWebJobsStorage__tableServiceUri": "http://127.0.0.1:1"},
            "AzureWebJobsStorage__tableServiceUri: expected an https address, got",
        ),
    ],
)
def test_what_is_missing_or_malformed_names_itself(change: dict[str, str], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        Settings.from_env(LEAST | change)


def test_a_scheme_may_be_in_capitals() -> None:
    settings = Settings.from_env(LEAST | {"STOPGAP_ARM_ENDPOINT": "HTTPS://Management.Azure.com/"})
    assert settings.arm_endpoint == "https://Management.Azure.com", "else nobody would get a token"


def test_a_webhooks_address_is_a_secret() -> None:
    with pytest.raises(SettingError) as raised:
        Settings.from_env(LEAST | {"STOPGAP_WEBHOOK_URL": "http://hooks.example.com/s3cret"})
    assert "s3cret" not in str(raised.value)
    url = "https://logic.example.com/workflows/x?sig=abc/"
    assert Settings.from_env(LEAST | {"STOPGAP_WEBHOOK_URL": f" {url} "}).webhook_url == url, "whole"
    assert "s3cret" not in repr(
        Settings.from_env(LEAST | {"STOPGAP_WEBHOOK_URL": "https://hooks.example.com/s3cret"})
    )


def test_nothing_may_be_deallocated_unless_somebody_says_so() -> None:
    policy = Settings.from_env(LEAST | {"STOPGAP_MODE": "deallocate"}).policy
    assert (policy.mode, policy.allow_deallocate, policy.most_per_hour) == (Mode.DEALLOCATE, False, 20)
    assert policy.warning == timedelta(hours=1)


@pytest.mark.parametrize(
    ("change", "channels"),
    [
        ({}, (Channel.LOG,)),
        ({"STOPGAP_TOPIC_ENDPOINT": "https://t.example.com"}, (Channel.TOPIC,)),
        ({"STOPGAP_WEBHOOK_URL": "http://127.0.0.1:1/hook"}, (Channel.WEBHOOK,)),
        (
            {
                "STOPGAP_TOPIC_ENDPOINT": "https://t.example.com",
                "STOPGAP_WEBHOOK_URL": "https://h.example.com",
            },
            (Channel.TOPIC, Channel.WEBHOOK),
        ),
    ],
)
def test_where_notices_go(change: dict[str, str], channels: tuple[Channel, ...]) -> None:
    assert Settings.from_env(LEAST | change).policy.channels == channels


def test_a_slip_of_the_pen_is_remarked() -> None:
    settings = Settings.from_env(LEAST | {"STOPGAP_GRCE": "5m", "STOPGAP_XYLOPHONE": "1"})
    assert settings.unknown == (
        "STOPGAP_GRCE is no setting of this version; did you mean STOPGAP_GRACE?",
        "STOPGAP_XYLOPHONE is no setting of this version",
    )
