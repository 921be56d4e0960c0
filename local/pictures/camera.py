"""Takes pictures of pages, by a Chromium without a window."""

from typing import Literal

from playwright.async_api import Browser, FloatRect, Page

from local.pictures.png import indexed

type Scheme = Literal["light", "dark"]

WIDTH = 1280
SHARPNESS = 1.5
"""Points of the picture for one of the page: sharp where it is shown in a README's width, and still a small file."""

_MARGIN = 16

_FONT = "body { font-family: Arial, 'Liberation Sans', sans-serif; }"
"""What a machine takes for its own font differs more than what it takes for this one."""


class Camera:
    """Takes pictures of what is at the top of a page."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def take(self, url: str, last: str, scheme: Scheme) -> bytes:
        """A picture of a page of the app, from its top to the end of an element, in PNG.

        Args:
            url: Where the page is. Any answer but 200 is a `RuntimeError`.
            last: A selector of the last element that is to be seen.
            scheme: The colour scheme.
        """
        # The page's own policy refuses every style but its own, that of a font included.
        page = await self._browser.new_page(
            viewport={"width": WIDTH, "height": 900},
            device_scale_factor=SHARPNESS,
            color_scheme=scheme,
            bypass_csp=True,
        )
        answer = await page.goto(url)
        if answer is None or answer.status != 200:
            raise RuntimeError(f"GET {url}: expected 200, got {answer.status if answer else 'no answer'}")
        await page.add_style_tag(content=_FONT)
        try:
            return await _cut(page, last)
        finally:
            await page.close()

    async def develop(self, html: str, last: str) -> bytes:
        """A picture of a page of ours, which fetches nothing, to the end of an element."""
        page = await self._browser.new_page(
            viewport={"width": WIDTH, "height": 900}, device_scale_factor=SHARPNESS, offline=True
        )
        await page.set_content(html)
        try:
            return await _cut(page, last)
        finally:
            await page.close()


async def _cut(page: Page, last: str) -> bytes:
    box = await page.locator(last).bounding_box()
    if box is None:
        raise RuntimeError(f"{page.url}: expected {last} to be seen")
    height = box["y"] + box["height"] + _MARGIN
    clip = FloatRect(x=0, y=0, width=WIDTH, height=height)
    return indexed(await page.screenshot(full_page=True, clip=clip))
