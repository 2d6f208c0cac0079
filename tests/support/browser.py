"""A real browser that stays open: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, sync_playwright
from playwright.sync_api import Page as ChromiumPage

from tests.support.programs import program


class Page:
    """One page."""

    def __init__(self, page: ChromiumPage) -> None:
        self.shown = page
        self.console: list[str] = []
        """What the page or the browser has complained about."""
        page.on("console", self._complained)
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def open(self, url: str) -> None:
        """Go to ``url``."""
        self.shown.goto(url, wait_until="load")

    def look(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Show pages as in a window of this size, in pixels, under this colour scheme."""
        self.shown.set_viewport_size({"width": width, "height": height})
        self.shown.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")

    def picture(self) -> bytes:
        """The whole page as PNG."""
        return self.shown.screenshot(full_page=True)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self.shown.evaluate(expression)

    def barriers(self) -> list[str]:
        """Serious and critical findings of axe: what keeps people from using the page."""
        found = Axe().run(self.shown).response["violations"]
        return [
            f"{each['id']}: {each['help']}: {node['target']}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def _complained(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console.append(message.text)


@contextlib.contextmanager
def browser(folder: Path, *, scripts: bool = True) -> Iterator[Page]:
    """A page in a browser without a window, whose profile is in ``folder``."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder,
            executable_path=program("chromium"),
            java_script_enabled=scripts,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        try:
            yield Page(context.pages[0])
        finally:
            context.close()
