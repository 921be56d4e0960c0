"""What was found, for people and for machines."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.text import Text

from local.doctor.findings import EXIT_CODES, Line, Verdict, worst

LOOKS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.OK: ("✓", "green"),
    Verdict.WARNING: ("!", "yellow"),
    Verdict.WRONG: ("✗", "bold red"),
    Verdict.NOT_CHECKED: ("·", "dim"),
}
"""The icon and the colour of each verdict."""

COUNTED = (Verdict.WRONG, Verdict.WARNING, Verdict.OK, Verdict.NOT_CHECKED)
"""What matters most comes first."""

_VERDICT_WIDTH = max(len(verdict) for verdict in Verdict)


def for_people(lines: Sequence[Line], about: str) -> Text:
    """One line for each fact, below it how to mend it, and at the end a count."""
    text = Text(f"{about}\n", end="")
    width = max(len(line.check) for line in lines)
    for subscription, group in groupby(lines, key=lambda line: line.subscription):
        text.append(f"\nsubscription {subscription}\n" if subscription else "\n")
        for line in group:
            finding = line.finding
            icon, style = LOOKS[finding.verdict]
            text.append(f"{icon} {finding.verdict:<{_VERDICT_WIDTH}}  ", style)
            text.append(f"{line.check:<{width}}  {_printable(finding.fact)}\n")
            if finding.mend:
                text.append(f"{'':{_VERDICT_WIDTH + width + 6}}mend: {_printable(finding.mend)}\n")
    found = [line.finding.verdict for line in lines]
    counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in COUNTED if verdict in found)
    text.append(f"\n{counts}")
    return text


def for_machines(lines: Sequence[Line], about: str) -> str:
    """The same as one JSON object."""
    verdict = worst(lines)
    return json.dumps(
        {
            "verdict": verdict,
            "exit_code": EXIT_CODES[verdict],
            "about": about,
            "findings": [
                {
                    "check": line.check,
                    "subscription": line.subscription,
                    "verdict": line.finding.verdict,
                    "fact": line.finding.fact,
                    "mend": line.finding.mend,
                }
                for line in lines
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _printable(text: str) -> str:
    """A fact on one line, without what would steer a terminal: some of it was written by others."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
