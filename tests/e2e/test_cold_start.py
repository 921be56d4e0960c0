"""What a new instance imports until it has handled its first event: the SDKs are most of a cold start."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.parts import ROOT, plain_environment
from shared.adapters.tables import TableLedger, open_ledger
from shared.domain.ids import parse_vm_id
from shared.domain.states import PowerState
from tests.contracts.conftest import NOBODY

LATE = {
    "azure.data.tables",
    "azure.eventgrid",
    "azure.identity",
    "azure.mgmt.compute",
    "azure.monitor.opentelemetry.exporter",
    "azure.storage.queue",
    "jinja2",
    "msal",
    "msrest",
    "opentelemetry.sdk",
    "requests",
}
"""What an event that comes to nothing special needs none of."""


@pytest.fixture
async def ledger(azurite: Azurite) -> AsyncIterator[TableLedger]:
    """Its table is there, as in any installation but a new one."""
    ledger = open_ledger(azurite.connection_string, None, NOBODY)
    await ledger.check()
    yield ledger
    await ledger.close()


@pytest.mark.parametrize("topic", [False, True])
async def test_an_event_needs_no_sdk(azurite: Azurite, ledger: TableLedger, *, topic: bool) -> None:
    async with SimulatedAzure(subscriptions=(DEFAULT_SUBSCRIPTION,)) as azure:
        vm_id = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-shop", f"cold-{topic}".lower(), state="stopped")
        event = {
            "id": "1",
            "eventType": "Microsoft.Resources.ResourceActionSuccess",
            "subject": vm_id,
            "eventTime": "2026-11-21T12:00:00Z",
            "topic": f"/subscriptions/{DEFAULT_SUBSCRIPTION}",
            "dataVersion": "2",
            "data": {
                "resourceUri": vm_id,
                "operationName": "Microsoft.Compute/virtualMachines/powerOff/action",
                "status": "Succeeded",
            },
        }
        settings = {
            "AzureWebJobsStorage": azurite.connection_string,
            "STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION,
            "STOPGAP_ARM_ENDPOINT": azure.url,
            "STOPGAP_PRICES_ENDPOINT": azure.url,
            **({"STOPGAP_TOPIC_ENDPOINT": azure.topic_url()} if topic else {}),
        }
        imported = await told_by(json.dumps(event), settings)

    assert {"shared.adapters.tables", "shared.adapters.queues", "shared.adapters.compute"} <= imported
    assert imported & LATE == set()
    vm = parse_vm_id(vm_id)
    assert vm
    stored = await ledger.latest(vm)
    assert stored, "it was handled"
    assert stored.record.power_state is PowerState.STOPPED


async def told_by(event: str, settings: dict[str, str]) -> set[str]:
    """What a process of its own imports for an event."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.imported",
        event,
        cwd=ROOT,
        env={**plain_environment(), **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return set(json.loads(output.splitlines()[-1]))
