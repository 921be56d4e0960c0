"""What the operator wants, and what an owner's tags make of it for one VM."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from shared.domain.durations import parse_duration
from shared.domain.exemptions import Exemption, parse_exemption
from shared.domain.malformed import Malformed, shown


class Mode(StrEnum):
    """How far Stopgap goes."""

    OBSERVE = "observe"
    """Record and flag; tell no one."""
    NOTIFY = "notify"
    """And send notices."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's defaults."""

    mode: Mode = Mode.NOTIFY
    grace: timedelta = timedelta(minutes=15)
    """Stopped time tolerated before a flag."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one VM."""

    mode: Mode
    grace: timedelta
    exemption: Exemption | None
    remarks: tuple[str, ...] = ()
    """What could not be read of the VM's tags, in words for its owner."""


def terms_for(policy: Policy, tags: Mapping[str, str] | None) -> Terms:
    """The policy as the tags `stopgap:mode`, `stopgap:grace` and `stopgap:exempt` override it.

    Tag names are compared without regard to case, as Azure does. A value that cannot be read leaves the
    operator's default in force and makes a remark; only an unreadable exemption exempts.
    """
    ours = {
        name.lower(): value for name, value in (tags or {}).items() if name.lower().startswith("stopgap:")
    }
    mode, grace, remarks = policy.mode, policy.grace, list[str]()
    if "stopgap:mode" in ours:
        try:
            mode = Mode(ours["stopgap:mode"].strip().lower())
        except ValueError:
            expected = " or ".join(Mode)
            remarks.append(
                f"tag stopgap:mode: expected {expected}, got {shown(ours['stopgap:mode'])}; {mode} holds"
            )
    if "stopgap:grace" in ours:
        try:
            grace = parse_duration(ours["stopgap:grace"])
        except Malformed as fault:
            remarks.append(f"tag stopgap:grace: {fault}; the default holds")
    exempt = ours.get("stopgap:exempt")
    return Terms(mode, grace, parse_exemption(exempt) if exempt is not None else None, tuple(remarks))
