"""Text from outside that is shown to others later: on one line, and without what makes it look like something else."""

import re

UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line breaks, what turns the direction of the text around it, and halves of characters.

The joiners of emoji and scripts that run from right to left are fit.
"""


def plain(text: str, limit: int) -> str:
    """The text without what is unfit, at most `limit` characters of it."""
    return UNFIT.sub("", text).strip()[:limit]
