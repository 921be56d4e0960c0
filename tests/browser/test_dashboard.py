"""The dashboard in a real browser."""

import re
from typing import Any

from playwright.async_api import expect

from tests.browser.conftest import LEFT, RUNNING, Town
from tests.browser.watched import Watched
from tests.eventually import eventually

DASHBOARD = "/api/dashboard"


async def test_it_is_fit_for_everybody(each: Watched) -> None:
    await each.open(DASHBOARD)
    await expect(each.page.locator("h1")).to_have_text("VMs left Stopped")
    assert await each.axe() == []
    assert await each.overflow() <= 0
    assert (await each.picture("dashboard")).stat().st_size > 10_000
    await each.page.click("summary")
    assert await each.axe() == []
    assert await each.overflow() <= 0


async def test_a_dialog_is_fit_for_everybody(each: Watched) -> None:
    await each.open(DASHBOARD)
    for what in ("deallocate", "snooze", "exempt"):
        await each.page.locator(f'button[popovertarget$="-{what}"]').first.click()
        dialog = each.page.locator("[popover]:popover-open")
        await expect(dialog).to_be_visible()
        assert await each.axe() == []
        await each.page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)


async def test_its_figures_are_those_of_the_api(page: Watched, town: Town) -> None:
    await page.open(DASHBOARD)
    _, summary = await town.app.get("/api/summary")
    cost: dict[str, Any] = summary["cost"]
    words = await page.words()
    assert cost["stopped"] == LEFT + 1
    assert (
        f"Stopped and still billed {LEFT + 1} {summary['flagged']} flagged, of {summary['vms']} VMs" in words
    )
    monthly = cost["monthly"]
    assert f"USD {monthly['lower']:,.0f}–{monthly['upper']:,.0f} a month" in words
    assert f"Running {RUNNING}" in words
    bars = await page.page.locator("svg.chart rect.sure").count()
    assert bars == sum(day["wasted"]["lower"] > 0 for day in cost["days"]) > 5


async def test_the_dearest_come_first(page: Watched) -> None:
    await page.open(DASHBOARD)
    rows = page.page.locator("section.flagged tbody tr")
    assert await rows.count() == LEFT
    sizes = await page.page.locator("section.flagged tbody th .under:nth-of-type(2)").all_inner_texts()
    dearest = ["Standard_E8s_v5", "Standard_D4s_v5", "Standard_D2s_v5", "Standard_Unheard_of"]
    order = [next(rank for rank, size in enumerate(dearest) if size in text) for text in sizes]
    assert order == sorted(order)
    assert "unknown" in await rows.last.inner_text()


async def test_filter_by_state_and_search_by_name(page: Watched) -> None:
    await page.open(DASHBOARD)
    fleet = page.page.locator('table[aria-labelledby="fleet"] tbody tr')
    await page.page.select_option("#state", "stopped")
    await page.page.click("form.filter button")
    await expect(fleet).to_have_count(LEFT + 1)
    await page.page.select_option("#state", "")
    await page.page.fill("#name", "RUN-3")
    await page.page.keyboard.press("Enter")
    await expect(fleet).to_have_count(10)
    assert "name=RUN-3" in page.page.url
    await expect(page.page.locator("#name")).to_have_value("RUN-3")
    await page.page.fill("#name", "<script>nobody")
    await page.page.click("form.filter button")
    await expect(page.page.get_by_text("No VM is like that.")).to_be_visible()
    await page.page.click("text=Show all")
    await expect(fleet).to_have_count(25)
    show = page.page.locator("form.filter button")
    for _ in range(2):
        # The same search again leads to the same address.
        await show.click()
        await expect(page.page).to_have_url(re.compile("#fleet$"))
    await expect(show).to_have_text("Show")
    await expect(show).to_be_enabled()
    await page.page.locator("ul.states a", has_text="Running").click()
    await expect(page.page.locator('ul.states a[aria-current="true"]')).to_contain_text("Running")


async def test_through_the_fleet_page_by_page(page: Watched) -> None:
    await page.open(DASHBOARD)
    fleet = page.page.locator('table[aria-labelledby="fleet"] tbody tr')
    seen = set[str]()
    for count in (25, 25):
        await expect(fleet).to_have_count(count)
        seen |= set(await fleet.locator("th").all_inner_texts())
        after = page.page.get_by_role("link", name="Next page")
        if await after.count():
            await after.click()
            await expect(page.page.get_by_role("link", name="First page")).to_be_visible()
    assert len(seen) == LEFT + 1 + RUNNING
    await page.page.get_by_role("link", name="First page").click()
    await expect(page.page.get_by_role("link", name="First page")).to_have_count(0)


async def test_to_a_vm_and_back(page: Watched) -> None:
    await page.open(DASHBOARD)
    await page.page.locator("section.flagged tbody th a").first.click()
    await page.page.wait_for_url(re.compile(r"/api/dashboard/.+/rg-shop/web-\d$"))
    await page.page.get_by_role("link", name="Stopgap").click()
    await page.page.wait_for_url(re.compile(r"/api/dashboard$"))


def button(page: Watched, what: str, vm: str) -> Any:  # noqa: ANN401 - Playwright's
    return page.page.get_by_role("button", name=f"{what} {vm}").first


