"""What may be asked of ARM by this instance of the app, subscription by subscription."""

from datetime import timedelta

from msgspec import Struct, field

from shared.domain import budget
from shared.domain.budget import Budget
from shared.ports import Clock


class Budgets(Struct, eq=False):
    """Budgets, from the first question on. Each instance has its own; ARM's word on what is left corrects them all."""

    now: Clock
    _budgets: dict[str, Budget] = field(default_factory=dict)

    def may_look(self, subscription: str) -> bool:
        """Draw one look at a single VM; whether there was one left."""
        kept, there = budget.drawn(self._budget(subscription), self.now())
        self._budgets[subscription] = kept
        return there

    def told(self, subscription: str, remaining: int) -> None:
        """ARM says how many reads are left."""
        self._budgets[subscription] = budget.told(self._budget(subscription), remaining)

    def throttled(self, subscription: str, retry_after: timedelta | None) -> None:
        """ARM answered 429."""
        kept = self._budget(subscription)
        self._budgets[subscription] = budget.blocked(kept, self.now(), retry_after)

    def _budget(self, subscription: str) -> Budget:
        return self._budgets.get(subscription) or budget.full(self.now())
