"""Deployments that deploy nothing: their records, their events, and what is refused."""

from typing import Any

import aiohttp
import pytest

from local.azure.permissions import WATCH
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION as SUB
from tests.local.azure.receiver import Receiver

WRITE, DELETE = (f"Microsoft.Resources.Resource{kind}Success" for kind in ("Write", "Delete"))
PATH = f"/subscriptions/{SUB}/providers/Microsoft.Resources/deployments"
TEMPLATE = {
    "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [],
}
BODY: dict[str, Any] = {
    "location": "westeurope",
    "properties": {"mode": "Incremental", "template": TEMPLATE},
}


class Arm:
    """Asks ARM, and keeps what it answered last."""

    def __init__(self, azure: SimulatedAzure, http: aiohttp.ClientSession) -> None:
        self.azure, self.http = azure, http
        self.headers: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        url = path if path.startswith("http:") else f"{self.azure.url}{path}?api-version=2022-09-01"
        async with self.http.request(method, url, json=body) as answer:
            self.headers = dict(answer.headers)
            return answer.status, await answer.json(content_type=None) if await answer.read() else None


@pytest.fixture
def arm(azure: SimulatedAzure, http: aiohttp.ClientSession) -> Arm:
    return Arm(azure, http)


async def test_from_its_write_to_its_removal(arm: Arm) -> None:
    status, accepted = await arm.ask("PUT", f"{PATH}/probe-1", BODY)
    assert (status, accepted["properties"]["provisioningState"]) == (201, "Accepted")
    assert (accepted["id"], accepted["type"]) == (f"{PATH}/probe-1", "Microsoft.Resources/deployments")
    status, shown = await arm.ask("GET", f"{PATH.upper()}/PROBE-1")
    assert (status, shown["properties"]["provisioningState"]) == (200, "Succeeded")
    assert (await arm.ask("PUT", f"{PATH}/probe-1", BODY))[0] == 200, "it is there already"

    assert await arm.ask("DELETE", f"{PATH}/probe-1") == (202, None)
    assert await arm.ask("GET", arm.headers["Location"]) == (204, None)
    status, refused = await arm.ask("GET", f"{PATH}/probe-1")
    assert (status, refused["error"]["code"]) == (404, "DeploymentNotFound")
    assert await arm.ask("DELETE", f"{PATH}/probe-1") == (204, None)
    assert (await arm.ask("GET", f"/subscriptions/{SUB}/operationresults/never"))[0] == 404


async def test_write_and_removal_make_events_of_the_subscription(arm: Arm, receiver: Receiver) -> None:
    await arm.azure.subscribe(receiver.url)
    await arm.ask("PUT", f"{PATH}/probe-1", BODY)
    await arm.ask("DELETE", f"{PATH}/probe-1")
    await arm.azure.settle()

    written, removed = sorted(receiver.events, key=lambda event: str(event["eventType"]), reverse=True)
    assert (written["eventType"], removed["eventType"]) == (WRITE, DELETE)
    assert {event["subject"] for event in receiver.events} == {f"{PATH}/probe-1"}
    assert {event["topic"] for event in receiver.events} == {f"/subscriptions/{SUB}"}
    data = written["data"]
    assert (data["operationName"], data["resourceProvider"], data["status"]) == (
        "Microsoft.Resources/deployments/write",
        "Microsoft.Resources",
        "Succeeded",
    )
    assert data["authorization"]["action"] == data["operationName"]
    assert "httpRequest" not in data, "documented of what is updated or deleted only"
    assert removed["data"]["httpRequest"]["method"] == "DELETE"


async def test_an_event_subscription_may_want_subjects_that_begin_so(arm: Arm, receiver: Receiver) -> None:
    await arm.azure.subscribe(receiver.url, event_types=[WRITE], subject_begins_with=f"{PATH}/Stopgap-Probe-")
    for name in ("stopgap-probe-1", "create-vm"):
        await arm.ask("PUT", f"{PATH}/{name}", BODY)
    await arm.ask("DELETE", f"{PATH}/stopgap-probe-1")
    await arm.azure.settle()

    assert [event["subject"] for event in receiver.events] == [f"{PATH}/stopgap-probe-1"]
    _, topics = await arm.ask("GET", f"/subscriptions/{SUB}/providers/Microsoft.EventGrid/systemTopics")
    _, under = await arm.ask("GET", f"{topics['value'][0]['id']}/eventSubscriptions")
    assert under["value"][0]["properties"]["filter"]["subjectBeginsWith"] == f"{PATH}/Stopgap-Probe-"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"location": None}, "LocationRequired"),
        ({"properties": None}, "InvalidRequestContent"),
        ({"properties": {"mode": "Quickly", "template": TEMPLATE}}, "InvalidRequestContent"),
        ({"properties": {"mode": "Incremental", "template": {"resources": []}}}, "InvalidTemplate"),
        (
            {"properties": {"mode": "Incremental", "template": TEMPLATE | {"resources": [{"type": "x"}]}}},
            "InvalidTemplate",
        ),
    ],
)
async def test_what_is_no_deployment_or_deploys_something_is_refused(
    arm: Arm, changes: dict[str, Any], code: str
) -> None:
    status, refused = await arm.ask("PUT", f"{PATH}/probe-1", BODY | changes)
    assert (status, refused["error"]["code"]) == (400, code)
    assert (await arm.ask("GET", f"{PATH}/probe-1"))[0] == 404
    status, refused = await arm.ask("PUT", f"{PATH}/{'x' * 65}", BODY)
    assert (status, refused["error"]["code"]) == (400, "InvalidDeploymentName")


async def test_each_takes_its_permission_and_says_who_asked(arm: Arm) -> None:
    arm.azure.permit((*WATCH, "*/read"))
    for method, action in (("PUT", "write"), ("DELETE", "delete")):
        status, refused = await arm.ask(method, f"{PATH}/probe-1", BODY)
        assert status == 403
        assert f"'Microsoft.Resources/deployments/{action}'" in refused["error"]["message"]
    assert [request.operation for request in arm.azure.requests] == ["deployment.put", "deployment.delete"]
    assert {request.agent.partition("/")[0] for request in arm.azure.requests} == {"Python"}


async def test_a_reset_leaves_none(arm: Arm) -> None:
    await arm.ask("PUT", f"{PATH}/probe-1", BODY)
    await arm.azure.reset()
    assert (await arm.ask("GET", f"{PATH}/probe-1"))[0] == 404
