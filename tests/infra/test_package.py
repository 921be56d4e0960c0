"""What a deployment uploads: exactly the app, and the app runs from that alone."""

import ast
import importlib.metadata
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest

from local.__main__ import main
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from local.package import FILES, FOLDERS, IGNORE, Unfit, contents, write
from local.parts import ROOT
from tests.e2e.town import WEBHOOK, App, settings_for
from tests.registered import FUNCTIONS

LEAVING = """
import atexit, json, sys
from pathlib import Path

def tell():
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    Path(__file__).with_name("loaded.json").write_text(json.dumps(files), "utf-8")

atexit.register(tell)
"""
"""A sitecustomize.py: at its end, a program tells where each of its modules is from."""

LITTER = (
    "local.settings.json",
    ".env",
    ".azure/dev/.env",
    ".venv/lib/x.py",
    "node_modules/x/index.js",
    "__pycache__/function_app.cpython-313.pyc",
    "shared/domain/__pycache__/ids.cpython-313.pyc",
    "build/report.json",
    "infra/main.bicep",
    "stopgap.zip",
)
"""What lies about in a checkout."""


@cache
def names() -> list[str]:
    """What is in the package of this checkout."""
    return contents(ROOT)


def test_the_package_is_exactly_the_app() -> None:
    assert {name.partition("/")[0] for name in names()} == {
        *("LICENSE", "function_app.py", "host.json", "requirements.txt"),
        *("functions", "shared"),
    }
    assert {Path(name).suffix for name in names() if "/" in name} == {".css", ".html", ".js", ".json", ".py"}
    sources = {path.relative_to(ROOT).as_posix() for top in FOLDERS for path in (ROOT / top).rglob("*.py")}
    assert sources <= {*names()}


def as_core_tools_read(pattern: str) -> re.Pattern[str]:
    """Core Tools take a line for the beginning of a path from the root: `*` within a name, `**` for anything."""
    kinds = {"**": ".+", "*": "[^/]+"}
    parts = (kinds.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern.removeprefix("/")))
    return re.compile("".join(parts))


def test_core_tools_read_funcignore_alike() -> None:
    lines = (ROOT / IGNORE).read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert not [pattern for pattern in patterns if pattern.startswith("!")], "some versions of azd misread it"
    ignored = [as_core_tools_read(pattern) for pattern in patterns]
    tops = (top for top in ROOT.iterdir() if top.name not in {".git", ".venv", "node_modules"})
    paths = [path for top in tops for path in ((top,) if top.is_file() else top.rglob("*")) if path.is_file()]
    files = {path.relative_to(ROOT).as_posix() for path in paths}
    kept = [name for name in files | {*LITTER} if not any(pattern.match(name) for pattern in ignored)]
    assert sorted(kept) == names()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The app in a directory of its own, fit to be uploaded, among what is not."""
    for name in (*FILES, IGNORE, "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("litter", [*LITTER, "shared/.DS_Store"])
def test_what_lies_about_in_a_checkout_is_left_out(checkout: Path, litter: str) -> None:
    (checkout / litter).parent.mkdir(parents=True, exist_ok=True)
    (checkout / litter).touch()
    assert contents(checkout) == names()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("notes.txt", "notes.txt: would be uploaded, and is no part of the app"),
        ("prod.env", "prod.env: would be uploaded, and may hold secrets"),
        ("shared/adapters/ours.PEM", "shared/adapters/ours.PEM: would be uploaded, and may hold secrets"),
        ("scripts/local.settings.json.old", "may hold secrets"),
    ],
)
def test_what_should_not_be_uploaded_is_refused_by_name(checkout: Path, name: str, says: str) -> None:
    (checkout / IGNORE).write_text("*.md\n.*\n__pycache__\n", "utf-8")
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).touch()
    with pytest.raises(Unfit, match=re.escape(says)) as refused:
        contents(checkout)
    assert str(refused.value).count("\n") == 0, "and nothing else"


def test_a_link_is_refused(checkout: Path) -> None:
    (checkout / "shared" / "elsewhere").symlink_to(checkout / "functions")
    with pytest.raises(Unfit, match=r"^shared/elsewhere: is a link"):
        contents(checkout)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("*.json", "host.json: missing in the package: .funcignore leaves it out"),
        ("*.json", "shared/web/openapi.json: missing"),
        ("templates", "shared/web/templates/base.html: missing"),
        ("LICENSE", "LICENSE: missing"),
        ("func*", "functions/__init__.py: missing"),
    ],
)
def test_what_the_app_needs_is_missed_by_name(checkout: Path, pattern: str, says: str) -> None:
    with (checkout / IGNORE).open("a", encoding="utf-8") as file:
        file.write(f"{pattern}\n")
    with pytest.raises(Unfit, match=re.escape(says)):
        contents(checkout)


def test_a_file_that_is_gone_is_missed(checkout: Path) -> None:
    (checkout / "host.json").unlink()
    with pytest.raises(Unfit, match=r"^host\.json: missing in the package: no such file$"):
        contents(checkout)


def test_the_command_lists_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once, again = tmp_path / "once.zip", tmp_path / "again.zip"
    assert main(["package", str(once)]) == main(["package", str(again)]) == 0
    assert once.read_bytes() == again.read_bytes()
    with ZipFile(once) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == names()
        assert {name: archive.read(name) for name in names()} == {
            name: (ROOT / name).read_bytes() for name in names()
        }
    told = capsys.readouterr().out.splitlines()
    assert told[: len(names())] == names()
    assert told[len(names())].startswith(f"{len(names())} files, ")
    assert main(["package", str(tmp_path / "nowhere" / "p.zip")]) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is unpacked in Azure, far from this repository."""
    there = tmp_path_factory.mktemp("package")
    write(ROOT, names(), there / "package.zip")
    with ZipFile(there / "package.zip") as archive:
        archive.extractall(there / "wwwroot")
    return there / "wwwroot"


