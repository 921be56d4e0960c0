"""What the functions ask of storage and of topics, by the permission that it takes: `--record FILE`.

Each permission is written once, as a line, when it is first asked for. What the host itself asks for (messages for its
queue triggers) is left out, as it is Azure's host that does so there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline.transport import AioHttpTransport

from local.azure.data_actions import SEND_EVENTS, of_queue, of_table
from local.host.queues import AGENT
from shared.transport import Transport


class Recording:
    """Listens at what the functions' requests go through."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        """Write to a file, which is made; what is there already stays.

        Args:
            path: The file.
            environment: Names the storage account (`AzureWebJobsStorage`) and the topic.
        """
        self._path = path
        self._written = set[str]()
        self._services = _services(environment)

    def begin(self) -> None:
        """Listen from now on, for the rest of the process."""
        for transport in (Transport, AioHttpTransport):
            self._listen_at(transport)

    def _listen_at(self, transport: Any) -> None:  # noqa: ANN401 - a class with `send`
        send = transport.send

        async def heard(sender: object, request: Any, **options: object) -> object:  # noqa: ANN401
            self.hear(request)
            return await send(sender, request, **options)

        transport.send = heard

    def hear(self, request: Any) -> None:  # noqa: ANN401 - of either kind that azure-core has
        """Write down what a request takes."""
        headers = {str(name): str(value) for name, value in request.headers.items()}
        agent = next((value for name, value in headers.items() if name.lower() == "user-agent"), "")
        if agent.startswith(AGENT):
            return
        body = getattr(request, "content", None) or getattr(request, "body", None) or b""
        raw = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
        for action in sorted(self._asked(request.method, request.url, headers, raw) - self._written):
            self._written.add(action)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{action}\n")

    def _asked(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> set[str]:
        try:
            match self._services.get(urlsplit(url).netloc):
                case "table":
                    return of_table(method, url, headers, body)
                case "queue":
                    return of_queue(method, url)
        except ValueError as fault:  # which fails nobody's request: it is written down, and stands out
            return {f"unknown: {method} {urlsplit(url).path}: {fault}"}
        return {SEND_EVENTS} if urlsplit(url).path.endswith("/api/events") else set()


def _services(environment: Mapping[str, str]) -> dict[str, str]:
    """Which service answers at which address. Where both have one, nobody can tell: neither is in it."""
    text = environment.get("AzureWebJobsStorage", "")
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    named = {service: parts.get(f"{service.capitalize()}Endpoint", "") for service in ("table", "queue")}
    named |= {
        service: uri
        for service in named
        if (uri := environment.get(f"AzureWebJobsStorage__{service}ServiceUri", ""))
    }
    places = {service: urlsplit(address).netloc for service, address in named.items() if address}
    return {place: service for service, place in places.items() if list(places.values()).count(place) == 1}
