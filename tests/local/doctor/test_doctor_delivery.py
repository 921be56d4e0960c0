from copy import deepcopy
from typing import Any

import pytest

from local.azure.delivery import DeliverySettings
from local.azure.faults import Fault
from local.azure.permissions import WATCH
from local.azure.server import SimulatedAzure
from local.azure.system_topics import EVENT_TYPES
from local.doctor.delivery import judged, leads_to_us
from local.doctor.filters import lets_through
from local.doctor.findings import Finding, Verdict
from local.doctor.needs import KINDS
from shared.domain.signals import ANNOTATIONS, OPERATIONS
from tests.contracts.canned import Canned, said
from tests.local.azure.receiver import Receiver
from tests.local.doctor.conftest import SUB, Environment, Examine, told

RESOURCES, HEALTH = KINDS
GROUP = f"/subscriptions/{SUB}/resourceGroups/rg-events"
TOPIC = {"id": f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/vms", "name": "vms", "properties": {}}
SITE = f"{GROUP}/providers/Microsoft.Web/sites/stopgap"
ROW: dict[str, Any] = {
    "id": f"{TOPIC['id']}/eventSubscriptions/stopgap",
    "name": "stopgap",
    "properties": {
        "provisioningState": "Succeeded",
        "destination": {
            "endpointType": "AzureFunction",
            "properties": {"resourceId": f"{SITE}/functions/vm_event"},
        },
        "filter": {"includedEventTypes": ["All"]},
        "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
        "deadLetterDestination": {"endpointType": "StorageBlob"},
    },
}
"""An event subscription that is as it should be."""

OF_VMS = "by stopgap of microsoft-resources-subscriptions: power off, deallocate, start, delete, write"
OF_HEALTH = "by stopgap of microsoft-resourcenotifications-healthresources: shut down inside the guest"
WELL = [("ok", f"events reach the app, {which}") for which in (OF_VMS, OF_HEALTH)]


def row(**properties: object) -> dict[str, Any]:
    changed = deepcopy(ROW)
    changed["properties"] |= properties
    return changed


def of(*rows: dict[str, Any]) -> list[Finding]:
    """What is said of a topic for resource events with these event subscriptions."""
    return judged(RESOURCES, [(TOPIC, rows)], SUB)


def operations(*values: str, operator: str = "StringIn") -> dict[str, Any]:
    one = {"operatorType": operator, "key": "data.operationName", "values": list(values)}
    return {"includedEventTypes": ["All"], "advancedFilters": [one]}


VM = "Microsoft.Compute/virtualMachines"
INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
VERBS = ("powerOff/action", "deallocate/action", "start/action", "delete", "write")


class TestJudged:
    def test_well(self) -> None:
        assert [finding.verdict.value for finding in of(row())] == ["ok"]

    def test_no_topic(self) -> None:
        (finding,) = judged(HEALTH, [], SUB)
        assert told([finding]) == [("wrong", f"there is no system topic of {HEALTH.type}")]
        assert finding.mend
        assert finding.mend.startswith(f"az eventgrid system-topic create --subscription {SUB} ")
        assert finding.mend.endswith(
            f"--source /subscriptions/{SUB} --topic-type {HEALTH.type} --location global"
        )

    def test_nothing_leads_to_the_function(self) -> None:
        (bare,) = of()
        assert told([bare]) == [("wrong", "no event subscription of topic vms leads to function vm_event")]
        (finding,) = of(row(destination={"endpointType": "StorageQueue", "properties": {"queueName": "q"}}))
        assert finding.fact.endswith("(stopgap leads to a StorageQueue)")
        assert finding.mend
        assert "--resource-group rg-events --system-topic-name vms --name stopgap" in finding.mend
        assert "--endpoint-type azurefunction" in finding.mend

    @pytest.mark.parametrize(
        ("destination", "ours"),
        [
            (
                {"endpointType": "azurefunction", "properties": {"resourceId": f"{SITE}/functions/VM_EVENT"}},
                True,
            ),
            (
                {"endpointType": "AzureFunction", "properties": {"resourceId": f"{SITE}/functions/other"}},
                False,
            ),
            (
                {
                    "endpointType": "WebHook",
                    "properties": {
                        "endpointUrl": None,
                        "endpointBaseUrl": "https://stopgap.azurewebsites.net/runtime/webhooks/EventGrid",
                    },
                },
                True,
            ),
            (
                {"endpointType": "WebHook", "properties": {"endpointBaseUrl": "https://example.com/hook"}},
                False,
            ),
            ({"endpointType": "WebHook", "properties": None}, False),
            ({"endpointType": "EventHub"}, False),
            (None, False),
        ],
    )
    def test_which_lead_to_us(self, destination: object, *, ours: bool) -> None:
        assert leads_to_us(row(destination=destination)) is ours
        by_identity = row(destination=None, deliveryWithResourceIdentity={"destination": destination})
        assert leads_to_us(by_identity) is ours

    def test_what_is_kept_back_is_wrong_of_vms_and_a_warning_of_scale_sets(self) -> None:
        kept = ("power off", "deallocate", "delete", "write")
        (vms, sets) = of(row(filter=operations(f"{VM}/write", f"{INSTANCE}/start/action")))
        assert told([vms, sets]) == [
            ("wrong", "no events reach the app of: power off, deallocate, start, delete"),
            (
                "warning",
                f"no events reach the app of: {', '.join(f'{name} in scale sets' for name in kept)}",
            ),
        ]
        assert vms.mend
        assert "event-subscription update" in vms.mend
        assert '--subject-begins-with "" --subject-ends-with ""' in vms.mend
        assert vms.mend.endswith(
            "Microsoft.Compute/virtualMachines/ Microsoft.Compute/virtualMachineScaleSets/"
        )

    def test_what_cannot_be_told_is_a_warning(self) -> None:
        (finding,) = of(row(filter={"subjectBeginsWith": f"/subscriptions/{SUB}/resourceGroups/rg-shop/"}))
        assert finding.verdict is Verdict.WARNING
        assert finding.fact.startswith("a filter may keep back some events of: power off, deallocate, ")

    def test_several_may_let_through_what_one_does_not(self) -> None:
        vms = row(filter=operations(*(f"{VM}/{verb}" for verb in VERBS)))
        sets = row(filter=operations(*(f"{INSTANCE}/{verb}" for verb in VERBS)))
        assert [finding.verdict.value for finding in of(vms, sets)] == ["ok"]
        assert [finding.verdict.value for finding in of(vms)] == ["warning"]

    def test_what_leads_elsewhere_does_not_count(self) -> None:
        elsewhere = row(
            destination={"endpointType": "WebHook", "properties": {"endpointBaseUrl": "https://x/y"}}
        )
        found = of(elsewhere, row(filter=operations(f"{VM}/write")))
        assert found[0].fact.startswith("no events reach the app of: power off")

    @pytest.mark.parametrize(
        ("state", "verdict"),
        [("Failed", "wrong"), ("Canceled", "wrong"), (None, "wrong"), ("Updating", "warning")],
    )
    def test_one_that_has_not_succeeded(self, state: str | None, verdict: str) -> None:
        _, finding = of(row(provisioningState=state))
        assert told([finding]) == [(verdict, f"event subscription stopgap is {state}")]
        assert finding.mend

    def test_dead_letters_are_kept_by_either_way(self) -> None:
        assert len(of(row(deadLetterDestination=None, deadLetterWithResourceIdentity={"x": 1}))) == 1
        _, finding = of(row(deadLetterDestination=None))
        assert finding.verdict is Verdict.WARNING
        assert finding.fact.startswith("event subscription stopgap has no dead-letter destination")
        assert f"az rest --method patch --url '{ROW['id']}?api-version=" in (finding.mend or "")

    @pytest.mark.parametrize(
        ("attempts", "minutes", "enough"),
        [(8, 60, True), (7, 1440, False), (30, 59, False), (None, None, True)],
    )
    def test_retries_outlast_an_hour(
        self, attempts: int | None, minutes: int | None, *, enough: bool
    ) -> None:
        policy = {"maxDeliveryAttempts": attempts, "eventTimeToLiveInMinutes": minutes}
        found = of(row(retryPolicy=policy))
        assert len(found) == (1 if enough else 2)
        if not enough:
            assert found[1].verdict is Verdict.WARNING
            assert f"gives up after {attempts} attempts or {minutes} min" in found[1].fact

    def test_what_is_needed_is_known_to_the_app(self) -> None:
        for need in (*RESOURCES.vital, *RESOURCES.others):
            assert need.data["operationName"].lower().removeprefix(f"{need.resource.lower()}/") in OPERATIONS
            assert need.type in EVENT_TYPES[RESOURCES.type]
        (need,) = HEALTH.vital
        assert need.data["resourceInfo.properties.annotationName"].lower() in ANNOTATIONS
        assert need.type in EVENT_TYPES[HEALTH.type]

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
    def test_what_it_says_to_make_lets_all_through(self, kind: Any) -> None:  # noqa: ANN401 - of the table
        types, _, rest = kind.wanted.removeprefix("--included-event-types ").partition(" --advanced-filter ")
        key, operator, *values = rest.split()
        advanced = [{"operatorType": operator, "key": key, "values": values}]
        condition = {"includedEventTypes": types.split(), "advancedFilters": advanced}
        for need in (*kind.vital, *kind.others):
            assert lets_through(condition, need.sample(SUB)) is True


class TestLooks:
    async def test_well(self, look: Examine, azure: SimulatedAzure, receiver: Receiver) -> None:
        await azure.subscribe(receiver.url)
        assert told(await look("events")) == WELL

    async def test_well_as_a_function(self, look: Examine, azure: SimulatedAzure, receiver: Receiver) -> None:
        await azure.subscribe(receiver.url, function_id=f"{SITE}/functions/vm_event")
        assert told(await look("events")) == WELL

    async def test_no_topics(self, look: Examine) -> None:
        assert told(await look("events")) == [
            ("wrong", f"there is no system topic of {kind.type}") for kind in KINDS
        ]

    async def test_one_kind_of_topic(self, look: Examine, azure: SimulatedAzure, receiver: Receiver) -> None:
        await azure.subscribe(receiver.url, event_types=EVENT_TYPES[RESOURCES.type])
        assert told(await look("events")) == [
            WELL[0],
            ("wrong", f"there is no system topic of {HEALTH.type}"),
        ]

    async def test_a_webhook_of_somebody_else(
        self, look: Examine, azure: SimulatedAzure, receiver: Receiver
    ) -> None:
        await azure.subscribe(receiver.url.replace("/runtime/webhooks/eventgrid", "/elsewhere"), name="audit")
        found = await look("events")
        assert [finding.verdict.value for finding in found] == ["wrong", "wrong"]
        assert found[0].fact.endswith("(audit leads to a WebHook)")

    async def test_a_filter_that_is_too_narrow(
        self, look: Examine, azure: SimulatedAzure, receiver: Receiver
    ) -> None:
        (only,) = operations("microsoft.compute/virtualMachines/POWEROFF/action")["advancedFilters"]
        await azure.subscribe(receiver.url, advanced_filters=[only])
        found = await look("events")
        assert found[0].fact == "no events reach the app of: deallocate, start, delete, write"
        assert found[2].verdict is Verdict.WRONG
        assert found[2].fact == "no events reach the app of: shut down inside the guest"

    async def test_retries_and_dead_letters(self, look: Examine, receiver: Receiver) -> None:
        async with SimulatedAzure(delivery=DeliverySettings(max_attempts=3)) as hasty:
            await hasty.subscribe(receiver.url, dead_letters=False)
            found = await look("events", STOPGAP_ARM_ENDPOINT=hasty.url)
        warnings = [finding.fact for finding in found if finding.verdict is Verdict.WARNING]
        assert len(warnings) == 4
        assert "gives up after 3 attempts" in warnings[1]

    async def test_who_may_not_read_it_is_told_which_role_can(
        self, look: Examine, azure: SimulatedAzure, receiver: Receiver
    ) -> None:
        await azure.subscribe(receiver.url)
        for actions in (WATCH, (*WATCH, "Microsoft.EventGrid/systemTopics/read")):
            azure.permit(actions)
            (finding,) = await look("events")
            assert finding.blind
            assert "HTTP 403 AuthorizationFailed" in finding.fact
            assert f"--role Reader --scope /subscriptions/{SUB}" in (finding.mend or "")

    async def test_arm_that_fails(self, look: Examine, azure: SimulatedAzure) -> None:
        azure.inject(Fault(kind="503", times=3, path=".*/systemTopics"))
        (finding,) = await look("events")
        assert finding.verdict is Verdict.WRONG
        assert "HTTP 503" in finding.fact

    @pytest.mark.parametrize(
        "body",
        [
            '{"value": [{}]}',
            '{"value": [{"id": 1, "name": "x", "properties": {}}]}',
            '{"value": [{"id": "x", "name": "x", "properties": []}]}',
        ],
    )
    async def test_answers_of_another_shape(
        self, look: Examine, environment: Environment, service: Canned, body: str
    ) -> None:
        environment["STOPGAP_ARM_ENDPOINT"] = service.url
        service.answer(said(200, body))
        (finding,) = await look("events")
        assert finding.verdict is Verdict.WRONG
        assert "expected id, name and properties of a resource" in finding.fact
