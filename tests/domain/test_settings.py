from datetime import timedelta

import pytest

from shared.domain.policy import Mode
from shared.settings import PUBLIC_ARM, PUBLIC_PRICES, SettingError, Settings, Storage

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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"STOPGAP_SUBSCRIPTIONS": ""}, "STOPGAP_SUBSCRIPTIONS is missing: expected the ids"),
        ({"STOPGAP_SUBSCRIPTIONS": " , "}, "STOPGAP_SUBSCRIPTIONS is malformed: expected the ids"),
        ({"STOPGAP_SUBSCRIPTIONS": "production"}, "STOPGAP_SUBSCRIPTIONS is malformed: .*GUID"),
        ({"STOPGAP_MODE": "deallocate"}, "STOPGAP_MODE is malformed: expected observe or notify"),
        ({"STOPGAP_GRACE": "soon"}, "STOPGAP_GRACE is malformed: expected a duration"),
        (
            {"STOPGAP_ARM_ENDPOINT": "management.azure.com"},
            "STOPGAP_ARM_ENDPOINT is malformed: expected an https",
        ),
        ({"STOPGAP_ARM_ENDPOINT": "http://10.0.0.1"}, "STOPGAP_ARM_ENDPOINT is malformed: expected an https"),
        ({"STOPGAP_CURRENCY": "EURO"}, "STOPGAP_CURRENCY is malformed: expected a currency .* got 'EURO'"),
        ({"STOPGAP_CURRENCY": "€"}, "STOPGAP_CURRENCY is malformed: expected a currency"),
        ({"STOPGAP_CURRENCY": "ÄÖÜ"}, "STOPGAP_CURRENCY is malformed: expected a currency"),
        ({"STOPGAP_PRICES_ENDPOINT": "prices"}, "STOPGAP_PRICES_ENDPOINT is malformed: expected an https"),
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


def test_a_slip_of_the_pen_is_remarked() -> None:
    settings = Settings.from_env(LEAST | {"STOPGAP_GRCE": "5m", "STOPGAP_WHATEVER_ELSE": "1"})
    assert settings.unknown == (
        "STOPGAP_GRCE is no setting of this version; did you mean STOPGAP_GRACE?",
        "STOPGAP_WHATEVER_ELSE is no setting of this version",
    )
