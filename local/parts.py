"""The programs that run beside Stopgap on a laptop: started, waited for, and ended with it.

``CannotStart`` is the one error a caller has to know: its text is a single line that says what was wrong and
what to do about it.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

_KEPT_LINES = 500
_PR_SET_PDEATHSIG = 1
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


class CannotStart(RuntimeError):
    """Something that runs on a laptop could not start; the text is one line for the person who started it."""


def plain_environment() -> dict[str, str]:
    """What every program needs and nothing else: a developer's own variables must not change a run."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


class Child:
    """A program in its own process group, whose output is read to the end and kept (the last 500 lines).

    It gets SIGTERM when this process dies (on Linux; elsewhere only an orderly exit ends it). The group of its
    own keeps Ctrl-C in a terminal from reaching it before its owner has decided what to do.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        ready: Callable[[str], bool],
        within: float = 30.0,
    ) -> None:
        """Start it and wait until ``ready`` accepts a line of its output (stdout and stderr are one stream).

        Raises:
            CannotStart: it exited first, or was not ready ``within`` seconds. It is gone by then.
        """
        self._process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent(os.getpid()) if sys.platform == "linux" else None,
        )
        is_ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(ready, is_ready))
        try:
            started = await asyncio.wait_for(is_ready, within)
        except TimeoutError:
            await self.stop()
            raise CannotStart(f"{self.name} was not ready within {within:g} s: {self.last_words()}") from None
        except BaseException:
            await self.kill()
            raise
        if not started:
            code = await self.stop()
            raise CannotStart(f"{self.name} exited with code {code}: {self.last_words()}")

    async def stop(self, grace: float = 10.0) -> int | None:
        """SIGTERM, then SIGKILL after ``grace`` seconds; the exit code, or None when it never started."""
        if self._process is None:
            return None
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except TimeoutError:
            self._signal(signal.SIGKILL)
        return await self._wait()

    async def kill(self) -> int | None:
        """SIGKILL, as when the machine fails; the exit code, or None when it never started."""
        if self._process is None:
            return None
        self._signal(signal.SIGKILL)
        return await self._wait()

    def last_words(self) -> str:
        """The last lines of output as one line."""
        said = [line.strip() for line in self.lines if line.strip()]
        return " | ".join(said[-3:]) or "it printed nothing"

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _wait(self) -> int | None:
        if self._process is None or self._reading is None:
            return None
        code = await self._process.wait()
        await self._reading
        return code

    async def _read(self, ready: Callable[[str], bool], is_ready: asyncio.Future[bool]) -> None:
        """Read until the end, so that the program never blocks on a full pipe."""
        output = self._process.stdout if self._process else None
        rest = b""
        while output and (chunk := await output.read(65536)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                self.lines.append(text)
                if not is_ready.done() and ready(text):
                    is_ready.set_result(True)
        if rest:
            self.lines.append(rest.decode(errors="replace"))
        if not is_ready.done():
            is_ready.set_result(False)


def _end_with_parent(parent: int) -> Callable[[], None]:
    """What the child runs before its program: ask the kernel for SIGTERM at the parent's death."""
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
