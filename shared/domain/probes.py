"""Probes: events that Azure is made to emit so that it can be seen whether they arrive. They are about no VM.

A probe is the write of an empty deployment at a subscription, named `stopgap-probe-{token}`: decision 23 tells why.
The documentation says that writes of the deployment history make events of a subscription ("Azure subscription as an
Event Grid source"); none that is published shows one at the scope of a subscription, so that its `subject` is the
deployment's id is inferred from those of resources. Azure has written ids of deployments with their provider and
without it: both are taken.
"""

import re
from datetime import UTC, datetime

from msgspec import Struct

from shared.domain.signals import Event

EVENT_TYPE = "Microsoft.Resources.ResourceWriteSuccess"
PREFIX = "stopgap-probe-"
"""How the names of deployments begin that are probes."""

_SUBJECT = re.compile(
    r"/subscriptions/(?P<subscription>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    rf"(?:/providers/microsoft\.resources)?/deployments/{PREFIX}(?P<token>[0-9a-z-]{{1,64}})/?",
    re.ASCII,
)


class Probe(Struct, frozen=True):
    """One probe, all its texts lower-case."""

    subscription: str
    token: str
    """By which whoever made it knows it again: 1 to 64 characters of `[0-9a-z-]`."""
    at: datetime
    """When it happened, as Azure says."""

    def follows(self, other: "Probe | None") -> bool:
        """Whether it is later than another of its subscription; of one time, one of two tokens always is."""
        return other is None or (self.at, self.token) > (other.at, other.token)


def subject_prefix(subscription: str) -> str:
    """How the subjects of a subscription's probes begin, as Azure writes them: what a filter lets through."""
    return f"/subscriptions/{subscription}/providers/Microsoft.Resources/deployments/{PREFIX}"


def read_probe(event: Event) -> Probe | None:
    """The probe that an event tells of, in any letter case; None for whatever is not one in all its parts."""
    if not (isinstance(event.type, str) and isinstance(event.subject, str) and event.time):
        return None
    found = _SUBJECT.fullmatch(event.subject.lower())
    at = _utc(event.time)
    if event.type.lower() != EVENT_TYPE.lower() or not found or not at:
        return None
    return Probe(found["subscription"], found["token"], at)


def _utc(at: datetime) -> datetime | None:
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:  # before the first year of the calendar, or after its last
        return None
