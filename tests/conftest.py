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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--races", type=int, default=120, help="how often a start races a deallocation")
    parser.addoption(
        "--privileges", action="store_true", help="hold what the app asked for in all tests against its roles"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--privileges"):
        config.pluginmanager.register(Privileges(config))


@pytest.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """A storage emulator that tests share: each keeps to its own names in it."""
    async with Azurite() as storage:
        yield storage
