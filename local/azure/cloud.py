"""The simulated Azure without its front door: what can be done to it, and the truth about it."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Unpack

from local.azure.arm import Arm, LoggedRequest
from local.azure.compute import Compute
from local.azure.delivery import EventDelivery, EventSubscription
from local.azure.faults import Fault
from local.azure.handshake import Schema
from local.azure.life import Operation
from local.azure.long_running import LongRunning
from local.azure.model import Override, PowerState, VirtualMachine, VmOptions, VmSpec
from local.azure.price_list import list_price
from local.azure.prices import PricesMode, RetailPrices
from local.azure.scale_set_routes import ScaleSetRoutes
from local.azure.scale_sets import Mode, ScaleSet
from local.azure.settings import CloudSettings
from local.azure.topic import CustomTopic, TopicMode
from local.azure.verbs import Verbs
from local.azure.vm_routes import VmRoutes


class Cloud(Verbs):
    """VMs, scale sets, event subscriptions, a custom topic, a price list and ARM's answers.

    `settle()` waits for everything.
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
        long_running = LongRunning(self.compute.operations, settings.poll_after_seconds)
        vms = VmRoutes(compute=self.compute, long_running=long_running, page_size=settings.page_size)
        sets = ScaleSetRoutes(compute=self.compute, long_running=long_running, page_size=settings.page_size)
        self.arm = Arm(
            inventory=self.compute,
            routes=(*vms.routes(), *sets.routes(), *long_running.routes()),
            clock=settings.clock,
            enforce_limits=settings.enforce_limits,
        )
        self.topic = CustomTopic(settings.slow_seconds)
        self.prices = RetailPrices()

    # What exists already

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
        power = _settled(state)
        spec = VmSpec(subscription=subscription, resource_group=resource_group, name=name, **options)
        if spec.key in self.compute.vms:
            raise ValueError(f"VM {spec.id} exists already")
        return self.compute.add(spec, power, since).spec.id

    def add_scale_set(
        self,
        subscription: str,
        resource_group: str,
        name: str,
        *,
        mode: Mode = "Uniform",
        instances: int = 1,
        state: str = "running",
        since: datetime | None = None,
        **options: Unpack[VmOptions],
    ) -> list[str]:
        """A scale set that exists already, with instances in the settled `state`. No event. Returns their ids.

        Raises ValueError as `add_vm` does, or for a mode that does not exist.
        """
        power = _settled(state)
        model = VmSpec(subscription=subscription, resource_group=resource_group, name=name, **options)
        scale_set = ScaleSet(model, mode)
        if scale_set.id.lower() in self.compute.scale_sets:
            raise ValueError(f"scale set {scale_set.id} exists already")
        self.compute.add_scale_set(scale_set)
        return [
            self.compute.add(scale_set.instance(number), power, since).spec.id for number in range(instances)
        ]

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

    async def set_prices_mode(self, mode: PricesMode) -> None:
        """Make the price list work, fail or hang."""
        await self.prices.set_mode(mode)

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
        await self.prices.reset()
        self.arm.reset()

    # The truth

    @property
    def vms(self) -> Mapping[str, VirtualMachine]:
        """Every VM that exists, instances of scale sets included, by lower-case id."""
        return self.compute.vms

    @property
    def scale_sets(self) -> Mapping[str, ScaleSet]:
        """Every scale set that exists, by lower-case id."""
        return self.compute.scale_sets

    def left_stopped(self, grace: timedelta) -> set[str]:
        """Lower-case ids of the VMs that are settled at Stopped and have been for longer than grace."""
        now = self.settings.clock()
        return {key for key, vm in self.compute.vms.items() if vm.is_left_stopped(grace, now)}

    @staticmethod
    def list_price(
        size: str, region: str, os: Literal["Linux", "Windows"] = "Linux", currency: str = "USD"
    ) -> float:
        """What the price list says an hour of a running VM costs. Raises ValueError for what is not on it."""
        return list_price(size, region, os, currency)

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


def _settled(state: str) -> PowerState:
    if state not in {PowerState.RUNNING, PowerState.STOPPED, PowerState.DEALLOCATED}:
        raise ValueError(f"state is {state!r}; expected running, stopped or deallocated")
    return PowerState(state)
