"""The page of a VM in a real browser."""

from playwright.async_api import expect

from tests.browser.conftest import LEFT, NASTY, Town
from tests.browser.watched import Watched
from tests.e2e.town import path


def page_of(town: Town, name: str) -> str:
    return path(town.id_of(name)).replace("/api/vms/", "/api/dashboard/")


async def test_it_is_fit_for_everybody(each: Watched, town: Town) -> None:
    await each.open(page_of(town, "web-0"))
    await expect(each.page.locator("h1")).to_have_text("web-0")
    assert await each.axe() == []
    assert await each.overflow() <= 0
    assert (await each.picture("vm")).stat().st_size > 10_000


async def test_what_others_wrote_stays_text(each: Watched, town: Town) -> None:
    status, _ = await town.app.ask(
        town.id_of("web-1"), "exempt", reason=NASTY.replace("\u202e", "").replace("\u2066", "")
    )
    assert status == 202
    for name in ("web-1", f"web-{LEFT}"):
        await each.open(page_of(town, name))
        assert await each.page.locator("img").count() == 0
        assert "<img src=x onerror=alert(1)>" in await each.words()
        assert "\u202e" not in await each.words()
        assert await each.overflow() <= 0
        assert await each.axe() == []
    await each.picture("nasty")


async def test_snooze_and_its_end(page: Watched, town: Town) -> None:
    await page.open(page_of(town, "web-2"))
    await page.page.get_by_role("button", name="1 week").click()
    await expect(page.page.get_by_role("status")).to_contain_text("It is done: see the snooze below.")
    assert (await town.app.vm(town.id_of("web-2")))["flag"]["snoozed_until"]
    await page.page.get_by_role("button", name="End the snooze").click()
    await expect(page.page.get_by_role("button", name="End the snooze")).to_have_count(0)
    assert (await town.app.vm(town.id_of("web-2")))["flag"]["snoozed_until"] is None


async def test_deallocate_with_its_box_ticked(page: Watched, town: Town) -> None:
    vm = town.id_of("web-3")
    await page.open(page_of(town, "web-3"))
    send = page.page.get_by_role("button", name="Deallocate web-3")
    await send.click()
    assert "?" not in page.page.url
    assert not [request for request in town.azure.requests if request.operation == "deallocate"]
    await page.page.get_by_role("checkbox").check()
    await send.click()
    await expect(page.page.get_by_role("status")).to_contain_text("The deallocation is asked for.")
    await town.app.seen(vm, "deallocated")
    await page.open(page_of(town, "web-3"))
    assert "Deallocated, not billed" in await page.words()
    assert await page.axe() == []


async def test_a_look(page: Watched, town: Town) -> None:
    await page.open(page_of(town, "web-4"))
    await page.page.get_by_role("button", name="Look now").click()
    await expect(page.page.get_by_role("status")).to_contain_text("A look is asked for.")


async def test_by_keyboard_alone(page: Watched, town: Town) -> None:
    await page.open(page_of(town, "web-5"))
    await page.page.keyboard.press("Tab")
    await expect(page.page.locator(".skip")).to_be_focused()
    await page.page.keyboard.press("Tab")
    await expect(page.page.get_by_role("link", name="Stopgap")).to_be_focused()
    box = page.page.get_by_role("checkbox")
    for _ in range(12):
        await page.page.keyboard.press("Tab")
        if await box.evaluate("box => box === document.activeElement"):
            break
    await page.page.keyboard.press("Space")
    await expect(box).to_be_checked()
    await page.page.keyboard.press("Tab")
    await page.page.keyboard.press("Enter")
    await expect(page.page.get_by_role("status")).to_contain_text("The deallocation is asked for.")


async def test_no_such_vm(page: Watched, town: Town) -> None:
    page.refused.add(404)
    await page.open(page_of(town, "nobody"))
    await expect(page.page.locator("h1")).to_have_text("No such VM")
    assert await page.axe() == []
