"""What things are called on the pages, and how they look: each table has every word."""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus

from shared.domain import states
from shared.domain.actions import What
from shared.domain.records import FlagKind
from shared.domain.states import PowerState
from shared.domain.transitions import Effect, Kind
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

PATTERNS: Mapping[str, str] = {"ill": "hatch", "passing": "dots"}
"""What tells a tone from the others where colours do not, on a bar; the rest is told by its height."""

BILLED = {True: "billed", False: "not billed", None: "billing unknown"}

FLAGS: Mapping[FlagKind, str] = {
    FlagKind.LEFT_STOPPED: "Flagged: left Stopped",
    FlagKind.FAILED_PROVISIONING: "Flagged: OS provisioning failed",
}


def label(state: PowerState, *, hibernated: bool) -> str:
    """A state, and whether compute is billed in it: `Stopped, billed`."""
    return f"{'Hibernated' if hibernated else state.capitalize()}, {BILLED[states.BILLED[state]]}"


KINDS: Mapping[Kind, str] = {
    Kind.DISCOVERED: "First seen",
    Kind.STARTED: "Started",
    Kind.POWERED_OFF: "Powered off",
    Kind.DEALLOCATED: "Deallocated",
    Kind.ALLOCATED: "Started and powered off between two looks",
    Kind.RETURNED: "Left this state and came back",
    Kind.RESTARTED: "Restarted",
    Kind.REDEPLOYED: "Redeployed",
    Kind.HIBERNATED: "Hibernated",
    Kind.DELETED: "Deleted",
    Kind.REAPPEARED: "Created again under its name",
}

EFFECTS: Mapping[Effect, str] = {
    Effect.STARTS: "Billing starts.",
    Effect.STOPS: "Billing stops.",
    Effect.STAYS_BILLED: "Billing goes on.",
    Effect.STAYS_FREE: "It was not billed before either.",
    Effect.UNKNOWN: "",
}
"""What is said of each effect on the bill, of compute; of an unknown one, nothing."""

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


class Shape(StrEnum):
    """The forms of the marks on a timeline, by what they tell of."""

    WISH = "wish"
    """A snooze, an exemption, or a look that was asked for."""
    FLAG = "flag"
    DEALLOCATION = "deallocation"
    NOTICE = "notice"

    @property
    def rank(self) -> int:
        """The order of what happens at one time."""
        return list(Shape).index(self)


SHAPES: Mapping[What, Shape] = {
    What.DEALLOCATION_ASKED: Shape.DEALLOCATION,
    What.DEALLOCATION_BEGUN: Shape.DEALLOCATION,
    What.DEALLOCATION_ACCEPTED: Shape.DEALLOCATION,
    What.DEALLOCATION_ATTEMPT_FAILED: Shape.DEALLOCATION,
    What.DEALLOCATION_REFUSED: Shape.DEALLOCATION,
    What.DEALLOCATION_CONFIRMED: Shape.DEALLOCATION,
    What.DEALLOCATION_UNCONFIRMED: Shape.DEALLOCATION,
    What.DEALLOCATION_FAILED: Shape.DEALLOCATION,
    What.DEALLOCATION_OVERTAKEN: Shape.DEALLOCATION,
    What.SNOOZED: Shape.WISH,
    What.SNOOZE_ENDED: Shape.WISH,
    What.EXEMPTED: Shape.WISH,
    What.EXEMPTION_ENDED: Shape.WISH,
    What.LOOK_ASKED: Shape.WISH,
    What.NOTICE_SENT: Shape.NOTICE,
    What.NOTICE_GIVEN_UP: Shape.NOTICE,
}
"""What each line of the log looks like."""

LEGEND: Mapping[Shape, str] = {
    Shape.FLAG: "Flagged",
    Shape.NOTICE: "Notice",
    Shape.DEALLOCATION: "Deallocation",
    Shape.WISH: "Snooze, exemption or look",
}

DONE: Mapping[str, str] = {
    Asking.DEALLOCATE: "The deallocation is asked for. What came of it is shown here within minutes.",
    Asking.SNOOZE: "It is done: see the snooze below.",
    Asking.EXEMPT: "It is done: see the exemption below.",
    Asking.LOOK: "A look is asked for. What it finds is shown here within seconds.",
}
"""What is said once a form was taken."""

DONE_THERE: Mapping[str, str] = {
    Asking.DEALLOCATE: "the deallocation is asked for. What came of it is shown here within minutes.",
    Asking.SNOOZE: "it is snoozed, and stays flagged.",
    Asking.EXEMPT: "it is exempt, and not flagged any more.",
    Asking.LOOK: "a look is asked for. What it finds is shown here within seconds.",
}
"""The same on the overview page, after the name of the VM."""

COSTS: Mapping[str, str] = {"so_far": "so far", "hourly": "an hour", "monthly": "a month of 730 hours"}
"""The parts of what a VM costs."""

HEADINGS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "That could not be read",
    HTTPStatus.UNAUTHORIZED: "Please sign in",
    HTTPStatus.FORBIDDEN: "That is not yours to do",
    HTTPStatus.NOT_FOUND: "No such VM",
    HTTPStatus.CONFLICT: "Not done",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
}
"""What each status is called, for people."""
