"""A believable VM's life, and what is told of it: one telling of each kind of notice."""

from collections.abc import Callable, Mapping
from copy import replace
from datetime import datetime, timedelta

from shared.domain.deallocation import begun
from shared.domain.money import Amount, cost_of
from shared.domain.news import Accepted, Answer, Failed
from shared.domain.observations import Model, Observation
from shared.domain.policy import Mode, Policy
from shared.domain.records import Notice, NoticeKind
from shared.domain.signals import Actor, Cause, Signal, Source, Verb
from shared.domain.telling import Telling
from tests.domain.life import NOON, VM, Life, look, minutes

ARMED = Policy(mode=Mode.DEALLOCATE, allow_deallocate=True)
MODEL = Model(uid="uid-1", location="westeurope", size="Standard_E8s_v5", os_type="Windows")
HOURLY = Amount("EUR", 0.6048, 0.9728)
ADA, GRACE_HOPPER, STOPGAP = (
    "8f14e45f-ceea-467f-a0e6-8bd0f8a4a111",
    "c9f0f895-fb98-4b91-9c2f-2b3f4b6a2222",
    "45c48cce-2e2d-4fbd-aa1a-fc51c7c6ad26",
)
_OPERATIONS = {
    Verb.POWER_OFF: "powerOff/action",
    Verb.START: "start/action",
    Verb.DEALLOCATE: "deallocate/action",
}


def seen(
    power: str, at: datetime, *, provisioning: str = "succeeded", detail: str | None = None
) -> Observation:
    observation = look(power, at, provisioning=provisioning, detail=detail)
    assert isinstance(observation, Observation)
    return replace(observation, model=MODEL)


def done(verb: Verb, at: datetime, caller: str = ADA) -> Signal:
    operation = f"Microsoft.Compute/virtualMachines/{_OPERATIONS[verb]}"
    correlation = "3b1f9a52-0c1e-4a5e-9d27-6f1d2c3b4a59"
    cause = Cause(Actor.CONTROL_PLANE, operation, at, Source.EVENT, verb, caller, None, correlation)
    return Signal(VM, cause)


def powered_off() -> Life:
    """Powered off at noon, flagged after its grace; to be deallocated an hour later."""
    life = Life(ARMED)
    life.see(seen("running", minutes(-60)))
    life.see(seen("stopped", minutes(0.25)), done(Verb.POWER_OFF, NOON))
    life.see(seen("stopped", minutes(15.5)))
    return life


def attempted(answer: Callable[[datetime, datetime], Answer]) -> Life:
    """Its time has come, and Azure is asked."""
    life, due, then = powered_off(), minutes(76), minutes(76) + timedelta(seconds=2)
    life.see(seen("stopped", due))
    life.record = begun(life.now, due, then)
    life.hear(answer(due, then), then + timedelta(seconds=1))
    return life


def cleared() -> Life:
    life = powered_off()
    life.see(seen("running", minutes(40)), done(Verb.START, minutes(39.5), GRACE_HOPPER))
    return life


def deallocated() -> Life:
    life = attempted(lambda asked_at, looked_at: Accepted(asked_at, 1, looked_at, looked_at))
    life.see(seen("deallocated", minutes(77)), done(Verb.DEALLOCATE, minutes(76.75), STOPGAP))
    return life


def locked() -> Life:
    said = "The scope is locked: 'keep'. Please remove the lock and try again."
    return attempted(
        lambda asked_at, looked_at: Failed(asked_at, 1, looked_at, "ScopeLocked", said, final=True)
    )


def overtaken() -> Life:
    """Started by somebody after the look that Azure was asked on the strength of."""
    life = attempted(lambda asked_at, looked_at: Accepted(asked_at, 1, looked_at, looked_at))
    life.see(
        seen("deallocated", minutes(77)),
        done(Verb.START, minutes(76) + timedelta(seconds=2.5), GRACE_HOPPER),
    )
    return life


def not_provisioned() -> Life:
    life = Life(Policy())
    for at in (0, 20):
        life.see(seen("running", minutes(at), provisioning="failed", detail="OSProvisioningTimedOut"))
    return life


def telling(life: Life, kind: NoticeKind) -> Telling:
    """The last notice of a kind that a life led to, as it is told when it is made."""
    notice: Notice = next(each for each in reversed(life.sent) if each.kind is kind)
    record, flag = life.now, life.now.flag
    if flag and flag.notified_at == notice.made_at:  # by this very notice
        record = replace(record, flag=replace(flag, notified_at=None))
    return Telling(notice, record, cost_of(record, HOURLY, notice.made_at))


def tellings() -> Mapping[NoticeKind, Telling]:
    """One of each kind."""
    lives = {
        NoticeKind.LEFT_STOPPED: powered_off(),
        NoticeKind.FAILED_PROVISIONING: not_provisioned(),
        NoticeKind.FLAG_CLEARED: cleared(),
        NoticeKind.DEALLOCATED: deallocated(),
        NoticeKind.DEALLOCATION_FAILED: locked(),
    }
    return {kind: telling(life, kind) for kind, life in lives.items()}
