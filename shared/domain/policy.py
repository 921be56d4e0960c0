"""What the operator wants, and what an owner's tags make of it for one VM."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from shared.domain.durations import parse_duration
from shared.domain.exemptions import Exemption, parse_exemption
from shared.domain.malformed import Malformed, shown


class Mode(StrEnum):
    """How far Stopgap goes."""

    OBSERVE = "observe"
    """Record and flag; tell no one."""
    NOTIFY = "notify"
    """And send notices. Deallocate only what a person asks for."""
    DEALLOCATE = "deallocate"
    """And deallocate, once that was told of, where it is allowed and safe."""


class Channel(StrEnum):
    """Where notices go."""

    LOG = "log"
    TOPIC = "topic"
    WEBHOOK = "webhook"


class Policy(Struct, frozen=True):
    """The operator's defaults."""

    mode: Mode = Mode.NOTIFY
    grace: timedelta = timedelta(minutes=15)
    """Stopped time tolerated before a flag."""
    warning: timedelta = timedelta(hours=1)
    """Time between telling that a VM will be deallocated and doing it."""
    allow_deallocate: bool = False
    """Whether anything may be deallocated at all, whatever modes, tags and people say."""
    most_per_hour: int = 20
    """How many deallocations may be sent to Azure within an hour, all instances of the app together."""
    channels: tuple[Channel, ...] = (Channel.TOPIC,)


class Terms(Struct, frozen=True):
    """What holds for one VM."""

    mode: Mode
    grace: timedelta
    exemption: Exemption | None
    """The owner's, by tag, whether or not it holds."""
    policy: Policy
    """The rest, which no tag overrides."""
    remarks: tuple[str, ...] = ()
    """What could not be read of the VM's tags, in words for its owner."""


TAGS = ("stopgap:mode", "stopgap:grace", "stopgap:exempt")
"""The tags by which an owner overrides the operator's defaults; compared without regard to case, as Azure does."""


def our_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of a VM's tags that are for Stopgap, their names in lower case."""
    if not tags:
        return {}
    lowered = {name.lower(): value for name, value in tags.items()}
    return {name: lowered[name] for name in TAGS if name in lowered}


def terms_for(policy: Policy, tags: Mapping[str, str]) -> Terms:
    """The policy as an owner's tags override it.

    A value that cannot be read leaves the operator's default in force and makes a remark; only an unreadable
    exemption exempts.
    """
    ours = our_tags(tags)
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
    exemption = parse_exemption(exempt) if exempt is not None else None
    return Terms(mode, grace, exemption, policy, tuple(remarks))
