"""How ARM is made to answer otherwise than well: faults, limits, locks, permissions, what happens around an answer."""

from collections.abc import Collection

from local.azure.arm import Arm, LoggedRequest
from local.azure.faults import Fault
from local.azure.interposition import Interposed
from local.azure.locks import Lock, LockLevel


class Steering:
    """Steers ARM's answers, and shows those that were given. None of it concerns what other people do here."""

    arm: Arm

    def inject(self, fault: Fault) -> None:
        """Let the next ARM requests that match meet a fault."""
        self.arm.faults.in_store.append(fault)

    def interpose(self, callback: Interposed) -> None:
        """Call this just before and just after each answer is made, until `reset`; several are called in order.

        Nothing comes between a plain function and the answer. The request waits for an `async def`, so an
        operation begun and awaited in it has ended when the answer is made. What it raises does not touch the
        answer: `settle`, `reset` and the end of the context raise it, in an ExceptionGroup. A callback that expects
        a refusal (`ArmError` of a verb that is not possible now) catches it.
        """
        self.arm.interposition.callbacks.append(callback)

    def lock(self, scope_id: str, level: LockLevel) -> None:
        """Lock a subscription, resource group or VM, and all below it: `CanNotDelete` or `ReadOnly`.

        Raises ValueError for another level, or for what is no scope.
        """
        self.arm.locks.add(Lock(scope_id, level))

    def unlock(self, scope_id: str) -> None:
        """Lift the lock of a scope. Raises ValueError if it has none."""
        self.arm.locks.remove(scope_id)

    def permit(self, actions: Collection[str], not_actions: Collection[str] = ()) -> None:
        """Let the caller do just this, in patterns as of role definitions (`*/read`). At first it is all, `*`."""
        self.arm.permissions.permit(actions, not_actions)

    def set_limits(self, *, arm: bool | None = None, compute: bool | None = None) -> None:
        """Enforce the request limits of ARM, of Compute, or no longer; None: as before."""
        if arm is not None:
            self.arm.enforce_limits = arm
        if compute is not None:
            self.arm.enforce_compute_limits = compute

    @property
    def requests(self) -> list[LoggedRequest]:
        """ARM requests so far, oldest first. Counted by operation: `arm.counts()`, `arm.statuses()`."""
        return self.arm.requests
