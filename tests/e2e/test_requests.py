"""What people ask for over HTTP, where nothing may be deallocated."""

from itertools import count
from typing import Any

import pytest

from local.azure.faults import Fault
from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from tests.e2e.town import App, path, power_off_event

NUMBERS = count()
LATER = "2030-01-31T12:00:00Z"
NOWHERE = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/none"
ELSEWHERE = NOWHERE.replace(DEFAULT_SUBSCRIPTION, "00000000-0000-4000-8000-00000000dead")
ASKINGS: list[tuple[str, dict[str, Any]]] = [
    ("deallocate", {}),
    ("snooze", {"until": LATER}),
    ("exempt", {"reason": "kept warm"}),
    ("look", {}),
]


async def stopped(app: App, azure: SimulatedAzure, *, flagged: bool = True) -> str:
    """A VM of the test's own that is Stopped, and flagged unless told otherwise."""
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-asked", f"asked-{next(NUMBERS)}", state="stopped")
    await app.post([power_off_event(vm)])
    if flagged:
        await app.flagged(vm)
    return vm


async def test_a_snooze_is_entered_once_and_ended(app: App, azure: SimulatedAzure) -> None:
    vm = await stopped(app, azure)
    for _ in range(2):
        status, body = await app.ask(vm, "snooze", until=LATER)
        assert status == 202, body
        assert (body["flag"]["snoozed_until"], body["flag"]["snoozed_by"]) == (LATER, "function key")
        assert (
            "It is snoozed until 2030-01-31 12:00:00 UTC by function key." in body["reason"] or body["reason"]
        )
    assert await app.history(vm) == [("snoozed", "function key")]
    for _ in range(2):
        status, body = await app.ask(vm, "snooze", end=True)
        assert (status, body["flag"]["snoozed_until"]) == (202, None)
    assert await app.history(vm) == [("snoozed", "function key"), ("snooze_ended", "function key")]


async def test_an_exemption_is_entered_once_and_ended(app: App, azure: SimulatedAzure) -> None:
    vm = await stopped(app, azure)
    reason = "👩‍🔧 kept warm for مضيف <b>"
    for _ in range(2):
        status, body = await app.ask(vm, "exempt", until="2030-01-31", reason=f" {reason} ")
        assert status == 202, body
        assert body["exemption"] == {"until": "2030-02-01T00:00:00Z", "reason": reason, "by": "function key"}
        assert body["flag"] is None
    assert await app.history(vm) == [("exempted", "function key")]
    for _ in range(2):
        status, body = await app.ask(vm, "exempt", end=True)
        assert (status, body["exemption"]) == (202, None)
    assert await app.history(vm) == [("exempted", "function key"), ("exemption_ended", "function key")]
    status, body = await app.ask(vm, "exempt", until=None, reason="for good")
    assert (status, body["exemption"]["until"]) == (202, None)


async def test_a_look_finds_what_no_signal_told(app: App, azure: SimulatedAzure) -> None:
    vm = await stopped(app, azure)
    await azure.start(vm)
    status, body = await app.ask(vm, "look")
    assert (status, body["id"]) == (202, vm.lower())
    assert (await app.seen(vm, "running"))["flag"] is None
    assert ("look_asked", "function key") in await app.history(vm)


async def test_a_look_makes_a_vm_known_that_was_not(app: App, azure: SimulatedAzure) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-asked", f"asked-{next(NUMBERS)}", state="stopped")
    assert await app.vm(vm) == {}
    status, body = await app.ask(vm, "look")
    assert (status, body["power_state"]) == (202, "stopped")


async def test_nothing_is_deallocated_where_that_is_not_allowed(app: App, azure: SimulatedAzure) -> None:
    vm = await stopped(app, azure)
    status, body = await app.ask(vm, "deallocate")
    assert (status, body["rule"], body["title"]) == (409, "not_allowed", "Conflict")
    assert body["detail"] == "STOPGAP_ALLOW_DEALLOCATE is not true"
    assert (await app.vm(vm))["deallocation"] is None
    assert await app.history(vm) == [("deallocation_refused", "function key")]
    assert (await app.counts())["refused_not_allowed"] >= 1
    assert [request for request in azure.requests if request.method == "POST"] == []


async def test_a_vm_that_is_not_flagged_cannot_be_snoozed(app: App, azure: SimulatedAzure) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-asked", f"asked-{next(NUMBERS)}")
    await app.ask(vm, "look")
    status, body = await app.ask(vm, "snooze", until=LATER)
    assert (status, body["rule"]) == (409, "not_flagged")


@pytest.mark.parametrize(("what", "members"), ASKINGS)
async def test_a_vm_that_is_not_there_or_not_watched_is_404(
    app: App, what: str, members: dict[str, Any]
) -> None:
    status, body = await app.ask(NOWHERE, what, **members)
    assert status == 404
    assert "no record of" in body["detail"]
    status, body = await app.ask(ELSEWHERE, what, **members)
    assert status == 404
    assert "00000000-0000-4000-8000-00000000dead is not watched; see STOPGAP_SUBSCRIPTIONS" in body["detail"]


