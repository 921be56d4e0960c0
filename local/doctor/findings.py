"""What a check finds, and what that makes of the whole."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from textwrap import shorten

from azure.core.exceptions import ClientAuthenticationError

from shared.domain.malformed import Malformed
from shared.ports import PortError, Throttled

TRY_AGAIN_SECONDS = 60
"""Where who throttles us does not say how long."""


class Verdict(StrEnum):
    """How it stands with a thing."""

    OK = "ok"
    WARNING = "warning"
    """It works, and wants somebody's eye."""
    WRONG = "wrong"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact, on one line."""

    verdict: Verdict
    fact: str
    mend: str | None = None
    """The command or the setting that mends it. Of what was not checked: what makes it possible to look; None where
    nobody asked for a look."""

    @property
    def blind(self) -> bool:
        """Whether doctor was to look and could not."""
        return self.verdict is Verdict.NOT_CHECKED and self.mend is not None


@dataclass(frozen=True, slots=True)
class Line:
    """A finding with what it is about."""

    check: str
    subscription: str | None
    """None: it is about the installation as a whole."""
    finding: Finding


def ok(fact: str) -> Finding:
    """It is as it should be."""
    return Finding(Verdict.OK, fact)


def warning(fact: str, mend: str | None = None) -> Finding:
    """It works, and wants somebody's eye."""
    return Finding(Verdict.WARNING, fact, mend)


def wrong(fact: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(Verdict.WRONG, fact, mend)


def not_checked(fact: str, mend: str | None = None) -> Finding:
    """Nobody asked for a look (no `mend`), or it could not be had."""
    return Finding(Verdict.NOT_CHECKED, fact, mend)


def failed(fault: PortError | Malformed, mend: str) -> Finding:
    """What a failed question means: who was asked is not well, unless it only asks for patience or for a token."""
    if isinstance(fault, Throttled):
        seconds = fault.retry_after.total_seconds() if fault.retry_after else TRY_AGAIN_SECONDS
        return not_checked(str(fault), f"try again in {seconds:.0f} s")
    cause = fault.__cause__
    if isinstance(cause, ClientAuthenticationError) and cause.status_code is None:
        return nobody(cause)
    return wrong(str(fault), mend)


def nobody(error: Exception) -> Finding:
    """There is no token to ask with: what the Azure CLI says of it, else the first of what is said."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    of_cli = next((line for line in said if line.startswith("AzureCliCredential: ")), said[0])
    why = shorten(of_cli.removeprefix("AzureCliCredential: "), 200, placeholder=" …")
    return not_checked(f"nobody is signed in: {why}", "az login")


def worst(lines: Collection[Line]) -> Verdict:
    """What is to be said of the whole. What nobody asked for does not count."""
    found = [line.finding for line in lines]
    verdicts = {finding.verdict for finding in found}
    if Verdict.WRONG in verdicts:
        return Verdict.WRONG
    if any(finding.blind for finding in found):
        return Verdict.NOT_CHECKED
    return Verdict.WARNING if Verdict.WARNING in verdicts else Verdict.OK


EXIT_CODES = {Verdict.OK: 0, Verdict.WARNING: 0, Verdict.WRONG: 1, Verdict.NOT_CHECKED: 2}
"""By what is to be said of the whole."""
