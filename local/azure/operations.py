"""Operations under way: what a request to ARM, the guest or the platform has set going."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from local.azure.callers import Caller
from local.azure.events import Event
from local.azure.life import Verb
from local.azure.model import VirtualMachine, VmSpec
from local.azure.scale_sets import ScaleSet


@dataclass(slots=True, kw_only=True)
class _Operation:
    """An operation from its beginning; await it to wait for its end (it ends Failed, it does not raise)."""

    verb: Verb
    caller: Caller
    started_at: datetime
    id: str = field(default_factory=lambda: str(uuid4()))
    correlation_id: str = field(default_factory=lambda: str(uuid4()))
    ended_at: datetime | None = None
    error: tuple[str, str] | None = None
    """Code and message, once it has failed or been cancelled."""
    cancelled: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def status(self) -> str:
        """`InProgress`, `Succeeded`, `Failed` or `Canceled`: ARM's words."""
        if self.ended_at is None:
            return "InProgress"
        if self.cancelled:
            return "Canceled"
        return "Failed" if self.error else "Succeeded"

    def __await__(self) -> Generator[object]:
        if self.task is not None:
            yield from asyncio.shield(self.task).__await__()


@dataclass(slots=True, kw_only=True)
class RunningOperation(_Operation):
    """An operation on one VM."""

    vm: VirtualMachine
    hibernates: bool = False
    told: bool = True
    """Whether an event tells of its end; not where it is part of an operation on a scale set."""
    tell: Callable[[Event], None] = field(repr=False)
    """Tells an event of it."""

    @property
    def model(self) -> VmSpec:
        """The VM's model."""
        return self.vm.spec


@dataclass(slots=True, kw_only=True)
class SetOperation(_Operation):
    """An operation on instances of a scale set, asked for of the set."""

    scale_set: ScaleSet
    parts: tuple[RunningOperation, ...]
    """One for each instance."""

    @property
    def model(self) -> VmSpec:
        """What the instances are made from."""
        return self.scale_set.model


type AnyOperation = RunningOperation | SetOperation
