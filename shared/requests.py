"""The use cases of the HTTP API: what a person asks for. Each is recorded with who asked."""

from datetime import datetime, timedelta

from msgspec import Struct

from shared.domain.actions import Refusal
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.news import Ask, Exempt, LookAsked, News, Snooze
from shared.domain.records import Record
from shared.ports import Look
from shared.watch import Watch


class NoSuchVm(LookupError):
    """Nothing is known of a VM, and nothing can be."""


def no_record(vm: VmId) -> NoSuchVm:
    """The error of a VM that there is no record of."""
    return NoSuchVm(f"no record of {vm}: no signal or sweep has named it yet")


class NotDone(Exception):
    """What was asked for is not done as things are: `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class Requests(Struct, eq=False):
    """Each answers with the record as it is then, or raises `NoSuchVm` or `NotDone`; port errors propagate."""

    watch: Watch

    async def deallocate(self, vm: VmId, by: str) -> Record:
        """Have a VM deallocated, if a fresh look finds nothing against it. Again while it is under way: no change."""
        self._check_watched(vm)
        decision = await self.watch.observe(vm, news=Ask(by))
        if decision.record is None:
            raise NoSuchVm(f"no record of {vm}, and Azure knows no such VM")
        if decision.refusal:
            raise NotDone(decision.refusal)
        return decision.record

    async def snooze(self, vm: VmId, until: datetime | None, by: str) -> Record:
        """Leave a flagged VM alone until a time; None ends that."""
        return await self._told(vm, Snooze(until, by))

    async def exempt(self, vm: VmId, exemption: Exemption | None, by: str) -> Record:
        """Exempt a VM; None ends that. The owner's own exemption, by tag, is left alone."""
        return await self._told(vm, Exempt(exemption, by))

    async def look(self, vm: VmId, by: str) -> Record:
        """Have a VM looked at soon, and its parked notices tried once more; one that is not known, at once."""
        self._check_watched(vm)
        if await self.watch.ledger.latest(vm) is None:
            decision = await self.watch.observe(vm)
            if decision.record is None:
                raise NoSuchVm(f"no record of {vm}, and Azure knows no such VM")
        record = await self._told(vm, LookAsked(by))
        await self.watch.looks.put(Look(vm, self.watch.now(), anyway=True), timedelta())
        return record

    async def _told(self, vm: VmId, news: News) -> Record:
        self._check_watched(vm)
        decision = await self.watch.take_in(vm, None, news=news)
        if decision.record is None:
            raise no_record(vm)
        if decision.refusal:
            raise NotDone(decision.refusal)
        return decision.record

    def _check_watched(self, vm: VmId) -> None:
        if vm.subscription not in self.watch.subscriptions:
            raise NoSuchVm(f"subscription {vm.subscription} is not watched; see STOPGAP_SUBSCRIPTIONS")
