"""The use cases of sweeps: all VMs of a subscription observed together.

Two lists show the whole fleet, whatever its size. What they show is held against what is known of each VM, in short;
only what is new goes the way of every look: decide, save, act. A sweep that is interrupted is simply run again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched

from msgspec import Struct, field

from shared import measures
from shared.domain.decision import Decision
from shared.domain.fleet import fingerprint, fingerprint_of_policy
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.observations import Observation
from shared.domain.records import Record
from shared.domain.states import PowerState
from shared.ports import Coverage, Fleet, Known, Ledger, NotNow, Refused, Sweep, Throttled
from shared.watch import LATER, SOON, TOGETHER, Outcome, Watch

log = logging.getLogger("stopgap.sweeps")

SINGLY_AT_ONCE = 8
"""How many VMs are looked at singly at once."""

SINGLY_IN_ONE_SWEEP = 200
"""How many VMs one sweep looks at singly: Azure answers 250 requests at once, and others ask as well."""

FAULTS_KEPT = 20
"""How many faults of a sweep are kept in words; the others are counted."""


class Sweeps(Struct, eq=False):
    """Sweeps, one subscription at a time; the platform runs as many at once as it has instances for."""

    watch: Watch
    fleet: Fleet

    @property
    def ledger(self) -> Ledger:
        """The watch's."""
        return self.watch.ledger

    async def schedule(self) -> None:
        """Ask for a sweep of each subscription. One that cannot be asked for keeps no other from it."""
        now = self.watch.now()
        puts = [
            self.watch.sweeps.put(Sweep(each, now), timedelta()) for each in sorted(self.watch.subscriptions)
        ]
        failed = [
            found
            for found in await asyncio.gather(*puts, return_exceptions=True)
            if isinstance(found, Exception)
        ]
        if failed:
            raise ExceptionGroup(f"{len(failed)} of {len(puts)} sweeps could not be asked for", failed)

    async def sweep(self, asked: Sweep, attempt: int = 1) -> Outcome:
        """Observe all VMs of a subscription.

        What Azure cannot or will not answer is kept as what was not covered, and asked for again later; port errors
        of the ledger propagate.

        Args:
            asked: What was asked for.
            attempt: How often the queue has delivered it, this time included. What fails of single VMs fails the
                first delivery at its end; if it does so again, it is kept as not covered and left to the next sweep,
                rather than to the poison queue.
        """
        subscription = asked.subscription
        if subscription not in self.watch.subscriptions:
            return self.watch.came(Outcome.NOT_WATCHED, subscription=subscription)
        before = (await self.ledger.coverage([subscription])).get(subscription)
        if asked.again and before and before.began_at > asked.asked_at:
            # That one was complete, or is put off itself: else each that is asked for would come back for ever.
            return self.watch.came(Outcome.SUPERSEDED, subscription=subscription)
        run = _Run(
            self.watch,
            subscription,
            self.watch.now(),
            judged_by=before.policy if before else "",
            covered_at=before.covered_at if before else None,
            counted=before.power_states if before else {},
        )
        try:
            await self._observe(run)
        except NotNow as fault:
            self.watch.heed(subscription, fault)
            return await self._put_off(run, fault.retry_after or SOON, fault)
        except (Refused, Malformed) as fault:
            log.error("sweep of %s: %s", subscription, fault)  # noqa: TRY400 - the line names the fault
            return await self._put_off(run, LATER, fault)
        run.judged_by, run.covered_at = fingerprint_of_policy(self.watch.policy), run.began_at
        run.counted = run.power_states
        coverage = await self._kept(run, complete=True)
        outcome = self.watch.came(
            Outcome.SWEPT,
            subscription=subscription,
            vms=coverage.vms,
            changed=coverage.changed,
            gone=coverage.gone,
            faults=coverage.fault_count,
            seconds=(coverage.ended_at - coverage.began_at).total_seconds(),
        )
        if run.failures:
            failed = ExceptionGroup(f"sweep of {subscription}: {len(run.failures)} VMs failed", run.failures)
            if attempt == 1:
                raise failed
            log.error("%s, again; left to the next sweep", failed.message, exc_info=failed)
        return outcome

    async def _observe(self, run: "_Run") -> None:
        known = await self.ledger.known(run.subscription)
        # By another policy, the same look may lead elsewhere.
        anew = run.judged_by != fingerprint_of_policy(self.watch.policy)
        try:
            async for sighted in self.fleet.sight(run.subscription):
                run.pages += 1
                run.vms += len(sighted.seen) + len(sighted.unclear)
                run.power_states.update(seen.reading.power_state for seen in sighted.seen)
                run.tell(sighted.faults)
                for seen in sighted.seen:
                    was = known.pop(seen.vm, None)
                    if self._is_news(was, seen, anew=anew):
                        run.news.append((seen, was))
                if len(run.news) >= TOGETHER:
                    await run.take_in()
                for vm in sighted.unclear:
                    known.pop(vm, None)
                await run.look_singly(sighted.unclear)
        finally:
            # Whatever ended the lists: what they have shown is kept.
            await run.take_in()
        # What no list showed is gone, if Azure says so of each; a list may have been read while it was being made.
        missing = [vm for vm, each in known.items() if not each.deleted or self._is_due(each)]
        await run.look_singly(missing)

    def _is_news(self, known: Known | None, seen: Observation, *, anew: bool) -> bool:
        """Whether a sight of a VM may change what is known of it."""
        if known is None or known.deleted or anew:
            return True
        return self._is_due(known) or known.fingerprint != fingerprint(seen.reading, seen.model, seen.tags)

    def _is_due(self, known: Known) -> bool:
        """Whether it is time for a look that a record asks for: the queue's may have been lost."""
        return known.due_at is not None and known.due_at <= self.watch.now()

    async def _kept(self, run: "_Run", *, complete: bool) -> Coverage:
        """What a sweep has come to, kept and measured."""
        coverage = run.coverage(complete=complete)
        await self.ledger.keep_coverage(coverage)
        measures.swept(coverage)
        return coverage

    async def _put_off(self, run: "_Run", delay: timedelta, fault: Exception) -> Outcome:
        run.tell([f"not covered: {fault}"])
        await self._kept(run, complete=False)
        await self.watch.sweeps.put(Sweep(run.subscription, run.began_at, again=True), delay)
        return self.watch.came(Outcome.PUT_OFF, subscription=run.subscription, fault=fault)


