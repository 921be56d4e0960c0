"""What everything here that receives posts has in common: it works, fails, hangs or is slow, as it is told."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal, get_args

EndpointMode = Literal["ok", "fail", "hang", "slow"]
MODES: tuple[str, ...] = get_args(EndpointMode)


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """One mode for all that is posted to it.

    `ok` answers; `fail` answers as if it were broken; `hang` answers nothing until the mode changes, then does what
    the new mode says; `slow` answers after `slow_seconds`.
    """

    name: str
    """What errors call it."""
    slow_seconds: float = 1.0
    mode: EndpointMode = "ok"
    waiting: int = 0
    """How many requests hang."""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def set_mode(self, mode: EndpointMode) -> None:
        """Change the mode, and release what hangs. Raises ValueError for an unknown one."""
        if mode not in MODES:
            raise ValueError(f"{self.name} mode is {mode!r}; expected one of {', '.join(MODES)}")
        async with self._changed:
            self.mode = mode
            self._changed.notify_all()

    async def works(self) -> bool:
        """Wait for as long as the mode says; whether the request is then to be answered, rather than to fail."""
        self.waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self.mode != "hang")
        finally:
            self.waiting -= 1
        if self.mode == "slow":
            await asyncio.sleep(self.slow_seconds)
        return self.mode != "fail"
