"""What a VM left Stopped costs, by Azure's list prices.

The compute of a Stopped VM is billed. Whether the software licence is, which is in the price of a running Windows
VM, Azure's documents leave open (docs/costs.md). So a cost is a pair: the lower is the base compute rate, which is
what Linux VMs pay, the upper the rate with the licence. What is not known is None, never 0.

Amounts are floats: list prices have six digits or so, a float carries fifteen, and JSON has no other numbers.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct

from shared.domain.malformed import Malformed, shown
from shared.domain.observations import Model
from shared.domain.records import Episode, Record
from shared.domain.states import PowerState

HOURS_A_MONTH = 730
"""As Azure counts them on its own pages of prices."""

_MOST = 1e9
"""More is no price of an hour, in any currency."""

_OWN_LICENCES = {"windows_server", "windows_client"}
"""`license_type` of Windows VMs under Azure Hybrid Benefit, which pay the base rate. `None` is a value it can have."""

_OTHER_METERS = ("spot", "low priority")
"""In the names of a size's other meters."""

_OTHER_PRODUCTS = ("cloudservices", "dedicatedhost")
"""In the names, without spaces, of products that are no VMs and are listed as such, under the VMs' own sizes."""


class Offer(Struct, frozen=True):
    """A size in a region, in a currency: what Azure lists prices of."""

    currency: str
    """Upper-case: `EUR`."""
    location: str
    """Lower-case and without spaces: `westeurope`."""
    size: str
    """As the VM has it: `Standard_D2s_v5`. Azure's list is the same in any letter case."""

    @classmethod
    def of(cls, currency: str, location: str, size: str) -> "Offer":
        """The offer of these, in any letter case."""
        return cls(currency.upper(), location.lower().replace(" ", ""), size)

    def __str__(self) -> str:
        return f"{shown(self.size)} in {shown(self.location)}, {self.currency}"


class Tariff(Struct, frozen=True, array_like=True):
    """All of a VM that its price depends on; None where Azure says nothing."""

    location: str | None = None
    size: str | None = None
    os_type: str | None = None
    license_type: str | None = None
    priority: str | None = None
    dedicated_host: bool = False

    @classmethod
    def of(cls, model: Model) -> "Tariff":
        """The tariff of a VM."""
        return cls(
            model.location,
            model.size,
            model.os_type,
            model.license_type,
            model.priority,
            model.dedicated_host,
        )


class Rates(Struct, frozen=True):
    """List prices of one offer, per hour. None: Azure lists none."""

    currency: str
    base: float | None = None
    """Compute alone: what a Linux VM costs."""
    windows: float | None = None
    """Compute and the licence of Windows."""


class Amount(Struct, frozen=True):
    """An amount of money that is known within bounds. A bound that is None is not known."""

    currency: str
    lower: float | None = None
    upper: float | None = None

    def times(self, factor: float) -> "Amount":
        """The amount so many times."""
        return Amount(
            self.currency,
            None if self.lower is None else self.lower * factor,
            None if self.upper is None else self.upper * factor,
        )


class Sum(Struct, frozen=True):
    """Amounts added up."""

    amount: Amount
    """Of those that are known. Bounds are 0 where there is nothing to add, and None where nothing of it is known."""
    unpriced: float = 0.0
    """How many VMs, or hours of VMs, are left out, as what they cost is not known."""


class Cost(Struct, frozen=True):
    """What a VM costs while it is Stopped."""

    hourly: Amount
    so_far: Amount
    """Since it has been."""

    @property
    def monthly(self) -> Amount:
        """What a month of it costs."""
        return self.hourly.times(HOURS_A_MONTH)


def read_page(body: object) -> tuple[list[object], str | None]:
    """The rows of an answer of the Retail Prices API, and the address of the next page if there is one.

    `{"Items": [...], "NextPageLink": str or null, ...}`; anything else is `Malformed`.
    """
    if not isinstance(body, Mapping) or not isinstance(body.get("Items"), list):
        raise Malformed(f"expected an object with a list of `Items`, got {shown(body)}")
    following = body.get("NextPageLink")
    if following is not None and not isinstance(following, str):
        raise Malformed(f"expected NextPageLink to be a text or null, got {shown(following)}")
    return body["Items"], following or None


def read_rates(rows: Iterable[object], offer: Offer, now: datetime) -> Rates | None:
    """What Azure lists for an offer among rows of its price list; None when it lists nothing.

    A row counts if it is the offer's, has all its fields and is in force: the one that came into force last is the
    price. A row that cannot be read is left out like one of something else: it may become a price that is missing,
    not one that is wrong.
    """
    # By whether the licence is in it: when it came into force, and the price.
    found: dict[bool, tuple[datetime, float]] = {}
    for row in rows:
        if not isinstance(row, Mapping) or not _is_of(row, offer):
            continue
        since, price = _in_force_since(row, now), _price(row)
        if since is None or price is None:
            continue
        licensed = _text(row, "productName").endswith("windows")
        last = found.get(licensed)
        # Of two that began together the lower: which of them is meant, Azure does not say.
        if last is None or (since, -price) > (last[0], -last[1]):
            found[licensed] = (since, price)
    if not found:
        return None
    base, windows = (found[kind][1] if kind in found else None for kind in (False, True))
    return Rates(offer.currency, base, windows)


