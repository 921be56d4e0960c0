"""The made-up month, as the app itself tells of it afterwards."""

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from local.browser import chromium
from local.pictures.camera import SHARPNESS, WIDTH, Camera
from local.pictures.png import SIGNATURE


async def told(http: aiohttp.ClientSession, path: str) -> Any:  # noqa: ANN401 - JSON
    async with http.get(path) as answer:
        assert answer.status == 200
        return await answer.json()


async def flagged(http: aiohttp.ClientSession) -> dict[str, Any]:
    return {vm["name"]: vm for vm in (await told(http, "/api/vms?flagged=true"))["vms"]}


async def test_it_is_watched_and_nothing_is_uncovered(http: aiohttp.ClientSession) -> None:
    health = await told(http, "/api/health")
    assert (health["status"], health["remarks"]) == ("ok", [])
    (sweep,) = health["sweeps"].values()
    assert sweep["complete"]
    assert sweep["fault_count"] == 0


async def test_vms_are_left_stopped_for_reasons_of_all_kinds(http: aiohttp.ClientSession) -> None:
    vms = await flagged(http)
    assert set(vms) == {"sql-02", "render-04", "etl-01", "agent-09", "attic-01", "desk-ada", "lab-03"}
    assert {vm["cause"]["actor"] for vm in vms.values() if vm["cause"]} == {"guest", "control_plane"}
    assert vms["desk-ada"]["cause"]["caller_name"] == "Ada Lovelace"
    assert vms["attic-01"]["since_source"] == "observed"
    assert vms["lab-03"]["flag"]["snoozed_until"]
    planned = datetime.fromisoformat(vms["agent-09"]["flag"]["deallocate_after"])
    assert planned > datetime.now(UTC), "its warning is not over"
    stopped = {vm["name"]: vm for vm in (await told(http, "/api/vms?power_state=stopped"))["vms"]}
    assert set(stopped) - set(vms) == {"signing-01", "trial-spark", "web-08"}
    assert stopped["trial-spark"]["exemption"]["reason"] == "load test until Friday"


async def test_there_is_waste_on_each_day_and_less_once_it_is_deallocated(
    http: aiohttp.ClientSession,
) -> None:
    cost = (await told(http, "/api/summary"))["cost"]
    assert cost["whole"]
    assert cost["deallocated"] >= 1
    wasted = [day["wasted"]["lower"] for day in cost["days"]]
    avoided = [day["avoided"]["lower"] for day in cost["days"]]
    assert all(wasted), wasted
    assert not any(avoided[:13])
    assert all(avoided[15:]), avoided
    assert sum(wasted[15:25]) < sum(wasted[3:13]) / 2


async def test_a_build_agent_was_deallocated_by_stopgap_and_that_was_confirmed(
    http: aiohttp.ClientSession,
) -> None:
    agent = next(
        vm for vm in (await told(http, "/api/vms?name=agent"))["vms"] if vm["power_state"] == "deallocated"
    )
    path = f"/api/vms/{agent['subscription']}/{agent['resource_group']}/{agent['name']}"
    life = await told(http, path)
    assert life["deallocation"]["stage"] == "confirmed"
    assert any(episode["ended_at"] for episode in life["episodes"])


async def test_a_picture_of_it(url: str) -> None:
    async with chromium() as browser:
        camera = Camera(browser)
        png = await camera.take(f"{url}/api/dashboard", "dl.headlines", "dark")
        with pytest.raises(RuntimeError, match=r"dashboard/nowhere: expected 200, got 404"):
            await camera.take(f"{url}/api/dashboard/nowhere", "h1", "light")
    assert png.startswith(SIGNATURE)
    assert int.from_bytes(png[16:20]) == WIDTH * SHARPNESS
    assert len(png) > 10_000


@pytest.mark.parametrize("width", [1280, 1024, 800])
async def test_names_are_not_broken_into_letters(url: str, width: int) -> None:
    """A table that has little room breaks a name at its hyphens at most."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": width, "height": 900})
        await page.goto(f"{url}/api/dashboard")
        names = page.locator("tbody th[role=rowheader] a")
        assert await names.count() > 20
        lines = (
            "names => names.map(name => [name.innerText, name.querySelector('bdi').getClientRects().length])"
        )
        for name, count in await names.evaluate_all(lines):
            assert count <= len(name.split("-")), name
        if width == 1280:
            wider = "parts => parts.map(part => part.scrollWidth - part.clientWidth)"
            assert max(await page.locator(".rows").evaluate_all(wider)) <= 0, "nothing is to be scrolled to"
