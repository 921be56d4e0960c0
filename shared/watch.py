"""The use cases: observe a VM, for whatever reason, and look again when it is time.

One way for every trigger: fetch, latest, decide, save if the record is still the one that was read, act.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from itertools import batched

from shared.domain.decision import Decision, LookAgain, Send, decide, mark_sent
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.malformed import Malformed
from shared.domain.policy import Policy
from shared.domain.records import Notice, Record
from shared.domain.signals import Event, Signal, read_event, read_scale_set_event
from shared.ports import Change, Clock, Conflict, Ledger, Look, Looks, Notices, NotNow, Refused, VmSource

log = logging.getLogger("stopgap.watch")

SAVES = 20
"""How often a save is tried against others that save the same record; one always wins, so the rest gets through."""

AT_ONCE = 50
"""How many messages are put into a queue at once."""

SOON = timedelta(minutes=1)
"""How long a look is put off that Azure cannot answer now, unless it says itself."""

LATER = timedelta(minutes=10)
"""How long a look is put off that Azure refuses, or answers in a way that nobody expects: until somebody mends it."""


class Outcome(StrEnum):
    """What came of an event or of a queued look. Logged and counted by these words."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SCALE_SET = "scale_set"
    NOT_A_VM = "ignored_not_a_vm"
    NOT_WATCHED = "ignored_subscription_not_watched"
    SUPERSEDED = "superseded"
    PUT_OFF = "put_off"


@dataclass(slots=True)
class Watch:
    """The use cases, over the ports they need."""

    vms: VmSource
    ledger: Ledger
    looks: Looks
    notices: Notices
    policy: Policy
    subscriptions: frozenset[str]
    now: Clock
    keep_caller_name: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    """How often what came of an event or look, in this process."""

    async def event(self, event: Event) -> Outcome:
        """Take in an event: look at the VM it names. `Malformed` when it is none; port errors propagate."""
        signal = read_event(event, keep_name=self.keep_caller_name)
        scale_set = None if signal else read_scale_set_event(event)
        if scale_set and scale_set.subscription in self.subscriptions:
            return await self._scale_set(scale_set, event)
        if signal is None:
            return self._came(Outcome.NOT_A_VM, event=event.type, subject=event.subject)
        if signal.vm.subscription not in self.subscriptions:
            return self._came(Outcome.NOT_WATCHED, event=event.type, subject=event.subject)
        decision = await self.observe(signal.vm, signal)
        return self._decided(signal.vm, decision, event=event.type, operation=signal.cause.operation)

    async def look_again(self, look: Look, attempt: int) -> Outcome:
        """Do a look that was asked for earlier.

        Args:
            look: What was asked for.
            attempt: How often the queue has delivered it, this time included. A message can only be taken for
                superseded on its first delivery: on a later one, the delivery before may have saved the record
                and died before it asked for the next look.
        """
        if look.vm.subscription not in self.subscriptions:
            return self._came(Outcome.NOT_WATCHED, vm=look.vm)
        if attempt == 1 and not look.anyway:
            stored = await self.ledger.latest(look.vm)
            due = stored.record.look_at if stored else look.at
            if due is None or due > look.at:
                return self._came(Outcome.SUPERSEDED, vm=look.vm)
        try:
            decision = await self.observe(look.vm)
        except NotNow as fault:
            return await self._put_off(look, attempt, fault.retry_after or SOON, fault)
        except (Refused, Malformed) as fault:
            log.error("%s", fault)  # noqa: TRY400 - a line that names the fault is what an operator needs
            return await self._put_off(look, attempt, LATER, fault)
        return self._decided(look.vm, decision, queued_for=look.at.isoformat())

    async def _scale_set(self, scale_set: ScaleSetId, event: Event) -> Outcome:
        """An event about a whole set names no instance: ask for a look at each that is known."""
        instances = await self.ledger.instances(scale_set)
        for some in batched(instances, AT_ONCE, strict=False):
            await asyncio.gather(*(self._ask(Look(vm, self.now(), anyway=True)) for vm in some))
        return self._came(
            Outcome.SCALE_SET, event=event.type, subject=event.subject, instances=len(instances)
        )

    async def _put_off(self, look: Look, attempt: int, delay: timedelta, fault: Exception) -> Outcome:
        """Keep a look as a new message, not as a failed one: a queue gives up on those after a few tries.

        The new message begins at its first delivery again: that the look must be had all the same goes along.
        """
        await self.looks.put(replace(look, anyway=look.anyway or attempt > 1), delay)
        return self._came(Outcome.PUT_OFF, vm=look.vm, delay_seconds=delay.total_seconds(), fault=fault)

    async def observe(self, vm: VmId, signal: Signal | None = None) -> Decision:
        """Look at a VM, decide, save what changed, act."""
        seen = await self.vms.look(vm)
        for _ in range(SAVES):
            stored = await self.ledger.latest(vm)
            decision = decide(stored.record if stored else None, seen, signal, self.policy, self.now())
            if decision.changed and decision.record:
                change = Change(decision.record, decision.transition, decision.episodes)
                try:
                    await self.ledger.save(change, stored)
                except Conflict:
                    continue
            await self._act(vm, decision)
            return decision
        raise Conflict(f"{vm}: saved by others {SAVES} times while this look was being decided")

    async def _act(self, vm: VmId, decision: Decision) -> None:
        for action in decision.actions:
            match action:
                case LookAgain(at):
                    await self._ask(Look(vm, at))
                case Send(notice) if decision.record:
                    await self._send(decision.record, notice)

    async def _ask(self, look: Look) -> None:
        await self.looks.put(look, max(look.at - self.now(), timedelta()))

    async def _send(self, record: Record, notice: Notice) -> None:
        """Send a notice. If that cannot be done now, its next attempt is already in the record and asked for."""
        try:
            await self.notices.send(notice, record)
        except NotNow as fault:
            log.warning("notice not sent, tried again at %s: %s", notice.try_at.isoformat(), fault)
            return
        for _ in range(SAVES):
            stored = await self.ledger.latest(record.vm)
            if stored is None:
                return
            marked = mark_sent(stored.record, notice.id, self.now())
            if marked == stored.record:
                return
            try:
                await self.ledger.save(Change(marked), stored)
            except Conflict:
                continue
            if marked.look_at:
                await self._ask(Look(marked.vm, marked.look_at))
            return

    def _decided(self, vm: VmId, decision: Decision, **told: object) -> Outcome:
        outcome = Outcome.CHANGED if decision.changed else Outcome.UNCHANGED
        return self._came(outcome, vm=vm, reason=decision.reason, **told)

    def _came(self, outcome: Outcome, **told: object) -> Outcome:
        self.counts[outcome] += 1
        log.info("%s %s", outcome, _fields(told))
        return outcome


def _fields(told: Mapping[str, object]) -> str:
    return " ".join(f"{name}={str(value)!r}" for name, value in told.items())
