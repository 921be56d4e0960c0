"""Every property that is deployed is one that Azure has, by the models of its own SDKs."""

import pytest

from tests.infra.deployed import Deployment
from tests.infra.shapes import LIKE_ANYTHING, MODELS, unknown


def test_each_resource_is_as_its_model_has_it(all_of_it: list[Deployment]) -> None:
    found = {
        f"{made.file}, {made.type} {made.name}: {fault}"
        for deployment in all_of_it
        for made in deployment.resources
        if made.type != LIKE_ANYTHING
        for fault in unknown(made.type, made.name, made.body)
    }
    assert not found, "\n".join(sorted(found))


def test_each_model_is_of_something_that_is_deployed(all_of_it: list[Deployment]) -> None:
    types = {
        f"{made.type}/{made.name}" if made.type == "Microsoft.Web/sites/config" else made.type
        for deployment in all_of_it
        for made in deployment.resources
    }
    assert types - {LIKE_ANYTHING} == set(MODELS)


@pytest.mark.parametrize(
    ("resource_type", "body", "told"),
    [
        ("Microsoft.EventGrid/systemTopics", {"properties": {"topicKind": "x"}}, "properties.topicKind"),
        (
            "Microsoft.Storage/storageAccounts",
            {"properties": {"allowSharedKeys": False}},
            "properties.allowSharedKeys",
        ),
        ("Microsoft.Storage/storageAccounts", {"properties": {"minimumTlsVersion": "TLS9"}}, "TLS9"),
        (
            "Microsoft.EventGrid/systemTopics/eventSubscriptions",
            {
                "properties": {
                    "destination": {"endpointType": "AzureFunction", "properties": {"functionId": "x"}}
                }
            },
            "destination.properties.functionId",
        ),
        (
            "Microsoft.Web/sites",
            {"properties": {"functionAppConfig": {"runtime": {"nam": "x"}}}},
            "runtime.nam",
        ),
        ("Microsoft.Insights/metricAlerts", {"properties": {"criteria": {"allOff": []}}}, "criteria.allOff"),
    ],
)
def test_a_slip_of_the_pen_is_told(resource_type: str, body: dict[str, object], told: str) -> None:
    (fault,) = unknown(resource_type, "any", body)
    assert told in fault
