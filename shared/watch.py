"""The use cases: observe a VM, for whatever reason, and look again when it is time.

One way for every trigger: fetch, latest, decide, save if the record is still the one that was read, act.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched

from msgspec import Struct, field

from shared import measures, metrics
from shared.budgets import Budgets
from shared.costs import Costs
from shared.domain.actions import Entry
from shared.domain.budget import LONGEST_BLOCK, SPACING, spacing
from shared.domain.decision import Deallocate, Decision, LookAgain, Send, decide
from shared.domain.fleet import fingerprint_of
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.log import sent
from shared.domain.malformed import Malformed
from shared.domain.money import Cost
from shared.domain.news import News
from shared.domain.noticing import mark_failed, mark_sent
from shared.domain.observations import CLOCKS_DIFFER, Gone, Observation
from shared.domain.policy import Channel, Policy
from shared.domain.probes import Probe, read_probe
from shared.domain.records import Notice, Record
from shared.domain.settling import covers
from shared.domain.signals import Event, Signal, read_event, read_scale_set_event
from shared.domain.telling import Telling
from shared.measures import Why
from shared.ports import (
    Arrival,
    Attempt,
    Change,
    Clock,
    Conflict,
    Known,
    Ledger,
    Look,
    Notices,
    NotNow,
    PortError,
    Queue,
    Refused,
    Stored,
    Sweep,
    Throttled,
    VmSource,
)

log = logging.getLogger("stopgap.watch")

SAVES = 20
"""How often a save is tried against others that save the same record; one always wins, so the rest gets through."""

AT_ONCE = 50
"""How many messages are put into a queue at once."""

TOGETHER = 250
"""How many VMs of a sweep are taken in together: what is written of them fills some transactions."""

SOON = timedelta(minutes=1)
"""How long a look is put off that Azure cannot answer now, unless it says itself."""

AFTER_A_SWEEP = timedelta(minutes=1)
"""How long after a sweep is due a look comes again that was left to it."""

LATER = timedelta(minutes=10)
"""How long a look is put off that Azure refuses, or answers in a way that nobody expects: until somebody mends it."""


class Outcome(StrEnum):
    """What came of an event, of a queued look or of a queued attempt. Logged and counted by these words."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SCALE_SET = "scale_set"
    NOT_A_VM = "ignored_not_a_vm"
    NOT_WATCHED = "ignored_subscription_not_watched"
    SUPERSEDED = "superseded"
    PUT_OFF = "put_off"
    SENT = "deallocation_sent"
    NOT_SENT = "deallocation_not_sent"
    SWEPT = "swept"
    COVERED = "covered"
    LEFT_TO_A_SWEEP = "left_to_a_sweep"
    PROBED = "probe_recorded"


