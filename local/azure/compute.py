"""The operations that carry VMs from state to state as time passes, and the telling of them."""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from local.azure import errors
from local.azure.callers import WORKLOAD, Caller
from local.azure.events import (
    ControlPlaneCall,
    Event,
    annotation_event,
    availability_event,
    deployment_event,
    resource_event,
)
from local.azure.inventory import Inventory
from local.azure.life import OPERATIONS, OS_PROVISIONING_TIMED_OUT, ArmCall, Operation, Verb
from local.azure.model import (
    SCALE_SET_TYPE,
    Condition,
    PowerState,
    ProvisioningState,
    Step,
    VirtualMachine,
    VmSpec,
)
from local.azure.operations import AnyOperation, RunningOperation, SetOperation
from local.azure.rules import removes, steps_of
from local.azure.scale_sets import ScaleSet

AVAILABLE_WHILE = frozenset({PowerState.RUNNING, PowerState.STOPPING, PowerState.DEALLOCATING})
_FAILURE = "Operation abandoned due to internal error. Please try again later."


@dataclass(slots=True, kw_only=True)
class Compute(Inventory):
    """The compute resource provider: what exists; begins operations, takes them through their steps, tells of them."""

    clock: Callable[[], datetime]
    duration: Callable[[Operation], float]
    """Seconds that an operation is to take here."""
    publish: Callable[[Event], None]
    chance: random.Random
    operations: dict[str, AnyOperation] = field(default_factory=dict)
    """Every operation begun so far, by id: ARM answers for those that have ended, too."""

    def add(self, spec: VmSpec, power: PowerState, since: datetime | None = None) -> VirtualMachine:
        """A VM that has been in this state since then (default now). Nobody is told."""
        at = since or self.clock()
        condition = Condition(power=power, provisioning=ProvisioningState.SUCCEEDED, provisioned_at=at)
        return self.keep(spec, condition, at)

    def create(self, spec: VmSpec, caller: Caller) -> RunningOperation:
        """Begin a creation. Raises ArmError if a VM of that id exists."""
        if spec.key in self.vms:
            raise errors.conflict()
        nowhere = Condition(power=None, provisioning=ProvisioningState.CREATING)
        return self.begin(Verb.CREATE, self.keep(spec, nowhere, self.clock()), caller)

    def update(self, vm: VirtualMachine, spec: VmSpec, caller: Caller) -> RunningOperation:
        """Begin an update of the model, which shows at once. Raises ArmError while another operation runs."""
        verb = Verb.UPDATE if spec.size == vm.spec.size else Verb.RESIZE
        operation = self.begin(verb, vm, caller)
        vm.spec = spec
        return operation

    def begin(
        self,
        verb: Verb,
        vm: VirtualMachine,
        caller: Caller = WORKLOAD,
        *,
        hibernate: bool = False,
        told: bool = True,
    ) -> RunningOperation:
        """Begin an operation. Raises ArmError (409) when the VM's state or another operation forbids it."""
        seconds = self.duration(OPERATIONS[verb])
        operation, way = self.enter(verb, vm, caller, seconds=seconds, hibernate=hibernate, told=told)
        operation.task = asyncio.create_task(_go(way))
        return operation

    def enter(
        self,
        verb: Verb,
        vm: VirtualMachine,
        caller: Caller = WORKLOAD,
        *,
        seconds: float,
        hibernate: bool = False,
        told: bool = True,
        tell: Callable[[Event], None] | None = None,
    ) -> tuple[RunningOperation, Iterator[float]]:
        """Begin an operation that its caller leads to its end. Raises as `begin` does.

        Args:
            verb: Which.
            vm: On which VM.
            caller: Who asked for it.
            seconds: How long it takes.
            hibernate: Whether a deallocation keeps the memory.
            told: Whether an event tells of its end.
            tell: Whom its events are told; None: whoever has subscribed.

        Returns:
            The operation, and its way: each `next` gives the seconds until the next is due, until there is none.
        """
        steps = steps_of(verb, vm, hibernate=hibernate)
        operation = RunningOperation(
            verb=verb,
            vm=vm,
            caller=caller,
            started_at=self.clock(),
            hibernates=hibernate,
            told=told,
            tell=tell or self.publish,
        )
        self.operations[operation.id] = operation
        vm.busy_with = verb
        annotation = OPERATIONS[verb].annotation
        if steps and annotation:
            operation.tell(annotation_event(vm, annotation, operation.started_at))
        before = vm.condition
        if steps:
            self._take(operation, steps[0])
        return operation, self._way(operation, steps, before, seconds)

    def begin_on_set(
        self, verb: Verb, scale_set: ScaleSet, vms: Collection[VirtualMachine], caller: Caller = WORKLOAD
    ) -> SetOperation:
        """Begin an operation on instances of a scale set. Raises ArmError (409) if one of them forbids it.

        That its one resource event names the set, and only annotations name the instances, is inferred: ARM tells
        of requests, and the request names the set.
        """
        for vm in vms:
            steps_of(verb, vm)
        operation = SetOperation(
            verb=verb,
            caller=caller,
            started_at=self.clock(),
            scale_set=scale_set,
            parts=tuple(self.begin(verb, vm, caller, told=False) for vm in vms),
        )
        self.operations[operation.id] = operation
        operation.task = asyncio.create_task(self._run_on_set(operation))
        return operation

    async def settle(self) -> None:
        """Wait until no operation is under way."""
        while tasks := [o.task for o in self.operations.values() if o.task and not o.task.done()]:
            await asyncio.wait(tasks)

    async def reset(self) -> None:
        """Forget every VM and every operation; those under way are abandoned."""
        tasks = [operation.task for operation in self.operations.values() if operation.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.operations.clear()
        self.clear()

    def _way(
        self, operation: RunningOperation, steps: tuple[Step, ...], before: Condition, seconds: float
    ) -> Iterator[float]:
        """Go on from the first step, which is taken already, to the last, which ends the operation."""
        to_come = steps[1:]
        pause = seconds / max(len(to_come), 1)
        for step in to_come[:-1]:
            yield pause
            self._take(operation, step)
        if steps:
            yield pause
        self._end(operation, to_come, before)
        operation.vm.busy_with = None
        operation.ended_at = self.clock()
        call = OPERATIONS[operation.verb].arm
        if call is not None and operation.told:
            self._tell_of_the_end(operation, call, operation.ended_at)

    async def _run_on_set(self, operation: SetOperation) -> None:
        for part in operation.parts:
            await part
        operation.error = next((part.error for part in operation.parts if part.error), None)
        operation.ended_at = self.clock()
        call = OPERATIONS[operation.verb].arm
        if call is not None:
            ended = _ended(operation, call, SCALE_SET_TYPE, operation.ended_at)
            self.publish(resource_event(ended, self._cased_at_will(operation.scale_set.id)))

    def _end(self, operation: RunningOperation, steps: tuple[Step, ...], before: Condition) -> None:
        vm = operation.vm
        if vm.cancels_next:
            vm.cancels_next, operation.cancelled = False, True
            operation.error = ("OperationCanceled", "The operation was canceled.")
            self._take(operation, Step(before.power, ProvisioningState.CANCELED))
        elif vm.fails_next is not None:
            # A failed operation leaves the VM where it was, with the error code in its provisioning state. Only a
            # creation that failed because the OS took too long to set itself up leaves one that runs.
            code, vm.fails_next = vm.fails_next, None
            operation.error = (code, _FAILURE)
            created = operation.verb is Verb.CREATE and code == OS_PROVISIONING_TIMED_OUT
            power = PowerState.RUNNING if created else before.power
            self._take(operation, Step(power, ProvisioningState.FAILED, code))
        elif removes(operation.verb, vm.spec):
            self.remove(vm)
        elif steps:
            self._take(operation, steps[-1])
            vm.hibernated = vm.hibernated or operation.hibernates
            if vm.condition.provisioning is ProvisioningState.FAILED:
                code = vm.condition.detail or "InternalOperationError"
                operation.error = (code, f"OS Provisioning for VM '{vm.spec.name}' did not finish in time.")

    def _take(self, operation: RunningOperation, step: Step) -> None:
        at, vm = self.clock(), operation.vm
        before = vm.condition
        vm.become(step.after(before, at), at)
        was, is_now = (power in AVAILABLE_WHILE for power in (before.power, step.power))
        if was != is_now:
            words = {True: "Available", False: "Unavailable"}
            operation.tell(availability_event(vm, words[was], words[is_now], at))

    def _tell_of_the_end(self, operation: RunningOperation, call: ArmCall, at: datetime) -> None:
        vm = operation.vm
        ended = _ended(operation, call, vm.spec.type, at)
        is_new = operation.verb is Verb.CREATE
        if is_new:
            operation.tell(deployment_event(vm, ended))
        operation.tell(resource_event(ended, self._cased_at_will(vm.spec.id), is_new=is_new))

    def _cased_at_will(self, vm_id: str) -> str:
        """Subjects come in either casing of `resourceGroups`, as in the documented samples."""
        return vm_id.replace("/resourceGroups/", self.chance.choice(("/resourceGroups/", "/resourcegroups/")))


async def _go(way: Iterator[float]) -> None:
    """Go an operation's way in real time."""
    for pause in way:
        await asyncio.sleep(pause)


def _ended(operation: AnyOperation, call: ArmCall, resource_type: str, at: datetime) -> ControlPlaneCall:
    hibernates = isinstance(operation, RunningOperation) and operation.hibernates
    return ControlPlaneCall(
        call=call,
        resource_type=resource_type,
        subscription=operation.model.subscription,
        caller=operation.caller,
        correlation_id=operation.correlation_id,
        outcome="Cancel" if operation.cancelled else "Failure" if operation.error else "Success",
        at=at,
        query="hibernate=true&" if hibernates else "",
    )
