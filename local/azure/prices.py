"""The Retail Prices API: `GET /api/retail/prices`, without credentials, by `$filter`, `currencyCode` and pages.

Shapes and paging are those of recorded responses; pages are smaller than the real ones, which hold 1,000 rows. That a
filter or a currency which the API does not know is answered with 400, and how that looks, is an assumption.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from aiohttp import web

from local.azure import errors
from local.azure.endpoint import Endpoint
from local.azure.errors import ArmError
from local.azure.price_list import CURRENCIES, Row, in_currency, rows

PATH = "/api/retail/prices"
PAGE_ROWS = 4

_CASE_MATTERS_SINCE = "2023-01-01"
"""Filters take values in any letter case in the API's versions before this one, and where none is asked for."""
_TERM = re.compile(r"\s*(\w+) eq '((?:[^']|'')*)'(?:\s+and\b|\s*$)")
_FIELDS: Mapping[str, str] = {
    name: {"priceType": "type"}.get(name, name)
    for name in (
        "armRegionName", "location", "meterId", "meterName", "productId", "skuId", "productName", "skuName",
        "serviceName", "serviceId", "serviceFamily", "priceType", "armSkuName",
    )
}  # fmt: skip
"""What can be filtered by, and where a row has it."""


@dataclass(slots=True, kw_only=True)
class RetailPrices(Endpoint):
    """The API. `fail` answers 500."""

    name: str = "prices"
    requests: list[Mapping[str, str]] = field(default_factory=list)
    """The query of each request so far, oldest first."""

    async def reset(self) -> None:
        """Forget the requests, and be well again."""
        self.requests.clear()
        await self.set_mode("ok")

    async def answer(self, request: web.Request) -> web.Response:
        """One page of the rows that a filter asks for."""
        self.requests.append(dict(request.query))
        if not await self.works():
            return _refusal(ArmError(500, "InternalServerError", "The price list is told to fail."))
        try:
            return web.json_response(_page(request))
        except ArmError as error:
            return _refusal(error)


def _page(request: web.Request) -> dict[str, object]:
    currency = request.query.get("currencyCode", "USD").strip("'").upper()
    if currency not in CURRENCIES:
        raise errors.bad_request(f"The currency {currency} is not supported.")
    terms = list(_terms(request.query.get("$filter", "")))
    exact = request.query.get("api-version", "") >= _CASE_MATTERS_SINCE
    found = [row for row in rows() if _matches(row, terms, exact=exact)]
    skip = _skip(request)
    items = [_in_currency(row, currency) for row in found[skip : skip + PAGE_ROWS]]
    following = skip + PAGE_ROWS if len(found) > skip + PAGE_ROWS else None
    return {
        "BillingCurrency": currency,
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": items,
        "NextPageLink": _link(request, following) if following else None,
        "Count": len(items),
    }


def _terms(text: str) -> Iterator[tuple[str, str]]:
    """The row's key and the value of each `name eq 'value'`, which `and` joins. Raises ArmError (400)."""
    at = 0
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None or term[1] not in _FIELDS:
            raise errors.bad_request(
                f"The query specified in the URI is not valid. Invalid filter: {text[at:]!r}."
            )
        yield _FIELDS[term[1]], term[2].replace("''", "'")
        at = term.end()


def _matches(row: Row, terms: list[tuple[str, str]], *, exact: bool) -> bool:
    return all(row[key] == value if exact else str(row[key]).lower() == value.lower() for key, value in terms)


def _skip(request: web.Request) -> int:
    text = request.query.get("$skip", "0")
    if not (text.isascii() and text.isdecimal()):
        raise errors.bad_request(f"Invalid value {text!r} for $skip query option.")
    return int(text)


def _link(request: web.Request, skip: int) -> str:
    query = {name: value for name, value in request.query.items() if name != "$skip"} | {"$skip": str(skip)}
    return f"{request.scheme}://{request.host}{PATH}?{urlencode(query, quote_via=quote, safe='$')}"


def _in_currency(row: Row, currency: str) -> Row:
    price = in_currency(row["retailPrice"], currency)
    return row | {"currencyCode": currency, "retailPrice": price, "unitPrice": price}


def _refusal(error: ArmError) -> web.Response:
    return web.json_response(error.body(), status=error.status)
