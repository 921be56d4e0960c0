"""What the documents say is so, and what is so they say."""

import json
import re
from argparse import ArgumentParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from local.azure.price_list import list_price
from local.backup import backup, restore
from local.doctor import command as doctor
from local.doctor.checks import CHECKS, SUBSCRIPTION_CHECKS
from local.replay import command as replay
from local.replay.ways import JUDGED_BY
from shared.domain.actions import What
from shared.domain.money import Amount, Cost, cost_view
from shared.domain.safety import RULES, Scope
from shared.domain.views import NOTICE_TYPES
from shared.settings import STORAGE, VARIABLES, Settings
from shared.watch import Outcome
from tests.registered import FUNCTIONS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def test_every_setting_is_documented_and_every_documented_setting_is_one() -> None:
    documented = set(re.findall(r"`((?:STOPGAP|AzureWebJobs)\w+)`", text("docs/settings.md")))
    storage = {
        STORAGE,
        *(f"{STORAGE}__{part}" for part in ("tableServiceUri", "queueServiceUri", "clientId")),
    }
    assert documented - {"STOPGAP_"} == {*VARIABLES, *storage}


def test_the_example_settings_are_good() -> None:
    settings = Settings.from_env(json.loads(text("local.settings.json.example"))["Values"])
    assert settings.unknown == ()


def test_every_count_is_documented() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text("docs/operations.md"), re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"\w+", row)]
    assert sorted(documented) == sorted([*Outcome, *What])


def test_every_rule_is_documented_in_its_order_and_whom_it_holds_for() -> None:
    documented = re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", text("docs/api.md"), re.MULTILINE)
    people = {True: "yes", False: "no"}
    assert documented == [(rule, people[row.scope is Scope.ALWAYS]) for rule, row in RULES.items()]


def test_the_cost_in_the_documentation_is_a_cost() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", text("docs/costs.md"), re.DOTALL)
    size = ("Standard_E8s_v5", "westeurope")
    amount = Amount("USD", list_price(*size, "Linux"), list_price(*size, "Windows"))
    assert json.loads(example) == cost_view(Cost(amount, amount.times(10)))


def test_every_check_of_doctor_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", text("docs/doctor.md"), re.MULTILINE))
    made = {check.name for check in (*CHECKS, *SUBSCRIPTION_CHECKS)}
    assert documented == {"settings", "credential", *made}


@pytest.mark.parametrize(("command", "page"), [(doctor, "docs/doctor.md"), (replay, "docs/replay.md")])
def test_every_option_of_a_command_is_documented(command: ModuleType, page: str) -> None:
    parser = ArgumentParser(add_help=False)
    command.add_arguments(parser)
    documented = set(re.findall(r"`(--[a-z-]+)[ `]", text(page)))
    assert documented == set(re.findall(r"--[a-z-]+", parser.format_usage()))


def test_every_option_of_backup_and_restore_is_documented() -> None:
    parsers = {"backup": ArgumentParser(add_help=False), "restore": ArgumentParser(add_help=False)}
    backup.add_arguments(parsers["backup"])
    restore.add_arguments(parsers["restore"])
    options = {name: set(re.findall(r"--[a-z-]+", parser.format_usage())) for name, parser in parsers.items()}
    of = {"both": set(parsers), "`backup`": {"backup"}, "`restore`": {"restore"}}
    rows = re.findall(r"^\| `(--[a-z-]+)[^|]*\| ([^|]+) \|", text("docs/backup.md"), re.MULTILINE)
    for name, told in options.items():
        assert {option for option, whose in rows if name in of[whose]} == told


def test_the_settings_that_count_in_a_simulated_replay_are_documented() -> None:
    (told,) = re.findall(r"Of the settings only(.*?)\n- ", text("docs/replay.md"), re.DOTALL)
    assert tuple(re.findall(r"`(STOPGAP_\w+)`", told)) == JUDGED_BY


def test_every_notice_is_documented() -> None:
    for name in NOTICE_TYPES.values():
        assert f"`{name}`" in text("CHANGELOG.md")


def test_every_route_is_documented() -> None:
    documented = re.findall(r"^\| `([A-Z]+) /api/([^`?]+)[^`]*`", text("README.md"), re.MULTILINE)
    triggers: list[Any] = [function.get_trigger() for function in FUNCTIONS.values()]
    routes = [(trigger.methods, trigger.route) for trigger in triggers if hasattr(trigger, "route")]
    assert sorted(documented) == sorted(
        (method.value, route) for methods, route in routes for method in methods
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    wanted = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE))
    assert wanted <= targets


def test_decisions_are_numbered_one_after_the_other_and_listed() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    titles = [page.read_text("utf-8").partition("\n")[0].removeprefix("# ") for page in pages]
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    listed = re.findall(r"^(\d+)\. \[(.+)\]\((.+)\)$", text("docs/decisions/README.md"), re.MULTILINE)
    assert [(f"{number}. {title}", page) for number, title, page in listed] == [
        (title, page.name) for title, page in zip(titles, pages, strict=True)
    ]


def test_every_module_of_the_function_app_is_on_the_architecture_page() -> None:
    page = text("docs/architecture.md")
    for module in (ROOT / "shared").glob("*.py"):
        if module.stem != "__init__":
            assert f"shared/{module.name}" in page
