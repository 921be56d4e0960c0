"""What is done just before and just after ARM makes an answer: how a test puts an event at one moment of a race."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMoment:
    """A moment in the life of one ARM request."""

    when: Literal["before", "after"]
    """`before`: the answer is yet to be made. `after`: it is made and logged, and not sent yet."""
    operation: str
    """The name that the request log gives it."""
    method: str
    path: str
    vm_id: str | None
    """Lower-case id of the VM or instance that the path names, whether it exists or not."""
    status: int | None = None
    """Of the answer, once it is made; 0 where the connection is dropped."""


type Interposed = Callable[[RequestMoment], object]
"""Called at each moment. If it is an `async def`, the request waits until it has ended."""


@dataclass(slots=True)
class Interposition:
    """Calls what was interposed, in the order in which it was.

    An exception of a callback is kept: the request goes on as if nothing had been interposed, so that no answer of
    500 hides the exception, and `raise_failures` raises it where the test is.
    """

    callbacks: list[Interposed] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def run(self, moment: RequestMoment) -> None:
        """Call them all."""
        for callback in tuple(self.callbacks):
            try:
                called = callback(moment)
                if asyncio.iscoroutine(called):
                    await called
            except Exception as error:  # noqa: BLE001 - kept for `raise_failures`
                self.failures.append(error)

    def raise_failures(self) -> None:
        """Raise ExceptionGroup of what the callbacks raised, if they did; once."""
        failures, self.failures = self.failures, []
        if failures:
            raise ExceptionGroup("what was interposed failed", failures)
