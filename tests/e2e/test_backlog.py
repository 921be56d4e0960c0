"""What is due and not done, as those who run the app see it: in the log, and in Application Insights."""

import json
from typing import Any

from azure.storage.queue.aio import QueueServiceClient

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from tests.e2e.town import settings_for
from tests.eventually import eventually
from tests.insights import QUIET, Insights, running_insights

BACKLOG = "stopgap.backlog: backlog "


async def test_what_is_due_and_not_done_is_told(storage: str, azure: SimulatedAzure) -> None:
    async with running_insights() as insights, QueueServiceClient.from_connection_string(storage) as service:
        settings = settings_for(storage, azure) | {
            "STOPGAP_SWEEP_SCHEDULE": "*/5 * * * * *",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": insights.connection_string,
            # Nobody takes what is put there.
            "AzureWebJobs.deallocate.Disabled": "true",
            **dict.fromkeys(QUIET, "true"),
        }
        await (await service.create_queue("looks-poison")).send_message("bm9uc2Vuc2U=")
        await (await service.create_queue("deallocations")).send_message("bm9uc2Vuc2U=")
        async with HostProcess(settings) as host:

            async def backlog() -> dict[str, Any]:
                """The latest that was told, once the message waits for three seconds and the sweep is over."""
                found = [each.partition(BACKLOG)[2] for each in host.log.splitlines() if BACKLOG in each]
                latest: dict[str, Any] = json.loads(found[-1]) if found else {}
                waits = latest and latest["queues"]["deallocations"]["age"] >= 3
                return latest if waits and latest["late"] == 0 else {}

            told = await eventually(backlog, within=60)
            assert told["queues"]["looks"] == {"age": 0.0, "poisoned": 1}
            assert told["queues"]["deallocations"]["poisoned"] == 0
            assert 0 <= told["sweeps"][DEFAULT_SUBSCRIPTION] < 60
            await host.stop()
        age, poisoned = ("stopgap.queue.age", "stopgap.queue.poisoned")
        assert greatest(insights, age, queue="deallocations") >= 3
        assert greatest(insights, age, queue="looks") == 0
        assert greatest(insights, poisoned, queue="looks") == 1
        assert greatest(insights, poisoned, queue="sweeps") == 0


def greatest(insights: Insights, name: str, **attributes: str) -> float:
    """The greatest value of a distribution, where attributes are as given."""
    points = [point for point in insights.metric(name) if point["properties"] == attributes]
    return float(max(point["max"] for point in points))
