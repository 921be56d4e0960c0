"""The last word of `make test`: what the app asked for, in all tests together, is what its roles grant.

Each pytest worker writes down what the app asked of simulated Azures (their request logs), and each host that a test
starts what its functions asked of storage and topics. When all tests are over, the roles of infra/roles.json are held
against that, in both directions, and the verdict is one more test: pytest counts it and shows it as any other.
"""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from local.azure.data_actions import SEND_EVENTS
from local.azure.permissions import ASKED_BY_APP, ROLES
from local.host.process import HostProcess
from local.parts import ROOT

FOLDER = ROOT / "build" / "asked"
FILE = "tests/infra/test_least_privilege.py"
NAME = "test_the_roles_grant_what_the_app_asks_for_and_nothing_else"

SINGLE = frozenset({SEND_EVENTS})
"""What built-in roles grant that are for one thing alone."""


def granted() -> set[str]:
    """What the roles grant, actions and data actions."""
    return {action for role in ROLES.values() for kind in ("actions", "dataActions") for action in role[kind]}


def asked(folder: Path) -> set[str]:
    """What was written down."""
    return {line for path in folder.glob("*.txt") for line in path.read_text("utf-8").splitlines()}


def differences(granted: set[str], asked: set[str]) -> list[str]:
    """What is wrong, in words; empty: nothing is."""
    return [
        *(
            f"asked for, and granted by no role of infra/roles.json: {each}"
            for each in sorted(asked - granted)
        ),
        *(
            f"granted by infra/roles.json, and asked for in no test: {each}"
            for each in sorted(granted - asked)
        ),
    ]


class Privileges:
    """A plugin of pytest, for a run of all tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_worker = hasattr(config, "workerinput")
        if not self._is_worker:
            shutil.rmtree(FOLDER, ignore_errors=True)
            FOLDER.mkdir(parents=True)
        HostProcess.recordings = FOLDER

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        path = FOLDER / f"{getattr(session.config, 'workerinput', {}).get('workerid', 'alone')}.txt"
        path.write_text("".join(f"{action}\n" for action in sorted(ASKED_BY_APP)), "utf-8")
        if not self._is_worker:
            wrong = differences(granted() | SINGLE, asked(FOLDER))
            session.config.hook.pytest_runtest_logreport(
                report=pytest.TestReport(
                    nodeid=f"{FILE}::{NAME}",
                    location=(FILE, 0, NAME),
                    keywords={},
                    outcome="failed" if wrong else "passed",
                    longrepr="\n".join(wrong) or None,
                    when="call",
                )
            )
        return result
