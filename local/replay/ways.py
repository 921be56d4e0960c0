"""The three ways to replay, and what each makes of the settings. No I/O.

| way | VMs are looked at | what is decided goes to | who is told |
| --- | --- | --- | --- |
| rehearsal | in the Azure that the settings name | a throw-away storage | nobody |
| simulated | in an Azure made up from the events | a throw-away storage | nobody |
| write | in the Azure that the settings name | the storage that the settings name | whom the settings name |
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.replay.recordings import Recorded
from shared.settings import INSIGHTS, STORAGE, Settings
from shared.settings import Storage as StorageSettings

EVENT_FUNCTION = "vm_event"

OTHERS = ("look_again", "sweep_schedule", "sweep_subscription", "deallocate", "retention", "close_days")
"""What else works by itself in the function app. It is not called: a replay is of events, and what they leave on queues
is for the deployed app."""

JUDGED_BY = (
    "STOPGAP_MODE",
    "STOPGAP_GRACE",
    "STOPGAP_WARNING",
    "STOPGAP_CURRENCY",
    "STOPGAP_KEEP_CALLER",
)
"""The settings that count in a simulated Azure too."""

_TELL = ("STOPGAP_TOPIC_ENDPOINT", "STOPGAP_WEBHOOK_URL", INSIGHTS)
_SUBSCRIPTIONS = "STOPGAP_SUBSCRIPTIONS"
_ACCOUNT = re.compile(r"(?:^|;)AccountName=([^;]+)", re.IGNORECASE)


class Way(StrEnum):
    """How far a replay goes."""

    REHEARSAL = "rehearsal"
    SIMULATED = "simulated"
    WRITE = "write"


def environment(way: Way, given: Mapping[str, str], events: Iterable[Recorded]) -> dict[str, str]:
    """What the function app finds in its environment, but for what only runs later: see `throw_away`.

    Args:
        way: How far to go.
        given: The program's own environment, settings included.
        events: Those to replay.
    """
    if way is Way.SIMULATED:
        kept = {name: value for name, value in given.items() if name in JUDGED_BY}
    else:
        # Nobody signs in to an app on this machine, whatever stands before the deployed one.
        kept = {name: value for name, value in given.items() if name != "WEBSITE_AUTH_ENABLED"}
    if way is Way.WRITE:
        # Without it, the links in notices would lead to this machine.
        kept.setdefault("WEBSITE_HOSTNAME", "")
    else:
        kept = {
            name: value for name, value in kept.items() if not name.startswith(STORAGE) and name not in _TELL
        }
        kept["STOPGAP_ALLOW_DEALLOCATE"] = "false"
        if not kept.get(_SUBSCRIPTIONS, "").strip():
            kept[_SUBSCRIPTIONS] = ",".join(_named(events))
    return kept | {
        f"AzureWebJobs.{EVENT_FUNCTION}.Disabled": "false",
        **{f"AzureWebJobs.{name}.Disabled": "true" for name in OTHERS},
    }


def about(way: Way, settings: Settings) -> str:
    """What is going to happen, in words that leave no doubt."""
    match way:
        case Way.REHEARSAL:
            return (
                f"REHEARSAL. VMs are looked at in {settings.arm_endpoint}; nothing else is read. What is decided goes "
                "to a throw-away storage that knows nothing of before: nothing is kept, nobody is told, nothing is "
                "deallocated. --write delivers the events in earnest."
            )
        case Way.SIMULATED:
            return (
                "SIMULATED. No Azure is asked: each VM that the events name is made up, in the state that its last "
                "event leads to. Nothing is kept, nobody is told, nothing is deallocated."
            )
        case Way.WRITE:
            policy = settings.policy
            return (
                f"IN EARNEST (--write). The events are taken in as if Event Grid delivered them now: VMs are looked "
                f"at in {settings.arm_endpoint}, records are written to {storage_name(settings.storage)}, notices go "
                f"to the {' and the '.join(policy.channels)}, mode is {policy.mode}, deallocations are "
                f"{'' if policy.allow_deallocate else 'not '}allowed. What it puts on queues is the deployed app's."
            )


def storage_name(storage: StorageSettings) -> str:
    """A storage account as people know it, without its key."""
    if storage.table_uri:
        return storage.table_uri
    account = _ACCOUNT.search(storage.connection_string or "")
    return f"storage account {account[1]}" if account else "the storage emulator on this machine"


def _named(events: Iterable[Recorded]) -> list[str]:
    """The subscriptions that events name; one that is nobody's, where they name none: something has to be watched."""
    ids = [each.vm or each.scale_set for each in events]
    return sorted({vm.subscription for vm in ids if vm}) or [DEFAULT_SUBSCRIPTION]
