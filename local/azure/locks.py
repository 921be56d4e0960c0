"""Management locks on subscriptions, resource groups and resources: they forbid whatever one's permissions say.

Source: "Lock resources to prevent changes". A POST counts as a write, as users report it of VMs and of storage keys.
How Azure joins several locked scopes in one message is not documented: here by commas.
"""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from local.azure import errors
from local.azure.routing import resource_of

LockLevel = Literal["CanNotDelete", "ReadOnly"]
LEVELS: tuple[str, ...] = get_args(LockLevel)

_SCOPE = re.compile(
    r"/subscriptions/[^/]+(/resourceGroups/[^/]+(/providers/[^/]+(/[^/]+/[^/]+)+)?)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that is in force for its scope and for all that is below it."""

    scope_id: str
    level: LockLevel

    def __post_init__(self) -> None:
        """Raise ValueError for a level that does not exist, or a scope that cannot be locked."""
        if self.level not in LEVELS:
            raise ValueError(f"lock level is {self.level!r}; expected one of {', '.join(LEVELS)}")
        if _SCOPE.fullmatch(self.scope_id) is None:
            raise ValueError(
                f"lock scope is {self.scope_id!r}; expected the id of a subscription, resource group or resource"
            )

    def forbids(self, method: str, resource_id: str) -> bool:
        """Whether a request to a resource is refused."""
        methods = {"DELETE"} if self.level == "CanNotDelete" else {"DELETE", "PATCH", "POST", "PUT"}
        return method in methods and f"{resource_id}/".lower().startswith(f"{self.scope_id}/".lower())


@dataclass(slots=True)
class Locks:
    """The locks in force, one for each scope."""

    in_force: dict[str, Lock] = field(default_factory=dict)
    """By lower-case scope id."""

    def add(self, lock: Lock) -> None:
        """Put a lock in force, in place of the one of the same scope."""
        self.in_force[lock.scope_id.lower()] = lock

    def remove(self, scope_id: str) -> None:
        """Lift the lock of a scope. Raises ValueError if it has none."""
        if self.in_force.pop(scope_id.lower(), None) is None:
            raise ValueError(f"there is no lock on {scope_id!r}")

    def check(self, method: str, path: str) -> None:
        """Raise ArmError (409) if a lock forbids the request."""
        resource_id = resource_of(method, path)
        locked = [lock.scope_id for lock in self.in_force.values() if lock.forbids(method, resource_id)]
        if locked:
            raise errors.scope_locked("delete" if method == "DELETE" else "write", resource_id, locked)
