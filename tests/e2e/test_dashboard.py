"""The dashboard, as a browser opens it and sends its forms; what it looks like is for tests/browser."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.host.process import HostProcess
from tests.e2e.town import KEY, App, app_with_key, flagged_vm_of_a_hard_name, settings_for
from tests.web.html import Html

DASHBOARD = "/api/dashboard"


@pytest.fixture(scope="module")
async def app(storage: str, azure: SimulatedAzure) -> AsyncIterator[App]:
    async with app_with_key(storage, azure) as running:
        yield running


@pytest.fixture(scope="module")
async def vm(app: App, azure: SimulatedAzure) -> str:
    return await flagged_vm_of_a_hard_name(app, azure)


async def opened(app: App, **parameters: str) -> tuple[int, Html]:
    """The page, by somebody who has the key in the address."""
    async with (
        aiohttp.ClientSession(app.host.url) as browser,
        browser.get(DASHBOARD, params={"code": KEY, **parameters}) as answer,
    ):
        assert answer.content_type == "text/html"
        return answer.status, Html(await answer.text())


async def submitted(app: App, action: str, **fields: str) -> tuple[int, str, str]:
    """Status, where to, and text of the answer to a form."""
    async with (
        aiohttp.ClientSession(app.host.url) as browser,
        browser.post(
            action, data=fields, headers={"Sec-Fetch-Site": "same-origin"}, allow_redirects=False
        ) as answer,
    ):
        return answer.status, answer.headers.get("Location", ""), await answer.text()


def action_of(seen: Html, what: str) -> str:
    return next(str(form["action"]) for form in seen.all("form") if f"/{what}?" in str(form["action"]))


@pytest.mark.usefixtures("vm")
async def test_it_is_opened_with_a_key_and_carries_it_along(app: App) -> None:
    async with aiohttp.ClientSession(app.host.url) as browser, browser.get(DASHBOARD) as answer:
        assert answer.status == 401
    status, seen = await opened(app, name="WEB", power_state="stopped")
    assert status == 200
    assert "web-ü größe(1)" in seen.words.replace("rg-", "")
    links = [str(link["href"]) for link in seen.all("a") if not str(link["href"]).startswith("#")]
    actions = [str(form["action"]) for form in seen.all("form") if form["method"] == "post"]
    assert actions
    assert all(parse_qs(urlsplit(address).query)["code"] == [KEY] for address in [*links, *actions])
    (code,) = (field for field in seen.all("input") if field.get("name") == "code")
    assert (code["type"], code["value"]) == ("hidden", KEY)
    for address in {link.partition("#")[0] for link in links}:
        async with aiohttp.ClientSession(app.host.url) as browser, browser.get(address) as answer:
            assert answer.status == 200, address


@pytest.mark.usefixtures("vm")
async def test_what_its_forms_ask_for_is_done_and_told_of_on_it(app: App) -> None:
    _, seen = await opened(app)
    until = next(str(button["value"]) for button in seen.all("button") if button.get("name") == "until")
    for what, fields, says in (
        ("snooze", {"until": until}, "web-ü: it is snoozed, and stays flagged."),
        ("exempt", {"reason": "Größe 👩‍🔧", "until": ""}, "web-ü: it is exempt, and not flagged any more."),
    ):
        status, location, text = await submitted(app, action_of(seen, what), **fields)
        assert (status, urlsplit(location).path) == (303, DASHBOARD), text
        there = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
        assert there["code"] == KEY
        status, after = await opened(app, **{name: there[name] for name in ("done", "of")})
        assert status == 200
        assert says in after.words


@pytest.mark.usefixtures("vm")
async def test_what_a_form_is_refused_leads_back_to_it(app: App) -> None:
    action = f"/api/vms/{DEFAULT_SUBSCRIPTION}/rg-gr%C3%B6%C3%9Fe%281%29/web-%C3%BC/snooze?code=se%2Bsam%26e"
    for back, name, path in (("&back=dashboard", "dashboard", DASHBOARD), ("", "VM", f"{DASHBOARD}/")):
        status, _, text = await submitted(app, action + back, until="2020-01-01T00:00")
        seen = Html(text)
        assert (status, f"Back to the {name}" in seen.words) == (400, True)
        assert str(seen.all("a")[-1]["href"]).startswith(f"{path}?" if back else path)
    for forged in ("https://evil.example", "//evil.example", "", "vm"):
        status, location, text = await submitted(app, f"{action}&back={forged}", until="2030-01-01T00:00")
        assert (status, location, "back: expected dashboard, got" in text) == (400, "", True)


async def test_an_address_cannot_make_it_say_what_is_not_so(app: App, vm: str) -> None:
    unknown = vm.replace("Web-ü", "call.0800-123")
    for done, of in (("exempt", unknown), ("deallocate", vm), ("pay now", vm), ("look", "/subscriptions/x")):
        status, seen = await opened(app, done=done, of=of)
        assert (status, [each for each in seen.all("p") if each.get("role") == "status"]) == (200, [])
        assert "call.0800" not in seen.words


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("power_state", "asleep"),
        ("subscription", "<b>"),
        ("subscription", "00000000-0000-4000-8000-00000000ffff"),
        ("name", "x" * 91),
        ("next", "forged"),
        ("next", "\u202e👩‍🔧" * 128),
        ("flagged_page", "0"),
        ("limit", "5"),
        ("of", "x"),
    ],
)
async def test_what_cannot_be_read_is_said_on_a_page(app: App, name: str, value: str) -> None:
    status, seen = await opened(app, **{name: value})
    assert status == 400
    assert "That could not be read" in seen.words
    assert name in seen.words or name == "of"
    assert f"{DASHBOARD}?code=se%2Bsam%26e" in {link["href"] for link in seen.all("a")}


async def test_storage_that_is_gone_is_said_on_a_page(azure: SimulatedAzure) -> None:
    async with AsyncExitStack() as running:
        storage = await running.enter_async_context(Azurite())
        async with (
            HostProcess(settings_for(storage.connection_string, azure)) as host,
            aiohttp.ClientSession(host.url) as http,
        ):
            async with http.get(DASHBOARD) as answer:
                assert answer.status == 200
                assert "No VM is known yet." in Html(await answer.text()).words
            await running.aclose()
            async with http.get(DASHBOARD, params={"name": "x"}) as answer:
                assert (answer.status, answer.content_type) == (503, "text/html")
                assert "Not now" in Html(await answer.text()).words
