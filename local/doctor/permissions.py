"""May the caller do at a subscription what Stopgap needs, and how much more?

Source of the rules: "Understand Azure role definitions" (learn.microsoft.com/azure/role-based-access-control). What
an assignment's `notActions` name is taken from its own `actions`, not from another's; `*` stands for any text.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from local.doctor.arm import Row, mend_of
from local.doctor.findings import Finding, failed, not_checked, ok, warning, wrong
from local.doctor.installation import Installation
from shared.adapters.compute import DEALLOCATE, DEALLOCATE_INSTANCE, READ, READ_INSTANCE, READ_SETS
from shared.domain.malformed import Malformed, shown
from shared.ports import PortError, Refused

API_VERSION = "2022-04-01"

WHOSE = "these are the rights of whoever runs doctor; the app's identity may have others"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one role assignment permits, in patterns."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        """Whether it permits an action."""
        return _covered(action, self.actions) and not _covered(action, self.not_actions)


def needed(*, deallocate: bool) -> tuple[str, ...]:
    """The actions that Stopgap asks of ARM; those that deallocate only where that is allowed."""
    return (READ, READ_INSTANCE, READ_SETS, *((DEALLOCATE, DEALLOCATE_INSTANCE) if deallocate else ()))


def missing(grants: Collection[Grant], wanted: Iterable[str]) -> list[str]:
    """The actions that none of the assignments permits."""
    return [action for action in wanted if not any(grant.allows(action) for grant in grants)]


def beyond(grants: Iterable[Grant], wanted: Iterable[str]) -> list[str]:
    """The patterns that permit to change more than is wanted. What only reads is harmless and left out."""
    known = {action.lower() for action in wanted}
    return [
        pattern
        for grant in grants
        for pattern in grant.actions
        if pattern.lower() not in known
        and not pattern.lower().endswith("/read")
        and not _covered(pattern, grant.not_actions)
    ]


def read_grants(rows: Iterable[Row]) -> list[Grant]:
    """The assignments of ARM's answer. Raises `Malformed`."""
    return [Grant(_patterns(row, "actions"), _patterns(row, "notActions")) for row in rows]


async def look(installation: Installation, subscription: str) -> list[Finding]:
    """Ask ARM what the caller may do, and compare it with what Stopgap needs."""
    path = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/permissions"
    try:
        grants = read_grants(await installation.arm.listed(path, API_VERSION))
    except (PortError, Malformed) as fault:
        return [_unseen(fault, subscription, installation.settings.arm_endpoint)]
    wanted = needed(deallocate=installation.settings.policy.allow_deallocate)
    lacking, more = missing(grants, wanted), beyond(grants, wanted)
    if lacking:
        found = [wrong(f"missing: {', '.join(lacking)}", _grant(wanted, subscription))]
    else:
        found = [ok("all that Stopgap needs is granted")]
    if more:
        found.append(warning(f"more than Stopgap needs is granted: {', '.join(more)}", _list(subscription)))
    return [*found, ok(WHOSE)]


def _unseen(fault: PortError | Malformed, subscription: str, endpoint: str) -> Finding:
    if isinstance(fault, Refused) and fault.code == "SubscriptionNotFound":
        return wrong(
            f"no such subscription, or none that whoever runs doctor can see: {fault.said}",
            "correct STOPGAP_SUBSCRIPTIONS (az account list --output table), or az login --tenant <its tenant>",
        )
    if isinstance(fault, Refused) and fault.code and fault.code.startswith("InvalidAuthenticationToken"):
        return not_checked(str(fault), "az login --tenant <the subscription's tenant>")
    if isinstance(fault, Refused) and fault.code == "AuthorizationFailed":
        return not_checked(
            str(fault),
            f"az role assignment create --assignee <whoever runs doctor> --role Reader "
            f"--scope /subscriptions/{subscription}",
        )
    return failed(fault, mend_of(endpoint))


def _grant(wanted: Collection[str], subscription: str) -> str:
    """The commands that make a role of just what is needed, and give it to the app."""
    name = "Stopgap deallocate" if DEALLOCATE in wanted else "Stopgap watch"
    scope = f"/subscriptions/{subscription}"
    role = json.dumps({"Name": name, "Actions": list(wanted), "AssignableScopes": [scope]})
    return (
        f"az role definition create --role-definition '{role}' && az role assignment create "
        f'--assignee <object id of the app\'s identity> --role "{name}" --scope {scope}'
    )


def _list(subscription: str) -> str:
    return (
        "if the app's identity has as much, take away what is too wide: az role assignment list --assignee <its "
        f"object id> --include-inherited --scope /subscriptions/{subscription} --output table"
    )


def _patterns(row: Row, name: str) -> tuple[str, ...]:
    patterns = row.get(name) or []
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise Malformed(
            f"ARM's permissions: expected `{name}` to be a list of patterns, got {shown(patterns)}"
        )
    return tuple(patterns)


def _covered(action: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits an action, or all that a pattern stands for."""
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE | re.DOTALL)
        for pattern in patterns
    )
