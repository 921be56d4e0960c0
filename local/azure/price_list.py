"""Azure's price list of VMs: some sixty sizes in three regions, as rows of the Retail Prices API.

Keys, their order and the ways of naming are those of recorded and documented rows; the prices are near the real
ones, and no more than that. Each size has what makes the real list hard to read: rows of other meters, products
and price types under the same size, rows that are not in force any more or not yet, and no order to rely on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from local.azure.callers import guid

type Row = dict[str, Any]

REGIONS: Mapping[str, tuple[str, float]] = {
    "eastus": ("US East", 1.0),
    "northeurope": ("EU North", 1.1),
    "westeurope": ("EU West", 1.2),
}
"""What the list calls each, and how its prices compare with those of eastus."""

CURRENCIES: Mapping[str, float] = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8, "JPY": 150.0}
"""Units for a dollar."""

_LICENCE = 0.046
"""The licence of Windows, for each vCPU and hour in USD."""

_IN_FORCE, _EXPIRED, _TO_COME = "2024-03-01T00:00:00Z", "2021-11-01T00:00:00Z", "2099-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class _Series:
    """Sizes that are listed as one product."""

    product: str
    """As the list names it for Linux."""
    sizes: Mapping[str, tuple[int, float]]
    """vCPUs, and USD an hour in eastus, by size."""

    @property
    def windows(self) -> str:
        return f"{self.product.removesuffix(' Linux')} Windows"

    @property
    def cloud_services(self) -> str:
        """A product that is no VM: dearer, listed under the VMs' service and sizes, in one of two spellings."""
        name = self.product.removeprefix("Virtual Machines ").removesuffix(" Linux")
        return f"{name} {'Cloud Services' if len(name) % 2 else 'CloudServices'}"


def _by_vcpu(product: str, size: str, usd: float, *vcpus: int) -> _Series:
    """A series whose sizes cost the same for each vCPU."""
    return _Series(product, {size.format(count): (count, count * usd) for count in vcpus})


_SERIES = (
    _by_vcpu("Virtual Machines Dsv5 Series", "Standard_D{}s_v5", 0.048, 2, 4, 8, 16, 32, 48, 64, 96),
    _by_vcpu("Virtual Machines DSv3 Series", "Standard_D{}s_v3", 0.048, 2, 4, 8, 16, 32, 48, 64),
    _by_vcpu("Virtual Machines Esv5 Series", "Standard_E{}s_v5", 0.063, 2, 4, 8, 16, 20, 32, 48, 64),
    _by_vcpu("Virtual Machines FSv2 Series", "Standard_F{}s_v2", 0.0423, 2, 4, 8, 16, 32, 48, 64, 72),
    _by_vcpu("Virtual Machines Dsv7-series Linux", "Standard_D{}s_v7", 0.0529, 2, 4, 8, 16),
    _by_vcpu("DCsv3 Series Linux", "Standard_DC{}s_v3", 0.096, 2, 4, 8),
    _by_vcpu("Virtual Machines MS Series", "Standard_M{}s", 0.1042, 64, 128),
    _Series(
        "Virtual Machines BS Series",
        {
            "Standard_B1s": (1, 0.0104),
            "Standard_B1ms": (1, 0.0207),
            "Standard_B2s": (2, 0.0416),
            "Standard_B2ms": (2, 0.0832),
            "Standard_B4ms": (4, 0.166),
            "Standard_B8ms": (8, 0.333),
        },
    ),
    _Series(
        "Virtual Machines Av2 Series",
        {
            "Standard_A1_v2": (1, 0.043),
            "Standard_A2_v2": (2, 0.091),
            "Standard_A4_v2": (4, 0.191),
            "Standard_A8_v2": (8, 0.4),
        },
    ),
    _Series(
        "Virtual Machines NCasT4 v3 Series",
        {
            "Standard_NC4as_T4_v3": (4, 0.526),
            "Standard_NC8as_T4_v3": (8, 0.752),
            "Standard_NC16as_T4_v3": (16, 1.204),
            "Standard_NC64as_T4_v3": (64, 4.352),
        },
    ),
)


def list_price(size: str, region: str, os: Literal["Linux", "Windows"], currency: str = "USD") -> float:
    """What the list says an hour of a running VM costs. Raises ValueError for what is not on it."""
    for series in _SERIES:
        if size in series.sizes and region in REGIONS and currency in CURRENCIES:
            linux, windows = _prices(series, size, region)
            return in_currency(windows if os == "Windows" else linux, currency)
    raise ValueError(
        f"no price of {size} in {region} in {currency}: expected what local/azure/price_list.py has"
    )


def in_currency(usd: float, currency: str) -> float:
    """A price of the list in one of its other currencies."""
    return round(usd * CURRENCIES[currency], 6)


@cache
def rows() -> tuple[Row, ...]:
    """The whole list in USD, in the order of meaningless ids."""
    made = [
        row
        for series in _SERIES
        for size in series.sizes
        for region in REGIONS
        for row in _rows(series, size, region)
    ]
    return tuple(sorted(made, key=lambda row: str(row["meterId"])))


def _prices(series: _Series, size: str, region: str) -> tuple[float, float]:
    """With Linux, and with Windows."""
    vcpus, usd = series.sizes[size]
    linux = round(usd * REGIONS[region][1], 6)
    return linux, round(linux + vcpus * _LICENCE, 6)


def _rows(series: _Series, size: str, region: str) -> Iterator[Row]:
    linux, windows = _prices(series, size, region)
    for product, price in ((series.product, linux), (series.windows, windows)):
        yield _row(size, region, product, price)
        yield _row(size, region, product, price * 1.5, since=_EXPIRED)
        yield _row(size, region, product, price * 0.5, since=_TO_COME)
        yield _row(size, region, product, price * 0.2, meter=" Spot")
        yield _row(size, region, product, price * 0.25, meter=" Low Priority")
    yield _row(size, region, series.cloud_services, windows)
    yield _row(size, region, series.windows, linux, kind="DevTestConsumption")
    for term, hours in (("1 Year", 8760 * 0.6), ("3 Years", 3 * 8760 * 0.4)):
        # The whole term's price, by a unit that says otherwise: as on the real list.
        yield _row(size, region, series.product, linux * hours, kind="Reservation", term=term)


def _row(
    size: str,
    region: str,
    product: str,
    price: float,
    *,
    meter: str = "",
    since: str = _IN_FORCE,
    kind: str = "Consumption",
    term: str | None = None,
) -> Row:
    name = size.removeprefix("Standard_").replace("_", " ") + meter
    product_id = f"DZH318Z0{guid(product)[:4].upper()}"
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        **({"reservationTerm": term} if term else {}),
        "retailPrice": round(price, 6),
        "unitPrice": round(price, 6),
        "armRegionName": region,
        "location": REGIONS[region][0],
        "effectiveStartDate": since,
        "meterId": guid(product, name, region, since, kind, term or ""),
        "meterName": name,
        "productId": product_id,
        "skuId": f"{product_id}/{guid(product, name)[:4].upper()}",
        "productName": product,
        "skuName": name,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": kind,
        "isPrimaryMeterRegion": region == "eastus",
        "armSkuName": size,
    }
