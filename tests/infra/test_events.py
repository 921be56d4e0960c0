"""What Event Grid is asked to deliver: all that the app heeds, by what doctor looks for, and little else."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from local.deploy.stacks import Watched, events_parameters
from local.doctor.delivery import judged, judged_for_probes
from local.doctor.filters import Sample, lets_through
from local.doctor.findings import Verdict
from local.doctor.needs import KINDS
from shared.domain.probes import read_probe
from shared.domain.signals import ANNOTATIONS, OPERATIONS, Event
from tests.infra.conftest import FOUND, HOME, OTHER, env_after
from tests.infra.deployed import Deployment, Fault, Made, Scope, deploy

RESOURCES, HEALTH = (kind.type for kind in KINDS)
TOPIC = "Microsoft.EventGrid/systemTopics"
SUBSCRIPTION = f"{TOPIC}/eventSubscriptions"


def rows(
    events: Deployment, subscription: str, kind: str
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The topics of a kind with their event subscriptions, as ARM would show them."""
    found = [
        made.id
        for made in events.of_type(TOPIC)
        if made.body["properties"] == {"source": f"/subscriptions/{subscription}", "topicType": kind}
    ]
    if subscription == OTHER and kind == RESOURCES:
        found.append(FOUND)
    return [
        (
            {"id": topic, "name": topic.rpartition("/")[2], "properties": {}},
            [
                {
                    "id": made.id,
                    "name": made.name,
                    "properties": {**made.body["properties"], "provisioningState": "Succeeded"},
                }
                for made in events.of_type(SUBSCRIPTION)
                if made.id.startswith(f"{topic}/eventSubscriptions/")
            ],
        )
        for topic in found
    ]


@pytest.mark.parametrize("subscription", [HOME, OTHER])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_doctor_finds_nothing_wrong_with_it(events: Deployment, subscription: str, kind: Any) -> None:  # noqa: ANN401
    topics = rows(events, subscription, kind.type)
    assert len(topics) == 1
    findings = judged(kind, topics, subscription)
    assert {finding.verdict for finding in findings} == {Verdict.OK}, findings


def filters(events: Deployment, kind: str, name: str = "stopgap-dev") -> dict[str, Any]:
    ((_, under),) = rows(events, HOME, kind)
    (found,) = [each for each in under if each["name"] == name]
    return dict(found["properties"]["filter"])


def told(operation: str, *, kind: str = "ResourceActionSuccess", subject: str = "/any") -> Sample:
    """A resource event of an operation."""
    event_type = f"Microsoft.Resources.{kind}"
    fields = {"subject": subject.lower(), "data.operationname": operation.lower()}
    return Sample(event_type, fields, frozenset({"operationname"}))


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize(
    "resource",
    ["virtualMachines", "virtualMachineScaleSets/virtualMachines", "virtualMachineScaleSets"],
)
def test_each_operation_that_the_app_knows_is_let_through(
    events: Deployment, operation: str, resource: str
) -> None:
    condition = filters(events, RESOURCES)
    for outcome in ("Success", "Failure", "Cancel"):
        for kind in ("Action", "Write", "Delete"):
            sample = told(f"Microsoft.Compute/{resource}/{operation}", kind=f"Resource{kind}{outcome}")
            assert lets_through(condition, sample) is True


@pytest.mark.parametrize(
    "operation",
    [
        "Microsoft.Compute/virtualMachines/extensions/write",
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/extensions/write",
        "Microsoft.Compute/virtualMachines/runCommand/action",
        "Microsoft.Compute/virtualMachines/runCommands/write",
        "Microsoft.Compute/disks/write",
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Resources/deployments/write",
    ],
)
def test_what_changes_no_power_state_does_not_wake_the_app(events: Deployment, operation: str) -> None:
    for kind in ("ResourceWriteSuccess", "ResourceActionSuccess"):
        assert lets_through(filters(events, RESOURCES), told(operation, kind=kind)) is False


@pytest.mark.parametrize("annotation", sorted(ANNOTATIONS))
def test_each_annotation_of_a_vm_is_let_through(events: Deployment, annotation: str) -> None:
    for resource_type, expected in (
        ("microsoft.compute/virtualmachines", True),
        ("microsoft.compute/virtualmachinescalesets/virtualmachines", True),
        ("microsoft.web/sites", False),
    ):
        fields = {
            "subject": "/any",
            "data.resourceinfo.properties.annotationname": annotation,
            "data.resourceinfo.properties.targetresourcetype": resource_type,
        }
        sample = Sample(
            f"{HEALTH.replace('.HealthResources', '')}.HealthResources.ResourceAnnotated",
            fields,
            frozenset({"resourceinfo"}),
        )
        assert lets_through(filters(events, HEALTH), sample) is expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (f"/subscriptions/{HOME}/providers/Microsoft.Resources/deployments/stopgap-probe-0a1b", True),
        (f"/subscriptions/{HOME}/deployments/stopgap-probe-0a1b", True),
        (f"/subscriptions/{HOME}/providers/Microsoft.Resources/deployments/stopgap-access", False),
        (f"/subscriptions/{OTHER}/providers/Microsoft.Resources/deployments/stopgap-probe-0a1b", False),
    ],
)
def test_a_probe_is_let_through_and_known_and_no_other_deployment(
    events: Deployment, subject: str, expected: bool
) -> None:
    condition = filters(events, RESOURCES, "stopgap-probe-dev")
    sample = told("Microsoft.Resources/deployments/write", kind="ResourceWriteSuccess", subject=subject)
    assert lets_through(condition, sample) is expected
    probe = read_probe(Event(sample.type, subject, datetime(2026, 11, 21, tzinfo=UTC), {}))
    assert (probe is not None and probe.subscription == HOME) is expected
    vm = told("Microsoft.Compute/virtualMachines/write", kind="ResourceWriteSuccess", subject=subject)
    assert lets_through(condition, vm) is False


