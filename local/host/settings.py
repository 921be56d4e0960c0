"""host.json, local.settings.json and ``%NAME%`` expressions, read as the platform reads them.

Every error is a ``CannotStart`` that names the file or function, the value, and what is expected.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from local.parts import CannotStart

_TIME_SPAN = re.compile(r"(?:(\d+)\.)?([01]?\d|2[0-3]):([0-5]?\d):([0-5]?\d(?:\.\d{1,7})?)")
_EXPRESSION = re.compile(r"%([^%]+)%")


@dataclass(frozen=True)
class QueueSettings:
    """``extensions.queues`` of host.json, with the platform's defaults."""

    max_polling_interval: timedelta = timedelta(minutes=1)
    """The longest pause between two looks at an empty queue."""
    visibility_timeout: timedelta = timedelta(0)
    """How long a message stays hidden after a failed try."""
    batch_size: int = 16
    """Messages fetched at once (1 to 32)."""
    new_batch_threshold: int = 8
    """Another batch is fetched when no more than this many are being processed."""
    max_dequeue_count: int = 5
    """Tries before a message goes to the poison queue."""
    is_base64: bool = True
    """``messageEncoding``: base64 or none."""


@dataclass(frozen=True)
class HostSettings:
    """What this host honours of host.json."""

    route_prefix: str = "api"
    queues: QueueSettings = QueueSettings()

    @classmethod
    def read(cls, app: Path) -> Self:
        """From the app's directory; a missing host.json is refused, as the platform does."""
        path = app / "host.json"
        extensions = _section(_read_object(path), "extensions", path)
        http = _section(extensions, "http", path)
        queues = _section(extensions, "queues", path)
        prefix = http.get("routePrefix", "api")
        if not isinstance(prefix, str):
            raise CannotStart(f"{path}: routePrefix is {prefix!r}: expected text")
        batch_size = _whole(queues, "batchSize", 16, range(1, 33), path)
        encoding = queues.get("messageEncoding", "base64")
        if encoding not in {"base64", "none"}:
            raise CannotStart(f"{path}: messageEncoding is {encoding!r}: expected 'base64' or 'none'")
        return cls(
            route_prefix=prefix.strip("/"),
            queues=QueueSettings(
                max_polling_interval=_duration(queues, "maxPollingInterval", "00:01:00", path),
                visibility_timeout=_duration(queues, "visibilityTimeout", "00:00:00", path),
                batch_size=batch_size,
                new_batch_threshold=_whole(queues, "newBatchThreshold", batch_size // 2, range(1001), path),
                max_dequeue_count=_whole(queues, "maxDequeueCount", 5, range(1, 1001), path),
                is_base64=encoding == "base64",
            ),
        )


def adopt_settings(app: Path, given: str | None) -> Path | None:
    """Make a file's settings the program's own, but for those that its environment has already.

    Args:
        app: The app's directory.
        given: The file; "none" for none. None: the app's local.settings.json, if it has one.

    Returns:
        The file that was read.
    """
    path = Path(given).resolve() if given else app / "local.settings.json"
    if given == "none" or not (given or path.exists()):
        return None
    for name, value in read_local_settings(path).items():
        os.environ.setdefault(name, value)
    return path


def read_local_settings(path: Path) -> dict[str, str]:
    """The ``Values`` of a local.settings.json."""
    settings = _read_object(path)
    if settings.get("IsEncrypted"):
        raise CannotStart(f"{path}: its values are encrypted: run `func settings decrypt` first")
    values = _section(settings, "Values", path)
    for name, value in values.items():
        if not isinstance(value, str):
            raise CannotStart(f"{path}: {name} is {value!r}: expected text in quotes")
    return values


def time_span(text: str) -> timedelta | None:
    """A .NET TimeSpan, ``[days.]hh:mm:ss``; None when it is not one."""
    if (parts := _TIME_SPAN.fullmatch(text.strip())) is None:
        return None
    days, hours, minutes, seconds = parts.groups()
    return timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def is_disabled(function: str, environment: Mapping[str, str]) -> bool:
    """Whether a setting keeps a function from being called: ``AzureWebJobs.<function>.Disabled``, true or 1."""
    return environment.get(f"AzureWebJobs.{function}.Disabled", "").strip().lower() in {"true", "1"}


def resolve[T](value: T, environment: Mapping[str, str], owner: str) -> T:
    """The same JSON value with each ``%NAME%`` in its strings replaced by that setting."""

    def look_up(expression: re.Match[str]) -> str:
        name = expression[1]
        if name not in environment:
            raise CannotStart(f"{owner}: {value!r} needs the setting {name}, which is not set")
        return environment[name]

    match value:
        case str():
            return _EXPRESSION.sub(look_up, value)  # type: ignore[return-value]  # a str for a str
        case list():
            return [resolve(item, environment, owner) for item in value]  # type: ignore[return-value]
        case dict():
            return {key: resolve(item, environment, owner) for key, item in value.items()}  # type: ignore[return-value]
        case _:
            return value


def _read_object(path: Path) -> dict[str, Any]:
    try:
        # Visual Studio writes these files with a byte order mark.
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CannotStart(f"{path}: no such file") from None
    except OSError as error:
        raise CannotStart(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CannotStart(f"{path}: is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise CannotStart(f"{path}: expected a JSON object")
    return content


def _section(parent: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = parent.get(name, {})
    if not isinstance(section, dict):
        raise CannotStart(f"{path}: {name} is {section!r}: expected an object")
    return section


def _whole(section: Mapping[str, Any], name: str, default: int, allowed: range, path: Path) -> int:
    value = section.get(name, default)
    if type(value) is not int or value not in allowed:
        limits = f"from {allowed.start} to {allowed.stop - 1}"
        raise CannotStart(f"{path}: {name} is {value!r}: expected a whole number {limits}")
    return value


def _duration(section: Mapping[str, Any], name: str, default: str, path: Path) -> timedelta:
    value = section.get(name, default)
    if not isinstance(value, str) or (duration := time_span(value)) is None:
        raise CannotStart(f"{path}: {name} is {value!r}: expected a time as hh:mm:ss")
    return duration
