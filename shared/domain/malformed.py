class Malformed(ValueError):
    """Something from outside does not have its documented shape.

    The one error that reading an id, an event, a view or a tag can raise. Its text says what was wrong,
    where, and what is expected, in one line.
    """


def shown(value: object, limit: int = 120) -> str:
    """A value as it may be quoted in an error: escaped, on one line, at most `limit` characters."""
    text = ascii(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