class Watch(Struct, eq=False):
    """The use cases, over the ports they need."""

    vms: VmSource
    ledger: Ledger
    looks: Queue[Look]
    deallocations: Queue[Attempt]
    sweeps: Queue[Sweep]
    notices: Mapping[Channel, Notices]
    costs: Costs
    policy: Policy
    subscriptions: frozenset[str]
    now: Clock
    budgets: Budgets
    keep_caller_name: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    """How often what came of an event or look, in this process."""
    _planned: dict[str, datetime] = field(default_factory=dict)
    """When the next sweep of a subscription is due that is known to be asked for."""
    _owed: dict[str, datetime] = field(default_factory=dict)
    """When one is due that this instance planned and could not ask for: nobody else does."""

    async def event(self, event: Event) -> Outcome:
        """Take in an event: look at the VM it names. `Malformed` when it is none; port errors propagate."""
        signal = read_event(event, keep_name=self.keep_caller_name)
        measures.delivered(signal)
        scale_set = None if signal else read_scale_set_event(event)
        if scale_set and scale_set.subscription in self.subscriptions:
            return await self._scale_set(scale_set, event)
        if signal is None:
            return await self._about_no_vm(event)
        if signal.vm.subscription not in self.subscriptions:
            return self.came(Outcome.NOT_WATCHED, event=event.type, subject=event.subject)
        return await self._signal(signal, event=event.type, operation=signal.cause.operation)

    async def _about_no_vm(self, event: Event) -> Outcome:
        """A probe of a subscription that is watched is kept; whatever else there is is nothing to us."""
        probe = read_probe(event)
        if probe is None:
            return self.came(Outcome.NOT_A_VM, event=event.type, subject=event.subject)
        if probe.subscription not in self.subscriptions:
            return self.came(Outcome.NOT_WATCHED, event=event.type, subject=event.subject)
        return await self._probed(probe)

    async def _probed(self, probe: Probe) -> Outcome:
        kept = await self.ledger.keep_probe(Arrival(probe, self.now()))
        outcome = Outcome.PROBED if kept else Outcome.SUPERSEDED
        return self.came(outcome, subscription=probe.subscription, token=probe.token)

    async def look_again(self, look: Look, attempt: int) -> Outcome:
        """Do a look that was asked for earlier.

        Args:
            look: What was asked for.
            attempt: How often the queue has delivered it, this time included. A message can only be taken for
                superseded on its first delivery: on a later one, the delivery before may have saved the record
                and died before it asked for the next look.
        """
        if look.vm.subscription not in self.subscriptions:
            return self.came(Outcome.NOT_WATCHED, vm=look.vm)
        if attempt == 1 and not look.anyway:
            stored = await self.ledger.latest(look.vm)
            due = stored.record.look_at if stored else look.at
            if due is None or due > look.at:
                return self.came(Outcome.SUPERSEDED, vm=look.vm)
        if not self.budgets.may_look(look.vm.subscription):
            return await self._left_to_a_sweep(look, attempt)
        try:
            decision = await self.observe(look.vm)
        except NotNow as fault:
            self.heed(look.vm.subscription, fault)
            return await self._put_off(look, attempt, fault.retry_after or SOON, fault)
        except (Refused, Malformed) as fault:
            log.error("%s", fault)  # noqa: TRY400 - a line that names the fault is what an operator needs
            return await self._put_off(look, attempt, LATER, fault)
        return self._decided(look.vm, decision, queued_for=look.at.isoformat())

    async def _signal(self, signal: Signal, **told: object) -> Outcome:
        """Take in a signal: with a look at its VM, unless that was had since, or too much is asked of ARM already."""
        vm = signal.vm
        stored = await self.ledger.latest(vm)
        if stored and covers(stored.record, signal):
            decision = await self.take_in(vm, None, signal, stored=stored)
            return self.came(Outcome.COVERED, vm=vm, reason=decision.reason, **told)
        if self.budgets.may_look(vm.subscription):
            try:
                seen = await self.vms.look(vm)
            except Throttled as fault:
                self.heed(vm.subscription, fault)
            else:
                return self._decided(vm, await self.take_in(vm, seen, signal, stored=stored), **told)
        await self.ask_sweep(vm.subscription)
        if stored:
            # What the signal tells is kept; the look that it asks for is the sweep.
            await self.take_in(vm, None, signal, stored=stored, act=False)
        return self.came(Outcome.LEFT_TO_A_SWEEP, vm=vm, **told)

    async def ask_sweep(self, subscription: str) -> datetime:
        """Have one sweep of a subscription, however many ask; when it is due. Who asks before that is covered by it."""
        now = self.now()
        planned_at = self._planned.get(subscription)
        if planned_at and now < planned_at <= now + LONGEST_BLOCK:
            return planned_at
        before = (await self.ledger.coverage([subscription])).get(subscription)
        apart = spacing(before.pages, before.ended_at - before.began_at) if before else SPACING
        due_at, ours = await self.ledger.plan_sweep(subscription, now, apart)
        if ours or self._owed.pop(subscription, None) == due_at:
            try:
                await self.sweeps.put(Sweep(subscription, now), due_at - now)
            except PortError:
                self._owed[subscription] = due_at
                raise
        self._planned[subscription] = due_at
        return due_at

    async def _left_to_a_sweep(self, look: Look, attempt: int) -> Outcome:
        """A look that is left to a sweep comes again after it, and is superseded then if the sweep saw to it."""
        due_at = await self.ask_sweep(look.vm.subscription)
        delay = due_at - self.now() + AFTER_A_SWEEP
        await self.looks.put(replace(look, anyway=look.anyway or attempt > 1), delay)
        return self.came(Outcome.LEFT_TO_A_SWEEP, vm=look.vm)

    def heed(self, subscription: str, fault: NotNow) -> None:
        """Leave Azure alone, if that is what it asks for."""
        if isinstance(fault, Throttled):
            self.budgets.throttled(subscription, fault.retry_after)

    async def _scale_set(self, scale_set: ScaleSetId, event: Event) -> Outcome:
        """An event about a whole set names no instance: ask for a look at each that is known."""
        instances = await self.ledger.instances(scale_set)
        for some in batched(instances, AT_ONCE, strict=False):
            await asyncio.gather(*(self._ask(Look(vm, self.now(), anyway=True)) for vm in some))
        return self.came(Outcome.SCALE_SET, event=event.type, subject=event.subject, instances=len(instances))

    async def _put_off(self, look: Look, attempt: int, delay: timedelta, fault: Exception) -> Outcome:
        """Keep a look as a new message, not as a failed one: a queue gives up on those after a few tries.

        The new message begins at its first delivery again: that the look must be had all the same goes along.
        """
        await self.looks.put(replace(look, anyway=look.anyway or attempt > 1), delay)
        return self.came(Outcome.PUT_OFF, vm=look.vm, delay_seconds=delay.total_seconds(), fault=fault)

    async def observe(self, vm: VmId, signal: Signal | None = None, news: News | None = None) -> Decision:
        """Look at a VM, decide, save what changed, act."""
        return await self.take_in(vm, await self.vms.look(vm), signal, news)

    async def take_in(
        self,
        vm: VmId,
        seen: Observation | Gone | None,
        signal: Signal | None = None,
        news: News | None = None,
        *,
        stored: Stored | None = None,
        act: bool = True,
    ) -> Decision:
        """Decide on a look, a signal and what else is new, save what changed, act.

        Args:
            vm: Whose.
            seen: The look; None: there was none.
            signal: The event, if there was one.
            news: What a person asks for, or what came of asking Azure.
            stored: The record, where it has just been read.
            act: Whether to do what follows.
        """
        for _ in range(SAVES):
            stored = stored or await self.ledger.latest(vm)
            record = stored.record if stored else None
            decision = decide(record, seen, signal, self.policy, self.now(), news)
            if decision.changed and decision.record:
                try:
                    await self.ledger.save(_change(decision), stored)
                except Conflict:
                    stored = None
                    continue
                self.tell(decision.entries)
            measures.decided(measures.why(signal, news), record, seen, decision, self.now())
            if act:
                await self._act(vm, decision)
            return decision
        raise Conflict(f"{vm}: saved by others {SAVES} times while this look was being decided")

    async def take_in_all(self, seen: Sequence[Observation], known: Mapping[VmId, Known | None]) -> "Taken":
        """Decide on looks at many VMs of one subscription, save what changed in batches, act.

        One VM's failure stops no other.

        Args:
            seen: The looks.
            known: What was known of each of them a moment ago; None: nothing.
        """
        changed, failures, unheeded = 0, dict[VmId, Exception](), list[Record]()
        for some in batched(seen, TOGETHER, strict=False):
            taken = await self._take_in_some({look.vm: look for look in some}, known)
            changed += taken.changed
            failures |= taken.failures
            unheeded += taken.unheeded
        return Taken(changed, failures, tuple(unheeded))

    async def _take_in_some(
        self, looks: Mapping[VmId, Observation], known: Mapping[VmId, Known | None]
    ) -> "Taken":
        before = await _each({vm: self.ledger.latest(vm) for vm in looks if known[vm]})
        decided, changes = dict[VmId, Decision](), dict[VmId, tuple[Change, Stored | None]]()
        for vm in looks:
            if vm in before.failed:
                continue
            stored = before.done.get(vm)
            decided[vm] = decision = decide(
                stored.record if stored else None, looks[vm], None, self.policy, self.now()
            )
            if decision.changed or _is_outdated(known[vm], stored):
                changes[vm] = (_change(decision), stored)
        kept = dict(zip(changes, await self.ledger.save_all(list(changes.values())), strict=True))
        failures, works = dict(before.failed), dict[VmId, Coroutine[None, None, Decision]]()
        for vm, decision in decided.items():
            match kept.get(vm):
                case None:
                    stored = before.done.get(vm)
                    measures.decided(
                        Why.SWEEP, stored.record if stored else None, looks[vm], decision, self.now()
                    )
                    self.tell(decision.entries)
                    if decision.actions:
                        works[vm] = self._acted(vm, decision)
                case Conflict():
                    # Somebody else saved it first: the way of a single look.
                    works[vm] = self.take_in(vm, looks[vm])
                case fault:
                    failures[vm] = fault
        acted = await _each(works)
        failures |= acted.failed
        decided |= acted.done
        unheeded = [
            stored.record
            for vm, stored in before.done.items()
            if stored and looks[vm].observed_at < stored.record.observed_at and self.is_to_come(stored.record)
        ]
        changed = sum(decision.changed for vm, decision in decided.items() if vm not in failures)
        return Taken(changed, failures, tuple(unheeded))

    def is_to_come(self, record: Record) -> bool:
        """Whether a record is of a look that is still to come: by a clock that was ahead. No look counts until then."""
        return record.observed_at > self.now() + CLOCKS_DIFFER

    async def _acted(self, vm: VmId, decision: Decision) -> Decision:
        """Do what follows from a decision that is saved."""
        await self._act(vm, decision)
        return decision

    async def amend(self, vm: VmId, change: Callable[[Record], Change | None]) -> Stored | None:
        """Save a change of the record, made again as often as somebody else saves it first.

        Args:
            vm: Whose record.
            change: Makes the change of what is there; None: there is nothing to change, any more.

        Returns:
            What was saved; None if nothing was.
        """
        for _ in range(SAVES):
            stored = await self.ledger.latest(vm)
            changed = change(stored.record) if stored else None
            if changed is None:
                return None
            try:
                saved = await self.ledger.save(changed, stored)
            except Conflict:
                continue
            self.tell(changed.entries)
            return saved
        raise Conflict(f"{vm}: saved by others {SAVES} times")

    def tell(self, entries: Sequence[Entry]) -> None:
        """Log and count what was added to the log of a VM's actions."""
        measures.logged(entries)
        for entry in entries:
            self.counts[entry.what] += 1
            if entry.rule:
                self.counts[f"refused_{entry.rule}"] += 1
            told = {"vm": entry.vm, "by": entry.by or "stopgap", "rule": entry.rule, "text": entry.text}
            log.info("%s %s", entry.what, _fields({name: value for name, value in told.items() if value}))

    async def _act(self, vm: VmId, decision: Decision) -> None:
        """Ask for what comes next, then send: what is slow or dead must not keep the rest from being asked for."""
        sends = dict[Channel, list[Notice]]()
        for action in decision.actions:
            match action:
                case LookAgain(at):
                    await self._ask(Look(vm, at))
                case Deallocate(asked_at, at):
                    await self.deallocations.put(Attempt(vm, asked_at), max(at - self.now(), timedelta()))
                case Send(notice):
                    sends.setdefault(notice.channel, []).append(notice)
        if decision.record and sends:
            cost = await self._cost(decision.record)
            await _at_once([self._send_all(decision.record, cost, notices) for notices in sends.values()])

    async def _ask(self, look: Look) -> None:
        await self.looks.put(look, max(look.at - self.now(), timedelta()))

    async def _cost(self, record: Record) -> Cost | None:
        """What a VM costs, for those who are told of it; None when that cannot be told, for whatever reason."""
        try:
            return (await self.costs.of([record])).get(record.vm)
        except Exception:  # a notice without the figure is better than none
            log.exception("cost of %s not told", record.vm)
            return None

    async def _send_all(self, record: Record, cost: Cost | None, notices: Sequence[Notice]) -> None:
        """Send what goes to one channel, in order."""
        for notice in notices:
            await self._send(Telling(notice, record, cost))

    async def _send(self, telling: Telling) -> None:
        """Send a notice. If that cannot be done, its next attempt is already in the record and asked for."""
        notice, vm = telling.notice, telling.record.vm
        try:
            await self.notices[notice.channel].send(telling)
        except (PortError, Malformed) as fault:
            again = f"tried again at {notice.try_at.isoformat()}"
            log.warning("%s notice not sent, %s: %s", notice.channel, again, fault)
            metrics.NOTICES.add(channel=notice.channel, outcome="failed")
            text = str(fault)
            await self.amend(vm, lambda now: _if_new(now, mark_failed(now, notice, text)))
            return
        metrics.NOTICES.add(channel=notice.channel, outcome="sent")
        saved = await self.amend(vm, lambda record: _sent(record, notice, self.now()))
        if saved and saved.record.look_at:
            await self._ask(Look(vm, saved.record.look_at))

    def _decided(self, vm: VmId, decision: Decision, **told: object) -> Outcome:
        outcome = Outcome.CHANGED if decision.changed else Outcome.UNCHANGED
        return self.came(outcome, vm=vm, reason=decision.reason, **told)

    def came(self, outcome: Outcome, **told: object) -> Outcome:
        """Log and count what came of something."""
        self.counts[outcome] += 1
        metrics.OUTCOMES.add(outcome=outcome)
        log.info("%s %s", outcome, _fields(told))
        return outcome