@pytest.mark.parametrize(
    ("what", "members", "says"),
    [
        ("snooze", {}, "until: is missing"),
        ("snooze", {"until": "2020-01-01"}, "until: expected a time after now"),
        ("snooze", {"until": "2100-01-01"}, "within ten years"),
        ("snooze", {"until": "2030-01-31T12:00"}, "a time with its zone"),
        ("exempt", {}, "reason: is missing"),
        ("exempt", {"reason": "a\u0007b"}, "got 'a\\x07b'"),
        ("exempt", {"reason": "x" * 10_000}, "reason: expected 1 to 500 characters"),
        ("exempt", {"reason": "x", "until": "soon"}, "until: expected a date"),
        ("exempt", {"reason": "x", "until": "2020-01-01"}, "until: expected a time after now"),
        ("deallocate", {"force": True}, "unknown member 'force'"),
        ("look", {"until": LATER}, "unknown member 'until'"),
    ],
)
async def test_a_bad_request_is_refused_by_name(
    app: App, what: str, members: dict[str, Any], says: str
) -> None:
    status, body = await app.ask(NOWHERE, what, **members)
    assert (status, body["status"], body["title"]) == (400, 400, "Bad Request")
    assert says in body["detail"]


async def sent(
    app: App, what: str, data: bytes | None, content_type: str | None = None, **headers: str
) -> Any:  # noqa: ANN401 - JSON
    told = headers | ({"Content-Type": content_type} if content_type else {})
    skipped = () if content_type else ("Content-Type",)
    address = f"{path(NOWHERE)}/{what}"
    async with app.http.post(address, data=data, headers=told, skip_auto_headers=skipped) as answer:
        assert answer.content_type == "application/problem+json"
        return answer.status, (await answer.json(content_type=None))["detail"]


async def test_bodies_that_are_not_read(app: App) -> None:
    status, detail = await sent(app, "snooze", b"until=x", "text/plain")
    assert (status, detail) == (
        415,
        "Content-Type: expected application/json or application/x-www-form-urlencoded, got 'text/plain'",
    )
    assert (await sent(app, "snooze", b"{}"))[0] == 415
    assert (await sent(app, "snooze", b" " * 16_385, "application/json"))[0] == 413
    assert (await sent(app, "snooze", b"[", "application/json"))[0] == 400
    assert (await sent(app, "deallocate", None))[0] == 404, "nothing needs to be said"
    assert (await sent(app, "look", None, "text/plain"))[0] == 404


async def test_an_address_that_no_vm_can_have_is_400_and_a_get_405(app: App) -> None:
    async with app.http.post("/api/vms/x/rg/vm/look") as answer:
        assert answer.status == 400
    async with app.http.get(f"{path(NOWHERE)}/look") as answer:
        assert answer.status == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize(("what", "members"), ASKINGS)
async def test_what_a_page_of_another_site_asks_for_is_refused(
    app: App, azure: SimulatedAzure, what: str, members: dict[str, Any], headers: dict[str, str]
) -> None:
    before = looks_at_nowhere(azure)
    status, body = await app.ask(NOWHERE, what, headers=headers, **members)
    assert status == 403
    assert "asked for by a page of another site" in body["detail"]
    assert looks_at_nowhere(azure) == before


def looks_at_nowhere(azure: SimulatedAzure) -> int:
    return len([request for request in azure.requests if request.path.lower() == NOWHERE.lower()])


async def test_our_own_pages_may_ask(app: App, azure: SimulatedAzure) -> None:
    vm = await stopped(app, azure, flagged=False)
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": app.host.url}
    assert (await app.ask(vm, "exempt", headers=ours, reason="x"))[0] == 202


async def test_headers_that_anybody_can_send_name_nobody(app: App, azure: SimulatedAzure) -> None:
    vm = await stopped(app, azure, flagged=False)
    forged = {"X-MS-CLIENT-PRINCIPAL-ID": "oid-1", "X-MS-CLIENT-PRINCIPAL-NAME": "root"}
    _, body = await app.ask(vm, "exempt", headers=forged, reason="x")
    assert body["exemption"]["by"] == "function key"


async def test_an_azure_that_cannot_answer_now_is_503_with_its_patience(
    app: App, azure: SimulatedAzure
) -> None:
    vm = await stopped(app, azure, flagged=False)
    azure.inject(Fault(kind="429", times=3, path=f".*{vm.rpartition('/')[2]}.*", retry_after=17))
    async with app.http.post(f"{path(vm)}/deallocate") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "17")
    azure.arm.faults.in_store.clear()


async def test_an_answer_of_azures_that_nobody_expects_is_not_the_askers_fault(
    app: App, azure: SimulatedAzure
) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-asked", f"asked-{next(NUMBERS)}", state="stopped")
    azure.set_statuses(vm, {"code": "PowerState/stopped"})
    for what in ("deallocate", "look"):
        status, body = await app.ask(vm, what)
        assert (status, "statuses" in body["detail"]) == (500, True)
