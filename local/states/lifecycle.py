"""The transition table of shared.domain.transitions as Markdown, and as a diagram in Mermaid."""

from collections.abc import Iterator

from local.states.markdown import code, listed, paragraph, table
from shared.domain.signals import Verb
from shared.domain.states import PowerState
from shared.domain.transitions import KINDS, Effect, Kind, effect, kind

EFFECTS = {
    Effect.STARTS: "bill starts",
    Effect.STOPS: "bill stops",
    Effect.STAYS_BILLED: "stays billed",
    Effect.STAYS_FREE: "stays free",
    Effect.UNKNOWN: "bill unknown",
}
"""What a transition does to the bill, in the page's words."""


def lifecycle() -> list[str]:
    """The page's part on transitions."""
    return [
        "## Transitions",
        paragraph(
            "From one settled state to the next. Looks are samples: other states may have been there in between. "
            "Below, `[*]` is a VM not seen before, of which nobody knows whether it was billed."
        ),
        f"```mermaid\n{diagram()}\n```",
        table(
            ["before", "after", "kind", "on the bill"],
            (
                [_name(before) if before else "not seen before", _name(after), _kinds(before, after), bill]
                for before, after, bill in _transitions()
            ),
        ),
        paragraph(
            f"`{Kind.ALLOCATED}`: started and powered off between two looks. `{Kind.RETURNED}`: left its state and "
            f"came back to it, nobody told how. `{Kind.REAPPEARED}`: made again under the name of a VM that was "
            "deleted."
        ),
    ]


def diagram() -> str:
    """A Mermaid state diagram with every transition of the table."""
    lines = ["stateDiagram-v2"]
    for before, after, bill in _transitions():
        names = [KINDS[before, after], *_finer_kinds(before, after)]
        label = f"{' or '.join(name.replace('_', ' ') for name in names)} ({bill})"
        lines.append(f"    {_name(before) if before else '[*]'} --> {_name(after)}: {label}")
    return "\n".join(lines)


def _transitions() -> Iterator[tuple[PowerState | None, PowerState, str]]:
    for before, after in KINDS:
        yield before, after, EFFECTS[effect(before, after)]


def _kinds(before: PowerState | None, after: PowerState) -> str:
    finer = (f"{code(name)} if {told}" for name, told in _finer_kinds(before, after).items())
    return listed([code(KINDS[before, after]), *finer])


def _finer_kinds(before: PowerState | None, after: PowerState) -> dict[Kind, str]:
    """What a change may be besides what two looks tell, each with what else has to tell it."""
    found: dict[Kind, str] = {}
    for verb in Verb:
        told = kind(before, after, verb, hibernated=False)
        found.setdefault(told, f"a signal tells of {verb.replace('_', ' ')}")
    found.setdefault(kind(before, after, None, hibernated=True), "the view says hibernated")
    found.pop(KINDS[before, after])
    return found


def _name(state: PowerState) -> str:
    return state.capitalize()
