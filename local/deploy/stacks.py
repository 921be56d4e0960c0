"""Deployment stacks: what Stopgap has outside its own resource group, kept together so that it goes together.

Whatever a stack made and its template no longer names (a subscription that is not watched any more), Azure deletes.
Source: "Deployment stacks" (learn.microsoft.com/azure/azure-resource-manager/bicep/deployment-stacks).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from local.deploy.environment import Environment, template

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"


_NONE: Mapping[str, Any] = {}


class Stack(Struct, frozen=True):
    """A deployment stack, at a subscription or at a management group."""

    name: str
    template: Path
    subscription: str
    """Where it is; of one at a management group, whose rights its deployment is charged to."""
    location: str
    """Of its metadata."""
    management_group: str = ""
    """Where it is instead; empty: at the subscription."""
    parameters: Mapping[str, Any] = {}

    @property
    def scope(self) -> Sequence[str]:
        """As `az stack` has it."""
        if self.management_group:
            return ("mg", "--management-group-id", self.management_group)
        return ("sub", "--subscription", self.subscription)

    def parameters_file(self) -> str:
        """The parameters, as a file of ARM's has them."""
        values = {name: {"value": value} for name, value in self.parameters.items()}
        return json.dumps({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "parameters": values}, indent=2)

    def create(self, parameters: Path) -> list[str]:
        """The command that makes it what its template says, whatever it was before."""
        kind, *where = self.scope
        return [
            *("stack", kind, "create", *where),
            *("--name", self.name, "--location", self.location),
            *("--template-file", str(self.template), "--parameters", f"@{parameters}"),
            *("--action-on-unmanage", "deleteAll", "--deny-settings-mode", "none", "--yes"),
        ]

    def show(self) -> list[str]:
        """The command that tells whether it is there."""
        kind, *where = self.scope
        return ["stack", kind, "show", *where, "--name", self.name]

    def delete(self) -> list[str]:
        """The command that deletes it, and all that it made."""
        kind, *where = self.scope
        return [
            *("stack", kind, "delete", *where),
            *("--name", self.name, "--action-on-unmanage", "deleteAll", "--yes"),
        ]


class Watched(Struct, frozen=True):
    """A watched subscription, and the system topics that it has already; empty: none."""

    id: str
    resources_topic: str = ""
    health_topic: str = ""


def access(env: Environment, parameters: Mapping[str, Any] = _NONE) -> Stack:
    """The rights within the home subscription, and on each watched one unless a management group is watched."""
    return _stack(env, "access", "access.bicep", parameters)


def access_group(env: Environment, group: str, parameters: Mapping[str, Any] = _NONE) -> Stack:
    """The rights on a management group that is watched."""
    return _stack(env, "access", "access-group.bicep", parameters, group)


def events(env: Environment, parameters: Mapping[str, Any] = _NONE) -> Stack:
    """What makes Event Grid tell the app of each watched subscription."""
    return _stack(env, "events", "events.bicep", parameters)


def _stack(
    env: Environment, what: str, file: str, parameters: Mapping[str, Any], management_group: str = ""
) -> Stack:
    return Stack(
        name=f"stopgap-{what}-{env.name}",
        template=template(file),
        subscription=env.home,
        location=env.needed("AZURE_LOCATION"),
        management_group=management_group,
        parameters=parameters,
    )


def access_parameters(env: Environment) -> dict[str, Any]:
    """What access.bicep is to know."""
    return {
        **access_group_parameters(env),
        "subscriptions": [] if env.management_group else list(env.subscriptions),
        "storageAccountId": env.needed("STOPGAP_STORAGE_ACCOUNT_ID"),
    }


def access_group_parameters(env: Environment) -> dict[str, Any]:
    """What access-group.bicep is to know."""
    return {
        "environmentName": env.name,
        "principalId": env.needed("STOPGAP_PRINCIPAL_ID"),
        "allowDeallocate": env.flag("STOPGAP_ALLOW_DEALLOCATE"),
    }


def events_parameters(env: Environment, watched: Sequence[Watched]) -> dict[str, Any]:
    """What events.bicep is to know."""
    return {
        "environmentName": env.name,
        "location": env.needed("AZURE_LOCATION"),
        "functionAppId": env.needed("STOPGAP_FUNCTION_APP_ID"),
        "storageAccountId": env.needed("STOPGAP_STORAGE_ACCOUNT_ID"),
        "deadLetterContainer": env.needed("STOPGAP_DEAD_LETTER_CONTAINER"),
        "actionGroupId": env.needed("STOPGAP_ACTION_GROUP_ID"),
        "topicGroupName": env.topic_group,
        "subscriptions": [
            {"id": each.id, "resourcesTopicId": each.resources_topic, "healthTopicId": each.health_topic}
            for each in watched
        ],
    }