@pytest.fixture(scope="module")
async def azure() -> AsyncIterator[SimulatedAzure]:
    async with SimulatedAzure(operation_seconds=0.2, subscriptions=(DEFAULT_SUBSCRIPTION,)) as cloud:
        yield cloud


async def test_the_app_runs_from_its_package_alone(
    unpacked: Path, azure: SimulatedAzure, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LEAVING, "utf-8")
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-shop", "web-1")
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(Azurite())
        settings = settings_for(storage.connection_string, azure) | {"PYTHONPATH": str(tmp_path)}
        host = await stack.enter_async_context(HostProcess(settings, app=unpacked))
        http = await stack.enter_async_context(aiohttp.ClientSession(host.url))
        (listening,) = [line for line in host.log.splitlines() if "listening on" in line]
        assert sorted(re.findall(r"\w+", listening.partition("functions: ")[2])) == sorted(FUNCTIONS)

        app = App(host, http)
        await azure.subscribe(host.url + WEBHOOK, "EventGridSchema")
        azure.power_off(vm)
        assert (await app.flagged(vm))["flag"]["kind"] == "left_stopped"
        _, page = await app.get("/api/vms")
        assert [(each["id"], each["power_state"]) for each in page["vms"]] == [(vm.lower(), "stopped")]
        status, description = await app.get("/api/openapi.json")
        assert (status, description["openapi"][:3]) == (200, "3.1")
        async with http.get("/api/dashboard") as answer:
            assert (answer.status, "web-1" in await answer.text()) == (200, True)
        assert await host.stop() == 0

    loaded: dict[str, str | None] = json.loads((tmp_path / "loaded.json").read_text("utf-8"))
    ours = {
        name: file for name, file in loaded.items() if name.partition(".")[0] in {*FOLDERS, "function_app"}
    }
    assert {"function_app", "functions.vm_event", "shared.bootstrap", "shared.web.pages"} <= {*ours}
    assert [file for file in ours.values() if not file or not Path(file).is_relative_to(unpacked)] == []
    beside = {name for name, file in loaded.items() if file and is_of_this_repository(Path(file))}
    assert {name for name in beside if not name.startswith("local.host")} == {
        "__main__",
        "local",
        "local.parts",
    }


def is_of_this_repository(file: Path) -> bool:
    return file.is_relative_to(ROOT) and not file.is_relative_to(ROOT / ".venv")


def test_a_package_is_not_served_from_what_is_loaded_already(
    unpacked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["host", "--app", str(unpacked), "--port", "0", "--env", "none"]) == 1
    assert f"python -m local.host --app {unpacked}" in capsys.readouterr().err


def imported(source: ast.AST) -> Iterator[str]:
    """The modules that a source imports when it runs: not those that only its types are from."""
    for node in ast.iter_child_nodes(source):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
        yield from imported(node)


def required() -> dict[str, set[Path]]:
    """The files of each package that requirements.in names."""
    lines = (ROOT / "requirements.in").read_text("utf-8").splitlines()
    wanted = [name for line in lines if (name := re.split(r"[#<>=\s]", line)[0])]
    return {
        name: {Path(str(file.locate())).resolve() for file in importlib.metadata.files(name) or ()}
        for name in wanted
    }


def origin(module: str) -> Path:
    """The file that a module is in."""
    spec = find_spec(module)
    assert spec, module
    assert spec.origin, module
    return Path(spec.origin).resolve()


def test_what_is_imported_is_installed_and_what_is_installed_is_imported() -> None:
    sources = [ast.parse((ROOT / name).read_text("utf-8")) for name in names() if name.endswith(".py")]
    modules = {module for source in sources for module in imported(source)}
    foreign = {
        module
        for module in modules
        if module.partition(".")[0] not in {*sys.stdlib_module_names, *FOLDERS, "function_app"}
    }
    packages = required()
    found = {
        module: name for module in foreign for name, files in packages.items() if origin(module) in files
    }
    assert {*found} == foreign, "imported, and not in requirements.in"
    assert {*found.values()} == {*packages}, "in requirements.in, and not imported"


def test_all_that_is_asked_for_is_pinned_in_what_is_uploaded() -> None:
    pinned = {
        *re.findall(r"^([a-z0-9-]+)==\S+ ", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    }
    assert {*required()} <= pinned
    text = (ROOT / "requirements.txt").read_text("utf-8")
    assert text.count("\n    --hash=sha256:") >= len(pinned)
    assert "index-url" not in text
