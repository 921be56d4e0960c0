"""What is deployed: locked down, with the settings that the app reads, and all in one resource group."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from local.scale.inputs import ENDPOINTS, LOG_ALERTS, METRIC_ALERTS
from shared.adapters.queues import LOOKS
from shared.adapters.tables import TABLE
from shared.domain.policy import Mode
from shared.metrics import METRICS
from shared.settings import STORAGE, VARIABLES, Settings
from tests.infra.conftest import GROUP, HOME, LEAST, MOST, OTHER, main_of
from tests.infra.deployed import TENANT, Deployment, Fault, Made, parameters
from tests.infra.syntax import INFRA
from tests.registered import FUNCTIONS

NOT_SET = {"STOPGAP_PRICES_ENDPOINT"}
"""Azure's price list is one for all clouds and has no other address; only the simulated Azure sets it."""


def settings_of(deployment: Deployment) -> dict[str, str]:
    (found,) = [
        made for made in deployment.of_type("Microsoft.Web/sites/config") if made.name == "appsettings"
    ]
    return dict(found.body["properties"])


def test_all_of_it_is_in_one_resource_group(least: Deployment, most: Deployment) -> None:
    """So that deleting that leaves nothing of it."""
    group = f"/subscriptions/{HOME}/resourceGroups/{GROUP}"
    for made in (*least.resources, *most.resources):
        assert made.id == group or made.id.startswith(f"{group}/providers/"), made.id


def test_no_name_is_used_twice_and_each_is_tagged(all_of_it: list[Deployment]) -> None:
    for deployment in all_of_it:
        ids = [made.id.lower() for made in deployment.resources]
        assert len(ids) == len(set(ids))
        for made in deployment.resources:
            if "tags" in made.body:
                assert made.body["tags"]["azd-env-name"] == "dev"


@pytest.mark.parametrize("parameters", [LEAST, MOST], ids=["least", "most"])
def test_again_is_the_same(parameters: dict[str, Any]) -> None:
    assert main_of(parameters).resources == main_of(parameters).resources


# Storage.


def test_storage_knows_no_keys_and_nothing_in_it_is_public(least: Deployment, most: Deployment) -> None:
    for deployment in (least, most):
        properties = deployment.one("Microsoft.Storage/storageAccounts").body["properties"]
        assert properties["allowSharedKeyAccess"] is False
        assert properties["allowBlobPublicAccess"] is False
        assert properties["minimumTlsVersion"] == "TLS1_2"
        assert properties["supportsHttpsTrafficOnly"] is True
        for container in deployment.of_type("Microsoft.Storage/storageAccounts/blobServices/containers"):
            assert container.body.get("properties", {}).get("publicAccess", "None") == "None"


def test_table_and_queues_are_those_that_the_code_uses(least: Deployment) -> None:
    tables = [made.name for made in least.of_type("Microsoft.Storage/storageAccounts/tableServices/tables")]
    queues = {made.name for made in least.of_type("Microsoft.Storage/storageAccounts/queueServices/queues")}
    triggers = {
        trigger.queue_name
        for function in FUNCTIONS.values()
        if (trigger := function.get_trigger()).type == "queueTrigger"
    }
    assert tables == [TABLE]
    assert LOOKS in triggers
    assert queues == triggers | {f"{name}-poison" for name in triggers}


@pytest.mark.parametrize(("private", "default"), [(False, "Allow"), (True, "Deny")])
def test_private_networking_closes_storage_to_all_but_the_endpoints(private: bool, default: str) -> None:
    deployment = main_of({**LEAST, "privateNetworking": private})
    account = deployment.one("Microsoft.Storage/storageAccounts")
    rules = account.body["properties"]["networkAcls"]
    assert rules == {"bypass": "AzureServices", "defaultAction": default}
    endpoints = deployment.of_type("Microsoft.Network/privateEndpoints")
    connected = {
        group
        for made in endpoints
        for each in made.body["properties"]["privateLinkServiceConnections"]
        for group in each["properties"]["groupIds"]
        if each["properties"]["privateLinkServiceId"] == account.id
    }
    assert connected == ({"blob", "queue", "table"} if private else set())
    site = deployment.one("Microsoft.Web/sites").body["properties"]
    assert bool(site["virtualNetworkSubnetId"]) is private


