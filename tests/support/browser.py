"""A real browser that stays open: Chromium, driven over its DevTools protocol through two pipes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.programs import program


class Page:
    """One page."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, os.fdopen(from_browser, "rb", closefd=False)
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self.console: list[str] = []
        """What the page or the browser has complained about."""
        self._call("Log.enable")
        self._call("Page.enable")

    def open(self, url: str, *, scripts: bool = True) -> None:
        """Go to ``url``."""
        self._call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params, **self._session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._next())
            if answer.get("method") == "Log.entryAdded":
                self.console.append(answer["params"]["entry"]["text"])
            if answer.get("id") == number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    def _next(self) -> bytes:
        received = b""
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "the browser has ended"
            received += byte
        return received


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page in a browser without a window, whose profile is in ``folder``."""
    read_by_browser, to_browser = os.pipe()
    from_browser, written_by_browser = os.pipe()
    options = ["headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "remote-debugging-pipe"]
    command = [program("chromium"), *(f"--{option}" for option in options), f"--user-data-dir={folder}"]
    # The browser reads from descriptor 3 and writes to descriptor 4. Not sh: dash knows only one digit of a number.
    script = f'exec "$@" 3<&{read_by_browser} 4>&{written_by_browser}'
    with subprocess.Popen(
        ["bash", "-c", script, "bash", *command],
        pass_fds=(read_by_browser, written_by_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(read_by_browser)
        os.close(written_by_browser)
        try:
            yield Page(to_browser, from_browser)
        finally:
            os.close(to_browser)
            process.terminate()
            process.wait(20)
            os.close(from_browser)
