"""What a start imports, by who wants it, as `python -X importtime` tells it."""

import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

GROUPS = ("both", "tls", "aiohttp", "azure", "others", "own")
"""As in `benchmarks.targets`: what the empty app imports too; the TLS contexts; and who wants the rest."""

_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|( +)(\S+)")
_TLS = "aiohttp.connector"
"""Makes two TLS contexts when it is imported, and reads the system's certificates for one of them."""

_WHOSE: Mapping[str, Collection[str]] = {
    "aiohttp": {
        "aiohttp", "aiosignal", "aiohappyeyeballs", "attr", "frozenlist", "idna", "multidict", "propcache", "yarl",
    },
    "azure": {"azure"},
    "own": {"shared", "functions", "function_app"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Import:
    """A module that was imported, without what it imported in turn."""

    name: str
    milliseconds: float
    depth: int
    """Of what it was imported by, and so on."""


def imported(said: str) -> Sequence[Import]:
    """What was imported, in the order in which it was done: a module comes after those that it imports."""
    return [
        Import(found[3], int(found[1]) / 1_000, len(found[2]) // 2)
        for line in said.splitlines()
        if (found := _LINE.match(line))
    ]


def sorted_out(modules: Sequence[Import], known: Collection[str]) -> dict[str, float]:
    """Milliseconds by group.

    Args:
        modules: What was imported.
        known: What the empty app imports too.
    """
    found = dict.fromkeys(GROUPS, 0.0)
    for module, wanted_by in _wanted(modules):
        group = "tls" if module.name == _TLS else _group(wanted_by)
        found["both" if module.name in known else group] += module.milliseconds
    return found


def _wanted(modules: Sequence[Import]) -> Iterator[tuple[Import, str]]:
    """Each module, and who wants it: the package that it is of or, if it is of Python's own, that of who imports it."""
    above: list[str] = []
    for module in reversed(modules):
        del above[module.depth :]
        package = module.name.partition(".")[0]
        if package in sys.stdlib_module_names and above:
            package = above[-1]
        above += [package] * (module.depth + 1 - len(above))
        yield module, package


def _group(package: str) -> str:
    return next((group for group, packages in _WHOSE.items() if package in packages), "others")