class _Run(Struct, eq=False):
    """One sweep as it goes."""

    watch: Watch
    subscription: str
    began_at: datetime
    judged_by: str
    """Fingerprint of the policy by which all VMs were last judged."""
    covered_at: datetime | None
    """When the latest sweep began that was complete."""
    counted: Mapping[PowerState, int]
    """How many VMs it saw in which state."""
    power_states: Counter[PowerState] = field(default_factory=Counter)
    """How many this one saw, so far."""
    news: list[tuple[Observation, Known | None]] = field(default_factory=list)
    """What is new and not taken in yet, with what was known of each."""
    pages: int = 0
    vms: int = 0
    changed: int = 0
    gone: int = 0
    singly: int = 0
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0
    failures: list[Exception] = field(default_factory=list)
    """What nobody expects of a VM: raised once all others have been seen to."""

    def tell(self, faults: Sequence[str]) -> None:
        """Keep what was not covered."""
        self.fault_count += len(faults)
        self.faults += faults[: FAULTS_KEPT - len(self.faults)]

    async def take_in(self) -> None:
        """Take in what is new so far."""
        news, self.news = self.news, []
        taken = await self.watch.take_in_all([seen for seen, _ in news], {seen.vm: was for seen, was in news})
        self.changed += taken.changed
        self._failed(taken.failures)
        self.tell([_unheeded(record) for record in taken.unheeded])

    async def look_singly(self, vms: Sequence[VmId]) -> None:
        """Look at VMs one by one, at as many as one sweep may. Raises `Throttled`: then it is enough for now."""
        # Not at the same ones each time, should they stay as they are.
        first = self.began_at.microsecond % len(vms) if vms else 0
        most = SINGLY_IN_ONE_SWEEP - self.singly
        turn, left = [*vms[first:], *vms[:first]][:most], max(len(vms) - most, 0)
        self.singly += len(turn)
        if left:
            self.tell([f"{left} VMs: too many to be looked at singly"])
        for some in batched(turn, SINGLY_AT_ONCE, strict=False):
            looks = [self.watch.observe(vm) for vm in some]
            found = dict(zip(some, await asyncio.gather(*looks, return_exceptions=True), strict=True))
            for vm, came in found.items():
                self._saw(vm, came)
            for came in found.values():
                if isinstance(came, Throttled):
                    raise came

    def _saw(self, vm: VmId, came: Decision | BaseException) -> None:
        match came:
            case Decision(record=record, changed=changed):
                self.changed += changed
                if record and record.power_state is not PowerState.DELETED:
                    self.power_states[record.power_state] += 1
                self.gone += changed and record is not None and record.power_state is PowerState.DELETED
                if record and self.watch.is_to_come(record):
                    self.tell([_unheeded(record)])
            case NotNow() | Refused() | Malformed():
                self.tell([f"{vm}: {came}"])
            case Exception():
                self._failed({vm: came})
            case BaseException():
                raise came

    def _failed(self, failures: Mapping[VmId, Exception]) -> None:
        self.tell([f"{vm}: {fault}" for vm, fault in failures.items()])
        self.failures += failures.values()

    def coverage(self, *, complete: bool) -> Coverage:
        """What it has come to so far."""
        return Coverage(
            self.subscription,
            self.began_at,
            self.watch.now(),
            self.vms,
            self.changed,
            self.gone,
            tuple(self.faults),
            self.fault_count,
            complete,
            self.judged_by,
            self.covered_at,
            self.pages,
            dict(self.counted),
        )


def _unheeded(record: Record) -> str:
    """What is told of a VM that was seen in vain."""
    at = record.observed_at.isoformat(timespec="seconds")
    return (
        f"{record.vm}: its record is of {at}, which is still to come: what is seen before then does not count"
    )
