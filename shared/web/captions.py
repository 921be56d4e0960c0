"""What things are called on the pages, and how they look: each table has every word."""

from collections.abc import Mapping
from http import HTTPStatus

from shared.domain.actions import What
from shared.domain.records import FlagKind
from shared.domain.states import PowerState
from shared.domain.transitions import Effect
from shared.web.asked import Asking

TONES: Mapping[PowerState, str] = {
    PowerState.CREATING: "passing",
    PowerState.STARTING: "passing",
    PowerState.RUNNING: "well",
    PowerState.STOPPING: "passing",
    PowerState.STOPPED: "ill",
    PowerState.DEALLOCATING: "passing",
    PowerState.DEALLOCATED: "rest",
    PowerState.DELETED: "rest",
    PowerState.UNKNOWN: "passing",
}
"""How each power state looks."""

BILLED = {True: "billed", False: "not billed", None: "billing unknown"}

FLAGS: Mapping[FlagKind, str] = {
    FlagKind.LEFT_STOPPED: "Flagged: left Stopped",
    FlagKind.FAILED_PROVISIONING: "Flagged: OS provisioning failed",
}

EFFECTS: Mapping[Effect, str] = {
    Effect.STARTS: "starts",
    Effect.STOPS: "stops",
    Effect.STAYS_BILLED: "goes on",
    Effect.STAYS_FREE: "none before and after",
    Effect.UNKNOWN: "unknown",
}
"""What each effect on the bill is called, of compute."""

WHATS: Mapping[What, str] = {
    What.DEALLOCATION_ASKED: "Deallocation asked for",
    What.DEALLOCATION_REFUSED: "Deallocation refused",
    What.DEALLOCATION_BEGUN: "Deallocation begun",
    What.DEALLOCATION_ACCEPTED: "Deallocation taken by Azure",
    What.DEALLOCATION_ATTEMPT_FAILED: "Attempt to deallocate failed",
    What.DEALLOCATION_CONFIRMED: "Seen Deallocated",
    What.DEALLOCATION_UNCONFIRMED: "Deallocation not confirmed",
    What.DEALLOCATION_FAILED: "Deallocation failed",
    What.DEALLOCATION_OVERTAKEN: "Deallocation overtaken by a start",
    What.SNOOZED: "Snoozed",
    What.SNOOZE_ENDED: "Snooze ended",
    What.EXEMPTED: "Exempted",
    What.EXEMPTION_ENDED: "Exemption ended",
    What.LOOK_ASKED: "Look asked for",
    What.NOTICE_SENT: "Notice sent",
    What.NOTICE_GIVEN_UP: "Notice given up",
}

DONE: Mapping[str, str] = {
    Asking.DEALLOCATE: "The deallocation is asked for. What came of it is shown here within minutes.",
    Asking.SNOOZE: "It is done: see the snooze below.",
    Asking.EXEMPT: "It is done: see the exemption below.",
    Asking.LOOK: "A look is asked for. What it finds is shown here within seconds.",
}
"""What is said once a form was taken."""

HEADINGS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "That could not be read",
    HTTPStatus.UNAUTHORIZED: "Please sign in",
    HTTPStatus.FORBIDDEN: "That is not yours to do",
    HTTPStatus.NOT_FOUND: "No such VM",
    HTTPStatus.CONFLICT: "Not done",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
}
"""What each status is called, for people."""
