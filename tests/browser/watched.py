"""A page that is watched: whatever a browser would complain of, or fetch from elsewhere, is a failure."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response

from local.parts import ROOT

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
SCREENSHOTS = ROOT / "build" / "screenshots"


class Watched:
    """A page of the app at `url`, and all that went wrong on it."""

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page, self.url, self.name = page, url, name
        self.wrong: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("requestfailed", lambda request: self.wrong.append(f"failed: {request.url}"))
        page.on("response", self._response)
        self.refused: set[int] = set()
        """Statuses that a test expects."""

    @classmethod
    async def of(cls, context: BrowserContext, url: str, name: str) -> "Watched":
        """A new page."""
        return cls(await context.new_page(), url, name)

    async def open(self, path: str) -> None:
        """Go there."""
        await self.page.goto(self.url + path)

    async def words(self) -> str:
        """What is to be read, as one line."""
        return " ".join((await self.page.inner_text("body")).split())

    async def axe(self) -> list[str]:
        """What axe finds, whatever its impact."""
        # Evaluated by the browser's own protocol: the page's policy holds all the same.
        await self.page.evaluate(AXE)
        found: dict[str, Any] = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['impact']} {each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    async def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        wide: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide

    async def picture(self, of: str) -> Path:
        """Keep a screenshot as build output."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{of}-{self.name}.png"
        await self.page.screenshot(path=path, full_page=True)
        return path

    def _console(self, message: ConsoleMessage) -> None:
        # A status that a test expects makes a line as well.
        expected = any(re.search(rf"status of {status}\b", message.text) for status in self.refused)
        if message.type in {"error", "warning"} and not expected:
            self.wrong.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.wrong.append(f"another host: {request.url}")

    def _response(self, response: Response) -> None:
        # A browser asks for an icon of its own accord.
        asked_for = not response.url.endswith("/favicon.ico")
        if response.status >= 400 and response.status not in self.refused and asked_for:
            self.wrong.append(f"{response.status}: {response.url}")
