"""Looks and signals at one VM, made short for tests of the decision."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.domain.actions import Entry
from shared.domain.decision import Decision, LookAgain, Send, decide
from shared.domain.ids import VmId
from shared.domain.log import sent
from shared.domain.news import News
from shared.domain.noticing import mark_sent
from shared.domain.observations import Gone, Model, Observation
from shared.domain.policy import Policy
from shared.domain.records import Episode, Flag, Notice, Record, Transition
from shared.domain.signals import Actor, Cause, Signal, Source, Verb
from shared.domain.states import PowerState, ProvisioningState, Reading

VM = VmId.of("00000000-0000-4000-8000-000000000001", "rg-shop", "web-1")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRACE = timedelta(minutes=15)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def reading(
    power: str, provisioning: str = "succeeded", detail: str | None = None, *, hibernated: bool = False
) -> Reading:
    return Reading(PowerState(power), ProvisioningState(provisioning), detail, hibernated)


def look(
    power: str,
    at: datetime = NOON,
    *,
    provisioning: str = "succeeded",
    tags: dict[str, str] | None = None,
    uid: str | None = "uid-1",
    detail: str | None = None,
    hibernated: bool = False,
) -> Observation | Gone:
    if power == "deleted":
        return Gone(VM, at)
    return Observation(
        VM,
        at,
        reading(power, provisioning, detail, hibernated=hibernated),
        Model(uid=uid, size="Standard_D2s_v5"),
        tags or {},
    )


VERBS = {
    "stopped": Verb.POWER_OFF,
    "running": Verb.START,
    "deallocated": Verb.DEALLOCATE,
    "deleted": Verb.DELETE,
}


def event(
    leads_to: str | None, at: datetime, *, caller: str = "caller-1", verb: Verb | None = None
) -> Signal:
    verb = verb or (VERBS[leads_to] if leads_to else None)
    return Signal(
        VM, Cause(Actor.CONTROL_PLANE, f"op/{leads_to}", at, Source.EVENT, verb, caller, None, "corr-1")
    )


def annotation(
    leads_to: str, at: datetime, actor: Actor = Actor.GUEST, *, verb: Verb | None = None
) -> Signal:
    return Signal(VM, Cause(actor, f"note/{leads_to}", at, Source.ANNOTATION, verb or VERBS[leads_to]))


@dataclass
class Life:
    """A record as looks and signals shape it; a ledger, queue and inbox in miniature."""

    policy: Policy = field(default_factory=Policy)
    record: Record | None = None
    transitions: dict[datetime, Transition] = field(default_factory=dict)
    episodes: dict[datetime, Episode] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    sent: list[Notice] = field(default_factory=list)
    deliver: bool = True
    """Whether notices get through."""

    def see(
        self, seen: Observation | Gone, signal: Signal | None = None, *, now: datetime | None = None
    ) -> Decision:
        now = now or seen.observed_at
        return self.took(decide(self.record, seen, signal, self.policy, now), now)

    def hear(self, news: News, now: datetime) -> Decision:
        """Something happens of which no look tells."""
        return self.took(decide(self.record, None, None, self.policy, now, news), now)

    def took(self, decision: Decision, now: datetime) -> Decision:
        self.entries += decision.entries
        self.record = decision.record
        if decision.transition:
            self.transitions[decision.transition.seen_at] = decision.transition
        for episode in decision.episodes:
            self.episodes[episode.seen_at] = episode
        for action in decision.actions:
            if isinstance(action, Send) and self.deliver:
                self.sent.append(action.notice)
                assert self.record
                self.entries.append(sent(self.record, action.notice, now))
                self.record = mark_sent(self.record, action.notice, now)
        return decision

    @property
    def now(self) -> Record:
        assert self.record
        return self.record

    def flag(self) -> Flag | None:
        return self.now.flag

    def kinds(self) -> list[str]:
        return [transition.kind for _, transition in sorted(self.transitions.items())]

    def notices(self) -> list[str]:
        return [notice.kind for notice in self.sent]


def next_look(decision: Decision) -> datetime | None:
    return next((action.at for action in decision.actions if isinstance(action, LookAgain)), None)
