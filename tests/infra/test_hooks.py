"""The hooks of azure.yaml, from nothing to an installation and back to nothing, and again at each step."""

import argparse
import os
import shlex
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.identity.aio import AzureCliCredential

from local.deploy import command
from local.deploy.environment import CannotDeploy, Environment
from local.deploy.graph import Graph
from local.deploy.sign_in import unique_name
from local.deploy.steps import STEPS, Steps
from local.parts import ROOT
from shared.web.access import OPERATOR
from tests.infra.conftest import GROUP, HOME, OTHER, env_after
from tests.infra.deployed import Deployment
from tests.infra.estate import Estate, Row, standing

TOPIC = "Microsoft.EventGrid/systemTopics"


@pytest.fixture
async def estate() -> AsyncIterator[Estate]:
    async with standing() as made:
        yield made


class Azd:
    """azd, as far as a hook sees it: its environment, and the hooks in their order."""

    def __init__(self, estate: Estate, main: Deployment, folder: Path) -> None:
        self.estate, self.main, self.folder = estate, main, folder
        self.kept: dict[str, str] = {}
        self.said: list[str] = []
        self.paused: list[float] = []

    @property
    def env(self) -> Environment:
        kept = {
            name: value
            for path in (self.folder / "env").glob("*")
            for name, value in [(path.name, path.read_text())]
        }
        return env_after(self.main, **{**self.kept, **kept})

    async def do(self, *steps: str, force: bool = False) -> None:
        """Some steps, each with the environment of then."""

        async def pause(seconds: float) -> None:
            self.paused.append(seconds)

        for name in steps:
            await STEPS[name][0](
                Steps(
                    env=self.env,
                    say=self.said.append,
                    arm_endpoint=self.estate.url,
                    graph_endpoint=self.estate.url,
                    force=force,
                    pause=pause,
                )
            )

    async def up(self) -> None:
        await self.do("subscriptions", "sign-in", "sign-in", "access", "events")

    def saved(self, name: str) -> str:
        """What a hook has kept in azd's environment."""
        path = self.folder / "env" / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def azd(estate: Estate, most: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azd:
    """With the Azure CLI and azd's own command line on the PATH, the first as a stand-in that keeps an estate."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tmp_path / "env").mkdir()
    python = shlex.quote(sys.executable)
    written = {
        "az": f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {python} -m tests.infra.az {estate.url} "$@"\n',
        "azd": f'#!/bin/sh\n[ "$1 $2" = "env set" ] && printf %s "$4" > {shlex.quote(str(tmp_path))}/env/"$3"\n',
    }
    for name, script in written.items():
        path = tools / name
        path.write_text(script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setattr("local.deploy.sign_in.PAUSES", (0.0, 0.0))
    found = Azd(estate, most, tmp_path)
    found.kept = {"STOPGAP_SUBSCRIPTIONS": f"{HOME},{OTHER}"}
    return found


def topic_of(subscription: str, *, identity: str | None = "SystemAssigned") -> Row:
    """A system topic of resource events that somebody else made."""
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/rg-shared/providers/{TOPIC}/everything",
        "name": "everything",
        "type": TOPIC,
        "identity": {"type": identity} if identity else None,
        "properties": {
            "source": f"/subscriptions/{subscription}",
            "topicType": "Microsoft.Resources.Subscriptions",
        },
    }


def under(topic: Row, name: str) -> Row:
    """An event subscription of a topic."""
    return {
        "id": f"{topic['id']}/eventSubscriptions/{name}",
        "name": name,
        "type": f"{TOPIC}/eventSubscriptions",
    }


def have(estate: Estate, *rows: Row) -> None:
    estate.resources |= {row["id"].lower(): row for row in rows}


async def test_up_and_down_leaves_what_there_was_and_nothing_else(azd: Azd, estate: Estate) -> None:
    theirs = topic_of(OTHER)
    have(estate, theirs, under(theirs, "of-somebody-else"))
    before = estate.everything()
    await azd.up()
    made = estate.everything() - before
    assert len(made) > 20
    await azd.do("remove")
    # What is in the resource group of the installation goes with that, by `azd down`.
    left = estate.everything() - before
    assert left == set()
    assert before <= estate.everything()


async def test_up_again_changes_nothing(azd: Azd, estate: Estate) -> None:
    have(estate, topic_of(OTHER))
    await azd.up()
    once = dict(estate.resources)
    applications = {name: {**row} for name, row in estate.applications.items()}
    await azd.up()
    assert estate.resources == once
    assert estate.applications == applications
    assert len(estate.assignments) == 1


async def test_a_subscription_that_is_not_watched_any_more_is_left_without_a_trace(
    azd: Azd, estate: Estate
) -> None:
    await azd.up()
    assert any(OTHER in each for each in estate.resources)
    azd.kept["STOPGAP_SUBSCRIPTIONS"] = HOME
    await azd.up()
    assert not [each for each in estate.resources if OTHER in each]
    assert [each for each in estate.resources if each.startswith(f"/subscriptions/{HOME}/")]


async def test_a_topic_without_an_identity_is_told_with_what_mends_it(azd: Azd, estate: Estate) -> None:
    have(estate, topic_of(OTHER, identity=None))
    with pytest.raises(CannotDeploy, match="has no identity") as told:
        await azd.do("events")
    assert f"az eventgrid system-topic update --subscription {OTHER} --resource-group rg-shared" in str(
        told.value
    )
    assert not estate.stacks
    have(estate, topic_of(OTHER))
    await azd.do("events")
    assert estate.stacks


async def test_topics_that_serve_others_are_not_removed_unless_it_is_meant(azd: Azd, estate: Estate) -> None:
    await azd.up()
    (ours,) = [
        row
        for row in estate.resources.values()
        if row["type"] == TOPIC and HOME in row["id"] and "res" in row["name"]
    ]
    have(estate, under(ours, "of-somebody-else"))
    with pytest.raises(CannotDeploy, match="of-somebody-else"):
        await azd.do("remove")
    assert len(estate.stacks) == 2
    await azd.do("remove", force=True)
    assert not estate.stacks


async def test_what_was_granted_a_moment_ago_is_waited_for(azd: Azd, estate: Estate) -> None:
    estate.refusals[f"/subscriptions/{HOME}/deploymentStacks/stopgap-events-dev"] = 2
    await azd.do("events")
    assert azd.paused == [60.0, 60.0]
    assert any("AuthorizationFailed" in each for each in azd.said)
    estate.refusals[f"/subscriptions/{HOME}/deploymentStacks/stopgap-events-dev"] = 3
    with pytest.raises(CannotDeploy, match="AuthorizationFailed"):
        await azd.do("events")


async def test_a_management_group_is_watched_with_all_that_is_in_it(azd: Azd, estate: Estate) -> None:
    azd.kept = {"STOPGAP_MANAGEMENT_GROUP": "mg-all"}
    kind = "Microsoft.Management/managementGroups"
    estate.groups["mg-all"] = [
        {"name": OTHER, "type": f"{kind}/subscriptions"},
        {"name": "mg-below", "type": kind},
        {"name": HOME, "type": f"{kind}/subscriptions"},
    ]
    await azd.do("subscriptions")
    assert azd.saved("STOPGAP_SUBSCRIPTIONS") == f"{HOME},{OTHER}"
    await azd.do("access", "events")
    roles = [each for each in estate.resources if "/roledefinitions/" in each]
    assert [
        each for each in roles if each.startswith("/providers/microsoft.management/managementgroups/mg-all/")
    ]
    assert not [each for each in roles if f"/subscriptions/{OTHER}" in each]
    await azd.do("remove")
    assert not estate.resources
    assert not estate.stacks


async def test_a_management_group_that_is_not_watched_any_more_is_left_without_a_trace(
    azd: Azd, estate: Estate
) -> None:
    azd.kept = {"STOPGAP_MANAGEMENT_GROUP": "mg-all", "STOPGAP_SUBSCRIPTIONS": HOME}
    await azd.do("access")
    azd.kept = {"STOPGAP_MANAGEMENT_GROUP": "mg-other", "STOPGAP_SUBSCRIPTIONS": HOME}
    await azd.do("access")
    assert not [each for each in (*estate.resources, *estate.stacks) if "/mg-all/" in each]
    assert [each for each in estate.resources if "/mg-other/" in each]
    azd.kept = {"STOPGAP_SUBSCRIPTIONS": HOME}
    await azd.do("access")
    assert not [each for each in (*estate.resources, *estate.stacks) if "managementgroups" in each.lower()]
    await azd.do("access")
    await azd.do("remove")
    assert not estate.stacks


async def test_a_management_group_without_subscriptions_is_told(azd: Azd, estate: Estate) -> None:
    azd.kept = {"STOPGAP_MANAGEMENT_GROUP": "mg-none"}
    estate.groups["mg-none"] = []
    with pytest.raises(CannotDeploy, match="mg-none has no subscriptions"):
        await azd.do("subscriptions")
    azd.kept = {"STOPGAP_MANAGEMENT_GROUP": "mg-other"}
    with pytest.raises(CannotDeploy, match="404"):
        await azd.do("subscriptions")


# Signing in.


async def test_an_app_is_registered_with_roles_and_without_a_secret(azd: Azd, estate: Estate) -> None:
    await azd.do("sign-in")
    registered = estate.applications[unique_name(azd.env)]
    client_id = registered["appId"]
    assert azd.saved("STOPGAP_SIGN_IN_CLIENT_ID") == client_id
    assert registered["identifierUris"] == [f"api://{client_id}"]
    assert registered["signInAudience"] == "AzureADMyOrg"
    assert {role["value"] for role in registered["appRoles"]} == {OPERATOR, "Stopgap.Reader"}
    assert "passwordCredentials" not in registered
    # Nobody but who was given a role gets in.
    assert estate.principals[client_id]["appRoleAssignmentRequired"] is True
    trusted = registered["federatedIdentityCredentials"]["stopgap"]
    assert trusted["subject"] == azd.env.needed("STOPGAP_SIGN_IN_PRINCIPAL_ID")
    assert registered["web"]["redirectUris"] == [
        f"{azd.env.needed('STOPGAP_ADDRESS')}/.auth/login/aad/callback"
    ]
    (assigned,) = estate.assignments
    assert assigned["principalId"] == "ada"
    role = next(each["id"] for each in registered["appRoles"] if each["value"] == OPERATOR)
    assert assigned["appRoleId"] == role


async def test_before_there_is_an_app_it_is_registered_as_far_as_is_known(estate: Estate, azd: Azd) -> None:
    azd.main = type(azd.main)((), {})
    await azd.do("sign-in")
    registered = estate.applications[unique_name(azd.env)]
    assert "redirectUris" not in registered["web"]
    assert "federatedIdentityCredentials" not in registered
    assert azd.saved("STOPGAP_SIGN_IN_CLIENT_ID") == registered["appId"]


async def test_a_workload_that_deploys_gets_no_role_of_the_app(azd: Azd, estate: Estate) -> None:
    estate.me = None
    await azd.do("sign-in")
    assert estate.applications
    assert not estate.assignments


async def test_the_directory_may_take_its_time_to_find_what_was_registered(azd: Azd, estate: Estate) -> None:
    estate.slow_finds = 1
    await azd.do("sign-in")
    assert azd.saved("STOPGAP_SIGN_IN_CLIENT_ID")
    estate.slow_finds = 2
    with pytest.raises(CannotDeploy, match="do this again"):
        await azd.do("sign-in")


async def test_who_may_not_register_apps_is_told_what_to_do(azd: Azd, estate: Estate) -> None:
    estate.may_register = False
    with pytest.raises(CannotDeploy, match="STOPGAP_SIGN_IN keys") as told:
        await azd.do("sign-in")
    assert "403" in str(told.value)
    assert "STOPGAP_SIGN_IN_CLIENT_ID" in str(told.value)


async def test_a_registration_that_somebody_else_sees_to_is_left_alone(azd: Azd, estate: Estate) -> None:
    azd.kept["STOPGAP_SIGN_IN_CLIENT_ID"] = "44444444-4444-4444-8444-444444444444"
    await azd.do("sign-in", "sign-in")
    assert not estate.applications
    assert "somebody else" in azd.said[-1]
    await azd.do("remove")
    assert "left alone" in azd.said[-1]
    assert not [each for each in estate.asked if "/v1.0/" in each]


async def test_keys_need_no_registration(azd: Azd, estate: Estate) -> None:
    azd.kept |= {"STOPGAP_SIGN_IN": "keys", "STOPGAP_SIGN_IN_CLIENT_ID": "left over"}
    await azd.do("sign-in", "remove")
    assert azd.saved("STOPGAP_SIGN_IN_CLIENT_ID") == ""
    assert not [each for each in estate.asked if "/v1.0/" in each]
    azd.kept["STOPGAP_SIGN_IN"] = "saml"
    with pytest.raises(CannotDeploy, match="expected entra or keys"):
        await azd.do("sign-in")


# What is missing or wrong is told by name.


@pytest.mark.parametrize(
    ("step", "variables", "told"),
    [
        (
            "subscriptions",
            {},
            "AZURE_SUBSCRIPTION_ID is missing: `azd env set AZURE_SUBSCRIPTION_ID …` sets it",
        ),
        ("subscriptions", {"AZURE_SUBSCRIPTION_ID": "x"}, "AZURE_SUBSCRIPTION_ID is malformed"),
        (
            "access",
            {"AZURE_ENV_NAME": "my_env"},
            "AZURE_ENV_NAME is 'my_env': expected letters, digits and hyphens",
        ),
        (
            "subscriptions",
            {"AZURE_SUBSCRIPTION_ID": HOME, "STOPGAP_SUBSCRIPTIONS": "a,b"},
            "STOPGAP_SUBSCRIPTIONS is malformed",
        ),
        ("access", {"AZURE_ENV_NAME": "dev"}, "STOPGAP_PRINCIPAL_ID is missing: `azd provision` sets it"),
        (
            "access",
            {"AZURE_ENV_NAME": "dev", "STOPGAP_PRINCIPAL_ID": "p", "STOPGAP_ALLOW_DEALLOCATE": "yes"},
            "STOPGAP_ALLOW_DEALLOCATE is malformed: expected true or false, got 'yes'",
        ),
    ],
)
async def test_a_variable_is_told_by_name(step: str, variables: dict[str, str], told: str) -> None:
    steps = Steps(env=Environment(variables), say=lambda _: None)
    with pytest.raises(CannotDeploy) as fault:
        await STEPS[step][0](steps)
    assert told in str(fault.value)


async def test_a_topic_that_was_found_may_have_as_long_a_name_as_azure_takes(
    azd: Azd, estate: Estate
) -> None:
    longest = topic_of(OTHER)
    longest |= {"name": "t" * 50, "id": longest["id"].replace("everything", "t" * 50)}
    have(estate, longest)
    await azd.do("events")
    assert [each for each in estate.resources if f"/{'t' * 50}/eventsubscriptions/" in each]


async def test_nobody_signed_in_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    async with Graph(AzureCliCredential(), "https://127.0.0.1:9") as graph:
        with pytest.raises(
            CannotDeploy, match=r"GET /me: no token to ask with: Azure CLI not found on path$"
        ):
            await graph.get("/me")


def test_the_command_line_says_what_is_missing_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args(["subscriptions", "access"])) == 1
    assert capsys.readouterr().err.startswith("subscriptions: AZURE_SUBSCRIPTION_ID is missing")


async def test_a_missing_azure_cli_is_told(azd: Azd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CannotDeploy, match="Azure CLI is not installed"):
        await azd.do("access")


# azure.yaml.


def hooks() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
    return found


def test_the_hooks_do_all_steps_in_their_order() -> None:
    order = ("preprovision", "postprovision", "postdeploy", "predown")
    assert tuple(hooks()) == order
    begin = "make --silent setup && .venv/bin/python -m local deploy "
    done = [hooks()[name]["posix"]["run"].removeprefix(begin).split() for name in order]
    assert done == [["subscriptions", "sign-in"], ["sign-in", "access"], ["events"], ["remove"]]
    assert {step for steps in done for step in steps} == set(STEPS)
    assert "azure.yaml" in command.EPILOG


def test_azure_yaml_deploys_this_folder_and_holds_no_secret() -> None:
    written = (ROOT / "azure.yaml").read_text()
    read = yaml.safe_load(written)
    assert read["services"] == {"stopgap": {"project": ".", "language": "python", "host": "function"}}
    assert (ROOT / read["infra"]["path"] / f"{read['infra']['module']}.bicep").is_file()
    for word in ("key", "secret", "password", "code=", "token"):
        assert word not in written.replace("No hook holds a secret", "").lower()


def test_each_hook_tells_windows_where_to_go() -> None:
    for name, each in hooks().items():
        assert "Windows Subsystem for Linux" in each["windows"]["run"], name


def test_the_resource_group_that_azd_deletes_is_the_one_of_the_installation(most: Deployment) -> None:
    assert most.outputs["AZURE_RESOURCE_GROUP"] == GROUP


def test_what_azd_keeps_is_in_no_commit() -> None:
    """Its environment can hold the webhook's address."""
    assert ".azure/" in (ROOT / ".gitignore").read_text().splitlines()
