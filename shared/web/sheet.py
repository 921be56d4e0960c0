"""Tables for spreadsheets: comma-separated values of RFC 4180, in which nothing is a formula."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from shared.domain.views import time_view
from shared.web.plain import UNFIT

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""

type Cell = str | float | bool | datetime | None


def to_csv[Row](columns: Mapping[str, Callable[[Row], Cell]], rows: Iterable[Row]) -> str:
    """The lines, under a line of headings. What is not known is empty.

    Args:
        columns: Each column by its heading, and what is in it.
        rows: What the lines are of.
    """
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(columns)
    lines.writerows([_text(read(row)) for read in columns.values()] for row in rows)
    return out.getvalue()


def _text(value: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return time_view(value) or ""
        case float():
            return str(value)
        case str():
            text = UNFIT.sub("\N{REPLACEMENT CHARACTER}", value)
            return f"'{text}" if text.startswith(_FORMULA) else text