@pytest.mark.parametrize("subscription", [HOME, OTHER])
def test_doctor_finds_the_way_of_its_probes(events: Deployment, subscription: str) -> None:
    (finding,) = judged_for_probes(rows(events, subscription, RESOURCES), subscription, None)
    assert finding.verdict is Verdict.OK
    assert "by stopgap-probe-dev" in finding.fact


def test_filters_are_within_the_limits(events: Deployment) -> None:
    """25 advanced filters and 25 values of all of them, of 512 characters each."""
    for made in events.of_type(SUBSCRIPTION):
        advanced = made.body["properties"]["filter"]["advancedFilters"]
        values = [value for each in advanced for value in each["values"]]
        assert len(advanced) <= 25
        assert len(values) <= 25
        assert all(len(value) <= 512 for value in values)


def test_what_is_not_taken_is_tried_for_a_day_and_then_kept(events: Deployment) -> None:
    for made in events.of_type(SUBSCRIPTION):
        properties = made.body["properties"]
        assert properties["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
        kept = properties["deadLetterWithResourceIdentity"]
        assert kept["identity"] == {"type": "SystemAssigned"}
        assert kept["deadLetterDestination"]["properties"]["blobContainerName"] == "dead-letters"


def test_each_topic_may_write_into_the_container_of_dead_letters_and_nowhere_else(events: Deployment) -> None:
    assigned = events.of_type("Microsoft.Authorization/roleAssignments")
    assert (
        len({made.body["properties"]["principalId"] for made in assigned}) == 4
    )  # two topics of each subscription
    for made in assigned:
        assert "/blobServices/default/containers/dead-letters/providers/" in made.id


def test_a_topic_that_is_there_is_used_and_left_as_it_is(events: Deployment) -> None:
    made = {each.id for each in events.of_type(TOPIC)}
    assert FOUND not in made
    assert len(made) == 3  # of HOME both, of OTHER the one of health events
    under_found = [each.name for each in events.of_type(SUBSCRIPTION) if each.id.startswith(f"{FOUND}/")]
    assert sorted(under_found) == ["stopgap-dev", "stopgap-probe-dev"]


def test_alerts_are_of_our_event_subscriptions_alone(events: Deployment) -> None:
    """A topic that others use too tells of theirs as well."""
    for made in events.of_type("Microsoft.Insights/metricAlerts"):
        (criterion,) = made.body["properties"]["criteria"]["allOf"]
        (dimension,) = criterion["dimensions"]
        assert dimension["name"] == "EventSubscriptionName"
        (topic,) = made.body["properties"]["scopes"]
        names = {each.name for each in events.of_type(SUBSCRIPTION) if each.id.startswith(f"{topic}/")}
        assert set(dimension["values"]) == names


def test_everything_is_in_groups_of_stopgaps_own_or_beside_a_topic_that_was_found(events: Deployment) -> None:
    own = re.compile(rf"/subscriptions/({HOME}|{OTHER})/resourceGroups/rg-stopgap-dev-events(/.*)?")

    def expected(made: Made) -> bool:
        beside = made.id.startswith(f"{FOUND}/") or (
            made.type == "Microsoft.Insights/metricAlerts" and made.body["properties"]["scopes"] == [FOUND]
        )
        return bool(own.fullmatch(made.id)) or beside or "/containers/dead-letters/" in made.id

    assert [made.id for made in events.resources if not expected(made)] == []


def test_no_group_is_made_where_none_is_needed(most: Deployment) -> None:
    both = Watched(
        HOME, resources_topic=FOUND.replace(OTHER, HOME), health_topic=FOUND.replace(OTHER, HOME) + "-h"
    )
    found = deploy("events.bicep", Scope(HOME), events_parameters(env_after(most), [both]))
    assert not found.of_type("Microsoft.Resources/resourceGroups")
    assert not found.of_type(TOPIC)


def test_it_is_for_a_subscription(most: Deployment) -> None:
    with pytest.raises(Fault, match="is for a subscription"):
        deploy("events.bicep", Scope(HOME, "rg"), events_parameters(env_after(most), []))
