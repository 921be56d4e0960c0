"""What a scan came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.ids import VmId
from shared.domain.money import HOURS_A_MONTH, Cost, Sum, total
from shared.domain.records import Record
from shared.domain.states import PowerState


@dataclass(slots=True)
class Looked:
    """What came of looking at one subscription."""

    subscription: str
    name: str
    vms: int = 0
    """How many VMs were seen."""
    found: list[Record] = field(default_factory=list)
    """Those that are Stopped, or run with their OS provisioning failed."""
    faults: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""
    readable: bool = True
    """Whether its lists were read to their end."""

    @property
    def stopped(self) -> list[Record]:
        """Those that are Stopped, and so billed without use."""
        return [record for record in self.found if record.power_state is PowerState.STOPPED]

    @property
    def failed(self) -> list[Record]:
        """Those that run, and are billed, though their operating system was not installed in time."""
        return [record for record in self.found if record.power_state is not PowerState.STOPPED]


@dataclass(frozen=True, slots=True)
class Scanned:
    """All of it."""

    at: datetime
    currency: str
    looked: Sequence[Looked]
    left_out: Mapping[str, str]
    """Subscriptions that were not looked at, by id, and why."""
    costs: Mapping[VmId, Cost]

    @property
    def stopped(self) -> list[Record]:
        """The VMs that are Stopped, the dearest first; those of no known price last."""
        found = [record for each in self.looked for record in each.stopped]
        return sorted(found, key=lambda record: (-self._most(record), str(record.vm)))

    @property
    def failed(self) -> list[Record]:
        """The VMs that run with their OS provisioning failed."""
        return [record for each in self.looked for record in each.failed]

    @property
    def vms(self) -> int:
        """How many VMs were seen."""
        return sum(each.vms for each in self.looked)

    @property
    def covered(self) -> bool:
        """Whether all that was to be looked at was."""
        return not any(each.faults for each in self.looked)

    @property
    def exit_code(self) -> int:
        """0 none is Stopped, 1 some are, 2 none was found and not all could be looked at."""
        return 1 if self.stopped else 0 if self.covered else 2

    def monthly(self, records: Sequence[Record]) -> Sum:
        """What VMs cost for a month, all together."""
        hourly = {vm: cost.hourly for vm, cost in self.costs.items()}
        together = total(self.currency, hourly, dict.fromkeys((record.vm for record in records), 1.0))
        return Sum(together.amount.times(HOURS_A_MONTH), together.unpriced)

    def _most(self, record: Record) -> float:
        cost = self.costs.get(record.vm)
        bounds = (cost.hourly.lower, cost.hourly.upper) if cost else ()
        return max((bound for bound in bounds if bound is not None), default=-1.0)
