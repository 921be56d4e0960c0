from collections.abc import AsyncIterator

import hypothesis
import pytest

from local.azurite import Azurite
from tests.privileges import Privileges

# The same examples on every run and machine: what is red, is red for everyone. How long one takes says nothing.
hypothesis.settings.register_profile("stopgap", derandomize=True, deadline=None, print_blob=True)
# Other examples each time, and many: `make test-long`.
hypothesis.settings.register_profile("long", max_examples=20_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("stopgap")


WAITING = ("tests/browser/", "tests/e2e/", "tests/local/")
"""Where tests mostly wait: for a host, for storage, for a page."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--races", type=int, default=120, help="how often a start races a deallocation")
    parser.addoption(
        "--privileges", action="store_true", help="hold what the app asked for in all tests against its roles"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests wait for processes take turns with those that compute: workers are seldom idle together."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    waiting = [name for name in files if name.startswith(WAITING)]
    others = [name for name in files if not name.startswith(WAITING)]
    # The place of each among its own kind, from 0 to 1, orders them all.
    place = {name: i / len(kind) for kind in (waiting, others) for i, name in enumerate(kind)}
    items[:] = [item for name in sorted(files, key=lambda name: place[name]) for item in files[name]]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--privileges"):
        config.pluginmanager.register(Privileges(config))


@pytest.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """A storage emulator that tests share: each keeps to its own names in it."""
    async with Azurite() as storage:
        yield storage
