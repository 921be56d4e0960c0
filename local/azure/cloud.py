"""The simulated Azure without its front door: what can be done to it, and the truth about it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Unpack

from local.azure import errors
from local.azure.arm import Arm, LoggedRequest
from local.azure.callers import Caller
from local.azure.compute import Compute, RunningOperation
from local.azure.delivery import EventDelivery, EventSubscription
from local.azure.faults import Fault
from local.azure.handshake import Schema
from local.azure.life import Operation, Verb
from local.azure.model import Override, PowerState, VirtualMachine, VmOptions, VmSpec
from local.azure.settings import CloudSettings
from local.azure.topic import CustomTopic, TopicMode
from local.azure.vm_routes import VmRoutes

SOMEBODY = "Ada Lovelace"


class Cloud:
    """VMs, event subscriptions, a custom topic and ARM's answers.

    VM ids are taken in any letter case. The verbs begin an operation and return it: await what they return to
    wait for its end, or `settle()` to wait for everything. `by` is a person's full name, or None for a workload.
    They raise `ArmError` where ARM would refuse.
    """

    def __init__(self, settings: CloudSettings) -> None:
        self.settings = settings
        self.delivery = EventDelivery(settings.delivery, settings.clock)
        self.compute = Compute(
            clock=settings.clock,
            duration=self._duration,
            publish=self.delivery.publish,
            chance=self.delivery.chance,
            subscriptions=self._first_subscriptions(),
        )
        routes = VmRoutes(
            compute=self.compute,
            page_size=settings.page_size,
            poll_after_seconds=settings.poll_after_seconds,
        )
        self.arm = Arm(vms=routes, clock=settings.clock, enforce_limits=settings.enforce_limits)
        self.topic = CustomTopic(settings.slow_seconds)

    # VMs, and what happens to them

    def add_vm(
        self,
        subscription: str,
        resource_group: str,
        name: str,
        *,
        state: str = "running",
        since: datetime | None = None,
        **options: Unpack[VmOptions],
    ) -> str:
        """A VM that exists already, in the settled `state` since then (default now). No event. Returns its id.

        Raises ValueError for a state that is not running, stopped or deallocated, or for a VM that exists.
        """
        if state not in {PowerState.RUNNING, PowerState.STOPPED, PowerState.DEALLOCATED}:
            raise ValueError(f"state is {state!r}; expected running, stopped or deallocated")
        spec = VmSpec(subscription=subscription, resource_group=resource_group, name=name, **options)
        if spec.key in self.compute.vms:
            raise ValueError(f"VM {spec.id} exists already")
        return self.compute.add(spec, PowerState(state), since).spec.id

    def create(
        self,
        subscription: str,
        resource_group: str,
        name: str,
        *,
        by: str | None = SOMEBODY,
        **options: Unpack[VmOptions],
    ) -> RunningOperation:
        """Create a VM; its id is `vm.spec.id` of what is returned."""
        spec = VmSpec(subscription=subscription, resource_group=resource_group, name=name, **options)
        return self.compute.create(spec, Caller(by))

    def start(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Start."""
        return self.compute.begin(Verb.START, self.vm(vm_id), Caller(by))

    def power_off(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Power off: to Stopped, still billed."""
        return self.compute.begin(Verb.POWER_OFF, self.vm(vm_id), Caller(by))

    def restart(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Restart."""
        return self.compute.begin(Verb.RESTART, self.vm(vm_id), Caller(by))

    def deallocate(
        self, vm_id: str, by: str | None = SOMEBODY, *, hibernate: bool = False
    ) -> RunningOperation:
        """Deallocate, or hibernate."""
        return self.compute.begin(Verb.DEALLOCATE, self.vm(vm_id), Caller(by), hibernate=hibernate)

    def delete(self, vm_id: str, by: str | None = SOMEBODY) -> RunningOperation:
        """Delete."""
        return self.compute.begin(Verb.DELETE, self.vm(vm_id), Caller(by))

    def set_tags(self, vm_id: str, tags: Mapping[str, str], by: str | None = SOMEBODY) -> RunningOperation:
        """Replace the tags, which show at once."""
        vm = self.vm(vm_id)
        return self.compute.update(vm, replace(vm.spec, tags=dict(tags)), Caller(by))

    def guest_shutdown(self, vm_id: str) -> RunningOperation:
        """Shut down from inside: Stopped without any call to ARM; only an annotation tells."""
        return self.compute.begin(Verb.GUEST_SHUTDOWN, self.vm(vm_id))

    def guest_crash(self, vm_id: str) -> RunningOperation:
        """Crash the guest, which then reboots."""
        return self.compute.begin(Verb.GUEST_CRASH, self.vm(vm_id))

    def evict(self, vm_id: str) -> RunningOperation:
        """Take the capacity of a Spot VM back: deallocated by the platform, no call to ARM."""
        return self.compute.begin(Verb.EVICT, self.vm(vm_id))

    def fail_provisioning(self, vm_id: str) -> RunningOperation:
        """Let OS provisioning of a running VM time out: `failed/OSProvisioningTimedOut`, and still running."""
        return self.compute.begin(Verb.FAIL_PROVISIONING, self.vm(vm_id))

    def fail_next(self, vm_id: str, code: str = "InternalOperationError") -> None:
        """Let the VM's next operation, or the one under way, fail and leave the power state as it was."""
        self.vm(vm_id).fails_next = code

    # Broken answers

    def set_statuses(self, vm_id: str, raw: object) -> None:
        """Answer any JSON where the instance view has its top-level statuses."""
        self.vm(vm_id).override = Override("statuses", raw)

    def remove_instance_view(self, vm_id: str) -> None:
        """Leave the instance view out, as happens in Azure now and then."""
        self.vm(vm_id).override = Override("no-instance-view")

    def replace_body(self, vm_id: str, raw: object) -> None:
        """Answer any JSON where the VM or its instance view is asked for."""
        self.vm(vm_id).override = Override("body", raw)

    def restore(self, vm_id: str) -> None:
        """Answer truly again."""
        self.vm(vm_id).override = None

    def inject(self, fault: Fault) -> None:
        """Let the next ARM requests that match meet a fault."""
        self.arm.faults.in_store.append(fault)

    # Events

    async def subscribe(
        self,
        endpoint: str,
        schema: Schema = "EventGridSchema",
        *,
        name: str = "stopgap",
        event_types: Collection[str] | None = None,
    ) -> None:
        """Deliver events to an endpoint, once it has passed the handshake. Raises HandshakeError, ValueError."""
        if schema not in {"EventGridSchema", "CloudEventSchemaV1_0"}:
            raise ValueError(f"schema is {schema!r}; expected EventGridSchema or CloudEventSchemaV1_0")
        wanted = None if event_types is None else frozenset(kind.lower() for kind in event_types)
        await self.delivery.subscribe(
            EventSubscription(name=name, endpoint=endpoint, schema=schema, event_types=wanted)
        )

    async def set_topic_mode(self, mode: TopicMode) -> None:
        """Make the custom topic work, fail, hang or be slow."""
        await self.topic.set_mode(mode)

    async def settle(self) -> None:
        """Wait until all operations and all deliveries, retries included, have come to their end."""
        await self.compute.settle()
        await self.delivery.settle()

    async def reset(self) -> None:
        """Back to an empty Azure: no VMs, subscriptions to events, faults, logs or received events."""
        await self.compute.reset()
        self.compute.subscriptions = self._first_subscriptions()
        await self.delivery.reset()
        await self.topic.reset()
        self.arm.reset()

    # The truth

    def vm(self, vm_id: str) -> VirtualMachine:
        """The VM of that id. Raises ArmError (404) if there is none."""
        try:
            return self.compute.vms[vm_id.lower()]
        except KeyError:
            raise errors.no_vm(*_group_and_name(vm_id)) from None

    @property
    def vms(self) -> Mapping[str, VirtualMachine]:
        """Every VM that exists, by lower-case id."""
        return self.compute.vms

    def left_stopped(self, grace: timedelta) -> set[str]:
        """Lower-case ids of the VMs that are settled at Stopped and have been for longer than grace."""
        now = self.settings.clock()
        return {key for key, vm in self.compute.vms.items() if vm.is_left_stopped(grace, now)}

    @property
    def requests(self) -> list[LoggedRequest]:
        """ARM requests so far, oldest first. Counted by operation: `arm.counts()`."""
        return self.arm.requests

    @property
    def topic_events(self) -> list[dict[str, Any]]:
        """CloudEvents that the custom topic has received, in order of arrival."""
        return self.topic.events

    @property
    def dead_letters(self) -> list[dict[str, Any]]:
        """Events given up, in the schema they were to be delivered in."""
        return self.delivery.dead_letters

    def _first_subscriptions(self) -> set[str]:
        return {subscription.lower() for subscription in self.settings.subscriptions}

    def _duration(self, operation: Operation) -> float:
        seconds = self.settings.operation_seconds
        return (operation.seconds if seconds is None else seconds) / self.settings.speed


def _group_and_name(vm_id: str) -> tuple[str, str]:
    parts = vm_id.split("/")
    return (parts[4], parts[-1]) if len(parts) > 4 else ("", vm_id)
