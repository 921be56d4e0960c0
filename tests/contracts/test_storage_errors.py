"""What storage answers, and what the use cases are told: the real SDKs, over HTTP, against canned answers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from shared import layout
from shared.adapters.queues import StorageQueue, open_looks
from shared.adapters.tables import TableLedger, open_ledger
from shared.ports import (
    Change,
    Conflict,
    Damaged,
    Look,
    NotNow,
    PortError,
    Query,
    Refused,
    Stored,
    Throttled,
    Unavailable,
)
from tests.contracts.canned import Answer, Canned, break_off, canned_service, drop, said
from tests.contracts.conftest import NOBODY
from tests.contracts.fleet import NOON, new_vm, record

VM = new_vm()


def refused_by(code: str, status: int, **headers: str) -> Answer:
    """An error as Table Storage words it."""
    error = {"code": code, "message": {"lang": "en-US", "value": f"It is {code}.\nRequestId:1\nTime:2"}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return said(status, json.dumps({"odata.error": error}), {"x-ms-error-code": code, **named})


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Canned]:
    monkeypatch.setattr("shared.exchange.PAUSES", (0.0, 0.0))
    async with canned_service() as canned:
        yield canned


@pytest.fixture
async def ledger(service: Canned) -> AsyncIterator[TableLedger]:
    ledger = open_ledger(
        f"AccountName=shop;AccountKey=c2VjcmV0;TableEndpoint={service.url}/shop", None, NOBODY
    )
    yield ledger
    await ledger.close()


@pytest.fixture
async def looks(service: Canned) -> AsyncIterator[StorageQueue[Look]]:
    looks = open_looks(f"AccountName=shop;AccountKey=c2VjcmV0;QueueEndpoint={service.url}/shop", None, NOBODY)
    yield looks
    await looks.close()


type Ask = Callable[[], Awaitable[object]]


@pytest.fixture(
    params=["latest", "save", "page", "history", "draw", "check ledger", "put", "poisoned", "check looks"]
)
def ask(request: pytest.FixtureRequest, ledger: TableLedger, looks: StorageQueue[Look]) -> Ask:
    asks: dict[str, Ask] = {
        "latest": lambda: ledger.latest(VM),
        "save": lambda: ledger.save(Change(record(VM)), None),
        "page": lambda: ledger.page(Query((VM.subscription,))),
        "history": lambda: ledger.history(VM, 1),
        "draw": lambda: ledger.draw(NOON, 1),
        "check ledger": ledger.check,
        "put": lambda: looks.put(Look(VM, NOON), timedelta()),
        "poisoned": looks.poisoned,
        "check looks": looks.check,
    }
    return asks[request.param]


@pytest.mark.parametrize(
    ("answer", "error", "retry_after"),
    [
        (refused_by("TooManyRequests", 429, Retry_After="7"), Throttled, 7),
        (refused_by("TooManyRequests", 429), Throttled, None),
        (refused_by("ServerBusy", 503, Retry_After="600"), Unavailable, 600),
        (refused_by("ServerBusy", 503), Unavailable, None),
        (refused_by("InternalError", 500), Unavailable, None),
        (refused_by("OperationTimedOut", 500), Unavailable, None),
        (said(502, "<html>\n<h1>Bad gateway", content_type="text/html"), Unavailable, None),
        (said(503, b"\xff{", content_type="application/json"), Unavailable, None),
        (drop, Unavailable, None),
        (refused_by("AuthenticationFailed", 401), Refused, None),
        (refused_by("AuthorizationPermissionMismatch", 403), Refused, None),
        (refused_by("InvalidInput", 400), Refused, None),
        (said(404, "<html>No such page", content_type="text/html"), Refused, None),
        (said(403, "", content_type="application/xml"), Refused, None),
    ],
)
async def test_each_answer_is_the_same_error_for_every_request(
    service: Canned, ask: Ask, answer: Answer, error: type[PortError], retry_after: int | None
) -> None:
    service.answer(answer)

    with pytest.raises(PortError) as caught:
        await ask()

    assert type(caught.value) is error
    if isinstance(caught.value, NotNow):
        assert caught.value.retry_after == (timedelta(seconds=retry_after) if retry_after else None)
    text = str(caught.value)
    assert text.startswith(("table ledger, ", "queue looks, ", "queue looks-poison, "))
    assert "\n" not in text
    assert len(service.requests) <= 6  # ours are three; aiohttp repeats a GET or PUT that lost its connection


async def test_an_answer_names_what_was_asked_and_what_came(service: Canned, ledger: TableLedger) -> None:
    service.answer(refused_by("AuthorizationPermissionMismatch", 403))
    with pytest.raises(Refused) as caught:
        await ledger.latest(VM)
    text = str(caught.value)
    assert text.startswith(f"table ledger, read of {VM}: ")
    assert "403 AuthorizationPermissionMismatch" in text
    assert "It is AuthorizationPermissionMismatch." in text


@pytest.mark.parametrize(
    "garbage",
    [
        said(200, "<html>Log in"),
        said(200, "<html>", content_type="text/html"),
        said(200, b"\xff"),
        break_off,
    ],
)
async def test_a_good_answer_that_cannot_be_read_is_no_answer(
    service: Canned, ledger: TableLedger, looks: StorageQueue[Look], garbage: Answer
) -> None:
    service.answer(garbage)
    with pytest.raises(Unavailable):
        await ledger.latest(VM)
    with pytest.raises(Unavailable):
        await ledger.page(Query((VM.subscription,)))
    with pytest.raises(Unavailable):
        await looks.poisoned()


async def test_a_row_without_anything_is_none(service: Canned, ledger: TableLedger) -> None:
    service.answer(said(200, "{}"))
    with pytest.raises(Unavailable, match="without an ETag"):
        await ledger.latest(VM)
    service.answers.clear()
    service.answer(said(200, "{}", {"ETag": "x"}))
    with pytest.raises(Damaged, match="row None None: expected a Record in `body`"):
        await ledger.latest(VM)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("UpdateConditionNotSatisfied", 412),
        ("ConditionNotMet", 412),
        ("EntityAlreadyExists", 409),
        ("ResourceNotFound", 404),
    ],
)
async def test_a_condition_that_does_not_hold_is_a_conflict(
    service: Canned, ledger: TableLedger, code: str, status: int
) -> None:
    service.answer(refused_by(code, status))
    with pytest.raises(Conflict, match=code):
        await ledger.save(Change(record(VM)), Stored(record(VM), "etag"))
    assert len(service.requests) == 1


async def test_a_save_whose_answer_was_lost_conflicts_with_itself(
    service: Canned, ledger: TableLedger
) -> None:
    service.answer(drop, refused_by("EntityAlreadyExists", 409))
    with pytest.raises(Conflict):
        await ledger.save(Change(record(VM)), None)
    assert len(service.requests) == 2


async def test_what_is_said_steers_no_terminal(service: Canned, ledger: TableLedger) -> None:
    error = {"code": "Bad", "message": {"lang": "en-US", "value": "no\x1b[2J\u202e\r\nway"}}
    service.answer(said(400, json.dumps({"odata.error": error})))
    with pytest.raises(Refused, match=r"Bad no�\[2J� way$") as caught:
        await ledger.latest(VM)
    assert str(caught.value).replace("�", "").isprintable()


async def test_a_hiccup_is_not_seen(service: Canned, ledger: TableLedger) -> None:
    service.answer(drop, refused_by("ServerBusy", 503), refused_by("ResourceNotFound", 404))
    assert await ledger.latest(VM) is None
    assert len(service.requests) == 3


async def test_a_hiccup_within_a_listing_is_not_seen(service: Canned, ledger: TableLedger) -> None:
    rows = [layout.row_of(layout.key_of("vm", vm), record(vm)) for vm in (VM, new_vm())]
    first, second = (json.dumps({"value": [{**row, "observed_at": NOON.isoformat()}]}) for row in rows)
    goes_on = {"x-ms-continuation-NextPartitionKey": "1", "x-ms-continuation-NextRowKey": "2"}
    busy = refused_by("ServerBusy", 503)
    service.answer(busy, said(200, first, goes_on), busy, said(200, second))

    page = await ledger.page(Query((VM.subscription,)))

    assert len(page.records) == 2
    assert [asked.query.get("NextRowKey") for asked in service.requests] == [None, None, "2", "2"]


async def test_only_storage_itself_can_say_that_there_is_no_record(
    service: Canned, ledger: TableLedger
) -> None:
    service.answer(refused_by("AccountNotFound", 404))
    with pytest.raises(Refused):
        await ledger.latest(VM)
