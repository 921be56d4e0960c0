"""Pieces of Markdown."""

import textwrap
from collections.abc import Iterable, Sequence

_WIDTH = 115


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold inline Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def paragraph(*sentences: str, indent: str = "") -> str:
    """Sentences in lines of the width of the other pages; `indent` is that of the second line and those after."""
    text = " ".join(sentences)
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(paragraph(f"- {item}", indent="  ") for item in items)


def code(text: str) -> str:
    """Text to the letter: nothing in it is Markdown."""
    return f"`{text}`"


def listed(items: Iterable[str]) -> str:
    """Items after one another; a dash for none."""
    return ", ".join(items) or "–"
