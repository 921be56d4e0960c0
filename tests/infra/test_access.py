"""What is granted, to whom and where: the roles of roles.json, and nothing else outside the resource group."""

import json
from typing import Any

import pytest

from local.azure.permissions import ROLES
from local.deploy.environment import Environment
from local.deploy.stacks import access_group_parameters, access_parameters
from tests.infra.conftest import GROUP, HOME, MOST, OTHER, env_after
from tests.infra.deployed import Deployment, Made, Scope, deploy
from tests.infra.syntax import INFRA

DEFINITION, ASSIGNMENT = "Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/roleAssignments"
BUILTIN: dict[str, str] = json.loads((INFRA / "builtin-roles.json").read_text())


def definitions(deployment: Deployment, scope: str) -> dict[str, dict[str, Any]]:
    """The roles that can be assigned at a scope, by the beginning of their name."""
    return {
        made.body["properties"]["roleName"].partition(" (")[0]: made.body["properties"]
        for made in deployment.of_type(DEFINITION)
        if made.body["properties"]["assignableScopes"] == [scope]
    }


@pytest.mark.parametrize("subscription", [HOME, OTHER])
def test_each_watched_subscription_has_the_roles_of_the_table(access: Deployment, subscription: str) -> None:
    found = definitions(access, f"/subscriptions/{subscription}")
    assert found.keys() == {ROLES["watch"]["name"], ROLES["deallocate"]["name"]}
    for role in ("watch", "deallocate"):
        assert found[ROLES[role]["name"]]["permissions"] == [{"actions": ROLES[role]["actions"]}]


def test_a_management_group_has_the_same(access_group: Deployment) -> None:
    found = definitions(access_group, "/providers/Microsoft.Management/managementGroups/mg-all")
    assert found.keys() == {ROLES["watch"]["name"], ROLES["deallocate"]["name"]}
    assert {made.scope for made in access_group.resources} == {Scope(management_group="mg-all")}


def test_the_right_to_deallocate_is_granted_only_where_it_is_allowed(most: Deployment) -> None:
    env = env_after(most, STOPGAP_ALLOW_DEALLOCATE="false", STOPGAP_MANAGEMENT_GROUP="mg-all")
    for deployment in (
        deploy("access.bicep", Scope(HOME), {**access_parameters(env), "subscriptions": [HOME]}),
        deploy("access-group.bicep", Scope(management_group="mg-all"), access_group_parameters(env)),
    ):
        granted = [
            action
            for made in deployment.of_type(DEFINITION)
            if not made.scope.group
            for permission in made.body["properties"]["permissions"]
            for action in permission["actions"]
        ]
        assert granted == ROLES["watch"]["actions"]


def test_where_a_management_group_is_watched_nothing_is_granted_on_subscriptions(most: Deployment) -> None:
    env = env_after(most, STOPGAP_MANAGEMENT_GROUP="mg-all", STOPGAP_SUBSCRIPTIONS=f"{HOME},{OTHER}")
    found = deploy("access.bicep", Scope(HOME), access_parameters(env))
    assert {made.scope for made in found.resources} == {Scope(HOME, GROUP)}


def test_the_app_works_with_its_data_on_its_own_account_alone(access: Deployment, most: Deployment) -> None:
    found = definitions(access, f"/subscriptions/{HOME}/resourceGroups/{GROUP}")
    assert found[ROLES["storage"]["name"]]["permissions"] == [
        {kind: ROLES["storage"][kind] for kind in ("actions", "dataActions")}
    ]
    (assigned,) = [made for made in access.of_type(ASSIGNMENT) if made.scope.group]
    assert assigned.id.startswith(f"{most.outputs['STOPGAP_STORAGE_ACCOUNT_ID']}/providers/")


def test_all_is_granted_to_the_apps_identity_and_by_roles_made_here(
    access: Deployment, access_group: Deployment, env: Environment
) -> None:
    for deployment in (access, access_group):
        made = {each.id for each in deployment.of_type(DEFINITION)}
        for each in deployment.of_type(ASSIGNMENT):
            assert each.body["properties"]["principalId"] == env.needed("STOPGAP_PRINCIPAL_ID")
            assert each.body["properties"]["principalType"] == "ServicePrincipal"
            assert each.body["properties"]["roleDefinitionId"] in made


def test_no_role_has_a_wildcard() -> None:
    for role in ROLES.values():
        assert not [action for action in (*role["actions"], *role["dataActions"]) if "*" in action]


def test_names_of_roles_are_unique_in_the_tenant_and_short_enough(
    access: Deployment, access_group: Deployment
) -> None:
    """Of one environment here; another has another name. Azure takes 128 characters."""
    names = [
        made.body["properties"]["roleName"]
        for each in (access, access_group)
        for made in each.of_type(DEFINITION)
    ]
    assert len(names) == len(set(names))
    longest = max(map(len, names)) - len("dev") + 40
    assert longest <= 128


def test_what_the_host_and_the_topic_need_is_by_built_in_roles_on_one_resource_each(most: Deployment) -> None:
    by_id = {value: name for name, value in BUILTIN.items()}
    granted = {
        (by_id[made.body["properties"]["roleDefinitionId"].rpartition("/")[2]], _on(made))
        for made in most.of_type(ASSIGNMENT)
        if made.body["properties"]["principalId"] == most.outputs["STOPGAP_PRINCIPAL_ID"]
    }
    assert granted == {
        ("Storage Blob Data Owner", "Microsoft.Storage/storageAccounts"),
        ("Storage Queue Data Contributor", "Microsoft.Storage/storageAccounts"),
        ("EventGrid Data Sender", "Microsoft.EventGrid/topics"),
        ("Monitoring Metrics Publisher", "Microsoft.Insights/components"),
    }


def test_who_deploys_may_read_the_data_and_no_more(most: Deployment, least: Deployment) -> None:
    by_id = {value: name for name, value in BUILTIN.items()}

    def read_by(reader: str, deployment: Deployment) -> set[str]:
        return {
            by_id[made.body["properties"]["roleDefinitionId"].rpartition("/")[2]]
            for made in deployment.of_type(ASSIGNMENT)
            if made.body["properties"]["principalId"] == reader
        }

    assert read_by(MOST["readerId"], most) == {"Storage Table Data Reader", "Storage Queue Data Reader"}
    assert len(least.of_type(ASSIGNMENT)) == len(most.of_type(ASSIGNMENT)) - 2


def _on(made: Made) -> str:
    """The type of what a role is assigned on."""
    resource = made.id.rpartition("/providers/")[0].rpartition("/providers/")[2]
    return "/".join(resource.split("/")[:2])
