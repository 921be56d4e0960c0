"""The VMs that exist, and the operations that carry them from state to state as time passes."""

import asyncio
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

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
from local.azure.life import OPERATIONS, Operation, Verb
from local.azure.model import (
    Condition,
    PowerState,
    ProvisioningState,
    Step,
    VirtualMachine,
    VmSpec,
)

_AVAILABLE_WHILE = frozenset({PowerState.RUNNING, PowerState.STOPPING, PowerState.DEALLOCATING})


@dataclass(slots=True, kw_only=True)
class RunningOperation:
    """An operation from its beginning; await it to wait for its end (it ends Failed, it does not raise)."""

    id: str
    verb: Verb
    vm: VirtualMachine
    caller: Caller
    correlation_id: str
    started_at: datetime
    ended_at: datetime | None = None
    error: tuple[str, str] | None = None
    """Code and message, once it has failed."""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def status(self) -> str:
        """`InProgress`, `Succeeded` or `Failed`: ARM's words."""
        if self.ended_at is None:
            return "InProgress"
        return "Failed" if self.error else "Succeeded"

    def __await__(self) -> Generator[object]:
        if self.task is not None:
            yield from asyncio.shield(self.task).__await__()


@dataclass(slots=True, kw_only=True)
class Compute:
    """The compute resource provider: begins operations, takes them through their steps, tells of them."""

    clock: Callable[[], datetime]
    duration: Callable[[Operation], float]
    """Seconds that an operation is to take here."""
    publish: Callable[[Event], None]
    chance: random.Random
    subscriptions: set[str]
    """Lower-case ids of the subscriptions that exist."""
    resource_groups: set[tuple[str, str]] = field(default_factory=set)
    """(subscription, resource group), both lower-case."""
    vms: dict[str, VirtualMachine] = field(default_factory=dict)
    """By lower-case id."""
    operations: dict[str, RunningOperation] = field(default_factory=dict)
    """Every operation begun so far, by id: ARM answers for those that have ended, too."""

    def add_resource_group(self, subscription: str, resource_group: str) -> None:
        """Make a resource group, and its subscription, known."""
        self.subscriptions.add(subscription.lower())
        self.resource_groups.add((subscription.lower(), resource_group.lower()))

    def add(self, spec: VmSpec, power: PowerState, since: datetime | None = None) -> VirtualMachine:
        """A VM that has been in this state since then (default now). Nobody is told."""
        at = since or self.clock()
        condition = Condition(power=power, provisioning=ProvisioningState.SUCCEEDED, provisioned_at=at)
        return self._keep(spec, condition, at)

    def create(self, spec: VmSpec, caller: Caller) -> RunningOperation:
        """Begin a creation. Raises ArmError if a VM of that id exists."""
        if spec.key in self.vms:
            raise errors.conflict()
        nowhere = Condition(power=None, provisioning=ProvisioningState.CREATING)
        return self.begin(Verb.CREATE, self._keep(spec, nowhere, self.clock()), caller)

    def update(self, vm: VirtualMachine, spec: VmSpec, caller: Caller) -> RunningOperation:
        """Begin an update of the model, which shows at once. Raises ArmError while another operation runs."""
        operation = self.begin(Verb.UPDATE, vm, caller)
        vm.spec = spec
        return operation

    def begin(
        self, verb: Verb, vm: VirtualMachine, caller: Caller = WORKLOAD, *, hibernate: bool = False
    ) -> RunningOperation:
        """Begin an operation. Raises ArmError (409) when the VM's state or another operation forbids it."""
        steps = self._steps(verb, vm)
        started_at = self.clock()
        operation = RunningOperation(
            id=str(uuid4()),
            verb=verb,
            vm=vm,
            caller=caller,
            correlation_id=str(uuid4()),
            started_at=started_at,
        )
        self.operations[operation.id] = operation
        vm.busy_with = verb
        annotation = OPERATIONS[verb].annotation
        if steps and annotation:
            self.publish(annotation_event(vm, annotation, started_at))
        before = vm.condition
        if steps:
            self._take(vm, steps[0])
        operation.task = asyncio.create_task(self._run(operation, steps, before, hibernate=hibernate))
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
        self.vms.clear()
        self.resource_groups.clear()

    def _keep(self, spec: VmSpec, condition: Condition, at: datetime) -> VirtualMachine:
        self.add_resource_group(spec.subscription, spec.resource_group)
        vm = VirtualMachine(spec=spec, vm_id=str(uuid4()), history=[])
        vm.become(condition, at)
        self.vms[spec.key] = vm
        return vm

    def _steps(self, verb: Verb, vm: VirtualMachine) -> tuple[Step, ...]:
        if vm.busy_with is not None:
            raise errors.conflict()
        if verb is Verb.DEALLOCATE and vm.spec.ephemeral_os_disk:
            raise errors.not_allowed(verb, vm.spec, "its OS disk is ephemeral: it can only be deleted")
        if verb is Verb.EVICT and vm.spec.eviction_policy != "Deallocate":
            raise errors.not_allowed(verb, vm.spec, "it is no Spot VM with the eviction policy Deallocate")
        power = vm.condition.power
        steps = OPERATIONS[verb].paths.get(power)
        if steps is None:
            raise errors.not_allowed(verb, vm.spec, f"the VM is {power or 'not provisioned'}")
        return steps

    async def _run(
        self, operation: RunningOperation, steps: tuple[Step, ...], before: Condition, *, hibernate: bool
    ) -> None:
        """Go on from the first step, which is taken already, to the last, which ends the operation."""
        to_come = steps[1:]
        pause = self.duration(OPERATIONS[operation.verb]) / max(len(to_come), 1)
        for step in to_come[:-1]:
            await asyncio.sleep(pause)
            self._take(operation.vm, step)
        if steps:
            await asyncio.sleep(pause)
        self._end(operation, to_come, before, hibernate=hibernate)
        operation.vm.busy_with = None
        operation.ended_at = self.clock()
        self._tell_of_the_end(operation, operation.ended_at)

    def _end(
        self, operation: RunningOperation, steps: tuple[Step, ...], before: Condition, *, hibernate: bool
    ) -> None:
        vm = operation.vm
        if vm.fails_next is not None:
            # A failed operation leaves the VM where it was, with the error code in its provisioning state.
            operation.error = (
                vm.fails_next,
                "Operation abandoned due to internal error. Please try again later.",
            )
            self._take(vm, Step(before.power, ProvisioningState.FAILED, vm.fails_next))
            vm.fails_next = None
        elif OPERATIONS[operation.verb].removes:
            del self.vms[vm.spec.key]
        elif steps:
            self._take(vm, steps[-1])
            vm.hibernated = vm.hibernated or hibernate
            if vm.condition.provisioning is ProvisioningState.FAILED:
                code = vm.condition.detail or "InternalOperationError"
                operation.error = (code, f"OS Provisioning for VM '{vm.spec.name}' did not finish in time.")

    def _take(self, vm: VirtualMachine, step: Step) -> None:
        at = self.clock()
        before = vm.condition
        vm.become(step.after(before, at), at)
        was, is_now = (power in _AVAILABLE_WHILE for power in (before.power, step.power))
        if was != is_now:
            words = {True: "Available", False: "Unavailable"}
            self.publish(availability_event(vm, words[was], words[is_now], at))

    def _tell_of_the_end(self, operation: RunningOperation, at: datetime) -> None:
        call = OPERATIONS[operation.verb].arm
        if call is None:
            return
        vm = operation.vm
        ended = ControlPlaneCall(
            call=call,
            caller=operation.caller,
            correlation_id=operation.correlation_id,
            succeeded=operation.error is None,
            at=at,
        )
        is_new = operation.verb is Verb.CREATE
        if is_new:
            self.publish(deployment_event(vm, ended))
        self.publish(resource_event(vm, ended, self._cased_at_will(vm.spec.id), is_new=is_new))

    def _cased_at_will(self, vm_id: str) -> str:
        """Subjects come in either casing of `resourceGroups`, as in the documented samples."""
        return vm_id.replace("/resourceGroups/", self.chance.choice(("/resourceGroups/", "/resourcegroups/")))
