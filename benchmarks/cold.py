"""What a new instance costs until it has handled its first event, against an app whose one function does nothing."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.identity import Identities
from benchmarks.imports import GROUPS, imported, sorted_out
from benchmarks.stage import Stage
from benchmarks.targets import Compared, Figure
from benchmarks.told_events import event_of
from local.azure.life import Verb
from local.parts import ROOT

ROUNDS, PROFILES = 9, 5
"""How often each app is started to be measured, and to see what it imports, which makes it slower."""

EMPTY, ASKING, APP = "empty", "asking", "app"
APPS = {
    EMPTY: ROOT / "benchmarks" / "empty_app",
    ASKING: ROOT / "benchmarks" / "asking_app",
    APP: ROOT,
}
"""The floor; what is between; and what is measured."""

MEASURED = {"cpu": "s", "wall": "s", "resident": "MB"}

type Started = Mapping[str, float]
"""What one start took."""


async def chapter(rounds: int = ROUNDS, profiles: int = PROFILES) -> list[Figure]:
    """Some starts of each, in turn. The first of each is not counted: it may write bytecode."""
    found: dict[str, list[Started]] = {who: [] for who in APPS}
    async with Stage() as stage, Identities() as identities:
        (vm_id,) = await stage.fleet(1)
        event = event_of(Verb.POWER_OFF, vm_id).as_event_grid()
        for _ in range(rounds + 1):
            for who, directory in APPS.items():
                told = {"directory": str(directory), "event": event, "token": who == APP}
                started, _ = await stage.run("first_event", told, settings=identities.settings)
                found[who].append(started)
        told = {"directory": str(ROOT), "event": event, "token": False}
        seen = [await _profile(stage, told) for _ in range(profiles)]
    return [*figures_of({who: some[1:] for who, some in found.items()}), *_imports(seen)]


def figures_of(found: Mapping[str, Sequence[Started]]) -> list[Figure]:
    """What the starts of the three apps come to."""
    figures = [_ratio(f"cold.{key}", key, APP, found) for key in MEASURED]
    figures += [_ratio(f"cold.asking.{key}", key, ASKING, found) for key in ("cpu", "resident")]
    return figures + [
        Figure(f"cold.token.{key}", median(each[f"token_{key}"] for each in found[APP])) for key in MEASURED
    ]


def _ratio(name: str, key: str, who: str, found: Mapping[str, Sequence[Started]]) -> Figure:
    ratio = median(one[key] / other[key] for one, other in zip(found[who], found[EMPTY], strict=True))
    ours, floor = (median(each[key] for each in found[whose]) for whose in (who, EMPTY))
    return Figure(name, ratio, Compared(f"{MEASURED[key]}, {who} : {EMPTY}", ours, floor))


async def _profile(stage: Stage, told: Mapping[str, Any]) -> Mapping[str, float]:
    """What the app imports, in milliseconds by group, as Python itself tells of one start."""
    watched = ("-X", "importtime")
    _, of_empty = await stage.run("first_event", {**told, "directory": str(APPS[EMPTY])}, options=watched)
    _, of_app = await stage.run("first_event", told, options=watched)
    return sorted_out(imported(of_app), {each.name for each in imported(of_empty)})


def _imports(seen: Sequence[Mapping[str, float]]) -> list[Figure]:
    found = {group: median(each[group] for each in seen) for group in GROUPS}
    together = sum(found.values())
    return [
        figure
        for group, value in found.items()
        for figure in (
            Figure(f"imports.{group}.ms", value),
            Figure(f"imports.{group}.share", 100 * value / together),
        )
    ]
