"""The shapes of Azure's resources, as Microsoft's own management SDKs have them: no compiler, but the same source.

The SDKs are made from the REST specifications from which Bicep's types are made, too. Where their API version is
another than the one deployed with, a property can be in one and not in the other; the names that matter last.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from inspect import get_annotations
from typing import Any

MODELS: Mapping[str, str] = {
    "Microsoft.Authorization/roleAssignments": "authorization.v2022_04_01:RoleAssignment",
    "Microsoft.Authorization/roleDefinitions": "authorization.v2022_04_01:RoleDefinition",
    "Microsoft.EventGrid/systemTopics": "eventgrid:SystemTopic",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "eventgrid:EventSubscription",
    "Microsoft.EventGrid/topics": "eventgrid:Topic",
    "Microsoft.Insights/actionGroups": "monitor:ActionGroupResource",
    "Microsoft.Insights/components": "applicationinsights.v2020_02_02:ApplicationInsightsComponent",
    "Microsoft.Insights/metricAlerts": "monitor:MetricAlertResource",
    "Microsoft.Insights/scheduledQueryRules": "monitor:ScheduledQueryRuleResource",
    "Microsoft.Insights/workbooks": "applicationinsights.v2023_06_01:Workbook",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "msi.v2024_11_30:Identity",
    "Microsoft.Network/privateDnsZones": "privatedns:PrivateZone",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "privatedns:VirtualNetworkLink",
    "Microsoft.Network/privateEndpoints": "network:PrivateEndpoint",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "network:PrivateDnsZoneGroup",
    "Microsoft.Network/virtualNetworks": "network:VirtualNetwork",
    "Microsoft.OperationalInsights/workspaces": "loganalytics:Workspace",
    "Microsoft.Storage/storageAccounts": "storage:StorageAccountCreateParameters",
    "Microsoft.Storage/storageAccounts/blobServices": "storage:BlobServiceProperties",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "storage:BlobContainer",
    "Microsoft.Storage/storageAccounts/managementPolicies": "storage:ManagementPolicy",
    "Microsoft.Storage/storageAccounts/queueServices": "storage:QueueServiceProperties",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "storage:StorageQueue",
    "Microsoft.Storage/storageAccounts/tableServices": "storage:TableServiceProperties",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "storage:Table",
    "Microsoft.Web/serverfarms": "web:AppServicePlan",
    "Microsoft.Web/sites": "web:Site",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "web:CsmPublishingCredentialsPoliciesEntity",
    "Microsoft.Web/sites/config/appsettings": "web:StringDictionary",
    "Microsoft.Web/sites/config/authsettingsV2": "web:SiteAuthSettingsV2",
}
"""The model of each type of resource; of `Microsoft.Web/sites/config`, by name."""

LIKE_ANYTHING = "Microsoft.Resources/resourceGroups"
"""A name, a place and tags: nothing to hold against a model."""


@dataclass(frozen=True, slots=True)
class _Field:
    """What is under a name."""

    model: type | None = None
    """None: a plain value, or whatever."""
    many: str = ""
    """`list` or `dict`; empty: one."""
    words: frozenset[str] = frozenset()
    """The values that are known; empty: any."""


type _Fields = dict[str, "_Field | _Fields"]


def unknown(resource_type: str, name: str, body: Mapping[str, Any]) -> list[str]:
    """The paths in a body that its model does not have, or whose value it does not know."""
    key = f"{resource_type}/{name}" if resource_type == "Microsoft.Web/sites/config" else resource_type
    module, _, model = MODELS[key].partition(":")
    return list(_unknown(getattr(importlib.import_module(f"azure.mgmt.{module}.models"), model), body, ""))


def _unknown(model: type, body: object, path: str) -> list[str]:
    if not isinstance(body, Mapping):
        return [] if body is None else [f"{path}: {body!r} is no object"]
    return _beyond(_fields(_told_apart(model, body)), body, path)


def _beyond(fields: _Fields, body: Mapping[str, Any], path: str) -> list[str]:
    found = []
    for name, value in body.items():
        here = f"{path}.{name}" if path else name
        known = {each.lower(): each for each in fields}.get(name.lower())
        if known is None:
            found.append(f"{here} is not known; known are {', '.join(sorted(fields))}")
        elif isinstance(inner := fields[known], _Field):
            found += _under(inner, value, here)
        else:
            found += _beyond(inner, value, here)
    return found


def _under(field: _Field, value: Any, path: str) -> list[str]:  # noqa: ANN401 - as JSON has it
    if field.many == "list":
        if not isinstance(value, Sequence) or isinstance(value, str):
            return [f"{path}: {value!r} is no list"]
        inner = _Field(field.model, words=field.words)
        return [fault for i, each in enumerate(value) for fault in _under(inner, each, f"{path}[{i}]")]
    if field.many == "dict":
        inner = _Field(field.model)
        return [fault for key, each in value.items() for fault in _under(inner, each, f"{path}.{key}")]
    if field.model is not None:
        return _unknown(field.model, value, path)
    if field.words and value is not None and str(value).lower() not in field.words:
        return [f"{path}: {value!r} is none of {', '.join(sorted(field.words))}"]
    return []


def _fields(model: type) -> _Fields:
    return _of_older(model) if hasattr(model, "_attribute_map") else _of_newer(model)


def _told_apart(model: type, body: Mapping[str, Any]) -> type:
    """Which of several models it is, by the property that tells."""
    older = getattr(model, "_subtype_map", None)
    if older:
        ((attribute, names),) = older.items()
        key = _attributes(model)[attribute]["key"].replace("\\.", ".")
        chosen = _named(model, names.get(body.get(key), ""))
        if chosen and chosen is not model:  # which has the map of the model that it is made from
            return _told_apart(chosen, body)
    newer = getattr(model, "__mapping__", None)
    if newer:
        for value in body.values():
            if isinstance(value, str) and value in newer and newer[value] is not model:
                return _told_apart(newer[value], body)
    return model


def _of_older(model: type) -> _Fields:
    """Of the SDKs that have a map of attributes, with paths that lead through `properties`."""
    found: _Fields = {}
    for each in _attributes(model).values():
        *through, name = [part.replace("\0", ".") for part in each["key"].replace("\\.", "\0").split(".")]
        into = found
        for part in through:
            inner = into.setdefault(part, {})
            assert isinstance(inner, dict)
            into = inner
        kind = each["type"]
        many = {"[": "list", "{": "dict"}.get(kind[0], "")
        into.setdefault(name, _Field(_named(model, kind.strip("[]{}")), many))
    return found


def _attributes(model: type) -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = vars(model)["_attribute_map"]
    return found


def _of_newer(model: type) -> _Fields:
    """Of the SDKs that have a field for each property."""
    found: _Fields = {}
    for each in reversed(model.__mro__):
        told = get_annotations(each)
        for attribute, field in vars(each).items():
            if attribute.startswith("_") or not hasattr(field, "_rest_name_input"):
                continue
            annotation = str(told.get(attribute, ""))
            many = next(
                (word for word in ("list", "dict") if re.search(rf"\b{word}\[", annotation, re.IGNORECASE)),
                "",
            )
            named = re.search(r"_models\d*\.(\w+)", annotation)
            kind = _named(model, named[1]) if named else None
            words = _words(model, named[1]) if named and kind is None else frozenset[str]()
            found[field._rest_name_input or attribute] = _Field(kind, many, words)
    return found


def _module(model: type) -> Any:  # noqa: ANN401 - a module
    return importlib.import_module(re.sub(r"\.models\b.*", ".models", model.__module__))


def _named(model: type, name: str) -> type | None:
    found = getattr(_module(model), name, None)
    return found if isinstance(found, type) and not issubclass(found, Enum) else None


def _words(model: type, name: str) -> frozenset[str]:
    found = getattr(_module(model), name, None)
    if isinstance(found, type) and issubclass(found, Enum):
        return frozenset(str(each.value).lower() for each in found)
    return frozenset()
