"""Which system topics a subscription has already. It can have one of a type, so what is there is to be used.

What this environment made itself is no found one: its stack would take it for unmanaged, and delete it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from local.deploy.environment import CannotDeploy
from local.deploy.stacks import Watched
from local.doctor.arm import Arm, Row
from shared.domain.malformed import Malformed, shown

API_VERSION = "2025-02-15"
PROVIDER = "providers/Microsoft.EventGrid/systemTopics"
RESOURCES = "Microsoft.Resources.Subscriptions"
HEALTH = "Microsoft.ResourceNotifications.HealthResources"

_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/systemTopics/[^/]+", re.IGNORECASE
)


async def look(arm: Arm, subscription: str, own_group: str) -> Watched:
    """The topics of a subscription. Raises `PortError`, `Malformed` or `CannotDeploy`.

    Args:
        arm: Asked for them.
        subscription: Its id.
        own_group: Name of the resource group in which are those that this environment makes.
    """
    return found(
        await arm.listed(f"/subscriptions/{subscription}/{PROVIDER}", API_VERSION), subscription, own_group
    )


def found(rows: Iterable[Row], subscription: str, own_group: str) -> Watched:
    """The topics among ARM's rows that somebody else made. `CannotDeploy` for one that cannot be used."""
    known = [_Topic.of(row) for row in rows]
    usable = {
        kind: _one(
            [topic for topic in known if topic.is_of(kind, subscription) and not topic.is_in(own_group)]
        )
        for kind in (RESOURCES, HEALTH)
    }
    return Watched(subscription, usable[RESOURCES], usable[HEALTH])


async def others(arm: Arm, subscription: str, own_group: str, environment: str) -> list[str]:
    """Event subscriptions of others under the topics that this environment made: they would go with them."""
    rows = await arm.listed(f"/subscriptions/{subscription}/{PROVIDER}", API_VERSION)
    ours = {f"stopgap-{environment}", f"stopgap-probe-{environment}"}
    found = []
    for topic in map(_Topic.of, rows):
        if topic.is_in(own_group):
            under = await arm.listed(f"{topic.id}/eventSubscriptions", API_VERSION)
            found += [
                f"{topic.id}/eventSubscriptions/{each.get('name')}"
                for each in under
                if each.get("name") not in ours
            ]
    return found


class _Topic:
    """A system topic, as ARM tells of it."""

    def __init__(self, topic_id: str, properties: Mapping[str, object], identity: str) -> None:
        self.id, self.identity = topic_id, identity
        self._kind = str(properties.get("topicType", "")).lower()
        self._source = str(properties.get("source", "")).lower()

    @classmethod
    def of(cls, row: Row) -> "_Topic":
        topic_id, properties = row.get("id"), row.get("properties")
        if not isinstance(topic_id, str) or not _ID.fullmatch(topic_id):
            raise Malformed(f"ARM's system topics: expected the id of one, got {shown(topic_id)}")
        if not isinstance(properties, dict):
            raise Malformed(f"ARM's system topic {topic_id}: expected properties, got {shown(properties)}")
        identity = row.get("identity")
        return cls(topic_id, properties, str(identity.get("type", "")) if isinstance(identity, dict) else "")

    def is_of(self, kind: str, subscription: str) -> bool:
        return self._kind == kind.lower() and self._source == f"/subscriptions/{subscription}"

    def is_in(self, group: str) -> bool:
        return self.id.split("/")[4].lower() == group.lower()


def _one(topics: Sequence[_Topic]) -> str:
    if not topics:
        return ""
    topic = min(topics, key=lambda each: each.id)
    if "systemassigned" not in topic.identity.lower():
        _, _, subscription, _, group, *_, name = topic.id.split("/")
        raise CannotDeploy(
            f"the subscription's system topic is there already, and has no identity by which it could keep what it "
            f"cannot deliver: {topic.id}\nGive it one, which changes nothing else, and do this again:\n"
            f"  az eventgrid system-topic update --subscription {subscription} --resource-group {group} "
            f"--name {name} --identity systemassigned"
        )
    return topic.id
