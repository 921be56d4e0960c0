"""The host as a part: ``python -m local.host`` in a process of its own, for the demo and the tests."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from uuid import uuid4

from local.parts import ROOT, Child, plain_environment

_READY = re.compile(r"stopgap host: listening on (http://\S+) ")


class HostProcess:
    """``async with HostProcess({"AzureWebJobsStorage": ...}) as host:`` gives ``host.url``.

    ``settings`` is all that the functions find in their environment, besides PATH, HOME, LANG and TMPDIR: neither
    the developer's shell nor a local.settings.json changes a run. ``arguments`` are further ones of
    ``python -m local.host``. Entering raises ``CannotStart`` with the host's last output.
    """

    recordings: ClassVar[Path | None] = None
    """A folder in which each host of Stopgap writes down which permissions its functions ask for; None: none does."""

    def __init__(
        self, settings: Mapping[str, str], *, app: Path = ROOT, port: int = 0, arguments: Sequence[str] = ()
    ) -> None:
        self._settings = settings
        if self.recordings and app == ROOT:
            arguments = ("--record", str(self.recordings / f"{uuid4()}.txt"), *arguments)
        self._arguments = ["--app", str(app), "--port", str(port), "--env", "none", *arguments]
        self._child = Child("the host")
        self.url = ""
        """Where it listens, like http://127.0.0.1:7071; set once entered."""

    @property
    def log(self) -> str:
        """What it has printed, functions' output and logs included (the last 500 lines)."""
        return "\n".join(self._child.lines)

    async def stop(self) -> int | None:
        """SIGTERM and wait; the exit code."""
        return await self._child.stop()

    async def kill(self) -> int | None:
        """SIGKILL and wait, as when the machine fails."""
        return await self._child.kill()

    async def __aenter__(self) -> Self:
        await self._child.start(
            [sys.executable, "-m", "local.host", *self._arguments],
            environment={**plain_environment(), **self._settings},
            ready=self._hear,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.stop()

    def _hear(self, line: str) -> bool:
        if heard := _READY.match(line):
            self.url = heard[1]
        return bool(heard)
