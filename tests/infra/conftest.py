"""Deployments of all of infra/, worked out."""

from collections.abc import Mapping
from typing import Any

import pytest

from local.deploy.environment import Environment
from local.deploy.stacks import Watched, access_group_parameters, access_parameters, events_parameters
from tests.infra.deployed import Deployment, Scope, deploy

HOME, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
GROUP = "rg-stopgap-dev"
FOUND = (
    f"/subscriptions/{OTHER}/resourceGroups/rg-shared/providers/Microsoft.EventGrid/systemTopics/everything"
)

LEAST: Mapping[str, Any] = {"environmentName": "dev", "location": "westeurope"}
MOST: Mapping[str, Any] = {
    **LEAST,
    "subscriptions": [HOME, OTHER],
    "mode": "deallocate",
    "allowDeallocate": True,
    "keepCaller": True,
    "privateNetworking": True,
    "signInClientId": "33333333-3333-4333-8333-333333333333",
    "webhookUrl": "https://hooks.slack.com/services/T0/B0/secret",
    "readerId": "55555555-5555-4555-8555-555555555555",
    "alertEmail": "ops@example.com",
}


def env_after(main: Deployment, **more: str) -> Environment:
    """What azd hands to the hooks once main.bicep is deployed."""
    outputs = {name: str(value) for name, value in main.outputs.items()}
    given = {"AZURE_ENV_NAME": "dev", "AZURE_LOCATION": "westeurope", "AZURE_SUBSCRIPTION_ID": HOME}
    return Environment({**given, **outputs, **more})


def main_of(parameters: Mapping[str, Any]) -> Deployment:
    return deploy("main.bicep", Scope(HOME), parameters)


@pytest.fixture(scope="session")
def least() -> Deployment:
    """main.bicep with what it requires alone."""
    return main_of(LEAST)


@pytest.fixture(scope="session")
def most() -> Deployment:
    """main.bicep with all that can be had."""
    return main_of(MOST)


@pytest.fixture(scope="session")
def env(most: Deployment) -> Environment:
    """After it, for the hooks: two subscriptions are watched, and VMs may be deallocated."""
    return env_after(most, STOPGAP_SUBSCRIPTIONS=f"{HOME},{OTHER}", STOPGAP_ALLOW_DEALLOCATE="true")


@pytest.fixture(scope="session")
def access(env: Environment) -> Deployment:
    return deploy("access.bicep", Scope(HOME), access_parameters(env))


@pytest.fixture(scope="session")
def access_group(env: Environment) -> Deployment:
    return deploy("access-group.bicep", Scope(management_group="mg-all"), access_group_parameters(env))


@pytest.fixture(scope="session")
def events(env: Environment) -> Deployment:
    """Of two subscriptions, the second of which has a system topic of resource events already."""
    watched = [Watched(HOME), Watched(OTHER, resources_topic=FOUND)]
    return deploy("events.bicep", Scope(HOME), events_parameters(env, watched))


@pytest.fixture(scope="session")
def all_of_it(
    least: Deployment, most: Deployment, access: Deployment, access_group: Deployment, events: Deployment
) -> list[Deployment]:
    return [least, most, access, access_group, events]
