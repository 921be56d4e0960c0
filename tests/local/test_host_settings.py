import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.host.settings import (
    HostSettings,
    QueueSettings,
    is_disabled,
    read_local_settings,
    resolve,
    time_span,
)
from local.parts import CannotStart


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:00:00.2", timedelta(seconds=0.2)),
        ("01:02:03", timedelta(hours=1, minutes=2, seconds=3)),
        ("2.00:00:00", timedelta(days=2)),
        ("24:00:00", None),
        ("5", None),
        ("15m", None),
    ],
)
def test_time_spans(text: str, span: timedelta | None) -> None:
    assert time_span(text) == span


def test_an_empty_host_json_means_the_defaults_of_the_platform(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}', encoding="utf-8-sig")
    settings = HostSettings.read(tmp_path)
    assert settings == HostSettings(route_prefix="api", queues=QueueSettings())
    assert settings.queues.max_polling_interval == timedelta(minutes=1)


def test_host_json_is_honoured(tmp_path: Path) -> None:
    queues = {
        "maxPollingInterval": "00:00:02",
        "visibilityTimeout": "00:00:30",
        "batchSize": 4,
        "maxDequeueCount": 7,
        "messageEncoding": "none",
    }
    extensions = {"http": {"routePrefix": "/v1/"}, "queues": queues}
    (tmp_path / "host.json").write_text(json.dumps({"extensions": extensions}), encoding="utf-8")
    assert HostSettings.read(tmp_path) == HostSettings(
        route_prefix="v1",
        queues=QueueSettings(
            max_polling_interval=timedelta(seconds=2),
            visibility_timeout=timedelta(seconds=30),
            batch_size=4,
            new_batch_threshold=2,
            max_dequeue_count=7,
            is_base64=False,
        ),
    )


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ({"queues": {"batchSize": 33}}, "batchSize is 33: expected a whole number from 1 to 32"),
        ({"queues": {"batchSize": True}}, "batchSize is True: expected a whole number"),
        ({"queues": {"maxDequeueCount": 0}}, "maxDequeueCount is 0: expected a whole number from 1"),
        ({"queues": {"visibilityTimeout": "30s"}}, "visibilityTimeout is '30s': expected a time as hh:mm:ss"),
        ({"queues": {"messageEncoding": "rot13"}}, "messageEncoding is 'rot13': expected 'base64' or 'none'"),
        ({"queues": []}, "queues is []: expected an object"),
        ({"http": {"routePrefix": 1}}, "routePrefix is 1: expected text"),
    ],
)
def test_a_bad_host_json_is_named(tmp_path: Path, extensions: dict[str, Any], reason: str) -> None:
    (tmp_path / "host.json").write_text(json.dumps({"extensions": extensions}), encoding="utf-8")
    with pytest.raises(CannotStart) as refused:
        HostSettings.read(tmp_path)
    assert f"{tmp_path / 'host.json'}: {reason}" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"Values": {"A": 1}}', "A is 1: expected text in quotes"),
        ('{"IsEncrypted": true, "Values": {}}', "its values are encrypted"),
        ("[]", "expected a JSON object"),
        ("{", "is not JSON"),
    ],
)
def test_bad_local_settings_are_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CannotStart, match=reason):
        read_local_settings(path)


def test_expressions_are_replaced_wherever_there_is_text() -> None:
    binding = {"queueName": "%PREFIX%-looks", "methods": ["GET", "%METHOD%"], "direction": 1}
    assert resolve(binding, {"PREFIX": "a", "METHOD": "PUT"}, "function f") == {
        "queueName": "a-looks",
        "methods": ["GET", "PUT"],
        "direction": 1,
    }


def test_an_expression_without_setting_is_named() -> None:
    with pytest.raises(CannotStart, match="function f: '%QUEUE%' needs the setting QUEUE, which is not set"):
        resolve({"queueName": "%QUEUE%"}, {}, "function f")


@pytest.mark.parametrize(
    ("settings", "disabled"),
    [
        ({}, False),
        ({"AzureWebJobs.tick.Disabled": "true"}, True),
        ({"AzureWebJobs.tick.Disabled": "1"}, True),
        ({"AzureWebJobs.tick.Disabled": "false"}, False),
        ({"AzureWebJobs.tock.Disabled": "true"}, False),
    ],
)
def test_a_setting_disables_a_function(settings: dict[str, str], disabled: bool) -> None:
    assert is_disabled("tick", settings) is disabled