async def test_snooze_from_the_list(page: Watched, town: Town) -> None:
    await page.open(DASHBOARD)
    await button(page, "Snooze", "web-0").click()
    await page.page.locator("[popover]:popover-open").get_by_role("button", name="1 day").click()
    await expect(page.page.get_by_role("status")).to_contain_text("web-0: it is snoozed, and stays flagged.")
    assert "/api/dashboard?" in page.page.url
    assert (await town.app.vm(town.id_of("web-0")))["flag"]["snoozed_until"]
    row = page.page.locator("section.flagged tr", has_text="web-0")
    await expect(row).to_contain_text("Snoozed")
    assert await page.axe() == []


async def test_exempt_from_the_list(page: Watched, town: Town) -> None:
    await page.open(DASHBOARD)
    await button(page, "Exempt", "web-1").click()
    dialog = page.page.locator("[popover]:popover-open")
    await dialog.get_by_role("button", name="Exempt").click()
    # Without a reason the browser sends nothing.
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Reason").fill("kept <b>warm</b> \N{GRINNING FACE}")
    await dialog.get_by_role("button", name="Exempt").click()
    await expect(page.page.get_by_role("status")).to_contain_text(
        "web-1: it is exempt, and not flagged any more."
    )
    vm = await town.app.vm(town.id_of("web-1"))
    assert (vm["flag"], vm["exemption"]["reason"]) == (None, "kept <b>warm</b> \N{GRINNING FACE}")


async def test_deallocate_from_the_list_with_confirmation(page: Watched, town: Town) -> None:
    vm = town.id_of("web-2")
    await page.open(DASHBOARD)
    await button(page, "Deallocate", "web-2").click()
    dialog = page.page.locator("[popover]:popover-open")
    send = dialog.get_by_role("button", name="Deallocate web-2")
    await send.click()
    await expect(dialog).to_be_visible()
    assert not [request for request in town.azure.requests if request.operation == "deallocate"]
    await dialog.get_by_role("checkbox").check()
    await send.click()
    await expect(page.page.get_by_role("status")).to_contain_text("web-2: the deallocation is asked for.")
    await town.app.seen(vm, "deallocated")
    asked = [request.path.lower() for request in town.azure.requests if request.operation == "deallocate"]
    assert asked == [f"{vm.lower()}/deallocate"]

    async def gone() -> bool:
        await page.open(DASHBOARD)
        words = await page.words()
        return "1 deallocated by Stopgap now" in words and "Deallocate web-2" not in words

    assert await eventually(gone, within=40)


async def test_by_keyboard_alone(page: Watched, town: Town) -> None:
    await page.open(DASHBOARD)
    await page.page.keyboard.press("Tab")
    await expect(page.page.locator(".skip")).to_be_focused()
    await page.page.keyboard.press("Enter")
    await button(page, "Snooze", "web-3").focus()
    await page.page.keyboard.press("Enter")
    dialog = page.page.locator("[popover]:popover-open")
    await expect(dialog).to_be_visible()
    await page.page.keyboard.press("Tab")
    await expect(dialog.get_by_role("button", name="4 hours")).to_be_focused()
    await page.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(button(page, "Snooze", "web-3")).to_be_focused()
    await page.page.keyboard.press("Enter")
    await page.page.keyboard.press("Tab")
    await page.page.keyboard.press("Enter")
    await expect(page.page.get_by_role("status")).to_contain_text("web-3: it is snoozed")
    assert (await town.app.vm(town.id_of("web-3")))["flag"]["snoozed_until"]


async def test_a_form_on_its_way_is_busy(page: Watched) -> None:
    await page.open(DASHBOARD)
    # It is never sent, so that the button can be looked at.
    await page.page.evaluate("addEventListener('submit', (event) => event.preventDefault())")
    await button(page, "Snooze", "web-4").click()
    dialog = page.page.locator("[popover]:popover-open")
    choice = dialog.locator("button[name=until]").first
    await choice.click()
    await expect(choice).to_have_text("Working …")
    await expect(choice).to_be_disabled()
    await expect(dialog.locator("form").first).to_have_attribute("aria-busy", "true")
    assert await page.axe() == []
    # Whoever comes back to the page finds it as it was.
    await page.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow'))")
    await expect(choice).to_have_text("4 hours")
    await expect(choice).to_be_enabled()


async def test_what_cannot_be_read_is_a_page_that_says_so(page: Watched) -> None:
    page.refused.add(400)
    for query in ("power_state=asleep", "next=forged", "limit=3", "flagged_page=0", "of=x"):
        await page.open(f"{DASHBOARD}?{query}")
        await expect(page.page.locator("h1")).to_have_text("That could not be read")
        assert "expected" in await page.words()
    assert await page.axe() == []
    assert await page.page.get_by_role("link", name="Stopgap").get_attribute("href") == DASHBOARD


async def test_the_download(page: Watched) -> None:
    await page.open(DASHBOARD)
    async with page.page.expect_download() as waiting:
        await page.page.get_by_role("link", name="Episodes as CSV").click()
    download = await waiting.value
    assert download.suggested_filename.startswith("stopgap-episodes-")
    text = (await download.path()).read_text("utf-8")
    assert text.count("\n") >= LEFT + 1
    # Which the browser tells as a page that was left.
    page.wrong = [each for each in page.wrong if "episodes.csv" not in each]
