"""The keys that callers of a function app present, in the two places where the platform looks for them."""

import hmac

from aiohttp import web


def presents(request: web.Request, key: str, *more_headers: str) -> bool:
    """Whether the query's ``code``, ``x-functions-key`` or one of ``more_headers`` is ``key``."""
    offered = [value for name, value in request.query.items() if name.lower() == "code"]
    offered += [request.headers.get(name, "") for name in ("x-functions-key", *more_headers)]
    return any(hmac.compare_digest(value.encode(), key.encode()) for value in offered)
