"""The simulated Azure without its front door: what can be done to it, and the truth about it."""

from collections.abc import Collection, Mapping
from copy import replace
from datetime import datetime, timedelta
from typing import Any, Literal, Unpack

from local.azure.arm import Arm
from local.azure.burst import Burst, BurstOptions, BurstSettings, plan
from local.azure.clock import Clock
from local.azure.compute import Compute
from local.azure.delivery import EventDelivery
from local.azure.deployments import Deployments
from local.azure.endpoint import EndpointMode
from local.azure.event_subscriptions import EventSubscription, advanced_filter
from local.azure.fleet import fleet
from local.azure.handshake import Schema
from local.azure.life import Operation
from local.azure.long_running import LongRunning
from local.azure.model import Override, PowerState, VirtualMachine, VmOptions, VmSpec
from local.azure.permissions import Permissions
from local.azure.price_list import list_price
from local.azure.prices import RetailPrices
from local.azure.scale_set_routes import ScaleSetRoutes
from local.azure.scale_sets import Mode, ScaleSet
from local.azure.settings import CloudSettings
from local.azure.sites import Site, Sites
from local.azure.steering import Steering
from local.azure.subscriptions import Subscriptions
from local.azure.system_topics import SystemTopics
from local.azure.topic import CustomTopic
from local.azure.verbs import Verbs
from local.azure.vm_routes import VmRoutes
from local.azure.webhook import WebhookInbox, WebhookMessage