def test_each_private_endpoint_has_its_name_in_a_zone_of_the_network(most: Deployment) -> None:
    network = most.one("Microsoft.Network/virtualNetworks")
    prefixes = {
        each["name"]: each["properties"]["addressPrefix"] for each in network.body["properties"]["subnets"]
    }
    assert prefixes == {"app": "10.71.0.0/26", "endpoints": "10.71.0.64/26"}
    linked = {
        made.id.rpartition("/virtualNetworkLinks/")[0]
        for made in most.of_type("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
        if made.body["properties"]["virtualNetwork"]["id"] == network.id
    }
    named = {
        each["properties"]["privateDnsZoneId"]
        for made in most.of_type("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
        for each in made.body["properties"]["privateDnsZoneConfigs"]
    }
    assert linked == named == {made.id for made in most.of_type("Microsoft.Network/privateDnsZones")}


# The app.


def test_the_app_runs_python_3_13_by_its_identity(least: Deployment) -> None:
    site = least.one("Microsoft.Web/sites").body
    config = site["properties"]["functionAppConfig"]
    assert config["runtime"] == {
        "name": "python",
        "version": (INFRA.parent / ".python-version").read_text().strip(),
    }
    assert least.one("Microsoft.Web/serverfarms").body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert site["identity"]["type"] == "UserAssigned"
    storage = config["deployment"]["storage"]
    assert storage["authentication"]["type"] == "UserAssignedIdentity"
    assert (
        storage["authentication"]["userAssignedIdentityResourceId"]
        in site["identity"]["userAssignedIdentities"]
    )
    containers = [
        made.name for made in least.of_type("Microsoft.Storage/storageAccounts/blobServices/containers")
    ]
    assert storage["value"].rpartition("/")[2] in containers
    assert site["tags"]["azd-service-name"] == "stopgap"


def test_nobody_publishes_by_a_password(least: Deployment) -> None:
    policies = least.of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {made.name: made.body["properties"]["allow"] for made in policies} == {"ftp": False, "scm": False}
    assert least.one("Microsoft.Web/sites").body["properties"]["httpsOnly"] is True


def test_the_app_can_read_its_settings(least: Deployment, most: Deployment) -> None:
    read = Settings.from_env(settings_of(least))
    assert read.subscriptions == (HOME,)
    assert read.policy.mode is Mode.NOTIFY
    assert read.policy.allow_deallocate is False
    assert read.unknown == ()
    assert read.storage.connection_string is None
    assert read.storage.client_id
    assert read.insights
    everything = Settings.from_env(settings_of(most))
    assert everything.subscriptions == (HOME, OTHER)
    assert everything.policy.mode is Mode.DEALLOCATE
    assert everything.policy.allow_deallocate is True
    assert everything.keep_caller_name is True
    assert everything.webhook_url == MOST["webhookUrl"]
    assert everything.topic_endpoint


def test_the_defaults_of_bicep_are_those_of_the_app(least: Deployment) -> None:
    bare = {name: value for name, value in settings_of(least).items() if not name.startswith("STOPGAP_")}
    given = {
        "STOPGAP_SUBSCRIPTIONS": HOME,
        "STOPGAP_TOPIC_ENDPOINT": settings_of(least)["STOPGAP_TOPIC_ENDPOINT"],
    }
    assert Settings.from_env({**bare, **given}) == Settings.from_env(settings_of(least))


def test_each_setting_that_the_app_reads_is_set(most: Deployment) -> None:
    told = {name for name in settings_of(most) if name.startswith("STOPGAP_")}
    assert told == set(VARIABLES) - NOT_SET


def test_no_setting_is_a_key(least: Deployment) -> None:
    for name, value in settings_of(least).items():
        assert not re.search(r"AccountKey|SharedAccess|(^|[?&])(sig|code)=", value, re.IGNORECASE), name
    assert STORAGE not in settings_of(least)
    assert "FUNCTIONS_WORKER_RUNTIME" not in settings_of(least)


def test_who_calls_over_http_signs_in_where_an_app_is_registered(least: Deployment, most: Deployment) -> None:
    def authentication(deployment: Deployment) -> dict[str, Any]:
        (found,) = [m for m in deployment.of_type("Microsoft.Web/sites/config") if m.name == "authsettingsV2"]
        return dict(found.body["properties"])

    assert authentication(least)["platform"] == {"enabled": False}
    signed = authentication(most)
    assert signed["platform"] == {"enabled": True}
    assert signed["globalValidation"]["requireAuthentication"] is True
    # Event Grid cannot sign in: the host asks it for a key of its own.
    assert signed["globalValidation"]["excludedPaths"] == ["/runtime/webhooks/eventgrid"]
    registration = signed["identityProviders"]["azureActiveDirectory"]["registration"]
    assert registration["clientId"] == MOST["signInClientId"]
    assert registration["openIdIssuer"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    # In the place of a secret stands the name of a setting that holds an identity's client id.
    assert settings_of(most)[registration["clientSecretSettingName"]]
    assert registration["clientSecretSettingName"] not in settings_of(least)


def test_the_identity_that_stands_in_for_a_secret_has_no_role(
    all_of_it: list[Deployment], most: Deployment
) -> None:
    sign_in = most.outputs["STOPGAP_SIGN_IN_PRINCIPAL_ID"]
    assigned = {
        made.body["properties"]["principalId"]
        for deployment in all_of_it
        for made in deployment.of_type("Microsoft.Authorization/roleAssignments")
    }
    assert sign_in not in assigned


# What azd's environment says becomes of it.

ENV = {"AZURE_ENV_NAME": "dev", "AZURE_LOCATION": "westeurope", "AZURE_SUBSCRIPTION_ID": HOME}


def test_an_environment_that_says_no_more_than_it_must_gives_the_defaults(least: Deployment) -> None:
    assert main_of(parameters(ENV)).resources == least.resources


@pytest.mark.parametrize(
    ("variables", "setting", "value"),
    [
        ({"STOPGAP_SUBSCRIPTIONS": f"{HOME},{OTHER}"}, "STOPGAP_SUBSCRIPTIONS", f"{HOME},{OTHER}"),
        ({"STOPGAP_SUBSCRIPTIONS": ""}, "STOPGAP_SUBSCRIPTIONS", HOME),
        ({"STOPGAP_ALLOW_DEALLOCATE": "true"}, "STOPGAP_ALLOW_DEALLOCATE", "true"),
        ({"STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": "3"}, "STOPGAP_MAX_DEALLOCATIONS_PER_HOUR", "3"),
        ({"STOPGAP_GRACE": "6h"}, "STOPGAP_GRACE", "6h"),
    ],
)
def test_what_an_environment_says_gets_to_the_app(
    variables: dict[str, str], setting: str, value: str
) -> None:
    assert settings_of(main_of(parameters(ENV | variables)))[setting] == value


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"STOPGAP_ALLOW_DEALLOCATE": "yes"}, "'yes' is no bool"),
        ({"STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": "many"}, "'many' is no int"),
        ({"STOPGAP_MAX_DEALLOCATIONS_PER_HOUR": "1001"}, "maxDeallocationsPerHour is 1001"),
        ({"STOPGAP_CURRENCY": "euro"}, "currency is 'euro'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(variables: dict[str, str], told: str) -> None:
    with pytest.raises(Fault, match=told):
        main_of(parameters(ENV | variables))


# What watches over it.


def test_logs_and_metrics_are_by_entra_alone(least: Deployment) -> None:
    assert least.one("Microsoft.Insights/components").body["properties"]["DisableLocalAuth"] is True
    assert least.one("Microsoft.OperationalInsights/workspaces").body["properties"]["features"][
        "disableLocalAuth"
    ]
    assert least.one("Microsoft.EventGrid/topics").body["properties"]["disableLocalAuth"] is True
    assert least.one("Microsoft.EventGrid/topics").body["properties"]["inputSchema"] == "CloudEventSchemaV1_0"


def test_alerts_go_to_whom_they_are_to(least: Deployment, most: Deployment, events: Deployment) -> None:
    assert least.one("Microsoft.Insights/actionGroups").body["properties"]["emailReceivers"] == []
    (receiver,) = most.one("Microsoft.Insights/actionGroups").body["properties"]["emailReceivers"]
    assert receiver["emailAddress"] == MOST["alertEmail"]
    group = most.one("Microsoft.Insights/actionGroups").id
    for rule in most.of_type("Microsoft.Insights/scheduledQueryRules"):
        assert rule.body["properties"]["actions"]["actionGroups"] == [group]
    for rule in events.of_type("Microsoft.Insights/metricAlerts"):
        assert rule.body["properties"]["actions"] == [{"actionGroupId": group}]


def test_each_alert_says_what_it_means_and_where_to_read_on(most: Deployment, events: Deployment) -> None:
    page = (INFRA.parent / "docs" / "operations.md").read_text()
    for rule in alerts_of(most, events):
        name = re.search(
            r'What to do: docs/operations\.md, "([\w-]+)"', rule.body["properties"]["description"]
        )
        assert name is not None, rule.name
        assert re.search(rf"(?m)^### {name[1]}$", page), f"docs/operations.md has no section `{name[1]}`"


def test_each_query_of_an_alert_is_of_its_file(most: Deployment) -> None:
    queries = {rule.body["properties"]["criteria"]["allOf"][0]["query"] for rule in alerts_of(most)}
    assert queries == {path.read_text() for path in (INFRA / "alerts").glob("*.kql")}
    assert len(queries) == len(alerts_of(most))


def test_the_workbook_can_be_read(most: Deployment) -> None:
    body = most.one("Microsoft.Insights/workbooks").body["properties"]
    book = json.loads(body["serializedData"])
    assert book["version"] == "Notebook/1.0"
    titles = [item["content"]["title"] for item in book["items"] if item["type"] == 3]
    assert len(titles) == len(set(titles)) >= 10


def test_the_workbook_asks_for_what_is_measured() -> None:
    book = json.loads((INFRA / "workbook.json").read_text())
    queries = [item["content"]["query"] for item in book["items"] if item["type"] == 3]
    known = {metric.name: set(metric.attributes) for metric in METRICS}
    for query in queries:
        if not query.startswith("AppMetrics"):
            continue
        (name,) = re.findall(r'Name == "(stopgap[\w.]+)"', query)
        assert set(re.findall(r"Properties\.(\w+)", query)) <= known[name], name


def test_what_is_no_choice_is_refused() -> None:
    with pytest.raises(Fault, match="mode is 'stop'"):
        main_of({**LEAST, "mode": "stop"})
    with pytest.raises(Fault, match="subscriptions is \\[\\]"):
        main_of({**LEAST, "subscriptions": []})


def alerts_of(*deployments: Deployment) -> Sequence[Made]:
    kinds = ("Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts")
    return [made for each in deployments for kind in kinds for made in each.of_type(kind)]


def test_the_costs_that_are_reckoned_are_of_what_is_deployed(most: Deployment, events: Deployment) -> None:
    rules = [
        made for made in events.of_type("Microsoft.Insights/metricAlerts") if made.scope.subscription == HOME
    ]
    assert len(rules) == METRIC_ALERTS
    assert len(most.of_type("Microsoft.Insights/scheduledQueryRules")) == LOG_ALERTS
    assert len(most.of_type("Microsoft.Network/privateEndpoints")) == ENDPOINTS
