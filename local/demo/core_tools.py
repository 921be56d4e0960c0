"""The official host, `func start`, as a part, where Azure Functions Core Tools are installed."""

import shutil
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from local.parts import ROOT, CannotStart, Child, plain_environment


class CoreToolsProcess:
    """`async with CoreToolsProcess({"AzureWebJobsStorage": ...}) as host:` gives `host.url`."""

    def __init__(self, settings: Mapping[str, str], *, port: int = 0) -> None:
        self._settings = settings
        self._port = port or _free_port()
        self._child = Child("func start")
        self.url = f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        program = shutil.which("func")
        if program is None:
            raise CannotStart(
                "HOST=func needs Azure Functions Core Tools (`func`) on the PATH; "
                "without HOST= the demo brings a host of its own"
            )
        # Core Tools finds the worker's Python on the PATH: the one with our packages.
        environment = plain_environment()
        environment["PATH"] = f"{ROOT / '.venv' / 'bin'}:{environment.get('PATH', '')}"
        await self._child.start(
            [program, "start", "--port", str(self._port)],
            environment={**environment, **self._settings},
            ready=lambda line: "vm_event" in line,
            within=120,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.stop()


def _free_port() -> int:
    """A port that was free a moment ago: `func` cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
