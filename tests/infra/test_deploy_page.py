"""docs/deploy.md tells of what is there: each parameter, each hook's words, what is made and what deletes it."""

import argparse
import re
import shlex

import pytest

from local.__main__ import COMMANDS
from local.deploy.environment import INFRA, Environment
from local.deploy.steps import STEPS
from local.parts import ROOT
from tests.infra.conftest import HOME
from tests.infra.deployed import Deployment
from tests.infra.syntax import of_kind, text

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
HOOKS = ROOT / "local" / "deploy"

WORKED_OUT = {
    "resourceGroupName": "`rg-stopgap-` and the environment's name",
    "subscriptions": "the one that is deployed to",
    "signInClientId": "none; the hooks set it",
    "readerId": "none; azd sets it to who deploys",
}
"""Defaults that are no plain values, in words."""


def rows(columns: int) -> list[tuple[str, ...]]:
    """The rows of the page's tables of so many columns."""
    found = (line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| "))
    return [tuple(each) for each in found if len(each) == columns]


def test_each_parameter_is_told_with_its_variable_and_its_default() -> None:
    read = dict(re.findall(r"(?m)^param (\w+) =[^']*?'(\w+)'", (INFRA / "main.bicepparam").read_text()))
    read["subscriptions"] = "STOPGAP_SUBSCRIPTIONS"
    expected = []
    for name, each in of_kind("main.bicep", "parameter").items():
        last = each.node.named_children[-1]
        value = text(last).strip("'")
        default = "required" if last.type == "type" else f"`{value}`" if value else "none"
        expected.append((f"`{name}`", f"`{read[name]}`", WORKED_OUT.get(name, default)))
    assert [row[:3] for row in rows(4) if row[0].startswith("`")] == expected


def test_each_variable_that_the_hooks_read_is_told() -> None:
    read = {
        name
        for path in HOOKS.glob("*.py")
        for name in re.findall(r'(?:optional|needed|flag)\("(\w+)"', path.read_text())
    }
    put_out = set(of_kind("main.bicep", "output"))
    kept = {"STOPGAP_SIGN_IN_OURS", "STOPGAP_GROUP_BEFORE"}  # by a hook, for the next
    told = set(re.findall(r"\b(?:STOPGAP|AZURE)_\w+", PAGE))
    assert read - put_out - kept <= told


def test_each_variable_that_is_told_is_read() -> None:
    written = "".join(path.read_text() for path in (*INFRA.rglob("*.bicep*"), *HOOKS.glob("*.py")))
    for name in set(re.findall(r"\b(?:STOPGAP|AZURE)_\w+", PAGE)):
        assert re.search(rf"\b{name}\b", written), name


def test_what_is_made_is_told(least: Deployment, most: Deployment) -> None:
    types = {made.type for made in (*least.resources, *most.resources)}
    top = {"/".join(kind.split("/")[:2]) for kind in types} - {"Microsoft.Resources/resourceGroups"}
    told = set(re.findall(r"`(Microsoft\.\w+/\w+)`", PAGE))
    assert told == top


def test_what_the_hooks_say_is_what_one_should_see() -> None:
    said = "".join((HOOKS / name).read_text() for name in ("steps.py",))
    for words in (
        "watching ",
        "people sign in by app registration ",
        ", once they have a role of it",
        "deploying stack ",
        ": a minute or some",
        "the app may ",
        "Event Grid tells the app of ",
        "see that it does: .venv/bin/python -m local doctor --resource-group ",
        "removed: stack ",
        ", and all that it made",
        "app registration ",
    ):
        assert words in PAGE
        assert words.removeprefix("removed: ") in said, words


def test_names_are_those_that_are_given() -> None:
    env = Environment({"AZURE_ENV_NAME": "dev", "AZURE_SUBSCRIPTION_ID": HOME})
    assert f"`{env.topic_group}`".replace("-dev-", "-<environment>-") in PAGE


@pytest.mark.parametrize(
    "page", ["deploy.md", "operations.md", "doctor.md", "backup.md", "deploy-from-github.md"]
)
def test_its_commands_of_ours_can_be_given(page: str) -> None:
    path = ROOT / "docs" / page
    for line in re.findall(r"\.venv/bin/python -m local ([^`\n]+)", path.read_text()):
        if "..." in line or "…" in line:
            continue
        name, *arguments = shlex.split(re.split(r" (?:&&|\||;) ", line)[0])
        module, _ = COMMANDS[name]
        parser = argparse.ArgumentParser(exit_on_error=False)
        module.add_arguments(parser)
        parser.parse_args(arguments)


def test_each_step_of_the_hooks_is_in_the_order_of_the_page() -> None:
    assert list(STEPS) == ["subscriptions", "sign-in", "access", "events", "remove"]
    places = [
        PAGE.index(words)
        for words in ("watching 1", "people sign in by", "the app may watch", "Event Grid tells")
    ]
    assert places == sorted(places)