def listed(tariff: Tariff) -> tuple[str, str] | None:
    """The location and size that say in Azure's list what a VM costs; None for a VM that has another price.

    The price of a Spot VM changes by the hour, and a dedicated host is paid for whatever runs on it.
    """
    if (tariff.priority or "regular").lower() != "regular" or tariff.dedicated_host:
        return None
    return (tariff.location, tariff.size) if tariff.location and tariff.size else None


def bounds(rates: Rates, tariff: Tariff) -> Amount:
    """What a VM costs for each hour that it is Stopped."""
    unknown = Amount(rates.currency)
    if listed(tariff) is None:
        return unknown
    os_type, licence = (tariff.os_type or "").lower(), (tariff.license_type or "").lower()
    unlicensed = os_type == "linux" or licence in _OWN_LICENCES
    lower, upper = rates.base, rates.base if unlicensed else rates.windows
    if lower is not None and upper is not None:
        lower, upper = min(lower, upper), max(lower, upper)
    return Amount(rates.currency, lower, upper)


def cost_of(record: Record, hourly: Amount, now: datetime) -> Cost | None:
    """What a VM costs that is Stopped, and so billed without use; None when it is not.

    Args:
        record: The latest word on it.
        hourly: What an hour of it costs, by `bounds`.
        now: Until when it is counted.
    """
    if record.power_state is not PowerState.STOPPED:
        return None
    hours = (now - record.since).total_seconds() / 3600
    return Cost(hourly, hourly.times(max(hours, 0.0)))


def episode_cost(episode: Episode, hourly: Amount) -> Amount | None:
    """What an episode cost, at the present price of the present size; None while it lasts."""
    return hourly.times(episode.hours) if episode.hours is not None else None


def total[Key](currency: str, hourly: Mapping[Key, Amount], quantities: Mapping[Key, float]) -> Sum:
    """What so many hours of each tariff cost together; or so many VMs, for an hour.

    A tariff of which only one bound is known is left out as well: bounds are of the same VMs.

    Args:
        currency: What it is counted in.
        hourly: What an hour of each tariff costs; one that is missing is not known.
        quantities: How many hours, or VMs.
    """
    lower, upper, priced, unpriced = 0.0, 0.0, False, 0.0
    for tariff, quantity in quantities.items():
        amount = hourly.get(tariff)
        least, most = (amount.lower, amount.upper) if amount else (None, None)
        if least is None or most is None:
            unpriced += quantity
            continue
        lower, upper, priced = lower + least * quantity, upper + most * quantity, True
    if unpriced and not priced:
        return Sum(Amount(currency), unpriced)
    return Sum(Amount(currency, lower, upper), unpriced)


def sum_view(added: Sum, digits: int = 2) -> dict[str, object]:
    """A sum as plain JSON values, with so many decimals."""
    return _bounds_view(added.amount, digits) | {"unpriced": round(added.unpriced, 2)}


def cost_view(cost: Cost | None) -> dict[str, object] | None:
    """A cost as plain JSON values. `hourly` has four decimals, what adds up has two."""
    if cost is None:
        return None
    return {
        "currency": cost.hourly.currency,
        "hourly": _bounds_view(cost.hourly, 4),
        "monthly": _bounds_view(cost.monthly, 2),
        "so_far": _bounds_view(cost.so_far, 2),
    }


def amount_view(amount: Amount | None) -> dict[str, object] | None:
    """An amount as plain JSON values, with two decimals."""
    return {"currency": amount.currency} | _bounds_view(amount, 2) if amount else None


def _bounds_view(amount: Amount, digits: int) -> dict[str, object]:
    return {
        "lower": None if amount.lower is None else round(amount.lower, digits),
        "upper": None if amount.upper is None else round(amount.upper, digits),
    }


def _is_of(row: Mapping[object, object], offer: Offer) -> bool:
    """Whether a row is about running a VM of the offer by the hour, without any commitment."""
    wanted = {
        "serviceName": "virtual machines",
        "type": "consumption",
        "unitOfMeasure": "1 hour",
        "currencyCode": offer.currency.lower(),
        "armRegionName": offer.location,
        "armSkuName": offer.size.lower(),
    }
    product, sku, meter = (_text(row, name) for name in ("productName", "skuName", "meterName"))
    return (
        all(_text(row, name) == value for name, value in wanted.items())
        and all((product, sku, meter))
        and not any(word in product.replace(" ", "") for word in _OTHER_PRODUCTS)
        and not any(word in name for word in _OTHER_METERS for name in (sku, meter))
        and not row.get("reservationTerm")
        and not row.get("tierMinimumUnits")
    )


def _in_force_since(row: Mapping[object, object], now: datetime) -> datetime | None:
    """When a row's price came into force; None when it is not in force or does not say."""
    since, until = _time(row.get("effectiveStartDate")), row.get("effectiveEndDate")
    if until is not None:
        end = _time(until)
        if end is None or end < now:
            return None
    return since if since and since <= now else None


def _price(row: Mapping[object, object]) -> float | None:
    price = row.get("retailPrice")
    if isinstance(price, bool) or not isinstance(price, int | float):
        return None
    return float(price) if 0 < price <= _MOST else None


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def _text(row: Mapping[object, object], name: str) -> str:
    """A field in lower case; empty when it is missing or no text."""
    value = row.get(name)
    return value.strip().lower() if isinstance(value, str) else ""
