"""The Bicep itself: it parses, says what each thing is, has nothing unused, and needs no registry."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.syntax import (
    ENTRIES,
    FILES,
    INFRA,
    PARAMETERS,
    Declaration,
    declarations,
    faults,
    of_kind,
    parse,
    source,
    text,
    tree,
    walk,
)

VERSIONS = {
    # azure-facts: the REST references of Event Grid and App Service, and Azure Verified Modules of 2026-08.
    "Microsoft.EventGrid/systemTopics": "2025-02-15",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "2025-02-15",
    "Microsoft.EventGrid/topics": "2025-02-15",
    "Microsoft.Web/serverfarms": "2025-03-01",
    "Microsoft.Web/sites": "2025-03-01",
    # The quickstart of azd for Event Grid and Functions.
    "Microsoft.Resources/resourceGroups": "2024-03-01",
    # The SDKs of the same services, and public Bicep that is deployed with them.
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/roleDefinitions": "2022-04-01",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.Insights/scheduledQueryRules": "2023-12-01",
    "Microsoft.Insights/workbooks": "2023-06-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2024-11-30",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2024-06-01",
    "Microsoft.Network/privateEndpoints": "2024-05-01",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "2024-05-01",
    "Microsoft.Network/virtualNetworks": "2024-05-01",
    "Microsoft.OperationalInsights/workspaces": "2025-02-01",
    "Microsoft.Storage/storageAccounts": "2024-01-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2024-01-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2024-01-01",
    "Microsoft.Storage/storageAccounts/managementPolicies": "2024-01-01",
    "Microsoft.Storage/storageAccounts/queueServices": "2024-01-01",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "2024-01-01",
    "Microsoft.Storage/storageAccounts/tableServices": "2024-01-01",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "2024-01-01",
}
"""The API version of each type, by where it is known from. One version of a type, wherever it stands."""

BICEP = shutil.which("bicep")

BUILTIN = {
    # azure-facts, section 9: by Azure Verified Modules.
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Reader": "19e7f393-937e-4f77-808e-94535e297925",
    "Storage Table Data Reader": "76199698-9eea-4c19-bc75-cec21354c6b6",
    "EventGrid Data Sender": "d5a91429-5739-47e2-a06b-3470a27159e7",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}


def described(declared: Declaration) -> str:
    """What a declaration says of itself; empty: nothing."""
    said = declared.decorator("description")
    return text(said.named_children[0])[1:-1].replace("\\'", "'") if said else ""


@pytest.mark.parametrize("name", [*FILES, PARAMETERS])
def test_it_parses(name: str) -> None:
    assert faults(tree(name)) == []


def test_what_does_not_parse_is_told() -> None:
    assert faults(parse("resource x 'y@1' = {\n  name: \n  }}\n"))


@pytest.mark.parametrize("name", FILES)
def test_each_file_says_what_it_is(name: str) -> None:
    assert "description" in {each.name for each in declarations(name) if each.kind == "metadata"}


@pytest.mark.parametrize("name", FILES)
def test_each_parameter_says_whether_it_is_required(name: str) -> None:
    for each in of_kind(name, "parameter").values():
        last = each.node.named_children[-1].type
        expected = "Required. " if last == "type" else "Optional. "
        assert described(each).startswith(expected), f"{name}: {each.name}"
        assert described(each).endswith("."), f"{name}: {each.name}"


@pytest.mark.parametrize("name", FILES)
def test_each_output_says_what_it_is_and_none_is_a_secret(name: str) -> None:
    secure = {
        each.name for each in of_kind(name, "parameter").values() if each.decorator("secure") is not None
    }
    for each in of_kind(name, "output").values():
        assert described(each), f"{name}: {each.name}"
        value = text(each.node.named_children[-1])
        assert not re.search(
            r"listKeys|listSecrets|ConnectionString|SharedKey|InstrumentationKey", value, re.IGNORECASE
        )
        assert not secure & set(re.findall(r"\w+", value)), f"{name}: {each.name}"


@pytest.mark.parametrize("name", FILES)
def test_what_is_secret_is_declared_so(name: str) -> None:
    for each in of_kind(name, "parameter").values():
        is_secret = bool(re.search(r"webhook|secret|password|key$", each.name, re.IGNORECASE))
        assert (each.decorator("secure") is not None) == is_secret, f"{name}: {each.name}"


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_unused(name: str) -> None:
    declared = {**of_kind(name, "parameter"), **of_kind(name, "variable")}
    used = [text(node) for node in walk(tree(name)) if node.type == "identifier"]
    for each in declared:
        assert used.count(each) > 1, f"{name}: {each} is declared and not used"


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_a_registry(name: str) -> None:
    for each in of_kind(name, "module").values():
        path = text(each.node.named_children[1]).strip("'")
        assert (INFRA / name).parent.joinpath(path).is_file(), f"{name}: {path}"


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_made_anew_each_time(name: str) -> None:
    called = {text(node.named_children[0]) for node in walk(tree(name)) if node.type == "call_expression"}
    assert not called & {"newGuid", "utcNow", "listKeys", "deployer"}


def test_each_file_is_deployed() -> None:
    reached, todo = set[str](), list(ENTRIES)
    while todo:
        name = todo.pop()
        reached.add(name)
        todo += [
            Path(name).parent.joinpath(text(each.node.named_children[1]).strip("'")).as_posix()
            for each in of_kind(name, "module").values()
        ]
    assert reached == set(FILES)


def test_each_type_has_one_version_that_is_known() -> None:
    found = {
        text(each.node.named_children[1]).strip("'").partition("@")[::2]
        for name in FILES
        for each in of_kind(name, "resource").values()
    }
    assert dict(sorted(found)) == VERSIONS
    assert len(found) == len(VERSIONS)


def test_names_of_built_in_roles_stand_for_their_ids() -> None:
    assert json.loads((INFRA / "builtin-roles.json").read_text()) == BUILTIN
    for name in FILES:
        if name != "builtin-roles.json":
            assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", source(name)), f"{name}: a role by its bare id"


def test_what_is_an_environment_variable_is_read_once_with_its_default() -> None:
    """The parameters file gives each parameter, by its variable, the default that the Bicep has."""
    given = {
        each.name: each.node.named_children[-1]
        for each in declarations(PARAMETERS)
        if each.kind == "parameter"
    }
    declared = of_kind("main.bicep", "parameter")
    assert given.keys() == declared.keys()
    for name, each in declared.items():
        if each.node.named_children[-1].type == "type" or name in {"resourceGroupName", "subscriptions"}:
            continue  # required, or worked out of other variables
        default = text(each.node.named_children[-1]).strip("'")
        read = re.fullmatch(
            r"(?:bool|int)?\(?readEnvironmentVariable\('(\w+)', '(.*)'\)\)?", text(given[name])
        )
        assert read is not None, name
        assert read[2] == default, name
        variable = {"readerId": "AZURE_PRINCIPAL_ID"}.get(name, read[1])
        assert read[1] == variable, name
        if variable.startswith("STOPGAP_"):
            assert variable.removeprefix("STOPGAP_").replace("_", "").lower() == name.lower(), name


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.skipif(BICEP is None, reason="the Bicep compiler is not on PATH")
def test_the_compiler_takes_it(entry: str, tmp_path: Path) -> None:
    for command in (["build", "--outfile", str(tmp_path / "main.json")], ["lint"]):
        done = subprocess.run(  # noqa: S603 - the compiler, on our own files
            [str(BICEP), command[0], str(INFRA / entry), *command[1:]],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
