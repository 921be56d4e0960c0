"""What the use cases need from outside, and how it can fail.

Errors:

    PortError
    ├── Conflict        somebody else saved the record first: read again, decide again
    ├── NotNow          it may work later: the host or a queue tries again
    │   ├── Throttled   429: not before `retry_after`
    │   ├── Busy        another operation is under way, or the VM's state forbids it for now
    │   └── Unavailable 5xx, no answer, no connection
    ├── Refused         it will not work until somebody changes something: 401, 403, 400
    └── Damaged         what is stored cannot be read
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from msgspec import Struct

from shared.domain.actions import Entry
from shared.domain.fleet import Sighted
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.money import Offer, Rates
from shared.domain.observations import Gone, Observation
from shared.domain.probes import Probe
from shared.domain.records import Episode, Record, Transition
from shared.domain.spending import DaySpent, Past
from shared.domain.states import PowerState
from shared.domain.telling import Telling


class PortError(Exception):
    """Something outside failed. Its text names what was asked of whom, and what came of it."""

    code: str | None = None
    """Azure's own code, where it gave one."""
    said: str | None = None
    """Azure's own words, where it had any."""


class Conflict(PortError):
    """The record in the ledger is not the one that was read: somebody else saved first."""


class NotNow(PortError):
    """It failed, and may work later."""

    def __init__(self, text: str, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        """How long to leave it alone, as the other side asked; None: it did not say."""


class Throttled(NotNow):
    """HTTP 429: too many requests."""


class Busy(NotNow):
    """Others are at it, or the state of things forbids it for now: HTTP 409, as a rule."""


class Unavailable(NotNow):
    """HTTP 5xx, no answer in time, or no connection."""


class Refused(PortError):
    """It will not work until somebody changes something: a permission, a setting, a request."""


class Damaged(PortError):
    """What is stored is not what we stored: somebody wrote to it by hand, or a newer version did."""


class VmSource(Protocol):
    """Where VMs are looked at: ARM."""

    async def look(self, vm: VmId) -> Observation | Gone:
        """One look at one VM, model and instance view together.

        Raises `NotNow`, `Refused` or `Malformed`.
        """
        ...


class Fleet(Protocol):
    """Where all VMs of a subscription are looked at together: ARM's lists."""

    def sight(self, subscription: str) -> AsyncIterator[Sighted]:
        """All VMs of a subscription, some at a time; each once, but for those that come and go meanwhile.

        Raises `NotNow`, `Refused` or `Malformed` in between: then the rest was not covered.
        """
        ...


class Deallocator(Protocol):
    """Where VMs are deallocated: ARM."""

    async def deallocate(self, vm: VmId) -> None:
        """Ask Azure once to deallocate a VM, and return when it has taken it: it is not done by then.

        Raises `NotNow` where another try may succeed (`Busy`: Azure refused for now), `Refused` where none will.
        What Azure said is in the error's `code` and `said`.
        """
        ...


class Stored(Struct, frozen=True):
    """A record as the ledger holds it."""

    record: Record
    version: str
    """Opaque; a save is conditional on it."""


class Change(Struct, frozen=True):
    """What is written of one VM at once: all of it or nothing."""

    record: Record
    transition: Transition | None = None
    episodes: tuple[Episode, ...] = ()
    entries: tuple[Entry, ...] = ()


class Known(Struct, frozen=True):
    """What a sweep has to know of a record."""

    fingerprint: str
    """Of the look that the record is from, see `shared.domain.fleet`; empty if it has none."""
    due_at: datetime | None
    """When the VM has to be looked at next, whatever is seen."""
    deleted: bool


class Coverage(Struct, frozen=True):
    """What a sweep of a subscription came to."""

    subscription: str
    began_at: datetime
    ended_at: datetime
    vms: int
    """VMs that Azure showed."""
    changed: int
    """Records that were written."""
    gone: int
    """VMs that were known, and that Azure no longer knows."""
    faults: tuple[str, ...] = ()
    """What was not covered, and why: at most a few, in words."""
    fault_count: int = 0
    complete: bool = True
    """Whether all of it was seen: the lists came to their end."""
    policy: str = ""
    """Fingerprint of the policy by which all VMs were last judged, whatever they looked like; empty: by none."""
    covered_at: datetime | None = None
    """When the latest sweep began that was complete: what was so then is known. None: none was."""
    pages: int = 0
    """Pages of lists that it read."""
    power_states: Mapping[PowerState, int] = {}
    """How many VMs were in which state, as the latest sweep saw that was complete."""


class Arrival(Struct, frozen=True):
    """A probe that arrived."""

    probe: Probe
    recorded_at: datetime


class Tally(Struct, frozen=True):
    """How many VMs of a subscription are known, by what they are."""

    power_states: Mapping[PowerState, int]
    flagged: int
    whole: bool
    """Whether all of them were counted."""
    at: datetime | None = None
    """When Azure showed what was counted; None: now, from the records."""


class Standing(Struct, frozen=True):
    """The VMs of a subscription that cost or save something now, at a cost that follows their number."""

    stopped: tuple[Record, ...]
    """Those that are Stopped."""
    saving: tuple[Record, ...]
    """Those that are Deallocated because Stopgap did that."""
    flagged: int
    """How many are flagged, Stopped or not."""
    whole: bool
    """Whether these are all."""


class Pasts(Struct, frozen=True):
    """Spells that are over, the latest first."""

    pasts: tuple[Past, ...]
    whole: bool
    """Whether these are all that were asked for."""


class Query(Struct, frozen=True):
    """Which records to list."""

    subscriptions: tuple[str, ...]
    """In which subscriptions, in this order."""
    flagged: bool | None = None
    """True: only flagged ones, at a cost that follows their number, not the fleet's. False: only others."""
    power_state: PowerState | None = None
    limit: int = 100
    parked: bool = False
    """True: only those with a notice that was given up, at a cost that follows their number."""
    after: str | None = None
    """The `next` of the page before; None: from the beginning."""
    name: str | None = None
    """Only VMs with this in their name or resource group, lower-case, at a cost that follows the fleet."""

    def finds(self, vm: VmId) -> bool:
        """Whether a VM has the name that is looked for."""
        return self.name is None or self.name in vm.name or self.name in vm.resource_group


class Page(Struct, frozen=True):
    """Some of the records that a query asks for, by id."""

    records: tuple[Record, ...]
    """At most as many as asked for. Fewer, or none, do not mean that there are no more."""
    next: str | None
    """Where the next page begins; None: this was the last."""


class History(Struct, frozen=True):
    """The life of one VM, latest first."""

    transitions: tuple[Transition, ...]
    episodes: tuple[Episode, ...]
    entries: tuple[Entry, ...] = ()


class Forgotten(Struct, frozen=True):
    """What came of looking through a part of what a ledger holds."""

    seen: int
    """How many transitions, episodes and entries were looked at."""
    removed: int
    finished: bool
    """Whether the last of the subscription was reached: the next time begins with the first."""


class Ledger(Protocol):
    """Where records, transitions and episodes live. All may raise `NotNow`, `Refused` or `Damaged`."""

    async def latest(self, vm: VmId) -> Stored | None:
        """The record of one VM; None when there is none."""
        ...

    async def save(self, change: Change, previous: Stored | None) -> Stored:
        """Write a change as one, if the ledger still holds `previous` (None: nothing); else `Conflict`.

        A transition or episode with the VM and `seen_at` of one that is there replaces it.
        """
        ...

    async def page(self, query: Query) -> Page:
        """Some of the records that a query asks for. `Malformed` when its `after` is none that we gave."""
        ...

    async def instances(self, scale_set: ScaleSetId) -> list[VmId]:
        """The instances of a Uniform scale set that there are records of."""
        ...

    async def history(self, vm: VmId, limit: int) -> History:
        """The latest `limit` transitions, episodes and entries of one VM."""
        ...

    async def known(self, subscription: str) -> dict[VmId, Known]:
        """What is known of every VM of a subscription, in short; a row that is damaged, as one without a look."""
        ...

    async def tally(self, subscription: str, most: int) -> Tally:
        """How many VMs of a subscription are known, by what they are; at most so many are counted."""
        ...

    async def standing(self, subscription: str, most: int) -> Standing:
        """The VMs of a subscription that cost or save something now; at most so many of each kind."""
        ...

    async def past(self, subscription: str, since: datetime, until: datetime, most: int) -> Pasts:
        """Spells of a subscription that ended at `since` or later, and before `until`; at most so many."""
        ...

    async def keep_days(self, subscription: str, days: Sequence[DaySpent]) -> None:
        """Keep days that were added up, in the place of what was kept of them before."""
        ...

    async def days(self, subscription: str, most: int) -> list[DaySpent]:
        """The latest days that were added up, at most so many, the latest first."""
        ...

    async def save_all(self, changes: Sequence[tuple[Change, Stored | None]]) -> list[PortError | None]:
        """Save changes of VMs of one subscription, each as `save` does, many at a time; what kept each from it.

        None: it was saved. `Conflict`: somebody else saved that record first. `Refused`: that one cannot be written as
        it is. What keeps all of them from being saved is raised; some may have been saved by then.
        """
        ...

    async def plan_sweep(self, subscription: str, now: datetime, apart: timedelta) -> tuple[datetime, bool]:
        """When the next sweep that events ask for is due (see `shared.domain.budget`), and whether it is new.

        If it is new, the caller is to ask for it: however many instances plan, for one of them it is.

        Args:
            subscription: Of which.
            now: The time.
            apart: Time between two.
        """
        ...

    async def keep_coverage(self, coverage: Coverage) -> None:
        """Keep what the latest sweep of a subscription came to."""
        ...

    async def coverage(self, subscriptions: Sequence[str]) -> dict[str, Coverage]:
        """What the latest sweeps came to; a subscription of which nothing is known, or can be read, is missing."""
        ...

    async def keep_probe(self, arrival: Arrival) -> bool:
        """Keep a probe in the place of an earlier one of its subscription; whether it was kept.

        False: the same, or a later one, is there.
        """
        ...

    async def probes(self, subscriptions: Sequence[str]) -> dict[str, Arrival]:
        """The latest probes; a subscription of which none arrived, or none can be read, is missing."""
        ...

    async def forget(self, subscription: str, before: datetime, most: int) -> Forgotten:
        """Remove what is from before a time, of at most so many transitions, episodes and entries of a subscription.

        It goes on where it stopped the last time. Transitions and episodes are looked at by the look that saw them
        first, episodes by their end as well: one that lasts stays, and so does every record.
        """
        ...

    async def draw(self, now: datetime, most: int) -> datetime | None:
        """Take one of the `most` deallocations that may be sent within an hour, whoever sends them.

        None: it is taken. Else when the next one is free; with `most` 0, in an hour.
        """
        ...

    async def free_at(self, now: datetime, most: int) -> datetime | None:
        """What `draw` would say, without taking any."""
        ...

    async def check(self) -> None:
        """Return if the ledger can be used; else raise what prevents it."""
        ...


class Look(Struct, frozen=True):
    """A look asked for at a time: what travels on the queue `looks`."""

    vm: VmId
    at: datetime
    """The time that the look is for."""
    anyway: bool = False
    """Whether to look whatever the record asks for: it was not the record that asked."""


class Attempt(Struct, frozen=True):
    """A deallocation whose turn has come: what travels on the queue `deallocations`."""

    vm: VmId
    asked_at: datetime
    """With the VM, the name of the deallocation."""


class Sweep(Struct, frozen=True):
    """A sweep of a subscription that was asked for: what travels on the queue `sweeps`."""

    subscription: str
    asked_at: datetime
    again: bool = False
    """Whether it was put off: then one that began after `asked_at` makes it needless, however far that one got."""


class Queue[Message](Protocol):
    """A queue that a function is triggered by: `looks` of `Look`, `deallocations` of `Attempt`, `sweeps` of `Sweep`."""

    async def put(self, message: Message, delay: timedelta) -> None:
        """Ask for it after `delay` (not before; a delay longer than the queue can hold comes early)."""
        ...

    async def check(self) -> None:
        """Return if the queue can be used; else raise what prevents it."""
        ...

    async def poisoned(self) -> int:
        """About how many messages the host gave up on, after it had delivered them a few times in vain."""
        ...

    async def oldest(self) -> datetime | None:
        """Since when the message is due that is due longest; None: none is, or somebody is at work on each that is."""
        ...


class Notices(Protocol):
    """Where people and systems are told."""

    async def send(self, telling: Telling) -> None:
        """Tell of a VM. Raises `NotNow` or `Refused`."""
        ...


@runtime_checkable
class Trial(Protocol):
    """What a channel for notices has as well, if it can be tried out."""

    async def try_out(self, at: datetime) -> None:
        """Send something that is about no VM and says so. Raises `NotNow` or `Refused`."""
        ...

    async def close(self) -> None:
        """End the connections; nothing can be sent afterwards."""
        ...


class Prices(Protocol):
    """Azure's list prices, in the operator's currency."""

    async def rates(self, location: str, size: str) -> Rates | None:
        """What VMs of a size cost in a region; None when Azure lists no price.

        Raises `NotNow`, `Refused` or `Malformed`.
        """
        ...


class Fetched(Struct, frozen=True):
    """What the price list said of an offer."""

    rates: Rates | None
    """None: that it lists no price."""
    at: datetime


class PriceCache(Protocol):
    """Where fetched prices are kept. Both may raise `NotNow`, `Refused` or `Damaged`."""

    async def price(self, offer: Offer) -> Fetched | None:
        """What was last fetched of an offer; None when nothing ever was."""
        ...

    async def keep_price(self, offer: Offer, fetched: Fetched) -> None:
        """Keep what was fetched, in the place of what was kept before."""
        ...


class Clock(Protocol):
    """The time."""

    def __call__(self) -> datetime:
        """Now, in UTC."""
        ...


type Counts = Mapping[str, int]
"""How often what happened, since this process began."""
