"""The demo's output as a page that looks like a terminal."""

import io
from html import escape

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME

from local.demo.command import play
from local.demo.show import Screen

_COLUMNS = 136
_FROM, _TO = "FLAGGED", "Left as they are"
"""The part of the output that is shown begins and ends with the lines that hold these."""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>make demo</title>
<style>
body {{ margin: 0; padding: 20px; background: #fff; }}
#terminal {{ width: 1240px; overflow: hidden; border-radius: 10px; color: {ink}; background: {ground}; }}
p {{ margin: 0; padding: 9px 18px; background: #1e242c; color: #b9c2cd; font: 14px Arial, sans-serif; }}
pre {{ margin: 0; padding: 14px 18px 18px; font: 14px/16px "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
</style>
<div id="terminal"><p>{title}</p><pre>{lines}</pre></div>
</html>
"""

ELEMENT = "#terminal"


async def demo(title: str) -> str:
    """Play the demo and give the page. `RuntimeError` if it does not end as it should."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    if await play(Screen(console), once=True):
        raise RuntimeError(f"the demo ended wrong:\n{console.export_text()}")
    return page(console, title)


def page(console: Console, title: str) -> str:
    """What a console has recorded, from the first line of interest to the last; `RuntimeError` if there is none."""
    html = console.export_html(
        theme=SVG_EXPORT_THEME, code_format="{code}", inline_styles=True, clear=False
    ).splitlines()
    text = console.export_text().splitlines()
    first = next((number for number, line in enumerate(text) if _FROM in line), None)
    last = next((number for number, line in enumerate(text) if _TO in line), None)
    if first is None or last is None or last < first:
        raise RuntimeError(f"expected lines with {_FROM!r} and then {_TO!r} in what the demo says")
    ink, ground = SVG_EXPORT_THEME.foreground_color.hex, SVG_EXPORT_THEME.background_color.hex
    lines = "\n".join(html[first : last + 1])
    return _PAGE.format(title=escape(title), lines=lines, ink=ink, ground=ground)
