"""What the function app tells of what it measures: in its log, and to Application Insights."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from shared.metrics import METRICS
from tests.e2e.town import App, power_off_event, sample, settings_for
from tests.eventually import eventually
from tests.insights import QUIET, running_insights
from tests.measured import hold, total

UNKNOWN_SUBSCRIPTION = "00000000-0000-4000-8000-000000000404"
"""Which Azure does not know: what is in it cannot be covered."""
WORD = "stopgap.metrics: metrics "
NAMES = (DEFAULT_SUBSCRIPTION, UNKNOWN_SUBSCRIPTION, "measured-1", "rg-measured", "ada@")


def lines(host: HostProcess) -> list[str]:
    """The lines of the host's log that tell what was measured."""
    return [line.partition(WORD)[2] for line in host.log.splitlines() if WORD in line]


def told(host: HostProcess) -> list[dict[str, Any]]:
    """The series of all lines, held against the table."""
    series = [each for line in lines(host) for each in json.loads(line)["series"]]
    hold(series)
    return series


async def test_what_is_measured_is_in_the_log_and_in_application_insights_and_names_nobody(
    storage: str, azure: SimulatedAzure
) -> None:
    async with running_insights() as insights:
        settings = settings_for(storage, azure) | {
            "STOPGAP_SUBSCRIPTIONS": f"{DEFAULT_SUBSCRIPTION},{UNKNOWN_SUBSCRIPTION}",
            "STOPGAP_MODE": "deallocate",
            "STOPGAP_KEEP_CALLER": "true",
            "STOPGAP_SWEEP_SCHEDULE": "*/2 * * * * *",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": insights.connection_string,
            **dict.fromkeys(QUIET, "true"),
        }
        async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
            app = App(host, http)
            vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-measured", "measured-1", state="stopped")
            event = power_off_event(vm)
            name = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
            event["data"]["claims"] |= {name: "ada@example.com"}
            await app.post([event])
            await app.post([sample("eventgrid-arn-health-ResourceAnnotated.eventgridschema.json", vm)])
            await app.flagged(vm)
            tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
            status, answer = await app.ask(vm, "snooze", until=tomorrow)
            assert status == 202, answer

            async def all_told() -> list[dict[str, Any]]:
                """What is told, once that has something of every metric, and of the snooze."""
                series = told(host)
                names = {each["name"] for each in series}
                whole = names == {metric.name for metric in METRICS}
                return series if whole and total(series, "stopgap.actions", what="snoozed") else []

            measured = await eventually(all_told, within=60)
            assert total(measured, "stopgap.events", source="event", verb="power_off") == 1
            assert total(measured, "stopgap.flags", kind="left_stopped", change="set") == 1
            assert total(measured, "stopgap.notices", channel="topic", outcome="sent") == 1
            assert total(measured, "stopgap.actions", what="snoozed", by="person") == 1
            assert total(measured, "stopgap.refusals", rule="not_allowed") >= 1
            assert total(measured, "stopgap.arm.calls", operation="get_vm", status="200") >= 2
            text = "\n".join(lines(host)).lower()
            for personal in NAMES:
                assert personal not in text
            await host.stop()
        assert sum(point["value"] for point in insights.metric("stopgap.flags")) == 1
        sent = json.dumps(insights.items).lower()
        assert "stopgap.sweep.duration" in sent
        late = insights.metric("stopgap.sweep.late")
        assert min(point["min"] for point in late) == 1, (
            "the one that Azure does not know, in every measurement"
        )
        for personal in NAMES:
            assert personal not in sent


async def test_metrics_that_do_not_get_to_application_insights_are_remarked_on(
    storage: str, azure: SimulatedAzure
) -> None:
    settings = settings_for(storage, azure) | {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=none"
    }
    async with HostProcess(settings) as host, aiohttp.ClientSession(host.url) as http:
        app = App(host, http)
        assert (await app.post([power_off_event(azure.add_vm(DEFAULT_SUBSCRIPTION, "rg", "measured-2"))]))[
            0
        ] == 202

        async def remarks() -> list[str]:
            _, health = await app.get("/api/health")
            assert health["status"] == "ok"
            return [remark for remark in health["remarks"] if "Application Insights" in remark]

        (remark,) = await eventually(remarks)
        assert "ValueError" in remark
