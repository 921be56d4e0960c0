"""Measurements as Application Insights gets them, through the real exporter, at an endpoint on loopback."""

import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from local.parts import ROOT, plain_environment
from shared.adapters.telemetry import Telemetry
from shared.metrics import ARM_READS_REMAINING, LOOKS, TALLY
from tests.eventually import eventually
from tests.insights import KEY, QUIET, Insights, running_insights


@pytest.fixture
async def insights() -> AsyncIterator[Insights]:
    async with running_insights() as insights:
        yield insights


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in QUIET:
        monkeypatch.setenv(name, "true")


@pytest.fixture
def listening() -> Iterator[list[Telemetry]]:
    listening = list[Telemetry]()
    yield listening
    for telemetry in listening:
        TALLY.listeners.remove(telemetry)


def listen(listening: list[Telemetry], connection_string: str) -> Telemetry:
    telemetry = Telemetry(connection_string)
    TALLY.listeners.append(telemetry)
    listening.append(telemetry)
    return telemetry


async def test_what_is_measured_arrives_also_what_was_measured_before_it_began(
    insights: Insights, listening: list[Telemetry]
) -> None:
    telemetry = listen(listening, insights.connection_string)
    LOOKS.add(why="signal", found="changed")
    LOOKS.add(why="signal", found="changed")
    ARM_READS_REMAINING.add(249)
    telemetry.start()
    telemetry.start()
    LOOKS.add(why="due", found="unchanged")
    ARM_READS_REMAINING.add(12)
    await closed(telemetry)
    assert telemetry.fault is None
    looks = {(look["properties"]["why"], look["value"]) for look in insights.metric("stopgap.looks")}
    assert looks == {("signal", 2), ("due", 1)}
    (remaining,) = insights.metric("stopgap.arm.reads_remaining")
    assert (remaining["value"], remaining["count"], remaining["min"], remaining["max"]) == (261, 2, 12, 249)


async def test_a_wrong_connection_string_is_told_and_stops_nothing(listening: list[Telemetry]) -> None:
    telemetry = listen(listening, "InstrumentationKey=none")
    telemetry.start()
    await closed(telemetry)
    assert telemetry.fault
    assert "ValueError" in telemetry.fault
    LOOKS.add(why="due", found="unchanged")


async def closed(telemetry: Telemetry) -> None:
    """End it, in a thread: it waits for answers that this one gives."""
    thread = threading.Thread(target=telemetry.close)
    thread.start()

    async def ended() -> bool:
        return not thread.is_alive()

    await eventually(ended)


@pytest.mark.parametrize("insights_are", ["configured", "not configured"])
def test_nothing_of_it_is_imported_before_the_first_work_is_done(insights_are: str) -> None:
    """Nor ever, where it is not configured."""
    code = """
        import asyncio, sys
        import function_app
        from shared import bootstrap, metrics

        def imported():
            return sorted({"opentelemetry", "azure.monitor"} & sys.modules.keys())

        async def work():
            app = bootstrap.app()
            with bootstrap.measured:
                metrics.LOOKS.add(why="due", found="changed")
                print(imported())
            if app.telemetry:
                app.telemetry.close()
            print(imported())

        asyncio.run(work())
    """
    settings = {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "STOPGAP_SUBSCRIPTIONS": KEY,
        **dict.fromkeys(QUIET, "true"),
    }
    if insights_are == "configured":
        # Nobody listens there: what is sent is lost.
        settings["APPLICATIONINSIGHTS_CONNECTION_STRING"] = (
            f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:9/"
        )
    lines = "\n".join(line.removeprefix("        ") for line in code.splitlines())
    run = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", lines],
        cwd=ROOT,
        env=plain_environment() | settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    after = "['azure.monitor', 'opentelemetry']" if insights_are == "configured" else "[]"
    assert run.stdout.splitlines() == ["[]", after]
