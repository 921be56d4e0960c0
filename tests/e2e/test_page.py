"""The page of a VM, as a browser opens it and sends its forms."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from tests.e2e.town import (
    KEY,
    App,
    app_with_key,
    flagged_vm_of_a_hard_name,
    path,
    power_off_event,
)
from tests.web.html import Html

QUERY = {"code": KEY}
BROWSER = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    async with app_with_key(storage, azure) as running:
        yield running


@pytest.fixture(scope="module")
async def vm(app: App, azure: SimulatedAzure) -> str:
    return await flagged_vm_of_a_hard_name(app, azure)


def page_of(vm: str) -> str:
    return path(vm).replace("/api/vms/", "/api/dashboard/")


async def opened(app: App, address: str, **parameters: str) -> tuple[int, Html]:
    async with (
        aiohttp.ClientSession(app.host.url) as browser,
        browser.get(address, params=parameters) as answer,
    ):
        return answer.status, Html(await answer.text())


async def submitted(app: App, action: str, **fields: str) -> tuple[int, str, str]:
    """Status, where to, and text of the answer to a form."""
    async with (
        aiohttp.ClientSession(app.host.url) as browser,
        browser.post(action, data=fields, headers=BROWSER, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def test_the_page_is_opened_with_a_key_and_carries_it_along(app: App, vm: str) -> None:
    async with aiohttp.ClientSession(app.host.url) as browser:
        async with browser.get(page_of(vm)) as answer:
            assert answer.status == 401
        async with browser.get(page_of(vm), params=QUERY) as answer:
            assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] == "no-store"
            seen = Html(await answer.text())
    assert "web-ü" in seen.words
    assert "größe(1)" in seen.words
    for form in seen.all("form"):
        assert str(form["action"]).startswith(
            f"/api/vms/{DEFAULT_SUBSCRIPTION}/rg-gr%C3%B6%C3%9Fe%281%29/web-%C3%BC/"
        )
        assert str(form["action"]).endswith("?code=se%2Bsam%26e")


async def test_every_form_of_the_page_is_taken_and_leads_back_to_it(app: App, vm: str) -> None:
    _, seen = await opened(app, page_of(vm), **QUERY)
    actions = {
        str(form["action"]).partition("?")[0].rpartition("/")[2]: str(form["action"])
        for form in seen.all("form")
    }
    quick = next(str(button["value"]) for button in seen.all("button") if button.get("name") == "until")
    steps: list[tuple[str, dict[str, str], str]] = [
        ("snooze", {"until": quick}, "It is done: see the snooze below."),
        (
            "snooze",
            {"until": "2030-01-31T12:00"},
            "Now snoozed until 2030-01-31 12:00:00 UTC by function key.",
        ),
        ("snooze", {"end": "true"}, "Leaves a flagged VM alone for a while"),
        (
            "exempt",
            {"reason": "Größe 👩‍🔧", "until": ""},
            "Now exempt (Größe 👩‍🔧, entered by function key).",
        ),
        ("exempt", {"end": "true"}, "An exempt VM is not flagged"),
        ("look", {}, "A look is asked for."),
        ("deallocate", {"confirm": "yes"}, "The deallocation is asked for."),
    ]
    for what, fields, says in steps:
        status, location, text = await submitted(app, actions[what], **fields)
        assert status == 303, text
        status, seen = await opened(app, location)
        assert status == 200
        assert says in seen.words
        assert f"code=se%2Bsam%26e&done={what}" in location


async def test_what_a_form_is_refused_is_said_on_a_page(app: App, vm: str) -> None:
    action = f"{path(vm)}/%s?code=se%%2Bsam%%26e"
    for what, fields, refused, says in (
        ("snooze", {"until": "2020-01-01T00:00"}, 400, "until: expected a time after now"),
        ("exempt", {"reason": ""}, 400, "reason: is missing"),
        ("deallocate", {"confirm": ""}, 400, "confirm: expected the box to be ticked"),
    ):
        status, _, text = await submitted(app, action % what, **fields)
        seen = Html(text)
        assert status == refused
        assert says in seen.words
        assert [link["href"] for link in seen.all("a")][1:] == [
            "/api/dashboard?code=se%2Bsam%26e",
            f"/api/dashboard/{DEFAULT_SUBSCRIPTION}/rg-gr%C3%B6%C3%9Fe%281%29/web-%C3%BC?code=se%2Bsam%26e",
        ]


async def test_a_form_of_another_site_is_refused_on_a_page(app: App, vm: str) -> None:
    async with app.http.post(
        f"{path(vm)}/look",
        data={},
        headers={"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"},
    ) as answer:
        assert (answer.status, answer.content_type) == (403, "text/html")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "asked for by a page of another site" in Html(await answer.text()).words


async def test_a_vm_that_is_not_known_has_a_page_that_says_so(app: App, vm: str) -> None:
    status, seen = await opened(app, f"{page_of(vm)}-not", **QUERY)
    assert (status, "no record of" in seen.words) == (404, True)
    status, seen = await opened(app, "/api/dashboard/x/rg/vm", **QUERY)
    assert (status, "expected a GUID" in seen.words) == (400, True)


async def test_to_open_a_page_changes_nothing(app: App, azure: SimulatedAzure) -> None:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-page", "opened", state="stopped")
    await app.post([power_off_event(vm)])
    before = await app.flagged(vm)
    for done in ("deallocate", "snooze", "exempt", "look"):
        assert (await opened(app, page_of(vm), done=done, **QUERY))[0] == 200
        status, seen = await opened(app, page_of(vm), done=done, confirm="yes", end="true", **QUERY)
        assert (status, "unknown parameter 'confirm': expected done" in seen.words) == (400, True)
    assert await app.vm(vm) == before


async def test_the_key_in_the_address_is_no_unknown_parameter(app: App) -> None:
    status, body = await app.get("/api/vms?code=se%2Bsam%26e&flagged=true")
    assert status == 200, body
