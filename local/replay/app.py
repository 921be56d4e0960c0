"""The function app as Event Grid meets it, and as a reader of its API does: an event in, what came of it out."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

import aiohttp
from msgspec import Struct

from local.replay.recordings import Recorded
from local.replay.ways import EVENT_FUNCTION
from shared.domain.budget import LOOKS, LOOKS_A_SECOND
from shared.domain.ids import VmId
from shared.domain.reasons import NEVER_SEEN
from shared.watch import Outcome

WEBHOOK = f"/runtime/webhooks/eventgrid?functionName={EVENT_FUNCTION}"

AT_ONCE = LOOKS // 2
A_SECOND = 0.8 * LOOKS_A_SECOND
"""How many events are posted at once, and then: less than the looks that the app has, which began to count later."""

type VmJson = dict[str, Any]

WHY: Mapping[Outcome, str] = {
    Outcome.NOT_A_VM: "It is not about a VM, or of a kind that tells nothing of one.",
    Outcome.NOT_WATCHED: "Its subscription is not in STOPGAP_SUBSCRIPTIONS.",
    Outcome.SCALE_SET: "It is about a scale set as a whole: a look at each instance on record was put on the queue.",
    Outcome.LEFT_TO_A_SWEEP: "Too much is asked of Azure already: a sweep of the subscription was put on the queue.",
}
"""Why, where no VM was looked at. Of all others the VM's record says it."""


def due_after(posted: int) -> float:
    """How many seconds after the first event the next may be posted, so many having been."""
    return max(posted - AT_ONCE, 0) / A_SECOND


class Delivered(Struct, frozen=True):
    """What came of an event."""

    recorded: Recorded
    outcome: Outcome | None = None
    """None: the function failed, or what came of it cannot be told."""
    reason: str | None = None
    vm: VmJson | None = None
    """The VM as the API shows it right after; None: it is on no record."""
    fault: str | None = None
    """What went wrong."""


class App:
    """The running app. Events are posted one after the other."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._counts = dict[str, int]()
        """What the app had counted when it was last asked."""
        self._began_at: float | None = None
        self._posted = 0
        self._away: str | None = None
        """Why nothing can be posted any more."""

    async def problems(self) -> list[str]:
        """What keeps it from working."""
        status, body = await self._get("/api/health")
        self._counts = body.get("counts", {})
        problems: list[str] = body.get("problems", [])
        return problems or ([] if status == 200 else [f"GET /api/health: {status} {body.get('detail', '')}"])

    async def deliver(self, recorded: Recorded) -> Delivered:
        """Post an event, and learn what came of it. What goes wrong is in the answer."""
        if self._away is not None:
            return Delivered(recorded, fault=f"not posted: {self._away}")
        await self._wait_for_budget()
        try:
            fault = await self._post(recorded)
            if fault is not None:
                return Delivered(recorded, fault=fault)
            outcome = await self._outcome()
            if outcome in {Outcome.NOT_A_VM, Outcome.NOT_WATCHED, Outcome.SCALE_SET}:
                return Delivered(recorded, outcome, WHY[outcome])
            vm = await self.vm(recorded.vm) if recorded.vm else None
        except aiohttp.ClientConnectionError as fault:
            self._away = f"the function app is gone ({fault})"
            return Delivered(recorded, fault=f"nobody knows what came of it: {self._away}")
        except (aiohttp.ClientError, TimeoutError, Untold) as fault:
            return Delivered(recorded, fault=f"{fault}" or type(fault).__name__)
        return Delivered(recorded, outcome, WHY.get(outcome) or (vm["reason"] if vm else NEVER_SEEN), vm)

    async def vm(self, vm: VmId) -> VmJson | None:
        """A VM as the API shows it; None when it is on no record. Raises `Untold`."""
        status, body = await self._get(f"/api/vms/{vm.subscription}/{vm.resource_group}/{vm.name}")
        if status == 404:
            return None
        if status != 200:
            raise Untold(f"handled, but its VM cannot be shown: {status} {body.get('detail', body)}")
        return body

    async def _post(self, recorded: Recorded) -> str | None:
        """What went wrong; None: it was handled."""
        body: object = recorded.body if "specversion" in recorded.body else [recorded.body]
        headers = {"aeg-event-type": "Notification"}
        async with self._http.post(WEBHOOK, json=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status == 202:
                return None
            return text.removeprefix(f"{EVENT_FUNCTION} failed for 1 of 1 events: ") or f"{answer.status}"

    async def _outcome(self) -> Outcome:
        """The one word that the app has counted since it was last asked."""
        status, body = await self._get("/api/health")
        counts: dict[str, int] | None = body.get("counts")
        if counts is None:
            raise Untold(f"handled, but what came of it cannot be told: GET /api/health: {status} {body}")
        came = [word for word in Outcome if counts.get(word, 0) > self._counts.get(word, 0)]
        self._counts = counts
        if len(came) != 1:
            raise Untold(f"handled, but what came of it cannot be told: the app counted {came or 'nothing'}")
        return came[0]

    async def _wait_for_budget(self) -> None:
        """Post no faster than the app may look: what comes faster is left to a sweep, and a replay has none."""
        now = monotonic()
        if self._began_at is None:
            self._began_at = now
        due_at = self._began_at + due_after(self._posted)
        self._posted += 1
        await asyncio.sleep(max(due_at - now, 0))

    async def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self._http.get(path) as answer:
            return answer.status, await answer.json(content_type=None)


class Untold(Exception):
    """The app does not say what it was asked."""