def _is_outdated(known: Known | None, stored: Stored | None) -> bool:
    """Whether a row's fingerprint is not its record's: an older version wrote it, and it would be news for ever."""
    return bool(known and stored and known.fingerprint != fingerprint_of(stored.record))


def _change(decision: Decision) -> Change:
    """What is written of a decision on a VM that is, or was, there."""
    assert decision.record  # noqa: S101 - see above
    return Change(decision.record, decision.transition, decision.episodes, decision.entries)


class Taken(Struct, frozen=True):
    """What came of taking in many looks."""

    changed: int
    failures: dict[VmId, Exception]
    unheeded: tuple[Record, ...]
    """The records that the looks could not change, see `Watch.is_to_come`."""


class _Each[Result](Struct, frozen=True):
    done: dict[VmId, Result]
    failed: dict[VmId, Exception]


async def _each[Result](works: Mapping[VmId, Coroutine[None, None, Result]]) -> _Each[Result]:
    """All together; what came of each, and what failed."""
    found = dict(zip(works, await asyncio.gather(*works.values(), return_exceptions=True), strict=True))
    done, failed = dict[VmId, Result](), dict[VmId, Exception]()
    for vm, each in found.items():
        if isinstance(each, Exception):
            failed[vm] = each
        elif isinstance(each, BaseException):
            raise each
        else:
            done[vm] = each
    return _Each(done, failed)


async def _at_once(works: Sequence[Coroutine[None, None, None]]) -> None:
    """All together: what is slow does not hold up the others."""
    if len(works) == 1:
        await works[0]
    else:
        await asyncio.gather(*works)


def _if_new(before: Record, after: Record) -> Change | None:
    return None if after == before else Change(after)


def _sent(record: Record, notice: Notice, now: datetime) -> Change | None:
    """What is written of a notice that has been sent; None: the record has had no such notice any more."""
    after = mark_sent(record, notice, now)
    return None if after == record else Change(after, entries=(sent(record, notice, now),))


def _fields(told: Mapping[str, object]) -> str:
    return " ".join(f"{name}={str(value)!r}" for name, value in told.items())
