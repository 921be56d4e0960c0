"""Accounts and summaries over a ledger, with prices of a test's own."""

from collections.abc import Mapping

from shared.accounts import Accounts, Figures, Money
from shared.adapters.memory import MemoryPrices
from shared.costs import Costs
from shared.domain.money import Amount, Rates, Sum
from shared.ports import Clock, Ledger
from shared.summaries import Summaries

D2S = ("westeurope", "Standard_D2s_v5")
LISTED: Mapping[tuple[str, str], Rates | Exception] = {D2S: Rates("USD", 0.1, 0.2)}


def accounts_of(
    ledger: Ledger,
    subscriptions: tuple[str, ...],
    now: Clock,
    listed: Mapping[tuple[str, str], Rates | Exception] = LISTED,
) -> Accounts:
    return Accounts(ledger, subscriptions, Costs(lambda: MemoryPrices(listed), "USD", now), now)


def summaries_of(ledger: Ledger, subscriptions: tuple[str, ...], now: Clock) -> Summaries:
    return Summaries(ledger, subscriptions, now, accounts_of(ledger, subscriptions, now))


def nothing() -> Money:
    """Of a fleet of which nothing was ever Stopped."""
    none = Sum(Amount("USD", 0.0, 0.0))
    return Money("USD", 0, none, Figures(none, none), Figures(none, none), 0, (), whole=True)
