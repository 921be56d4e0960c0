"""A transport to storage that counts what goes over it."""

import json
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest


class Counting(AioHttpTransport):  # type: ignore[misc]  # azure-core loads it late, so mypy does not know it
    """Counts the requests, and the rows, columns and bytes that queries gave."""

    def __init__(self) -> None:
        super().__init__()
        self.clear()

    def clear(self) -> None:
        self.requests = list[str]()
        self.rows = 0
        self.bytes = 0
        self.columns = set[str]()
        self.selected = set[str]()

    async def send(self, request: HttpRequest, *, stream: bool) -> AsyncHttpResponse:
        response: AsyncHttpResponse = await super().send(request, stream=stream)
        self.requests.append(request.method)
        if "()?" in request.url:
            body = await response.read()
            rows = json.loads(body)["value"]
            self.rows += len(rows)
            self.bytes += len(body)
            self.columns |= {name for row in rows for name in row if "odata" not in name}
            self.selected |= set(parse_qs(urlsplit(request.url).query).get("$select", ["all"])[0].split(","))
        return response
