"""The environment that azd hands to its hooks: what its owner has set, and what Bicep put out."""

import re
from collections.abc import Mapping
from pathlib import Path

from local.parts import ROOT
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed

INFRA = ROOT / "infra"

GROUP_BEFORE = "STOPGAP_GROUP_BEFORE"
"""Kept by a hook for the next: where rights were granted, to take them away when another group is watched."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")

SET_BY: Mapping[str, str] = {
    "AZURE_ENV_NAME": "`azd env new`",
    "AZURE_LOCATION": "`azd env set AZURE_LOCATION westeurope`",
    "AZURE_SUBSCRIPTION_ID": "`azd env set AZURE_SUBSCRIPTION_ID …`",
}
"""What sets a variable; whatever is not here, `azd provision` does."""


class CannotDeploy(Exception):
    """A step cannot be done. The text says why, and how to mend it."""


class Environment:
    """The variables, read one by one: each step needs others. Missing or malformed ones are told by name."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def optional(self, name: str, default: str = "") -> str:
        """A variable, or what holds where it is missing or empty."""
        return self._variables.get(name, "").strip() or default

    def needed(self, name: str) -> str:
        """A variable that this step cannot do without."""
        text = self.optional(name)
        if not text:
            raise CannotDeploy(f"{name} is missing: {SET_BY.get(name, '`azd provision`')} sets it")
        return text

    def flag(self, name: str) -> bool:
        """A variable that is `true` or `false`, in any letter case; missing: false."""
        text = self.optional(name, "false").lower()
        if text not in {"true", "false"}:
            raise CannotDeploy(f"{name} is malformed: expected true or false, got {text!r}")
        return text == "true"

    @property
    def name(self) -> str:
        """The environment's, which names all that is unique in a tenant, and event subscriptions too."""
        name = self.needed("AZURE_ENV_NAME")
        if not _NAME.fullmatch(name):
            raise CannotDeploy(
                f"AZURE_ENV_NAME is {name!r}: expected letters, digits and hyphens, 40 at most; "
                "`azd env new` makes another"
            )
        return name

    @property
    def home(self) -> str:
        """The subscription that Stopgap itself is in."""
        return self._subscription("AZURE_SUBSCRIPTION_ID", self.needed("AZURE_SUBSCRIPTION_ID"))

    @property
    def management_group(self) -> str:
        """The management group that is watched; empty: none."""
        return self.optional("STOPGAP_MANAGEMENT_GROUP")

    @property
    def group_before(self) -> str:
        """The management group on which the latest deployment granted rights; empty: on none."""
        return self.optional(GROUP_BEFORE)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The watched ones, in the order given; where none is named, the home."""
        text = self.optional("STOPGAP_SUBSCRIPTIONS", self.home)
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(dict.fromkeys(self._subscription("STOPGAP_SUBSCRIPTIONS", part) for part in parts))

    @property
    def topic_group(self) -> str:
        """Name of the resource group that is made in each watched subscription for its system topics."""
        return f"rg-stopgap-{self.name}-events"

    def _subscription(self, variable: str, text: str) -> str:
        try:
            return parse_subscription(text)
        except Malformed as fault:
            raise CannotDeploy(f"{variable} is malformed: {fault}") from None


def template(name: str) -> Path:
    """A Bicep file of infra/."""
    return INFRA / name
