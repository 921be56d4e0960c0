"""VMs and records for tests of the ledger, each test's in subscriptions of its own."""

import copy
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from shared.domain.actions import Entry, What
from shared.domain.ids import VmId
from shared.domain.observations import Model
from shared.domain.records import Episode, Flag, FlagKind, Notice, NoticeKind, Record, Transition
from shared.domain.signals import Source
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.ports import Change, Ledger, Query

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def new_subscription() -> str:
    return str(uuid4())


def new_vm(name: str = "web-1", group: str = "rg-shop", subscription: str | None = None) -> VmId:
    return VmId.of(subscription or new_subscription(), group, name)


def record(
    vm: VmId,
    power: PowerState = PowerState.RUNNING,
    *,
    flagged: bool = False,
    parked: bool = False,
    reason: str = "",
) -> Record:
    return Record(
        vm=vm,
        observed_at=NOON,
        reading=Reading(power, ProvisioningState.SUCCEEDED, None, hibernated=False),
        model=Model(size="Standard_D2s_v5"),
        power_state=power,
        appeared_at=NOON,
        not_before=None,
        flag=Flag(FlagKind.LEFT_STOPPED, NOON, NOON) if flagged else None,
        outbox=(notice(parked=False), notice(parked=True)) if parked else (),
        reason=reason,
    )


def notice(*, parked: bool) -> Notice:
    return Notice(NoticeKind.LEFT_STOPPED, f"parked: {parked}", NOON, NOON, parked=parked)


def transition(vm: VmId, seen_at: datetime, after: PowerState = PowerState.STOPPED) -> Transition:
    return Transition(vm, seen_at, seen_at, Source.OBSERVED, PowerState.RUNNING, after, None)


def episode(vm: VmId, seen_at: datetime, ended_at: datetime | None = None) -> Episode:
    return Episode(vm, seen_at, seen_at, Source.OBSERVED, None, ended_at=ended_at)


def entry(vm: VmId, at: datetime, what: What = What.DEALLOCATION_ASKED, text: str = "") -> Entry:
    return Entry(vm, at, what, "ada", text)


def with_reason(old: Record, reason: str) -> Record:
    return copy.replace(old, reason=reason)


async def save_new(ledger: Ledger, *records: Record) -> None:
    for new in records:
        await ledger.save(Change(new), None)


async def listed(ledger: Ledger, query: Query) -> list[VmId]:
    """The VMs of all pages."""
    vms = list[VmId]()
    while True:
        page = await ledger.page(query)
        assert len(page.records) <= query.limit
        vms += [each.vm for each in page.records]
        if page.next is None:
            return vms
        query = copy.replace(query, after=page.next)
