"""The use case of function `deallocate`: one attempt to deallocate a VM.

    begin (saved: nobody else attempts it now) ── look, safety table ── draw on the cap
        ── look, safety table ── ask Azure, once ── save what it said

Nothing but one read of the ledger lies between the last look and the asking: the cap is drawn upon before, on the
strength of a look that is then had again. Whatever dies on the way leaves an attempt that was begun: when its lease
is over, looks tell what came of it.
"""

import logging
from datetime import timedelta

from msgspec import Struct

from shared.domain.actions import Deallocation, Stage
from shared.domain.deallocation import SENDING, begun
from shared.domain.decision import forbidden
from shared.domain.ids import VmId
from shared.domain.log import entries
from shared.domain.malformed import Malformed
from shared.domain.news import Accepted, Answer, Failed, NotSent
from shared.domain.observations import Gone, Observation
from shared.domain.records import Record
from shared.ports import Attempt, Change, Damaged, Deallocator, NotNow, PortError, Refused, Unavailable
from shared.watch import LATER, SOON, Outcome, Watch

log = logging.getLogger("stopgap.attempts")

FRESH = timedelta(seconds=5)
"""How old a look may be, from when it began, when Azure is asked on the strength of it."""


class Attempts(Struct, eq=False):
    """Makes attempts, each begun by one instance of the app only."""

    watch: Watch
    deallocator: Deallocator

    async def make(self, asked: Attempt) -> Outcome:
        """Make an attempt that was asked for, unless it is being made, was made, or is not due.

        Port errors of the ledger propagate; all others end in the record and are tried again from there.
        """
        vm = asked.vm
        if vm.subscription not in self.watch.subscriptions:
            return self.watch.came(Outcome.NOT_WATCHED, vm=vm)
        saved = await self.watch.amend(vm, lambda record: self._begun(record, asked))
        closing = saved.record.deallocation if saved else None
        if closing is None:
            return self.watch.came(Outcome.SUPERSEDED, vm=vm)
        answer, seen = await self._attempted(vm, closing)
        decision = await self.watch.take_in(vm, seen, news=answer)
        outcome = Outcome.NOT_SENT if isinstance(answer, NotSent) else Outcome.SENT
        return self.watch.came(outcome, vm=vm, attempt=closing.attempts, reason=decision.reason)

    def _begun(self, record: Record, asked: Attempt) -> Change | None:
        now = self.watch.now()
        changed = begun(record, asked.asked_at, now)
        return Change(changed, entries=entries(record, changed, None, None, now)) if changed else None

    async def _attempted(self, vm: VmId, closing: Deallocation) -> tuple[Answer, Observation | Gone | None]:
        """What came of it, and the look that it relied on, if there was one."""
        try:
            checked = await self._checked(vm, closing)
        except NotNow as fault:
            log.warning("attempt put off: %s", fault)
            return self._again(closing, fault, fault.retry_after or SOON), None
        except (Refused, Damaged, Malformed) as fault:
            log.error("attempt put off: %s", fault)  # noqa: TRY400 - the line names the fault
            return self._again(closing, fault, LATER), None
        if isinstance(checked, tuple):
            return checked
        return await self._sent(vm, closing, checked), checked

    async def _checked(
        self, vm: VmId, closing: Deallocation
    ) -> Observation | Gone | tuple[NotSent, Observation | Gone | None]:
        """A fresh look on which nothing forbids it, with the cap drawn upon; or what forbids it."""
        drawn, policy, by = False, self.watch.policy, closing.asked_by
        # Many may wait for the cap: that it is used up costs no look.
        free_at = await self.watch.ledger.free_at(self.watch.now(), policy.most_per_hour)
        while True:
            seen = None if free_at else await self.watch.vms.look(vm)
            stored = await self.watch.ledger.latest(vm)
            now = self.watch.now()
            if stored is None or not _is_still(stored.record.deallocation, closing):
                raise Unavailable(f"{vm}: somebody else took this attempt for lost")
            if now > closing.try_at - SENDING:
                raise Unavailable(f"{vm}: looking at it took too long")
            refused = forbidden(stored.record, seen, policy, now, by=by, free_at=free_at)
            if refused or seen is None:
                return NotSent(closing.asked_at, closing.attempts, refused, free_at), seen
            if not drawn:
                free_at = await self.watch.ledger.draw(now, policy.most_per_hour)
                drawn = free_at is None
            elif seen.observed_at >= max(stored.record.observed_at, self.watch.now() - FRESH):
                # Not if somebody looked later: the record would be judged by that look, and not by this.
                return seen

    async def _sent(self, vm: VmId, closing: Deallocation, seen: Observation | Gone) -> Answer:
        """Ask Azure: once, whatever it answers."""
        asked_at, attempt, looked_at = closing.asked_at, closing.attempts, seen.observed_at
        try:
            await self.deallocator.deallocate(vm)
        except PortError as fault:
            log.warning("attempt %s failed: %s", attempt, fault)
            return Failed(
                asked_at,
                attempt,
                looked_at,
                fault.code,
                fault.said or str(fault),
                final=not isinstance(fault, NotNow),
                unknown=isinstance(fault, Unavailable),
                retry_after=fault.retry_after if isinstance(fault, NotNow) else None,
            )
        return Accepted(asked_at, attempt, looked_at, self.watch.now())

    def _again(self, closing: Deallocation, fault: PortError | Malformed, delay: timedelta) -> NotSent:
        again_at = self.watch.now() + delay
        return NotSent(closing.asked_at, closing.attempts, None, again_at, said=str(fault))


def _is_still(now: Deallocation | None, closing: Deallocation) -> bool:
    """Whether the attempt that was begun is still under way."""
    mine = (closing.asked_at, closing.attempts, Stage.BEGUN)
    return now is not None and (now.asked_at, now.attempts, now.stage) == mine