class Cloud(Verbs, Steering):
    """VMs, scale sets, event subscriptions, a custom topic, webhooks, a price list and ARM's answers.

    `settle()` waits for everything.
    """

    def __init__(self, settings: CloudSettings) -> None:
        self.settings = settings
        self.clock = Clock(settings.clock)
        self.delivery = EventDelivery(settings.delivery, self.clock)
        self.compute = Compute(
            clock=self.clock,
            duration=self._duration,
            publish=self.delivery.publish,
            chance=self.delivery.chance,
            subscriptions=self._first_subscriptions(),
        )
        long_running = LongRunning(self.compute.operations, settings.poll_after_seconds)
        vms = VmRoutes(compute=self.compute, long_running=long_running, page_size=self._page_size)
        sets = ScaleSetRoutes(compute=self.compute, long_running=long_running, page_size=self._page_size)
        permissions = Permissions()
        topics = SystemTopics(
            event_subscriptions=self.delivery.subscriptions, max_attempts=settings.delivery.max_attempts
        )
        self.listed = Subscriptions(self.compute.subscriptions)
        self.sites = Sites(check_group=self.compute.check_group)
        self.deployments = Deployments(
            clock=self.clock,
            publish=self.delivery.publish,
            poll_after_seconds=settings.poll_after_seconds,
        )
        parts = (vms, sets, long_running, permissions, topics, self.listed, self.sites, self.deployments)
        self.arm = Arm(
            inventory=self.compute,
            routes=tuple(row for part in parts for row in part.routes()),
            permissions=permissions,
            clock=self.clock,
            enforce_limits=settings.enforce_limits,
            enforce_compute_limits=settings.enforce_compute_limits,
        )
        self.topic = CustomTopic(slow_seconds=settings.slow_seconds)
        self.webhook = WebhookInbox(slow_seconds=settings.slow_seconds, clock=self.clock)
        self.prices = RetailPrices(slow_seconds=settings.slow_seconds)

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

    def add_fleet(
        self, subscription: str, count: int, *, first: int = 1, since: datetime | None = None
    ) -> list[str]:
        """Many VMs that exist already: of several kinds and in several states, the same every time. No event.

        Args:
            subscription: Where.
            count: How many; 50,000 take a second.
            first: The number of the first, from which its name, its kind and its state follow.
            since: Since when they are in their states (default now).

        Returns:
            Their ids. Raises ValueError if one of them exists.
        """
        vms = list(fleet(subscription, count, first))
        taken = next((spec.id for spec, _ in vms if spec.key in self.compute.vms), None)
        if taken is not None:
            raise ValueError(f"VM {taken} exists already")
        return [self.compute.add(spec, power, since).spec.id for spec, power in vms]

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

    def add_function_app(
        self,
        subscription: str,
        resource_group: str,
        name: str,
        *,
        host_name: str,
        settings: Mapping[str, str],
        **options: Any,  # noqa: ANN401 - the other fields of `Site`
    ) -> str:
        """A function app that is deployed already, as ARM shows it. No event. Returns its id.

        What it does is none of ARM's: `host_name` is where it answers, such as `127.0.0.1:7071`.
        """
        site = Site(
            subscription=subscription,
            resource_group=resource_group,
            name=name,
            host_name=host_name,
            settings=settings,
            **options,
        )
        self.compute.add_resource_group(subscription, resource_group)
        self.sites.add(site)
        return site.id

    def remove_scale_set(self, set_id: str) -> None:
        """Let a scale set and all its VMs be gone. No event. Raises ArmError if there is none."""
        self.compute.remove_scale_set(self.compute.scale_set(set_id))

    def set_operation_seconds(self, seconds: float | None) -> None:
        """How long operations that begin from now on take: 0 is a turn of the event loop for each step.

        None for as long as in real life, divided by the speed. Raises ValueError for less than 0.
        """
        if seconds is not None and seconds < 0:
            raise ValueError(
                f"operation seconds are {seconds}; expected 0, more, or null for as in real life"
            )
        self.settings = replace(self.settings, operation_seconds=seconds)

    def set_page_size(self, rows: int) -> None:
        """How many rows a page of a list holds from now on. Raises ValueError for less than 1."""
        if rows < 1:
            raise ValueError(f"page size is {rows}; expected 1 or more")
        self.settings = replace(self.settings, page_size=rows)

    # Bursts

    def burst(
        self,
        vm_ids: Collection[str] | None = None,
        *,
        begins_at: datetime | None = None,
        **options: Unpack[BurstOptions],
    ) -> Burst:
        """Many operations on many VMs, which happen when the burst is run or played: see `Burst`.

        Args:
            vm_ids: Of which VMs; None for all that exist.
            begins_at: When it begins (default now).
            options: The fields of `BurstSettings`.

        Raises ArmError for a VM that does not exist, ValueError if nothing can happen to any.
        """
        settings = BurstSettings(**options)
        vms = list(self.compute.vms.values()) if vm_ids is None else [self.vm(each) for each in vm_ids]
        return Burst(
            compute=self.compute,
            clock=self.clock,
            settings=settings,
            plan=plan(vms, settings),
            begins_at=begins_at or self.clock(),
        )

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

    # Events

    async def subscribe(
        self,
        endpoint: str,
        schema: Schema = "EventGridSchema",
        *,
        name: str = "stopgap",
        event_types: Collection[str] | None = None,
        subject_begins_with: str = "",
        advanced_filters: Collection[Mapping[str, Any]] = (),
        subscriptions: Collection[str] | None = None,
        function_id: str | None = None,
        dead_letters: bool = True,
    ) -> None:
        """Deliver events to an endpoint, once it has passed the handshake. Raises HandshakeError, ValueError.

        Advanced filters are given as ARM shows them. `subscriptions` are the Azure subscriptions to hear of, None
        for all. `function_id` makes it one that was made for a function of that id, in what ARM shows of it.
        """
        if schema not in {"EventGridSchema", "CloudEventSchemaV1_0"}:
            raise ValueError(f"schema is {schema!r}; expected EventGridSchema or CloudEventSchemaV1_0")
        await self.delivery.subscribe(
            EventSubscription(
                name=name,
                endpoint=endpoint,
                schema=schema,
                event_types=_lower(event_types),
                subject_begins_with=subject_begins_with,
                advanced_filters=tuple(map(advanced_filter, advanced_filters)),
                subscriptions=_lower(subscriptions),
                function_id=function_id,
                dead_letters=dead_letters,
            )
        )

    async def set_topic_mode(self, mode: EndpointMode) -> None:
        """Make the custom topic work, fail, hang or be slow."""
        await self.topic.set_mode(mode)

    async def set_webhook_mode(self, mode: EndpointMode) -> None:
        """Make the webhooks of Teams and Slack work, fail, hang or be slow."""
        await self.webhook.set_mode(mode)

    async def set_prices_mode(self, mode: EndpointMode) -> None:
        """Make the price list work, fail, hang or be slow."""
        await self.prices.set_mode(mode)

    async def settle(self) -> None:
        """Wait until all operations and all deliveries, retries included, have come to their end.

        Raises ExceptionGroup of what interposed callbacks raised.
        """
        await self.compute.settle()
        await self.delivery.settle()
        self.arm.interposition.raise_failures()

    async def reset(self) -> None:
        """Back to an empty Azure that permits everything.

        No VMs, function apps, deployments, subscriptions to events, faults, locks, interposed callbacks, logs or
        received events.
        Raises ExceptionGroup of what the callbacks raised.
        """
        await self.compute.reset()
        self.compute.subscriptions = self._first_subscriptions()
        self.sites.sites.clear()
        self.deployments.clear()
        await self.delivery.reset()
        await self.topic.reset()
        await self.webhook.reset()
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

    def powers(self) -> dict[str, str | None]:
        """The power state of every VM, by lower-case id; None while it has no place on a host yet."""
        return {key: vm.condition.power for key, vm in self.compute.vms.items()}

    def left_stopped(self, grace: timedelta) -> set[str]:
        """Lower-case ids of the VMs that are settled at Stopped and have been for longer than grace."""
        now = self.clock()
        return {key for key, vm in self.compute.vms.items() if vm.is_left_stopped(grace, now)}

    @staticmethod
    def list_price(
        size: str, region: str, os: Literal["Linux", "Windows"] = "Linux", currency: str = "USD"
    ) -> float:
        """What the price list says an hour of a running VM costs. Raises ValueError for what is not on it."""
        return list_price(size, region, os, currency)

    @property
    def topic_events(self) -> list[dict[str, Any]]:
        """CloudEvents that the custom topic has received, in order of arrival."""
        return self.topic.events

    @property
    def webhook_messages(self) -> list[WebhookMessage]:
        """What the webhooks of Teams and Slack have taken, in order of arrival."""
        return self.webhook.messages

    @property
    def dead_letters(self) -> list[dict[str, Any]]:
        """Events given up, in the schema they were to be delivered in."""
        return self.delivery.dead_letters

    def _first_subscriptions(self) -> set[str]:
        return {subscription.lower() for subscription in self.settings.subscriptions}

    def _page_size(self) -> int:
        return self.settings.page_size

    def _duration(self, operation: Operation) -> float:
        seconds = self.settings.operation_seconds
        return (operation.seconds if seconds is None else seconds) / self.settings.speed


def _lower(names: Collection[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(name.lower() for name in names)


def _settled(state: str) -> PowerState:
    if state not in {PowerState.RUNNING, PowerState.STOPPED, PowerState.DEALLOCATED}:
        raise ValueError(f"state is {state!r}; expected running, stopped or deallocated")
    return PowerState(state)
