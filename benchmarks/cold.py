"""What a new instance costs until it has handled its first event, against an app whose one function does nothing."""

from statistics import median

from benchmarks.stage import Stage
from benchmarks.targets import Figure
from benchmarks.told_events import event_of
from local.azure.life import Verb
from local.parts import ROOT

ROUNDS = 9
APPS = {"app": ROOT, "empty": ROOT / "benchmarks" / "empty_app"}


async def chapter() -> list[Figure]:
    """Some starts of each, in turn. The first of each is not counted: it may write bytecode."""
    found: dict[str, list[dict[str, float]]] = {who: [] for who in APPS}
    async with Stage() as stage:
        (vm_id,) = await stage.fleet(1)
        event = event_of(Verb.POWER_OFF, vm_id).as_event_grid()
        for _ in range(ROUNDS + 1):
            for who, directory in APPS.items():
                found[who].append(await stage.measure("first_event", directory=str(directory), event=event))
    figures = list[Figure]()
    for key, unit in (("cpu", "s"), ("wall", "s"), ("resident", "MB")):
        ours, floor = ([each[key] for each in found[who][1:]] for who in ("app", "empty"))
        ratio = median(one / other for one, other in zip(ours, floor, strict=True))
        figures.append(
            Figure(f"cold.{key}", ratio, f"{median(ours):.3g} {unit} against {median(floor):.3g} {unit}")
        )
    return figures
